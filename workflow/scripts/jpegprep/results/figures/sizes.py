"""Bytes against the ratio, and where they are."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from jpegprep.results.figures.drawing import COLOURS, PAGE, STYLE, save
from jpegprep.results.figures.panels import LINES, MARKERS, panels, ratio_axis
from jpegprep.results.tables.storage import PARTS


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


def bytes_by_part(table: str | Path, ratio: float, *targets: str | Path) -> None:
    """Draw the parts of the files of each data set: originals, one ratio, the smallest.

    Args:
        table: the CSV of `tables.bytes_by_part`.
        ratio: the one between.
        targets: files to write, .svg or .png.
    """
    rows = pd.read_csv(table)
    rows = rows[rows["ratio"].isin({1.0, ratio, rows["ratio"].min()})].reset_index(drop=True)
    # A gap between data sets; the first is on top.
    places = -(rows.index + 0.7 * (pd.factorize(rows["dataset"])[0])).to_numpy()
    names = [
        f"{row['dataset']}, " + ("original" if row["ratio"] == 1.0 else f"ratio {row['ratio']:g}")
        for _, row in rows.iterrows()
    ]
    with sns.axes_style("white"), plt.rc_context(STYLE):
        height = 1.1 + 0.19 * (1 - places.min())
        figure, axis = plt.subplots(figsize=(PAGE, height), layout="constrained")
        left = pd.Series(0.0, index=rows.index)
        for i, (name, columns) in enumerate(PARTS.items()):
            share = 100 * rows[list(columns)].sum(axis=1) / rows["bytes"]
            if share.max() > 0:
                axis.barh(places, share, left=left, color=COLOURS[i], label=name, height=0.8)
            left += share
        for place, an_image in zip(places, rows["bytes"] / rows["images"], strict=True):
            axis.text(101, place, f"{an_image:,.0f} B", va="center", fontsize="small")
        axis.set_yticks(places, names)
        axis.set_xlim(0, 100)
        axis.set_xlabel("% of the bytes")
        sns.despine(ax=axis, left=True)
        figure.legend(loc="outside lower center", ncols=len(PARTS), frameon=False)
        save(figure, targets)
        plt.close(figure)


def _source(row: "pd.Series[Any]") -> str:
    if pd.isna(row["source_quality"]):
        return str(row["source_format"])
    low, high = row["source_quality_p10"], row["source_quality_p90"]
    return f"{row['source_format']} quality {row['source_quality']:.0f}, {low:.0f} to {high:.0f}"
