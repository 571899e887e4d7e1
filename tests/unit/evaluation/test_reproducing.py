"""A published number and ours: intervals that cover where both are one truth, and what shows."""

from math import inf, isnan, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from jpegprep.evaluation.reproducing import (
    BORNE_OUT,
    NOT_BORNE_OUT,
    OPEN,
    TRAINING,
    Estimate,
    Training,
    accuracy_of_one_run,
    difference_of_one_run,
    judged,
    less,
    of_a_part,
    relative,
    rounded,
    training_of_pairs,
    training_of_seeds,
    widened,
)
from jpegprep.evaluation.stats import accuracy_interval, difference_interval

STUDIES = 400


def trained(
    rng: np.random.Generator,
    seeds: int,
    images: int | npt.NDArray[np.float64],
    deviation: float,
    truth: float = 0.8,
) -> npt.NDArray[np.bool_]:
    """Return whether networks are right, (seeds, images): some images are hard for all of them.

    A network's accuracy varies by `deviation` from training to training. Images are as many new
    ones, or these: how hard each is.
    """
    hard = rng.standard_normal(images) if isinstance(images, int) else images
    slope = norm.pdf(norm.ppf(truth))
    of_seed = norm.ppf(truth) + deviation / slope * rng.standard_normal((seeds, 1))
    rest = sqrt(0.3) * rng.standard_normal((seeds, len(hard)))
    return of_seed + sqrt(0.7) * hard + rest > 0


def found_in_a_study(
    rng: np.random.Generator, seeds: int, images: int, deviation: float, shift: float = 0.0
) -> Estimate:
    """Return ours less theirs: one run of theirs, several seeds of ours, each on its own images."""
    theirs = trained(rng, 1, images, deviation).mean()
    ours = trained(rng, seeds, images, deviation, 0.8 + shift)
    training = training_of_seeds(ours.mean(axis=1).tolist())
    found = Estimate(*accuracy_interval(ours)[:3])
    found = widened(found, training) if seeds == 1 else found
    return less(found, accuracy_of_one_run(float(theirs), images, training))


@pytest.mark.parametrize(
    ("seeds", "images", "deviation"),
    [(1, 1128, 0.0), (1, 1128, 0.01), (1, 12000, 0.01), (3, 1128, 0.01), (5, 12000, 0.01)],
)
def test_a_faithful_reproduction_holds_0(seeds: int, images: int, deviation: float) -> None:
    """The same data, recipe and network: nine of ten differences, and more, hold 0."""
    rng = np.random.default_rng(seeds + images)
    found = [found_in_a_study(rng, seeds, images, deviation) for _ in range(STUDIES)]
    assert np.mean([x.low <= 0 <= x.high for x in found]) > 0.93


def test_another_accuracy_is_found() -> None:
    """Of networks that are six points better nearly all differences exclude 0."""
    rng = np.random.default_rng(0)
    found = [found_in_a_study(rng, 5, 1128, 0.005, 0.06) for _ in range(100)]
    assert np.mean([x.low > 0 for x in found]) > 0.8
    one = [found_in_a_study(rng, 1, 1128, 0.005, 0.06) for _ in range(100)]
    assert np.mean([x.low > 0 for x in one]) > 0.6


