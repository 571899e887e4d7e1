"""The law of a budget: known answers, refusals, and intervals that cover on simulated studies."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri

from jpegprep.evaluation.budget_law import Points, fit, fit_law, hold_out, misfits, refusal
from jpegprep.evaluation.byte_budget import Measured

Errors = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]]
SHARES = np.array([0.125, 0.25, 0.5, 1.0])
SIZES = np.array([8000.0, 3000.0, 1500.0, 900.0, 500.0])


def true_errors(images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]) -> np.ndarray:
    """Return 4 % + 6 % (n / 800)^-0.6 + 1 % (L / 8000)^-0.8."""
    return 0.04 + 0.06 * (images / 800) ** -0.6 + 0.01 * (size / 8000) ** -0.8


def simulated(
    errors: Errors,
    seed: int,
    images: int = 1000,
    repeats: int = 4,
    copies: int = 1,
    sizes: npt.NDArray[np.float64] = SIZES,
    shares: npt.NDArray[np.float64] = SHARES,
) -> Points:
    """Return points of images that are easy or hard at all of them, as those of a probe are.

    An image is wrong where its hardness, and a part that training anew changes, is above a bound.
    `copies` of each image share their hardness, and their group.
    """
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(len(sizes)), len(shares))
    numbers, size = np.tile(800 * shares, len(sizes)), sizes[store]
    bound = ndtri(1 - errors(numbers, size))
    units = images // copies
    hard = np.repeat(rng.standard_normal(units), copies)
    of_point = np.repeat(rng.standard_normal((len(bound), units)), copies, axis=1)
    noise = rng.standard_normal((repeats, len(bound), images))
    # What a draw of a subset does to all images; less where hardly an image is left out.
    shift = 0.06 * np.sqrt(1 / numbers * 100) * rng.standard_normal((repeats, len(bound)))
    parts = (0.8, 0.1, 0.1)
    score = sum(np.sqrt(p) * x for p, x in zip(parts, (hard, of_point, noise), strict=True))
    scale = np.sqrt(1 + (0.06**2) * 100 / numbers)
    wrong = (score + shift[:, :, np.newaxis]) / scale[:, np.newaxis] > bound[:, np.newaxis]
    groups = np.repeat(np.arange(units), copies) if copies > 1 else None
    return Points(wrong, store, numbers, size, groups)


def test_a_law_without_chance_is_found() -> None:
    """Of errors that follow it exactly, with exponents among those that are tried."""
    numbers, size = (x.ravel() for x in np.meshgrid(800 * SHARES, SIZES))
    a, b = 0.1 * 20 ** (8 / 15), 0.1 * 40 ** (7 / 15)
    errors = 0.03 + 0.08 * (numbers / 800) ** -a + 0.02 * (size / 8000) ** -b
    found = fit(errors[np.newaxis], numbers, size, np.ones(len(errors)))
    known = [found.floor, found.of_images, found.images_exponent, found.of_bytes]
    assert np.concatenate([*known, found.bytes_exponent]) == pytest.approx([0.03, 0.08, a, 0.02, b])
    further = found.errors(np.array([1600.0]), np.array([4000.0]))[0, 0]
    assert further == pytest.approx(0.03 + 0.08 * 2**-a + 0.02 * 0.5**-b)


def test_no_term_is_negative() -> None:
    """Errors that rise with the number of images are no gain: A is 0, and nothing is promised."""
    numbers, size = (x.ravel() for x in np.meshgrid(800 * SHARES, SIZES))
    errors = 0.1 + 0.05 * numbers / 800 + 0.01 * (size / 8000) ** -0.5
    found = fit(errors[np.newaxis], numbers, size, np.ones(len(errors)))
    assert found.of_images[0] == 0 and found.of_bytes[0] > 0 and found.floor[0] > 0


def test_intervals_cover() -> None:
    """95 % ones of what was measured, of twice the images, and of the last share held out."""
    studies, at, twice, held = 50, 0, 0, 0
    place = (np.array([800.0, 1600.0]), np.array([1500.0, 1500.0]))
    truth = true_errors(*place)
    for seed in range(studies):
        points = simulated(true_errors, seed)
        law = fit_law(points, 200)
        bounds = [law.interval(float(n), float(size)) for n, size in zip(*place, strict=True)]
        inside = [low <= t <= high for t, (_, low, high) in zip(truth, bounds, strict=True)]
        at, twice = at + inside[0], twice + inside[1]
    assert at >= 0.9 * studies
    assert twice >= 0.9 * studies
    for seed in range(15):
        points = simulated(true_errors, seed)
        rows = points.images == 800
        for found in hold_out(points, rows, [11]):
            held += found.difference[1] <= 0 <= found.difference[2]
    assert held >= 12


def test_copies_widen_what_they_are_told_by() -> None:
    """Each image four times is a quarter of the images: arms are about twice as long."""
    alone, four = (simulated(true_errors, 3, copies=copies) for copies in (1, 4))
    one = np.eye(len(alone.errors))[0]
    assert 1.6 < four.arm(one) / alone.arm(one) < 2.6
    blind = Points(four.wrong, four.store, four.images, four.size)
    assert blind.arm(one) < 0.7 * four.arm(one)


def flat(images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the error of guessing among four classes."""
    return np.full(len(images), 0.75)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        (simulated(flat, 0), "fall with the number of images"),
        (
            simulated(lambda n, size: 0.1 + 0.1 * (n / 800), 0),
            "fall with the number of images",
        ),
        (
            simulated(lambda n, size: 0.05 + 0.06 * (n / 800) ** -0.6, 1),
            "fall with the bytes of an image",
        ),
        (
            simulated(lambda n, size: np.full(len(n), 1e-9), 0),
            "hardly an image is wrong: at most 0",
        ),
        (simulated(true_errors, 0, sizes=SIZES[:2]), "2 stores of different bytes"),
        (simulated(true_errors, 0, shares=SHARES[2:]), "2 numbers of images"),
        (simulated(true_errors, 0, repeats=1), "one repeat does not tell"),
    ],
)
def test_points_that_cannot_fix_it_are_refused(points: Points, why: str) -> None:
    """Labels at random, errors that rise, errors of 0, and too few of anything."""
    assert why in refusal(points)


