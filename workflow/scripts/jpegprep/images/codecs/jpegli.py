"""jpegli, by pyjpegli: JPEG files of more accuracy for their bytes, which every reader knows.

It takes RGB alone: a gray image becomes a file of three channels.
"""

from typing import Any

from jpegprep.images.codecs.codec import (
    EXIF,
    ICC,
    QUALITY,
    SEGMENTS,
    XMP,
    About,
    Picture,
    in_mode,
    quality_of,
)

ABOUT = About(
    name="jpegli",
    title="JPEG by jpegli",
    settings=QUALITY,
    example="q50",
    scale="jpegli's quality, 1 to 99, near that of the Independent JPEG Group; 4:2:0",
    extension="jpg",
    packages=("pyjpegli",),
    licence="jpegli and pyjpegli: BSD-3-Clause",
    deterministic="on the processor's instructions (SIMD in floating point)",
    parallel=True,
    readers=("Pillow", "OpenCV", "torchvision", "DALI", "browsers"),
    side=65_500,
    modes=frozenset({"RGB"}),
    metadata=frozenset({EXIF, XMP, ICC, SEGMENTS}),
    jpeg=True,
)


def encode(picture: Picture, setting: str, metadata: Any = None) -> bytes:
    """Encode with adaptive quantization, progressive, Huffman tables optimized: its defaults."""
    import pyjpegli  # type: ignore[import-not-found]

    image = in_mode(picture, ABOUT.modes)
    data: bytes = pyjpegli.encode(image.tobytes(), *image.size, quality=quality_of(setting))
    return data


def library() -> str:
    """Return what encodes."""
    from importlib.metadata import version

    return f"pyjpegli {version('pyjpegli')}"
