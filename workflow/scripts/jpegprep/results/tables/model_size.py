"""Table II: does compression let a smaller network reach a larger one's accuracy?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, accuracies, pairs_of, points, seeds_of_both

_NETWORK = ["architecture", "image_size", "parameters", "multiply_adds"]


def all_models(
    accuracy: str | Path,
    runs: str | Path,
    learners: Sequence[str],
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write every network of a study at both ratios, with what it costs (paper, section II-B).

    Args:
        accuracy: the table of `evaluation.evaluate`.
        runs: its table of runs, which names each network's size.
        learners: those to compare.
        ratio: the compressed one's; the other is 1.0.
        targets: files to write, .csv, .md or .html: a row a (data set, learner, ratio), by
            parameters; multiply-adds are those of one image.
    """
    table = pd.read_csv(accuracy)
    table = table[table["learner"].isin(list(learners)) & table["ratio"].isin([1.0, ratio])]
    networks = pd.read_csv(runs).drop_duplicates(["dataset", "learner"])
    networks = networks.astype(dict.fromkeys(_NETWORK[1:], "Int64"))  # a learner may have none
    table = table.merge(networks[["dataset", "learner", *_NETWORK]], on=["dataset", "learner"])
    order = {name: i for i, name in enumerate(table["dataset"].unique())}
    table = table.sort_values(
        ["dataset", "parameters", "ratio"],
        key=lambda column: column.map(order) if column.name == "dataset" else column,
        ascending=[True, True, False],
    )
    columns = ["dataset", "learner", *_NETWORK, "ratio", "seeds", "n", "accuracy", "low", "high"]
    table = table[columns].reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "parameters, M": (table["parameters"] / 1e6).map("{:.2f}".format),
            "multiply-adds, M": (table["multiply_adds"] / 1e6).map("{:,.0f}".format),
            "image size": table["image_size"],
            "ratio": table["ratio"],
            "accuracy": accuracies(table),
            "test images": table["n"],
            "seeds": table["seeds"],
        }
    )
    note = f"Parameters with the data set's classifier; multiply-adds for one image. {INTERVALS}"
    write_table(table, shown, note, targets)


def table2(
    accuracy: str | Path, differences: str | Path, what: Mapping[str, Any], *targets: str | Path
) -> None:
    """Write Table II: small original, small compressed, large original (paper, section II-B).

    Args:
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        what: ``small`` and ``large``, two learners, and ``ratio``, the compressed one's.
        targets: files to write, .csv, .md or .html. A drop is the small network's original accuracy
            less the column's: positive, where accuracy was lost. ``seeds`` are the small network's,
            ``large_seeds`` the large one's.
    """
    table = pd.read_csv(accuracy).dropna(subset="ratio")
    parts = {
        "small_original": (what["small"], 1.0),
        "small_compressed": (what["small"], what["ratio"]),
        "large_original": (what["large"], 1.0),
    }
    pairs = pairs_of(differences)
    rows = []
    for dataset in table["dataset"].unique():
        of_dataset = table[table["dataset"] == dataset].set_index(["learner", "ratio"]).sort_index()
        row: dict[str, Any] = {"dataset": dataset, **what}
        row |= {name: of_dataset.loc[parts["small_original"], name] for name in ("seeds", "n")}
        row["large_seeds"] = of_dataset.loc[parts["large_original"], "seeds"]
        for part, place in parts.items():
            for name in ("accuracy", "low", "high"):
                row[f"{part}_{name}"] = of_dataset.loc[place, name]
        for part in ("small_compressed", "large_original"):
            pair = [of_dataset.loc[parts[name], "variant"] for name in (part, "small_original")]
            learner = parts[part][0]
            value, low, high = pairs[dataset, learner, pair[0], what["small"], pair[1]]
            # 0 - value, since -value of no difference is -0.0, and printed so.
            drop = {"drop": 0 - value, "drop_low": 0 - high, "drop_high": 0 - low}
            row |= {f"{part}_{name}": bound for name, bound in drop.items()}
        rows.append(row)
    table = pd.DataFrame(rows)
    table = table.astype({"seeds": int, "n": int, "large_seeds": int})
    small, large = what["small"], what["large"]
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            f"{small}, original": accuracy_with_interval(table, "small_original"),
            f"{small}, compressed": accuracy_with_interval(table, "small_compressed"),
            "drop, points": _drop(table, "small_compressed"),
            f"{large}, original": accuracy_with_interval(table, "large_original"),
            "drop, points ": _drop(table, "large_original"),
            "test images": table["n"],
            "seeds": seeds_of_both(table["seeds"], table["large_seeds"]),
        }
    )
    note = (
        f"Compressed: ratio {what['ratio']}. Drop: the small network's original accuracy less the "
        f"column before it; below 0, accuracy was gained. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(table, shown, note, targets)


def _drop(table: pd.DataFrame, part: str) -> list[str]:
    names = {f"{part}_drop": "difference", f"{part}_drop_low": "low", f"{part}_drop_high": "high"}
    return points(table.rename(columns=names))
