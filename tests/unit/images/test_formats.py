"""Formats: who opens what, and what is known by its name alone."""

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from image_files import HEIC, difference, opened, photograph, saved, tiff
from PIL import Image

from jpegprep.images.contents import has_several_frames, is_no_picture
from jpegprep.images.formats import _webp_size, not_read, suffixes
from jpegprep.images.formats import opened as opened_by_all
from jpegprep.images.images import decode, image_format, plain
from jpegprep.images.jpegxl import read_header

RGB = np.asarray(photograph())


def jxl(pixels: Any, **settings: Any) -> bytes:
    """Return a JPEG XL file."""
    return imagecodecs.jpegxl_encode(np.ascontiguousarray(pixels), **settings)


# HEIC


def test_a_lossless_heic_is_the_photograph() -> None:
    """Every value of every pixel, and the format's name."""
    data = (HEIC / "lossless.heic").read_bytes()
    assert image_format(data) == "HEIF"
    assert np.array_equal(decode(data), RGB)


def test_a_turned_heic_of_a_phone_is_upright_once() -> None:
    """Its box turns it; the EXIF block, which says so again, does not."""
    data = (HEIC / "turned.heic").read_bytes()
    assert decode(data).size == (64, 48)
    assert difference(decode(data), RGB) < 4
    assert opened_by_all(data).getexif()[271] == "Maker"


def test_heic_gives_the_same_pixels_every_time() -> None:
    """Two decodings are equal, byte for byte."""
    data = (HEIC / "turned.heic").read_bytes()
    assert len({decode(data).tobytes() for _ in range(5)}) == 1


def test_a_reader_that_knows_pillow_alone_gets_a_png() -> None:
    """AutoGluon opens neither HEIC nor JPEG XL."""
    for data in ((HEIC / "lossless.heic").read_bytes(), jxl(RGB, lossless=True)):
        made = plain(data)
        assert opened(made).format == "PNG"
        assert np.array_equal(opened(made), RGB)


# Giants


