"""A budget of bytes: fewer images as they are, or all of them smaller?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.budget_law import (
    LEAST_SHARES,
    LEAST_STORES,
    HeldOut,
    Law,
    Points,
    fit_law,
    hold_out,
    misfits,
    refusal,
)
from jpegprep.evaluation.decision import accuracies, seeds_in_words
from jpegprep.evaluation.stats import accuracy_interval
from jpegprep.shards.sizes import image_bytes

# What `train_subsets` wrote of each data set, and the folders of its stores' shards, by variant.
Files = Mapping[str, str | Path]
Folders = Mapping[str, Mapping[str, str | Path]]

# The law is asked for no more than so many times the images that there are.
_FARTHEST = 4
_INTERVAL = "cross-fitted"
_ALL = "all images"
# What is said of a store at a budget, of these images and, by the law, of more.
_BEST, _ALIKE, _WORSE = "best", "not told from the best", "worse"
_COLLECT, _COLLECT_ALIKE, _COLLECT_WORSE = (
    "collect",
    "collect: not told from the best",
    "collect: worse",
)


@dataclass(frozen=True)
class Measured:
    """The points of one data set, with what tables say of them.

    Attributes:
        points: as `budget_law` knows them.
        stores: the variants, by number.
        bytes: of each store the mean bytes of an image.
        shares: of each point, of the training images.
        n: test images.
        repeats: of cross-fitting.
    """

    points: Points
    stores: list[str]
    bytes: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    n: int
    repeats: int

    @property
    def all_images(self) -> float:
        """How many images a fold is trained on where none is left out."""
        return float(self.points.images.max())

    def law(self, margin: float) -> tuple[Law | None, str]:
        """Return the law and nothing, or None and why there is none."""
        if why := refusal(self.points):
            return None, why
        law = fit_law(self.points)
        why = misfits(law, margin) or self._mispredicts(margin)
        return (None, why) if why else (law, "")

    @cached_property
    def held_out(self) -> list[tuple[str, list[HeldOut]]]:
        """What laws without the largest number of images, and without a store, predict."""
        points = self.points
        held: list[tuple[str, list[HeldOut]]] = []
        most = points.images == points.images.max()
        if len(np.unique(points.images)) > LEAST_SHARES:
            held.append((_ALL, hold_out(points, most, [*np.flatnonzero(most)])))
        if len(self.bytes) > LEAST_STORES:
            for store in np.argsort(self.bytes)[1:-1]:
                rows = points.store == store
                held.append(("a store", hold_out(points, rows, [*np.flatnonzero(rows & most)])))
        return held

    def _mispredicts(self, margin: float) -> str:
        """Return why a law is not to be believed beyond the images that there are, or nothing."""
        of_all = [one for what, each in self.held_out if what == _ALL for one in each]
        missed = [
            100 * one.difference[0]
            for one in of_all
            if not one.passed and abs(one.difference[0]) > margin
        ]
        if not missed:
            return ""
        worst = max(missed, key=abs)
        return (
            f"fitted without the largest number of images, the law misses an error there by "
            f"{abs(worst):.1f} points, more than by chance"
        )


def measured(subsets: str | Path, folders: Mapping[str, str | Path]) -> Measured:
    """Return the points of one data set.

    Args:
        subsets: the file of `learners.subsets.train_subsets`.
        folders: of each store the folder of its shards.

    Raises:
        UserError: where a file is damaged.
    """
    table = read_parquet(subsets).to_pandas()
    seeds = table["seed"].unique()
    by_point = list(table.groupby(["variant", "share"], observed=True, sort=False))
    n = len(table) // len(by_point) // len(seeds)
    wrong = [(rows["label"] != rows["predicted"]).to_numpy().reshape(-1, n) for _, rows in by_point]
    group = table["group"].to_numpy()[:n]
    stores = list(dict.fromkeys(str(variant) for (variant, _), _ in by_point))
    number = np.array([stores.index(str(variant)) for (variant, _), _ in by_point])
    sizes = np.array([image_bytes(folders[store]) / n for store in stores])
    points = Points(
        np.stack(wrong, axis=1),
        number,
        np.array([rows["trained"].mean() for _, rows in by_point]),
        sizes[number],
        group if len(np.unique(group)) < n else None,
    )
    shares = np.array([share for (_, share), _ in by_point], dtype=np.float64)
    return Measured(points, stores, sizes, shares, n, len(seeds))


POINTS = [
    *("dataset", "learner", "store", "share", "images", "mean_bytes", "bytes"),
    *("seeds", "n", "accuracy", "low", "high", "interval", "frontier"),
]


def budget_points(subsets: Files, folders: Folders, learner: str, *targets: str | Path) -> None:
    """Write the accuracy of each store at each share of the training images.

    Args:
        subsets: of each data set the file of `train_subsets`.
        folders: of each data set the folders of its stores' shards.
        learner: the probe.
        targets: files to write, .csv: a row a (data set, store, share): the training images, the
            mean bytes of an image and of all of these images, accuracy with its interval, and
            whether no other point has fewer errors for as many bytes or fewer (``frontier``).

    Raises:
        UserError: where a file is damaged.
    """
    rows: list[dict[str, Any]] = []
    for dataset, path in subsets.items():
        found = measured(path, folders[dataset])
        points = found.points
        total = points.images * points.size
        order = np.lexsort((points.errors, total))
        best = np.minimum.accumulate(points.errors[order])
        frontier = np.zeros(len(order), dtype=bool)
        frontier[order] = np.append(True, best[1:] < best[:-1])
        for i, share in enumerate(found.shares):
            one = np.zeros(len(total))
            one[i] = 1
            rows.append(
                {
                    **{"dataset": dataset, "learner": learner},
                    **{"store": found.stores[points.store[i]], "share": share},
                    **{"images": points.images[i], "mean_bytes": points.size[i]},
                    **{"bytes": total[i], **_accuracy(found, one), "frontier": frontier[i]},
                }
            )
    table = pd.DataFrame(rows, columns=POINTS)
    write_table(table, table, "", targets)


def _accuracy(found: Measured, weights: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return seeds, n, accuracy and its interval of a mean of points, the wider of two.

    That of the test images as in every table, averaged over the points; and one that knows that
    subsets vary.
    """
    points = found.points
    accuracy = 1 - float(weights @ points.errors)
    arm = points.arm(weights)
    low, high = accuracy - arm, accuracy + arm
    of_images = np.zeros(2)
    for row in np.flatnonzero(weights):
        right = ~points.wrong[:, row]
        _, *bounds, _ = accuracy_interval(right, crossfitted=True, groups=points.groups)
        of_images += weights[row] * np.array(bounds)
    return {
        **{"seeds": found.repeats, "n": found.n, "accuracy": accuracy},
        **{"low": max(0.0, min(low, of_images[0])), "high": min(1.0, max(high, of_images[1]))},
        "interval": _INTERVAL,
    }


