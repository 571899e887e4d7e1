"""From differences to a decision: the smallest ratio that is not worse by more than a margin."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table

_POWER = 0.8
_MOST_IMAGES, _MOST_SEEDS = 10**9, 200
# A network that hardly beats the largest class has nothing to lose: so many margins above it, or
# half of the way from there to no error.
_ABOVE_CHANCE = 3


def beats_largest_class(low: float, chance: float, margin: float) -> bool:
    """Tell whether a network has something to lose: it knows more than the largest class.

    Args:
        low: the lower bound of its accuracy.
        chance: the share of the largest class.
        margin: the loss of accuracy that is accepted, a fraction.
    """
    return low > min(chance + _ABOVE_CHANCE * margin, (1 + chance) / 2)


@dataclass(frozen=True)
class Decision:
    """What the differences of one data set and learner show at a margin.

    Attributes:
        shown: the smallest ratio at which a loss of the margin or more is excluded, there and at
            all larger ratios; None where that is not even shown for the largest.
        blocked: the ratio below, where it is not shown; None where all are.
        candidate: the smallest ratio whose estimated loss, and that of all larger ones, is below
            the margin: a guess, where nothing is shown; None where there is none.
        images: the test images that would show it at `blocked` with these seeds, were its true
            difference the estimated one (power 80 %); None where no number would. With one seed it
            takes at least so many: how much training varies is not known.
        seeds: the seeds that would, with these images; None where no number would.
    """

    shown: float | None
    blocked: float | None
    candidate: float | None
    images: int | None
    seeds: int | None


def decide(differences: pd.DataFrame, margin: float) -> Decision:
    """Decide non-inferiority in the order of the ratios, from the largest.

    A ratio is shown not to be inferior where the lower bound of its 95 % interval lies above
    -margin (a one-sided test at 2.5 %; G. Piaggio et al., JAMA 308, 2012). As each ratio is tested
    only after all larger ones have passed, the chance of any false statement is that of one test,
    and p-values need no correction (P. H. Westfall, A. Krishen, J. Statist. Plann. Inference 99,
    2001).

    Args:
        differences: rows of `evaluation.compare` of one data set and learner, against its original.
        margin: the loss of accuracy that is accepted, a fraction.
    """
    rows = differences.sort_values("ratio", ascending=False)
    shown = _last_before(rows, rows["low"] > -margin)
    candidate = _last_before(rows, rows["difference"] > -margin)
    below = rows[rows["ratio"] < (1.0 if shown is None else shown)]
    if below.empty:
        return Decision(shown, None, candidate, None, None)
    row = below.iloc[0]
    return Decision(shown, float(row["ratio"]), candidate, *_needed(row, margin))


def _last_before(rows: pd.DataFrame, passed: "pd.Series[bool]") -> float | None:
    """Return the ratio of the last row before the first that did not pass."""
    run = rows[passed.cummin()]
    return None if run.empty else float(run["ratio"].iloc[-1])


def _needed(row: "pd.Series[Any]", margin: float) -> tuple[int | None, int | None]:
    """Return how many test images, or how many seeds, would show what a row does not.

    With one seed it is the least number of images: how much seeds vary is not known.
    """
    from jpegprep.evaluation.stats import power  # figures take words from here, and wait for none

    room = row["difference"] + margin
    if room <= 0:
        return None, None
    seeds, images = int(row["seeds"]), int(row["n"])
    # Where hardly an image differs, the variance is that of a loss of the margin.
    by_image = max(row["image_variance"], margin * (1 - margin))
    parts = (row["seed_variance"], by_image, row["rest_variance"])
    crossed = bool(row["crossfitted"])
    more_images = _least(
        lambda n: power(room, seeds, n, parts, crossfitted=crossed), images + 1, _MOST_IMAGES
    )
    more_seeds = None
    if seeds > 1 and not crossed:
        more_seeds = _least(lambda s: power(room, s, images, parts), seeds + 1, _MOST_SEEDS)
    return more_images, more_seeds


def _least(power_of: Callable[[int], float], low: int, high: int) -> int | None:
    """Return the least number in [low, high] that has the power, which grows with it, or None."""
    if power_of(high) < _POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= _POWER else (middle + 1, high)
    return low


def against_original(differences: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `evaluation.compare` that compare a ratio with the learner's original."""
    table = differences if isinstance(differences, pd.DataFrame) else pd.read_csv(differences)
    return table[
        (table["other_variant"] == ORIGINAL)
        & (table["learner"] == table["other_learner"])
        & table["ratio"].notna()
    ]


