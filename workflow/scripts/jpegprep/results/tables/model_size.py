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
    others: Sequence[str],
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write every network of one recipe at both ratios, with what it costs (paper, section II-B).

    Args:
        accuracy: the table of `evaluation.evaluate`.
        runs: its table of runs, which names each network's size.
        learners: those to compare, of one recipe.
        others: networks that are left out, since they train by another one.
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
    left = f" By another recipe, and left out: {', '.join(others)}." if others else ""
    note = (
        "Parameters with the data set's classifier; multiply-adds for one image. All networks "
        f"train by one recipe.{left} {INTERVALS}"
    )
    write_table(table, shown, note, targets)


def table2(
    accuracy: str | Path,
    differences: str | Path,
    runs: str | Path,
    what: Mapping[str, Any],
    recipe: Mapping[str, Any],
    *targets: str | Path,
) -> None:
    """Write Table II: small original, small compressed, large original (paper, section II-B).

    Args:
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        runs: the table of runs, which names the size that each network saw the images at.
        what: ``small`` and ``large``, two learners, and ``ratio``, the compressed one's.
        recipe: of both networks.
        targets: files to write, .csv, .md or .html. ``small_compressed_difference`` and
            ``large_original_difference`` are the column's accuracy less the small network's on
            originals, the paper's drop: below 0, where accuracy is lost. ``small_less_large`` is
            the small network's on compressed images less the large one's on originals. ``seeds``
            are the small network's, ``large_seeds`` the large one's.
    """
    table = pd.read_csv(accuracy).dropna(subset="ratio")
    sizes = pd.read_csv(runs).groupby(["dataset", "learner"])["image_size"].first()
    small, large = what["small"], what["large"]
    parts = {
        "small_original": (small, 1.0),
        "small_compressed": (small, what["ratio"]),
        "large_original": (large, 1.0),
    }
    pairs = pairs_of(differences)
    rows = []
    for dataset in table["dataset"].unique():
        of_dataset = table[table["dataset"] == dataset].set_index(["learner", "ratio"]).sort_index()
        row: dict[str, Any] = {"dataset": dataset}
        row |= {name: what[name] for name in ("small", "large", "ratio")}
        row |= {name: of_dataset.loc[parts["small_original"], name] for name in ("seeds", "n")}
        row["large_seeds"] = of_dataset.loc[parts["large_original"], "seeds"]
        row["image_size"], row["large_image_size"] = sizes[dataset, small], sizes[dataset, large]
        for part, place in parts.items():
            for name in ("accuracy", "low", "high"):
                row[f"{part}_{name}"] = of_dataset.loc[place, name]
        sides = {
            part: (learner, of_dataset.loc[parts[part], "variant"])
            for part, (learner, _) in parts.items()
        }
        for name, one, other in _COMPARED:
            found = pairs[(dataset, *sides[one], *sides[other])]
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
        rows.append(row)
    table = pd.DataFrame(rows)
    whole = ("seeds", "n", "large_seeds", "image_size", "large_image_size")
    table = table.astype(dict.fromkeys(whole, int))
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            f"{small}, original": accuracy_with_interval(table, "small_original"),
            f"{small}, compressed": accuracy_with_interval(table, "small_compressed"),
            "difference, points": _points(table, "small_compressed_difference"),
            f"{large}, original": accuracy_with_interval(table, "large_original"),
            "difference, points ": _points(table, "large_original_difference"),
            "small compressed less large, points": _points(table, "small_less_large"),
            "image size": seeds_of_both(table["image_size"], table["large_image_size"]),
            "test images": table["n"],
            "seeds": seeds_of_both(table["seeds"], table["large_seeds"]),
        }
    )
    note = (
        f"Compressed: ratio {what['ratio']}. Difference: the accuracy before it less the small "
        "network's on originals, which the paper calls drop. Both networks train by one recipe: "
        f"{recipe['epochs']} epochs in batches of {recipe['batch_size']}, at a learning rate of "
        f"{recipe['learning_rate']:g}, which was tuned for neither. Image size: the pixels at "
        f"which they see the images{_native(what)}. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(table, shown, note, targets)


# A difference, and the parts of Table II that it is of.
_COMPARED = (
    ("small_compressed_difference", "small_compressed", "small_original"),
    ("large_original_difference", "large_original", "small_original"),
    ("small_less_large", "small_compressed", "large_original"),
)


def _native(what: Mapping[str, Any]) -> str:
    if what.get("native_resolution"):
        return ", each at its own"
    return f"; {ONE_SIZE}"


ONE_SIZE = "at one size, a network that was made for a larger one has a disadvantage"


def _points(table: pd.DataFrame, name: str) -> list[str]:
    names = {name: "difference", f"{name}_low": "low", f"{name}_high": "high"}
    return points(table[list(names)].rename(columns=names))
