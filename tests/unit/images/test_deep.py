"""Images of more than 8 bits: their values are read as they stand, and mapped by one range."""

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from image_files import HEIC, difference, photograph, saved, tiff
from PIL import Image

from jpegprep.images import deep, formats
from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode
from jpegprep.images.opencv import decode_rgb

RGB = np.asarray(photograph())
GRAY = np.asarray(photograph().convert("L"))
DEEP = RGB.astype(np.uint16) * 257  # whose full scale shows what the photograph shows
ALPHA = np.broadcast_to(np.arange(64, dtype=np.uint16) * 1000, (48, 64))
Array = np.ndarray[Any, Any]


def values(data: bytes) -> deep.Values:
    """Return the values of a file that has more than 8 bits."""
    image = formats.opened(data)
    assert deep.is_deep(image, data)
    return deep.read(formats.opened(data), data)


def jp2(pixels: Array, bits: int) -> bytes:
    """Return a lossless JPEG 2000 file."""
    return imagecodecs.jpeg2k_encode(pixels, level=0, bitspersample=bits, codecformat="jp2")


RGBA = np.ascontiguousarray(np.dstack([DEEP, ALPHA]))
SEPARATE = {"photometric": "rgb", "planarconfig": "separate"}
# Files of one photograph, lossless, whose white is the full scale.
FULL = {
    "PNG RGB": imagecodecs.png_encode(DEEP),
    "PNG gray": saved(Image.fromarray(GRAY.astype(np.uint16) * 257), "PNG"),
    "TIFF RGB": tiff(DEEP, photometric="rgb"),
    "TIFF RGB, big-endian": tiff(DEEP, photometric="rgb", byteorder=">"),
    "TIFF RGB, LZW, predictor": tiff(DEEP, photometric="rgb", compression="lzw", predictor=True),
    "TIFF RGB, deflate, tiles": tiff(DEEP, photometric="rgb", compression="zlib", tile=(16, 16)),
    "TIFF RGB, planes": tiff(np.moveaxis(DEEP, -1, 0), **SEPARATE),
    "TIFF RGB, BigTIFF": tiff(DEEP, photometric="rgb", bigtiff=True),
    "TIFF RGB called gray": tiff(DEEP, photometric="minisblack", planarconfig="contig"),
    "TIFF gray": tiff(GRAY.astype(np.uint16) * 257, photometric="minisblack"),
    "TIFF gray, white is 0": tiff((255 - GRAY).astype(np.uint16) * 257, photometric="miniswhite"),
    "TIFF float RGB": tiff((RGB / 255).astype(np.float32), photometric="rgb"),
    "TIFF float RGB, planes": tiff(np.moveaxis(RGB / 255, -1, 0).astype(np.float32), **SEPARATE),
    "TIFF float gray": tiff((GRAY / 255).astype(np.float32), photometric="minisblack"),
    "TIFF double gray": tiff(GRAY / 255, photometric="minisblack"),
    "TIFF half gray": tiff((GRAY / 255).astype(np.float16), photometric="minisblack"),
    "JPEG XL, 16 bits": imagecodecs.jpegxl_encode(DEEP, lossless=True),
    "JPEG XL, float": imagecodecs.jpegxl_encode((RGB / 255).astype(np.float32), lossless=True),
    "JPEG 2000, 16 bits": jp2(DEEP, 16),
    "PPM": b"P6\n# a comment\n64 48\n65535\n" + DEEP.astype(">u2").tobytes(),
    "PGM": b"P5 64 48 65535\n" + (GRAY.astype(">u2") * 257).tobytes(),
}


@pytest.mark.parametrize("name", FULL)
def test_the_full_scale_shows_the_photograph_itself(name: str) -> None:
    """Whatever the file, 65535 (of floats 1) is white, 0 black, and what is between is right."""
    found = decode(FULL[name])
    expected = GRAY if "gray" in name and "called" not in name or name == "PGM" else RGB
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("kind", ["TIFF", "JPEG 2000", "JPEG XL"])
def test_fewer_declared_bits_are_on_the_same_scale(kind: str, bits: int) -> None:
    """Of a file that says 10 bits 1023 is white, as 65535 is of 16."""
    pixels = (DEEP >> (16 - bits)).astype(np.uint16)
    data = {
        "TIFF": lambda: packed(pixels, bits),
        "JPEG 2000": lambda: jp2(pixels, bits),
        "JPEG XL": lambda: imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits),
    }[kind]()
    expected = (pixels * (255 / (2**bits - 1))).round()
    assert np.array_equal(decode(data), expected)
    assert np.abs(expected - RGB).max() <= 1


def packed(pixels: Array, bits: int) -> bytes:
    """Return a TIFF file whose values take so many bits each (TIFF 6.0, section 2 and 8)."""
    height, width, channels = pixels.shape
    places = np.arange(bits - 1, -1, -1)
    rows = (pixels.reshape(height, -1, 1) >> places & 1).astype(np.uint8).reshape(height, -1)
    strip = np.packbits(rows, axis=1).tobytes()
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, 134), (259, 3, 1, 1)),
        *((262, 3, 1, 2), (273, 4, 1, 140), (277, 3, 1, channels), (278, 4, 1, height)),
        *((279, 4, 1, len(strip)), (284, 3, 1, 1)),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    head = (b"II*\0" + struct.pack("<I", 8) + directory).ljust(134, b"\0")
    return head + struct.pack("<3H", *[bits] * 3) + strip


