"""The law of a budget of bytes: error = E + A n^-a + B L^-b, of n images of L bytes each.

A set of images can be made smaller in two ways: fewer images, or fewer bytes an image. What is
measured are errors of the stores (variants) that were tried, at nested subsets of the training
images. Between two numbers of images of one store nothing but these measurements is used. The law
is for what was not tried: more images than there are, and which of the two the next bytes are
better spent on. It is of the power laws that learning curves follow (J. S. Rosenfeld et al., ICLR
2020, have the sum of two such terms; J. Hestness et al., 2017).

All errors are of the same test images, and of models whose training images overlap: points vary
together. Their covariance is estimated, with groups as what is drawn (`stats`), and intervals of
the law come from fits to errors that are drawn with it. Where the points cannot fix the law, it is
refused, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from jpegprep.evaluation.stats import CROSSFITTED_FACTOR, crossfitted_degrees

Array = npt.NDArray[np.float64]
Wrong = npt.NDArray[np.bool_]  # (repeats, points, images)

# The exponents that are tried, a and b. Learning curves have been seen between 0.1 and 1; below,
# A n^-a is a straight line in log n, and E is anybody's guess.
EXPONENTS_OF_IMAGES = np.geomspace(0.1, 2, 16)
EXPONENTS_OF_BYTES = np.geomspace(0.1, 4, 16)
# Our choices: what a fit of five numbers needs at least, how many images must be wrong at the worst
# point, how surely the law must fail to fit before it is refused, and how many errors are drawn.
LEAST_STORES, LEAST_SHARES, LEAST_REPEATS, LEAST_WRONG = 3, 3, 2, 10
# A fall of error counts where it is so many arms of its 95 % interval: 2.9 standard deviations,
# which error that does not fall reaches once in 600 studies, not once in 40.
_ARMS = 1.5
_MISFIT, DRAWS = 0.01, 500


@dataclass(frozen=True)
class Points:
    """The errors that were measured: a point is a store and a number of training images.

    Attributes:
        wrong: (repeats, points, images), whether the model of a repeat and point errs on an image.
        store: (points,), the number of the store.
        images: (points,), how many images a model was trained on.
        size: (points,), the mean bytes of an image.
        groups: (images,), the same number for images that belong together; None: each is its own.
    """

    wrong: Wrong
    store: npt.NDArray[np.int64]
    images: Array
    size: Array
    groups: npt.NDArray[np.int64] | None = None

    @cached_property
    def errors(self) -> Array:
        """(points,), the share of images that are wrong, over repeats."""
        return np.asarray(self.wrong.mean(axis=(0, 2)), dtype=np.float64)

    @cached_property
    def units(self) -> int:
        """How many of the images are independent: of groups, these."""
        return self.wrong.shape[2] if self.groups is None else len(np.unique(self.groups))

    @cached_property
    def of_images(self) -> Array:
        """(points, points), the covariance of the errors by the choice of images.

        That of the means over repeats, of sums of groups, times the factor for training, as in
        `stats.spread`; no point's variance is smaller than without groups.
        """
        by_image = self.wrong.mean(axis=0)
        count = by_image.shape[1]
        away = by_image - by_image.mean(axis=1, keepdims=True)
        alone = away @ away.T / (count - 1)
        together = alone
        if self.groups is not None:
            _, group = np.unique(self.groups, return_inverse=True)
            sums = np.stack([np.bincount(group.ravel(), weights=row) for row in away])
            together = self.units / (self.units - 1) * (sums @ sums.T) / count
        scale = np.sqrt(np.maximum(1, np.diag(alone) / np.maximum(np.diag(together), 1e-300)))
        return np.asarray(CROSSFITTED_FACTOR * together * np.outer(scale, scale) / count)

    @cached_property
    def of_repeats(self) -> Array:
        """(points, points), the covariance by the folds and subsets that were drawn; 0 for one."""
        by_repeat = self.wrong.mean(axis=2)
        repeats = len(by_repeat)
        away = by_repeat - by_repeat.mean(axis=0)
        return np.asarray(away.T @ away / max(1, repeats - 1) / repeats)

    def arm(self, weights: Array, pairs: int = 1) -> float:
        """Return the half-width of the 95 % interval of a weighted sum of the errors.

        Student's, of degrees of freedom after Satterthwaite, since repeats are few. No shorter than
        what so many images without a difference leave open, as `stats.difference_interval`.

        Args:
            weights: (points,).
            pairs: how many such sums are looked at: Bonferroni's correction.
        """
        of_images = float(weights @ self.of_images @ weights)
        of_repeats = float(weights @ self.of_repeats @ weights)
        tail = 1 - 0.025 / pairs
        normal = float(ndtri(tail))
        least = normal**2 / (self.units + normal**2)
        if not of_images + of_repeats > 0:
            return least
        repeats = self.wrong.shape[0]
        parts = of_images**2 / crossfitted_degrees(self.units)
        parts += of_repeats**2 / max(1, repeats - 1)
        degrees = (of_images + of_repeats) ** 2 / parts
        return max(least, float(stdtrit(degrees, tail)) * sqrt(of_images + of_repeats))

    def deviations(self, draws: int, rng: np.random.Generator) -> Array:
        """Return errors less the expected ones, as they may be by chance, (draws, points)."""
        count, points = self.wrong.shape[0], len(self.errors)
        root = _root(self.of_images)
        found = rng.standard_normal((draws, points)) @ root.T
        if count > 1:
            # Few repeats do not tell how much repeats vary.
            few = np.sqrt((count - 1) / rng.chisquare(count - 1, (draws, 1)))
            found += few * (rng.standard_normal((draws, points)) @ _root(self.of_repeats).T)
        return np.asarray(found)

    def at(self, store: int, images: float) -> Array | None:
        """Return the weights of the points whose sum is the error of a store at so many images.

        Linear in log n between the two measured numbers of images around; None outside of them.
        """
        rows = np.flatnonzero(self.store == store)
        rows = rows[np.argsort(self.images[rows])]
        known = self.images[rows]
        if not known[0] * (1 - 1e-9) <= images <= known[-1] * (1 + 1e-9):
            return None
        weights = np.zeros(len(self.errors))
        if len(known) == 1:
            weights[rows[0]] = 1
            return weights
        upper = min(max(1, int(np.searchsorted(known, images))), len(known) - 1)
        low, high = np.log(known[upper - 1]), np.log(known[upper])
        part = min(1.0, max(0.0, (np.log(images) - low) / (high - low)))
        weights[rows[upper - 1]], weights[rows[upper]] = 1 - part, part
        return weights

    def without(self, rows: npt.NDArray[np.bool_]) -> "Points":
        """Return the points without some of them."""
        keep = ~rows
        return Points(
            self.wrong[:, keep], self.store[keep], self.images[keep], self.size[keep], self.groups
        )


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


@dataclass(frozen=True)
class Fit:
    """Laws that were fitted to errors, (fits,) each, of images and bytes over those of `scale`."""

    floor: Array
    of_images: Array
    images_exponent: Array
    of_bytes: Array
    bytes_exponent: Array
    square: Array  # of the weighted residuals
    scale: tuple[float, float]

    def errors(self, images: Array, size: Array) -> Array:
        """Return the errors at numbers of images and bytes an image, (fits, points)."""
        x, y = np.asarray(images) / self.scale[0], np.asarray(size) / self.scale[1]
        return np.asarray(
            self.floor[:, np.newaxis]
            + self.of_images[:, np.newaxis] * x ** -self.images_exponent[:, np.newaxis]
            + self.of_bytes[:, np.newaxis] * y ** -self.bytes_exponent[:, np.newaxis]
        )


def fit(errors: Array, images: Array, size: Array, weights: Array) -> Fit:
    """Fit the law by weighted least squares, with E, A and B from 0 and exponents in their bounds.

    Of each pair of exponents the best E, A and B is one of seven linear regressions, those of the
    terms that are not 0: all are solved, for all errors at once.

    Args:
        errors: (fits, points).
        images: (points,).
        size: (points,), bytes an image.
        weights: (points,), the inverse variances.
    """
    scale = (float(images.max()), float(size.max()))
    x, y = images / scale[0], size / scale[1]
    exponents = np.stack(
        [g.ravel() for g in np.meshgrid(EXPONENTS_OF_IMAGES, EXPONENTS_OF_BYTES)], axis=1
    )
    design = np.stack(
        [np.ones((len(exponents), len(x))), x ** -exponents[:, :1], y ** -exponents[:, 1:]], axis=1
    )  # (pairs of exponents, terms, points)
    square = (design * weights) @ design.swapaxes(1, 2)
    product = (design * weights) @ errors.T
    in_all = (errors**2) @ weights
    fits = np.arange(len(errors))
    best, found = np.full(len(errors), np.inf), np.zeros((5, len(errors)))
    for some in [list(s) for count in (1, 2, 3) for s in combinations(range(3), count)]:
        solved = np.linalg.solve(square[:, some][:, :, some], product[:, some])
        left = in_all - (solved * product[:, some]).sum(axis=1)
        left[(solved < 0).any(axis=1)] = np.inf
        pair = left.argmin(axis=0)
        better = left[pair, fits] < best - 1e-12 * in_all
        best[better] = left[pair, fits][better]
        found[:3, better] = 0
        found[np.ix_(some, better)] = solved[pair, :, fits][better].T
        found[3:, better] = exponents[pair[better]].T
    floor, of_images, of_bytes, a, b = found
    return Fit(floor, of_images, a, of_bytes, b, np.maximum(best, 0), scale)


@dataclass(frozen=True)
class Law:
    """A law with what it might have been by chance.

    Attributes:
        fitted: one fit, to the errors.
        drawn: fits to errors drawn around it.
        deviations: (draws, points), what was added to the fitted errors.
        misfit: the standard deviation of errors around the law beyond chance.
        p: the chance of residuals as large as these, where the law holds.
        largest: the largest residual.
    """

    fitted: Fit
    drawn: Fit
    deviations: Array
    misfit: float
    p: float
    largest: float

    def predict(self, images: Array, size: Array) -> tuple[Array, Array]:
        """Return errors, (points,), and by how much those of the draws differ, (draws, points)."""
        found = self.fitted.errors(images, size)[0]
        away = self.drawn.errors(images, size) - found
        if self.misfit:
            rng = np.random.default_rng(_SEED + 1)
            away = away + self.misfit * rng.standard_normal(away.shape)
        return found, away

    def interval(self, images: float, size: float) -> tuple[float, float, float]:
        """Return the error at so many images of so many bytes, and its 95 % interval."""
        found, away = self.predict(np.array([images]), np.array([size]))
        low, high = np.quantile(found[0] + away[:, 0], [0.025, 0.975])
        return float(found[0]), max(0.0, float(low)), min(1.0, float(high))

    def next_bytes(self, images: float, size: float, more: float = 0.1) -> tuple[float, ...]:
        """Return what more bytes gain, as more images and as more bytes an image.

        Args:
            images: how many there are.
            size: their bytes, each.
            more: the bytes to spend, over those that there are.

        Returns:
            The error that more images take away, with its 95 % interval; that more bytes an image
            take away, likewise; and the first less the second, likewise.
        """
        gains = []
        for law in (self.fitted, self.drawn):
            less = 1 - (1 + more) ** -law.images_exponent
            by_images = law.of_images * (images / law.scale[0]) ** -law.images_exponent * less
            less = 1 - (1 + more) ** -law.bytes_exponent
            by_bytes = law.of_bytes * (size / law.scale[1]) ** -law.bytes_exponent * less
            gains.append((by_images, by_bytes, by_images - by_bytes))
        found: list[float] = []
        for estimate, drawn in zip(*gains, strict=True):
            found += [float(estimate[0]), *map(float, np.quantile(drawn, [0.025, 0.975]))]
        return tuple(found)


_SEED = 24


def refusal(points: Points) -> str:
    """Return why points cannot fix the law, in words; empty, where nothing speaks against it."""
    stores, shares = len(np.unique(points.size)), min(_numbers_of_images(points), default=0)
    repeats = points.wrong.shape[0]
    if stores < LEAST_STORES:
        return f"{stores} stores of different bytes; the law needs {LEAST_STORES}"
    if shares < LEAST_SHARES:
        return f"{shares} numbers of images; the law needs {LEAST_SHARES}"
    if repeats < LEAST_REPEATS:
        return "one repeat does not tell how much subsets vary: give the probe two seeds or more"
    worst = points.errors.max() * points.wrong.shape[2]
    if worst < LEAST_WRONG:
        return f"hardly an image is wrong: at most {worst:.0f}"
    few, many = _extremes(points, points.images, points.store)
    if not _falls(points, few - many):
        return "error is not shown to fall with the number of images"
    small, large = _extremes(points, points.size, points.images)
    if not _falls(points, small - large):
        return "error is not shown to fall with the bytes of an image"
    return ""


def _numbers_of_images(points: Points) -> list[int]:
    return [len(np.unique(points.images[points.store == s])) for s in np.unique(points.store)]


def _extremes(points: Points, along: Array, within: npt.NDArray[np.generic]) -> tuple[Array, Array]:
    """Return the weights of the mean error at the least and at the greatest along an axis."""
    least, greatest = np.zeros(len(along)), np.zeros(len(along))
    places = np.unique(within)
    for place in places:
        rows = np.flatnonzero(within == place)
        least[rows[np.argmin(along[rows])]] += 1 / len(places)
        greatest[rows[np.argmax(along[rows])]] += 1 / len(places)
    return least, greatest


def _falls(points: Points, weights: Array) -> bool:
    return bool(weights @ points.errors > _ARMS * points.arm(weights))


def fit_law(points: Points, draws: int = DRAWS) -> Law:
    """Fit the law to points, with what it might have been by chance.

    Errors are drawn around the fitted ones with their covariance, and the law is fitted to each.

    Args:
        points: as they were measured, see `refusal`.
        draws: how many.
    """
    variances = np.diag(points.of_images) + np.diag(points.of_repeats)
    weights = 1 / np.maximum(variances, variances.max() * 0.01)
    where = (points.images, points.size)
    fitted = fit(points.errors[np.newaxis], *where, weights)
    expected = fitted.errors(*where)
    deviations = points.deviations(draws, np.random.default_rng(_SEED))
    drawn = fit(expected + deviations, *where, weights)
    residuals = points.errors - expected[0]
    by_chance = expected + deviations - drawn.errors(*where)
    more = float((residuals**2).mean() - (by_chance**2).mean())
    p = float((1 + (drawn.square >= fitted.square[0]).sum()) / (1 + draws))
    return Law(fitted, drawn, deviations, sqrt(max(0.0, more)), p, float(np.abs(residuals).max()))


def misfits(law: Law, margin: float) -> str:
    """Return why a law does not hold, in words; empty, where it may.

    It is refused where chance does not explain the residuals, and one is larger than the loss that
    is accepted. Smaller ones widen the law's intervals.

    Args:
        law: as it was fitted.
        margin: the loss of accuracy that is accepted, a fraction.
    """
    if law.p >= _MISFIT or law.largest <= margin:
        return ""
    return f"the law misses a point by {100 * law.largest:.1f} points, more than by chance"


@dataclass(frozen=True)
class HeldOut:
    """A point that a law was not fitted to: predicted and observed errors, with 95 % intervals."""

    store: int
    images: float
    predicted: tuple[float, float, float]
    observed: tuple[float, float, float]
    difference: tuple[float, float, float]  # observed less predicted

    @property
    def passed(self) -> bool:
        """Whether chance may be all that is between the two."""
        return self.difference[1] <= 0 <= self.difference[2]


def hold_out(points: Points, rows: npt.NDArray[np.bool_], asked: Sequence[int]) -> list[HeldOut]:
    """Fit the law without some points, and predict some of these.

    Args:
        points: all of them.
        rows: (points,), those that are left out.
        asked: the rows that are predicted.
    """
    law = fit_law(points.without(rows))
    # The same chance moves the points that are fitted and those that are not.
    chance = points.deviations(DRAWS, np.random.default_rng(_SEED + 2))
    kept = points.without(rows)
    variances = np.diag(kept.of_images) + np.diag(kept.of_repeats)
    weights = 1 / np.maximum(variances, variances.max() * 0.01)
    where = (kept.images, kept.size)
    again = fit(law.fitted.errors(*where) + chance[:, ~rows], *where, weights)
    found = []
    for row in asked:
        place = (points.images[row : row + 1], points.size[row : row + 1])
        predicted, observed = float(law.fitted.errors(*place)[0, 0]), float(points.errors[row])
        moved = again.errors(*place)[:, 0] - predicted
        if law.misfit:
            moved = moved + law.misfit * np.random.default_rng(row).standard_normal(len(moved))
        apart = observed - predicted
        one = np.zeros(len(points.errors))
        one[row] = 1
        arm = points.arm(one)
        found.append(
            HeldOut(
                int(points.store[row]),
                float(points.images[row]),
                _around(predicted, moved),
                (observed, max(0.0, observed - arm), min(1.0, observed + arm)),
                _around(apart, chance[:, row] - moved, -1.0),
            )
        )
    return found


def _around(value: float, away: Array, least: float = 0.0) -> tuple[float, float, float]:
    low, high = np.quantile(away, [0.025, 0.975])
    return value, max(least, value + float(low)), min(1.0, value + float(high))
