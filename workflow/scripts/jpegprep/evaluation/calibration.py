"""Calibration of the statistics: what they say of simulated studies whose truth is known.

A simulated study has images of different difficulty and models of different seeds: the model of
seed s is right on image i with probability logistic(level + u_s + v_i), where u_s and v_i are
normal; the other side has a lower level, seeds of its own, and on each image a further normal
change. All are drawn anew for each study, as a new training and a new test set would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from jpegprep.common.layout import Run
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.stats import Correct, accuracy_interval, difference_interval, spread
from jpegprep.learners.runs import read_predictions

# Of the logit: how images differ, and how much compression changes the single image.
_IMAGES, _CHANGE = 4.0, 1.0


@dataclass(frozen=True)
class Setting:
    """Simulated studies of one kind.

    Attributes:
        seeds: of each study.
        images: test images of each study.
        accuracy: of the original, in truth.
        drop: in truth: the original's accuracy less the compressed one's.
        between_seeds: the standard deviation of accuracy between seeds.
    """

    seeds: int
    images: int
    accuracy: float
    drop: float
    between_seeds: float


SETTINGS = [
    Setting(seeds, images, 0.9, drop, between)
    for seeds, between in ((1, 0.0), (3, 0.0), (3, 0.005), (3, 0.01), (5, 0.005), (10, 0.01))
    for images in (200, 1000)
    for drop in (0.0, 0.02)
]


def simulate(setting: Setting, rng: np.random.Generator) -> tuple[Correct, Correct]:
    """Return one study: whether each seed was right, (seeds, images), original and compressed."""
    levels, seed_scale = _levels(setting)
    sides = []
    shared = rng.normal(0, _IMAGES, setting.images)
    change = rng.normal(0, _CHANGE, setting.images)
    for level, images in zip(levels, (shared, shared + change), strict=True):
        seeds = rng.normal(0, seed_scale, (setting.seeds, 1))
        sides.append(rng.random((setting.seeds, setting.images)) < expit(level + seeds + images))
    return sides[0], sides[1]


def _levels(setting: Setting) -> tuple[tuple[float, float], float]:
    """Return the logits of both sides, and the scale of seeds, that give the setting's truth."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()

    def mean(level: float, scale: float) -> float:
        return float((expit(level + scale * nodes) * weights).sum())

    def level_of(accuracy: float, scale: float) -> float:
        return float(brentq(lambda level: mean(level, scale) - accuracy, -60, 60))

    level = level_of(setting.accuracy, _IMAGES)
    slope = (mean(level + 0.01, _IMAGES) - mean(level - 0.01, _IMAGES)) / 0.02
    seeds = setting.between_seeds / slope
    original = level_of(setting.accuracy, sqrt(_IMAGES**2 + seeds**2))
    scale = sqrt(_IMAGES**2 + seeds**2 + _CHANGE**2)
    return (original, level_of(setting.accuracy - setting.drop, scale)), seeds


