"""What training on compressed images wins back of what compression costs, and what is gone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, points_of, seeds_in_words
from jpegprep.evaluation.stats import Correct, Groups, accuracy_interval, difference_interval
from jpegprep.evaluation.train_test import read_tests

# What the models were trained on, and what they were tested on, as people read it.
_SIDES = {
    "original_original": "O→O",
    "original_compressed": "O→C",
    "compressed_compressed": "C→C",
    "compressed_original": "C→O",
}
# Of each gap, which accuracy less which.
_GAPS = {
    "generalization_gap": ("compressed_compressed", "original_compressed"),
    "information_gap": ("original_original", "compressed_compressed"),
    "on_originals": ("compressed_original", "original_original"),
}
COLUMNS = [
    *("dataset", "learner", "ratio", "seeds", "n", "interval"),
    *(f"{side}_{name}" for side in _SIDES for name in ("accuracy", "low", "high")),
    *(f"{gap}{end}" for gap in _GAPS for end in ("", "_low", "_high")),
]


def gaps(tests: Mapping[str, Sequence[str | Path]], learner: str, *targets: str | Path) -> None:
    """Write what training on compressed images wins back at each ratio.

    Args:
        tests: of each data set the files of its seeds, as `cross_test` writes them.
        learner: whose models they are.
        targets: files to write, .csv (a row a data set and ratio below 1: four accuracies, named by
            what was trained on and what was tested on, and three differences of them, fractions,
            each with its 95 % interval), .md or .html (the same rows; differences in points).

    Raises:
        UserError: where a file is damaged, or the seeds were tested on different images.
    """
    rows = [
        {"dataset": dataset, "learner": learner, **row}
        for dataset, seeds in tests.items()
        for row in _rows(seeds)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "ratio": table["ratio"],
            **{name: accuracy_with_interval(table, side) for side, name in _SIDES.items()},
            **{f"{gap.replace('_', ' ')}, points": points_of(table, gap) for gap in _GAPS},
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    note = (
        f"Top-1 test accuracy of {learner}. First letter: trained on originals (O) or on images "
        "compressed at the row's ratio (C); second letter: tested on. Generalization gap: C→C less "
        "O→C, what training on compressed images wins back of what a model of originals loses on "
        "them. Information gap: O→O less C→C, what is gone all the same. On originals: C→O less "
        "O→O, what a model of compressed images gains (below 0: loses) where later images come "
        f"uncompressed. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(table, shown, note, targets)


def _rows(seeds: Sequence[str | Path]) -> Iterator[dict[str, Any]]:
    """Yield the numbers of each ratio below 1 of one data set."""
    ratios, correct, crossfitted, groups = read_tests(seeds)
    original = ratios.index(1.0)
    for compressed, ratio in enumerate(ratios):
        if compressed == original:
            continue
        places = {"original": original, "compressed": compressed}
        right = {
            side: correct[:, places[trained], places[tested]]
            for side in _SIDES
            for trained, tested in [side.split("_")]
        }
        row = {"ratio": ratio, "seeds": len(correct), "n": correct.shape[-1]}
        yield row | gaps_of(right, crossfitted, groups)


def gaps_of(
    right: Mapping[str, Correct], crossfitted: bool, groups: Groups | None = None
) -> dict[str, Any]:
    """Return the accuracies and gaps of one ratio, see `COLUMNS`.

    Args:
        right: (seeds, n), whether each model was right on each image: ``original_original``,
            ``original_compressed``, ``compressed_compressed`` and ``compressed_original``, named
            by what was trained on and what was tested on.
        crossfitted: as of `stats.spread`.
        groups: likewise.
    """
    row: dict[str, Any] = {}
    for side in _SIDES:
        accuracy, low, high, row["interval"] = accuracy_interval(
            right[side], crossfitted=crossfitted, groups=groups
        )
        row |= {f"{side}_accuracy": accuracy, f"{side}_low": low, f"{side}_high": high}
    for gap, (one, other) in _GAPS.items():
        found = difference_interval(
            right[one], right[other], crossfitted=crossfitted, groups=groups
        )
        row |= {gap: found.difference, f"{gap}_low": found.low, f"{gap}_high": found.high}
    return row
