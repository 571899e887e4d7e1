"""The recommendation for a user's own images: which quality, what it saves, what it costs."""

import json
import shlex
from collections.abc import Mapping, Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.answers.verdicts import (
    CANNOT_TELL,
    LEAST_PAIRS,
    LEAVE,
    LOSES,
    NOT_SHOWN,
    USE,
    USE_PROBE,
    verdict,
)
from jpegprep.common.files import write_json, write_text
from jpegprep.common.parquet import read_parquet
from jpegprep.common.records import read_history, read_run
from jpegprep.datasets.problems import OK
from jpegprep.evaluation.accuracy import same_images
from jpegprep.evaluation.decision import PAIRED_TEST, against_original, in_points, points
from jpegprep.evaluation.stats import difference_interval
from jpegprep.learners.runs import read_predictions


def recommend(
    what: Mapping[str, Any],
    proposal: str | Path,
    differences: str | Path,
    accuracy: str | Path,
    sizes: str | Path,
    manifest: str | Path,
    split: str | Path,
    *targets: str | Path,
    original: Sequence[str | Path] = (),
    compressed: Sequence[str | Path] = (),
    reading: Sequence[str | Path] = (),
) -> str:
    """Write the recommendation; return a line that says where it is.

    Args:
        what: the configuration (workflow/schemas/recommend.schema.yaml).
        proposal: what `propose` wrote.
        differences: the study's table.
        accuracy: likewise.
        sizes: likewise.
        manifest: of the images.
        split: likewise.
        targets: recommendation.md, .json, and the figure as .svg and .png.
        original: run.json of the network fine-tuned on the originals, a seed each; without them
            nothing is confirmed.
        compressed: likewise on the proposed variant.
        reading: the table of `reading.measure` at both ratios, or nothing.
    """
    proposed = json.loads(Path(proposal).read_text(encoding="utf-8"))
    runs = {"original": original, "compressed": compressed}
    compared = against_original(differences)
    probe = compared[compared["learner"] == what["probe"]]
    table = pd.read_csv(sizes)
    size_of: dict[float, dict[Any, Any]] = {row["ratio"]: row for row in table.to_dict("records")}
    accuracies = pd.read_csv(accuracy)
    ratio = proposed["ratio"]
    fine = _fine_tuned(runs) if ratio is not None and runs["compressed"] else None
    found = _probe(probe, accuracies, what["probe"], ratio, split)
    told = verdict(proposed, found, fine, what["margin"])
    if told == CANNOT_TELL:
        ratio = None  # nobody is to take a number for an answer
    facts: dict[str, Any] = {
        "images": what["images"],
        "verdict": told,
        "quality": None if ratio is None else round(100 * ratio),
        "margin": what["margin"],
        "original_bytes": int(size_of[1.0]["bytes"]),
        "compressed_bytes": None if ratio is None else int(size_of[ratio]["bytes"]),
        "saved": None if ratio is None else proposed["saved"],
        "fine_tuned": fine,
        "pairs": fine["seeds"] if fine else 0,
        "probe": found,
        "lost": {"ratio": proposed["lost"], "classes": proposed["lost_classes"]},
        "needed": {
            "ratio": proposed["next"],
            "images": proposed["images_needed"],
            "seeds": proposed["seeds_needed"],
        },
        "source": _source(size_of[1.0]),
        "manifest": _manifest(manifest, split),
        "classes": _classes(what, runs, split) if fine else [],
        "reading": _reading(reading, runs),
        "command": None if ratio is None else _command(what["images"], round(100 * ratio)),
        "runs": [str(record) for side in ("original", "compressed") for record in runs[side]],
    }
    from jpegprep.results.figures.accuracy import recommended  # `propose` draws nothing

    text, numbers, *figures = targets
    recommended(probe, table, facts, *figures)
    write_json(numbers, facts)
    write_text(text, _markdown(facts, what, probe, size_of))
    return f"see {text}"


