"""Trained at one compression ratio, tested at another: accuracies of all pairs of ratios."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import INTERVALS, write_table
from jpegprep.evaluation.accuracy import groups_of
from jpegprep.evaluation.decision import accuracies, seeds_in_words
from jpegprep.evaluation.stats import Groups, accuracy_interval, difference_interval

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
            training ratio, with an interval in each cell).

    Raises:
        UserError: where a file is damaged, or the seeds were tested on different images.
    """
    rows = [(dataset, learner, *row) for dataset, seeds in tests.items() for row in _pairs(seeds)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    same = table["trained"] == table["tested"]
    cells = table.assign(
        shown=[
            f"**{text}**" if bold else text
            for bold, text in zip(same, accuracies(table), strict=True)
        ],
        column="tested at " + table["tested"].astype(str),
    )
    shown = cells.pivot(index=["dataset", "trained"], columns="column", values="shown")
    shown = shown.loc[
        list(dict.fromkeys(zip(cells["dataset"], cells["trained"], strict=True))),
        list(cells["column"].unique()),
    ]
    shown = shown.rename_axis(index=["data set", "trained at"], columns=None).reset_index()
    of_rows = table.drop_duplicates(["dataset", "trained"])
    shown["test images"], shown["seeds"] = of_rows["n"].to_numpy(), seeds_in_words(of_rows)
    notes = [
        _note(name, table[table["dataset"] == name], ratio)
        for name in tests
        if ratio in table.loc[table["dataset"] == name, "trained"].unique()
    ]
    note = " ".join(
        [
            f"Top-1 test accuracy of {learner}, trained at the row's ratio and tested at the "
            "column's; bold: both the same.",
            INTERVALS,
            *notes,
            "Differences are to trained and tested on originals, paired by image and seed; those "
            "of all pairs are in the .csv.",
        ]
    )
    write_table(table, shown, note, targets)


def _pairs(seeds: Sequence[str | Path]) -> list[tuple[object, ...]]:
    """Return trained, tested and the numbers of each pair of ratios of one data set."""
    ratios, correct, crossfitted, groups = read_tests(seeds)
    originals = correct[:, ratios.index(1.0), ratios.index(1.0)]
    return [
        (
            trained,
            tested,
            *_numbers(correct[:, i, j], originals, trained == tested == 1, crossfitted, groups),
        )
        for i, trained in enumerate(ratios)
        for j, tested in enumerate(ratios)
    ]


class Tests(NamedTuple):
    """The tests of all seeds of one data set.

    Attributes:
        ratios: from 1.0 down.
        correct: whether each seed's model was right, (seeds, ratio trained at, ratio tested at,
            images).
        crossfitted: whether the models are cross-fitted.
        groups: (images,) as of `stats.spread`.
    """

    ratios: list[float]
    correct: npt.NDArray[np.bool_]
    crossfitted: bool
    groups: Groups | None


def read_tests(seeds: Sequence[str | Path]) -> Tests:
    """Read the tests of all seeds of one data set.

    Args:
        seeds: of each the file, as `cross_test` writes it.

    Raises:
        UserError: where a file is damaged, or the seeds were tested on different images.
    """
    found = [_read(path) for path in seeds]
    for path, (ratios, images, *_) in zip(seeds, found, strict=True):
        if (ratios, images) != found[0][:2]:
            raise UserError(
                f"{path}: tested on other images or at other ratios than {seeds[0]}; remove both: "
                "they are made again"
            )
    return Tests(found[0][0], np.stack([seed[2] for seed in found]), *found[0][3:])


def _read(
    path: str | Path,
) -> tuple[list[float], list[tuple[str, int]], npt.NDArray[np.bool_], bool, Groups | None]:
    """Return ratios, images (key, label), who was right (trained, tested, images), and the rest."""
    table = read_parquet(path)
    ratios = table["trained"].unique().to_pylist()
    first = table.slice(0, len(table) // len(ratios) ** 2)
    images = list(zip(first["key"].to_pylist(), first["label"].to_pylist(), strict=True))
    correct = table["label"].to_numpy() == table["predicted"].to_numpy()
    crossfitted = bool((table["fold"].to_numpy() >= 0).any())
    groups = groups_of([first.to_pandas()])
    return ratios, images, correct.reshape(len(ratios), len(ratios), -1), crossfitted, groups


def _numbers(
    correct: npt.NDArray[np.bool_],
    originals: npt.NDArray[np.bool_],
    itself: bool,
    crossfitted: bool,
    groups: Groups | None,
) -> tuple[object, ...]:
    """Return seeds, n, accuracy, its interval, and the difference to `originals` with its."""
    facts = (*correct.shape, *accuracy_interval(correct, crossfitted=crossfitted, groups=groups))
    if itself:
        return (*facts, None, None, None)
    found = difference_interval(correct, originals, crossfitted=crossfitted, groups=groups)
    return (*facts, found.difference, found.low, found.high)


def _note(dataset: str, table: pd.DataFrame, ratio: float) -> str:
    """Return what a reader wants of one data set in words."""
    return (
        f"{dataset}: trained at ratio {ratio}, tested on originals: {_told(table, ratio, 1.0)}; "
        f"trained on originals, tested at ratio {ratio}: {_told(table, 1.0, ratio)}."
    )


def _told(table: pd.DataFrame, trained: float, tested: float) -> str:
    of_pair = table[(table["trained"] == trained) & (table["tested"] == tested)]
    row = of_pair.iloc[0]
    return (
        f"{accuracies(of_pair)[0]}, a difference of {row['difference']:+.3f} "
        f"[{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
    )