def bootstrap_interval(
    values: npt.NDArray[Any], rng: np.random.Generator, resamples: int = 400
) -> tuple[float, float]:
    """Return the percentiles of a hierarchical bootstrap of the mean of a (seeds, images) table.

    Seeds and images are drawn anew, both with replacement. Beside the intervals of `stats`: it
    counts the variance of single answers twice or more, and of few seeds too little.
    """
    seeds, images = values.shape
    by_seed = rng.multinomial(seeds, [1 / seeds] * seeds, resamples) / seeds
    by_image = rng.multinomial(images, [1 / images] * images, resamples) / images
    means = ((by_seed @ values) * by_image).sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def coverage(
    settings: Sequence[Setting], studies: int, margin: float, seed: int = 0
) -> pd.DataFrame:
    """Return how often intervals cover and tests reject, a row a setting.

    Args:
        settings: what is simulated.
        studies: how many of each.
        margin: of the decision, a fraction.
        seed: of the random numbers.

    Returns:
        The columns of `Setting`; the shares of studies: ``accuracy_covered`` and
        ``difference_covered`` (95 % intervals), ``bootstrap_covered`` (of the difference), and
        ``rejected`` (p < 0.05) and ``not_inferior`` (at the margin); the median ``width`` of the
        difference's interval.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for setting in settings:
        found = np.array([_study(setting, margin, rng) for _ in range(studies)])
        shares = found[:, :5].mean(axis=0).tolist()
        row = {**vars(setting), "studies": studies, **dict(zip(_SHARES, shares, strict=True))}
        rows.append({**row, "width": float(np.median(found[:, 5]))})
    return pd.DataFrame(rows)


_SHARES = ["accuracy_covered", "difference_covered", "bootstrap_covered", "rejected"]
_SHARES += ["not_inferior"]


def _study(setting: Setting, margin: float, rng: np.random.Generator) -> tuple[float, ...]:
    original, compressed = simulate(setting, rng)
    _, low, high, _ = accuracy_interval(original)
    found = difference_interval(compressed, original)
    change = compressed.astype(float) - original
    bootstrap = bootstrap_interval(change, rng)
    return (
        low <= setting.accuracy <= high,
        found.low <= -setting.drop <= found.high,
        bootstrap[0] <= -setting.drop <= bootstrap[1],
        found.p < 0.05,
        found.low > -margin,
        found.high - found.low,
    )


def calibration(studies: int, margin: float, *targets: str | Path) -> None:
    """Simulate, and write how often the statistics are right.

    Args:
        studies: how many of each of `SETTINGS`.
        margin: of the decision, a fraction.
        targets: files to write, .csv, .md or .html.
    """
    table = coverage(SETTINGS, studies, margin)
    shown = pd.DataFrame(
        {
            "seeds": table["seeds"],
            "test images": table["images"],
            "accuracy": table["accuracy"],
            "true drop, points": (100 * table["drop"]).map("{:g}".format),
            "s. d. of seeds, points": (100 * table["between_seeds"]).map("{:g}".format),
            **{
                name: table[column].map("{:.1%}".format)
                for name, column in {
                    "accuracy covered": "accuracy_covered",
                    "difference covered": "difference_covered",
                    "covered by bootstrap": "bootstrap_covered",
                    "p < 0.05": "rejected",
                    f"loss below {100 * margin:g} shown": "not_inferior",
                }.items()
            },
            "width, points": (100 * table["width"]).map("{:.1f}".format),
        }
    )
    note = (
        f"Shares of {studies:,} simulated studies a row. Covered: the 95 % interval holds the "
        "truth. p < 0.05 is a false alarm where the true drop is 0 (two sides alike: A/A), and the "
        "power elsewhere; loss below the margin shown is an error where the drop is larger. "
        "Bootstrap: hierarchical, over seeds and images, for comparison. Width: median, of the "
        "difference's interval."
    )
    write_table(table, shown, note, targets)


def same_against_same(
    runs: Sequence[tuple[str, str, str, int]],
    predictions: Sequence[str | Path],
    *targets: str | Path,
) -> None:
    """Compare models of the originals with models of the originals, of other seeds (A/A).

    All ways to take two groups of half of the seeds are compared; they are not independent, so that
    their share of p < 0.05 varies more than its number says.

    Args:
        runs: those of the originals, of learners with at least two seeds.
        predictions: their predictions.parquet, in the same order.
        targets: files to write, .csv, .md or .html: a row a (data set, learner).
    """
    groups: dict[tuple[str, str], list[Correct]] = {}
    for of_run, path in zip(runs, predictions, strict=True):
        run = Run(*of_run)
        table = read_predictions(path)
        right = (table["label"] == table["predicted"]).to_numpy()
        groups.setdefault((run.dataset, run.learner), []).append(right)
    rows = []
    for (dataset, learner), each in groups.items():
        answers: Correct = np.stack(each)
        seeds, half = len(answers), len(answers) // 2
        found = [
            difference_interval(answers[list(one)], answers[list(other)])
            for one in combinations(range(seeds), half)
            for other in combinations(sorted(set(range(seeds)) - set(one)), half)
            if one < other  # each pair once
        ]
        rows.append(
            {
                "dataset": dataset,
                "learner": learner,
                "seeds": half,
                "n": len(answers[0]),
                "comparisons": len(found),
                "rejected": sum(d.p < 0.05 for d in found),
                "covered": sum(d.low <= 0 <= d.high for d in found),
                "largest": max(abs(d.difference) for d in found),
                "between_seeds": sqrt(spread(answers).seed),
            }
        )
    table = pd.DataFrame(rows, columns=_AA)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "seeds a side": table["seeds"],
            "test images": table["n"],
            "comparisons": table["comparisons"],
            "p < 0.05": table["rejected"],
            "interval holds 0": table["covered"],
            "largest difference, points": (100 * table["largest"]).map("{:.1f}".format),
            "s. d. of seeds, points": (100 * table["between_seeds"]).map("{:.1f}".format),
        }
    )
    note = (
        "Models of the original images against models of the original images, trained with other "
        "seeds: nothing is to be found. One learner's comparisons share their seeds. S. d. of "
        "seeds: of accuracy, without what the test images explain."
    )
    write_table(table, shown, note, targets)


_AA = ["dataset", "learner", "seeds", "n", "comparisons", "rejected", "covered", "largest"]
_AA += ["between_seeds"]
