"""The statistics of the comparison: intervals of an accuracy and of a difference, and tests.

The models of several seeds are tested on the same images, so that a result varies with both: seeds
and test images are two crossed random effects. `Spread` holds the variance of their mean; from it
come an effective number of images, with which the score intervals of one model are used for
several, and degrees of freedom, by which few seeds widen them. `calibration` measures how often
they cover: of two seeds that differ much, too seldom, since two do not tell how much seeds vary.

A cross-fitted learner tests every image by a model that was trained on other images of the same
set, in several repeats. Repeats are no seeds: all of them know the same images, and the part of
training in the variance has to be added.

Images that belong together (`datasets.groups`) share much of what makes them easy or hard. Where
groups are given, they are what is drawn, not images: the variance is that of the sums of groups
(K.-Y. Liang, S. L. Zeger, Biometrika 73, 1986), and degrees of freedom count them.

Pairs of networks, each pair trained on images and tested on a fold of its own, vary in everything
that training anew varies in: what is between pairs is all there is, see `pairs_difference`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr, ndtri, stdtr, stdtrit
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

Correct = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.int64]  # (n,) the same number for images that belong together

# The variance of a cross-fitted mean over that of its images alone, and how many images make a
# degree of freedom of it. Repeats and folds share their images, so that no estimate of it is
# without bias (Y. Bengio, Y. Grandvalet, JMLR 5, 2004). Both are our choice, by simulation of real
# cross-validation: on features of small photographs the factor was 1.1 to 1.6 for a difference and
# 1.1 to 1.8 for an accuracy; 95 % intervals of a difference covered in 96 to 98 % of samples of 150
# to 1,500 images.
CROSSFITTED_FACTOR, _CROSSFITTED_IMAGES = 1.5, 15


@dataclass(frozen=True)
class Spread:
    """The variance of the mean of a table of seeds and images, and its parts.

    Attributes:
        seeds: how many.
        images: how many.
        groups: how many of them are independent: of groups, these.
        variance: of the mean.
        degrees: the degrees of freedom of that variance; at least seeds - 1.
        seed: the part between seeds, of one value; 0 for one seed, where it cannot be known.
        image: the part between images; for one seed all there is.
        rest: the part that is left.
    """

    seeds: int
    images: int
    groups: int
    variance: float
    degrees: float
    seed: float
    image: float
    rest: float


def spread(
    values: npt.NDArray[Any], crossfitted: bool = False, groups: Groups | None = None
) -> Spread:
    """Return the variance of the mean of a (seeds, images) table, by the method of moments.

    Mean squares of a two-way table of random effects with one value a cell (S. R. Searle,
    G. Casella, C. E. McCulloch, Variance Components, Wiley 1992, section 4.7). The variance is at
    least what it would be if all values were independent. Degrees of freedom: F. E. Satterthwaite,
    Biometrics Bulletin 2, 1946, less half of the seeds' own. His are too many just when seeds
    happen to differ little, and the variance is too small: tests then found a difference between
    equal sides in up to 6 % of studies instead of 5. That half is our choice, by simulation.

    Args:
        values: numbers, one a seed and image; there are at least two images.
        crossfitted: seeds are repeats of cross-fitting; the variance is that between images of
            their means over repeats, times a factor for the training.
        groups: of the images; None: each is one of its own. There are at least two.
    """
    seeds, images = values.shape
    by_image = values.mean(axis=0)
    between, units = _between(by_image, groups)
    if crossfitted:
        image = CROSSFITTED_FACTOR * between
        degrees = crossfitted_degrees(units)
        return Spread(seeds, images, units, image / images, degrees, 0.0, image, 0.0)
    image_square = seeds * between
    if seeds == 1:
        degrees = float("inf") if groups is None else units - 1.0
        return Spread(1, images, units, image_square / images, degrees, 0.0, image_square, 0.0)
    by_seed = values.mean(axis=1)
    seed_square = images * float(by_seed.var(ddof=1))
    residuals = values - by_image - by_seed[:, np.newaxis] + values.mean()
    rest_square = float((residuals**2).sum()) / ((seeds - 1) * (images - 1))
    return Spread(
        seeds,
        images,
        units,
        *_of_mean(seeds, images, seed_square, image_square, rest_square, units),
        max(0.0, (seed_square - rest_square) / images),
        max(0.0, (image_square - rest_square) / seeds),
        rest_square,
    )


def _between(by_image: npt.NDArray[Any], groups: Groups | None) -> tuple[float, int]:
    """Return the variance between images, and how many of them are independent.

    With groups it is so large that a mean of as many independent images would vary as this one
    does; no smaller than without them, which few groups may show by chance.
    """
    images, alone = len(by_image), float(by_image.var(ddof=1))
    if groups is None:
        return alone, images
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group.ravel(), weights=by_image - by_image.mean())
    together = len(sums) / (len(sums) - 1) * float((sums**2).sum()) / images
    return max(alone, together), len(sums)


def crossfitted_degrees(images: int) -> float:
    """Return the degrees of freedom of a cross-fitted variance, of so many independent images."""
    return max(4.0, images / _CROSSFITTED_IMAGES)


def _of_mean(
    seeds: int,
    images: int,
    seed_square: float,
    image_square: float,
    rest_square: float,
    units: int | None = None,
) -> tuple[float, float]:
    """Return the variance of the mean and its degrees of freedom from the mean squares."""
    square = max(seed_square + image_square - rest_square, rest_square, image_square / seeds)
    terms = (
        seed_square**2 / (seeds - 1)
        + image_square**2 / ((units or images) - 1)
        + rest_square**2 / ((seeds - 1) * (images - 1))
    )
    degrees = max(seeds - 1.0, square**2 / terms - (seeds - 1) / 2) if terms else float("inf")
    return square / (seeds * images), degrees


def power(
    room: float,
    seeds: int,
    images: int,
    parts: tuple[float, float, float],
    confidence: float = 0.95,
    crossfitted: bool = False,
) -> float:
    """Return the chance that the lower bound of a difference lies above the margin.

    By the noncentral t distribution. Of one seed the part between seeds cannot be seen, and is left
    out: the chance is at most this.

    Args:
        room: the true difference less the lowest that is accepted.
        seeds: how many.
        images: how many, two or more.
        parts: of one difference's variance: between seeds, between images, and the rest.
        confidence: of the two-sided interval.
        crossfitted: as of `spread`.
    """
    by_seed, by_image, rest = parts
    if crossfitted:
        variance, degrees = by_image / images, crossfitted_degrees(images)
    elif seeds == 1:
        variance, degrees = (by_image + rest) / images, float("inf")
    else:
        squares = (rest + images * by_seed, rest + seeds * by_image, rest)
        variance, degrees = _of_mean(seeds, images, *squares)
    if not variance:
        return float(room > 0)
    quantile, shift = _student(degrees, (1 + confidence) / 2), room / sqrt(variance)
    if np.isinf(degrees):
        return float(ndtr(shift - quantile))
    return float(1 - nctdtr(degrees, shift, quantile))


def _effective(found: Spread, binomial: float) -> float:
    """Return the number of images whose mean would vary as this one does.

    Args:
        found: the spread of the values.
        binomial: the variance of one value, were all of them independent.
    """
    if not (found.variance and binomial):
        return found.groups  # nothing varies: no more is known than of one model
    sample = binomial * found.images / (found.images - 1)  # as `spread` estimates it
    return min(sample / found.variance, found.seeds * found.images)


def accuracy_interval(
    correct: Correct,
    confidence: float = 0.95,
    crossfitted: bool = False,
    groups: Groups | None = None,
) -> tuple[float, float, float, str]:
    """Return accuracy, the lower and upper bound of its interval, and the interval's name.

    One seed: Wilson's score interval over the test images (E. B. Wilson, JASA 22, 1927), which
    speaks of this trained model on new images. Several seeds: Wilson's, too, with the effective
    number of images, its two arms longer as Student's quantile is than the normal one; it speaks of
    training anew as well.

    Args:
        correct: (seeds, n): whether each seed's model was right on each test image.
        confidence: the share of intervals that cover.
        crossfitted: as of `spread`.
        groups: likewise.
    """
    accuracy = float(correct.mean())
    found = spread(correct, crossfitted, groups)
    images = _effective(found, accuracy * (1 - accuracy))
    low, high = proportion_confint(accuracy * images, images, alpha=1 - confidence, method="wilson")
    normal, student = _quantiles(found, confidence)
    low, high = (accuracy + (float(bound) - accuracy) * student / normal for bound in (low, high))
    name = "Wilson" if found.seeds == 1 else "Wilson with random effects"
    if crossfitted:
        name = "Wilson, cross-fitted"
    return accuracy, max(0.0, low), min(1.0, high), name


def _quantiles(found: Spread, confidence: float) -> tuple[float, float]:
    """Return the two-sided quantile of the normal distribution and that of Student's."""
    tail = (1 + confidence) / 2
    return float(ndtri(tail)), _student(found.degrees, tail)


