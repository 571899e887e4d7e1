"""Ours beside a published number: the interval of their difference, and what shows a claim.

A published run is a single one. What it would have been, trained and tested anew, varies with its
test images, whose number is known, and with its training, which a single run does not tell. Ours
tells it, where it has several seeds; where it has one, `TRAINING` stands for it, on both sides. So
an interval here may be wider than that of the same number in the study's other tables.
"""

from collections.abc import Sequence
from math import hypot, inf, nan, sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit
from statsmodels.stats.proportion import proportion_confint

BORNE_OUT, NOT_BORNE_OUT, OPEN = "borne out", "not borne out", "open"

# The standard deviation of an accuracy from training to training, where one seed does not tell it.
# Our choice: networks that were fine-tuned on some thousand images mostly vary by less.
TRAINING = 0.01


class Estimate(NamedTuple):
    """A value with the bounds of its 95 % interval; both are the value, where nothing varies."""

    value: float
    low: float
    high: float

    def negated(self) -> "Estimate":
        """Return the estimate of the opposite."""
        return Estimate(-self.value, -self.high, -self.low)


class Training(NamedTuple):
    """How much an accuracy, or a difference of two, varies from training to training.

    Attributes:
        deviation: the standard deviation.
        degrees: its degrees of freedom; infinite, where it is taken and not estimated.
    """

    deviation: float
    degrees: float

    @property
    def arm(self) -> float:
        """How far 95 % of trainings lie from the mean, at most."""
        return self.deviation * _quantile(self.degrees)


def training_of_seeds(accuracies: Sequence[float]) -> Training:
    """Return how much an accuracy varies, by those of several seeds on the same test images.

    Each is of so many images alone, which adds to it; it is no less than what training varies by.
    """
    if len(accuracies) < 2:
        return Training(TRAINING, inf)
    return Training(float(np.std(accuracies, ddof=1)), len(accuracies) - 1.0)


def training_of_pairs(seeds: int, images: int, parts: tuple[float, float, float]) -> Training:
    """Return how much the difference of two networks varies, likewise.

    Args:
        seeds: how many pairs were trained.
        images: that they were tested on.
        parts: of one difference's variance: between seeds, between images, and the rest.
    """
    if seeds < 2:
        return Training(TRAINING * sqrt(2), inf)
    by_seed, _, rest = parts
    return Training(sqrt(by_seed + rest / images), seeds - 1.0)


def widened(found: Estimate, training: Training) -> Estimate:
    """Return an estimate of given networks as one of networks that are trained anew."""
    low, high = (hypot(found.value - bound, training.arm) for bound in found[1:])
    return Estimate(found.value, found.value - low, found.value + high)


def accuracy_of_one_run(accuracy: float, images: int, training: Training) -> Estimate:
    """Return the interval of a published accuracy: Wilson's over its test images, and training's.

    Args:
        accuracy: a fraction.
        images: its test images.
        training: how much it varies from training to training.
    """
    low, high = proportion_confint(accuracy * images, images, method="wilson")
    return widened(Estimate(accuracy, float(low), float(high)), training)


def difference_of_one_run(
    difference: float, images: int, parts: tuple[float, float, float], training: Training
) -> Estimate:
    """Return the interval of the published difference of two accuracies on the same test images.

    Args:
        difference: a fraction.
        images: the test images.
        parts: of our difference's variance, as of `training_of_pairs`: how many images the two
            networks disagree on is not published. They do on no fewer than the difference says.
        training: how much it varies from training to training.
    """
    of_one = max(parts[1] + parts[2], abs(difference) - difference**2)
    arm = _quantile(inf) * sqrt(of_one / images)
    return widened(Estimate(difference, difference - arm, difference + arm), training)


def relative(change: Estimate, base: Estimate) -> Estimate:
    """Return 1 + change / base, what is left of an accuracy, with at least its variance.

    By the delta method; as it is not known how the two go together, as if they did wholly.
    """
    value = 1 + change.value / base.value
    of_base = max(base.value - base.low, base.high - base.value) * abs(1 - value)
    low = (change.value - change.low + of_base) / base.value
    high = (change.high - change.value + of_base) / base.value
    return Estimate(value, value - low, value + high)


def rounded(printed: Estimate, half: float) -> Estimate:
    """Return the estimate of what was printed with this rounding, half of its last digit's unit."""
    return Estimate(printed.value, printed.low - half, printed.high + half)


def less(ours: Estimate, theirs: Estimate) -> Estimate:
    """Return ours less theirs, of independent estimates.

    Each bound is as far away as both estimates' bounds on that side together: R. G. Newcombe,
    Statistics in Medicine 17, 1998, method 10; G. Y. Zou, A. Donner, Statistics in Medicine 27,
    2008. Of the test images of one data set some are in both test sets: then it is too wide.
    """
    value = ours.value - theirs.value
    low = hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(value, value - low, value + high)


def judged(found: Estimate, least: float) -> str:
    """Return whether an estimate bears out that the truth is above `least`, or shows that not."""
    if found.low > least:
        return BORNE_OUT
    return NOT_BORNE_OUT if found.high <= least else OPEN


def of_a_part(labels: Any, above: Any, below: Any, all_classes: bool) -> Estimate:
    """Return a ratio of sums over all images of a data set, by a part of it.

    A ratio estimator with Student's interval (W. G. Cochran, Sampling Techniques, Wiley 1977,
    chapters 6 and 11), as if the part had been drawn at random.

    Args:
        labels: (n,), the classes of its images.
        above: (n,), the numbers whose sum is divided.
        below: (n,), those whose sum divides.
        all_classes: whether the part has all classes of the data set: then images were drawn from
            each; else whole classes were.

    Returns:
        The ratio; its bounds are NaN where they cannot be told: of one class, or where a class has
        one image.
    """
    table = pd.DataFrame({"label": labels, "above": above, "below": below})
    whole = float(table["below"].sum())
    value = float(table["above"].sum()) / whole
    # How much more each image adds above than below, by the ratio; of a class the sum of these.
    residuals = (table["above"] - value * table["below"]).groupby(table["label"])
    if all_classes:
        of_classes = residuals.size() * residuals.var(ddof=1)
        square, degrees = float(of_classes.sum(skipna=False)), len(table) - residuals.ngroups
    else:
        drawn, degrees = residuals.ngroups, residuals.ngroups - 1
        square = drawn * float(residuals.sum().var(ddof=1))
    arm = _quantile(degrees) * sqrt(square) / whole if degrees else nan
    return Estimate(value, value - arm, value + arm)


def _quantile(degrees: float) -> float:
    """Return the two-sided 95 % quantile of Student's distribution; infinite: the normal one's."""
    return float(ndtri(0.975) if degrees == inf else stdtrit(degrees, 0.975))
