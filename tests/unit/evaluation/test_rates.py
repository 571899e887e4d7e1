"""Rates of convergence and the claims on them: formulas, and how often the verdicts are wrong.

Simulated trainings are curves of known rate and plateau. Each image has a difficulty that all
models share, so that accuracies of epochs, seeds and ratios are right on much the same images.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from math import exp, isnan, log

import numpy as np
import pytest
from scipy.special import ndtri

from jpegprep.evaluation.rates import (
    BORNE_OUT,
    CONTRADICTED,
    OPEN,
    SAME_RATE,
    Rate,
    approach_rate,
    epochs_to,
    fewer_epochs,
    mean_epochs,
    same_rate,
)

CHANCE = 0.1
Curve = Callable[[int, float], np.ndarray]  # of epochs and rate: the share of the way


def exponential(epochs: int, rate: float) -> np.ndarray:
    """Return 1 - exp(-k t) after each epoch."""
    return 1 - np.exp(-rate * np.arange(1, epochs + 1))


def two_phases(epochs: int, rate: float) -> np.ndarray:
    """Return a way of which most is covered fast, and the rest slowly."""
    return 0.7 * exponential(epochs, 3 * rate) + 0.3 * exponential(epochs, 0.5 * rate)


def late(epochs: int, rate: float) -> np.ndarray:
    """Return a way whose first epoch, of a slow warm-up, brings little."""
    return exponential(epochs, rate) * np.linspace(0.8, 1, epochs)


class Study:
    """Trainings of several seeds on two ratios, as a study would see them."""

    def __init__(self, seed: int, epochs: int = 10, images: int = 500) -> None:
        """Draw the difficulties of the validation images."""
        self.rng = np.random.default_rng(seed)
        self.difficulty = self.rng.normal(size=images)
        self.epochs = epochs

    def curve(self, rate: float, plateau: float, shape: Curve = exponential) -> list[float]:
        """Return the validation accuracies of a training whose curve is known."""
        true = CHANCE + (plateau - CHANCE) * shape(self.epochs, rate)
        noise = self.rng.normal(size=(self.epochs, len(self.difficulty)))
        score = np.sqrt(0.7) * self.difficulty + np.sqrt(0.3) * noise
        return (score < ndtri(true.clip(0.01, 0.99))[:, np.newaxis]).mean(axis=1).tolist()

    def curves(
        self,
        ratio: float,
        plateau: float,
        seeds: int = 5,
        rate: float = 0.6,
        shape: Curve = exponential,
        varies: float = 0.05,
    ) -> tuple[list[list[float]], list[list[float]]]:
        """Return the curves of a ratio and of the original, whose rates have this true ratio."""
        one, other = [], []
        for _ in range(seeds):
            shared = self.rng.normal(0, 0.05)
            for found, of, level in ((one, rate * ratio, plateau), (other, rate, 0.9)):
                drawn = of * exp(shared + self.rng.normal(0, varies))
                found.append(self.curve(drawn, level + self.rng.normal(0, 0.01), shape))
        return one, other


def rates(curves: list[list[float]]) -> list[Rate]:
    """Return the rates of some curves."""
    return [approach_rate(curve, CHANCE) for curve in curves]


def verdicts(studies: int, ratio: float, plateau: float = 0.9, **of: float) -> Counter[str]:
    """Return how often each verdict on the rates comes, of studies with this truth."""
    epochs = int(of.pop("epochs", 10))
    found: Counter[str] = Counter()
    for seed in range(studies):
        one, other = Study(seed, epochs).curves(ratio, plateau, **of)  # type: ignore[arg-type]
        found[same_rate(rates(one), rates(other)).says.split(":")[0]] += 1
    return found


@pytest.mark.parametrize("rate", [0.15, 0.4, 1.0, 2.5])
@pytest.mark.parametrize("plateau", [0.3, 0.95])
def test_a_rate_is_that_of_the_curve(rate: float, plateau: float) -> None:
    """Without noise the fit finds k, whatever the plateau, to the 1.5 % between two that are tried.

    The end need not be near the plateau.
    """
    values = CHANCE + (plateau - CHANCE) * exponential(10, rate)
    found = approach_rate(values.tolist(), CHANCE)
    assert found.per_epoch == pytest.approx(rate, rel=0.015)
    assert found.fits and not found.bound


@pytest.mark.parametrize(
    ("values", "bound", "fits"),
    [
        ([0.1 + 0.02 * n for n in range(1, 11)], True, True),  # no plateau in sight
        ([0.9] * 10, True, True),  # there after one epoch
        ([0.5, 0.6], False, False),  # two epochs tell no curve
        ([0.9], False, False),
        ([0.9, 0.9, 0.1, 0.9, 0.1, 0.9], None, False),
        ([0.1] * 10, None, False),  # nothing is learned
    ],
)
def test_what_is_no_approach_is_known(values: list[float], bound: bool | None, fits: bool) -> None:
    """A curve without a plateau, one that is there at once, and what is no such curve."""
    found = approach_rate(values, CHANCE)
    assert found.fits == fits
    assert bound is None or not fits or found.bound == bound


def by_chance(share: float, studies: int) -> float:
    """Return a rate that a share of so many studies exceeds by chance in one of 1,000 cases."""
    return share + 3.1 * (share * (1 - share) / studies) ** 0.5


@pytest.mark.parametrize(("ratio", "plateau"), [(1.0, 0.9), (1.0, 0.6), (1.1, 0.6), (1 / 1.1, 0.9)])
def test_the_same_rate_is_hardly_ever_contradicted(ratio: float, plateau: float) -> None:
    """Rates within the margin, plateaus as they may be: nearly never outside, mostly borne out.

    A bar of each ratio's own would lie lower at the lower plateau, the common one out of reach.
    """
    found = verdicts(100, ratio, plateau)
    assert found[CONTRADICTED] <= 100 * by_chance(0.025, 100)
    if ratio == 1:
        assert found[BORNE_OUT] > 70


@pytest.mark.parametrize(
    ("ratio", "plateau"), list(itertools.product((SAME_RATE, 1 / SAME_RATE), (0.9, 0.6)))
)
def test_at_the_margin_both_verdicts_are_wrong_in_few(ratio: float, plateau: float) -> None:
    """Of rates just at the margin 2.5 % are borne out, and 2.5 % contradicted; the rest is open."""
    found = verdicts(200, ratio, plateau)
    assert found[BORNE_OUT] <= 200 * by_chance(0.025, 200)
    assert found[CONTRADICTED] <= 200 * by_chance(0.025, 200)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_other_rates_are_contradicted(ratio: float) -> None:
    """Half or twice the rate, at the same plateau, is found in nearly all studies."""
    found = verdicts(60, ratio)
    assert found[CONTRADICTED] > 54
    assert not found[BORNE_OUT]


def test_noise_between_seeds_opens_the_verdict() -> None:
    """Of seeds whose rates vary by half neither verdict is frequent, and none is wrong."""
    same = verdicts(100, 1.0, varies=0.5)
    assert same[CONTRADICTED] <= 100 * by_chance(0.025, 100)
    assert same[OPEN] > 80
    far = verdicts(100, SAME_RATE, varies=0.5)
    assert far[BORNE_OUT] <= 100 * by_chance(0.025, 100)


@pytest.mark.parametrize("shape", [two_phases, late])
@pytest.mark.parametrize("plateau", [0.9, 0.6])
def test_the_same_course_is_the_same_rate_whatever_its_shape(shape: Curve, plateau: float) -> None:
    """Curves that are no exponentials, of one course in time: hardly ever contradicted."""
    found = verdicts(60, 1.0, plateau, shape=shape)  # type: ignore[arg-type]
    assert found[CONTRADICTED] <= 60 * by_chance(0.025, 60)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_say_little(seeds: int) -> None:
    """One never says anything; two and three are wrong no more often than five."""
    found = verdicts(100, SAME_RATE, seeds=seeds)
    assert found[BORNE_OUT] <= 100 * by_chance(0.025, 100)
    assert found[CONTRADICTED] <= 100 * by_chance(0.025, 100)
    if seeds == 1:
        assert set(found) == {OPEN}
        (one,), (other,) = Study(0).curves(0.2, 0.9, seeds=1)
        verdict = same_rate(rates([one]), rates([other]))
        assert verdict.says == "open: one seed" and isnan(verdict.low)


def test_a_bound_bears_nothing_out() -> None:
    """Two slow curves of other rates are at the same bound: that is no sameness."""
    bound, told = Rate(0.07, True, True), Rate(1.0, False, True)
    assert same_rate([bound] * 5, [bound] * 5).says == "open: no plateau, or one too soon to time"
    assert same_rate([bound] * 5, [told] * 5).says == CONTRADICTED
    assert same_rate([told] * 5, [told] * 5).says == BORNE_OUT
    other = Rate(1.0, False, False)
    assert same_rate([bound] * 5, [other] * 5).says == "open: no exponential approach"


def test_the_interval_is_students_of_the_logarithms() -> None:
    """Ratios 1 and 2 of two seeds: the geometric mean, and t = 12.706 of one degree of freedom."""
    one = [Rate(1.0, False, True), Rate(2.0, False, True)]
    found = same_rate(one, [one[0]] * 2)
    assert found.value == pytest.approx(2**0.5)
    arm = 12.7062 * (log(2) / 2**0.5) / 2**0.5
    assert found.low == pytest.approx(exp(log(2) / 2 - arm), rel=1e-4)
    assert found.high == pytest.approx(exp(log(2) / 2 + arm), rel=1e-4)
    assert found.says == OPEN


@pytest.mark.parametrize(
    ("values", "bar", "epoch"),
    [
        ([0.1, 0.5, 0.94, 0.96, 1.0], 0.95, 4),
        ([0.2, 0.76, 0.5, 0.8], 0.76, 2),  # reached, though lost again
        ([0.9, 0.8], 0.5, 1),
        ([0.1, 0.2, 0.3], 0.31, 4),  # never: one more than there are
        ([0.1, 0.2, 0.3], 0.3, 3),
    ],
)
def test_epochs_to_a_bar(values: list[float], bar: float, epoch: int) -> None:
    """The first that reaches it; the least that it can be, where none does."""
    assert epochs_to(values, bar) == epoch


def test_equal_seeds_are_no_certainty() -> None:
    """Two seeds at the same epoch: an epoch is a step, whose variance of 1/12 is left."""
    arm = 12.7062 / 24**0.5
    assert mean_epochs([3, 3]) == pytest.approx((3, 3 - arm, 3 + arm), rel=1e-4)
    mean, low, _ = mean_epochs([3])
    assert mean == 3 and isnan(low)


def of_epochs(later: float, seeds: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield the first epochs of the one and of the other side; the one comes so much later."""
    shared = rng.normal(6, 0.7, seeds)
    for shift in (later, 0.0):
        yield np.ceil(shared + shift + rng.normal(0, 0.5, seeds)).astype(int).tolist()