BUDGET = [
    *("dataset", "learner", "budget", "store", "mean_bytes", "images", "share", "bytes"),
    *("seeds", "n", "accuracy", "low", "high", "interval", "basis"),
    *("difference", "difference_low", "difference_high", "verdict"),
]


def budget(
    subsets: Files,
    folders: Folders,
    learner: str,
    margin: float,
    asked: Sequence[float],
    *targets: str | Path,
) -> None:
    """Write what each store is worth at a budget: how many images it buys, and their accuracy.

    Args:
        subsets: as of `budget_points`.
        folders: likewise.
        learner: likewise.
        margin: the loss of accuracy that is accepted, a fraction; what a law may miss points by.
        asked: budgets, in bytes of all training images; where there is none, a quarter, half and
            all of the originals' bytes.
        targets: files to write, .csv (a row a data set, budget and store), .md or .html (of each
            budget what is best, and what is not told from it).

    Raises:
        UserError: where a file is damaged.
    """
    rows: list[dict[str, Any]] = []
    for dataset, path in subsets.items():
        found = measured(path, folders[dataset])
        law, _ = found.law(margin)
        whole = found.all_images * found.bytes[0]
        for bytes_ in asked or [0.25 * whole, 0.5 * whole, whole]:
            rows += [
                {"dataset": dataset, "learner": learner, "budget": bytes_, **row}
                for row in _at_budget(found, law, bytes_)
            ]
    table = pd.DataFrame(rows, columns=BUDGET)
    shown = table[table["verdict"].isin([_BEST, _COLLECT])]
    told = [_others(table, row) for _, row in shown.iterrows()]
    view = pd.DataFrame(
        {
            "data set": shown["dataset"],
            "budget": shown["budget"].map(_amount),
            "": shown["verdict"].map({_BEST: "of these images", _COLLECT: "collect more"}),
            "store": shown["store"],
            "bytes an image": shown["mean_bytes"].map("{:,.0f}".format),
            "training images": shown["images"].map("{:,.0f}".format),
            "share": shown["share"].map("{:.0%}".format),
            "accuracy": accuracies(shown),
            "not told from it": told,
            "test images": shown["n"],
            "seeds": seeds_in_words(shown),
        }
    )
    note = (
        f"Accuracy of {learner} trained on as many images as the budget holds at a store. Budget: "
        "bytes of the training images. Of these images: at most all of them; between two shares "
        "that were tried, accuracy is interpolated in the logarithm of the number of images. "
        "Collect more: as many images as the budget holds, by the law in tables/budget_law, where "
        f"there is one, up to {_FARTHEST} times the images that there are. Not told from it: the "
        "95 % interval of the difference holds 0, corrected for all pairs of stores (Bonferroni). "
        "In brackets: 95 % intervals, of test images and of the draws of subsets."
    )
    write_table(table, view, note, targets)


