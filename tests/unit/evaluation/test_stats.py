"""Statistics: intervals and tests as published, and as a formula gives them."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from jpegprep.evaluation.stats import (
    Correct,
    accuracy_interval,
    difference_interval,
    holm,
    loss_p,
    mean_interval,
    pairs_difference,
    passed_in_order,
    spread,
)


def right(correct: int, n: int) -> np.ndarray:
    """Return one seed's answers, so many of them right."""
    return (np.arange(n) < correct)[np.newaxis]


def paired(both: int, one: int, other: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one seed's answers of two sides with these four counts."""
    rows = [(1, 1)] * both + [(1, 0)] * one + [(0, 1)] * other + [(0, 0)] * neither
    sides = np.array(rows, dtype=bool).T
    return sides[:1], sides[1:]


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
    """Five times the same answers leave the uncertainty of the images: that of one seed."""
    seeds = np.repeat(right(correct, 500), 5, axis=0)
    accuracy, low, high, name = accuracy_interval(seeds)
    assert accuracy == correct / 500
    assert (low, high) == pytest.approx(accuracy_interval(seeds[:1])[1:3], abs=3e-4)
    assert name == "Wilson with random effects"


def test_seeds_that_disagree_widen_the_interval() -> None:
    """Where training anew gives another accuracy, the interval says so."""
    same = np.repeat(right(400, 500), 4, axis=0)
    apart = np.concatenate([right(n, 500) for n in (350, 380, 420, 450)])
    assert same.mean() == apart.mean()
    _, low, high, _ = accuracy_interval(same)
    _, lower, higher, _ = accuracy_interval(apart)
    assert higher - lower > 1.3 * (high - low)
    assert lower < low < high < higher


def test_the_parts_of_the_variance_are_those_that_made_it() -> None:
    """Of normal numbers with known variances of seeds, images and rest, the parts come back."""
    rng = np.random.default_rng(0)
    shape = (60, 3000)
    seeds, images = rng.normal(0, 2, (60, 1)), rng.normal(0, 3, 3000)
    found = spread(seeds + images + rng.normal(0, 1, shape))
    assert found.seed == pytest.approx(seeds.var(ddof=1), rel=0.02)
    assert found.image == pytest.approx(images.var(ddof=1), rel=0.02)
    assert found.rest == pytest.approx(1, rel=0.02)
    assert found.variance == pytest.approx(found.seed / 60 + found.image / 3000, rel=0.01)
    assert 59 <= found.degrees < 70  # seeds vary most, and there are 60


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    """Mean squares by hand: seeds 0.4 and 0.6 right of five images."""
    table = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    found = spread(table)
    # Sums of squares: seeds 0.1, images 2.0, rest 0.4 (of 2.5); mean squares 0.1, 0.5, 0.1.
    assert found.rest == pytest.approx(0.1)
    assert found.image == pytest.approx((0.5 - 0.1) / 2)
    assert found.seed == pytest.approx(0)
    assert found.variance == pytest.approx((0.1 + 0.5 - 0.1) / 10)
    satterthwaite = 0.5**2 / (0.1**2 / 1 + 0.5**2 / 4 + 0.1**2 / 4)
    assert found.degrees == pytest.approx(satterthwaite - 1 / 2)


def test_more_confidence_is_a_wider_interval() -> None:
    """A 99 % interval holds the 95 % one, which holds the accuracy."""
    seeds = np.concatenate([right(n, 200) for n in (150, 160, 170)])
    for correct in (seeds, seeds[:1]):
        accuracy, low, high, _ = accuracy_interval(correct)
        _, lower, higher, _ = accuracy_interval(correct, confidence=0.99)
        assert lower < low < accuracy < high < higher


def test_perfect_seeds_have_no_width_above_one() -> None:
    """Bounds never leave [0, 1]; three perfect seeds promise no more than one."""
    accuracy, low, high, _ = accuracy_interval(np.ones((3, 40), dtype=bool))
    assert (accuracy, high) == (1.0, 1.0)
    assert low == pytest.approx(accuracy_interval(np.ones((1, 40), dtype=bool))[1])
    _, low, high, _ = accuracy_interval(right(0, 40))
    assert low == pytest.approx(0, abs=1e-12)
    assert 0 < high < 1


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # No image differs: the hypothesis -d is refused where n d / (1 - d) > z².
        ((100, 0, 0, 100), -0.018847, 0.018847),
        # All differ, all one way: n (1 - d) / (1 + d) = z² at the lower bound.
        ((0, 20, 0, 0), 0.677750, 1.0),
    ],
)
def test_one_seeds_difference_has_tangos_interval(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    """For one trained model a side the interval is the published score interval."""
    found = difference_interval(*paired(*counts))
    _, one, other, _ = counts
    assert found.difference == pytest.approx((one - other) / sum(counts))
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)


