"""Published against ours: every number of the paper's tables beside the study's own."""

from collections.abc import Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.reproducing import (
    Estimate,
    accuracy_of_one_run,
    difference_of_one_run,
    less,
    relative,
    rounded,
)
from jpegprep.results.tables.claims import ABOUT, ANEW, claims_of, counted
from jpegprep.results.tables.ours import (
    NO_DATA,
    NO_MODEL_SIZE,
    NO_NOISE,
    NO_RATIO,
    WHOLE,
    Images,
    Ours,
    are,
    seeds_or_repeats,
)
from jpegprep.results.tables.published import UNNAMED, read_all

# The networks that the paper names (sections II-B, II-C, III-A), as timm and a study call them.
SMALL, LARGE, NOISY = "efficientnet_b0", "efficientnet_b4", "autogluon"
_NAMES = {SMALL: "EfficientNet-B0", LARGE: "EfficientNet-B4", NOISY: "AutoGluon"}

# What becomes of a number: compared, or only beside ours, or neither.
COMPARED, BESIDE, LEFT = "compared", "beside", ""
PART = "ours is a part of the data set"
IN_DOUBT = "in doubt, by the paper itself"
NO_INTERVAL = "ours is of one class, or has a class of one image: no interval"
NO_SET = "the paper says neither of which data set it is nor of how many test images"

_MIB = 1 << 20


def reproduction(
    published: str | Path,
    counts: str | Path,
    sizes: Mapping[str, Mapping[str, str | Path]],
    splits: Mapping[str, str | Path],
    accuracy: str | Path,
    runs: str | Path,
    differences: str | Path,
    asked: Mapping[str, Any],
    *targets: str | Path,
    noise: str | Path | None = None,
) -> None:
    """Write every number that the paper prints in Tables I to IV, and ours.

    Args:
        published: the paper's numbers.
        counts: see `ours.Ours`.
        sizes: likewise.
        splits: likewise.
        accuracy: likewise.
        runs: likewise.
        differences: likewise.
        asked: ``margin``; ``compressed``, the variant of the paper's ratio, or None; ``learner``,
            whose accuracy Table III is compared with, or None; ``model_size`` (small, large) and
            ``noise`` (learner, and the variants noisy and compressed), or None; ``networks``, the
            architecture, or the framework, of each learner.
        targets: files to write, .csv, .md or .html. The CSV has a row a number of the paper, of
            Table IV one for each of our data sets, with the columns `_COLUMNS`: the number as it is
            printed and its value in `unit`, what it would vary by; ours, with the interval of our
            tables, and what part of the data set it is of (images); the difference with its
            interval, and whether that holds 0 (zero); state, whether it is compared, or stands
            beside, and why it is not; the claim of the row and its verdict. In bytes an image is
            compared what is of a part of a data set. People see the rows with something of ours.
        noise: see `ours.Ours`.
    """
    paper, tables = read_all(published), (counts, sizes, splits, accuracy, runs, differences)
    ours = Ours(paper, asked["margin"], *tables, noise)
    table = pd.DataFrame(_Numbers(paper, ours, asked).rows(), columns=_COLUMNS)
    said = claims_of(paper, ours, asked)
    of_row = said.set_index(["table", "dataset", "about"])[["claim", "verdict"]]
    about = [ABOUT.get(key) for key in zip(table["table"], table["quantity"], strict=True)]
    keys = pd.MultiIndex.from_arrays([table["table"], table["dataset"], about])
    table[["claim", "verdict"]] = of_row.reindex(keys).fillna("").to_numpy()
    words = [name for name in _COLUMNS if name not in _TYPES]
    table = table.astype(_TYPES).fillna(dict.fromkeys(words, ""))
    seen = table[table["ours"].notna()]
    rows: list[dict[Any, Any]] = seen.to_dict("records")
    shown = pd.DataFrame(
        {
            "table": seen["table"],
            "data set": seen["dataset"],
            "quantity": seen["quantity"].str.replace("_mib", "").str.replace("_", " "),
            "learner": seen["learner"],
            "paper": [_papers(x) for x in rows],
            "ours": [_text(x["unit"], x["ours"], x["low"], x["high"]) for x in rows],
            "difference": [_change(x) for x in rows],
            "holds 0": seen["zero"],
            "claim of the row": seen["verdict"],
            "test images": ["" if pd.isna(n) else f"{n}" for n in seen["n"]],
            "seeds": seeds_or_repeats(seen),
            "note": ["; ".join(filter(None, _notes(x))) for x in rows],
        }
    )
    note = (
        "Difference: ours less the paper's; of accuracies in points. In brackets: 95 % intervals. "
        "Holds 0: whether the difference's does. It is of a run like the paper's and of ours, "
        "both trained anew and tested on other images: the paper's is a single one on the test "
        f"images that its Table I counts, rounded as it is printed. {ANEW} Counts and sizes of a "
        "whole data set are the same, or not, as far as they are printed. Of a part of a data set "
        "the relative size and the bytes an image are compared, as if its images (its classes, "
        "where it has not all) had been drawn at random. Claim of the row: tables/claims."
    )
    lead = f"{_counted(table)} {counted(said)}"
    write_table(table, shown, note, targets, lead=lead)


