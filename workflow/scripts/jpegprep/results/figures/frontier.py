"""Accuracy against bytes of all stores: the frontier of storage."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from jpegprep.common.layout import ORIGINAL
from jpegprep.evaluation.decision import in_points
from jpegprep.images.variants import family_of
from jpegprep.results.figures.drawing import COLOURS, save
from jpegprep.results.figures.panels import MARKERS, images_of, legend_below, panels, seeds_of


def accuracy_vs_bytes(stores: str | Path, margin: float, *targets: str | Path) -> None:
    """Draw accuracy against bytes an image, a mark a store, one panel a data set.

    Args:
        stores: the CSV of `evaluation.frontier.stores`.
        margin: the loss of accuracy that is accepted, a fraction; a dashed line.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(stores)
    table["family"] = table["tested_as"].map(family_of)
    looks = _looks(table)
    datasets = table["dataset"].unique()
    with panels(len(datasets), wide=len(datasets) == 1) as (figure, axes):
        # Room for a legend of many families.
        figure.set_figheight(figure.get_figheight() + 1.2)
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset].sort_values("bytes", kind="stable")
            panel = panel.drop_duplicates("tested_as")
            original = table[(table["dataset"] == dataset) & (table["store"] == ORIGINAL)].iloc[0]
            level = original["accuracy"]
            bounds = original["accuracy_low"], original["accuracy_high"]
            axis.axhspan(*bounds, color="0.5", alpha=0.12, linewidth=0)
            axis.axhline(level, color="0.5", linewidth=0.8)
            axis.axhline(level - margin, color="0.2", linewidth=0.8, linestyle="--")
            edge = panel[panel["on_frontier"]]
            axis.plot(
                edge["mean_bytes"],
                edge["accuracy"],
                color="0.3",
                linewidth=0.9,
                drawstyle="steps-post",
                zorder=1,
            )
            for (family, on_edge), points in panel.groupby(["family", "on_frontier"], sort=False):
                look = looks[str(family)]
                axis.errorbar(
                    points["mean_bytes"],
                    points["accuracy"],
                    # Of the difference, about the accuracy.
                    yerr=[
                        (points["difference"] - points["low"]).to_numpy(),
                        (points["high"] - points["difference"]).to_numpy(),
                    ],
                    linestyle="",
                    markersize=4,
                    elinewidth=0.7,
                    capsize=1.5,
                    markerfacecolor=look["color"] if on_edge else "white",
                    **look,
                )
            for point in edge.itertuples():
                axis.annotate(
                    _label(str(point.store), alone=len(datasets) == 1),
                    (float(str(point.mean_bytes)), float(str(point.accuracy))),
                    xytext=(3, -7),
                    textcoords="offset points",
                    fontsize=5,
                )
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_title(f"{dataset}: {images_of(panel['n'])}, {seeds_of(panel)}")
            axis.set_xlabel("bytes an image")
            axis.set_ylabel("top-1 test accuracy")
            axis.margins(x=0.12)
        _name(axes[0], looks)
        legend_below(
            figure,
            [axes[0]],
            "bars: 95 % intervals of the difference to the original; grey: the original\n"
            f"dashed: {in_points(margin)} below it; filled, on the line: the frontier",
            columns=2 if len(datasets) == 2 else 4,
        )
        save(figure, targets)


def _label(store: str, alone: bool) -> str:
    """Return what stands beside a mark: in small panels the quality or distance alone."""
    setting = re.search(r"-((?:q|d)[\d.]+)(?=-|$)", store)
    return store if alone or not setting else setting[1]


def _looks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return how the marks of each family look: a colour a codec, a marker a size and chroma."""
    families = list(dict.fromkeys(table["family"]))
    codecs = list(dict.fromkeys(map(_codec, families)))
    forms = list(dict.fromkeys(_form(family) for family in families))
    return {
        family: {
            "color": COLOURS[codecs.index(_codec(family)) % len(COLOURS)],
            "marker": MARKERS[forms.index(_form(family)) % len(MARKERS)],
        }
        for family in families
    }


def _codec(family: str) -> str:
    """Return the codec of a family: jpeg of s256-jpeg-444."""
    parts = family.split("-")
    return parts[1] if len(parts) > 1 and parts[0][1:].isdigit() else parts[0]


def _form(family: str) -> str:
    """Return what a family has beside its codec: s256--444 of s256-jpeg-444."""
    return family.replace(_codec(family), "", 1)


def _name(axis: Any, looks: dict[str, dict[str, Any]]) -> None:
    """Name every family in the legend, also those that another panel alone shows."""
    for family, look in looks.items():
        axis.plot([], [], linestyle="", markersize=4, label=family, **look)
