"""How fast training converges: a number for Figure 3 (paper, section III-B)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.records import read_history
from jpegprep.common.table_files import write_table

_SHARE = 0.95


def convergence(
    runs: Sequence[Mapping[str, Any]], histories: Sequence[str | Path], *targets: str | Path
) -> None:
    """Write how many epochs each ratio needs to reach 95 % of its final validation accuracy.

    Args:
        runs: of each its dataset, learner, ratio and seed.
        histories: of each its history.csv.
        targets: files to write, .csv (a row a data set, learner and ratio: seeds, epochs, the first
            and the final validation accuracy, epochs_to_95; means over seeds), .md or .html (a row
            a data set and learner, a column a ratio).
    """
    rows = []
    for about, path in zip(runs, histories, strict=True):
        history = read_history(path)
        accuracy = history["val_accuracy"]
        final = accuracy.iloc[-1]
        reached = history["epoch"][accuracy >= _SHARE * final]
        rows.append(
            {
                **about,
                "epochs": len(history),
                "first_accuracy": accuracy.iloc[0],
                "final_accuracy": final,
                "epochs_to_95": reached.iloc[0],
            }
        )
    group = pd.DataFrame(rows).groupby(["dataset", "learner", "ratio"], sort=False)
    table = group[["epochs", "first_accuracy", "final_accuracy", "epochs_to_95"]].mean()
    table.insert(0, "seeds", group.size())
    table = table.reset_index()
    text = table.assign(
        shown=[f"{row.epochs_to_95:g} ({row.final_accuracy:.3f})" for row in table.itertuples()]
    )
    shown = text.pivot(index=["dataset", "learner"], columns="ratio", values="shown")
    shown = shown.loc[list(dict.fromkeys(zip(text["dataset"], text["learner"], strict=True)))]
    ratios = sorted(table["ratio"].unique(), reverse=True)
    shown = shown[ratios].fillna("")
    longest = table.groupby(["dataset", "learner"])["epochs"].max()
    shown.insert(0, "epochs", longest.map("{:g}".format))
    shown = shown.reset_index()
    note = (
        f"The first epoch whose validation accuracy is at least {_SHARE:.0%} of the last epoch's, "
        "and in brackets that of the last epoch; means over seeds."
    )
    write_table(
        table,
        shown.rename(columns={"dataset": "data set"}).rename_axis(columns=None).rename(columns=str),
        note,
        targets,
    )
