"""How a data set is decoded: its range is that of its images, and neither of one of them."""

import json
from typing import Any

import numpy as np
import pytest

from jpegprep.images.decoding import USUAL, Decoding, decoding_of, recorded

Rows = list[tuple[str, float, float]]


def scans(count: int, high: float = 4095, scale: str = "integer") -> Rows:
    """Return the percentiles of images of different brightness, below a greatest value."""
    brightness = np.linspace(0.4, 1, count)
    return [(scale, 0.02 * high * share, high * share) for share in brightness.tolist()]


def range_of(rows: Rows, **asked: Any) -> tuple[float, float]:
    """Return the range of a data set of one scale."""
    return decoding_of(asked, rows).range_of(rows[0][0])


def test_the_range_reaches_from_the_darkest_to_the_brightest() -> None:
    """A dark image stays darker than a bright one: brightness may be what the label is about."""
    assert range_of(scans(30)) == (pytest.approx(0.02 * 4095 * 0.4), 4095)
    assert range_of(scans(30, 0.45, "floating")) == (pytest.approx(0.0036), 0.45)


def test_a_rare_class_of_bright_images_is_not_cut_off() -> None:
    """Three bright images of a hundred are no outliers."""
    assert range_of([*scans(97, 1000), *[("integer", 20, 4000)] * 3])[1] == 4000


@pytest.mark.parametrize(("count", "apart"), [(10, 1), (60, 1), (250, 2), (1000, 10)])
def test_a_few_images_that_lie_apart_do_not_set_the_range(count: int, apart: int) -> None:
    """One scan with a burnt-in white of 65535 leaves the others their gray levels."""
    odd: Rows = [("integer", 0, 65535)] * apart
    assert range_of([*scans(count - apart), *odd])[1] == pytest.approx(4095, rel=0.01)


def test_of_few_images_each_counts() -> None:
    """Below ten nobody can tell which one is odd."""
    assert range_of([*scans(8), ("integer", 0, 65535)]) == (0, 65535)


@pytest.mark.parametrize("value", [65535.0, 40_000.0, 33_000.0])
def test_a_range_of_half_the_full_scale_is_the_full_scale(value: float) -> None:
    """Ordinary photographs of 16 bits are as bright as those of 8 bits beside them."""
    assert range_of([("integer", 100, value)] * 5) == (0, 65535)
    assert range_of([("floating", 0.001, value / 65535)] * 5) == (0, 1)


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [
        *(("integer", 30_000, 45_000), ("integer", -1024, 3071), ("integer", 0, 2e9)),
        *(("floating", -1, 1), ("floating", 0, 255), ("floating", 0.1, 0.4)),
    ],
)
def test_other_ranges_are_those_of_the_images(scale: str, low: float, high: float) -> None:
    """A camera's offset, Hounsfield units, counts, and floats of any range are as measured."""
    assert range_of([(scale, low, high)] * 20) == (low, high)


def test_integers_and_floats_have_a_range_each() -> None:
    """Reflectances beside counts do not become black."""
    how = decoding_of({}, [*scans(20), *scans(20, 0.4, "floating")])
    assert how.integer[1] == 4095
    assert how.floating[1] == 0.4


def test_images_of_one_value_have_a_range() -> None:
    """Constant images divide nothing by zero."""
    for scale, value in (("integer", 7.0), ("integer", 0.0), ("floating", 0.3), ("floating", 9.0)):
        low, high = range_of([(scale, value, value)] * 3)
        assert low == value < high


def test_a_range_can_be_given() -> None:
    """What the data set says comes before what was measured; full is the full scale."""
    assert range_of(scans(9), depth={"low": -5, "high": 99}) == (-5, 99)
    assert range_of(scans(9, 0.4, "floating"), depth={"low": 0, "high": 2}) == (0, 2)
    assert range_of(scans(9), depth="full") == (0, 65535)
    assert range_of(scans(9, 0.4, "floating"), depth="full") == (0, 1)
    assert range_of(scans(9), depth="measured") == range_of(scans(9))


def test_without_images_of_many_bits_it_is_the_usual_way() -> None:
    """Then nothing is recorded in shards, and those made before stay what they are."""
    assert decoding_of({}, []) == decoding_of({"depth": "measured"}, []) == USUAL == Decoding()
    assert decoding_of({"alpha": "black", "icc": "srgb"}, []) == Decoding(alpha="black", icc="srgb")


def test_what_is_recorded_comes_back() -> None:
    """Through JSON, to the last bit."""
    how = Decoding((0.1, 4095.7), (-1 / 3, 2e-9), "drop", "srgb")
    assert recorded(json.loads(json.dumps(how.record()))) == how
    assert recorded(None) == recorded({}) == USUAL