def giant(kind: str, width: int, height: int) -> bytes:
    """Return a small file that says it has so many pixels."""
    if kind == "WEBP":  # an animation whose canvas is large (WebP Container Specification)
        turned = [photograph().rotate(180)]
        data = bytearray(saved(photograph(), "WEBP", save_all=True, append_images=turned))
        place = data.index(b"VP8X") + 12
        data[place : place + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(
            3, "little"
        )
    else:  # its image header, and its codestream's (ITU-T T.800)
        data = bytearray(saved(photograph(), "JPEG2000"))
        size = struct.pack(">II", height, width)
        place = data.index(b"ihdr") + 4
        data[place : place + 8] = size
        place = data.index(b"\xff\x4f\xff\x51") + 8
        data[place : place + 8] = size[4:] + size[:4]
    return bytes(data)


@pytest.mark.parametrize(("kind", "most"), [("WEBP", 100), ("JPEG2000", 80)])
def test_a_giant_canvas_is_refused_before_it_is_made(kind: str, most: int) -> None:
    """Their readers hold a picture several times: such a file would take more than 2 GiB."""
    side = int((most * 1e6) ** 0.5)
    assert opened_by_all(giant(kind, side, side)).size == (side, side)
    data = giant(kind, side + 1, side + 1)
    assert opened(data).size == (side + 1, side + 1)  # Pillow takes it
    with pytest.raises(Image.DecompressionBombError):
        opened_by_all(data)
    with pytest.raises(ValueError, match=f"over {most},000,000 pixels in {kind}"):
        decode(data)


@pytest.mark.parametrize("settings", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0"}])
def test_the_size_of_a_webp_is_known_before_pillow_opens_it(settings: dict[str, Any]) -> None:
    """In each of the three kinds of its first chunk: its canvas is made when it is opened."""
    data = saved(photograph(301, 200), "WEBP", **settings)
    assert _webp_size(data) == opened(data).size == (301, 200)
    assert _webp_size(data[:24])[0] < 16_384
    assert _webp_size(saved(photograph(), "PNG")) == (0, 0)


def test_the_largest_canvas_takes_no_memory() -> None:
    """Pillow would make it, 2 GiB of it, before it says that it is too large."""
    tracked = Path("/proc/self/status")
    if not tracked.exists():
        pytest.skip("this system tells nothing of a process's memory")
    before = _peak(tracked)
    with pytest.raises(Image.DecompressionBombError):
        opened_by_all(giant("WEBP", 16_383, 16_383))
    assert _peak(tracked) - before < 100 << 10


def _peak(status: Path) -> int:
    """Return the most memory that this process has had, in KiB."""
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
    assert found
    return int(found[1])


# Faxes


def fax(scheme: str, width: int = 301, **tags: int) -> bytes:
    """Return the photograph in black and white, in a TIFF file compressed as a fax."""
    numbers = {"photometric": 262, "order": 266, "turned": 274}
    about = {numbers[name]: value for name, value in tags.items()}
    image = photograph(width, 200).convert("1")
    return saved(image, "TIFF", compression=scheme, tiffinfo=about)


@pytest.mark.parametrize("scheme", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("tags", [{"photometric": 0}, {"photometric": 1, "order": 2, "turned": 6}])
@pytest.mark.parametrize("width", [301, 304])
def test_a_fax_is_what_pillow_reads(scheme: str, tags: dict[str, int], width: int) -> None:
    """Black and white as they are, whichever of them is 0, upright, of any width."""
    data = fax(scheme, width, **tags)
    by_pillow, ours = opened(data), opened_by_all(data)
    assert (ours.mode, ours.size) == (by_pillow.mode, by_pillow.size)
    by_pillow.load()
    assert decode(data).tobytes() == by_pillow.tobytes()


def test_a_damaged_fax_is_one_picture() -> None:
    """Rows that cannot be read are no memory of the process, which is another each time."""
    for place in (0.3, 0.5, 0.7):
        data = bytearray(fax("group4"))
        start = int(place * len(data))
        data[start : start + 16] = bytes(16)
        found = set()
        for i in range(8):
            found.add(decode(bytes(data)).tobytes())
            memory = [bytes([29 * i]) * size for size in (100, 1000, 7600, 7680) for _ in range(30)]
            del memory
        assert len(found) == 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_cut_heic_is_refused(share: float) -> None:
    """By the one error that callers expect."""
    data = (HEIC / "turned.heic").read_bytes()
    with pytest.raises(ValueError, match="no readable image"):
        decode(data[: int(share * len(data))])


# JPEG XL


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize(
    ("mode", "header"),
    [
        ("L", {"gray": True, "alpha": False}),
        ("LA", {"gray": True, "alpha": True}),
        ("RGB", {"gray": False, "alpha": False}),
        ("RGBA", {"gray": False, "alpha": True}),
    ],
)
def test_a_lossless_jpeg_xl_is_the_photograph(
    mode: str, header: dict[str, bool], container: bool
) -> None:
    """In every mode, bare or in a container, as the header says before."""
    pixels = np.asarray(photograph().convert(mode))
    data = jxl(pixels, lossless=True, usecontainer=container)
    found = decode(data)
    assert (found.mode, found.size) == (mode, (64, 48))
    assert np.array_equal(found, pixels)
    told = read_header(data)
    assert (told.width, told.height, told.bits, told.floating) == (64, 48, 8, False)
    assert {name: getattr(told, name) for name in header} == header
    assert told.srgb and not told.animated and not told.others


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 16), (300, 7), (1000, 2), (70_000, 3)])
def test_the_header_has_the_size(width: int, height: int) -> None:
    """Small and large, square and long sides are each written in another way."""
    told = read_header(jxl(np.zeros((height, width), np.uint8), lossless=True))
    assert (told.width, told.height) == (width, height)


def test_lossy_jpeg_xl_and_one_made_of_a_jpeg() -> None:
    """Both are read; the second is what the JPEG file shows."""
    image = photograph(300, 200)
    assert difference(decode(jxl(image, level=95)), image) < 3
    jpeg = saved(image, "JPEG", quality=90)
    data = imagecodecs.jpegxl_encode_jpeg(jpeg)
    assert difference(decode(data), opened(jpeg)) < 1.5
    assert read_header(data).srgb


def test_an_animated_jpeg_xl_is_its_first_frame() -> None:
    """And is known to have others."""
    frames = np.stack([RGB, RGB[::-1], RGB[:, ::-1]])
    data = jxl(frames, lossless=True, photometric="RGB")
    assert read_header(data).animated
    assert has_several_frames(data)
    assert np.array_equal(decode(data), RGB)
    assert not has_several_frames(jxl(RGB, lossless=True))


def test_other_colours_of_jpeg_xl_are_known() -> None:
    """The encoder writes floating-point numbers as linear light, which is not sRGB."""
    assert not read_header(jxl((RGB / 255).astype(np.float32), lossless=True)).srgb


def test_a_cut_or_damaged_jpeg_xl_is_refused() -> None:
    """Cut anywhere, or with any of its first bytes changed: a picture or the one error."""
    data = jxl(RGB, lossless=True, usecontainer=True)
    for share in (0.001, 0.01, 0.3, 0.9):
        with pytest.raises(ValueError, match="no readable image"):
            decode(data[: int(share * len(data))])
    draw = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(data)
        broken[draw.integers(0, 120)] = draw.integers(0, 256)
        try:
            decode(bytes(broken))
        except ValueError as error:
            assert "no readable image" in str(error)


