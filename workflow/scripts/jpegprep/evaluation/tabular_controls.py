"""What the controls of a tabular classifier say: artefacts of a file's units, and leaks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.accuracy import bounded, groups_of, same_images
from jpegprep.evaluation.decision import points
from jpegprep.evaluation.stats import Groups, difference_interval
from jpegprep.learners.controls import TREES, read_controls

Correct = npt.NDArray[np.bool_]


def tabular_controls(
    controls: Mapping[str, Mapping[float, Sequence[str | Path]]], *targets: str | Path
) -> None:
    """Write what the controls say of each ratio, and what follows for the tabular classifier.

    Args:
        controls: by data set and ratio the controls.parquet of each seed, in the order of seeds;
            ratio 1.0, the original, is among them.
        targets: files to write, .csv, .md or .html: a row a (data set, ratio). ``units`` is the
            accuracy of undequantized less that of dequantized features, ``leak`` that of the
            encoder's less the baseline's, ``<control>_change`` its accuracy less that on the
            original: each paired by image and seed, with the 95 % interval ``_low`` to ``_high``.

    Raises:
        UserError: where seeds or ratios were tested on different images.
    """
    rows = []
    for dataset, of_ratios in controls.items():
        tables = {ratio: [read_controls(path) for path in of_ratios[ratio]] for ratio in of_ratios}
        same_images(f"{dataset}: controls", [table for of in tables.values() for table in of])
        right = {ratio: _right(of) for ratio, of in tables.items()}
        groups = groups_of(tables[1.0])
        leaking = _leaks(_of_ratio(right[1.0], groups))
        for ratio in sorted(right, reverse=True):
            row = _of_ratio(right[ratio], groups)
            if ratio < 1:
                for name in ("dequantized", "undequantized"):
                    sides = right[ratio][name], right[1.0][name]
                    row |= _difference(f"{name}_change", *sides, groups)
            seeds, images = right[ratio]["baseline"].shape
            place = {"dataset": dataset, "ratio": ratio, "seeds": seeds, "n": images}
            rows.append({**place, **row, "finding": _finding(row, ratio, leaking)})
    table = pd.DataFrame(rows)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "ratio": table["ratio"],
            "dequantized": accuracy_with_interval(table, "dequantized"),
            "undequantized": accuracy_with_interval(table, "undequantized"),
            "by units, points": _points(table, "units"),
            "encoder alone": accuracy_with_interval(table, "encoder"),
            "largest class": accuracy_with_interval(table, "baseline"),
            "leak, points": _points(table, "leak"),
            "dequantized less original, points": _points(table, "dequantized_change"),
            "undequantized less original, points": _points(table, "undequantized_change"),
            "finding": table["finding"],
            "test images": table["n"],
            "seeds": table["seeds"],
        }
    )
    write_table(table, shown, f"{_NOTE} {INTERVALS}", targets)


_NOTE = (
    "200 extra trees on the DCT coefficients of the JPEG file alone. Dequantized: of the image, "
    "upright; undequantized: as the file stores them, in units of its own quantization steps. By "
    "units: undequantized less dequantized; where all files have the same tables there is hardly "
    "any. Encoder alone: trees on what the file headers tell of the encoder, without a pixel; "
    "leak: that less the largest class (of colour and of gray images), where its whole interval is "
    "above 0. Where the originals leak, no difference between them and compressed images is one of "
    "the images alone, whatever the learner; traces of an earlier compression remain in the pixels "
    "of the compressed ones. Headers without a leak do not show that there is none. Differences "
    "are paired by image and seed, with 95 % intervals, not corrected for the number of rows."
)


def _right(tables: Sequence[pd.DataFrame]) -> dict[str, Correct]:
    """Return whether each seed was right on each image, (seeds, n), by control."""
    return {
        name: np.stack([(table[name] == table["label"]).to_numpy() for table in tables])
        for name in (*TREES, "baseline")
    }


def _of_ratio(right: Mapping[str, Correct], groups: Groups | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, correct in right.items():
        bounds = bounded(correct, groups=groups)
        row |= dict(zip((f"{name}_accuracy", f"{name}_low", f"{name}_high"), bounds, strict=True))
    row |= _difference("units", right["undequantized"], right["dequantized"], groups)
    return row | _difference("leak", right["encoder"], right["baseline"], groups)


def _difference(name: str, one: Correct, other: Correct, groups: Groups | None) -> dict[str, float]:
    # Of one image, or one group, nothing is known.
    if one.shape[1] < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return {name: float(one.mean() - other.mean()), f"{name}_low": -1.0, f"{name}_high": 1.0}
    found = difference_interval(one, other, groups=groups)
    return {name: found.difference, f"{name}_low": found.low, f"{name}_high": found.high}


def _leaks(row: Mapping[str, Any]) -> bool:
    return bool(row["leak_low"] > 0)


def _finding(row: Mapping[str, Any], ratio: float, originals_leak: bool) -> str:
    """Return what may be said of a ratio, in words."""
    if originals_leak and ratio < 1:
        return "no effect of compression: the originals leak"
    if _leaks(row):
        return "leak: the encoder gives the class away"
    if ratio == 1:
        return f"units: {_direction(row, 'units')}" if _direction(row, "units") else "none shown"
    image, file = (
        _direction(row, name) or "no change shown"
        for name in ("dequantized_change", "undequantized_change")
    )
    return image if image == file else f"{image}; undequantized: {file}, by units"


def _direction(row: Mapping[str, Any], name: str) -> str:
    """Return gain or loss, where the whole interval lies on one side of 0, or nothing."""
    if row[f"{name}_low"] > 0:
        return "gain"
    return "loss" if row[f"{name}_high"] < 0 else ""


def _points(table: pd.DataFrame, which: str) -> list[str]:
    columns = {which: "difference", f"{which}_low": "low", f"{which}_high": "high"}
    return points(table.reindex(columns=list(columns)).rename(columns=columns))