def pairs_of(differences: str | Path) -> dict[tuple[str, ...], tuple[float, float, float]]:
    """Return difference, low and high of each pair in the table of `evaluation.compare`.

    The keys are (data set, learner, variant, the other's learner, its variant).
    """
    table = pd.read_csv(differences)
    keys = table[["dataset", "learner", "variant", "other_learner", "other_variant"]]
    values = table[["difference", "low", "high"]].to_numpy(dtype=float).tolist()
    return {
        tuple(map(str, key)): (value[0], value[1], value[2])
        for key, value in zip(keys.to_numpy().tolist(), values, strict=True)
    }


def comparison(
    differences: str | Path,
    accuracy: str | Path,
    sizes: str | Path,
    margin: float,
    *targets: str | Path,
) -> None:
    """Write each ratio beside the original: what it saves and what it costs.

    Args:
        differences: the table of `evaluation.compare`.
        accuracy: the table of `evaluation.evaluate`.
        sizes: the table of `sizes.size_vs_ratio`.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a (data set, learner, ratio below 1).
    """
    table = against_original(differences)
    keys = ["dataset", "learner", "variant"]
    bounds = {"low": "accuracy_low", "high": "accuracy_high"}
    of_ratios = pd.read_csv(accuracy).rename(columns=bounds)
    of_ratios = of_ratios[[*keys, "accuracy", *bounds.values(), "interval"]]
    table = table.merge(of_ratios, on=keys, validate="one_to_one")
    relative = pd.read_csv(sizes)[["dataset", "ratio", "relative_size"]]
    table = table.merge(relative, on=["dataset", "ratio"], validate="many_to_one")
    table["not_inferior"] = table["low"] > -margin
    columns = ["dataset", "learner", "ratio", "seeds", "n", "relative_size", "accuracy"]
    columns += [*bounds.values(), "interval"]
    columns += ["difference", "low", "high", "p", "p_holm", "gained", "lost", "not_inferior"]
    table = table[columns]
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "ratio": table["ratio"],
            "relative size": table["relative_size"].map("{:.1%}".format),
            "accuracy": accuracies(table, *bounds.values()),
            "difference, points": points(table),
            "p (Holm)": table["p_holm"].map("{:.3f}".format),
            "gained, lost %": [
                f"{100 * gained:.1f}, {100 * lost:.1f}"
                for gained, lost in table[["gained", "lost"]].to_numpy(dtype=float)
            ],
            f"loss below {100 * margin:g}": table["not_inferior"].map({True: "yes", False: ""}),
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    note = (
        f"{INTERVALS} {PAIRED_TEST} Gained, lost: images that only this ratio, and only the "
        "original, got right."
    )
    write_table(table, shown, note, targets)


# What stands below tables with differences.
PAIRED_BRIEF = (
    "Differences are of accuracies on the same test images, in points, with 95 % intervals paired "
    "by image and seed."
)
PAIRED_TEST = (
    "Difference: accuracy less the original's on the same test images, in points; in brackets its "
    "95 % interval, paired by image and seed (one seed: Tango's score interval; several: "
    "Student's, with random effects of seeds and images; cross-fitted: of all images, with a "
    "factor for the training). p: no difference, by the tests that the interval inverts, corrected "
    "for the learner's ratios by Holm."
)


def in_points(share: float) -> str:
    """Return ``1 point`` or ``2.5 points``."""
    return f"{100 * share:g} point" + ("" if round(100 * share, 6) == 1 else "s")


def accuracies(table: pd.DataFrame, low: str = "low", high: str = "high") -> list[str]:
    """Return ``0.920 [0.869, 0.951]`` for each row, from the columns accuracy, `low` and `high`."""
    names = {"accuracy": "shown_accuracy", low: "shown_low", high: "shown_high"}
    return accuracy_with_interval(table[list(names)].rename(columns=names), "shown")


def seeds_in_words(table: pd.DataFrame) -> list[str]:
    """Return ``3`` or ``cross-fitted, 3 repeats`` for each row, from seeds and interval."""
    return [
        f"cross-fitted, {seeds} {'repeat' if seeds == 1 else 'repeats'}"
        if "cross-fitted" in interval
        else f"{seeds}"
        for seeds, interval in zip(table["seeds"], table["interval"], strict=True)
    ]


def seeds_of_both(one: "pd.Series[int]", other: "pd.Series[int]") -> list[str]:
    """Return ``3`` or, where two sides have not as many seeds, ``3, 1`` for each row."""
    return [f"{a}" if a == b else f"{a}, {b}" for a, b in zip(one, other, strict=True)]