@pytest.mark.parametrize("name", ["deep.heic", "deep.avif"])
def test_photographs_of_ten_bits_show_what_they_show_with_eight(name: str) -> None:
    """HEIC and AVIF of 10 bits, both lossy, are the photograph and not a dark one."""
    if name == "deep.avif":
        data = imagecodecs.avif_encode(DEEP >> 6, level=100, bitspersample=10)
    else:
        data = (HEIC / name).read_bytes()
    found = values(data)
    assert found.scale == "integer"
    assert found.colours.max() > 60_000
    assert difference(decode(data), RGB) < 4


def test_twelve_bits_in_a_file_of_sixteen_are_as_they_stand() -> None:
    """What does not say that it has 12 bits is not scaled: the data set's range finds out."""
    scan = GRAY.astype(np.uint16) * 16
    found = values(saved(Image.fromarray(scan), "PNG"))
    assert np.array_equal(found.colours[:, :, 0], scan)
    assert np.array_equal(found.image((0, 4080)), GRAY)
    assert np.array_equal(found.image((0, 65535)), (scan / 257).round())  # 16 gray levels


@pytest.mark.parametrize("kind", ["int16", "int32", "uint32"])
def test_integers_of_other_types_are_as_they_stand(kind: str) -> None:
    """Hounsfield units are negative, counts may pass 65535: the values are those of the file."""
    scan = GRAY.astype(np.int64) * 8 - (1000 if kind.startswith("int") else 0)
    scan = scan * (1000 if kind == "uint32" else 1)
    found = values(tiff(scan.astype(kind), photometric="minisblack"))
    assert np.array_equal(found.colours[:, :, 0], scan)
    low, high = float(scan.min()), float(scan.max())
    expected = ((scan - low) * (255 / (high - low))).round()
    assert np.array_equal(found.image((low, high)), expected)


