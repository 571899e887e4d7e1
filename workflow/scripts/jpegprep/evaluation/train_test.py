"""Trained at one compression ratio, tested at another: accuracies of all pairs of ratios."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.stats import accuracy_interval, difference_interval

COLUMNS = [
    *("dataset", "learner", "trained", "tested", "seeds", "n", "accuracy", "low", "high"),
    *("interval", "difference", "difference_low", "difference_high"),
]


def train_test(
    tests: Mapping[str, Sequence[str | Path]],
    learner: str,
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write the accuracy of each ratio's model on the test images of each ratio.

    Args:
        tests: of each data set the files of its seeds, as `cross_test` writes them.
        learner: whose models they are.
        ratio: the ratio that the note is about, beside the original.
        targets: files to write, .csv (a row a data set and pair of ratios; the differences are to
            trained and tested on originals, and empty there), .md or .html (a row a data set and
            training ratio).

    Raises:
        UserError: where a file is damaged, or the seeds were tested on different images.
    """
    rows = [(dataset, learner, *row) for dataset, seeds in tests.items() for row in _pairs(seeds)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    cells = table.assign(
        shown=[
            f"**{accuracy:.3f}**" if trained == tested else f"{accuracy:.3f}"
            for trained, tested, accuracy in table[["trained", "tested", "accuracy"]].to_numpy()
        ],
        column="tested at " + table["tested"].astype(str),
    )
    shown = cells.pivot(index=["dataset", "trained"], columns="column", values="shown")
    shown = shown.loc[
        list(dict.fromkeys(zip(cells["dataset"], cells["trained"], strict=True))),
        list(cells["column"].unique()),
    ]
    shown = shown.rename_axis(index=["data set", "trained at"], columns=None).reset_index()
    notes = [_note(name, table[table["dataset"] == name], ratio) for name in tests]
    note = " ".join(
        [
            f"Top-1 test accuracy of {learner}, trained at the row's ratio and tested at the "
            "column's; bold: both the same.",
            *notes,
            "In brackets: 95 % intervals; those of all pairs are in the .csv. Differences are to "
            "trained and tested on originals, paired by image and seed.",
        ]
    )
    write_table(table, shown, note, targets)


def _pairs(seeds: Sequence[str | Path]) -> list[tuple[object, ...]]:
    """Return trained, tested and the numbers of each pair of ratios of one data set."""
    found = [_read(path) for path in seeds]
    crossfitted = found[0][3]
    for path, (ratios, images, *_) in zip(seeds, found, strict=True):
        if (ratios, images) != found[0][:2]:
            raise UserError(
                f"{path}: tested on other images or at other ratios than {seeds[0]}; remove both: "
                "they are made again"
            )
    ratios = found[0][0]
    correct = np.stack([seed[2] for seed in found])  # (seeds, trained, tested, images)
    originals = correct[:, ratios.index(1.0), ratios.index(1.0)]
    return [
        (
            trained,
            tested,
            *_numbers(correct[:, i, j], originals, trained == tested == 1, crossfitted),
        )
        for i, trained in enumerate(ratios)
        for j, tested in enumerate(ratios)
    ]


def _read(
    path: str | Path,
) -> tuple[list[float], list[tuple[str, int]], npt.NDArray[np.bool_], bool]:
    """Return ratios, images (key, label), who was right (trained, tested, images), cross-fitted."""
    table = read_parquet(path)
    ratios = table["trained"].unique().to_pylist()
    first = table.slice(0, len(table) // len(ratios) ** 2)
    images = list(zip(first["key"].to_pylist(), first["label"].to_pylist(), strict=True))
    correct = table["label"].to_numpy() == table["predicted"].to_numpy()
    crossfitted = bool((table["fold"].to_numpy() >= 0).any())
    return ratios, images, correct.reshape(len(ratios), len(ratios), -1), crossfitted


def _numbers(
    correct: npt.NDArray[np.bool_],
    originals: npt.NDArray[np.bool_],
    itself: bool,
    crossfitted: bool,
) -> tuple[object, ...]:
    """Return seeds, n, accuracy, its interval, and the difference to `originals` with its."""
    facts = (*correct.shape, *accuracy_interval(correct, crossfitted=crossfitted))
    if itself:
        return (*facts, None, None, None)
    found = difference_interval(correct, originals, crossfitted=crossfitted)
    return (*facts, found.difference, found.low, found.high)


def _note(dataset: str, table: pd.DataFrame, ratio: float) -> str:
    """Return what a reader wants of one data set in words."""
    row = table.iloc[0]
    half = ((table["high"] - table["low"]) / 2).max()
    seeds = "1 seed" if row["seeds"] == 1 else f"{row['seeds']} seeds"
    note = (
        f"{dataset}: n = {row['n']:,} test images, {seeds}; half an interval is at most {half:.3f}"
    )
    if ratio in table["trained"].unique():
        note += (
            f"; trained at ratio {ratio}, tested on originals: {_told(table, ratio, 1.0)}"
            f"; trained on originals, tested at ratio {ratio}: {_told(table, 1.0, ratio)}"
        )
    return note + "."


def _told(table: pd.DataFrame, trained: float, tested: float) -> str:
    row = table[(table["trained"] == trained) & (table["tested"] == tested)].iloc[0]
    return (
        f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}], a difference of "
        f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
    )
