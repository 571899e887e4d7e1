"""JPEG XL, by imagecodecs (libjxl): by distance, or lossless."""

import struct
from typing import Any

from jpegprep.images.codecs.codec import EXIF, XMP, About, Picture, in_mode

ABOUT = About(
    name="jxl",
    title="JPEG XL",
    settings=r"d(?:0\.[1-9]|(?:[1-9]|1\d|2[0-4])(?:\.[1-9])?|25)|lossless",
    example="d2",
    scale="libjxl's distance, 0.1 to 25, at effort 7: 1 looks like the original, they say",
    extension="jxl",
    packages=("imagecodecs",),
    licence="libjxl and imagecodecs: BSD-3-Clause",
    deterministic="lossy, on the processor's instructions (SIMD); lossless, always",
    parallel=True,
    readers=("imagecodecs", "Safari"),
    side=65_500,
    metadata=frozenset({EXIF, XMP}),
)
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "


def encode(picture: Picture, setting: str, metadata: Any = None) -> bytes:
    """Encode with libjxl's defaults, on one thread."""
    import imagecodecs
    import numpy as np

    pixels = np.asarray(in_mode(picture, ABOUT.modes))
    how: dict[str, Any] = {"lossless": True}
    if setting != "lossless":
        how = {"distance": float(setting.removeprefix("d"))}
    data = bytes(imagecodecs.jpegxl_encode(pixels, **how, numthreads=1))
    return _with_metadata(data, metadata) if metadata else data


def transcoded(jpeg: bytes) -> bytes:
    """Return a JPEG file as JPEG XL, from which `restored` makes it again, byte for byte.

    Raises:
        ValueError: where libjxl cannot hold it (CMYK, damage).
    """
    import imagecodecs

    try:
        return bytes(imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True, numthreads=1))
    except imagecodecs.JpegxlError as error:
        raise ValueError(f"no JPEG that JPEG XL holds: {error}") from None


def restored(data: bytes) -> bytes:
    """Return the JPEG file that `transcoded` got.

    Raises:
        ValueError: where there was none.
    """
    import imagecodecs

    try:
        return bytes(imagecodecs.jpegxl_decode_jpeg(data, numthreads=1))
    except (imagecodecs.JpegxlError, ValueError) as error:
        raise ValueError(f"made of no JPEG: {error}") from None


def _with_metadata(data: bytes, metadata: Any) -> bytes:
    """Return a codestream in a container, with boxes of EXIF and XMP (ISO/IEC 18181-2)."""
    boxes = [(b"Exif", bytes(4) + metadata.exif)] if metadata.exif else []
    boxes += [(b"xml ", metadata.xmp)] if metadata.xmp else []
    if not boxes:
        return data
    boxes.append((b"jxlc", data))
    return _CONTAINER + b"".join(
        struct.pack(">I", 8 + len(content)) + kind + content for kind, content in boxes
    )


def library() -> str:
    """Return what encodes."""
    import imagecodecs

    return f"imagecodecs {imagecodecs.__version__}, {imagecodecs.jpegxl_version()}"
