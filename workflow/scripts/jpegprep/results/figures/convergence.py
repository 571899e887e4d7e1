"""Validation accuracy against the epoch (Figure 3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from jpegprep.common.records import read_history
from jpegprep.results.figures.drawing import save
from jpegprep.results.figures.panels import (
    MARKERS,
    band,
    legend_of,
    panels,
    range_of_seeds,
    seeds_of,
)

_RATIO_COLOURS = "viridis"


def convergence(
    runs: Sequence[Mapping[str, Any]], histories: Sequence[str | Path], *targets: str | Path
) -> None:
    """Draw Figure 3: validation accuracy against epoch, one line a ratio.

    One panel a data set and learner; a line is the mean over seeds, and a band their range.

    Args:
        runs: of each its dataset, learner, ratio and seed.
        histories: of each its history.csv.
        targets: files to write, .svg or .png.
    """
    table = pd.concat(
        [
            read_history(path)[["epoch", "val_accuracy"]].assign(**about)
            for about, path in zip(runs, histories, strict=True)
        ],
        ignore_index=True,
    )
    place = ["dataset", "learner", "ratio", "epoch"]
    mean = table.groupby(place, sort=False, as_index=False)["val_accuracy"].mean()
    mean = mean.merge(range_of_seeds(table, place, "val_accuracy"), how="left", on=place)
    curves = list(mean.groupby(["dataset", "learner"], sort=False))
    ratios = sorted(mean["ratio"].unique(), reverse=True)
    colours = dict(zip(ratios, sns.color_palette(_RATIO_COLOURS, len(ratios)), strict=True))
    with panels(len(curves)) as (figure, axes):
        for axis, ((dataset, learner), panel) in zip(axes, curves, strict=True):
            for ratio, line in panel.groupby("ratio"):
                i = ratios.index(ratio)
                band(axis, line["epoch"], line, colours[ratio])
                axis.plot(
                    line["epoch"],
                    line["val_accuracy"],
                    color=colours[ratio],
                    marker=MARKERS[i % len(MARKERS)],
                    markersize=3,
                    label=str(ratio),
                )
            axis.set_title(f"{dataset}, {learner}")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_xlabel("epoch")
            axis.set_ylabel("top-1 validation accuracy")
        seeds = seeds_of(table.groupby("learner").agg(seeds=("seed", "nunique")))
        bands = mean["lowest"].notna().any()
        legend = legend_of(axes)
        names = [str(ratio) for ratio in ratios]
        figure.legend(
            [legend[name] for name in names],
            names,
            loc="outside lower center",
            ncols=5,
            columnspacing=1,
            frameon=False,
            title=f"compression ratio; {seeds}" + ("; bands: their range" if bands else ""),
        )
        save(figure, targets)