def test_the_test_images_alone_are_too_narrow() -> None:
    """Where training varies, Wilson's intervals of both runs say "differs" of the same recipe."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(STUDIES):
        sides = [float(trained(rng, 1, 12000, 0.01).mean()) for _ in range(2)]
        bounds = [proportion_confint(x * 12000, 12000, method="wilson") for x in sides]
        found = less(Estimate(sides[0], *bounds[0]), Estimate(sides[1], *bounds[1]))
        held += found.low <= 0 <= found.high
    assert held / STUDIES < 0.6


@pytest.mark.parametrize(("seeds", "images"), [(1, 1128), (1, 12000), (5, 1128)])
def test_a_published_drop_is_compared_with_both_runs_varying(seeds: int, images: int) -> None:
    """The same true drop: the difference of both drops holds 0 in nine of ten, and more."""
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(STUDIES):
        hard = rng.standard_normal((2, images))
        sides = [
            [trained(rng, count, hard[side], 0.01, truth) for truth in (0.8, 0.78)]
            for side, count in enumerate((1, seeds))
        ]
        theirs = float(sides[0][1].mean() - sides[0][0].mean())
        ours = difference_interval(sides[1][1], sides[1][0])
        parts = (ours.spread.seed, ours.spread.image, ours.spread.rest)
        training = training_of_pairs(seeds, images, parts)
        found = Estimate(ours.difference, ours.low, ours.high)
        found = widened(found, training) if seeds == 1 else found
        bounds = less(found, difference_of_one_run(theirs, images, parts, training))
        held += bounds.low <= 0 <= bounds.high
    assert held / STUDIES > 0.93


def test_two_samples_are_newcombes() -> None:
    """56 of 70 and 48 of 80: his method 10 gives 0.0524 to 0.3339 (Newcombe 1998, Table II)."""
    one, other = (
        Estimate(count / images, *proportion_confint(count, images, method="wilson"))
        for count, images in ((56, 70), (48, 80))
    )
    found = less(one, other)
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_seeds_tell_how_training_varies() -> None:
    """Their standard deviation, with one degree less than seeds; of one seed it is taken."""
    assert training_of_seeds([0.8, 0.82, 0.84]) == pytest.approx((0.02, 2))
    assert training_of_seeds([0.8]) == (TRAINING, inf)
    assert training_of_pairs(1, 500, (0.0, 0.1, 0.0)) == pytest.approx((TRAINING * sqrt(2), inf))
    assert training_of_pairs(4, 500, (1e-4, 0.1, 0.05)) == pytest.approx((sqrt(2e-4), 3))
    assert Training(0.02, 2).arm == pytest.approx(0.02 * t.ppf(0.975, 2))
    assert Training(0.01, inf).arm == pytest.approx(0.0196, abs=1e-5)


def test_a_published_accuracy_varies_with_images_and_training() -> None:
    """Without the one it is Wilson's interval, without the other training's."""
    of_images = accuracy_of_one_run(0.6519, 1128, Training(0.0, inf))
    assert of_images[1:] == pytest.approx(
        proportion_confint(0.6519 * 1128, 1128, method="wilson"), abs=1e-9
    )
    of_training = accuracy_of_one_run(0.6519, 10**9, Training(0.01, inf))
    assert of_training.high - of_training.value == pytest.approx(0.0196, abs=1e-4)


def test_a_published_drop_has_at_least_the_images_that_it_says() -> None:
    """Networks that differ on no image of ours differ on some of theirs: the drop says so."""
    found = difference_of_one_run(-0.1, 1000, (0.0, 0.0, 0.0), Training(0.0, inf))
    assert found.value - found.low == pytest.approx(1.96 * sqrt(0.09 / 1000), rel=1e-3)


def test_rounding_counts() -> None:
    """0.83 may have been anything from 0.825 to 0.835."""
    assert rounded(Estimate(0.83, 0.83, 0.83), 0.005) == pytest.approx((0.83, 0.825, 0.835))
    found = less(Estimate(0.8261, 0.8261, 0.8261), rounded(Estimate(0.83, 0.83, 0.83), 0.005))
    assert found.low < 0 < found.high


def test_a_relative_accuracy_is_of_both() -> None:
    """0.64 of 0.8 with a drop of -0.16 +- 0.02: 0.8 +- 0.025, and a fifth of the base's."""
    exact = relative(Estimate(-0.16, -0.18, -0.14), Estimate(0.8, 0.8, 0.8))
    assert exact == pytest.approx((0.8, 0.775, 0.825))
    wider = relative(Estimate(-0.16, -0.18, -0.14), Estimate(0.8, 0.76, 0.84))
    assert wider == pytest.approx((0.8, 0.765, 0.835))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.009, 0.03, BORNE_OUT),
        (-0.01, 0.03, OPEN),
        (-0.03, 0.03, OPEN),
        (-0.03, -0.002, OPEN),  # a loss, but perhaps a small one
        (-0.03, -0.009, OPEN),
        (-0.03, -0.01, NOT_BORNE_OUT),
        (float("nan"), float("nan"), OPEN),
    ],
)
def test_a_claim_is_judged_by_the_interval(low: float, high: float, verdict: str) -> None:
    """What is to be above -0.01 is so, is not, or may be either."""
    assert judged(Estimate(0.0, low, high), -0.01) == verdict


def test_the_opposite_has_the_opposite_bounds() -> None:
    """Of a loss the greatest gain is the least loss."""
    assert Estimate(-0.02, -0.05, 0.01).negated() == (0.02, -0.01, 0.05)


def population(rng: np.random.Generator) -> list[tuple[npt.NDArray, npt.NDArray]]:
    """Return bytes before and after of the images of 300 classes; classes differ much."""
    classes = []
    for mean, share in zip(rng.gamma(4, 10000, 300), rng.beta(8, 20, 300), strict=True):
        before = mean * rng.gamma(20, 1 / 20, 40)
        classes.append((before, before * share * rng.gamma(50, 1 / 50, 40)))
    return classes


@pytest.mark.parametrize("relative_size", [True, False])
def test_a_part_speaks_of_the_whole(relative_size: bool) -> None:
    """Of 20 classes of 300 the interval covers the whole's value; taken image by image it fails."""
    rng = np.random.default_rng(2)
    whole = population(rng)
    before, after = (np.concatenate([each[i] for each in whole]) for i in range(2))
    truth = after.sum() / before.sum() if relative_size else before.mean()
    covered = {False: 0, True: 0}
    for _ in range(STUDIES):
        drawn = rng.choice(300, 20, replace=False)
        labels = np.repeat(drawn, 40)
        first, second = (np.concatenate([whole[i][side] for i in drawn]) for side in range(2))
        sums = (second, first) if relative_size else (first, np.ones(len(first)))
        for all_classes in covered:
            found = of_a_part(labels, *sums, all_classes)
            covered[all_classes] += found.low <= truth <= found.high
    assert covered[False] / STUDIES > 0.9
    assert covered[True] / STUDIES < 0.6


def test_a_part_of_every_class_is_compared_by_its_images() -> None:
    """Where all classes are there, differences between classes do not widen the interval."""
    rng = np.random.default_rng(3)
    whole = population(rng)[:30]
    truth = np.concatenate([before for before, _ in whole]).mean()
    covered, widths = 0, []
    for _ in range(STUDIES):
        drawn = [rng.choice(before, 6, replace=False) for before, _ in whole]
        found = of_a_part(np.repeat(np.arange(30), 6), np.concatenate(drawn), np.ones(180), True)
        covered += found.low <= truth <= found.high
        widths.append(found.high - found.low)
    assert covered / STUDIES > 0.93
    assert np.mean(widths) < 0.1 * truth


def test_one_class_tells_nothing_of_others() -> None:
    """Of one class, or of classes of one image, there is a value and no interval."""
    for labels, all_classes in (([0, 0, 0], False), ([0, 1, 1], True), ([0, 1, 2], True)):
        found = of_a_part(np.array(labels), np.array([1.0, 2, 3]), np.ones(3), all_classes)
        assert found.value == 2 and isnan(found.low) and isnan(found.high)