def _at_budget(found: Measured, law: Law | None, budget: float) -> list[dict[str, Any]]:
    """Return a row a store of these images, and one where more images would be collected."""
    points, rows, weights = found.points, [], []
    for store, size in enumerate(found.bytes):
        images = min(budget / size, found.all_images)
        at = points.at(store, images)
        row = {"store": found.stores[store], "mean_bytes": size, "images": images}
        row |= {"share": images / found.all_images, "bytes": images * size, "basis": "observed"}
        if at is None:
            rows.append({**row, "verdict": "fewer images than were tried", "basis": ""})
            continue
        weights.append(at)
        rows.append({**row, **_accuracy(found, at), "at": at})
    tried = [row for row in rows if "at" in row]
    if tried:
        best = max(tried, key=lambda row: (row["accuracy"], -row["bytes"]))
        pairs = max(1, len(tried) * (len(tried) - 1) // 2)
        for row in tried:
            if row is best:
                row["verdict"] = _BEST
                continue
            less = best["at"] - row["at"]  # of errors: the row's accuracy less the best one's
            difference, arm = float(less @ points.errors), points.arm(less, pairs)
            row |= {"difference": difference, "difference_low": max(-1.0, difference - arm)}
            row["difference_high"] = min(1.0, difference + arm)
            row["verdict"] = _WORSE if difference + arm < 0 else _ALIKE
    beyond = _collected(found, law, budget)
    return [{k: v for k, v in row.items() if k != "at"} for row in [*rows, *beyond]]


def _collected(found: Measured, law: Law | None, budget: float) -> list[dict[str, Any]]:
    """Return what the law says of collecting more images than there are: a row a store."""
    images = budget / found.bytes
    beyond = np.flatnonzero((images > found.all_images) & (images <= _FARTHEST * found.all_images))
    if law is None or not len(beyond):
        return []
    errors, away = law.predict(images[beyond], found.bytes[beyond])
    best = int(np.argmin(errors))
    tail = float(ndtri(1 - 0.025 / max(1, len(beyond) * (len(beyond) - 1) // 2)))
    rows = []
    for i, store in enumerate(beyond):
        error, low, high = law.interval(float(images[store]), float(found.bytes[store]))
        row = {
            **{"store": found.stores[store], "mean_bytes": found.bytes[store]},
            **{"images": images[store], "share": images[store] / found.all_images},
            **{"bytes": budget, "seeds": found.repeats, "n": found.n, "accuracy": 1 - error},
            **{"low": 1 - high, "high": 1 - low, "interval": _INTERVAL, "basis": "law"},
        }
        if i == best:
            rows.append({**row, "verdict": _COLLECT})
            continue
        difference, arm = float(errors[best] - errors[i]), tail * (away[:, best] - away[:, i]).std()
        row |= {"difference": difference, "difference_low": max(-1.0, difference - arm)}
        row["difference_high"] = min(1.0, difference + arm)
        told = _COLLECT_WORSE if difference + arm < 0 else _COLLECT_ALIKE
        rows.append({**row, "verdict": told})
    return rows


def _others(table: pd.DataFrame, row: "pd.Series[Any]") -> str:
    same = table[(table["dataset"] == row["dataset"]) & (table["budget"] == row["budget"])]
    alike = same[same["verdict"] == (_ALIKE if row["verdict"] == _BEST else _COLLECT_ALIKE)]
    parts = [
        f"{store} ({share:.0%})"
        for store, share in zip(alike["store"], alike["share"], strict=True)
    ]
    return ", ".join(parts) or "none"


def _amount(count: float) -> str:
    """Return a number of bytes as people read it, in powers of ten."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, int(log10(max(1, count)) / 3))
    return f"{count / 1000**power:.3g} {units[power]}"


LAW = [
    *("dataset", "learner", "kind", "store", "images", "mean_bytes", "seeds", "n"),
    *("value", "value_low", "value_high", "observed", "observed_low", "observed_high"),
    *("difference", "difference_low", "difference_high", "words"),
]


def budget_law(
    subsets: Files, folders: Folders, learner: str, margin: float, *targets: str | Path
) -> None:
    """Write the law of errors, how it predicts what it was not fitted to, and what to collect.

    Args:
        subsets: as of `budget_points`.
        folders: likewise.
        learner: likewise.
        margin: as of `budget`.
        targets: files to write, .csv, .md or .html. Of ``kind`` E, A, a, B and b is the law's
            ``value`` with its interval (A at all training images, B at the smallest store's
            bytes); ``law``: whether it holds, in words; ``held out``: an error that was predicted
            (value) and observed; ``next``: by how much a tenth more bytes lower the error as more
            images (value), as more bytes an image (observed), and the difference.

    Raises:
        UserError: where a file is damaged.
    """
    rows: list[dict[str, Any]] = []
    for dataset, path in subsets.items():
        found = measured(path, folders[dataset])
        about = {"dataset": dataset, "learner": learner, "seeds": found.repeats, "n": found.n}
        law, why = found.law(margin)
        words = f"refused: {why}" if law is None else _fits(law, found)
        rows.append({**about, "kind": "law", "words": words})
        if law is not None:
            numbers = _numbers(law, float(found.bytes.min()))
            rows += [{**about, **row} for row in (*numbers, *_next(found, law))]
        if law is not None or not refusal(found.points):
            rows += [
                {**about, "kind": f"held out: {what}", **_predicted(found, held)}
                for what, each in found.held_out
                for held in each
            ]
    table = pd.DataFrame(rows, columns=LAW)
    note = (
        f"Error of {learner} = E + A (n / all)^-a + B (L / smallest)^-b, of n training images of "
        "L bytes each; E, A and B in points of error, with 95 % intervals: A is what all images "
        "still leave, B what the smallest store adds. Exponents are looked for in [0.1, 2] and "
        "[0.1, 4]. Held out: an error that the law was not fitted to, predicted "
        "and observed, in percent; the interval of the difference holds 0 where the law passes. "
        "Next: by how many points a tenth more bytes lower the error, as more images, and as more "
        "bytes an image. A law is refused where the points cannot fix it; then tables/budget tells "
        "what was observed alone."
    )
    write_table(table, _law_shown(table), note, targets)


def _fits(law: Law, found: Measured) -> str:
    more = f"; intervals are wider by {100 * law.misfit:.2f} points" if law.misfit else ""
    held = [one.passed for _, each in found.held_out for one in each]
    told = f"; of {len(held)} points held out {sum(held)} passed" if held else ""
    return f"residuals are at most {100 * law.largest:.1f} points (p = {law.p:.2f}){more}{told}"


def _numbers(law: Law, smallest: float) -> list[dict[str, Any]]:
    """Return the law's numbers: A at all training images, B at the smallest store's bytes."""
    names = {"E": "floor", "A": "of_images", "a": "images_exponent", "B": "of_bytes"}
    names["b"] = "bytes_exponent"
    rows = []
    for kind, name in names.items():
        fitted, drawn = (getattr(one, name) for one in (law.fitted, law.drawn))
        if kind == "B":
            fitted, drawn = (
                one.of_bytes * (smallest / one.scale[1]) ** -one.bytes_exponent
                for one in (law.fitted, law.drawn)
            )
        low, high = np.quantile(drawn, [0.025, 0.975])
        value = float(fitted[0])
        # Percentiles of a number at its bound may leave it out.
        bounds = {"value_low": min(value, float(low)), "value_high": max(value, float(high))}
        rows.append({"kind": kind, "value": value, **bounds})
    return rows


def _next(found: Measured, law: Law) -> list[dict[str, Any]]:
    rows = []
    names = [f"{w}{x}" for w in ("value", "observed", "difference") for x in ("", "_low", "_high")]
    for store, size in zip(found.stores, found.bytes, strict=True):
        row: dict[str, Any] = dict(
            zip(names, law.next_bytes(found.all_images, float(size)), strict=True)
        )
        words = "cannot be told"
        if row["difference_low"] > 0:
            words = "more images"
        elif row["difference_high"] < 0:
            words = "more bytes an image"
        where = {"store": store, "images": found.all_images, "mean_bytes": size}
        rows.append({"kind": "next", **where, **row, "words": words})
    return rows


def _predicted(found: Measured, held: HeldOut) -> dict[str, Any]:
    row: dict[str, Any] = {
        **{"store": found.stores[held.store], "images": held.images},
        "mean_bytes": found.bytes[held.store],
    }
    for name in ("predicted", "observed", "difference"):
        column = "value" if name == "predicted" else name
        for suffix, number in zip(("", "_low", "_high"), getattr(held, name), strict=True):
            row[f"{column}{suffix}"] = number
    return {**row, "words": "passed" if held.passed else "failed"}


def _law_shown(table: pd.DataFrame) -> pd.DataFrame:
    kind = table["kind"]
    numbers, held, more = kind.str.len() == 1, kind.str.startswith("held"), kind == "next"

    def told(rows: "pd.Series[bool]", which: str) -> list[str]:
        return [
            _told(row, which) if shown else ""
            for shown, (_, row) in zip(rows, table.iterrows(), strict=True)
        ]

    return pd.DataFrame(
        {
            "data set": table["dataset"],
            "": kind.replace("next", "next bytes"),
            "store": table["store"].fillna(""),
            "images": ["" if pd.isna(x) else f"{x:,.0f}" for x in table["images"]],
            "the law": told(numbers, "value"),
            "error predicted, %": told(held, "value"),
            "observed, %": told(held, "observed"),
            "gain by images": told(more, "value"),
            "by bytes an image": told(more, "observed"),
            "difference": told(held | more, "difference"),
            "in words": table["words"].fillna(""),
            "test images": table["n"],
            "seeds": [f"cross-fitted, {x} repeat{'s' * (x > 1)}" for x in table["seeds"]],
        }
    )


def _told(row: "pd.Series[Any]", which: str) -> str:
    """Return a number with its interval: exponents as they are, errors and gains in points."""
    part = 1 if row["kind"] in ("a", "b") else 100
    digits = 2 if row["kind"] in ("a", "b", "next") else 1
    sign = "+" if which == "difference" or row["kind"] == "next" else ""
    numbers = (part * row[f"{which}{x}"] for x in ("", "_low", "_high"))
    value, low, high = (f"{x:{sign}.{digits}f}" for x in numbers)
    return f"{value} [{low}, {high}]"
