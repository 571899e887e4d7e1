"""Bytes against the ratio."""

from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.results.figures.drawing import COLOURS, save
from jpegprep.results.figures.panels import LINES, MARKERS, panels, ratio_axis


def size_vs_ratio(sizes: str | Path, *targets: str | Path) -> None:
    """Draw the bytes of each data set's images against the ratio, relative to the originals.

    Args:
        sizes: the CSV of `tables.size_vs_ratio`.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(sizes)
    with panels(1, wide=table["dataset"].nunique() > 3) as (figure, (axis,)):
        for i, (dataset, line) in enumerate(table.groupby("dataset", sort=False)):
            axis.plot(
                line["ratio"],
                100 * line["relative_size"],
                label=f"{dataset} ({_source(line.iloc[0])})",
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)],
                linestyle=LINES[i % len(LINES)],
                markersize=3.5,
            )
            axis.plot(
                line["ratio"],
                100 * line["paper_relative_size"],
                color=COLOURS[i % len(COLOURS)],
                marker="x",
                markersize=7,
                linestyle="none",
                zorder=5,
            )
        axis.axhline(100, color="0.5", linewidth=0.8)
        axis.set_ylim(bottom=0)
        ratio_axis(axis)
        axis.set_ylabel("size, % of the originals")
        crosses = "; x: the paper's Table III" if table["paper_relative_size"].notna().any() else ""
        figure.legend(
            loc="outside lower center",
            ncols=1 if table["dataset"].nunique() <= 3 else 2,
            columnspacing=1,
            handlelength=3,
            frameon=False,
            title=f"data set (source, median and 10th to 90th percentile){crosses}",
        )
        save(figure, targets)


def _source(row: "pd.Series[Any]") -> str:
    if pd.isna(row["source_quality"]):
        return str(row["source_format"])
    low, high = row["source_quality_p10"], row["source_quality_p90"]
    return f"{row['source_format']} quality {row['source_quality']:.0f}, {low:.0f} to {high:.0f}"
