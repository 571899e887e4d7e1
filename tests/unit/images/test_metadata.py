"""Metadata: a JPEG file has those of its source, upright and without the thumbnail."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import DISPLAY_P3, HEIC, opened, photograph, profile, saved, tiff
from PIL import ExifTags, Image

from jpegprep.images import exif, formats
from jpegprep.images.metadata import Metadata, metadata_of, with_metadata

BASE, GPS = ExifTags.Base, ExifTags.IFD.GPSInfo
XMP = b'<x:xmpmeta><rdf:li tiff:Orientation="6">a caption</rdf:li></x:xmpmeta>'


def camera(orientation: int = 6) -> Image.Exif:
    """Return the EXIF block of a photograph: camera, date, place."""
    block = Image.Exif()
    block[BASE.Make], block[BASE.Model] = "Maker", "Model 7"
    block[BASE.Orientation] = orientation
    taken = block.get_ifd(ExifTags.IFD.Exif)
    taken[BASE.DateTimeOriginal] = "2026:05:04 03:02:01"
    taken[BASE.MakerNote] = b"notes of the maker"
    block.get_ifd(GPS)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    return block


def with_thumbnail(block: bytes, thumbnail: bytes, order: str = ">") -> bytes:
    """Return an EXIF block with a second directory and a thumbnail behind it (Exif 2.32, 4.5.8)."""
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    second = len(block)
    changed = bytearray(block)
    struct.pack_into(f"{order}I", changed, first + 2 + 12 * count, second)
    start = second + 2 + 3 * 12 + 4
    directory = struct.pack(f"{order}H", 3)
    for tag, value in ((0x0103, 6), (0x0201, start), (0x0202, len(thumbnail))):
        directory += struct.pack(f"{order}HHII", tag, 4, 1, value)
    return bytes(changed) + directory + bytes(4) + thumbnail


def source(kind: str, **settings: Any) -> tuple[Image.Image, bytes]:
    """Return a file with all metadata that its format has, opened and as bytes."""
    given: dict[str, Any] = {"icc_profile": profile(), "exif": camera().tobytes()}
    given |= {"dpi": (300, 240)} if kind in ("JPEG", "PNG", "TIFF") else {}
    given |= {"xmp": XMP} if kind in ("JPEG", "WEBP") else {}
    data = saved(photograph(), kind, **(given | settings))
    return formats.opened(data), data


def jpeg_of(metadata: Metadata) -> Image.Image:
    """Return a JPEG file with these metadata, opened by Pillow."""
    return opened(with_metadata(saved(photograph(), "JPEG"), metadata))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_jpeg_file_has_the_metadata_of_its_source(kind: str) -> None:
    """Profile, camera, date, place, resolution; nothing turns the upright picture again."""
    image, data = source(kind)
    found = jpeg_of(metadata_of(image, data))
    assert found.info["icc_profile"] == profile()
    block = found.getexif()
    assert (block[BASE.Make], block[BASE.Model]) == ("Maker", "Model 7")
    assert block.get(BASE.Orientation, 1) == 1
    assert block.get_ifd(ExifTags.IFD.Exif)[BASE.DateTimeOriginal] == "2026:05:04 03:02:01"
    latitude = block.get_ifd(GPS)[ExifTags.GPS.GPSLatitude]
    assert [Fraction(part) for part in latitude] == [52, 31, 12]
    if kind in ("JPEG", "PNG", "TIFF"):
        assert found.info["dpi"] == (300, 240)
    if kind in ("JPEG", "WEBP"):
        assert found.info["xmp"] == XMP.replace(b'"6"', b'"1"')


def test_a_heic_gives_its_metadata_too() -> None:
    """The camera of a phone's picture; how it was turned is undone already."""
    data = (HEIC / "turned.heic").read_bytes()
    found = jpeg_of(metadata_of(formats.opened(data), data)).getexif()
    assert found[BASE.Make] == "Maker"
    assert found.get(BASE.Orientation, 1) == 1


def test_the_pixels_stay() -> None:
    """What is written before the pixels changes none, and other readers open the file."""
    image, data = source("JPEG")
    bare = saved(photograph(), "JPEG", quality=30)
    made = with_metadata(bare, metadata_of(image, data))
    assert np.array_equal(opened(made), opened(bare))
    end = bare.index(b"\xff\xdb")
    assert made.endswith(bare[end:])
    assert with_metadata(bare, Metadata()) == bare


def test_a_large_profile_takes_several_segments() -> None:
    """A profile of print has half a megabyte; Pillow puts it together again."""
    large = profile() + bytes(range(256)) * 600
    found = Metadata(icc=large)
    assert jpeg_of(found).info["icc_profile"] == large