def test_what_lies_beyond_the_range_is_black_or_white() -> None:
    """Values below and above are cut off, and never wrap around."""
    found = values(tiff(np.array([[-5, 0, 40, 100, 900]], np.int16)))
    assert np.asarray(found.image((0, 100))).tolist() == [[0, 0, 102, 255, 255]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF associated", "JPEG XL"])
def test_transparency_of_many_bits_is_laid_on_white(kind: str) -> None:
    """The alpha channel is read with the colours, and colours multiplied by it are divided."""
    share = (ALPHA / 65535)[:, :, np.newaxis]
    if kind == "TIFF associated":
        multiplied = np.dstack([(DEEP * share).round().astype(np.uint16), ALPHA])
        data = tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"])
    elif kind == "TIFF":
        data = tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"])
    else:
        encode = imagecodecs.png_encode if kind == "PNG" else imagecodecs.jpegxl_encode
        data = encode(RGBA) if kind == "PNG" else encode(RGBA, lossless=True)
    expected = RGB * share + 255 * (1 - share)
    # 8 bits of alpha, and 8 of the colours, are each rounded.
    assert np.abs(np.asarray(decode(data)) - expected).max() <= 2
    assert decode(data).mode == "RGB"


def test_a_transparent_value_of_a_sixteen_bit_png_counts() -> None:
    """A gray that a PNG names as transparent (tRNS) is white, where it is laid on white."""
    scan = GRAY.astype(np.uint16) * 257
    data = saved(Image.fromarray(scan), "PNG", transparency=int(scan[5, 7]))
    expected = np.where(scan == scan[5, 7], 255, GRAY)
    assert np.array_equal(decode(data), expected)


def test_a_turned_image_of_many_bits_is_upright() -> None:
    """The tag of a TIFF file and the EXIF block of a PNG turn it, whoever reads its pixels."""
    turned = np.rot90(DEEP)  # as it is stored under orientation 6
    tag = (274, 3, 1, 6, True)
    assert np.array_equal(decode(tiff(turned, photometric="rgb", extratags=[tag])), RGB)
    floating = (np.rot90(RGB) / 255).astype(np.float32)
    assert np.array_equal(decode(tiff(floating, photometric="rgb", extratags=[tag])), RGB)


def test_cmyk_of_many_bits_is_cmyk() -> None:
    """Four channels of print stay four, as those of 8 bits do."""
    ink = np.asarray(photograph().convert("CMYK"))
    data = tiff(ink.astype(np.uint16) * 257, photometric="separated")
    found = decode(data)
    assert found.mode == "CMYK"
    assert np.array_equal(found, ink)


def test_a_cut_file_of_many_bits_is_refused() -> None:
    """Cut off anywhere before its last bytes, it is an error and never a picture with a rest."""
    for name, data in FULL.items():
        for share in (0.1, 0.5, 0.9):
            with pytest.raises(ValueError, match="no readable image"):
                decode(data[: int(share * len(data))])
            assert name


def test_bombs_of_many_bits_are_refused() -> None:
    """A TIFF file of a few bytes that says it has 10^10 pixels takes no memory."""
    data = tiff(DEEP.astype(np.float32), photometric="rgb")
    for tag, side in ((256, 64), (257, 48)):
        entry = struct.pack("<HHI", tag, 4, 1)
        place = data.index(entry) + len(entry)
        assert data[place : place + 4] == struct.pack("<I", side)
        data = data[:place] + struct.pack("<I", 100_000) + data[place + 4 :]
    with pytest.raises(ValueError, match="no readable image"):
        decode(data)


# Percentiles


def test_percentiles_leave_single_pixels_out() -> None:
    """A dead and a hot pixel of a thousand do not set the range of an image."""
    scan = np.linspace(1000, 3000, 10_000).reshape(100, 100)
    scan[3, 3], scan[50, 50] = 0, 65535
    low, high = values(tiff(scan.astype(np.uint16))).percentiles() or (0, 0)
    assert low == pytest.approx(1002, abs=2)
    assert high == pytest.approx(2998, abs=2)


@pytest.mark.parametrize("none", [np.nan, np.inf, -np.inf, -3.4028234663852886e38, -9999, -1])
def test_what_stands_for_no_value_sets_no_range(none: float) -> None:
    """A third of an image without values leaves the range of the others, and is black."""
    scan = np.linspace(0.2, 0.8, 9000).reshape(90, 100).astype(np.float32)
    scan[:30] = none
    found = values(tiff(scan))
    low, high = found.percentiles() or (0, 0)
    assert low == pytest.approx(0.4, abs=0.01)
    assert high == pytest.approx(0.8, abs=0.01)
    shown = np.asarray(found.image((low, high)))
    assert (shown[:30] == 0).all()
    assert shown[89, 99] == 255


def test_the_no_data_tag_of_gdal_counts() -> None:
    """A value that the file itself calls none is left out, though it is an ordinary number."""
    scan = np.linspace(100, 200, 9000).reshape(90, 100).astype(np.uint16)
    scan[:30] = 60_000
    found = values(tiff(scan, extratags=[(42113, 2, 6, "60000", True)]))
    low, high = found.percentiles() or (0, 0)
    assert 130 < low < 140 and 198 < high <= 200
    assert (np.asarray(found.image((low, high)))[:30] == 0).all()


def test_black_background_and_few_values_are_values() -> None:
    """Neither the black around an X-ray nor a negative class of a mask is taken for none."""
    scan = np.linspace(2000, 3000, 9000).reshape(90, 100).astype(np.uint16)
    scan[:30] = 0
    assert (values(tiff(scan)).percentiles() or (1, 0))[0] == 0
    mask = np.repeat(np.array([-1, 0, 1], np.int16), 3000).reshape(90, 100)
    assert values(tiff(mask)).percentiles() == (-1, 1)


def test_what_transparency_hides_sets_no_range() -> None:
    """Colours under full transparency are nobody's."""
    hidden = RGBA.copy()
    hidden[:, :32, :3], hidden[:, :32, 3] = 65535, 0
    hidden[:, 32:, :3] //= 8
    low, high = values(imagecodecs.png_encode(hidden)).percentiles() or (0, 0)
    assert high < 9000


def test_an_image_without_a_value_has_no_range() -> None:
    """Nothing but NaN is black, and does not end anything."""
    found = values(tiff(np.full((9, 9), np.nan, np.float32)))
    assert found.percentiles() is None
    assert not np.asarray(found.image((0, 1))).any()


# Who is asked


def test_images_of_eight_bits_are_not_deep(photos: Path) -> None:
    """Whatever the format, 8 bits a channel are 8, also in files of several planes."""
    image = photograph()
    for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "JPEG2000", "AVIF", "PPM"):
        data = saved(image, kind)
        assert not deep.is_deep(formats.opened(data), data), kind
    for mode in ("1", "L", "LA", "P", "RGBA"):
        data = saved(image.convert(mode), "PNG")
        assert not deep.is_deep(formats.opened(data), data), mode
    for data in (
        imagecodecs.jpegxl_encode(RGB, lossless=True),
        (HEIC / "turned.heic").read_bytes(),
    ):
        assert not deep.is_deep(formats.opened(data), data)


def test_eight_bits_stay_themselves_under_any_range() -> None:
    """A range is of images of more than 8 bits alone: others keep every value."""
    how = Decoding(integer=(10, 20), floating=(3, 4))
    for data in (saved(photograph(), "PNG"), saved(photograph(), "BMP")):
        assert np.array_equal(decode_rgb(data, how), RGB)


def test_memory_is_that_of_a_few_rows() -> None:
    """The values of a large image become 8 bits in blocks, the same as at once."""
    scan = np.arange(3000 * 2000, dtype=np.uint32).reshape(3000, 2000) % 4096
    found = deep.Values(scan.astype(np.uint16)[:, :, np.newaxis], "integer")
    expected = (scan * (255 / 4095)).round()
    assert np.array_equal(found.image((0, 4095)), expected)
