"""The paper's figures, drawn for a column's width and for colour-blind readers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jpegprep.common.records import read_history
from jpegprep.evaluation.decision import against_original, in_points
from jpegprep.results.figures.panels import COLOURS, COLUMN, PAGE, STYLE, save

_PANEL_HEIGHT = 2.9
# Lines are told apart by colour, and by marker and line where colours are not.
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")
_RATIO_COLOURS = "viridis"


def accuracy_vs_ratio(
    accuracy: str | Path, *targets: str | Path, dataset: str | None = None
) -> None:
    """Draw Figure 2: test accuracy against compression ratio, one panel a data set.

    Args:
        accuracy: the table of `evaluation.evaluate`.
        targets: files to write, .svg or .png.
        dataset: the one data set to draw; all, if left out.
    """
    table = pd.read_csv(accuracy).dropna(subset="ratio")
    table = table if dataset is None else table[table["dataset"] == dataset]
    datasets = table["dataset"].unique()
    learners = list(table["learner"].unique())
    with _figure(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            for i, learner in enumerate(learners):
                points = panel[panel["learner"] == learner].sort_values("ratio")
                if points.empty:
                    continue
                axis.errorbar(
                    points["ratio"] + _apart(i, len(learners)),
                    points["accuracy"],
                    yerr=[
                        points["accuracy"] - points["low"],
                        points["high"] - points["accuracy"],
                    ],
                    label=learner,
                    **_line(i),
                )
            images, seeds = panel["n"].iloc[0], _seeds(panel["seeds"])
            axis.set_title(f"{dataset}: n = {images:,} test images, {seeds}")
            _ratio_axis(axis)
            axis.set_ylabel("top-1 test accuracy")
        _legend_below(figure, axes, "bars: 95 % intervals")
        save(figure, targets)


def difference_vs_ratio(differences: str | Path, margin: float, *targets: str | Path) -> None:
    """Draw accuracy less the original's on the same test images, one panel a data set.

    Args:
        differences: the table of `evaluation.compare`.
        margin: the loss of accuracy that is accepted, a fraction; a dashed line.
        targets: files to write, .svg or .png.
    """
    table = against_original(differences)
    learners = list(table["learner"].unique())
    datasets = table["dataset"].unique()
    with _figure(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            axis.axhline(0, color="0.5", linewidth=0.8)
            axis.axhline(-100 * margin, color="0.2", linewidth=0.8, linestyle="--")
            for i, learner in enumerate(learners):
                points = panel[panel["learner"] == learner].sort_values("ratio")
                if points.empty:
                    continue
                difference = 100 * points["difference"]
                axis.errorbar(
                    points["ratio"] + _apart(i, len(learners)),
                    difference,
                    yerr=[
                        difference - 100 * points["low"],
                        100 * points["high"] - difference,
                    ],
                    label=learner,
                    **_line(i),
                )
            axis.set_title(f"{dataset}: n = {panel['n'].iloc[0]:,}, {_seeds(panel['seeds'])}")
            _ratio_axis(axis)
            axis.set_ylabel("accuracy less the original's, points")
        _legend_below(
            figure, axes, f"bars: 95 % intervals, paired; dashed: the margin, {in_points(margin)}"
        )
        save(figure, targets)


def recommended(
    probe: pd.DataFrame, sizes: pd.DataFrame, facts: Mapping[str, Any], *targets: str | Path
) -> None:
    """Draw what each ratio of a user's images saves, and what it costs.

    Args:
        probe: the probe's rows of `evaluation.compare`, against the original.
        sizes: the table of `sizes.measure`.
        facts: the recommendation; its fine-tuned network is drawn beside the probe.
        targets: files to write, .svg or .png.
    """
    points = probe.sort_values("ratio")
    with _figure(2) as (figure, (cost, saving)):
        cost.axhline(0, color="0.5", linewidth=0.8)
        cost.axhline(-100 * facts["margin"], color="0.2", linewidth=0.8, linestyle="--")
        fine = facts["fine_tuned"]
        drawn = [(points, "probe (frozen backbone)", 0.0)]
        if fine:
            row = {name: [fine[name]] for name in ("difference", "low", "high")}
            at = facts["quality"] / 100
            drawn.append((pd.DataFrame({"ratio": [at], **row}), f"{fine['learner']}", 0.015))
        for i, (table, label, shift) in enumerate(drawn):
            difference, low, high = (
                100 * table[name].to_numpy() for name in ("difference", "low", "high")
            )
            cost.errorbar(
                table["ratio"].to_numpy() + shift,
                difference,
                yerr=[difference - low, high - difference],
                label=label,
                **_line(i),
            )
        cost.set_ylabel("accuracy less the original's, points")
        left = sizes.sort_values("ratio")
        saving.plot(
            left["ratio"], 100 * left["relative_size"], color=COLOURS[2], marker="s", markersize=3.5
        )
        saving.set_ylim(0, 105)
        saving.set_ylabel("bytes, % of the originals")
        for axis in (cost, saving):
            _ratio_axis(axis)
            if facts["quality"]:
                axis.axvline(facts["quality"] / 100, color="0.6", linewidth=0.8, linestyle=":")
        _legend_below(
            figure, [cost], f"bars: 95 % intervals, paired; dashed: {100 * facts['margin']:g}"
        )
        save(figure, targets)


def _apart(i: int, learners: int) -> float:
    """Return by how much a learner's points are shifted, so that intervals can be told apart."""
    return 0.015 * (i - (learners - 1) / 2)


