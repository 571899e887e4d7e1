"""The figure of reading: seconds an epoch against the ratio, a line a bandwidth."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from jpegprep.results.figures.drawing import COLOURS, save
from jpegprep.results.figures.panels import MARKERS, legend_below, panels, ratio_axis


def reading_vs_ratio(table: str | Path, *targets: str | Path) -> None:
    """Draw the seconds of reading and decoding an epoch, and the model's, a panel a data set.

    Args:
        table: the CSV of `reading_table.reading_table`.
        targets: files to write, .svg or .png.
    """
    rows = pd.read_csv(table)
    datasets = list(rows["dataset"].unique())
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = rows[rows["dataset"] == dataset]
            _draw(axis, panel)
            axis.set_title(f"{dataset}: {panel['images'].iloc[0]:,} training images")
        legend_below(figure, axes, "disk; markers: measured, thin lines: predicted")
        save(figure, targets)


def _draw(axis: Axes, panel: pd.DataFrame) -> None:
    lines = panel.groupby("bandwidth", sort=False, dropna=False)
    for i, (_, line) in enumerate(lines):
        bandwidth = line["bandwidth"].iloc[0]
        colour = COLOURS[i % len(COLOURS)]
        axis.plot(line["ratio"], line["predicted"], color=colour, linewidth=0.7)
        axis.plot(
            line["ratio"],
            line["measured"],
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            markersize=3.5,
            linestyle="none",
            label="no limit" if pd.isna(bandwidth) else f"{bandwidth:g} MB/s",
        )
    model = panel["model_seconds"].iloc[0]
    axis.axhline(model, color="0.3", linestyle="--", label="the model")
    axis.set_yscale("log")
    ratio_axis(axis)
    axis.set_ylabel("seconds an epoch")