def test_what_follows_in_a_jpeg_file_is_taken_along() -> None:
    """IPTC captions and the rest of a long XMP packet."""

    def segment(marker: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    more = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"more of it"
    caption = b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\4\x1c\2x\0"
    data = saved(photograph(), "JPEG")
    data = data[:2] + segment(0xE1, more) + segment(0xED, caption) + data[2:]
    found = metadata_of(formats.opened(data), data)
    assert found.segments == ((0xE1, more), (0xED, caption))
    assert with_metadata(saved(photograph(), "JPEG"), found).count(caption) == 1
    assert found.held == found.size == len(more) + len(caption)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("behind", [b"", b"notes behind it"])
def test_the_thumbnail_is_left_out(order: str, behind: bytes) -> None:
    """A second small picture, which may show what was cut off the first, is gone."""
    block = camera()
    block.endian = order
    raw = exif.bare(block.tobytes())
    thumbnail = saved(photograph(16, 12), "JPEG")
    full = with_thumbnail(raw, thumbnail, order) + behind
    made = exif.without_thumbnail(full)
    assert thumbnail not in made and thumbnail[:50] not in made
    assert behind in made
    assert len(made) <= (len(full) if behind else len(full) - len(thumbnail))
    found = Image.Exif()
    found.load(exif.PREFIX + made)
    assert found[BASE.Model] == "Model 7"
    assert found.get_ifd(ExifTags.IFD.Exif)[BASE.MakerNote] == b"notes of the maker"
    assert not found.get_ifd(ExifTags.IFD.IFD1)
    assert exif.without_thumbnail(raw) == raw


def test_bytes_that_are_left_out_are_counted() -> None:
    """Those of the thumbnail, and nothing else."""
    thumbnail = saved(photograph(16, 12), "JPEG")
    block = with_thumbnail(exif.bare(camera().tobytes()), thumbnail)
    image, data = source("JPEG", exif=exif.PREFIX + block)
    found = metadata_of(image, data)
    assert found.held - found.size == len(thumbnail)
    assert found.held == len(block) + len(profile()) + len(XMP)


def test_nothing_in_the_block_is_moved() -> None:
    """The maker's notes have offsets of their own: only the orientation's two bytes differ."""
    raw = exif.bare(camera(6).tobytes())
    made = exif.upright(raw)
    assert [i for i in range(len(raw)) if raw[i] != made[i]] == [
        i for i in range(len(raw)) if made[i] != raw[i] == 6
    ]
    assert sum(a != b for a, b in zip(raw, made, strict=True)) == 1


def test_a_damaged_block_stays_what_it_is() -> None:
    """Cut or changed anywhere, it ends nothing, and grows by nothing."""
    raw = with_thumbnail(exif.bare(camera().tobytes()), b"thumbnail" * 9)
    draw = np.random.default_rng(0)
    for length in range(len(raw)):
        made = exif.without_thumbnail(exif.upright(raw[:length]))
        assert len(made) <= length
    for _ in range(2000):
        broken = bytearray(raw)
        for place in draw.integers(0, len(raw), 3):
            broken[place] = draw.integers(0, 256)
        assert len(exif.without_thumbnail(exif.upright(bytes(broken)))) <= len(raw)
    assert exif.upright(b"no block") == b"no block"


def test_what_jpeg_cannot_hold_is_known() -> None:
    """A profile of gray on a palette, which becomes RGB; XMP beyond a segment; EXIF likewise."""
    with Image.open(Path(profile_of_gray())) as page:
        gray = page.info["icc_profile"]
    assert fits(saved(photograph().convert("L"), "PNG", icc_profile=gray))
    assert not fits(saved(photograph().convert("1"), "PNG", icc_profile=gray))
    assert not fits(saved(photograph().convert("LA"), "PNG", icc_profile=gray))
    assert not fits(saved(photograph(), "WEBP", xmp=b"x" * 70_000))
    block = camera()
    block.get_ifd(ExifTags.IFD.Exif)[BASE.MakerNote] = bytes(70_000)
    assert not fits(saved(photograph(), "PNG", exif=block))
    assert fits(saved(photograph().convert("CMYK"), "TIFF"))


def test_a_profile_of_other_colours_than_its_own_image_is_none() -> None:
    """A profile of RGB in a file of print or of gray, which no viewer heeds, is left out."""
    for mode, kind in (("CMYK", "TIFF"), ("L", "PNG")):
        data = saved(photograph().convert(mode), kind, icc_profile=profile())
        found = metadata_of(formats.opened(data), data)
        assert (found.fits, found.icc) == (True, b"")
        assert found.held - found.size == len(profile())


def test_no_resolution_is_made_up() -> None:
    """A JPEG file without one gets none, though its EXIF block has Pillow say 72."""
    data = saved(photograph(), "JPEG", exif=camera(1))
    image = formats.opened(data)
    assert image.info["dpi"] == (72, 72)
    assert metadata_of(image, data).dpi is None


def profile_of_gray() -> str:
    """Return a real file with a profile of gray."""
    import skimage

    return f"{skimage.data_dir}/page.png"


def fits(data: bytes) -> bool:
    """Tell whether JPEG holds the metadata of a file."""
    return metadata_of(formats.opened(data), data).fits


def test_tags_of_the_tiff_file_itself_stay_behind() -> None:
    """Where its strips lie is nobody's business; who made the picture is."""
    data = tiff(
        np.asarray(photograph()),
        photometric="rgb",
        description="a cup",
        datetime="2026:01:02 03:04:05",
        iccprofile=profile(DISPLAY_P3),
        resolution=(300, 300),
        resolutionunit="inch",
        metadata=None,
    )
    found = jpeg_of(metadata_of(formats.opened(data), data))
    assert found.info["icc_profile"] == profile()
    assert found.info["dpi"] == (300, 300)
    tags = dict(found.getexif())
    assert tags.pop(BASE.ImageDescription) == "a cup"
    assert tags.pop(BASE.DateTime) == "2026:01:02 03:04:05"
    assert set(tags) <= {BASE.Software}


@pytest.mark.parametrize("dpi", [(0, 0), (70_000, 72), (-1, 5), ("x", 1), None, (float("nan"), 1)])
def test_a_resolution_that_is_none_is_left_out(dpi: object) -> None:
    """It ends nothing."""
    image, data = source("PNG")
    image.info["dpi"] = dpi
    assert metadata_of(image, data).dpi is None
