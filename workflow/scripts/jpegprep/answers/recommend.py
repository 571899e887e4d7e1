"""The recommendation for a user's own images: which quality, what it saves, what it costs.

What is known is gathered here; `verdicts` says what may be said of it, `page` says it.
"""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.answers.page import markdown
from jpegprep.answers.verdicts import CANNOT_TELL, verdict
from jpegprep.common.files import write_json, write_text
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.common.records import read_run
from jpegprep.datasets.manifest import read_decoding
from jpegprep.datasets.problems import (
    ANIMATED,
    DEEP,
    NO_READER,
    OK,
    SET_ASIDE,
    TRANSPARENT,
)
from jpegprep.evaluation.accuracy import groups_of
from jpegprep.evaluation.audit import warning
from jpegprep.evaluation.decision import against_original
from jpegprep.evaluation.losses import class_rows, read_ratios
from jpegprep.evaluation.stats import accuracy_interval, difference_interval
from jpegprep.learners.runs import read_predictions


def recommend(
    what: Mapping[str, Any],
    started: float,
    proposal: str | Path,
    plan: str | Path,
    differences: str | Path,
    accuracy: str | Path,
    sizes: str | Path,
    uses: str | Path,
    predictions: Mapping[float, Sequence[str | Path]],
    manifest: str | Path,
    split: str | Path,
    audit: str | Path,
    groups: str | Path,
    free: str | Path,
    *targets: str | Path,
    rounds: Sequence[str | Path] = (),
    larger: Sequence[str | Path] = (),
) -> str:
    """Write the recommendation; return a line that says what it is and where.

    Args:
        what: of the configuration (workflow/schemas/recommend.schema.yaml): images, name, margin,
            class_margin, probe, image_size; ``told``: what was found by itself of the images; and
            what was said of columns, which the command to convert them needs, too.
        started: when the work began, in seconds since 1970.
        proposal: what `proposal.propose` wrote.
        plan: what `budget.plan_minutes` wrote.
        differences: the study's table.
        accuracy: likewise.
        sizes: likewise.
        uses: what `uses.measure_uses` wrote.
        predictions: of the probe, by ratio a file a seed.
        manifest: of the images.
        split: likewise.
        audit: what `audit.audit` wrote.
        groups: the facts that `groups.find_groups` wrote.
        free: what `savings.measure_own` wrote.
        targets: recommendation.md, .json, and the figure as .svg and .png.
        rounds: what `pairs.judge` wrote of one ratio after the other; none, where no networks were
            fine-tuned.
        larger: the folder of `larger.look_larger`, or nothing.
    """
    proposed, planned = _json(proposal), _json(plan)
    compared = against_original(differences)
    probe = compared[compared["learner"] == what["probe"]]
    table = pd.read_csv(sizes)
    size_of: dict[float, dict[Any, Any]] = {row["ratio"]: row for row in table.to_dict("records")}
    tried = [_json(path) for path in rounds]
    ratio = tried[-1]["ratio"] if tried else proposed["ratio"]
    used = pd.read_csv(uses)
    found = _probe(probe, pd.read_csv(accuracy), used, what["probe"], ratio, split)
    pairs = tried[-1] if tried else None
    evidence = None
    if pairs:
        evidence = {**pairs["difference"], "contradicted": len(tried) > 1}
        evidence["smaller"] = pairs["image_size"] < what["image_size"]
    told = verdict(proposed, found, evidence, what["margin"])
    if told == CANNOT_TELL:
        ratio = None  # nobody is to take a number for an answer
    audited = _json(audit)
    found_in_manifest = _manifest(manifest, split)
    facts: dict[str, Any] = {
        "images": what["images"],
        "verdict": told,
        "quality": None if ratio is None else round(100 * ratio),
        "margin": what["margin"],
        "class_margin": what["class_margin"],
        "image_size": what["image_size"],
        "original_bytes": int(size_of[1.0]["bytes"]),
        "compressed_bytes": None if ratio is None else int(size_of[ratio]["bytes"]),
        "saved": None if ratio is None else 1 - size_of[ratio]["relative_size"],
        "probe": found,
        "pairs": pairs["difference"]["pairs"] if pairs else 0,
        "fine_tuned": pairs,
        "contradicted": [one for one in tried if one["loses"]],
        "larger": _larger(larger, ratio),
        "lost": {"ratio": proposed["lost"], "classes": proposed["lost_classes"]},
        "needed": {
            "ratio": proposed["next"],
            "images": proposed["images_needed"],
        },
        "classes": [] if ratio is None else _classes(predictions, split, ratio),
        "unknown_classes": _unknown_classes(predictions, split, what["class_margin"]),
        "audit": {"warning": warning(audited), "reason": audited["reason"]},
        "source": _source(size_of[1.0]),
        "manifest": found_in_manifest,
        "told": what["told"],
        "groups": _json(groups) | {"pairs_file": str(Path(groups).with_suffix(".pairs.png"))},
        "plan": {name: value for name, value in planned.items() if name != "speed"},
        "seconds": round(time.time() - started),
        "free": _json(free) | {"command": _command(what, "--store original-opt")},
        "command": None if ratio is None else _command(what, f"--quality {round(100 * ratio)}"),
        "giving_up": giving_up(found_in_manifest),
        "runs": _runs(predictions, tried, ratio),
    }
    from jpegprep.results.figures.accuracy import recommended  # `propose` draws nothing

    text, numbers, *figures = targets
    recommended(probe, table, facts, *figures)
    write_json(numbers, facts)
    page = markdown(what["name"], facts, probe, used, size_of)
    write_text(text, page)
    return f"{page.splitlines()[0].removeprefix('# ')}; see {text}"


