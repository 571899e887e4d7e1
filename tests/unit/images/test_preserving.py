"""What a conversion gives up: nothing, unless it was said by name."""

import imagecodecs
import numpy as np
import pytest
from image_files import difference, in_srgb, opened, photograph, profile, saved, tiff
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.images.decoding import Decoding
from jpegprep.images.preserving import (
    DEEP,
    EXTRA,
    FRAMES,
    NO_PICTURE,
    NO_ROOM,
    NOTHING,
    TRANSPARENT,
    Giving,
    asked,
    giving,
    made,
)
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant

SMALLER = parse_variant("jpeg-q50-smaller")
RGB = np.asarray(photograph())
DEEP_PNG = imagecodecs.png_encode(RGB.astype(np.uint16) * 257)


def clear(share: int = 100) -> Image.Image:
    """Return the photograph with a part of it less than opaque."""
    image = photograph().convert("RGBA")
    image.paste((255, 0, 0, share), (0, 0, 30, 30))
    return image


def frames(kind: str) -> bytes:
    """Return a file of three frames or pages."""
    others = [photograph().rotate(90 * i) for i in (1, 2)]
    return saved(photograph(), kind, save_all=True, append_images=others)


HELD = {
    "16-bit PNG": (DEEP_PNG, DEEP),
    "gray 16-bit PNG": (saved(Image.fromarray(RGB[:, :, 0].astype(np.uint16)), "PNG"), DEEP),
    "float TIFF": (tiff((RGB / 255).astype(np.float32), photometric="rgb"), DEEP),
    "10-bit AVIF": (imagecodecs.avif_encode(RGB.astype(np.uint16), bitspersample=10), DEEP),
    "alpha": (saved(clear(), "PNG"), TRANSPARENT),
    "alpha of WebP": (saved(clear(), "WEBP", lossless=True), TRANSPARENT),
    "clear palette": (saved(photograph().quantize(8), "PNG", transparency=3), TRANSPARENT),
    "APNG": (frames("PNG"), FRAMES),
    "WebP": (frames("WEBP"), FRAMES),
    "GIF": (frames("GIF"), FRAMES),
    "pages": (frames("TIFF"), FRAMES),
    "infrared": (
        tiff(np.dstack([RGB, RGB[:, :, :1]]), photometric="rgb", extrasamples=["unspecified"]),
        EXTRA,
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_what_holds_more_than_jpeg_stays(name: str) -> None:
    """The file is not replaced, and the reason is told."""
    data, why = HELD[name]
    found = made("a/x.img", data, SMALLER, NOTHING)
    assert (found.data, found.why, found.size) == (None, why, (64, 48))


@pytest.mark.parametrize("name", HELD)
def test_what_is_given_up_by_name_is_converted(name: str) -> None:
    """Each by its own word, and the others do not do."""
    data, why = HELD[name]
    words = {DEEP: Giving(depth=True), TRANSPARENT: Giving(alpha="white")}
    words[FRAMES] = Giving(frames=True)
    for word, given in words.items():
        found = made("x", data, parse_variant("jpeg-q50"), given)
        assert (found.data is None) == (word != why)
        if found.data is not None:
            assert found.data.startswith(b"\xff\xd8\xff")
            assert found.data == treat(data, parse_variant("jpeg-q50"), how=given.decoding)


@pytest.mark.parametrize(
    "data",
    [
        *(saved(photograph().convert(mode), "PNG") for mode in ("RGBA", "LA", "P", "L")),
        saved(photograph(), "MPO", save_all=True, append_images=[photograph()]),
        saved(clear(255), "PNG"),
    ],
    ids=["opaque RGBA", "opaque LA", "palette", "gray", "preview", "opaque"],
)
def test_an_opaque_alpha_channel_and_a_preview_are_nothing(data: bytes) -> None:
    """Such files are replaced."""
    found = made("x", data, SMALLER, NOTHING)
    assert found.data == treat(data, parse_variant("jpeg-q50"))
    assert found.why is None


def test_bands_and_unread_formats_are_no_images() -> None:
    """They have no size, and a reason."""
    bands = tiff(np.zeros((9, 9, 13), np.uint16), planarconfig="contig")
    assert made("x.tif", bands, SMALLER, NOTHING)[:3] == (None, NO_PICTURE, None)
    assert made("x.dng", b"raw", SMALLER, NOTHING)[:3] == (None, "not read: .dng", None)
    preview = made("x.nef", tiff(RGB), SMALLER, NOTHING)
    assert preview[:3] == (None, "not read: .nef", None)
    with pytest.raises(Exception, match="cannot identify"):
        made("x.jpg", b"no image", SMALLER, NOTHING)


# Metadata


def test_metadata_are_taken_along_or_left_out() -> None:
    """With the same pixels, and what is left out is counted."""
    block = Image.Exif()
    block[271] = "Maker"
    data = saved(photograph(), "PNG", icc_profile=profile(), exif=block, dpi=(300, 300))
    kept = made("x", data, SMALLER, NOTHING)
    stripped = made("x", data, SMALLER, Giving(metadata=True))
    assert kept.data and stripped.data
    assert stripped.data == treat(data, parse_variant("jpeg-q50"))
    assert np.array_equal(opened(kept.data), opened(stripped.data))
    assert opened(kept.data).info["icc_profile"] == profile()
    assert opened(kept.data).getexif()[271] == "Maker"
    assert not {"icc_profile", "exif"} & set(opened(stripped.data).info)
    assert kept.left_out == 0
    assert stripped.left_out == len(profile()) + len(block.tobytes()) - len(b"Exif\0\0")


def test_no_smaller_compares_files_with_their_metadata() -> None:
    """A picture that JPEG makes larger stays, however much its metadata take; stripped or not."""
    small = saved(photograph(), "JPEG", quality=20, icc_profile=profile() + bytes(20_000))
    for given in (NOTHING, Giving(metadata=True)):
        found = made("x", small, parse_variant("jpeg-q80-smaller"), given)
        assert (found.data, found.why) == (None, None)
    again = made("x", small, parse_variant("jpeg-q80"), NOTHING)
    assert again.data and len(again.data) > len(small)


def test_a_file_whose_metadata_jpeg_cannot_hold_stays() -> None:
    """Unless they are not wanted."""
    data = saved(photograph(), "WEBP", lossless=True, xmp=b"x" * 70_000)
    assert made("x", data, SMALLER, NOTHING).why == NO_ROOM
    stripped = made("x", data, SMALLER, Giving(metadata=True))
    assert stripped.data == treat(data, parse_variant("jpeg-q50"))
    assert stripped.left_out == 70_000


def test_a_profile_keeps_the_colours() -> None:
    """The JPEG of a Display P3 file shows, in sRGB, what its source shows."""
    image = photograph(451, 300, "chelsea.png")
    data = saved(image, "PNG", icc_profile=profile())
    found = made("x", data, parse_variant("jpeg-q95"), NOTHING)
    assert found.data
    shown = opened(found.data)
    assert shown.info["icc_profile"] == profile()
    shown_right, right = in_srgb(shown), in_srgb(image)
    assert difference(shown_right, right) < 2  # what JPEG itself costs at quality 95
    assert difference(shown, right) > 4  # without the profile
    casts = (shown_right - right).mean(axis=(0, 1))
    assert np.abs(casts).max() < 0.2


# Words


@pytest.mark.parametrize(
    "given",
    [
        NOTHING,
        Giving(metadata=True),
        Giving(depth=True, decoding=Decoding((0.1, 4095.5), (-1e-9, 0.3))),
        Giving(True, "black", True, True, Decoding((-1024, 3071), (0, 1), "black")),
        Giving(alpha="drop", decoding=Decoding(alpha="drop")),
    ],
)
def test_what_is_asked_is_a_text_and_back(given: Giving) -> None:
    """Behind the variant, as the target's record keeps it, to the last bit."""
    assert asked(f"jpeg-q7-smaller{given}") == (parse_variant("jpeg-q7-smaller"), given)


def test_the_command_line_is_understood() -> None:
    """Empty is nothing; 8 bits without a range are measured."""
    assert giving() == giving("keep", "", "copy", "copy", "keep") == (NOTHING, False)
    assert giving("8") == giving("8", "measured") == (Giving(depth=True), True)
    assert giving("8", "full") == (Giving(depth=True), False)
    ranged = Decoding((0.0, 4095.0), (0.0, 4095.0), "black")
    assert giving("8", "0,4095", "black") == (Giving(True, "black", decoding=ranged), False)
    assert giving(frames="first", metadata="strip") == (Giving(frames=True, metadata=True), False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"depth": "16"}, "depth is '16'; it is 8 or keep"),
        ({"alpha": "green"}, "alpha is 'green'; it is white, black, drop or copy"),
        ({"frames": "last"}, "frames is 'last'; it is first or copy"),
        ({"metadata": "no"}, "metadata is 'no'; it is keep or strip"),
        ({"range": "0,1"}, "range is '0,1', and depth is not 8"),
        ({"depth": "8", "range": "1"}, "range is '1'; it is measured, full, or LOW,HIGH"),
        ({"depth": "8", "range": "5,5"}, "range is '5,5'; it is measured"),
        ({"depth": "8", "range": "0,inf"}, "range is '0,inf'; it is measured"),
        ({"depth": "8", "range": "0,nan"}, "range is '0,nan'; it is measured"),
        ({"depth": "8", "range": "a,b"}, "range is 'a,b'; it is measured"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(words: dict[str, str], message: str) -> None:
    """It names the word, what was said, and what is right."""
    with pytest.raises(UserError) as error:
        giving(**words)
    assert message in str(error.value)


@pytest.mark.parametrize(("kind", "stays"), [("JPEG", False), ("PNG", True)])
def test_what_is_said_to_be_left_out_is_not_in_the_file(kind: str, stays: bool) -> None:
    """Free savings without metadata: a JPEG loses its camera, a PNG keeps it, and says so."""
    told = Image.Exif()
    told[0x010F] = "a camera" * 20
    options = {"compress_level": 1} if kind == "PNG" else {}
    data = saved(photograph(), kind, exif=told, **options)
    found = made(f"a.{kind.lower()}", data, parse_variant("original-opt"), Giving(metadata=True))
    assert found.data is not None
    assert (b"a camera" in found.data) is stays
    assert (found.left_out == 0) is stays