def _student(degrees: float, tail: float) -> float:
    """Return the quantile of Student's distribution; with infinite degrees the normal one's."""
    return float(ndtri(tail) if np.isinf(degrees) else stdtrit(degrees, tail))


def _beyond(score: float, degrees: float = float("inf")) -> float:
    """Return the chance of a score at least as far from 0 as this one, on either side."""
    return 2 * float(ndtr(-score) if np.isinf(degrees) else stdtr(degrees, -score))


@dataclass(frozen=True)
class Difference:
    """The difference of two accuracies on the same test images.

    Attributes:
        difference: the accuracy of the one less that of the other.
        low: the lower bound of its interval.
        high: the upper one.
        p: of no difference, two-sided.
        gained: the share of (seed, image) that only the one got right.
        lost: the share that only the other did.
        spread: the variance of the difference, by its parts.
    """

    difference: float
    low: float
    high: float
    p: float
    gained: float
    lost: float
    spread: Spread


def difference_interval(
    one: Correct,
    other: Correct,
    confidence: float = 0.95,
    crossfitted: bool = False,
    groups: Groups | None = None,
) -> Difference:
    """Compare the models of two sides on the same test images, paired by image and by seed.

    One seed: the interval is the score interval for paired proportions (T. Tango, Statistics in
    Medicine 17, 1998), which covers also where hardly an image differs. Several: Student's t
    interval, but nowhere narrower than the score interval of the effective number of images. The
    p-value is that of the tests that the interval inverts, the larger one of several seeds: it is
    below 0.05 just where the 95 % interval does not hold 0. One seed's is McNemar's without a
    correction.

    Args:
        one: (seeds, n): whether each seed's model of the one side was right on each test image.
        other: likewise of the other side, in the same order of seeds and images.
        confidence: the share of intervals that cover.
        crossfitted: as of `spread`, with the same folds on both sides.
        groups: as of `spread`.
    """
    change = one.astype(np.int8) - other.astype(np.int8)
    gained, lost = float((change > 0).mean()), float((change < 0).mean())
    difference = gained - lost
    found = spread(change, crossfitted, groups)
    images = _effective(found, gained + lost - difference**2)
    normal, student = _quantiles(found, confidence)
    low, high = _tango(gained * images, lost * images, images, normal)
    differ = (gained + lost) * images
    score = abs(difference) * images / sqrt(differ) if differ else 0.0
    p = _beyond(score)
    if found.seeds > 1 or crossfitted or groups is not None:
        error = sqrt(found.variance)
        low = max(-1.0, min(low, difference - student * error))
        high = min(1.0, max(high, difference + student * error))
        if error:
            p = max(p, _beyond(abs(difference) / error, found.degrees))
    if crossfitted:
        # Where hardly an image differs, repeats of the same images tell no more than the images: an
        # arm is at least as long as the score interval's of so many without a difference.
        least = normal**2 / (found.groups + normal**2)
        low, high = max(-1.0, min(low, difference - least)), min(1.0, max(high, difference + least))
        p = max(p, _beyond(sqrt(abs(difference) * found.groups)))
    return Difference(difference, low, high, p, gained, lost, found)