def points(table: pd.DataFrame) -> list[str]:
    """Return ``-1.2 [-3.0, +0.6]`` in points for each row of difference, low and high."""
    columns = 100 * table[["difference", "low", "high"]].to_numpy(dtype=float)
    return [
        "" if np.isnan(value) else f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
        for value, low, high in columns
    ]


def points_of(table: pd.DataFrame, name: str) -> list[str]:
    """Return `points` of a difference that stands in the columns NAME, NAME_low and NAME_high."""
    names = {name: "difference", f"{name}_low": "low", f"{name}_high": "high"}
    return points(table[list(names)].rename(columns=names))


def decisions(
    differences: str | Path, sizes: str | Path, margin: float, *targets: str | Path
) -> None:
    """Write for each data set and learner how far it can be compressed at a margin.

    Args:
        differences: the table of `evaluation.compare`.
        sizes: the table of `sizes.size_vs_ratio`.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a (data set, learner).
    """
    table = pd.read_csv(sizes)
    keys = zip(table["dataset"].tolist(), table["ratio"].tolist(), strict=True)
    relative = dict(zip(keys, table["relative_size"].tolist(), strict=True))
    rows = []
    groups = against_original(differences).groupby(["dataset", "learner"], sort=False)
    for (dataset, learner), group in groups:
        found = decide(group, margin)
        row: dict[str, Any] = {"dataset": dataset, "learner": learner, "margin": margin}
        row |= {"seeds": group["seeds"].iloc[0], "n": group["n"].iloc[0], "ratio": found.shown}
        row["interval"] = "cross-fitted" if group["crossfitted"].iloc[0] else "paired"
        for name, ratio in (("", found.shown), ("next_", found.blocked)):
            of_ratio = group[group["ratio"] == ratio]
            for column in ("difference", "low", "high"):
                row[f"{name}{column}"] = of_ratio[column].squeeze() if len(of_ratio) else None
        row["saved"] = 1 - relative[str(dataset), found.shown] if found.shown else None
        row |= {"next_ratio": found.blocked, "candidate": found.candidate}
        row |= {"images_needed": found.images, "seeds_needed": found.seeds}
        rows.append(row)
    table = pd.DataFrame(rows, columns=_DECISION)
    table = table.astype({"images_needed": "Int64", "seeds_needed": "Int64"})
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "down to ratio": ["not shown" if pd.isna(r) else f"{r:g}" for r in table["ratio"]],
            "saved": ["" if pd.isna(x) else f"{x:.1%}" for x in table["saved"]],
            "difference there": _points_or_none(table, ""),
            "not shown from": ["" if pd.isna(r) else f"{r:g}" for r in table["next_ratio"]],
            "difference at it": _points_or_none(table, "next_"),
            "would be shown by": [would_show(row) for row in rows],
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    note = (
        f"The smallest ratio at which a loss of {in_points(margin)} or more is excluded, there "
        "and at all larger ratios that the learner ran at: the lower bound of the 95 % interval of "
        f"the difference, in points, lies above {-100 * margin:+g}. Would be shown by: so many "
        f"test images or seeds, with a chance of {_POWER:.0%}, if the difference is in truth the "
        "estimated one (at least so many where one seed does not tell how training varies). Names "
        "that begin with probe are of a frozen backbone, cross-fitted on all images, not of "
        "fine-tuned networks."
    )
    write_table(table, shown, note, targets)


_DECISION = [
    "dataset",
    "learner",
    "margin",
    "seeds",
    "n",
    "interval",
    "ratio",
    "saved",
    "difference",
    "low",
]
_DECISION += ["high", "next_ratio", "next_difference", "next_low", "next_high", "candidate"]
_DECISION += ["images_needed", "seeds_needed"]


def _points_or_none(table: pd.DataFrame, which: str) -> list[str]:
    columns = {f"{which}{name}": name for name in ("difference", "low", "high")}
    part = table[list(columns)].rename(columns=columns)
    return [
        "" if pd.isna(value) else text
        for value, text in zip(part["difference"], points(part), strict=True)
    ]


def would_show(row: Any) -> str:
    """Return what would show non-inferiority at the next ratio, in words."""
    if row["next_ratio"] is None:
        return ""
    if row["next_difference"] <= -row["margin"]:
        return "nothing: the estimate itself is a loss of the margin or more"
    ways = []
    if row["images_needed"]:
        least = "at least " if row["seeds"] == 1 else ""
        ways.append(f"{least}{row['images_needed']:,} test images")
    if row["seeds_needed"]:
        ways.append(f"{row['seeds_needed']} seeds")
    return " or ".join(ways) or "more test images and more seeds together"