def accuracy_vs_parameters(models: str | Path, *targets: str | Path) -> None:
    """Draw accuracy against parameters, original and compressed, one panel a data set.

    Whether compression lets a smaller network reach a larger one's accuracy (paper, section II-B).

    Args:
        models: the CSV of `table2.all_models`.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(models)
    datasets = table["dataset"].unique()
    ratios = sorted(table["ratio"].unique(), reverse=True)
    with _figure(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            for i, ratio in enumerate(ratios):
                points = panel[panel["ratio"] == ratio].sort_values("parameters")
                # Ratios stand a little apart, so that their intervals can be told apart.
                x = points["parameters"] / 1e6 * (1 + 0.01 * (i - (len(ratios) - 1) / 2))
                errors = [points["accuracy"] - points["low"], points["high"] - points["accuracy"]]
                axis.errorbar(
                    x,
                    points["accuracy"],
                    yerr=errors,
                    label="original" if ratio == 1 else f"ratio {ratio}",
                    **_line(i),
                )
            sizes = panel.drop_duplicates("learner").sort_values("parameters")
            axis.set_xscale("log")
            axis.set_xticks(
                sizes["parameters"] / 1e6,
                [
                    f"{row.parameters / 1e6:.1f}\n{_short(row.learner)}"
                    for row in sizes.itertuples()
                ],
            )
            axis.minorticks_off()
            axis.margins(x=0.15)
            axis.set_title(f"{dataset}: n = {panel['n'].iloc[0]:,}, {_seeds(panel['seeds'])}")
            axis.set_xlabel("parameters, millions")
            axis.set_ylabel("top-1 test accuracy")
        _legend_below(figure, axes, "bars: 95 % intervals")
        save(figure, targets)


def _short(learner: str) -> str:
    """Return the last part of a network's name, such as b0."""
    return learner.rpartition("_")[2]