_COLUMNS = [
    *("table", "dataset", "quantity", "unit", "learner"),
    *("printed", "paper", "paper_low", "paper_high", "paper_n"),
    *("ours", "low", "high", "n", "seeds", "interval", "epochs", "image_size", "images"),
    *("difference", "difference_low", "difference_high", "zero", "state", "why"),
    *("claim", "verdict", "note"),
]
_TYPES: dict[str, Any] = dict.fromkeys(("n", "seeds", "paper_n", "epochs", "image_size"), "Int64")
_TYPES |= dict.fromkeys(("paper", "paper_low", "paper_high", "ours", "low", "high"), float)
_TYPES |= dict.fromkeys(("difference", "difference_low", "difference_high"), float)


class _Numbers:
    """What is told of each number of the paper: rows of the CSV, but for the claims."""

    def __init__(self, paper: pd.DataFrame, ours: Ours, asked: Mapping[str, Any]) -> None:
        self._paper, self._ours, self._asked = paper, ours, asked
        printed = paper.set_index(["table", "row", "column"])[["value", "step"]]
        self._printed: dict[Any, dict[Any, Any]] = printed.to_dict("index")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row a number, of Table IV one for each of our data sets."""
        for number in self._paper.to_dict("records"):
            table, row, column = number["table"], number["row"], number["column"]
            told = {"table": table, "quantity": column, "unit": _unit(column), "state": LEFT}
            told |= {"printed": number["printed"], "paper": number["value"], "note": number["note"]}
            if number["doubt"]:
                told |= {"why": IN_DOUBT, "note": number["doubt"]}
            for dataset in [row] if row != UNNAMED else self._ours.noisy() or [row]:
                images = self._ours.images(dataset)
                if number["doubt"]:
                    found = {}
                elif images is None:
                    found = {"why": NO_NOISE if row == UNNAMED else NO_DATA}
                else:
                    found = {"images": images.words, **self._found(table, dataset, column, images)}
                yield {**told, "dataset": dataset, **found}

    def _found(self, table: str, dataset: str, column: str, images: Images) -> dict[str, Any]:
        if table == "I":
            theirs, half = self._value(table, dataset, column)
            count = _exactly(images.counts[column])
            return _told(count, count, _exactly(theirs), half, "" if images.whole else PART)
        if table == "IV":
            return self._noise(dataset, column)
        if column.endswith(("_mib", "_size")):
            return self._size(dataset, column, images)
        return self._tested(table, dataset, column, images)

    def _value(self, table: str, dataset: str, column: str) -> tuple[float, float]:
        """Return a number of the paper, and how far it is rounded at most."""
        found = self._printed[table, dataset, column]
        return float(found["value"]), float(found["step"]) / 2

    def _size(self, dataset: str, column: str, images: Images) -> dict[str, Any]:
        found = self._ours.sizes(dataset).get(column)
        if found is None:
            return {"why": NO_RATIO}
        theirs, half = self._value("III", dataset, column)
        told: dict[str, Any] = {}
        if column.endswith("_mib") and not images.whole:
            each = _MIB / self._value("I", dataset, "total")[0]
            theirs, half = theirs * each, half * each
            told = {"unit": "bytes an image", "paper": theirs}
        return told | _told(found, found, _exactly(theirs), half)

    def _tested(self, table: str, dataset: str, column: str, images: Images) -> dict[str, Any]:
        """Return what is told of an accuracy, a drop or a relative accuracy."""
        size = self._asked["model_size"]
        if table == "II" and size is None:
            return {"why": NO_MODEL_SIZE}
        small = size["small"] if table == "II" else self._asked["learner"]
        large = column.startswith("large")
        learner, network = (size["large"], LARGE) if large else (small, SMALL)
        for name, wanted in ((small, SMALL), (learner, network)):
            if self._asked["networks"].get(name) != wanted:
                return {"why": f"no {_NAMES[wanted]} in this study"}
        variant = ORIGINAL if "original" in column else self._asked["compressed"]
        base = self._ours.accuracy(dataset, small, ORIGINAL)
        value, half = self._value(table, dataset, column)
        n = int(self._value("I", dataset, "test")[0])
        if column.endswith("drop") or column == "relative_accuracy":
            tested = self._ours.difference(dataset, (learner, variant), (small, ORIGINAL))
        else:
            tested = self._ours.accuracy(dataset, learner, variant)
        if base is None or tested is None:
            return {"why": NO_RATIO}
        shown, anew = tested.estimate, tested.anew
        if column.endswith("drop"):
            theirs = difference_of_one_run(value, n, tested.parts, tested.training)
        elif column == "relative_accuracy":
            first, first_half = self._value(table, dataset, "original_accuracy")
            other_half = self._value(table, dataset, "compressed_accuracy")[1]
            change = difference_of_one_run((value - 1) * first, n, tested.parts, tested.training)
            theirs = relative(change, accuracy_of_one_run(first, n, base.training))
            shown, anew = relative(shown, base.estimate), relative(anew, base.anew)
            # It may be the quotient of what is printed, and no closer than that.
            half = max(half, (other_half + value * first_half) / first)
        else:
            theirs = accuracy_of_one_run(value, n, tested.training)
        told = _told(shown, anew, theirs, half, "" if images.whole else PART)
        told |= {"learner": learner, "n": tested.n, "seeds": tested.seeds, "paper_n": n}
        told |= {"interval": tested.interval or base.interval}
        return told | self._ours.recipe(dataset, learner)

    def _noise(self, dataset: str, column: str) -> dict[str, Any]:
        noise = self._asked["noise"]
        if noise is None or self._asked["networks"].get(noise["learner"]) != NOISY:
            return {"why": NO_NOISE if noise is None else f"no {_NAMES[NOISY]} in this study"}
        training = column.removesuffix("_accuracy")
        names = {"noisy_jpeg": "jpeg of noisy"}
        rows = self._ours.noise
        rows = rows[(rows["dataset"] == dataset) & rows["headline"]]
        rows = rows[rows["training"] == names.get(training, training)]
        row = rows.iloc[0]
        told = {"learner": row["learner"], "n": row["n"], "seeds": row["seeds"], "state": BESIDE}
        told |= {name: row[name] for name in ("low", "high")} | {"ours": row["accuracy"]}
        told["difference"] = row["accuracy"] - self._value("IV", UNNAMED, column)[0]
        return told | {"why": NO_SET} | self._ours.recipe(dataset, row["learner"])


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


def _told(
    ours: Estimate, anew: Estimate, theirs: Estimate, half: float, why: str = ""
) -> dict[str, Any]:
    """Return what is told of a number that both have.

    Args:
        ours: as it stands in the study's tables.
        anew: ours, as it varies when it is made anew.
        theirs: likewise, without its rounding.
        half: how far theirs is rounded, at most.
        why: why the two are not compared; empty, where they are.
    """
    told: dict[str, Any] = {"ours": ours.value, "why": why}
    told |= {"low": ours.low, "high": ours.high} if ours.low != ours.high else {}
    if why:
        return told
    if theirs.low != theirs.high:
        told |= {"paper_low": theirs.low, "paper_high": theirs.high}
    found = less(anew, rounded(theirs, half))
    told["difference"] = found.value
    if isnan(found.low):
        return told | {"state": BESIDE, "why": NO_INTERVAL, "low": None, "high": None}
    told |= {"difference_low": found.low, "difference_high": found.high}
    # A number that lies on the edge of rounding may have been rounded to either side.
    holds = found.low <= _EDGE and found.high >= -_EDGE
    return told | {"state": COMPARED, "zero": "yes" if holds else "no"}


_EDGE = 1e-9  # of numbers in binary


def _unit(column: str) -> str:
    """Return what a quantity of the paper is counted in."""
    if column.endswith("_mib"):
        return "MiB"
    if column.startswith("relative"):
        return "%"
    kind = column.rpartition("_")[2]
    return kind if kind in ("accuracy", "drop", "classes") else "images"


def _counted(table: pd.DataFrame) -> str:
    """Return how many numbers of the paper are compared, what came of it, and why others are not.

    Of Table IV a number has several rows, and all are alike.
    """
    table = table.drop_duplicates(["table", "dataset", "quantity"])
    table = table[~table.duplicated(["table", "quantity"]) | (table["table"] != "IV")]
    compared = table[table["state"] == COMPARED]
    holding = int((compared["zero"] == "yes").sum())
    parts = len(compared) - int((compared["images"] == WHOLE).sum())
    text = (
        f"Of {len(table)} numbers that the paper prints {len(compared)} are compared: the "
        f"difference of {holding} holds 0, that of {len(compared) - holding} does not"
        + (f" ({parts} by a part of the data set)." if parts else ".")
        if len(compared)
        else f"None of the {len(table)} numbers that the paper prints is compared."
    )
    for state, words in ((BESIDE, "beside ours without an interval"), (LEFT, "not compared")):
        reasons = table.loc[table["state"] == state, "why"].value_counts()
        if len(reasons):
            whys = "; ".join(f"{why} ({n})" for why, n in reasons.items())
            text += f" {are(int(reasons.sum()))} {words}: {whys}."
    return text


def _notes(row: Mapping[Any, Any]) -> Iterator[str]:
    if row["state"] == COMPARED and row["images"] not in ("", WHOLE):
        yield f"of {row['images']}"
    yield from (row["why"], row["note"])


def _papers(row: Mapping[Any, Any]) -> str:
    """Return a number of the paper as it is printed, with its interval where it has one."""
    low, high = row["paper_low"], row["paper_high"]
    if row["unit"] == "bytes an image":
        return _text(row["unit"], row["paper"], low, high)
    printed = row["printed"].replace("%", " %").replace("MB", "MiB").replace("GB", "GiB")
    return printed + _bounds(row["unit"], low, high)


def _text(unit: str, value: float, low: float, high: float) -> str:
    """Return a number, with its interval where it has one."""
    scale, form, after = _FORMS[unit]
    return f"{scale * value:{form}}{after}{_bounds(unit, low, high)}"


def _bounds(unit: str, low: float, high: float) -> str:
    scale, form, _ = _FORMS[unit]
    return "" if pd.isna(low) else f" [{scale * low:{form}}, {scale * high:{form}}]"


def _change(row: Mapping[Any, Any]) -> str:
    """Return a difference, with its interval where anything varies."""
    if pd.isna(row["difference"]):
        return ""
    unit = "points" if row["unit"] in ("accuracy", "drop", "%") else row["unit"]
    scale, form, after = _FORMS[unit]
    form = f"+{form.removeprefix('+')}"
    value = (
        round(scale * row["difference"], int(form[-2])) + 0.0
    )  # not -0, where it is rounded to 0
    text = f"{value:{form}}{after}"
    if pd.isna(row["low"]) or pd.isna(row["difference_low"]):
        return text
    # A bound keeps its sign: it says on which side of 0 the interval ends.
    low, high = (scale * row[f"difference_{end}"] for end in ("low", "high"))
    return f"{text} [{low:{form}}, {high:{form}}]"


# How a number of each unit is shown: times what, its form, what stands behind it.
_FORMS = {
    **{"classes": (1, ",.0f", ""), "images": (1, ",.0f", "")},
    **{"MiB": (1, ",.1f", " MiB"), "bytes an image": (1, ",.0f", " B")},
    **{"accuracy": (1, ".4f", ""), "drop": (1, "+.4f", "")},
    **{"%": (100, ".2f", " %"), "points": (100, "+.2f", " points")},
}