def _fine_tuned(runs: Mapping[str, Sequence[str | Path]]) -> dict[str, Any]:
    """Return how the fine-tuned network fares at both ratios, on the same test images."""
    same_images("the fine-tuned networks", [_answers(r) for side in runs.values() for r in side])
    sides = {side: _correct(runs[side]) for side in ("original", "compressed")}
    found = difference_interval(sides["compressed"], sides["original"])
    record = read_run(runs["original"][0])
    return {
        "learner": record["learner"],
        "seeds": len(sides["original"]),
        "n": sides["original"].shape[1],
        "original": float(sides["original"].mean()),
        "compressed": float(sides["compressed"].mean()),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "image_size": record["recipe"]["image_size"],
    }


def _correct(records: Sequence[str | Path]) -> Any:
    """Return whether each seed was right on each test image, (seeds, n)."""
    tables = [*map(_answers, records)]
    return np.stack([(t["label"] == t["predicted"]).to_numpy() for t in tables])


def _answers(record: str | Path) -> pd.DataFrame:
    """Return the predictions of a run, by its run.json."""
    return read_predictions(Path(record).with_name("predictions.parquet"))


def _probe(
    probe: pd.DataFrame,
    accuracy: pd.DataFrame,
    learner: str,
    ratio: float | None,
    split: str | Path,
) -> dict[str, Any]:
    """Return what the probe found on the originals and at the proposed ratio."""
    own = accuracy[(accuracy["learner"] == learner) & (accuracy["ratio"] == 1.0)].iloc[0]
    found: dict[str, Any] = {"n": int(own["n"]), "seeds": int(own["seeds"])}
    found |= {"original": float(own["accuracy"]), "original_low": float(own["low"])}
    labels = read_parquet(split, ["label"]).to_pandas()["label"]
    found["chance"] = float(labels.value_counts(normalize=True).max())
    if ratio is not None:
        row = probe[probe["ratio"] == ratio].iloc[0]
        found |= {name: float(row[name]) for name in ("difference", "low", "high")}
    return found


