"""A contact sheet of images that compression costs: as they were, and where they are misclassified.

Beside each original stands the image at the ratio at which it is first classified wrongly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jpegprep.results.figures.drawing import PAGE, save, sheet
from jpegprep.results.figures.pictures import TALLEST, SamplesByKey, show_picture

_ACROSS = 4  # pairs in a row
# Inches: between pairs, between the pictures of a pair, a line of text, and above each pair.
_GAP, _INNER, _LINE, _ABOVE = 0.14, 0.04, 0.125, 0.06
_PAIR = (PAGE - (_ACROSS + 1) * _GAP) / _ACROSS
_WIDTH = (_PAIR - _INNER) / 2
_LONGEST = 32  # characters in a line below a pair


@dataclass(frozen=True)
class _Pair:
    """An original, the compressed image, and the lines below them."""

    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    lines: list[str]

    @property
    def height(self) -> float:
        """The height of the pictures' place, in inches."""
        return _WIDTH * min(max(len(p) / len(p[0]) for p in self.pictures), TALLEST)


def contact_sheet(
    flips: str | Path,
    dataset: str,
    shards: Mapping[float, str | Path],
    *targets: str | Path,
    count: int = 8,
) -> None:
    """Draw images of one data set that flip first, those that are lost for good before others.

    Pictures of more than 192 pixels a side are scaled down.

    Args:
        flips: the CSV of `losses.flips`.
        dataset: the data set.
        shards: by ratio the folder of its shards.
        targets: files to write, .svg or .png.
        count: of images at most.

    Raises:
        UserError: where a shard is damaged, or has not the samples of the others.
    """
    # A class may be called "null", and a key be a number with leading zeros.
    text = dict.fromkeys(("dataset", "learner", "key", "class", "wrong_at", "predicted"), str)
    table = pd.read_csv(flips, dtype=text, keep_default_na=False)
    table = table[table["dataset"] == dataset]
    table = table.sort_values("lost_for_good", ascending=False, kind="stable").head(count)
    if table.empty:
        _nothing(dataset, targets)
        return
    samples = {
        ratio: SamplesByKey(shards[ratio]) for ratio in {1.0, *table["first_ratio"].tolist()}
    }
    pairs = [_pair(row, samples) for _, row in table.iterrows()]
    rows = [pairs[i : i + _ACROSS] for i in range(0, len(pairs), _ACROSS)]
    heights = [max(pair.height for pair in row) for row in rows]
    text_height = len(pairs[0].lines) * _LINE + _GAP
    total = sum(heights) + len(rows) * (_ABOVE + text_height)
    with sheet(PAGE, total) as (figure, axis):
        bottom = total
        for row, height in zip(rows, heights, strict=True):
            bottom -= _ABOVE + height
            for i, pair in enumerate(row):
                _draw(axis, pair, _GAP + i * (_PAIR + _GAP), bottom, height)
            bottom -= text_height
        save(figure, targets, dpi=300)


def _pair(row: "pd.Series[str]", samples: Mapping[float, SamplesByKey]) -> _Pair:
    ratio = float(row["first_ratio"])
    before, after = (samples[r].file(row["key"]) for r in (1.0, ratio))
    return _Pair(
        (samples[1.0].picture(row["key"]), samples[ratio].picture(row["key"])),
        [
            _short(row["class"]),
            _short(f"at ratio {ratio}: {row['predicted']}"),
            f"{len(before):,} → {len(after):,} bytes",
        ],
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _draw(axis: Axes, pair: _Pair, left: float, bottom: float, height: float) -> None:
    for i, pixels in enumerate(pair.pictures):
        show_picture(axis, pixels, left + i * (_WIDTH + _INNER), bottom, _WIDTH, height)
    for i, line in enumerate(pair.lines):
        axis.text(
            left,
            bottom - (i + 1) * _LINE,
            line,
            fontsize=7,
            weight="bold" if i == 0 else "normal",
            parse_math=False,
        )


def _nothing(dataset: str, targets: Sequence[str | Path]) -> None:
    """Draw a sheet that says that no image flips."""
    with sheet(PAGE, 0.5) as (figure, axis):
        line = (
            f"{dataset}: every test image that is classified correctly as an original is so at "
            "every ratio."
        )
        axis.text(PAGE / 2, 0.25, line, ha="center", va="center", parse_math=False)
        save(figure, targets, dpi=300)
