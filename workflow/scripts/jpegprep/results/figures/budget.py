"""Error against the bytes of the training images, a line a store: fewer images, or smaller ones?"""

from pathlib import Path

import pandas as pd
from matplotlib.ticker import FuncFormatter, NullFormatter

from jpegprep.results.figures.drawing import save
from jpegprep.results.figures.panels import (
    images_of,
    interval_line,
    legend_below,
    panels,
    seeds_of,
)


def error_vs_bytes(points: str | Path, *targets: str | Path) -> None:
    """Draw the error of each store at each share of the images against their bytes.

    One panel a data set; the points that no other beats for as many bytes or fewer are joined.

    Args:
        points: the CSV of `byte_budget.budget_points`.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(points)
    datasets = table["dataset"].unique()
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            best = panel[panel["frontier"]].sort_values("bytes")
            axis.plot(
                *(best["bytes"] / 1e6, 100 * (1 - best["accuracy"])),
                color="0.6",
                linewidth=5,
                alpha=0.5,
                solid_capstyle="round",
                label="fewest errors",
                zorder=1,
            )
            for i, store in enumerate(panel["store"].unique()):
                line = panel[panel["store"] == store].sort_values("bytes")
                accuracy = line["accuracy"]
                errors = [100 * (line["high"] - accuracy), 100 * (accuracy - line["low"])]
                axis.errorbar(
                    line["bytes"] / 1e6,
                    100 * (1 - accuracy),
                    yerr=errors,
                    label=store,
                    **interval_line(i),
                )
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_title(f"{dataset}: {images_of(panel['n'])}, {seeds_of(panel)}")
            axis.set_xlabel("MB of training images")
            axis.set_ylabel("top-1 error, %")
        shares = ", ".join(f"{share:g}" for share in sorted(table["share"].unique()))
        legend_below(figure, axes, f"bars: 95 % intervals; points:\nshares {shares} of the images")
        save(figure, targets)
