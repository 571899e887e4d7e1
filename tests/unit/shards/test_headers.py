"""Headers: known answers are the settings that Pillow saved a file with."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from jpegprep.shards.headers import NAMES, OF_BYTES, header_features

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def encoded(kind: str, mode: str = "RGB", **settings: Any) -> bytes:
    """Return an image file of 56 x 40 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).save(buffer, kind, **settings)
    return buffer.getvalue()


def told(data: bytes) -> dict[str, float]:
    """Return the features by their names, without those that the file has not."""
    found = header_features(data)
    assert found.shape == (len(NAMES),)
    assert found.dtype == np.float64
    return {name: float(x) for name, x in zip(NAMES, found, strict=True) if not np.isnan(x)}


def test_names_are_unique_and_hold_those_of_bytes() -> None:
    """A column has one name; those of bytes are among them."""
    assert len(set(NAMES)) == len(NAMES)
    assert set(OF_BYTES) <= set(NAMES)


def test_a_jpeg_tells_how_it_was_saved() -> None:
    """Sides, bytes, quality, tables, sampling and metadata are those of the saved file."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(
        *("JPEG", "RGB"),
        **{"quality": 83, "subsampling": "4:2:2", "progressive": True, "dpi": (300, 200)},
        **{"exif": exif, "icc_profile": b"profile", "comment": b"four"},
    )
    found = told(data)
    with Image.open(io.BytesIO(data)) as image:
        tables = image.quantization  # type: ignore[attr-defined]
        exif_bytes = len(image.info["exif"])
    assert found == {
        **{"width": 56, "height": 40, "pixel_count": 2240, "aspect_ratio": 1.4},
        **{"bytes": len(data), "bytes_per_pixel": len(data) / 2240},
        **{"format_jpeg": 1, "format_png": 0, "format_gif": 0, "format_bmp": 0},
        **{"format_tiff": 0, "format_webp": 0, "format_other": 0},
        **{"channels": 3, "palette": 0, "transparent": 0, "orientation": 6, "progressive": 1},
        **{"jpeg_quality": 83, "standard_tables": 1},
        **{"luma_table_sum": sum(tables[0]), "chroma_table_sum": sum(tables[1])},
        **{"horizontal_sampling": 2, "vertical_sampling": 1, "jfif": 1, "adobe": 0},
        **{"exif": 1, "exif_bytes": exif_bytes, "icc": 1, "icc_bytes": 7},
        **{"comment_bytes": 4, "dpi": 300},
    }


@pytest.mark.parametrize(
    ("subsampling", "sampling"), [("4:4:4", (1, 1)), ("4:2:2", (2, 1)), ("4:2:0", (2, 2))]
)
def test_the_sampling_is_lumas_over_chromas(subsampling: str, sampling: tuple[int, int]) -> None:
    """4:2:0 has twice the luma of chroma in both directions."""
    found = told(encoded("JPEG", subsampling=subsampling))
    assert (found["horizontal_sampling"], found["vertical_sampling"]) == sampling


def test_a_gray_jpeg_has_no_chroma() -> None:
    """One channel has no second table and no sampling."""
    found = told(encoded("JPEG", "L"))
    assert found["channels"] == 1
    assert not {"chroma_table_sum", "horizontal_sampling", "vertical_sampling"} & found.keys()


def test_the_adobe_marker_is_seen() -> None:
    """Pillow writes it of CMYK, and no JFIF."""
    found = told(encoded("JPEG", "CMYK"))
    assert (found["adobe"], found["jfif"], found["channels"]) == (1, 0, 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_every_format_is_told(kind: str) -> None:
    """One column is 1; sides are those of the image; what is of JPEG is of JPEG alone."""
    found = told(encoded(kind))
    name = "other" if kind == "PPM" else kind.lower()
    assert [x for x in NAMES if x.startswith("format_") and found[x]] == [f"format_{name}"]
    assert (found["width"], found["height"]) == (56, 40)
    assert ("jpeg_quality" in found) == ("jfif" in found) == (kind == "JPEG")


def test_palette_transparency_and_interlacing_are_seen() -> None:
    """P has a palette, RGBA is transparent; the last byte of a PNG's IHDR says it is interlaced."""
    assert told(encoded("PNG", "P"))["palette"] == 1
    assert told(encoded("PNG", "RGBA"))["transparent"] == 1
    plain = encoded("PNG")
    header = plain[12:28] + b"\1"
    interlaced = plain[:12] + header + zlib.crc32(header).to_bytes(4, "big") + plain[33:]
    assert (told(interlaced)["progressive"], told(plain)["progressive"]) == (1, 0)


def test_a_telephones_two_pictures_count_as_jpeg() -> None:
    """MPO is JPEG with a second picture behind it, and has JPEG's headers."""
    second = Image.fromarray(NOISE[::-1])
    found = told(encoded("MPO", save_all=True, append_images=[second], quality=60))
    assert found["format_jpeg"] == 1
    assert found["jpeg_quality"] == 60


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pixels_are_not_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file cut off amid its pixels has the headers of the whole; nothing is decoded."""

    def load(image: Image.Image) -> None:
        raise AssertionError("decoded")

    data = encoded(kind)
    for opened in ("ImageFile.ImageFile", "JpegImagePlugin.JpegImageFile"):
        monkeypatch.setattr(f"PIL.{opened}.load", load)
    whole, cut = told(data), told(data[:1000])
    assert cut == {**whole, "bytes": 1000, "bytes_per_pixel": 1000 / 2240}


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_has_bytes(data: bytes) -> None:
    """Of a file that Pillow does not open the number of its bytes is left."""
    assert told(data) == {"bytes": len(data)}


def test_damage_costs_what_is_damaged() -> None:
    """An EXIF block of nonsense, or a resolution of 1 over 0, leaves all else."""
    found = told(encoded("JPEG", exif=b"Exif\0\0nonsense"))
    assert (found["orientation"], found["exif"], found["jpeg_quality"]) == (1, 1, 75)
    data = encoded("TIFF", dpi=(100, 100))
    broken = data.replace((100).to_bytes(4, "little") + (1).to_bytes(4, "little"), bytes(8))
    assert broken != data
    found = told(broken)
    assert "dpi" not in found
    assert found["format_tiff"] == found["width"] / 56 == 1


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_any_flipped_byte_gives_finite_numbers(photos: Path) -> None:
    """Whatever stands in a header, learners get finite numbers of single precision or NaN."""
    data = (photos / "rocket.jpg").read_bytes()
    rng = np.random.default_rng(0)
    for kind in (data, encoded("PNG"), encoded("TIFF"), encoded("WEBP", exif=b"Exif\0\0MM\0*")):
        for _ in range(100):
            flipped = bytearray(kind)
            flipped[rng.integers(min(len(kind), 700))] ^= 1 << rng.integers(8)
            assert not np.isinf(header_features(bytes(flipped)).astype(np.float32)).any()