@pytest.mark.parametrize("counts", [(150, 9, 15, 26), (10, 5, 5, 10), (90, 0, 6, 4)])
def test_tangos_bounds_are_where_the_score_test_turns(counts: tuple[int, int, int, int]) -> None:
    """At each bound the constrained likelihood-score statistic is ±1.96, by maximising itself."""
    found = difference_interval(*paired(*counts))
    _, b, c, _ = counts
    n = sum(counts)
    for bound in (found.low, found.high):
        # The most likely share lost, p, where gained is p + bound: found by trying.
        p = np.linspace(max(0, -bound) + 1e-9, (1 - bound) / 2 - 1e-9, 400_001)
        rest = n - b - c
        with np.errstate(divide="ignore"):
            likelihood = b * np.log(p + bound) + c * np.log(p) + rest * np.log(1 - 2 * p - bound)
        best = p[np.argmax(likelihood)]
        score = (b - c - n * bound) / np.sqrt(n * (2 * best + bound * (1 - bound)))
        assert abs(score) == pytest.approx(1.96, abs=0.01)


@pytest.mark.parametrize("counts", [(150, 9, 15, 26), (10, 5, 5, 10), (90, 0, 6, 4)])
def test_one_seed_has_mcnemars_p(counts: tuple[int, int, int, int]) -> None:
    """The p-value of one seed is statsmodels' McNemar, the score test that the interval inverts."""
    found = difference_interval(*paired(*counts))
    both, one, other, neither = counts
    expected = mcnemar([[both, one], [other, neither]], exact=False, correction=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.gained, found.lost) == (one / sum(counts), other / sum(counts))


def test_p_and_interval_say_the_same() -> None:
    """Of 174 images, whichever differ: p is below 0.05 where the interval does not hold 0."""
    for one in range(15):
        for other in range(15):
            found = difference_interval(*paired(100, one, other, 74 - one - other))
            assert (found.p < 0.05) == (found.low > 0 or found.high < 0), (one, other)


@pytest.mark.parametrize("n", [12, 13, 25, 26, 27, 37, 40, 43, 50, 52, 54])
@pytest.mark.parametrize("seeds", [1, 5])
def test_a_class_that_is_lost_whole_is_lost_for_sure(n: int, seeds: int) -> None:
    """Where every image is lost by every seed, p is small and the interval ends far below 0."""
    lost = difference_interval(np.zeros((seeds, n), dtype=bool), np.ones((seeds, n), dtype=bool))
    assert (lost.difference, lost.low) == (-1.0, -1.0)
    assert lost.high < -0.5 and lost.p < 0.001


def test_seeds_that_vary_have_the_t_test_of_their_differences() -> None:
    """Where images add nothing, several seeds are compared as a paired t-test compares them."""
    rng = np.random.default_rng(1)
    n = 20_000
    one = rng.random((6, n)) < (0.7 + 0.05 * rng.standard_normal(6))[:, np.newaxis]
    other = rng.random((6, n)) < (0.7 + 0.05 * rng.standard_normal(6))[:, np.newaxis]
    found = difference_interval(one, other)
    expected = stats.ttest_rel(one.mean(1), other.mean(1))
    assert found.p == pytest.approx(expected.pvalue, rel=0.02)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=2e-3)


def test_few_seeds_of_few_images_are_no_wider_than_students_interval() -> None:
    """Three seeds and 36 images: Student's interval by hand, and an accuracy's of like width."""
    one = np.concatenate([right(n, 36) for n in (34, 30, 33)])
    other = np.concatenate([right(n, 36) for n in (33, 33, 32)])
    change = one.astype(float) - other
    found = difference_interval(one, other)
    parts = spread(change)
    half = stats.t.ppf(0.975, parts.degrees) * parts.variance**0.5
    assert parts.degrees == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((change.mean() - half, change.mean() + half))
    accuracy, low, high, _ = accuracy_interval(one)
    parts = spread(one)
    width = 2 * stats.t.ppf(0.975, parts.degrees) * parts.variance**0.5
    assert low < accuracy < high
    assert high - low == pytest.approx(width, rel=0.1)


