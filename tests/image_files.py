"""Image files as cameras, scanners and satellites write them, for the tests."""

import io
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import tifffile
from PIL import Image

# Of coffee.png, 64 by 48 pixels, as pillow-heif 1.8.1 (x265) wrote it: lossless; stored turned, as
# an irot box says; with 10 bits a channel.
HEIC = Path(__file__).parent / "unit" / "images" / "heic"


def photograph(width: int = 64, height: int = 48, name: str = "coffee.png") -> Image.Image:
    """Return a real photograph, without the metadata of its file."""
    with Image.open(Path(skimage.data_dir) / name) as image:
        return Image.fromarray(np.asarray(image.convert("RGB").resize((width, height))))


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def tiff(values: np.ndarray[Any, Any], **settings: Any) -> bytes:
    """Return a TIFF file that tifffile writes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **settings)
    return buffer.getvalue()


def rich_files() -> dict[str, bytes]:
    """Return files that hold more than a JPEG file of 8 bits, and two that do not."""
    image = photograph()
    gray = np.asarray(image.convert("L")).astype(np.uint16)
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    return {
        **{f"a/{i}.png": saved(Image.fromarray(gray * (8 + i)), "PNG") for i in range(4)},
        "a/float.tif": tiff(gray.astype(np.float32) / 900),
        "b/clear.png": saved(clear, "PNG"),
        "b/moving.gif": saved(
            image, "GIF", save_all=True, append_images=[image.rotate(90)], duration=50
        ),
        "b/wide.png": saved(image, "PNG", icc_profile=profile()),
        "b/plain.png": saved(image, "PNG"),
    }


def opened(data: bytes) -> Image.Image:
    """Open a file by Pillow alone."""
    return Image.open(io.BytesIO(data))


def difference(one: Any, other: Any) -> float:
    """Return the mean absolute difference of two images' values."""
    values = [np.asarray(image).astype(np.float64) for image in (one, other)]
    assert values[0].shape == values[1].shape
    return float(np.abs(values[0] - values[1]).mean())


# A display's primaries (x, y of red, green and blue) and its white, D65 (SMPTE EG 432-1; IEC
# 61966-2-1 for sRGB's).
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65, _D50 = (0.3127, 0.3290), np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def xyz_of(primaries: tuple[tuple[float, float], ...]) -> np.ndarray[Any, Any]:
    """Return the matrix from linear RGB to XYZ of white D65 (Lindbloom, RGB/XYZ Matrices)."""

    def xyz(x: float, y: float) -> np.ndarray[Any, Any]:
        return np.array([x / y, 1, (1 - x - y) / y])

    columns = np.stack([xyz(*primary) for primary in primaries], axis=1)
    return columns * np.linalg.solve(columns, xyz(*_D65))


def linear(values: Any) -> np.ndarray[Any, Any]:
    """Return sRGB's and Display P3's values in [0, 1] as linear light (IEC 61966-2-1)."""
    values = np.asarray(values, np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light: Any) -> np.ndarray[Any, Any]:
    """Return linear light as values in [0, 1], the inverse of `linear`."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def in_srgb(pixels: Any, primaries: Any = DISPLAY_P3) -> np.ndarray[Any, Any]:
    """Return 8-bit pixels of a display as sRGB shows them, by the standards' formulas."""
    light = linear(np.asarray(pixels) / 255)
    matrix = np.linalg.solve(xyz_of(SRGB), xyz_of(primaries))
    return (255 * encoded(light @ matrix.T)).round()


@cache
def profile(primaries: tuple[tuple[float, float], ...] = DISPLAY_P3, name: str = "P3") -> bytes:
    """Return an ICC profile of a display, written from its specification (ICC.1:2022)."""
    white = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    cone = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted = np.linalg.solve(_BRADFORD, cone[:, None] * _BRADFORD) @ xyz_of(primaries)

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))

    def text(value: str) -> bytes:
        raw = value.encode("utf-16-be")
        return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(raw), 28) + raw

    curve = struct.pack(">4s4xHH", b"para", 3, 0)
    curve += fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        **{"desc": text(name), "cprt": text("none"), "wtpt": b"XYZ \0\0\0\0" + fixed(*_D50)},
        **{
            f"{channel}XYZ": b"XYZ \0\0\0\0" + fixed(*adapted[:, i])
            for i, channel in enumerate("rgb")
        },
        **{f"{channel}TRC": curve for channel in "rgb"},
    }
    place, table, content = 132 + 12 * len(tags), b"", b""
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag.encode(), place + len(content), len(data))
        content += data
    header = struct.pack(">I4xI", place + len(content), 0x04300000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*_D50)
    header = header.ljust(128, b"\0")
    return header + struct.pack(">I", len(tags)) + table + content
