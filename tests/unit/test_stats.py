"""Statistics: intervals as published, and as a formula gives them."""

import numpy as np
import pytest
from scipy import stats

from jpegprep.stats import accuracy_interval


def right(correct: int, n: int) -> np.ndarray:
    """Return one seed's answers, so many of them right."""
    return (np.arange(n) < correct)[np.newaxis]


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By Wilson's formula with z = 1.96: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).
        (9, 10, 0.5958, 0.9821),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_one_seed_has_wilsons_interval(correct: int, n: int, low: float, high: float) -> None:
    """For one trained model the interval is the published score interval over test images."""
    accuracy, found_low, found_high, name = accuracy_interval(right(correct, n))
    assert accuracy == correct / n
    assert (found_low, found_high) == pytest.approx((low, high), abs=5e-5)
    assert name == "Wilson"


@pytest.mark.parametrize("correct", [400, 250, 480])
def test_identical_seeds_say_no_more_than_one(correct: int) -> None:
    """Five times the same answers leave the uncertainty of the images: the binomial's."""
    seeds = np.repeat(right(correct, 500), 5, axis=0)
    accuracy, low, high, name = accuracy_interval(seeds)
    assert accuracy == correct / 500
    expected = stats.binom(500, accuracy).ppf([0.025, 0.975]) / 500
    assert (low, high) == pytest.approx(expected, abs=0.004)
    assert name == "hierarchical bootstrap"


def test_seeds_that_disagree_widen_the_interval() -> None:
    """Where training anew gives another accuracy, the interval says so."""
    same = np.repeat(right(400, 500), 4, axis=0)
    apart = np.concatenate([right(n, 500) for n in (350, 380, 420, 450)])
    assert same.mean() == apart.mean()
    _, low, high, _ = accuracy_interval(same)
    _, lower, higher, _ = accuracy_interval(apart)
    assert higher - lower > 1.3 * (high - low)
    assert lower < low < high < higher


def test_extreme_seeds_have_the_interval_that_can_be_counted() -> None:
    """One seed all right, one all wrong: resampled pairs average 0, ½ and 1 in ¼, ½ and ¼."""
    correct = np.array([[True] * 50, [False] * 50])
    assert accuracy_interval(correct)[:3] == (0.5, 0.0, 1.0)
    assert accuracy_interval(correct, confidence=0.4)[:3] == (0.5, 0.5, 0.5)


def test_the_spread_of_seeds_shrinks_with_their_number() -> None:
    """The width follows the variance of resampling seeds and images: s²/k + 2 p(1-p)/kn."""
    rng = np.random.default_rng(0)
    n, k = 2000, 12
    levels = 0.7 + 0.05 * rng.standard_normal(k)
    correct = rng.random((k, n)) < levels[:, np.newaxis]
    # Answers are independent here: p(1-p)/kn comes from the images, and once more from drawing
    # seeds and images together.
    between = correct.mean(axis=1).var() / k
    within = (correct.mean(axis=1) * (1 - correct.mean(axis=1))).mean() / n / k
    _, low, high, _ = accuracy_interval(correct)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(between + 2 * within), rel=0.15)


def test_more_confidence_is_a_wider_interval() -> None:
    """A 99 % interval holds the 95 % one, which holds the accuracy."""
    seeds = np.concatenate([right(n, 200) for n in (150, 160, 170)])
    for correct in (seeds, seeds[:1]):
        accuracy, low, high, _ = accuracy_interval(correct)
        _, lower, higher, _ = accuracy_interval(correct, confidence=0.99)
        assert lower < low < accuracy < high < higher


def test_an_interval_is_the_same_each_time() -> None:
    """The same runs always give the same table."""
    seeds = np.concatenate([right(n, 200) for n in (150, 160, 170)])
    assert accuracy_interval(seeds) == accuracy_interval(seeds)


def test_perfect_seeds_have_no_width_above_one() -> None:
    """Bounds never leave [0, 1]."""
    assert accuracy_interval(np.ones((3, 40), dtype=bool))[:3] == (1.0, 1.0, 1.0)
    _, low, high, _ = accuracy_interval(right(0, 40))
    assert low == pytest.approx(0, abs=1e-12)
    assert 0 < high < 1