def test_a_difference_changes_its_sign_with_the_sides() -> None:
    """Swapped sides give the mirrored interval and the same p."""
    rng = np.random.default_rng(2)
    one, other = rng.random((3, 400)) < 0.8, rng.random((3, 400)) < 0.7
    found, swapped = difference_interval(one, other), difference_interval(other, one)
    assert (found.low, found.high) == pytest.approx((-swapped.high, -swapped.low))
    assert found.p == swapped.p
    assert found.low < found.difference < found.high


def test_identical_sides_differ_by_nothing_within_what_is_known() -> None:
    """No image differs in three seeds: p is 1, and the interval that of the images alone."""
    same = np.random.default_rng(3).random((3, 400)) < 0.8
    found = difference_interval(same, same)
    assert (found.difference, found.p) == (0.0, 1.0)
    # z² / (n + z²) of n images.
    assert found.high == pytest.approx(1.96**2 / (400 + 1.96**2), abs=1e-5)
    assert found.low == pytest.approx(-found.high)


def test_holm_corrects_for_the_number_of_tests() -> None:
    """Holm's step-down, by hand and as statsmodels has it."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    p = [0.5, 0.001, 0.02, 0.02, 0.9]
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert holm([]) == []


def test_cross_fitted_intervals_cover_by_real_cross_validation() -> None:
    """Four repeats of five folds, a linear classifier, the truth from fresh training sets.

    The other side sees its images through noise that costs some eight points.
    """
    rng = np.random.default_rng(0)
    classes, d, n, folds = 4, 12, 200, 5
    means = 0.5 * rng.standard_normal((classes, d))

    def draw(images: int) -> tuple[Any, Any, Any]:
        y = rng.integers(classes, size=images)
        x = means[y] + rng.standard_normal((images, d))
        return y, x, x + 0.6 * rng.standard_normal((images, d))

    def fit(x: Any, y: Any) -> Any:
        x = np.c_[x, np.ones(len(x))]
        return np.linalg.solve(x.T @ x + np.eye(d + 1), x.T @ np.eye(classes)[y])

    def right(weights: Any, x: Any, y: Any) -> Any:
        return (np.c_[x, np.ones(len(x))] @ weights).argmax(1) == y

    truths = []
    for _ in range(200):
        y, x, z = draw(n * (folds - 1) // folds)
        new, of_x, of_z = draw(4000)
        accuracy = right(fit(x, y), of_x, new).mean()
        truths.append((accuracy, right(fit(z, y), of_z, new).mean() - accuracy))
    accuracy, difference = np.mean(truths, axis=0)
    assert difference == pytest.approx(-0.08, abs=0.03)
    covered, naive = [], []
    for _ in range(200):
        y, x, z = draw(n)
        sides = np.zeros((2, 4, n), dtype=bool)
        for repeat in range(4):
            fold = rng.permutation(n) % folds
            for k in range(folds):
                held = fold == k
                for side, images in enumerate((z, x)):
                    model = fit(images[~held], y[~held])
                    sides[side, repeat, held] = right(model, images[held], y[held])
        found = difference_interval(sides[0], sides[1], crossfitted=True)
        _, low, high, name = accuracy_interval(sides[1], crossfitted=True)
        covered.append((found.low <= difference <= found.high, low <= accuracy <= high))
        values = (sides[0].astype(float) - sides[1]).mean(axis=0)
        naive.append(abs(values.mean() - difference) <= 1.96 * (values.var() / n) ** 0.5)
    assert name == "Wilson, cross-fitted"
    assert (np.mean(covered, axis=0) >= 0.93).all()
    assert np.mean(naive) < np.mean(covered, axis=0)[0]  # the factor is needed


def test_repeats_of_the_same_images_do_not_shorten_an_interval_to_nothing() -> None:
    """One image of 2,000 differs, in one repeat of four: a loss of 0.19 points is not excluded."""
    other = np.ones((4, 2000), dtype=bool)
    one = other.copy()
    one[0, 0] = False
    found = difference_interval(one, other, crossfitted=True)
    assert found.low < -0.0019 and found.high > 0.0017
    assert found.p > 0.5


def draw_pairs(
    rng: np.random.Generator, pairs: int, images: int, seeds: float, drop: float
) -> tuple[list[Correct], list[Correct]]:
    """Return the answers of pairs of networks of accuracy 0.85, that vary by `seeds` (s.d.)."""
    sides: tuple[list[Correct], list[Correct]] = ([], [])
    for _ in range(pairs):
        level = rng.random(images)  # below the accuracy: right
        for side, lost in zip(sides, (drop, 0.0), strict=True):
            flip = np.where(rng.random(images) < 0.2, rng.random(images), level)
            side.append(flip < 0.85 - lost + seeds * rng.normal())
    return sides


@pytest.mark.parametrize("seeds", [0.0, 0.01, 0.02])
def test_the_interval_of_pairs_covers_whatever_training_varies_by(seeds: float) -> None:
    """Five pairs of 200 images, 500 times: 95 % of the intervals hold the truth."""
    rng = np.random.default_rng(3)
    covered, shown = [], []
    for _ in range(500):
        found = pairs_difference(*draw_pairs(rng, 5, 200, seeds, 0.03), shared=0)
        covered.append(found.low <= -0.03 <= found.high)
        shown.append(found.low > -0.03)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert 0.92 < np.mean(covered) < 0.985
    assert np.mean(shown) < 0.045


def test_pairs_that_train_on_the_same_images_tell_less() -> None:
    """The factor of cross-fitting, by as much as the images are shared."""
    sides = draw_pairs(np.random.default_rng(0), 5, 200, 0.01, 0.02)
    apart, half, same = (pairs_difference(*sides, shared=shared) for shared in (0, 0.5, 1))
    widths = [found.high - found.low for found in (apart, half, same)]
    assert widths[2] == pytest.approx(widths[0] * np.sqrt(1.5))
    assert widths[0] < widths[1] < widths[2]
    assert apart.difference == same.difference


def test_pairs_that_never_differ_do_not_prove_equality() -> None:
    """Five times 100 images without a difference exclude a loss of 0.8 points, not of less."""
    same = [np.ones(100, dtype=bool)] * 5
    found = pairs_difference(same, same, shared=0)
    assert found.low == pytest.approx(-(1.96**2) / (500 + 1.96**2), rel=0.01)
    assert (found.difference, found.p) == (0, 1)


def test_the_mean_of_any_measure_has_an_interval() -> None:
    """Of normal numbers it is Student's."""
    values = np.random.default_rng(1).normal(2, 1, (1, 50))
    mean, low, high = mean_interval(values)
    assert mean == values.mean()
    assert (high - mean, mean - low) == pytest.approx(
        [1.96 * values.std(ddof=1) / 50**0.5] * 2, 1e-3
    )


