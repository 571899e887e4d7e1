"""The claims that the paper makes of its tables' rows, and whether the study bears them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.decision import in_points, points
from jpegprep.evaluation.reproducing import (
    BORNE_OUT,
    NOT_BORNE_OUT,
    OPEN,
    TRAINING,
    Estimate,
    judged,
)
from jpegprep.results.tables.model_size import ONE_SIZE
from jpegprep.results.tables.ours import (
    NO_DATA,
    NO_MODEL_SIZE,
    NO_NOISE,
    NO_RATIO,
    WHOLE,
    Ours,
    are,
    seeds_or_repeats,
)
from jpegprep.results.tables.published import UNNAMED, read_all

# What a claim is about, by the columns of the paper that it is made of.
STORAGE, ACCURACY = "storage", "accuracy"
COMPRESSED, ORIGINALS = "small, compressed", "small, original"
NOISE, JPEG = "noise", "jpeg of noise"
ABOUT = {
    **{("III", name): STORAGE for name in ("compressed_mib", "relative_size")},
    **{("III", name): ACCURACY for name in ("compressed_accuracy", "relative_accuracy")},
    **{("II", f"small_compressed_{name}"): COMPRESSED for name in ("accuracy", "drop")},
    **{("II", f"large_original_{name}"): ORIGINALS for name in ("accuracy", "drop")},
    ("IV", "noisy_accuracy"): NOISE,
    ("IV", "noisy_jpeg_accuracy"): JPEG,
}
# The figures that each rests on.
_FIGURES = {
    STORAGE: "{original_mib} → {compressed_mib}, {relative_size}",
    ACCURACY: "{original_accuracy} → {compressed_accuracy}",
    COMPRESSED: "{small_compressed_accuracy} beside {large_original_accuracy}",
    ORIGINALS: "{small_original_accuracy} beside {large_original_accuracy}",
    NOISE: "{clean_accuracy} → {noisy_accuracy}",
    JPEG: "{noisy_accuracy} → {noisy_jpeg_accuracy}",
}


class _Form(NamedTuple):
    """How a claim is judged, where `m` stands for the margin.

    Attributes:
        words: the claim.
        sign: of the difference, so that it is to be above `least`.
        least: in margins; of a share of bytes that share.
        shown: what is so where it is borne out.
        refuted: what is so where it is not.
        unclear: what is so where it is open.
    """

    words: str
    sign: int
    least: float
    shown: str
    refuted: str
    unclear: str


_LOSS, _NO_LOSS = "a loss of {m} or more is shown", "a loss of {m} or more is excluded"
_UNCLEAR = "the interval lies on both sides of a {what} of {{m}}"
_GAIN, _NO_GAIN = "a gain of {m} or more is shown", "a gain of {m} or more is excluded"


def _keeps(words: str) -> _Form:
    return _Form(words, 1, -1, _NO_LOSS, _LOSS, _UNCLEAR.format(what="loss"))


def _loses(words: str) -> _Form:
    return _Form(words, -1, 1, _LOSS, _NO_LOSS, _UNCLEAR.format(what="loss"))


def _form(about: str, dataset: str) -> _Form | None:
    """Return what the paper claims of a data set; None, where it claims nothing clear.

    Of the CIFARs it says that they do lose (sections II-A and II-C), and of CIFAR-10 that the large
    network is the better one (II-B); whether it means that on originals, too, is open.
    """
    if about == STORAGE:
        # Section II-C: "anywhere between 65% to 86%", rounded to a percent.
        words = "65 % of the bytes or more are saved at ratio 0.3"
        told = ("so much is saved", "less is saved", "the whole data set may save more or less")
        return _Form(words, 1, 0.645, *told)
    if about == ACCURACY:
        if dataset.startswith("cifar"):
            return _loses("accuracy drops at ratio 0.3")
        return _keeps("accuracy hardly drops at ratio 0.3")
    large = "the large one on originals"
    if about == COMPRESSED:
        if dataset == "cifar10":
            return _loses(f"the small network on compressed images is worse than {large}")
        return _keeps(f"the small network on compressed images is as good as {large}")
    if about == ORIGINALS:
        words = "on originals the small network is as good as the large one"
        return None if dataset == "cifar10" else _keeps(words)
    if about == NOISE:
        return _loses("noise costs accuracy")
    words, unclear = "JPEG of noisy images wins nothing back", _UNCLEAR.format(what="gain")
    return _Form(words, -1, -1, _NO_GAIN, _GAIN, unclear)


def claims(
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
    """Write every claim that the paper makes of a row of Tables II to IV, and what ours says.

    Args:
        published: the paper's numbers.
        counts: see `ours.Ours`.
        sizes: likewise.
        splits: likewise.
        accuracy: likewise.
        runs: likewise.
        differences: likewise.
        asked: see `reproduction.reproduction`.
        targets: files to write, .csv (columns table, dataset, about, claim, paper, ours, low, high,
            verdict, because, learner, n, seeds, interval, images), .md or .html. Ours is the share
            of the bytes that is saved, or a difference of accuracies, with its 95 % interval.
            Claims that the study has nothing to say of have no verdict, and are in the CSV alone.
        noise: see `ours.Ours`.
    """
    paper, tables = read_all(published), (counts, sizes, splits, accuracy, runs, differences)
    table = claims_of(paper, Ours(paper, asked["margin"], *tables, noise), asked)
    seen = table[table["verdict"] != ""]
    shown = pd.DataFrame(
        {
            "table": seen["table"],
            "data set": seen["dataset"],
            "claim": seen["claim"],
            "the paper": seen["paper"],
            "ours": _ours(seen),
            "verdict": seen["verdict"],
            "because": seen["because"],
            "learner": seen["learner"],
            "of the data set": seen["images"],
            "test images": ["" if pd.isna(n) else f"{n}" for n in seen["n"]],
            "seeds": seeds_or_repeats(seen),
        }
    )
    margin = in_points(asked["margin"])
    note = (
        "Ours: the share of the bytes that is saved, or the difference of accuracies that the "
        "claim is about (the first less the second), in points; in brackets its 95 % interval, of "
        f"networks trained anew. {ANEW} Borne out, not borne out: the interval excludes the other "
        f"at the study's margin, {margin}; open: it holds both. A network that is not shown to "
        "know more than the largest class bears nothing out. Each claim is judged by itself. Of a "
        "part of a data set a verdict speaks of the whole as far as the part is like it."
    )
    if asked["model_size"] and not asked["model_size"].get("native_resolution"):
        note += f" The networks of Table II see the images at one size: {ONE_SIZE}."
    write_table(table, shown, note, targets, lead=counted(table))


# What stands below tables of intervals of training anew.
ANEW = (
    "Where one seed does not tell how training varies, an accuracy is taken to vary by "
    f"{in_points(TRAINING)} (standard deviation; our choice)."
)


def counted(table: pd.DataFrame) -> str:
    """Return how many claims are borne out, are not, are open and are not judged, and why."""
    count = table["verdict"].value_counts()
    borne_out, refuted, left_open = (
        are(int(count.get(verdict, 0))) for verdict in (BORNE_OUT, NOT_BORNE_OUT, OPEN)
    )
    text = f"Of {len(table)} claims of the paper{_several(table)} {borne_out} borne out, "
    text += f"{refuted} not, {left_open} open"
    parts = int(((table["verdict"] != "") & ~table["images"].isin(["", WHOLE])).sum())
    text += f" ({parts} by a part of the data set)." if parts else "."
    left = table.loc[table["verdict"] == "", "because"].value_counts()
    if len(left):
        reasons = "; ".join(f"{why} ({n})" for why, n in left.items())
        text += f" {are(int(left.sum()))} not judged: {reasons}."
    return text


def _several(table: pd.DataFrame) -> str:
    """Return that Table IV's claims are of several data sets of ours, where they are."""
    datasets = table.loc[table["table"] == "IV", "dataset"].nunique()
    return f" (Table IV's on {datasets} data sets)" if datasets > 1 else ""


