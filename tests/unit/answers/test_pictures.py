"""Pictures of recommendation.html: the real files, parts of large ones, what the network sees."""

import io
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import profile, saved
from PIL import Image

from jpegprep.answers.pictures import LOST, TYPICAL, choose, network_view, picture
from jpegprep.images.decoding import USUAL
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant

STORE = "jpeg-q30"


def in_uri(uri: str) -> bytes:
    """Return the bytes of a data URI."""
    return b64decode(uri.partition("base64,")[2])


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    """Return an image file's pixels as a program without the package reads them."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture(scope="module")
def coffee(photos: Path) -> Image.Image:
    """Return a photograph, 300 x 200 pixels."""
    return Image.open(photos / "coffee.png").convert("RGB").resize((300, 200))


def test_the_files_are_the_stores_own(coffee: Image.Image) -> None:
    """Original and store are there byte for byte, as the shards have them."""
    data = saved(coffee, "JPEG", quality=90)
    found = picture(data, "key", [STORE], USUAL, 160, 1.0)
    stored = treat(data, parse_variant(STORE), "key", USUAL)
    assert in_uri(found.original.uri) == data
    assert in_uri(found.stores[STORE].uri) == stored
    assert (found.original.bytes, found.stores[STORE].bytes) == (len(data), len(stored))
    assert (found.whole, found.width, found.height) == (True, 300, 200)


def test_a_browser_shows_what_the_network_is_given(coffee: Image.Image) -> None:
    """A browser would turn one file and change the colours of the other: pixels stand there."""
    turned = Image.Exif()
    turned[274] = 6
    upright = np.asarray(coffee.transpose(Image.Transpose.ROTATE_270))
    for how, expected in (
        ({"exif": turned}, upright),
        ({"icc_profile": profile()}, np.asarray(coffee)),
    ):
        found = picture(saved(coffee, "PNG", **how), "key", [STORE], USUAL, 160, 1.0)
        shown = Image.open(io.BytesIO(in_uri(found.original.uri)))
        assert "icc_profile" not in shown.info
        assert np.array_equal(np.asarray(shown.convert("RGB")), expected)


def test_of_a_large_image_there_is_the_part_that_differs_most(coffee: Image.Image) -> None:
    """JPEG hurts the one corner that is noise; there it is shown, at its full size."""
    values = np.full((1200, 1600, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    values[900:1100, 1300:1500] = noise
    data = saved(Image.fromarray(values), "PNG")
    found = picture(data, "key", [STORE], USUAL, 160, 1.0, part=256)
    assert (found.whole, found.width, found.height) == (False, 256, 256)
    assert (found.full_width, found.full_height) == (1600, 1200)
    shown, stored = (pixels(in_uri(side.uri)) for side in (found.original, found.stores[STORE]))
    windows = np.lib.stride_tricks.sliding_window_view(shown[:, :, 0], (200, 200))
    tops, lefts = np.nonzero((windows == noise[:, :, 0]).all(axis=(2, 3)))
    top, left = 900 - int(tops[0]), 1300 - int(lefts[0])
    for part, whole in ((shown, values), (stored, pixels(treat(data, parse_variant(STORE))))):
        assert np.array_equal(part, whole[top : top + 256, left : left + 256])


def test_the_view_is_the_networks(coffee: Image.Image) -> None:
    """As validation and test prepare images, but for rounding."""
    from jpegprep.learners.data import eval_transform

    values = np.asarray(coffee)
    for size, crop in ((96, 1.0), (64, 0.875)):
        transform = eval_transform({"image_size": size, "eval_crop": crop})
        expected = transform(values, np.random.default_rng(0)).astype(int)
        found = network_view(values, size, crop)
        assert found.shape == (size, size, 3)
        assert np.abs(found - expected).max() <= 2


def test_those_that_lost_most_and_typical_ones_are_told_apart() -> None:
    """The greatest losses, of several classes where there are some; typical ones lost none."""
    before = np.full(40, 0.9)
    after = np.full(40, 0.88)
    after[[3, 7, 11, 20]] = (0.1, 0.2, 0.3, 0.4)
    labels = np.zeros(40, int)
    labels[[7, 20]] = (1, 2)
    sizes = np.full(40, 50_000)
    sizes[:2] = (900, 4_000_000)
    found = choose(before, after, labels, sizes)
    assert [one.row for one in found if one.why == LOST] == [3, 7, 20]
    typical = [one.row for one in found if one.why == TYPICAL]
    assert len(typical) == 3
    assert not set(typical) & {0, 1, 3, 7, 11, 20}


def test_where_no_image_lost_none_is_said_to_have() -> None:
    """Where a store makes the network surer throughout, there is nothing to show as lost."""
    found = choose(np.full(9, 0.5), np.linspace(0.5, 0.9, 9), np.arange(9) % 3, np.full(9, 9))
    assert {one.why for one in found} == {TYPICAL}