def size_vs_ratio(sizes: str | Path, *targets: str | Path) -> None:
    """Draw the bytes of each data set's images against the ratio, relative to the originals.

    Args:
        sizes: the CSV of `tables.size_vs_ratio`.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(sizes)
    with _figure(1, wide=table["dataset"].nunique() > 3) as (figure, (axis,)):
        for i, (dataset, line) in enumerate(table.groupby("dataset", sort=False)):
            axis.plot(
                line["ratio"],
                100 * line["relative_size"],
                label=f"{dataset} ({_source(line.iloc[0])})",
                color=COLOURS[i % len(COLOURS)],
                marker=_MARKERS[i % len(_MARKERS)],
                linestyle=_LINES[i % len(_LINES)],
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
        _ratio_axis(axis)
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


def _ratio_axis(axis: Axes) -> None:
    """Let compression grow to the right, as in the paper."""
    axis.set_xlim(1.05, 0.05)
    axis.set_xticks([1.0, 0.8, 0.6, 0.4, 0.2], ["1.0\n(original)", "0.8", "0.6", "0.4", "0.2"])
    axis.set_xlabel("compression ratio (JPEG quality / 100)")


def convergence(
    histories: Sequence[tuple[Mapping[str, Any], str | Path]], *targets: str | Path
) -> None:
    """Draw Figure 3: validation accuracy against epoch, one line a ratio.

    One panel a data set and learner; a line is the mean over seeds.

    Args:
        histories: for each run its dataset, learner, ratio and seed, and its history.csv.
        targets: files to write, .svg or .png.
    """
    table = pd.concat(
        [
            read_history(path)[["epoch", "val_accuracy"]].assign(**about)
            for about, path in histories
        ],
        ignore_index=True,
    )
    mean = table.groupby(["dataset", "learner", "ratio", "epoch"], sort=False, as_index=False)[
        "val_accuracy"
    ].mean()
    panels = list(mean.groupby(["dataset", "learner"], sort=False))
    ratios = sorted(mean["ratio"].unique(), reverse=True)
    colours = dict(zip(ratios, sns.color_palette(_RATIO_COLOURS, len(ratios)), strict=True))
    with _figure(len(panels)) as (figure, axes):
        for axis, ((dataset, learner), panel) in zip(axes, panels, strict=True):
            for ratio, line in panel.groupby("ratio"):
                i = ratios.index(ratio)
                axis.plot(
                    line["epoch"],
                    line["val_accuracy"],
                    color=colours[ratio],
                    marker=_MARKERS[i % len(_MARKERS)],
                    markersize=3,
                    label=str(ratio),
                )
            axis.set_title(f"{dataset}, {learner}")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_xlabel("epoch")
            axis.set_ylabel("top-1 validation accuracy")
        legend = _legend(axes)
        names = [str(ratio) for ratio in ratios]
        figure.legend(
            [legend[name] for name in names],
            names,
            loc="outside lower center",
            ncols=5,
            columnspacing=1,
            frameon=False,
            title=f"compression ratio; {_seeds(table.groupby('learner')['seed'].nunique())}",
        )
        save(figure, targets)


def _line(i: int) -> dict[str, Any]:
    """Return how the i-th line with intervals looks."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": _MARKERS[i % len(_MARKERS)],
        "linestyle": _LINES[i % len(_LINES)],
        "markersize": 3.5,
        "elinewidth": 0.8,
        "capsize": 2,
    }


def _legend_below(figure: Figure, axes: Sequence[Axes], title: str) -> None:
    """Name the lines of all panels once, below them."""
    legend = _legend(axes)
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        title=title,
    )


def _legend(axes: Sequence[Axes]) -> dict[str, Any]:
    """Return a handle for each label of any panel."""
    return {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }


def _seeds(counts: "pd.Series[int]") -> str:
    """Return how many seeds there are, of learners that may have different numbers."""
    least, most = counts.min(), counts.max()
    if least < most:
        return f"{least} to {most} seeds"
    return "1 seed" if most == 1 else f"{most} seeds"


@contextmanager
def _figure(panels: int, wide: bool = False) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure with as many panels: one or two fill a column, more the page's width.

    A `wide` panel fills the page. Three, and more than eight, stand three in a row.
    """
    columns = 1 if panels <= 2 else 3 if panels == 3 or panels > 8 else 2
    rows = ceil(panels / columns)
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
        for unused in axes[panels:]:
            unused.remove()
        yield figure, axes[:panels]
        plt.close(figure)