# Images that belong together


def bursts(rng: np.random.Generator, seeds: int = 1, groups: int = 60) -> tuple[Correct, Correct]:
    """Return the answers of two sides on bursts of five, of which each is easy or hard as one.

    The true accuracies are 0.8 and 0.76.
    """
    hard = np.repeat(rng.random(groups) < 0.2, 5)
    worse = np.repeat(rng.random(groups) < 0.05, 5) & ~hard
    flips = rng.random((2, seeds, 5 * groups)) < 0.02
    return (~hard ^ flips[0]), (~(hard | worse) ^ flips[1])


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_bursts_cover_where_groups_are_known(seeds: int) -> None:
    """Of 400 draws about 95 in 100 hold the truth; as if images were independent, far fewer."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(60), 5)
    accuracy = 0.8 * 0.98 + 0.2 * 0.02
    other = 0.76 * 0.98 + 0.24 * 0.02
    held = {(what, known): 0 for what in ("accuracy", "difference") for known in (True, False)}
    for _ in range(400):
        one, two = bursts(rng, seeds)
        for known in (True, False):
            groups = group if known else None
            _, low, high, _ = accuracy_interval(one, groups=groups)
            held["accuracy", known] += low <= accuracy <= high
            found = difference_interval(two, one, groups=groups)
            held["difference", known] += found.low <= other - accuracy <= found.high
    assert held["accuracy", True] >= 0.93 * 400 and held["difference", True] >= 0.92 * 400
    assert held["accuracy", False] <= 0.75 * 400 and held["difference", False] <= 0.8 * 400


def test_groups_of_one_image_are_no_groups() -> None:
    """The variance is that of the images."""
    one, other = bursts(np.random.default_rng(1), seeds=3)
    alone = np.arange(one.shape[1])
    assert spread(one, groups=alone).variance == pytest.approx(spread(one).variance)
    found = accuracy_interval(one, groups=alone)[:3]
    assert found == pytest.approx(accuracy_interval(one)[:3])


def test_five_copies_of_each_image_tell_no_more_than_one() -> None:
    """The interval of 300 images that are 60, five times each, is about that of the 60."""
    answers = right(48, 60)
    copies, group = np.repeat(answers, 5, axis=1), np.repeat(np.arange(60), 5)
    _, low, high, _ = accuracy_interval(copies, groups=group)
    _, low_of_one, high_of_one, _ = accuracy_interval(answers)
    assert (low, high) == pytest.approx((low_of_one, high_of_one), abs=0.01)
    _, low, high, _ = accuracy_interval(copies)
    assert high - low < 0.5 * (high_of_one - low_of_one)


@pytest.mark.parametrize(("gained", "lost", "n"), [(3, 5, 400), (20, 18, 900), (0, 1, 300)])
def test_one_seeds_p_of_a_loss_is_tangos(gained: int, lost: int, n: int) -> None:
    """The score test of paired proportions at -margin (T. Tango, 1998), by its own formula."""
    margin, delta = 0.02, -0.02
    one, other = paired(n // 2, gained, lost, n - n // 2 - gained - lost)
    linear = (2 * n - gained + lost) * delta - gained - lost
    root = np.sqrt(linear**2 + 8 * n * lost * delta * (1 - delta))
    share = (root - linear) / (4 * n)
    score = (gained - lost - n * delta) / np.sqrt(n * (2 * share + delta * (1 - delta)))
    assert loss_p(one, other, margin) == pytest.approx(stats.norm.sf(score), rel=1e-4)


@pytest.mark.parametrize("crossfitted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_p_of_a_loss_says_what_the_interval_says(crossfitted: bool, grouped: bool) -> None:
    """It is at most 2.5 % just where the 95 % interval excludes the loss."""
    rng, verdicts = np.random.default_rng(1), set()
    for _ in range(40):
        other = rng.random((2, 300)) < 0.8
        one = other ^ (rng.random((2, 300)) < rng.uniform(0, 0.08))
        groups = np.arange(300) // 2 if grouped else None
        low = difference_interval(one, other, 0.95, crossfitted, groups).low
        p = loss_p(one, other, 0.03, crossfitted, groups)
        assert (p <= 0.025) == (low > -0.03)
        verdicts.add(bool(p <= 0.025))
    assert verdicts == {True, False}


def test_a_loss_of_the_margin_itself_is_not_excluded() -> None:
    """Where the difference is the margin or more, p is 1; of equal sides it falls with images."""
    one, other = paired(80, 0, 2, 18)
    assert loss_p(one, other, 0.02) == loss_p(one, other, 0.01) == 1
    few, many = (loss_p(right(n // 2, n), right(n // 2, n), 0.01) for n in (100, 3000))
    assert 1e-12 < many < 0.001 < few


@pytest.mark.parametrize(
    ("chains", "rejected"),
    [
        ({"a": [0.02, 0.001, 0.03, 0.001]}, {"a": 2}),
        ({"a": [0.02], "b": [0.02]}, {"a": 0, "b": 0}),  # Bonferroni: 0.0125 each
        ({"a": [0.01], "b": [0.02]}, {"a": 1, "b": 1}),  # and Holm
        ({"a": [0.01, 0.03], "b": [0.02]}, {"a": 1, "b": 0}),  # a is not done
        ({"a": [0.001] * 3, "b": [0.02, 0.5], "c": [0.0125]}, {"a": 3, "b": 1, "c": 1}),
        ({"a": []}, {"a": 0}),
    ],
)
def test_chains_share_the_level(chains: dict[str, list[float]], rejected: dict[str, int]) -> None:
    """In order within a chain, by equal parts between them; who is done leaves its part."""
    assert passed_in_order(chains) == rejected
    backwards = dict(reversed(chains.items()))
    assert passed_in_order(backwards) == rejected
