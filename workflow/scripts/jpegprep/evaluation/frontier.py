"""The frontier of storage: of all stores that are tried, which has the fewest bytes for what.

A store is chosen among many by the same images that its accuracy is of. What is said of the chosen
one holds for the choice as well: stores are tested in orders that bytes alone fix, and families of
them share the level (`stats.passed_in_order`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import INTERVALS, write_table
from jpegprep.evaluation.accuracy import crossfitted, groups_of
from jpegprep.evaluation.decision import (
    accuracies,
    beats_largest_class,
    in_points,
    points,
    seeds_in_words,
)
from jpegprep.evaluation.stats import loss_p, passed_in_order
from jpegprep.images.variants import REACHES, family_of, reach_of
from jpegprep.learners.runs import read_predictions

LEVEL = 0.025  # of a false claim, one-sided: that of a 95 % interval's lower bound
STORES = [
    *("dataset", "learner", "store", "tested_as", "images", "bytes", "mean_bytes", "saved"),
    *("seeds", "n", "interval", "accuracy", "accuracy_low", "accuracy_high"),
    *("difference", "low", "high", "p_loss", "learnt", "on_frontier", "alone", "shown"),
    *("inflated", "kept", "pixels_of", "timed", "made_per_second", "decoded_per_second"),
]
FRONTIER = [
    *("dataset", "learner", "among", "stores", "families", "store", "mean_bytes", "saved"),
    *("seeds", "n", "interval", "accuracy", "accuracy_low", "accuracy_high"),
    *("difference", "low", "high", "p_loss", "margin", "learnt"),
]


def stores(
    measured: Mapping[str, str | Path],
    predictions: Mapping[str, Mapping[str, Sequence[str | Path]]],
    accuracy: str | Path,
    differences: str | Path,
    learner: str,
    tested_as: Mapping[str, str],
    margin: float,
    *targets: str | Path,
) -> None:
    """Write what each store of each data set costs in bytes, and what in accuracy.

    Args:
        measured: of each data set what `store_facts.measure_stores` wrote.
        predictions: of each data set and store that was tested the predictions, one a seed.
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        learner: whose models they are.
        tested_as: of each store the one whose runs tell its accuracy; all their pixels are the
            same.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a (data set, store), from the most bytes
            down. ``p_loss`` is that of a loss of the margin or more (`stats.loss_p`), 0 where all
            pixels are the original's; ``learnt``, whether the models of the originals have
            something to lose; ``alone``, whether the store's own interval excludes such a loss, and
            ``shown``, whether it is excluded with all stores that were tried in mind.
    """
    known, pairs = pd.read_csv(accuracy), pd.read_csv(differences)
    tables = [
        _of_dataset(
            name,
            pd.read_csv(facts, keep_default_na=False, na_values={c: [""] for c in _SPEEDS}),
            predictions[name],
            known[(known["dataset"] == name) & (known["learner"] == learner)],
            pairs[(pairs["dataset"] == name) & (pairs["learner"] == learner)],
            tested_as,
            margin,
        )
        for name, facts in measured.items()
    ]
    table = pd.concat(tables, ignore_index=True).assign(learner=learner)[STORES]
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "store": table["store"],
            "bytes an image": table["mean_bytes"].map("{:,.0f}".format),
            "saved": table["saved"].map("{:.1%}".format),
            "accuracy": accuracies(table, "accuracy_low", "accuracy_high"),
            "difference, points": _differences(table),
            "on the frontier": table["on_frontier"].map({True: "yes", False: ""}),
            f"loss below {100 * margin:g}": _claims(table),
            "made, images/s": table["made_per_second"].map(_speed),
            "decoded, images/s": table["decoded_per_second"].map(_speed),
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    write_table(table, shown, _note_of_stores(learner, margin), targets)


_SPEEDS = ("made_per_second", "decoded_per_second")


def _note_of_stores(learner: str, margin: float) -> str:
    return (
        f"Top-1 accuracy of {learner}, trained and tested on images of the store. {INTERVALS} "
        "Difference: less the original's on the same images, with the store's own 95 % interval, "
        "paired; 'same pixels': every image was decoded and compared with the original. "
        "On the frontier: no other store has fewer bytes and an estimated accuracy at least as "
        "high. Estimates that are best among many are too good by chance (the winner's curse): "
        "where intervals overlap, other images may put a neighbour there. Loss below "
        f"{100 * margin:g}: yes, where a loss of {in_points(margin)} or more is excluded with all "
        "these stores in mind: stores of a family (one codec, size and chroma, any quality) are "
        "tested from the most bytes down, each only after those before have passed, and families "
        "share the 2.5 % by which one store alone would be tested; 'alone': by its own interval, "
        "which of so many stores some would by chance. Made: from the original's file, and "
        "decoded, images a second of a core; they are of the machine that ran the study."
    )


def _of_dataset(
    dataset: str,
    facts: pd.DataFrame,
    predictions: Mapping[str, Sequence[str | Path]],
    accuracy: pd.DataFrame,
    differences: pd.DataFrame,
    tested_as: Mapping[str, str],
    margin: float,
) -> pd.DataFrame:
    table = facts.assign(dataset=dataset, mean_bytes=facts["bytes"] / facts["images"])
    table["tested_as"] = table["store"].map(tested_as)
    whole = table.loc[table["store"] == ORIGINAL, "bytes"].item()
    table["saved"] = 1 - table["bytes"] / whole
    columns = ["seeds", "n", "interval", "accuracy", "low", "high"]
    bounds = {"low": "accuracy_low", "high": "accuracy_high"}
    of_store = accuracy.set_index("variant")[columns].rename(columns=bounds)
    table = table.join(of_store, on="tested_as", validate="many_to_one")
    against = differences[differences["other_variant"] == ORIGINAL]
    against = against[against["other_learner"] == against["learner"]].set_index("variant")
    table = table.join(against[["difference", "low", "high"]], on="tested_as")
    right = {
        store: [read_predictions(path) for path in predictions[store]] for store in predictions
    }
    originals = right[ORIGINAL]
    correct, labels = _correct(originals), originals[0]["label"]
    p_values = {
        store: loss_p(_correct(tables), correct, margin, crossfitted(tables), groups_of(tables))
        for store, tables in right.items()
        if store != ORIGINAL
    }
    # The original's pixels: the same model, and nothing to test.
    same = (table["tested_as"] == ORIGINAL) | (table["pixels_of"] == ORIGINAL)
    table.loc[same, ["difference", "low", "high"]] = 0.0
    table["p_loss"] = table["tested_as"].map(p_values).mask(same, 0.0)
    chance = float(labels.value_counts(normalize=True).iloc[0])
    low = float(table.loc[table["store"] == ORIGINAL, "accuracy_low"].item())
    table["learnt"] = beats_largest_class(low, chance, margin)
    table["alone"] = (table["low"] > -margin) & table["learnt"]
    table["shown"] = shown_of(table)
    table["on_frontier"] = on_frontier(table)
    return table.sort_values("bytes", ascending=False, kind="stable")


def _correct(tables: Sequence[pd.DataFrame]) -> npt.NDArray[np.bool_]:
    return np.stack([(t["label"] == t["predicted"]).to_numpy() for t in tables])


def on_frontier(table: pd.DataFrame) -> "pd.Series[bool]":
    """Tell of each store whether no other beats it: fewer bytes, and accuracy at least as high.

    Nor as many bytes and higher accuracy.

    Args:
        table: stores of one data set with ``bytes`` and ``accuracy``.
    """
    size, accuracy = table["bytes"].to_numpy(), table["accuracy"].to_numpy()
    fewer, better = size[:, None] > size, accuracy[:, None] < accuracy
    no_worse = (size[:, None] >= size, accuracy[:, None] <= accuracy)
    beaten = (fewer & no_worse[1]) | (no_worse[0] & better)
    return pd.Series(~beaten.any(axis=1), index=table.index)


def shown_of(table: pd.DataFrame, level: float = LEVEL) -> "pd.Series[bool]":
    """Tell of each store whether a loss of the margin is excluded, with all of them in mind.

    Stores that are tested as one are one hypothesis. Those of the original's pixels lose nothing.
    Where the models of the originals have nothing to lose, nothing is shown but these.

    Args:
        table: stores of one data set: ``store``, ``tested_as``, ``bytes``, ``p_loss``, ``learnt``.
        level: the chance that any of them is told to be shown falsely, at most.
    """
    shown = table["p_loss"] == 0
    if not table["learnt"].all():
        return shown
    # What is tested as one is ordered by the larger of its files: an order of bytes all the same.
    tested = table[~shown].sort_values("bytes", ascending=False, kind="stable")
    tested = tested.drop_duplicates("tested_as")
    families = tested.groupby(tested["tested_as"].map(family_of), sort=False)
    chains = {str(name): rows["p_loss"].tolist() for name, rows in families}
    passed = passed_in_order(chains, level)
    names = [name for key, rows in families for name in rows["tested_as"].iloc[: passed[str(key)]]]
    return shown | table["tested_as"].isin(names)


def frontier(stores: str | Path, margin: float, *targets: str | Path) -> None:
    """Write for each data set the cheapest store that is shown to keep the accuracy.

    A row a (data set, reach of `variants.REACHES`): each among more stores than the row before.

    Args:
        stores: the CSV of `stores`.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html.
    """
    rows: list[dict[str, Any]] = []
    everything = pd.read_csv(stores)
    for _, of_dataset in everything.groupby("dataset", sort=False):
        reaches = of_dataset["store"].map(reach_of)
        for reach in sorted(set(reaches)):
            among = of_dataset[reaches <= reach]
            passed = among[shown_of(among)]
            best = passed.sort_values("bytes", kind="stable").iloc[0]
            families = among.loc[among["p_loss"] > 0, "tested_as"].map(family_of)
            row = {"among": REACHES[reach], "stores": len(among), "families": families.nunique()}
            rows.append({**best.to_dict(), **row, "margin": margin})
    table = pd.DataFrame(rows, columns=FRONTIER)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "among": table["among"],
            "stores": table["stores"],
            "cheapest that is shown": [
                store if learnt else f"{store}; of others one cannot tell"
                for store, learnt in zip(table["store"], table["learnt"], strict=True)
            ],
            "bytes an image": table["mean_bytes"].map("{:,.0f}".format),
            "saved": table["saved"].map("{:.1%}".format),
            "accuracy": accuracies(table, "accuracy_low", "accuracy_high"),
            "difference, points": _differences(table),
            "p of such a loss": ["" if p == 0 else f"{max(p, 1e-4):.4f}" for p in table["p_loss"]],
            "families": table["families"],
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    note = (
        f"The store of the fewest bytes of which a loss of {in_points(margin)} or more is "
        "excluded; each row looks among more stores than the one above. In a row the chance that "
        "the named store loses as much after all is at most 2.5 %, the choice included: stores of "
        "a family (one codec, size and chroma, any quality) are tested from the most bytes down, "
        "each only after those before have passed, and families share the level; a family that "
        "passes whole leaves its part to the others. So more stores can also show less. The "
        "difference is the chosen store's own, with its own 95 % interval: as it was chosen, the "
        "estimate is rather too good (the winner's curse), and its interval covers less often than "
        f"95 %; a loss below {in_points(margin)} is what is shown, and no more. The original's "
        "pixels need no test. One cannot tell: on the originals the learner knows hardly more than "
        f"the largest class, and has nothing to lose. {INTERVALS}"
    )
    write_table(table, shown, note, targets)


def _differences(table: pd.DataFrame) -> list[str]:
    """Return the differences in words; of stores with the original's pixels that they are these."""
    return [
        text if p > 0 else "same pixels"
        for text, p in zip(points(table), table["p_loss"], strict=True)
    ]


def _claims(table: pd.DataFrame) -> list[str]:
    """Return what is claimed of each store at the margin."""
    return [
        "yes" if shown else "alone" if alone else ""
        for shown, alone in zip(table["shown"], table["alone"], strict=True)
    ]


def _speed(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