def flat_in_bytes(
    images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return errors that fall with the number of images alone."""
    return 0.05 + 0.06 * (images / 800) ** -0.6


def test_what_does_not_fall_with_bytes_hardly_ever_passes() -> None:
    """Of 200 such studies none, of which a 95 % interval alone would let five through."""
    passed = [seed for seed in range(200) if not refusal(simulated(flat_in_bytes, seed, 500))]
    assert passed == []


@pytest.mark.parametrize("seed", [0, 111, 139, 215, 277])
def test_where_it_would_pass_more_bytes_are_not_recommended(seed: int) -> None:
    """The five of 400 studies that a 95 % interval lets through, in each of their stores."""
    law = fit_law(simulated(flat_in_bytes, seed), 200)
    for size in SIZES:
        _, _, _, _, by_bytes_low, _, _, _, difference_high = law.next_bytes(800, float(size))
        assert by_bytes_low < 0.0005 and difference_high > 0


def test_points_that_can_are_not() -> None:
    """The law that the others are compared with."""
    points = simulated(true_errors, 0)
    assert refusal(points) == ""
    assert misfits(fit_law(points), 0.01) == ""


def test_another_law_is_refused() -> None:
    """A cliff in bytes below which a third of the images are lost is no power."""

    def cliff(
        images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        return true_errors(images, size) + 0.3 * ((size < 2000) & (images < 500))

    points = simulated(cliff, 0)
    assert refusal(points) == ""
    assert "the law misses a point by" in misfits(fit_law(points), 0.01)


def stops(
    images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return errors that fall to half of the images, and no further."""
    return 0.02 + 0.05 * (np.minimum(images, 400) / 800) ** -0.9 + 0.01 * (size / 8000) ** -0.8


def product(
    images: npt.NDArray[np.float64], size: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return errors to which images matter the more, the smaller they are: no sum of two terms."""
    return 0.02 + 0.04 * (images / 800) ** -0.6 * (size / 8000) ** -0.4


@pytest.mark.parametrize(("errors", "refused"), [(stops, 5), (product, 5), (true_errors, 0)])
def test_a_law_that_does_not_reach_further_is_refused(errors: Errors, refused: int) -> None:
    """What fits all points may promise too much, or too little, of more images."""
    found = []
    for seed in range(5):
        points = simulated(errors, seed)
        names, shares = [f"jpeg-q{k}" for k in range(5)], np.tile(SHARES, 5)
        law, why = Measured(points, names, SIZES, shares, 1000, 4).law(0.01)
        assert (law is None) == ("misses" in why)
        found.append(law is None)
    assert sum(found) == refused


def test_between_two_shares_the_measured_errors_are_joined() -> None:
    """Linear in log n; outside of what was tried there is nothing."""
    points = simulated(true_errors, 0)
    weights = points.at(1, 800 * np.sqrt(0.5))
    assert weights is not None
    assert weights[[6, 7]] == pytest.approx([0.5, 0.5]) and weights.sum() == pytest.approx(1)
    assert points.at(1, 99) is None and points.at(1, 801) is None
    whole = points.at(1, 800)
    assert whole is not None and whole @ points.errors == points.errors[7]


def test_the_next_bytes_go_where_error_still_falls() -> None:
    """Much is to be gained by images and nearly nothing by bytes, and the other way round."""
    of_images = simulated(
        lambda n, size: 0.02 + 0.2 * (n / 800) ** -0.5 + 0.002 * (size / 8000) ** -1, 0
    )
    _, low, high, *_, least, most = fit_law(of_images).next_bytes(800, 8000)
    true_gain = 0.2 * (1 - 1.1**-0.5)
    assert low < true_gain < high and least > 0
    of_bytes = simulated(
        lambda n, size: 0.01 + 0.02 * (n / 800) ** -0.5 + 0.05 * (size / 8000) ** -0.7, 0
    )
    *_, least, most = fit_law(of_bytes).next_bytes(800, 500)
    assert most < 0


def test_the_simulation_is_what_it_says() -> None:
    """Its errors are the true ones, or nothing above would be about them."""
    points = [simulated(true_errors, seed) for seed in range(30)]
    mean = np.mean([p.errors for p in points], axis=0)
    assert mean == pytest.approx(true_errors(points[0].images, points[0].size), abs=0.01)
