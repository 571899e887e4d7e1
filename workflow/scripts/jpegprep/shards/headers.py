"""What the headers of an image file tell without its pixels, as numbers.

How a file was made may go with its class: another camera, another program, another size. What is
in a header is what a learner could know of that without looking at the picture.
"""

from contextlib import suppress

import numpy as np
import numpy.typing as npt
from PIL import Image

from jpegprep.images.formats import opened
from jpegprep.images.images import orientation
from jpegprep.images.quality import estimate_quality

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")

# The columns of `header_features`, in their order.
NAMES = (
    *("width", "height", "pixel_count", "aspect_ratio", "bytes", "bytes_per_pixel"),
    *(f"format_{name.lower()}" for name in _FORMATS),
    *("format_other", "channels", "palette", "transparent", "orientation", "progressive"),
    *("jpeg_quality", "standard_tables", "luma_table_sum", "chroma_table_sum"),
    *("horizontal_sampling", "vertical_sampling", "jfif", "adobe"),
    *("exif", "exif_bytes", "icc", "icc_bytes", "comment_bytes", "dpi"),
)
# Those that say how large the file is: of two pictures the one with more detail takes more bytes.
OF_BYTES = ("bytes", "bytes_per_pixel")
# Those of the encoder, which compression makes alike in all files: nothing of the picture's shape.
OF_ENCODER = (
    *(name for name in NAMES if name.startswith("format_")),
    *("palette", "transparent", "progressive", "jpeg_quality", "standard_tables"),
    *("luma_table_sum", "chroma_table_sum", "horizontal_sampling", "vertical_sampling"),
    *("jfif", "adobe"),
)


def header_features(data: bytes) -> npt.NDArray[np.float64]:
    """Read the headers of an image file; its pixels are not decoded.

    Sides are in pixels, as stored; ``aspect_ratio`` is width over height. A format, ``palette``,
    ``transparent``, ``progressive`` (of PNG: interlaced), ``standard_tables`` (those of libjpeg),
    ``jfif``, ``adobe``, ``exif`` and ``icc`` are 1 or 0; MPO counts as JPEG. ``orientation`` is
    EXIF's, 1 to 8; ``jpeg_quality`` is that of `estimate_quality`. The sums are those of the 64
    steps of the first and of the second quantization table; the samplings are luma's over chroma's,
    2 and 2 for 4:2:0. ``dpi`` is the horizontal one.

    Args:
        data: the bytes of an image file, whole or damaged.

    Returns:
        (len(NAMES),) in the order of `NAMES`. NaN is what this file has not, as a PNG has no
        quality, or what cannot be read: of a file that Pillow does not open all but ``bytes``.
    """
    found: dict[str, float] = {"bytes": len(data)}
    # Pillow's parsers raise whatever comes to a damaged file.
    with suppress(Exception), opened(data) as image:
        for part in (_of_image, _of_metadata, _of_encoding):
            with suppress(Exception):
                found |= part(image)
        found["bytes_per_pixel"] = len(data) / found["pixel_count"]
    values = np.array([found.get(name, np.nan) for name in NAMES], dtype=np.float64)
    values[~(np.abs(values) < _LARGEST)] = np.nan
    return values


_LARGEST = 1e30  # a damaged resolution may be any number; learners compute in single precision


def _of_image(image: Image.Image) -> dict[str, float]:
    kind = "JPEG" if image.format == "MPO" else image.format
    # Pillow would decode a whole PNG to look for EXIF behind its pixels.
    seen = kind != "PNG" or "exif" in image.info
    return {
        **{"width": image.width, "height": image.height},
        **{"pixel_count": image.width * image.height, "aspect_ratio": image.width / image.height},
        **{f"format_{name.lower()}": float(name == kind) for name in _FORMATS},
        "format_other": float(kind not in _FORMATS),
        "channels": len(image.getbands()),
        "palette": float(image.mode in ("P", "PA")),
        "transparent": float(image.has_transparency_data),
        "orientation": orientation(image) if seen else 1,
    }


def _of_metadata(image: Image.Image) -> dict[str, float]:
    exif, icc, comment = (
        image.info.get(name) or b"" for name in ("exif", "icc_profile", "comment")
    )
    found = {
        **{"exif": float(bool(exif)), "exif_bytes": len(exif)},
        **{"icc": float(bool(icc)), "icc_bytes": len(icc)},
        "comment_bytes": len(comment),
    }
    if "dpi" in image.info:
        found["dpi"] = float(image.info["dpi"][0])
    return found


def _of_encoding(image: Image.Image) -> dict[str, float]:
    """Return what the headers tell of the encoder: almost nothing but of JPEG."""
    gradual = image.info.get("progressive") or image.info.get("interlace")
    found = {"progressive": float(bool(gradual))}
    tables = getattr(image, "quantization", None) or {}
    if estimate := estimate_quality(tables):
        found |= {"jpeg_quality": estimate[0], "standard_tables": float(estimate[1])}
    for name, number in zip(("luma_table_sum", "chroma_table_sum"), sorted(tables), strict=False):
        found[name] = float(sum(tables[number]))
    if tables:
        found |= {name: float(name in image.info) for name in ("jfif", "adobe")}
    layers = getattr(image, "layer", [])
    if len(layers) >= 3:
        (_, h0, v0, *_), (_, h1, v1, *_) = layers[:2]
        found |= {"horizontal_sampling": h0 / max(h1, 1), "vertical_sampling": v0 / max(v1, 1)}
    return found
