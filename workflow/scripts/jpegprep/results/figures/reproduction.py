"""Published against ours: the paper's value of each number against the study's, a panel a table."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from jpegprep.results.figures.drawing import COLOURS, save
from jpegprep.results.figures.panels import (
    MARKERS,
    apart,
    images_of,
    legend_below,
    panels,
    seeds_of,
)


class _Panel(NamedTuple):
    """What a panel shows.

    Attributes:
        title: of the panel.
        table: of the paper.
        quantities: what its columns end with.
        unit: what stands on both axes.
        log: whether both axes are logarithmic.
    """

    title: str
    table: str
    quantities: tuple[str, ...]
    unit: str
    log: bool = False


_COUNTS = ("classes", "total", "train", "test", "validation")
# Of drops and relative accuracies the accuracies are here.
_PANELS = (
    _Panel("Table I: counts", "I", _COUNTS, "classes and images", log=True),
    _Panel("Table II: accuracy", "II", ("original_accuracy", "compressed_accuracy"), "accuracy"),
    _Panel("Table III: relative size", "III", ("relative_size",), "compressed / original"),
    _Panel("Table III: accuracy", "III", ("original_accuracy", "compressed_accuracy"), "accuracy"),
    _Panel("Table IV: accuracy", "IV", ("accuracy",), "accuracy"),
)


def reproduction(table: str | Path, *targets: str | Path) -> None:
    """Draw the paper's numbers against ours, with the intervals of both where they are known.

    Args:
        table: the CSV of `tables.reproduction`; of it what is compared, or stands beside.
        targets: files to write, .svg or .png.
    """
    numbers = pd.read_csv(table)
    numbers = numbers[numbers["state"].notna()]
    datasets = {name: i for i, name in enumerate(numbers["dataset"].unique())}
    shown = [(panel, part) for panel in _PANELS if len(part := _of(numbers, panel))]
    with panels(max(1, len(shown))) as (figure, axes):
        if not shown:
            axes[0].set_axis_off()
            axes[0].text(0.5, 0.5, "This study has none of the paper's numbers.", ha="center")
        for axis, (panel, part) in zip(axes, shown, strict=False):
            _draw(axis, panel, part, datasets)
        if shown:
            words = "bars: 95 % intervals, where they are known"
            words += "\ngrey line: ours is the paper's"
            words += "\nempty marks: compressed or noisy"
            if any(panel.table == "II" for panel, _ in shown):
                words += "; large marks: the large network"
            legend_below(figure, axes, words)
        save(figure, targets)


def _of(numbers: pd.DataFrame, panel: _Panel) -> pd.DataFrame:
    wanted = numbers["quantity"].map(lambda name: name.endswith(panel.quantities))
    return numbers[(numbers["table"] == panel.table) & wanted]


def _draw(axis: Axes, panel: _Panel, part: pd.DataFrame, datasets: dict[str, int]) -> None:
    for row in part.to_dict("records"):
        i = datasets[str(row["dataset"])]
        compressed = any(word in row["quantity"] for word in ("compressed", "noisy"))
        # Of Table IV, whose data set nobody knows, all of ours stand beside the same three numbers.
        shift = apart(i, len(datasets)) / 4 if panel.table == "IV" else 0.0
        colour = COLOURS[i % len(COLOURS)]
        axis.errorbar(
            [row["paper"] + shift],
            [row["ours"]],
            xerr=_arms(row, "paper", "paper_low", "paper_high"),
            yerr=_arms(row, "ours", "low", "high"),
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            markerfacecolor="white" if compressed else colour,
            markersize=6.5 if row["quantity"].startswith("large") else 4,
            linestyle="none",
            elinewidth=0.8,
            capsize=2,
        )
    for name in part["dataset"].unique():  # a filled mark in the legend
        i = datasets[str(name)]
        look: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": "none"}
        axis.plot([], [], label=name, marker=MARKERS[i % len(MARKERS)], markersize=4, **look)
    if panel.log:
        axis.set_xscale("log")
        axis.set_yscale("log")
    low = min(axis.get_xlim()[0], axis.get_ylim()[0])
    high = max(axis.get_xlim()[1], axis.get_ylim()[1])
    axis.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
    axis.set_yticks(axis.get_xticks())
    axis.set(xlim=(low, high), ylim=(low, high))
    axis.set_aspect("equal")
    axis.set_title(f"{panel.title}{_tested(part)}")
    axis.set_xlabel(f"the paper's: {panel.unit}")
    axis.set_ylabel(f"ours: {panel.unit}")


def _arms(row: dict[Any, Any], value: str, low: str, high: str) -> list[list[float]] | None:
    """Return how far an interval reaches below and above, as Matplotlib takes it."""
    if pd.isna(row[low]) or pd.isna(row[high]):
        return None
    return [[row[value] - row[low]], [row[high] - row[value]]]


def _tested(part: pd.DataFrame) -> str:
    """Return the test images and seeds of ours, where anything was tested."""
    if part["n"].isna().any():
        return ""
    return f"; ours: {images_of(part['n'].astype(int))}, {seeds_of(part)}"
