"""How fast trainings converge: rates and epochs, compared between two sides seed by seed.

The paper says of Figure 3 that accuracy plateaus at the same rate at all compression levels, and
that compression does not help to train in fewer epochs. Both are claims of equality, which no test
of a difference can bear out; so each has a margin, and three verdicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, nan, sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import t

# Rates whose ratio lies between 1/1.25 and 1.25 are the same: our choice, after the 80 to 125 % of
# bioequivalence (D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
SAME_RATE = 1.25
# What counts as fewer epochs: our choice, since accuracy is measured once an epoch.
FEWER = 1.0
BORNE_OUT, CONTRADICTED, OPEN = "borne out", "contradicted", "open"
# A curve that covers less than half of its way in all epochs shows no plateau; one that covers 99 %
# of it in the first epoch is faster than can be seen.
_SLOWEST, _FASTEST = 0.5, 0.99
_MISFIT = 0.1  # of the way: a curve further from its fit than this (root mean square) is another
_STEPS = 400
# An epoch stands for all times since the one before: the variance of that rounding.
_ROUNDING = 1 / 12


@dataclass(frozen=True)
class Rate:
    """How fast one training approaches its plateau.

    Attributes:
        per_epoch: k of A + (start - A) exp(-k epoch).
        bound: whether it is the slowest or the fastest that is looked at, so that it is known no
            nearer.
        fits: whether the curve, of three epochs or more, looks like that.
    """

    per_epoch: float
    bound: bool
    fits: bool


@dataclass(frozen=True)
class Verdict:
    """What the seeds say of a claim.

    Attributes:
        value: the estimate, with its 95 % interval: not a number, where there is none.
        low: the lower bound.
        high: the upper one.
        says: one of the three words; open with the reason, where that is not the interval.
    """

    value: float
    low: float
    high: float
    says: str


def approach_rate(accuracies: Sequence[float], start: float) -> Rate:
    """Fit an exponential approach to a plateau, by least squares.

    Args:
        accuracies: after each epoch, from the first on.
        start: the accuracy before the first one: of a new classifier, one over the classes.
    """
    values = np.asarray(accuracies, dtype=float) - start
    epochs = np.arange(1, len(values) + 1)
    slowest, fastest = -log(1 - _SLOWEST) / len(values), -log(1 - _FASTEST)
    rates = np.geomspace(slowest, fastest, _STEPS)
    covered = 1 - np.exp(-np.outer(rates, epochs))
    plateaus = covered @ values / (covered**2).sum(axis=1)
    errors = np.sqrt(((values - plateaus[:, np.newaxis] * covered) ** 2).mean(axis=1))
    best = int(errors.argmin())
    fits = len(values) > 2 and plateaus[best] > 0 and errors[best] <= _MISFIT * plateaus[best]
    return Rate(float(rates[best]), best in (0, _STEPS - 1), bool(fits))


def same_rate(one: Sequence[Rate], other: Sequence[Rate]) -> Verdict:
    """Test the claim that both sides approach their plateaus at the same rate.

    Student's t interval of the logarithm of the ratio of rates, paired by seed: borne out, where it
    lies within the margin, and no rate is a bound; contradicted, where it lies beyond it (a bound
    brings the ratio nearer to 1, and contradicts nothing wrongly). Each is wrong in at most 2.5 %
    of studies, if logarithms vary normally between seeds. It speaks of training anew, not of other
    validation images.

    Args:
        one: of each seed.
        other: likewise, in the same order of seeds: what the ratio is over.
    """
    logs = np.log([a.per_epoch / b.per_epoch for a, b in zip(one, other, strict=True)])
    mean, low, high = _student(logs, 0.0)
    margin = log(SAME_RATE)
    if len(logs) < 2:
        says = f"{OPEN}: one seed"
    elif not all(rate.fits for rate in (*one, *other)):
        says = f"{OPEN}: no exponential approach"
    elif low > margin or high < -margin:
        says = CONTRADICTED
    elif any(rate.bound for rate in (*one, *other)):
        says = f"{OPEN}: no plateau, or one too soon to time"
    else:
        says = BORNE_OUT if -margin < low and high < margin else OPEN
    return Verdict(exp(mean), exp(low), exp(high), says)


def epochs_to(accuracies: Sequence[float], bar: float) -> int:
    """Return the first epoch that reaches a bar; where none does, one more than there are.

    So much it would take at least: its time is censored at the last epoch.
    """
    reached = np.flatnonzero(np.asarray(accuracies) >= bar)
    return int(reached[0]) + 1 if len(reached) else len(accuracies) + 1


def mean_epochs(epochs: Sequence[int]) -> tuple[float, float, float]:
    """Return the mean over seeds and its 95 % interval, not a number of one seed.

    Where a seed is censored, it is the mean of the least that each can be (restricted mean; P.
    Royston, M. K. B. Parmar, BMC Med. Res. Methodol. 13, 2013).

    Args:
        epochs: of each seed, as `epochs_to` returns them.
    """
    return _student(np.array(epochs, dtype=float), _ROUNDING)


def fewer_epochs(one: Sequence[int], other: Sequence[int], last: int) -> Verdict:
    """Test the claim that the one side does not reach a bar in fewer epochs than the other.

    Student's t interval of the difference, paired by seed: borne out, where it excludes that an
    epoch or more is saved; contradicted, where it excludes less. Of a censored seed the least that
    it can be is known, which must not speak for the verdict. Where the other side leaves no epoch
    to save, the claim would be borne out whatever happens, and is open.

    Args:
        one: of each seed, as `epochs_to` returns them.
        other: likewise, in the same order of seeds: what is subtracted.
        last: the number of epochs.
    """
    differences = np.array(one, dtype=float) - np.array(other, dtype=float)
    mean, low, high = _student(differences, 2 * _ROUNDING)
    if len(differences) < 2:
        says = f"{OPEN}: one seed"
    elif np.mean(other) < 1 + FEWER:
        says = f"{OPEN}: no epoch to save"
    elif low > -FEWER and max(other) <= last:
        says = BORNE_OUT
    else:
        says = CONTRADICTED if high <= -FEWER and max(one) <= last else OPEN
    return Verdict(mean, low, high, says)


def _student(values: npt.NDArray[np.float64], rounding: float) -> tuple[float, float, float]:
    """Return mean and 95 % interval; the variance of a rounding is added to that of the values."""
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, nan, nan
    arm = float(t.ppf(0.975, count - 1)) * sqrt((float(values.var(ddof=1)) + rounding) / count)
    return mean, mean - arm, mean + arm