def loss_p(
    one: Correct,
    other: Correct,
    margin: float,
    crossfitted: bool = False,
    groups: Groups | None = None,
) -> float:
    """Return the p-value of a loss of the margin or more, one-sided.

    The test is that of `difference_interval`: it is at most 0.025 just where the lower bound of the
    95 % interval lies above -margin, and likewise at any other level.

    Args:
        one: as of `difference_interval`, of the side that may lose.
        other: likewise.
        margin: the loss that is accepted, a fraction.
        crossfitted: as of `spread`.
        groups: likewise.

    Returns:
        1 where the difference itself is such a loss; 1e-12 stands for all that is less.
    """

    def excluded(level: float) -> bool:
        return difference_interval(one, other, 1 - 2 * level, crossfitted, groups).low > -margin

    if one.mean() - other.mean() <= -margin or not excluded(0.499):
        return 1.0
    low, high = np.log(1e-12), np.log(0.499)  # excluded at the high one
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if excluded(float(np.exp(middle))) else (middle, high)
    return float(np.exp(high))


def passed_in_order(chains: Mapping[str, Sequence[float]], level: float = 0.025) -> dict[str, int]:
    """Return how many hypotheses of each chain are rejected, from its first.

    Within a chain each is tested only after the one before was rejected, at the chain's part of the
    level: no correction is needed for that order. Chains have equal parts; one that is rejected
    whole leaves its part to the others. The chance of any false rejection is at most the level (the
    graphical procedure of F. Bretz, W. Maurer, W. Brannath, M. Posch, Statistics in Medicine 28,
    2009).

    Args:
        chains: of each the p-values, in an order that was fixed without looking at them.
        level: of all chains together.
    """
    rejected = dict.fromkeys(chains, 0)
    while True:
        left = [name for name, values in chains.items() if rejected[name] < len(values)]
        passed = [name for name in left if chains[name][rejected[name]] <= level / len(left)]
        if not passed:
            return rejected
        rejected[passed[0]] += 1


