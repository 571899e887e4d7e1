"""How fast training converges: a number for Figure 3 (paper, section III-B)."""

from collections.abc import Mapping, Sequence
from math import isnan, nan, sqrt
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import t

from jpegprep.common.records import read_history
from jpegprep.common.table_files import accuracy_with_interval, write_table
from jpegprep.evaluation.accuracy import bounded_of_shares, validation_images

_SHARE = 0.95
_PLACE = ["dataset", "learner", "ratio"]


def convergence(
    runs: Sequence[Mapping[str, Any]],
    histories: Sequence[str | Path],
    splits: Mapping[str, str | Path],
    *targets: str | Path,
) -> None:
    """Write how many epochs each ratio needs to reach 95 % of the originals' final accuracy.

    One bar for all ratios of a data set and learner: with a bar of its own, a ratio that ends lower
    would be the quicker the lower it ends.

    Args:
        runs: of each its dataset, learner, ratio and seed.
        histories: of each its history.csv.
        splits: by data set: which images are for validation.
        targets: files to write, .csv (a row a data set, learner and ratio: seeds, n validation
            images, epochs, the first and the final validation accuracy with their 95 % intervals,
            the bar, how many seeds reached it, epochs_to_95 with its 95 % interval over seeds, low
            and high; means over seeds; epochs_to_95 is empty where a seed did not reach the bar),
            .md or .html (a row a data set and learner, a column a ratio).

    Raises:
        UserError: where a split or a history is damaged.
    """
    images = {name: validation_images(path) for name, path in splits.items()}
    read = [read_history(path) for path in histories]
    table = pd.DataFrame(runs)
    table["epochs"] = [len(history) for history in read]
    table["first_accuracy"] = [history["val_accuracy"].iloc[0] for history in read]
    table["final_accuracy"] = [history["val_accuracy"].iloc[-1] for history in read]
    means = table.groupby(_PLACE)["final_accuracy"].mean()
    largest = table.groupby(["dataset", "learner"])["ratio"].transform("max")
    places = zip(table["dataset"], table["learner"], largest, strict=True)
    table["bar"] = [_SHARE * means[place] for place in places]
    table["epochs_to_95"] = [
        history["epoch"][history["val_accuracy"] >= bar].min()
        for history, bar in zip(read, table["bar"], strict=True)
    ]
    table = pd.DataFrame(
        [
            {**dict(zip(_PLACE, place, strict=True)), **_of_ratio(of_ratio, images[str(place[0])])}
            for place, of_ratio in table.groupby(_PLACE, sort=False)
        ]
    )
    finals = accuracy_with_interval(table, "final")
    text = table.assign(
        shown=[
            f"{_in_words(row)} ({final})"
            for row, final in zip(table.itertuples(), finals, strict=True)
        ]
    )
    shown = text.pivot(index=["dataset", "learner"], columns="ratio", values="shown")
    shown = shown.loc[list(dict.fromkeys(zip(text["dataset"], text["learner"], strict=True)))]
    ratios = sorted(table["ratio"].unique(), reverse=True)
    shown = shown[ratios].fillna("")
    rows = table.groupby(["dataset", "learner"])
    shown.insert(0, "epochs", rows["epochs"].max().map("{:g}".format))
    shown["validation images"] = rows["n"].first()
    shown["seeds"] = rows["seeds"].agg(lambda seeds: ", ".join(map(str, seeds.unique())))
    shown = shown.reset_index()
    note = (
        f"The first epoch whose validation accuracy is at least {_SHARE:.0%} of the originals' at "
        "their last epoch, one bar for all ratios, with a 95 % interval over seeds (Student's; of "
        "one seed none); in brackets the validation accuracy of the last epoch with its 95 % "
        "interval (Wilson's over the validation images; of several seeds with random effects of "
        "seeds and images, as if all seeds were right on the same images, since their single "
        "answers are not kept); means over seeds."
    )
    write_table(
        table,
        shown.rename(columns={"dataset": "data set"}).rename_axis(columns=None).rename(columns=str),
        note,
        targets,
    )


def _of_ratio(runs: pd.DataFrame, images: int) -> dict[str, Any]:
    """Return the numbers of the seeds of one data set, learner and ratio."""
    row: dict[str, Any] = {"seeds": len(runs), "n": images, "epochs": runs["epochs"].mean()}
    for which in ("first", "final"):
        accuracies = runs[f"{which}_accuracy"]
        _, low, high = bounded_of_shares(accuracies.tolist(), images)
        row |= {f"{which}_accuracy": accuracies.mean(), f"{which}_low": low, f"{which}_high": high}
    epochs, low, high = _with_interval(runs["epochs_to_95"])
    row |= {"bar": runs["bar"].iloc[0], "reached": runs["epochs_to_95"].count()}
    return {**row, "epochs_to_95": epochs, "low": low, "high": high}


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
