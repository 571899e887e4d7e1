"""The recommendation for a user's own images: which store, what it saves, what it costs.

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

from jpegprep.answers.money import own_money
from jpegprep.answers.page import markdown
from jpegprep.answers.proposal import rungs, with_uses
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
from jpegprep.evaluation.losses import class_rows, read_ratios
from jpegprep.evaluation.stats import accuracy_interval, difference_interval
from jpegprep.images.variants import is_resized, quality_of_variant, store_of
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
    predictions: Mapping[str, Sequence[str | Path]],
    manifest: str | Path,
    split: str | Path,
    audit: str | Path,
    groups: str | Path,
    free: str | Path,
    *targets: str | Path,
    rounds: Sequence[str | Path] = (),
    larger: Sequence[str | Path] = (),
    conversion: Sequence[str | Path] = (),
) -> str:
    """Write the recommendation; return a line that says what it is and where.

    Args:
        what: of the configuration (workflow/schemas/recommend.schema.yaml): images, name, margin,
            class_margin, probe, image_size, and what `money.own_money` asks; ``told``: what was
            found by itself of the images; and
            what was said of columns, which the command to convert them needs, too.
        started: when the work began, in seconds since 1970.
        proposal: what `proposal.propose` wrote.
        plan: what `budget.plan_minutes` wrote.
        differences: the study's table.
        accuracy: likewise.
        sizes: the table of `sizes.measure_ladder`.
        uses: what `uses.measure_uses` wrote.
        predictions: of the probe, by variant a file a seed, the original's first.
        manifest: of the images.
        split: likewise.
        audit: what `audit.audit` wrote.
        groups: the facts that `groups.find_groups` wrote.
        free: what `savings.measure_own` wrote.
        targets: recommendation.md, .json, and the figure as .svg and .png.
        rounds: what `pairs.judge` wrote of one store after the other; none, where no networks were
            fine-tuned.
        larger: the folder of `larger.look_larger`, or nothing.
        conversion: what `conversion_speed.measure_conversion` wrote, or nothing.
    """
    proposed, planned = _json(proposal), _json(plan)
    probe = with_uses(rungs(differences, what["probe"], sizes), uses)
    size_of = pd.read_csv(sizes).set_index("variant").to_dict("index")
    tried = [_json(path) for path in rounds]
    variant = tried[-1]["variant"] if tried else proposed["variant"]
    found = _probe(probe, pd.read_csv(accuracy), what["probe"], variant, split)
    pairs = tried[-1] if tried else None
    evidence = None
    if pairs:
        evidence = {**pairs["difference"], "contradicted": len(tried) > 1}
        evidence["smaller"] = pairs["image_size"] < what["image_size"]
    told = verdict(proposed, found, evidence, what["margin"])
    if told == CANNOT_TELL:
        variant = None  # nobody is to take a number for an answer
    audited = _json(audit)
    found_in_manifest = _manifest(manifest, split)
    facts: dict[str, Any] = {
        "images": what["images"],
        "verdict": told,
        "store": None if variant is None else store_of(variant),
        "quality": None if variant is None else quality_of_variant(variant),
        "margin": what["margin"],
        "class_margin": what["class_margin"],
        "image_size": what["image_size"],
        "original_bytes": int(size_of[ORIGINAL]["bytes"]),
        "compressed_bytes": None if variant is None else int(size_of[variant]["bytes"]),
        "saved": None if variant is None else 1 - size_of[variant]["relative_size"],
        "of_own_size": _of_own_size(probe, variant, what["margin"]),
        "probe": found,
        "pairs": pairs["difference"]["pairs"] if pairs else 0,
        "fine_tuned": pairs,
        "contradicted": [one for one in tried if one["loses"]],
        "larger": _larger(larger, variant),
        "money": own_money(what, size_of[ORIGINAL], size_of[variant], _json(conversion[0]), planned)
        if conversion and variant is not None
        else None,
        "lost": {"variant": proposed["lost"], "classes": proposed["lost_classes"]},
        "needed": {
            "variant": proposed["next"],
            "images": proposed["images_needed"],
        },
        "classes": [] if variant is None else _classes(predictions, split, variant),
        "unknown_classes": _unknown_classes(predictions, split, what["class_margin"]),
        "audit": {"warning": warning(audited), "reason": audited["reason"]},
        "source": _source(size_of[ORIGINAL]),
        "manifest": found_in_manifest,
        "told": what["told"],
        "groups": _json(groups) | {"pairs_file": str(Path(groups).with_suffix(".pairs.png"))},
        "plan": {name: value for name, value in planned.items() if name != "speed"},
        "seconds": round(time.time() - started),
        "free": _json(free) | {"command": _command(what, "--store original-opt")},
        "command": None if variant is None else _command(what, f"--store {store_of(variant)}"),
        "giving_up": giving_up(found_in_manifest),
        "runs": _runs(predictions, tried, variant),
    }
    from jpegprep.results.figures.accuracy import recommended  # `propose` draws nothing

    text, numbers, *figures = targets
    recommended(probe, facts, *figures)
    write_json(numbers, facts)
    page = markdown(what["name"], facts, probe)
    write_text(text, page)
    return f"{page.splitlines()[0].removeprefix('# ')}; see {text}"


def _json(path: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def _probe(
    probe: pd.DataFrame,
    accuracy: pd.DataFrame,
    learner: str,
    variant: str | None,
    split: str | Path,
) -> dict[str, Any]:
    """Return what the probe found on the originals and on a variant."""
    own = accuracy[(accuracy["learner"] == learner) & (accuracy["variant"] == ORIGINAL)].iloc[0]
    found: dict[str, Any] = {"n": int(own["n"]), "repeats": int(own["seeds"]), "learner": learner}
    found |= {"original": float(own["accuracy"])}
    found |= {f"original_{end}": float(own[end]) for end in ("low", "high")}
    labels = read_parquet(split, ["label"]).to_pandas()["label"]
    found["chance"] = float(labels.value_counts(normalize=True).max())
    if variant is not None:
        row = probe[probe["variant"] == variant].iloc[0]
        found |= {name: float(row[name]) for name in ("difference", "low", "high", "p")}
        for name in ("balanced", "log_loss", "on_originals", "generalization_gap"):
            ends = (row[name], row[f"{name}_low"], row[f"{name}_high"])
            found[name] = dict(zip(("difference", "low", "high"), map(float, ends), strict=True))
    return found


def _of_own_size(probe: pd.DataFrame, variant: str | None, margin: float) -> dict[str, Any] | None:
    """Return the store of the fewest bytes that keeps the images' size, where the answer does not.

    It stands above the answer on the ladder, and is shown by the probe as all are down to it.
    """
    if variant is None or not is_resized(variant):
        return None
    above = probe[: probe["variant"].tolist().index(variant)]
    shown = above[(above["low"] > -margin).cummin()]
    whole = shown[~shown["variant"].map(is_resized)].tail(1).to_dict("records")
    return (
        {
            "store": store_of(whole[0]["variant"]),
            "saved": 1 - whole[0]["relative_size"],
            **{name: whole[0][name] for name in ("difference", "low", "high")},
        }
        if whole
        else None
    )


def _larger(folders: Sequence[str | Path], variant: str | None) -> dict[str, Any] | None:
    """Return what the probe found at a larger size of images."""
    if not folders or variant is None:
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
    predictions: Mapping[str, Sequence[str | Path]], split: str | Path, variant: str
) -> list[dict[str, Any]]:
    """Return the five classes that lose most by the probe, each with its interval."""
    rows = class_rows("", "", read_ratios({x: predictions[x] for x in (ORIGINAL, variant)}, split))
    worst = rows[rows["difference"] < 0].dropna(subset="low").sort_values("difference").head(5)
    names = ("class", "n", "original_accuracy", "accuracy", "difference", "low", "high")
    return [{name: row[name] for name in names} for row in worst.to_dict("records")]


def _unknown_classes(
    predictions: Mapping[str, Sequence[str | Path]], split: str | Path, margin: float
) -> list[dict[str, Any]]:
    """Return the classes that could not be seen to lose the margin: they hardly have so much."""
    found = read_ratios({ORIGINAL: predictions[ORIGINAL]}, split)
    correct = found.of_originals
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
    predictions: Mapping[str, Sequence[str | Path]],
    tried: Sequence[Mapping[str, Any]],
    variant: str | None,
) -> list[str]:
    """Return the run.json of all that the numbers are of."""
    sides = [ORIGINAL] if variant is None else [ORIGINAL, variant]
    found = [str(Path(path).with_name("run.json")) for x in sides for path in predictions[x]]
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
    """Return the command that converts the images, as ``--store original-opt`` says."""
    command = f"jpegprep convert {shlex.quote(what['images'])} /path/to/new/folder"
    said = [
        f" --{key.replace('_', '-')} "
        + shlex.quote(str(what[key]).lower() if not what[key] else what[key])
        for key in ("path_column", "label_column", "split_column", "group_column")
        if what.get(key) is not None
    ]
    return f"{command} {to}{''.join(said)}"