def test_a_jpeg_xl_that_claims_to_be_huge_is_refused() -> None:
    """Before memory is taken."""
    bits = "0" + "11" + f"{(1 << 30) - 1:030b}"[::-1] + "001" + "1"  # as many rows, square, usual
    packed = int(bits[::-1], 2).to_bytes(5, "little")
    data = b"\xff\x0a" + packed + bytes(50)
    assert read_header(data).width > 1 << 29
    with pytest.raises(Image.DecompressionBombError):
        opened_by_all(data)


# Others


def test_endings_of_what_is_opened() -> None:
    """Those of phones and of JPEG XL are among them; those of cameras' raw files are not."""
    known = suffixes()
    assert {".heic", ".heif", ".hif", ".jxl", ".jpg", ".tif", ".avif", ".webp"} <= known
    assert not {".dng", ".nef", ".cr2", ".dcm", ".svg", ".pdf", ".txt"} & known


@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "b/c.cr2", "x.arw", "s.dcm", "p.psb", "v.svg"])
def test_images_of_formats_that_are_not_read_are_known_by_their_names(name: str) -> None:
    """Their ending is what a user is told."""
    assert not_read(name, b"anything", None) == name[name.rindex(".") :].lower()


def test_the_preview_of_a_raw_file_is_not_taken_for_the_image() -> None:
    """Raw files begin as a TIFF with a small picture, which Pillow opens."""
    preview = tiff(RGB[:10])
    assert opened(preview).size == (64, 10)
    assert not_read("a.nef", preview, "TIFF") == ".nef"
    assert not_read("a.tif", preview, "TIFF") is None
    assert not_read("a.dng", saved(photograph(), "JPEG"), "JPEG") is None  # only called so


def test_dicom_says_what_it_is_without_an_ending() -> None:
    """As files of scanners are often called by a number."""
    assert not_read("IM000001", bytes(128) + b"DICM" + bytes(9), None) == ".dcm"
    assert not_read("notes.txt", b"a text", None) is None


def test_a_photoshop_file_is_read_where_it_holds_the_picture() -> None:
    """Pillow reads the merged picture of many; what it does not open is named."""
    assert not_read("a.psd", b"8BPS", "PSD") is None
    assert not_read("a.psd", b"8BPS of 16 bits", None) == ".psd"


BANDS: dict[str, Callable[[], bytes]] = {
    "13 of 16 bits": lambda: tiff(np.zeros((8, 9, 13), np.uint16), planarconfig="contig"),
    "13 of 8 bits": lambda: tiff(np.zeros((8, 9, 13), np.uint8), planarconfig="contig"),
    "13 planes": lambda: tiff(
        np.zeros((13, 8, 9), np.float32), photometric="minisblack", planarconfig="separate"
    ),
    "2 of floats": lambda: tiff(
        np.zeros((8, 9, 2), np.float32), photometric="minisblack", planarconfig="contig"
    ),
    "4 called gray": lambda: tiff(
        np.zeros((8, 9, 4), np.uint16),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unspecified"] * 3,
    ),
    "5 with colours": lambda: tiff(np.zeros((8, 9, 5), np.uint16), photometric="rgb"),
    "complex": lambda: tiff(np.zeros((8, 9), np.complex64)),
}


@pytest.mark.parametrize("kind", BANDS)
def test_channels_that_are_no_picture_are_known(kind: str) -> None:
    """Bands of a satellite and complex numbers are opened, so that they can be named."""
    data = BANDS[kind]()
    image = opened_by_all(data)
    assert (image.format, image.size) == ("TIFF", (9, 8))
    assert is_no_picture(image)
    with pytest.raises(ValueError, match="no picture"):
        decode(data)


def test_pages_of_a_tiff_are_told_from_small_copies() -> None:
    """A pyramid of one picture is one picture; five pages are five."""
    small = np.zeros((24, 32, 3), np.uint8)
    pages = [(RGB, 0), (small, 1), (small[:12, :16], 1)]
    for reduced, several in ((True, False), (False, True)):
        for white in (1, 255):  # of 8 bits, which Pillow opens, and of floats, which it does not
            buffer = io.BytesIO()
            with tifffile.TiffWriter(buffer) as writer:
                for pixels, later in pages:
                    values = pixels if white == 1 else (pixels / white).astype(np.float32)
                    writer.write(values, photometric="rgb", subfiletype=later if reduced else 0)
            assert has_several_frames(buffer.getvalue()) == several
