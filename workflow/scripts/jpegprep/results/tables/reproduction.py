"""Published against ours: every number of the paper's tables beside the study's own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.table_files import write_table
from jpegprep.evaluation.decision import seeds_in_words
from jpegprep.results.tables.published import read_all


def reproduction(
    published: str | Path, tables: Mapping[str, str | Path], learner: str, *targets: str | Path
) -> None:
    """Write every number that the paper prints in Tables I to IV, and ours.

    Args:
        published: the paper's numbers.
        tables: the CSVs of the study's tables by the paper's number: ``I``, ``III``, and ``II`` and
            ``IV`` where the study makes them.
        learner: whose accuracy Table III is compared with.
        targets: files to write, .csv (columns table, dataset, quantity, learner, paper, ours, low,
            high, n, seeds, interval, difference, inside, note; low to interval are of what was
            tested), .md or .html. Inside: whether the 95 % interval of the
            difference holds 0; of a count, whether it is the same. The paper's run has no interval:
            it is taken to vary as ours does, and an accuracy at least as one of so many images.
            Numbers of the paper that the study has nothing beside are in the CSV alone.
    """
    paper = read_all(published)
    ours = pd.DataFrame(_ours(tables, learner), columns=_OURS)
    ours = ours.astype(
        {name: float for name in ("ours", "low", "high", "n")}
    )  # also where all are None
    # Table IV does not name its data set: each of ours stands beside the same number.
    named = paper["row"] != _UNNAMED
    table = pd.concat(
        [
            paper[named].merge(ours, how="left", on=["table", "row", "column"]),
            paper[~named].drop(columns="row").merge(ours, how="left", on=["table", "column"]),
        ],
        ignore_index=True,
    )
    table["row"] = table["row"].fillna(_UNNAMED)
    table["difference"] = table["ours"] - table["value"]
    counted = table["low"].isna()
    arm = np.where(
        table["difference"] < 0, table["high"] - table["ours"], table["ours"] - table["low"]
    )
    of_paper = 1.96 * (table["value"] * (1 - table["value"]) / table["n"]).clip(lower=0) ** 0.5
    of_paper = of_paper.where(table["column"].str.endswith("accuracy"), 0).fillna(0)
    inside = table["difference"].abs() <= np.hypot(arm, np.maximum(arm, of_paper))
    inside = inside.where(~counted, table["difference"] == 0)
    known = table["difference"].notna() & (~counted | (table["table"] == "I"))
    table["inside"] = inside.map({True: "yes", False: "no"}).where(known, "")
    table = table.rename(columns={"row": "dataset", "column": "quantity", "value": "paper"})
    table = table[_COLUMNS].astype({"n": "Int64", "seeds": "Int64"})
    whole, table = table, table[table["ours"].notna()]
    shown = pd.DataFrame(
        {
            "table": table["table"],
            "data set": table["dataset"],
            "quantity": table["quantity"].str.replace("_", " "),
            "learner": table["learner"].fillna(""),
            "paper": [_text(row.table, row.quantity, row.paper) for row in table.itertuples()],
            "ours": [_with_interval(row) for row in table.itertuples()],
            "difference": [
                _text(row.table, row.quantity, row.difference, sign="+")
                for row in table.itertuples()
            ],
            "inside": table["inside"],
            "test images": ["" if pd.isna(n) else f"{n}" for n in table["n"]],
            "seeds": _seeds(table),
            "note": table["note"],
        }
    )
    note = (
        "Inside: whether the 95 % interval of the difference holds 0, where the paper's single run "
        f"is taken to vary as ours does (of a count, whether it is the same). {_NOTHING}: the "
        "paper prints a number that nobody has copied into "
        "config/published.csv yet. "
        f"{len(whole) - len(table)} numbers of the paper have nothing beside them in this study; "
        "they are in the CSV."
    )
    write_table(whole, shown, note, targets)


_UNNAMED, _NOTHING = "unnamed", "–"
_OURS = ["table", "row", "column", "learner", "ours", "low", "high", "n", "seeds", "interval"]
_COLUMNS = ["table", "dataset", "quantity", "learner", "paper", "ours", "low", "high"]
_COLUMNS += ["n", "seeds", "interval", "difference", "inside", "note"]
_COUNTS = ("classes", "total", "train", "test", "validation")


def _ours(tables: Mapping[str, str | Path], learner: str) -> Iterator[tuple[Any, ...]]:
    """Yield our numbers by the columns `_OURS`; None for what a number does not have."""
    nothing = (None,) * 5
    for row in _rows(tables["I"]):
        for name in _COUNTS:
            yield "I", row["dataset"], name, None, row[name], *nothing
    for row in _rows(tables["II"]) if "II" in tables else []:
        for part in ("small_original", "small_compressed", "large_original"):
            size = part.partition("_")[0]
            seeds = row.get("large_seeds" if size == "large" else "seeds")
            tested = (row.get("n"), seeds, None)
            place = ("II", row["dataset"])
            yield *place, f"{part}_accuracy", row[size], *_bounded(row, part), *tested
            if f"{part}_drop" in row:
                bounds = (row[f"{part}_drop{end}"] for end in ("", "_low", "_high"))
                yield *place, f"{part}_drop", row[size], *bounds, *tested
    for row in _rows(tables["III"]):
        if row["learner"] != learner:
            continue
        for name in ("original_mib", "compressed_mib", "relative_size"):
            yield "III", row["dataset"], name, None, row[name], *nothing
        tested = (row.get("n"), row.get("seeds"), row.get("interval"))
        for part in ("original", "compressed"):
            yield "III", row["dataset"], f"{part}_accuracy", learner, *_bounded(row, part), *tested
        name = "relative_accuracy"
        yield "III", row["dataset"], name, learner, row[name], None, None, *tested
    names = {"clean": "clean", "noisy": "noisy", "jpeg of noisy": "noisy_jpeg"}
    for row in _rows(tables["IV"]) if "IV" in tables else []:
        if row["headline"]:
            value = (row["accuracy"], row["low"], row["high"])
            column = f"{names[row['training']]}_accuracy"
            tested = (row.get("n"), row.get("seeds"), None)
            yield "IV", row["dataset"], column, row["learner"], *value, *tested


def _rows(path: str | Path) -> list[dict[Any, Any]]:
    return pd.read_csv(path).to_dict("records")


def _bounded(row: Mapping[Any, Any], part: str) -> tuple[Any, Any, Any]:
    return row[f"{part}_accuracy"], row[f"{part}_low"], row[f"{part}_high"]


def _text(table: Any, quantity: Any, value: Any, sign: str = "") -> str:
    if pd.isna(value):
        return _NOTHING
    if table == "I":
        return f"{value:{sign},.0f}"
    if quantity.endswith("mib"):
        return f"{value:{sign},.1f}"
    if quantity.startswith("relative"):
        return f"{100 * value:{sign}.2f} {'points' if sign else '%'}"
    return f"{value:{'+' if quantity.endswith('drop') else sign}.4f}"


def _with_interval(row: Any) -> str:
    text = _text(row.table, row.quantity, row.ours)
    return text if pd.isna(row.low) else f"{text} [{row.low:.4f}, {row.high:.4f}]"


def _seeds(table: pd.DataFrame) -> list[str]:
    """Return the seeds of what was tested; of a count or a size an empty text."""
    words = seeds_in_words(table.fillna({"interval": ""}))
    return [
        "" if pd.isna(seeds) else word for seeds, word in zip(table["seeds"], words, strict=True)
    ]
