"""Where the bytes of a file are: every part is known, and their sum is the file."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from image_files import photograph, profile, rich_files, saved
from PIL import Image

from jpegprep.images.anatomy import Parts, parts_of

# A baseline file of 3 channels with the usual tables (ITU-T T.81): SOI and EOI 2 each, JFIF 18, SOF
# 19, SOS 14; two quantization tables of 69; Huffman tables of 33 and 183, of luminance and chroma.
HEADER, TABLES = 2 + 2 + 18 + 19 + 14, 2 * 69 + 2 * (33 + 183)


def test_a_plain_jpeg_file_is_what_the_standard_says() -> None:
    """Header and tables of a colour file are 625 bytes, however small it is."""
    data = saved(photograph(32, 32), "JPEG", quality=30)
    assert parts_of(data) == Parts(HEADER, TABLES, 0, len(data) - HEADER - TABLES, 0)
    gray = saved(photograph(32, 32).convert("L"), "JPEG")
    assert parts_of(gray).tables == 69 + 33 + 183


def test_metadata_are_counted_with_their_markers() -> None:
    """Each segment has a marker and a length of two bytes, and some a name."""
    bare, icc = parts_of(saved(photograph(), "JPEG")), profile()
    with_all = saved(photograph(), "JPEG", comment="of mine", icc_profile=icc) + b"behind"
    metadata = 4 + len("of mine") + 4 + len(b"ICC_PROFILE\0") + 2 + len(icc)
    assert parts_of(with_all) == replace(bare, metadata=metadata, trailing=6)


def test_optimized_tables_are_smaller_and_the_header_is_not() -> None:
    """What a small file gains by them is in its tables."""
    data = saved(photograph(32, 32), "JPEG", quality=30)
    better = parts_of(saved(photograph(32, 32), "JPEG", quality=30, optimize=True))
    assert better.header == HEADER
    assert better.tables < parts_of(data).tables / 2
    assert better.scan <= parts_of(data).scan


def test_all_scans_of_a_progressive_file_are_found() -> None:
    """A stuffed zero, a restart and a fill byte end none."""
    data = saved(photograph(200, 150), "JPEG", progressive=True, restart_marker_blocks=3)
    parts = parts_of(data)
    assert (parts.size, parts.metadata, parts.trailing) == (len(data), 0, 0)
    filled = parts_of(data[:-2] + b"\xff\xff" + data[-2:])
    assert filled == replace(parts, scan=parts.scan + 2)


def test_a_thumbnail_of_jfif_is_metadata() -> None:
    """JFIF has room for one behind its 14 bytes (JFIF 1.02)."""
    data = saved(photograph(), "JPEG")
    head = data[6:18] + b"\2\1" + bytes(6)
    made = data[:4] + struct.pack(">H", len(head) + 2) + head + data[20:]
    assert parts_of(made) == replace(parts_of(data), metadata=6)


def test_chunks_of_png_are_told_apart() -> None:
    """Signature, IHDR, IEND and the frames of IDAT are header."""
    data = saved(photograph().quantize(200), "PNG", transparency=bytes(7), icc_profile=profile())
    parts = parts_of(data)
    assert parts.size == len(data)
    assert parts.header == 8 + 25 + 12 + 12
    assert parts.tables == 12 + 3 * 200 + 12 + 7
    assert parts.metadata == data.index(b"PLTE") - data.index(b"iCCP")
    assert parts_of(data + b"behind") == replace(parts, trailing=6)


def test_files_add_up() -> None:
    """Parts of several files are their sums."""
    files = [saved(photograph(), kind) for kind in ("JPEG", "PNG", "GIF")]
    assert sum(map(parts_of, files), Parts()).size == sum(map(len, files))
    assert parts_of(files[2]) == Parts(other=len(files[2]))


@pytest.mark.parametrize("name", sorted(rich_files()))
def test_every_byte_has_one_place(name: str) -> None:
    """Of all files that others are tried on, too."""
    data = rich_files()[name]
    assert parts_of(data).size == len(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_files_add_up(kind: str) -> None:
    """Cut anywhere, or with any bytes anywhere."""
    data, rng = saved(Image.effect_noise((40, 30), 50), kind), np.random.default_rng(0)
    for cut in range(0, len(data), 3):
        assert parts_of(data[:cut]).size == cut
    for _ in range(200):
        damaged = bytearray(data)
        place = int(rng.integers(3, min(len(data) - 8, 700)))
        damaged[place : place + 4] = (rng.bytes(4), b"\xff" * 4, bytes(4))[rng.integers(3)]
        assert parts_of(bytes(damaged)).size == len(data)
    if kind == "JPEG":
        assert parts_of(data[: len(data) // 2]).scan > 0