@pytest.mark.parametrize(
    ("later", "wrong"), [(-1.0, BORNE_OUT), (-1.0, CONTRADICTED), (0.0, CONTRADICTED)]
)
def test_fewer_epochs_are_wrongly_judged_in_few(later: float, wrong: str) -> None:
    """At the margin each verdict comes in 2.5 % of studies at most, and of no difference none."""
    rng = np.random.default_rng(0)
    found = Counter(fewer_epochs(*of_epochs(later, 5, rng), 20).says for _ in range(1000))
    assert found[wrong] <= 1000 * by_chance(0.025, 1000)


def test_fewer_epochs_are_found() -> None:
    """No difference is mostly borne out; three epochs fewer are contradicted in nearly all."""
    rng = np.random.default_rng(1)
    same = Counter(fewer_epochs(*of_epochs(0, 5, rng), 20).says for _ in range(200))
    assert same[BORNE_OUT] > 80
    fewer = Counter(fewer_epochs(*of_epochs(-3, 5, rng), 20).says for _ in range(200))
    assert fewer[CONTRADICTED] > 190


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ([3], [3], "open: one seed"),
        # The originals are there at once: nobody could be an epoch sooner.
        ([1, 1, 1], [1, 1, 2], "open: no epoch to save"),
        # What never reaches the bar is not dropped: it takes longer than all others.
        ([11, 11, 11], [4, 5, 4], BORNE_OUT),
        ([3, 3, 11], [9, 9, 9], OPEN),
        # Of originals that never do, nobody knows by how much they are later.
        ([9, 9, 9], [11, 11, 11], OPEN),
        ([2, 2, 2], [11, 11, 11], CONTRADICTED),
        ([10, 11, 10], [11, 11, 11], OPEN),
        ([11, 11, 11], [11, 11, 11], OPEN),
    ],
)
def test_censored_seeds_speak_for_no_verdict(one: list[int], other: list[int], says: str) -> None:
    """Of ten epochs, 11 is: not reached."""
    assert fewer_epochs(one, other, 10).says == says
