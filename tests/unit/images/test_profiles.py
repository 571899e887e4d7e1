"""Colour profiles: told by what they do, and converted as the standards' formulas say."""

import numpy as np
import pytest
from image_files import DISPLAY_P3, SRGB, difference, in_srgb, opened, photograph, profile, saved
from PIL import Image, ImageCms

from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode, plain
from jpegprep.images.opencv import decode_rgb
from jpegprep.images.profiles import mode_of, not_srgb
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant
from jpegprep.learners.features import extract

WIDE = Decoding(icc="srgb")


def littlecms_srgb() -> bytes:
    """Return the profile that LittleCMS calls sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_profile_is_srgb_by_what_it_does() -> None:
    """Its name does not matter: what LittleCMS makes, and what these formulas make."""
    assert not_srgb(littlecms_srgb()) is None
    assert not_srgb(profile(SRGB, "Not at all sRGB")) is None
    assert not_srgb(profile(DISPLAY_P3, "sRGB")) == "sRGB"
    assert not_srgb(profile(name="Display P3")) == "Display P3"


@pytest.mark.parametrize(
    ("name", "found"),
    [("rocket.jpg", "Adobe RGB (1998)"), ("page.png", "Dot Gain 20%"), ("chelsea.png", None)],
)
def test_profiles_of_real_files(photos: object, name: str, found: str | None) -> None:
    """Adobe RGB and the grays of print are named; what is called sRGB and is it is not."""
    with Image.open(f"{photos}/{name}") as image:
        assert not_srgb(image.info["icc_profile"]) == found


@pytest.mark.parametrize("junk", [b"x", b"profile" * 2000, profile()[:200], b"\0" * 128])
def test_a_damaged_profile_is_none(junk: bytes) -> None:
    """It changes no colour, and ends nothing."""
    assert not_srgb(junk) is None
    assert mode_of(junk) is None
    data = saved(photograph(), "PNG", icc_profile=junk)
    assert np.array_equal(decode(data, WIDE), photograph())


def test_the_default_takes_the_numbers_as_they_are() -> None:
    """As training code does: a profile changes nothing, by Pillow or by OpenCV."""
    data = saved(photograph(), "PNG", icc_profile=profile())
    assert np.array_equal(decode_rgb(data), photograph())
    assert plain(data) == data


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_display_p3_becomes_srgb_by_the_standards_formulas(kind: str) -> None:
    """Within rounding of IEC 61966-2-1 and SMPTE EG 432-1, whatever the format."""
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    data = saved(photograph(), kind, icc_profile=profile(), **lossless)
    expected = in_srgb(opened(data).convert("RGB"))
    assert difference(photograph(), expected) > 5  # it matters
    for found in (decode(data, WIDE), decode_rgb(data, WIDE), opened(plain(data, WIDE))):
        assert np.abs(np.asarray(found) - expected).max() <= 1


def test_original_and_variant_have_the_same_colours() -> None:
    """The variant is made of converted pixels, and is converted no second time."""
    data = saved(photograph(), "PNG", icc_profile=profile())
    variant = treat(data, parse_variant("jpeg-q95"), how=WIDE)
    assert variant == saved(Image.fromarray(decode_rgb(data, WIDE)), "JPEG", quality=95)
    assert np.array_equal(decode_rgb(variant, WIDE), decode_rgb(variant))
    noise = treat(data, parse_variant("noise"), "key", WIDE)
    assert np.array_equal(decode(noise, WIDE), decode(noise))


def test_tabular_features_of_a_profile_are_of_the_converted_colours() -> None:
    """What the file stores are coefficients of other colours than the variants'."""
    jpeg = saved(photograph(), "JPEG", quality=100, icc_profile=profile())
    kinds = ["dct", "dct_stored", "pixels"]
    own, converted = extract(jpeg, kinds, 4), extract(jpeg, kinds, 4, WIDE)
    assert not np.array_equal(own, converted)
    expected = saved(decode(jpeg, WIDE), "JPEG", quality=100)
    assert np.array_equal(converted[:-48], extract(expected, kinds, 4)[:-48])
    assert np.array_equal(converted[-48:], extract(plain(jpeg, WIDE), kinds, 4)[-48:])


def test_gray_and_print_are_converted_in_their_own_way(photos: object) -> None:
    """A gray profile changes grays; a profile of RGB on a gray file, which is none, nothing."""
    with open(f"{photos}/page.png", "rb") as file:  # noqa: PTH123
        gray = file.read()
    converted = decode(gray, WIDE)
    assert converted.mode == "L"
    assert difference(converted, decode(gray)) > 3
    odd = saved(photograph().convert("L"), "PNG", icc_profile=profile())
    assert np.array_equal(decode(odd, WIDE), decode(odd))


def test_a_palette_and_a_transparent_image_are_converted() -> None:
    """What is laid on white is converted then; a palette becomes RGB first."""
    palette = photograph().quantize(64)
    data = saved(palette, "PNG", icc_profile=profile())
    expected = in_srgb(palette.convert("RGB"))
    assert np.abs(np.asarray(decode(data, WIDE)) - expected).max() <= 1
    clear = photograph().convert("RGBA")
    clear.putalpha(0)
    found = decode(saved(clear, "PNG", icc_profile=profile()), WIDE)
    assert found.getextrema() == ((255, 255),) * 3


def test_profiles_do_not_cost_other_files_their_bytes() -> None:
    """With icc: srgb a file without a profile, or with sRGB's, is what it was."""
    data = saved(photograph(), "PNG")
    assert np.array_equal(decode_rgb(data, WIDE), decode_rgb(data))
    assert treat(data, parse_variant("jpeg-q50"), how=WIDE) == treat(
        data, parse_variant("jpeg-q50")
    )
    tagged = saved(photograph(), "PNG", icc_profile=littlecms_srgb())
    assert np.abs(decode_rgb(tagged, WIDE).astype(int) - decode_rgb(data)).max() <= 1