def claims_of(paper: pd.DataFrame, ours: Ours, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Return every claim with its verdict, with the columns of the CSV of `claims`.

    Args:
        paper: its numbers, see `published.read_all`.
        ours: the study's.
        asked: see `reproduction.reproduction`.
    """
    rows = []
    places = paper[["table", "row"]].drop_duplicates().to_numpy().tolist()
    for table, row in places:
        numbers = paper[(paper["table"] == table) & (paper["row"] == row)]
        printed = dict(zip(numbers["column"], numbers["printed"], strict=True))
        abouts = dict.fromkeys(ABOUT[table, name] for name in printed if (table, name) in ABOUT)
        for dataset in (ours.noisy() or [row]) if row == UNNAMED else [row]:
            for about in abouts:
                form = _form(about, dataset)
                if form:
                    figures = _FIGURES[about].format(**printed)
                    told = {"table": table, "dataset": dataset, "about": about}
                    told |= {"claim": form.words, "paper": figures, "verdict": ""}
                    rows.append(told | _judgement(about, form, dataset, ours, asked))
    kinds = dict.fromkeys(("n", "seeds"), "Int64") | dict.fromkeys(("ours", "low", "high"), float)
    words = [name for name in _COLUMNS if name not in kinds]
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(kinds)
    return table.fillna(dict.fromkeys(words, ""))


_COLUMNS = ["table", "dataset", "about", "claim", "paper", "ours", "low", "high", "verdict"]
_COLUMNS += ["because", "learner", "n", "seeds", "interval", "images"]


def _judgement(
    about: str, form: _Form, dataset: str, ours: Ours, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what ours says of a claim: the columns of `claims` from ``ours`` on."""
    images = ours.images(dataset)
    if images is None:
        return {"because": NO_NOISE if dataset == UNNAMED else NO_DATA}
    told: dict[str, Any] = {"images": images.words}
    if about == STORAGE:
        left = ours.sizes(dataset).get("relative_size")
        if left is None:
            return {"because": NO_RATIO}
        estimate = Estimate(1 - left.value, 1 - left.high, 1 - left.low)
        verdict = judged(estimate, form.least)
    else:
        sides = _sides(about, asked)
        if isinstance(sides, str):
            return {"because": sides}
        one, other = sides
        found = ours.difference(dataset, one, other)
        if found is None:
            return {"because": NO_RATIO}
        estimate = found.anew
        told |= {"n": found.n, "seeds": found.seeds, "interval": found.interval}
        told |= {"learner": one[0] if one[0] == other[0] else f"{one[0]}, {other[0]}"}
        signed = estimate if form.sign > 0 else estimate.negated()
        verdict = judged(signed, form.least * ours.margin)
        if not ours.learnt(dataset, other[0]):
            told["because"] = f"{other[0]} is not shown to know more than the largest class"
            verdict = OPEN
    told |= estimate._asdict() | {"ours": estimate.value, "verdict": verdict}
    reasons = {BORNE_OUT: form.shown, NOT_BORNE_OUT: form.refuted, OPEN: form.unclear}
    return {"because": reasons[verdict].format(m=in_points(ours.margin))} | told


def _sides(about: str, asked: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]] | str:
    """Return the two (learner, variant) whose difference a claim is about, or why there are none.

    The second is a network of originals, but for noise that JPEG is to win back.
    """
    learner, compressed = asked["learner"], asked["compressed"]
    if about == ACCURACY:
        return ((learner, compressed), (learner, ORIGINAL)) if learner else NO_RATIO
    if about in (NOISE, JPEG):
        noise = asked["noise"]
        if noise is None:
            return NO_NOISE
        learner, noisy = noise["learner"], noise["noisy"]
        if about == NOISE:
            return (learner, noisy), (learner, ORIGINAL)
        return (learner, noise["compressed"]), (learner, noisy)
    size = asked["model_size"]
    if size is None:
        return NO_MODEL_SIZE
    variant = compressed if about == COMPRESSED else ORIGINAL
    return ((size["small"], variant), (size["large"], ORIGINAL)) if variant else NO_RATIO


def _ours(table: pd.DataFrame) -> list[str]:
    """Return what is saved in percent, and differences in points, with their intervals."""
    differences = points(table.rename(columns={"ours": "difference"}))
    texts = []
    for row, difference in zip(table.to_dict("records"), differences, strict=True):
        saved = f"{row['ours']:.2%} saved"
        if row["low"] < row["high"]:
            saved += f" [{row['low']:.1%}, {row['high']:.1%}]"
        texts.append(saved if row["about"] == STORAGE else difference)
    return texts