def _json(path: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def _probe(
    probe: pd.DataFrame,
    accuracy: pd.DataFrame,
    uses: pd.DataFrame,
    learner: str,
    ratio: float | None,
    split: str | Path,
) -> dict[str, Any]:
    """Return what the probe found on the originals and at a ratio."""
    own = accuracy[(accuracy["learner"] == learner) & (accuracy["ratio"] == 1.0)].iloc[0]
    found: dict[str, Any] = {"n": int(own["n"]), "repeats": int(own["seeds"])}
    found |= {"original": float(own["accuracy"])}
    found |= {f"original_{end}": float(own[end]) for end in ("low", "high")}
    labels = read_parquet(split, ["label"]).to_pandas()["label"]
    found["chance"] = float(labels.value_counts(normalize=True).max())
    if ratio is not None:
        row = probe[probe["ratio"] == ratio].iloc[0]
        found |= {name: float(row[name]) for name in ("difference", "low", "high", "p")}
        beyond = uses[uses["ratio"] == ratio].iloc[0]
        for name in ("balanced", "log_loss", "on_originals", "generalization_gap"):
            ends = (beyond[name], beyond[f"{name}_low"], beyond[f"{name}_high"])
            found[name] = dict(zip(("difference", "low", "high"), map(float, ends), strict=True))
    return found


def _larger(folders: Sequence[str | Path], ratio: float | None) -> dict[str, Any] | None:
    """Return what the probe found at a larger size of images."""
    if not folders or ratio is None:
        return None
    sides: dict[bool, list[Any]] = {True: [], False: []}
    groups = None
    records = sorted(Path(folders[0]).glob("*/seed*/run.json"))
    for record in records:
        table = read_predictions(record.with_name("predictions.parquet"))
        groups = groups_of([table])
        right = (table["label"] == table["predicted"]).to_numpy()
        sides[record.parts[-3] == ORIGINAL].append(right)
    originals, compressed = np.stack(sides[True]), np.stack(sides[False])
    found = difference_interval(compressed, originals, crossfitted=True, groups=groups)
    accuracy, low, high, _ = accuracy_interval(originals, crossfitted=True, groups=groups)
    return {
        "image_size": read_run(records[0])["recipe"]["image_size"],
        "n": originals.shape[1],
        **{"original": accuracy, "original_low": low, "original_high": high},
        **{name: getattr(found, name) for name in ("difference", "low", "high", "p")},
        "runs": [str(record) for record in records],
    }


def _classes(
    predictions: Mapping[float, Sequence[str | Path]], split: str | Path, ratio: float
) -> list[dict[str, Any]]:
    """Return the five classes that lose most by the probe, each with its interval."""
    rows = class_rows("", "", read_ratios({r: predictions[r] for r in (1.0, ratio)}, split))
    worst = rows[rows["difference"] < 0].dropna(subset="low").sort_values("difference").head(5)
    names = ("class", "n", "original_accuracy", "accuracy", "difference", "low", "high")
    return [{name: row[name] for name in names} for row in worst.to_dict("records")]


def _unknown_classes(
    predictions: Mapping[float, Sequence[str | Path]], split: str | Path, margin: float
) -> list[dict[str, Any]]:
    """Return the classes that could not be seen to lose the margin: they hardly have so much."""
    found = read_ratios({1.0: predictions[1.0]}, split)
    correct = found.correct(1.0)
    of_class = [correct[:, found.labels == label] for label in range(len(found.classes))]
    return [
        {"class": name, "n": right.shape[1], "original_accuracy": float(right.mean())}
        for name, right in zip(found.classes, of_class, strict=True)
        if right.size and right.mean() <= margin
    ]


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
    """Return how many files there are, how many are used, and what is wrong with them."""
    columns = ["problems", "handling", "member", "scale", "profile"]
    files = read_parquet(manifest, columns).to_pandas()
    used = files[files["handling"] != SET_ASIDE]
    of_used = used["problems"].str.split(", ").explode().value_counts()
    unread = files.loc[files["problems"] == NO_READER, "member"]
    endings = unread.map(lambda name: PurePosixPath(name).suffix.lower() or "no ending")
    wrong = files[files["problems"] != OK].value_counts(["problems", "handling"], sort=False)
    problems = wrong.rename("files").reset_index()
    return {
        "files": len(files),
        "used": len(read_parquet(split, ["split"])),
        "problems": [
            {"problem": row["problems"], "handling": row["handling"], "files": int(row["files"])}
            for row in problems.to_dict("records")
        ],
        "unread": {str(ending): int(count) for ending, count in endings.value_counts().items()},
        # What a conversion leaves as it is, unless it is told to give that up.
        "held": {
            name: int(of_used[name]) for name in (DEEP, TRANSPARENT, ANIMATED) if name in of_used
        },
        "scales": sorted(used["scale"].dropna().unique()),
        "profiles": {
            str(name): int(count) for name, count in used["profile"].value_counts().items()
        },
        "decoding": read_decoding(manifest).record(),
    }


def _runs(
    predictions: Mapping[float, Sequence[str | Path]],
    tried: Sequence[Mapping[str, Any]],
    ratio: float | None,
) -> list[str]:
    """Return the run.json of all that the numbers are of."""
    ratios = [1.0] if ratio is None else [1.0, ratio]
    found = [str(Path(path).with_name("run.json")) for r in ratios for path in predictions[r]]
    for one in tried:
        found += [run for runs in one["runs"].values() for run in runs]
    return list(dict.fromkeys(found))


def giving_up(found: Mapping[str, Any]) -> str:
    """Return the options by which `jpegprep convert` converts what it else leaves as it is.

    Args:
        found: of the facts what is said of the manifest.
    """
    how, held, parts = found["decoding"], found["held"], []
    if DEEP in held:
        ranges = {tuple(how[scale]) for scale in found["scales"]}
        parts.append("--depth 8")
        if len(ranges) == 1:
            ((low, high),) = ranges
            parts.append(f"--range {low!r},{high!r}")
    if TRANSPARENT in held:
        parts.append(f"--alpha {how['alpha']}")
    if ANIMATED in held:
        parts.append("--frames first")
    return " ".join(parts)


def _command(what: Mapping[str, Any], to: str) -> str:
    """Return the command that converts the images, ``--quality 50`` or ``--store original-opt``."""
    command = f"jpegprep convert {shlex.quote(what['images'])} /path/to/new/folder"
    said = [
        f" --{key.replace('_', '-')} "
        + shlex.quote(str(what[key]).lower() if not what[key] else what[key])
        for key in ("path_column", "label_column", "split_column", "group_column")
        if what.get(key) is not None
    ]
    return f"{command} {to}{''.join(said)}"
