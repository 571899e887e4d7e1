"""The figure of trained at one ratio, tested at another: a heat map a data set."""

from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from jpegprep.results.figures.drawing import COLOURS, COLUMN, PAGE, STYLE, save

_PANEL_HEIGHT = 3.3
_PALETTE = "Blues"  # one hue: only lightness tells the cells apart


def heat_maps(train_test: str | Path, *targets: str | Path) -> None:
    """Draw the accuracies of `train_test.train_test`, a panel a data set, in percent.

    Args:
        train_test: its CSV.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(train_test)
    datasets = table["dataset"].unique()
    columns = 1 if len(datasets) == 1 else 2
    rows = ceil(len(datasets) / columns)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(COLUMN if columns == 1 else PAGE, rows * _PANEL_HEIGHT),
            layout="constrained",
            squeeze=False,
        )
        for axis in grid.flat[len(datasets) :]:
            axis.remove()
        for axis, (dataset, panel) in zip(
            grid.flat, table.groupby("dataset", sort=False), strict=False
        ):
            _panel(axis, panel)
            seeds = panel["seeds"].iloc[0]
            axis.set_title(
                f"{dataset}: accuracy, %; n = {panel['n'].iloc[0]:,}, "
                + ("1 seed" if seeds == 1 else f"{seeds} seeds")
            )
        save(figure, targets, dpi=300)
        plt.close(figure)


def _panel(axis: Axes, panel: pd.DataFrame) -> None:
    cells = panel.pivot(index="trained", columns="tested", values="accuracy")
    cells = 100 * cells.sort_index(ascending=False).sort_index(axis=1, ascending=False)
    sns.heatmap(
        cells,
        ax=axis,
        annot=True,
        fmt=".1f",
        annot_kws={"fontsize": 6},
        cmap=_PALETTE,
        cbar=False,
        square=True,
        linewidths=0.5,
    )
    for i in range(len(cells)):
        outline = {"edgecolor": COLOURS[1], "linewidth": 1.4, "clip_on": False}
        axis.add_patch(Rectangle((i, i), 1, 1, fill=False, **outline))
    axis.tick_params(length=0)
    axis.tick_params(axis="y", labelrotation=0)
    axis.set_xlabel("tested at ratio")
    axis.set_ylabel("trained at ratio")