def _source(original: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the most frequent format, and the estimated quality of what is JPEG already."""
    quality = original["source_quality"]
    return {
        "format": original["source_format"],
        "quality": None if pd.isna(quality) else float(quality),
        "quality_p10": None if pd.isna(quality) else float(original["source_quality_p10"]),
        "quality_p90": None if pd.isna(quality) else float(original["source_quality_p90"]),
    }


def _manifest(manifest: str | Path, split: str | Path) -> dict[str, Any]:
    """Return how many files there are, how many are used where, and what is wrong with them."""
    files = read_parquet(manifest, ["problems", "handling"]).to_pandas()
    used = read_parquet(split, ["split"]).to_pandas()["split"].value_counts()
    wrong = files[files["problems"] != OK].value_counts(["problems", "handling"], sort=False)
    problems = wrong.rename("files").reset_index()
    return {
        "files": len(files),
        "used": {name: int(used.get(name, 0)) for name in ("train", "val", "test")},
        "problems": [
            {"problem": row["problems"], "handling": row["handling"], "files": int(row["files"])}
            for row in problems.to_dict("records")
        ],
    }


def _classes(
    what: Mapping[str, Any], runs: Mapping[str, Sequence[str | Path]], split: str | Path
) -> list[dict[str, Any]]:
    """Return the classes that lost most in the fine-tuned network, at most five."""
    names = read_parquet(split, ["class", "label"]).to_pandas().drop_duplicates("label")
    of_label = dict(zip(names["label"], names["class"], strict=True))
    labels = _answers(runs["original"][0])["label"]
    both = {side: _correct(runs[side]).mean(axis=0) for side in ("original", "compressed")}
    table = (
        pd.DataFrame({"label": labels, **both})
        .groupby("label")
        .agg(
            n=("original", "size"), original=("original", "mean"), compressed=("compressed", "mean")
        )
    )
    table["lost"] = table["original"] - table["compressed"]
    worst = table[table["lost"] > 0].sort_values("lost", ascending=False).head(5)
    return [
        {
            "class": of_label[row["label"]],
            "n": int(row["n"]),
            **{name: float(row[name]) for name in ("original", "compressed", "lost")},
        }
        for row in worst.reset_index().to_dict("records")
    ]


def _reading(
    reading: Sequence[str | Path], runs: Mapping[str, Sequence[str | Path]]
) -> list[dict[str, Any]]:
    """Return seconds an epoch at each bandwidth, and what limits it."""
    if not reading:
        return []
    table = pd.read_csv(reading[0]).dropna(subset="bandwidth")
    history = read_history(Path(runs["compressed"][0]).with_name("history.csv"))
    speed = float(history["images_per_second"].median())
    rows = []
    for bandwidth, pair in table.groupby("bandwidth"):
        before, after = (pair[pair["ratio"] == r].iloc[0] for r in (1.0, pair["ratio"].min()))
        model = float(before["images"]) / speed
        epochs = [
            max(
                {
                    "disk": row["bytes"] / 1e6 / row["bandwidth"],
                    "decoder": row["decode_seconds"],
                    "model": model,
                }.items(),
                key=lambda item: item[1],
            )
            for row in (before, after)
        ]
        gain = 1 - epochs[1][1] / epochs[0][1]
        rows.append(
            {
                "bandwidth": float(bandwidth),  # type: ignore[arg-type]
                "original_seconds": float(before["seconds"]),
                "compressed_seconds": float(after["seconds"]),
                "model_seconds": model,
                "bottleneck": epochs[0][0],
                "bottleneck_after": epochs[1][0],
                "epoch_shorter": float(gain),
            }
        )
    return rows


def _command(images: str, quality: int) -> str:
    """Return the command that converts the images."""
    return f"make convert IMAGES={shlex.quote(images)} TO=/path/to/new/folder QUALITY={quality}"


def _markdown(
    facts: Mapping[str, Any],
    what: Mapping[str, Any],
    probe: pd.DataFrame,
    sizes: Mapping[float, Mapping[Any, Any]],
) -> str:
    """Return the recommendation as people read it."""
    parts = [
        f"# {what['name']}: {_headline(facts)}",
        _reasons(facts),
        _costs(facts),
        *_next_steps(facts, what, probe),
        "## Every ratio, by the probe",
        _ratios(probe, sizes),
        "The probe is logistic regression on features of a frozen network, cross-fitted: all "
        f"{facts['probe']['n']:,} images are tested, each by a regression that was trained on the "
        f"other folds, in {facts['probe']['seeds']} repeats. It is a quick look, not a fine-tuned "
        f"network. {PAIRED_TEST}",
        "![Difference of accuracy and bytes against ratio](recommendation.svg)",
        *_reading_text(facts),
        *_classes_text(facts),
        "## The images",
        _images_text(facts),
        "## Where the numbers come from",
        "`recommendation.json` has them all; each run's configuration, code, versions and machine "
        "stand in its `run.json`: "
        + (", ".join(f"`{r}`" for r in facts["runs"]) or "none ran")
        + ". Networks saw the images at "
        f"{what['learners'][what['probe']]['recipe']['image_size']} px: one that sees them larger "
        "sees more of what JPEG leaves behind.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(facts: Mapping[str, Any]) -> str:
    quality = facts["quality"]
    return {
        USE: f"use JPEG quality {quality}",
        USE_PROBE: f"JPEG quality {quality}, by the probe; fine-tuned networks have not shown it",
        NOT_SHOWN: f"not shown; JPEG quality {quality} is the best guess",
        LOSES: f"quality {quality} loses too much",
        LEAVE: "leave the images as they are",
        CANNOT_TELL: "cannot tell; the network does not tell these classes apart",
    }[facts["verdict"]]


def _reasons(facts: Mapping[str, Any]) -> str:
    margin, answer = in_points(facts["margin"]), facts["verdict"]
    probe = facts["probe"]
    if answer == CANNOT_TELL:
        return (
            f"On the originals the probe is right for {probe['original']:.1%} (at least "
            f"{probe['original_low']:.1%}), and naming the largest class every time would be for "
            f"{probe['chance']:.1%}. Where a network has learnt so little, it has little to lose: "
            "that compression costs it nothing says nothing."
        )
    if answer == LEAVE:
        source = facts["source"]
        already = (
            f" They are JPEG of quality {source['quality']:.0f} already."
            if source["quality"] is not None
            else ""
        )
        return (
            f"No ratio saves bytes that are worth it without being shown to lose {margin} or more "
            f"of accuracy, or more of a class than is accepted.{already}"
        )
    saved = (
        f"It saves **{facts['saved']:.1%}** of the bytes "
        f"({facts['original_bytes'] / (1 << 20):,.1f} → "
        f"{facts['compressed_bytes'] / (1 << 20):,.1f} MiB of the images that were used)."
    )
    pairs = facts["pairs"]
    if not pairs:
        networks = "No network was fine-tuned to confirm it."
    elif pairs < LEAST_PAIRS:
        networks = (
            f"{pairs} {'pair' if pairs == 1 else 'pairs'} of fine-tuned networks cannot confirm "
            "it, since they do not tell how much training varies; "
            "`seeds=[0,1,2,3,4]` trains five."
        )
    else:
        networks = f"{pairs} pairs of fine-tuned networks neither show nor contradict it."
    return (
        saved
        + {
            USE: f" A loss of {margin} of accuracy or more is excluded, by the probe and by "
            f"{pairs} pairs of fine-tuned networks.",
            USE_PROBE: f" By the probe a loss of {margin} or more is excluded. {networks}",
            NOT_SHOWN: f" Whether it costs less than {margin}, these images cannot show.",
            LOSES: f" But the fine-tuned networks are shown to lose {margin} or more.",
        }[answer]
    )


def _costs(facts: Mapping[str, Any]) -> str:
    if facts["quality"] is None:
        return ""
    lines = []
    if fine := facts["fine_tuned"]:
        lines.append(
            f"- **Fine-tuned** ({fine['learner']}, {fine['image_size']} px, n = {fine['n']:,}, "
            f"{_seeds(fine['seeds'])}): accuracy {fine['original']:.3f} → "
            f"{fine['compressed']:.3f}, difference **{_points(fine)} points**, "
            f"p = {fine['p']:.2f}. A loss above {max(0.0, _up(-100 * fine['low'])):.1f} points is "
            "excluded."
        )
    found = facts["probe"]
    lines.append(
        f"- **Probe** (frozen backbone, all {found['n']:,} images, cross-fitted): difference "
        f"{_points(found)} points, of {found['original']:.3f}."
    )
    lines.append("- In brackets: 95 % intervals, paired by image and seed.")
    return "\n".join(lines)


def _up(points: float) -> float:
    """Return points rounded up to a tenth: what is excluded is never less than what was shown."""
    return ceil(round(10 * points, 6)) / 10


def _points(found: Mapping[str, Any]) -> str:
    return points(pd.DataFrame([{k: found[k] for k in ("difference", "low", "high")}]))[0]


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _shown_margin(probe: pd.DataFrame, ratio: float) -> float:
    """Return the margin, in half points, at which a ratio and all larger ones would be shown."""
    lows = probe.loc[probe["ratio"] >= ratio, "low"].tolist()
    return (floor(-200 * min(lows)) + 1) / 200


def _next_steps(
    facts: Mapping[str, Any], what: Mapping[str, Any], probe: pd.DataFrame
) -> list[str]:
    parts = []
    needed = facts["needed"]
    ways = [
        text
        for count, text in (
            (needed["images"], f"{needed['images'] or 0:,} images"),
            (needed["seeds"], f"{needed['seeds'] or 0} seeds"),
        )
        if count
    ]
    more = []
    if facts["verdict"] in (USE, USE_PROBE, NOT_SHOWN) and ways:
        more.append(
            f"**What would show more**: {' or '.join(ways)} would show ratio {needed['ratio']:g} "
            "with a chance of 80 %, if the probe's estimate is the truth."
        )
    if facts["verdict"] == NOT_SHOWN:
        ratio = facts["quality"] / 100
        margin = _shown_margin(probe, ratio)
        more.append(
            f"What the probe excludes at ratio {ratio:g} is a loss of {in_points(margin)} "
            f"(`margin={margin:g}`)."
        )
    if more:
        parts.append(" ".join(more))
    if classes := facts["lost"]["classes"]:
        named = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" if classes[5:] else "")
        parts.append(
            f"**Classes that are lost**: at ratio {facts['lost']['ratio']:g} the probe is shown to "
            f"lose {in_points(what['class_margin'])} or more of the accuracy on {named} (corrected "
            "for the number of classes). It and smaller ratios are not proposed."
        )
    if facts["verdict"] in (USE, USE_PROBE):
        parts.append(
            f"Convert the data set (same layout; what would grow is copied as it is):\n\n"
            f"```sh\n{facts['command']}\n```"
        )
    return parts


def _ratios(probe: pd.DataFrame, sizes: Mapping[float, Mapping[Any, Any]]) -> str:
    rows = probe.sort_values("ratio", ascending=False)
    shown = pd.DataFrame(
        {
            "ratio": rows["ratio"],
            "JPEG quality": (100 * rows["ratio"]).round().astype(int),
            "bytes": [f"{sizes[ratio]['relative_size']:.1%}" for ratio in rows["ratio"].tolist()],
            "difference, points": points(rows),
            "p (Holm)": rows["p_holm"].map("{:.3f}".format),
        }
    )
    return shown.to_markdown(index=False, disable_numparse=True)


def _reading_text(facts: Mapping[str, Any]) -> list[str]:
    if not facts["reading"]:
        return []
    shown = pd.DataFrame(
        {
            "disk": [f"{row['bandwidth']:g} MB/s" for row in facts["reading"]],
            "reading an epoch, s": [
                f"{row['original_seconds']:.2f} → {row['compressed_seconds']:.2f}"
                for row in facts["reading"]
            ],
            "model, s": [f"{row['model_seconds']:.2f}" for row in facts["reading"]],
            "limited by": [
                f"{row['bottleneck']} → {row['bottleneck_after']}" for row in facts["reading"]
            ],
            "an epoch is": [
                f"{row['epoch_shorter']:.0%} shorter"
                if row["epoch_shorter"] >= 0.02
                else "no shorter: no benefit"
                for row in facts["reading"]
            ],
        }
    )
    return [
        "## Reading",
        shown.to_markdown(index=False, disable_numparse=True),
        "Reading and decoding the training images was measured through a limit of so many MB/s; "
        "the model's time is that of this machine's fine-tuning.",
    ]


def _classes_text(facts: Mapping[str, Any]) -> list[str]:
    if not facts["classes"]:
        return []
    lines = [
        f"- {row['class']}: {row['original']:.2f} → {row['compressed']:.2f} (n = {row['n']})"
        for row in facts["classes"]
    ]
    return [
        "## Classes that lost most",
        "\n".join(" ".join(line.split()) for line in lines),
        "Of many classes with few test images each, the worst is partly the unluckiest.",
    ]


def _images_text(facts: Mapping[str, Any]) -> str:
    found, source = facts["manifest"], facts["source"]
    used = ", ".join(f"{count:,} {name}" for name, count in found["used"].items())
    quality = (
        f", estimated JPEG quality {source['quality']:.0f} (10th to 90th percentile "
        f"{source['quality_p10']:.0f} to {source['quality_p90']:.0f})"
        if source["quality"] is not None
        else ""
    )
    problems = "".join(
        f"\n- {row['problem']}: {row['files']:,} {'file' if row['files'] == 1 else 'files'}, "
        f"{row['handling']}"
        for row in found["problems"]
    )
    return f"{found['files']:,} files; used: {used}. Mostly {source['format']}{quality}." + (
        f" Not as they should be:\n{problems}" if problems else " Nothing is wrong with them."
    )