def mean_interval(
    values: npt.NDArray[Any],
    confidence: float = 0.95,
    crossfitted: bool = False,
    groups: Groups | None = None,
) -> tuple[float, float, float]:
    """Return the mean of any measure and the bounds of its Student's t interval.

    Args:
        values: (seeds, n), of each seed and test image; of a comparison their differences.
        confidence: the share of intervals that cover.
        crossfitted: as of `spread`.
        groups: likewise.
    """
    found, mean = spread(values, crossfitted, groups), float(values.mean())
    arm = _quantiles(found, confidence)[1] * sqrt(found.variance)
    return mean, mean - arm, mean + arm


def pairs_difference(
    one: Sequence[Correct],
    other: Sequence[Correct],
    shared: float,
    confidence: float = 0.95,
    groups: int | None = None,
) -> Difference:
    """Compare pairs of networks, each pair tested on images of its own.

    Student's t interval of the pairs' differences, with pairs - 1 degrees of freedom. Pairs that
    train on the same images are more alike than training anew would be; the variance is multiplied
    as that of cross-fitting is, by as much as their training images are the same (our choice).
    Where hardly an image differs, an arm is at least as long as the score interval's of so many
    images without a difference.

    Args:
        one: of each pair (n,), whether the one network was right on each test image.
        other: likewise of the other network, in the same order.
        shared: how much the pairs' training images are the same, from 0 to 1: the share of the
            other folds' images that each trains on, which is no less than what two of them share.
        confidence: the share of intervals that cover.
        groups: how many the images are, which stand in one fold each; None: as many as images. What
            is between pairs counts them by itself.

    Returns:
        ``seeds`` of its spread is the number of pairs, two or more; the mean counts each image
        once.
    """
    changes = [a.astype(np.int8) - b.astype(np.int8) for a, b in zip(one, other, strict=True)]
    change, pairs = np.concatenate(changes), len(changes)
    gained, lost = float((change > 0).mean()), float((change < 0).mean())
    difference = gained - lost
    by_pair = np.array([part.mean() for part in changes])
    factor = 1 + (CROSSFITTED_FACTOR - 1) * shared
    between, within = float(by_pair.var(ddof=1)), float(change.var(ddof=1))
    variance = factor * between / pairs
    seed = max(0.0, between - within * pairs / len(change))
    units = groups or len(change)
    found = Spread(pairs, len(change), units, variance, pairs - 1.0, seed, within, 0.0)
    normal, student = _quantiles(found, confidence)
    error, least = sqrt(variance), normal**2 / (units + normal**2)
    arm = max(student * error, least)
    p = _beyond(abs(difference) / error, pairs - 1) if error else float(difference == 0)
    p = max(p, _beyond(sqrt(abs(difference) * units)))
    low, high = max(-1.0, difference - arm), min(1.0, difference + arm)
    return Difference(difference, low, high, p, gained, lost, found)


def _tango(gained: float, lost: float, images: float, quantile: float) -> tuple[float, float]:
    """Return the bounds of Tango's score interval of gained - lost, as shares of the images."""

    def score(delta: float) -> float:
        """Return the statistic of the hypothesis that the difference is `delta`."""
        linear = (2 * images - gained + lost) * delta - gained - lost
        root = sqrt(max(0.0, linear**2 + 8 * images * lost * delta * (1 - delta)))
        share = max(0.0, (root - linear) / (4 * images))
        variance = max(images * (2 * share + delta * (1 - delta)), 1e-300)
        return (gained - lost - images * delta) / sqrt(variance)

    found = (gained - lost) / images
    edge = 1 - 1e-12
    low, high = -1.0, 1.0
    if score(-edge) > quantile:
        low = float(brentq(lambda delta: score(delta) - quantile, -edge, found))
    if score(edge) < -quantile:
        high = float(brentq(lambda delta: score(delta) + quantile, found, edge))
    return low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (S. Holm, Scand. J. Statist. 6, 1979)."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []
