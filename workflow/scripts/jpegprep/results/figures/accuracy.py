"""Accuracy against the ratio (Figure 2), its difference to the original, and against parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from jpegprep.common.layout import ORIGINAL
from jpegprep.evaluation.decision import against_original, in_points
from jpegprep.results.figures.drawing import save
from jpegprep.results.figures.panels import (
    apart,
    band,
    bars_and_bands,
    images_of,
    interval_line,
    legend_below,
    panels,
    range_of_seeds,
    ratio_axis,
    seeds_of,
)


def accuracy_vs_ratio(
    accuracy: str | Path, runs: str | Path, *targets: str | Path, dataset: str | None = None
) -> None:
    """Draw Figure 2: test accuracy against compression ratio, one panel a data set.

    Args:
        accuracy: the table of accuracies of `evaluation.evaluate`.
        runs: its table of runs; where there are several seeds, their range is a band.
        targets: files to write, .svg or .png.
        dataset: the one data set to draw; all, if left out.
    """
    table = pd.read_csv(accuracy).dropna(subset="ratio")
    table = table if dataset is None else table[table["dataset"] == dataset]
    datasets = table["dataset"].unique()
    learners = list(table["learner"].unique())
    ranges = range_of_seeds(pd.read_csv(runs), [*_PLACE, "ratio"], "accuracy")
    table = table.merge(ranges, how="left")
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            for i, learner in enumerate(learners):
                points = panel[panel["learner"] == learner].sort_values("ratio")
                if points.empty:
                    continue
                x, look = points["ratio"] + apart(i, len(learners)), interval_line(i)
                band(axis, x, points, look["color"])
                axis.errorbar(
                    x,
                    points["accuracy"],
                    yerr=[
                        points["accuracy"] - points["low"],
                        points["high"] - points["accuracy"],
                    ],
                    label=learner,
                    **look,
                )
            axis.set_title(f"{dataset}\n{images_of(panel['n'])} test images, {seeds_of(panel)}")
            ratio_axis(axis)
            axis.set_ylabel("top-1 test accuracy")
        legend_below(figure, axes, bars_and_bands(table))
        save(figure, targets)


_PLACE = ["dataset", "learner"]


def difference_vs_ratio(
    differences: str | Path, runs: str | Path, margin: float, *targets: str | Path
) -> None:
    """Draw accuracy less the original's on the same test images, one panel a data set.

    Args:
        differences: the table of `evaluation.compare`.
        runs: the table of runs of `evaluation.evaluate`; where there are several seeds, the range
            of their differences is a band.
        margin: the loss of accuracy that is accepted, a fraction; a dashed line.
        targets: files to write, .svg or .png.
    """
    table = against_original(differences)
    of_runs = pd.read_csv(runs)
    originals = of_runs[of_runs["variant"] == ORIGINAL][[*_PLACE, "seed", "accuracy"]]
    of_runs = of_runs.merge(originals, on=[*_PLACE, "seed"], suffixes=("", "_original"))
    of_runs["change"] = of_runs["accuracy"] - of_runs["accuracy_original"]
    seeds = range_of_seeds(of_runs, [*_PLACE, "ratio"], "change")
    table = table.merge(seeds, how="left", on=[*_PLACE, "ratio"])
    learners = list(table["learner"].unique())
    datasets = table["dataset"].unique()
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            axis.axhline(0, color="0.5", linewidth=0.8)
            axis.axhline(-100 * margin, color="0.2", linewidth=0.8, linestyle="--")
            for i, learner in enumerate(learners):
                points = panel[panel["learner"] == learner].sort_values("ratio")
                if points.empty:
                    continue
                difference = 100 * points["difference"]
                x, look = points["ratio"] + apart(i, len(learners)), interval_line(i)
                band(axis, x, 100 * points[["lowest", "highest"]], look["color"])
                axis.errorbar(
                    x,
                    difference,
                    yerr=[
                        difference - 100 * points["low"],
                        100 * points["high"] - difference,
                    ],
                    label=learner,
                    **look,
                )
            axis.set_title(f"{dataset}: {images_of(panel['n'])}, {seeds_of(panel)}")
            ratio_axis(axis)
            axis.set_ylabel("accuracy less the original's, points")
        more = f", paired; dashed: the margin, {in_points(margin)}"
        legend_below(figure, axes, bars_and_bands(table, more))
        save(figure, targets)


def recommended(probe: pd.DataFrame, facts: Mapping[str, Any], *targets: str | Path) -> Figure:
    """Draw what each store of a user's images costs, against its bytes; return the figure.

    Args:
        probe: what `proposal.rungs` returns.
        facts: the recommendation; its fine-tuned network is drawn beside the probe.
        targets: files to write, .svg or .png; maybe none.
    """
    fine = facts["fine_tuned"]
    with panels(1, wide=True) as (figure, (axis,)):
        axis.axhline(0, color="0.5", linewidth=0.8)
        axis.axhline(-100 * facts["margin"], color="0.2", linewidth=0.8, linestyle="--")
        drawn = [(probe[~probe["resized"]], "probe (frozen backbone)", 1.0)]
        if probe["resized"].any():
            drawn.append((probe[probe["resized"]], "probe, images made smaller", 1.0))
        if fine and facts["store"]:
            row = {name: [fine["difference"][name]] for name in ("difference", "low", "high")}
            at = pd.DataFrame({"relative_size": [1 - facts["saved"]], **row})
            drawn.append((at, f"{fine['learner']}, pairs", 0.97))
        for i, (table, label, shift) in enumerate(drawn):
            difference, low, high = (
                100 * table[name].to_numpy(dtype=float) for name in ("difference", "low", "high")
            )
            axis.errorbar(
                100 * table["relative_size"].to_numpy(dtype=float) * shift,
                difference,
                yerr=[difference - low, high - difference],
                label=label,
                **interval_line(i),
            )
        for rung in probe.to_dict("records"):
            axis.annotate(
                rung["store"].removesuffix("-opt"),
                (100 * rung["relative_size"], 100 * rung["low"]),
                xytext=(0, -3),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="top",
                fontsize=5,
                color="0.35",
            )
        if facts["store"]:
            axis.axvline(100 * (1 - facts["saved"]), color="0.6", linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.invert_xaxis()
        bottom, top = axis.get_ylim()
        axis.set_ylim(bottom - 0.25 * (top - bottom), top)  # room for the names
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
        axis.set_xlabel("bytes, % of the originals'")
        axis.set_ylabel("accuracy less the original's, points")
        legend_below(
            figure,
            [axis],
            f"bars: 95 % intervals, paired; dashed: the margin, {in_points(facts['margin'])}",
        )
        if targets:
            save(figure, targets)
        return figure


def accuracy_vs_parameters(models: str | Path, runs: str | Path, *targets: str | Path) -> None:
    """Draw accuracy against parameters, original and compressed, one panel a data set.

    Whether compression lets a smaller network reach a larger one's accuracy (paper, section II-B).

    Args:
        models: the CSV of `table2.all_models`.
        runs: the table of runs of `evaluation.evaluate`; where there are several seeds, their range
            is a band.
        targets: files to write, .svg or .png.
    """
    seeds = range_of_seeds(pd.read_csv(runs), [*_PLACE, "ratio"], "accuracy")
    table = pd.read_csv(models).merge(seeds, how="left")
    datasets = table["dataset"].unique()
    ratios = sorted(table["ratio"].unique(), reverse=True)
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset]
            for i, ratio in enumerate(ratios):
                points = panel[panel["ratio"] == ratio].sort_values("parameters")
                # Ratios stand a little apart, so that their intervals can be told apart.
                x = points["parameters"] / 1e6 * (1 + 0.01 * (i - (len(ratios) - 1) / 2))
                errors = [points["accuracy"] - points["low"], points["high"] - points["accuracy"]]
                look = interval_line(i)
                band(axis, x, points, look["color"])
                axis.errorbar(
                    x,
                    points["accuracy"],
                    yerr=errors,
                    label="original" if ratio == 1 else f"ratio {ratio}",
                    **look,
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
            axis.set_title(f"{dataset}: {images_of(panel['n'])}, {seeds_of(panel)}")
            axis.set_xlabel("parameters, millions")
            axis.set_ylabel("top-1 test accuracy")
        legend_below(figure, axes, bars_and_bands(table))
        save(figure, targets)


def _short(learner: str) -> str:
    """Return the last part of a network's name, such as b0."""
    return learner.rpartition("_")[2]
