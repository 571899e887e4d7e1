"""How fast training converges: a number for Figure 3 (paper, section III-B)."""

from collections.abc import Mapping, Sequence
from math import isnan, nan, sqrt
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import t

from jpegprep.common.records import read_history
from jpegprep.common.table_files import write_table

_SHARE = 0.95


def convergence(
    runs: Sequence[Mapping[str, Any]], histories: Sequence[str | Path], *targets: str | Path
) -> None:
    """Write how many epochs each ratio needs to reach 95 % of the originals' final accuracy.

    One bar for all ratios of a data set and learner: with a bar of its own, a ratio that ends lower
    would be the quicker the lower it ends.

    Args:
        runs: of each its dataset, learner, ratio and seed.
        histories: of each its history.csv.
        targets: files to write, .csv (a row a data set, learner and ratio: seeds, epochs, the first
            and the final validation accuracy, the bar, how many seeds reached it, epochs_to_95 with
            its 95 % interval over seeds; means over seeds; epochs_to_95 is empty where a seed did
            not reach the bar), .md or .html (a row a data set and learner, a column a ratio).
    """
    read = [read_history(path) for path in histories]
    table = pd.DataFrame(runs)
    table["epochs"] = [len(history) for history in read]
    table["first_accuracy"] = [history["val_accuracy"].iloc[0] for history in read]
    table["final_accuracy"] = [history["val_accuracy"].iloc[-1] for history in read]
    finals = table.groupby(["dataset", "learner", "ratio"])["final_accuracy"].mean()
    largest = table.groupby(["dataset", "learner"])["ratio"].transform("max")
    places = zip(table["dataset"], table["learner"], largest, strict=True)
    table["bar"] = [_SHARE * finals[place] for place in places]
    table["epochs_to_95"] = [
        history["epoch"][history["val_accuracy"] >= bar].min()
        for history, bar in zip(read, table["bar"], strict=True)
    ]
    group = table.groupby(["dataset", "learner", "ratio"], sort=False)
    names = ["epochs", "first_accuracy", "final_accuracy", "bar"]
    reached = group["epochs_to_95"].agg(reached="count")
    to_bar = pd.DataFrame(
        [_with_interval(values) for _, values in group["epochs_to_95"]],
        index=reached.index,
        columns=["epochs_to_95", "low", "high"],
    )
    table = pd.concat([group.size().rename("seeds"), group[names].mean(), reached, to_bar], axis=1)
    table = table.reset_index()
    text = table.assign(
        shown=[f"{_in_words(row)} ({row.final_accuracy:.3f})" for row in table.itertuples()]
    )
    shown = text.pivot(index=["dataset", "learner"], columns="ratio", values="shown")
    shown = shown.loc[list(dict.fromkeys(zip(text["dataset"], text["learner"], strict=True)))]
    ratios = sorted(table["ratio"].unique(), reverse=True)
    shown = shown[ratios].fillna("")
    longest = table.groupby(["dataset", "learner"])["epochs"].max()
    shown.insert(0, "epochs", longest.map("{:g}".format))
    shown = shown.reset_index()
    note = (
        f"The first epoch whose validation accuracy is at least {_SHARE:.0%} of the originals' at "
        "their last epoch, one bar for all ratios, with a 95 % interval over seeds (Student's; of "
        "one seed none); in brackets the accuracy of the last epoch; means over seeds."
    )
    write_table(
        table,
        shown.rename(columns={"dataset": "data set"}).rename_axis(columns=None).rename(columns=str),
        note,
        targets,
    )


def _with_interval(values: "pd.Series[float]") -> tuple[float, float, float]:
    """Return the mean and its interval; nothing where a seed has no value."""
    if values.isna().any():
        return nan, nan, nan
    mean = float(values.mean())
    if len(values) == 1:
        return mean, nan, nan
    half = float(t.ppf(0.975, len(values) - 1)) * float(values.std()) / sqrt(len(values))
    return mean, mean - half, mean + half


def _in_words(row: Any) -> str:
    if isnan(row.epochs_to_95):
        return f"not in {row.epochs:g}"
    interval = "" if isnan(row.low) else f" [{row.low:.1f}, {row.high:.1f}]"
    return f"{row.epochs_to_95:g}{interval}"
