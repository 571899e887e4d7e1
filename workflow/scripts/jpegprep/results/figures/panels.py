"""What figures of several panels share: their places, axes, lines and legends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jpegprep.results.figures.drawing import COLOURS, COLUMN, PAGE, STYLE

_PANEL_HEIGHT = 2.9


# Lines are told apart by colour, and by marker and line where colours are not.
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


LINES = ("-", "--", "-.", ":")


@contextmanager
def panels(count: int, wide: bool = False) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure with as many panels: one or two fill a column, more the page's width.

    A `wide` panel fills the page. Three, and more than eight, stand three in a row.
    """
    columns = 1 if count <= 2 else 3 if count == 3 or count > 8 else 2
    rows = ceil(count / columns)
    height = _PANEL_HEIGHT if columns < 3 else 2.3
    with sns.axes_style("whitegrid"), plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(COLUMN if columns == 1 and not wide else PAGE, rows * height),
            layout="constrained",
            squeeze=False,
        )
        axes = list(grid.flat)
        for unused in axes[count:]:
            unused.remove()
        yield figure, axes[:count]
        plt.close(figure)


def ratio_axis(axis: Axes) -> None:
    """Let compression grow to the right, as in the paper."""
    axis.set_xlim(1.05, 0.05)
    axis.set_xticks([1.0, 0.8, 0.6, 0.4, 0.2], ["1.0\n(original)", "0.8", "0.6", "0.4", "0.2"])
    axis.set_xlabel("compression ratio (JPEG quality / 100)")


def interval_line(i: int) -> dict[str, Any]:
    """Return how the i-th line with intervals looks."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": LINES[i % len(LINES)],
        "markersize": 3.5,
        "elinewidth": 0.8,
        "capsize": 2,
    }


def range_of_seeds(runs: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return the lowest and the highest value of single seeds, where there are several.

    Args:
        runs: a row a run.
        by: the columns that runs of one group have in common.
        value: the column.

    Returns:
        A row a group of two runs or more: the columns of `by`, lowest and highest.
    """
    groups = runs.groupby(list(by), sort=False)[value].agg(["min", "max", "count"]).reset_index()
    found = groups[groups["count"] > 1].drop(columns="count")
    return found.rename(columns={"min": "lowest", "max": "highest"})


def band(axis: Axes, x: "pd.Series[float]", seeds: pd.DataFrame, colour: Any) -> None:
    """Draw the range of single seeds behind a line; nothing where there is one seed."""
    axis.fill_between(
        x, seeds["lowest"], seeds["highest"], color=colour, alpha=0.18, linewidth=0, zorder=1
    )


def bars_and_bands(table: pd.DataFrame, more: str = "") -> str:
    """Return what the legend says of bars and, where a row has a range of seeds, of bands."""
    ranges = table["lowest"].notna().any()
    bands = "\nbands: range of single seeds or repeats" if ranges else ""
    return f"bars: 95 % intervals{more}{bands}"


def apart(i: int, learners: int) -> float:
    """Return by how much a learner's points are shifted, so that intervals can be told apart."""
    return 0.015 * (i - (learners - 1) / 2)


def legend_below(figure: Figure, axes: Sequence[Axes], title: str, columns: int = 2) -> None:
    """Name the lines of all panels once, below them, in so many columns."""
    legend = legend_of(axes)
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        title=title,
    )


def legend_of(axes: Sequence[Axes]) -> dict[str, Any]:
    """Return a handle for each label of any panel."""
    return {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }


def images_of(counts: "pd.Series[int]") -> str:
    """Return how many test images there are; of a cross-fitted probe it is all images."""
    least, most = counts.min(), counts.max()
    return f"n = {least:,}" + (f" to {most:,}" if least < most else "")


def seeds_of(rows: pd.DataFrame) -> str:
    """Return how many seeds there are, of learners that may have different numbers.

    Those of a cross-fitted probe are repeats, as its column `crossfitted` or `interval` says.
    """
    crossed = pd.Series(False, rows.index)
    if "crossfitted" in rows:
        crossed = rows["crossfitted"].astype(bool)
    elif "interval" in rows:
        crossed = rows["interval"].astype(str).str.contains("cross-fitted")
    parts = [(rows["seeds"][~crossed], "seed"), (rows["seeds"][crossed], "repeat")]
    return ", ".join(_counted(counts, of) for counts, of in parts if len(counts))


def _counted(counts: "pd.Series[int]", of: str) -> str:
    least, most = int(counts.min()), int(counts.max())
    if least < most:
        return f"{least} to {most} {of}s"
    return f"1 {of}" if most == 1 else f"{most} {of}s"
