"""JPEG as Pillow writes it (libjpeg-turbo): the paper's codec, which every reader knows."""

from functools import cache
from typing import Any

from jpegprep.images.codecs.codec import (
    EXIF,
    ICC,
    QUALITY,
    SEGMENTS,
    XMP,
    About,
    Picture,
    quality_of,
)

ABOUT = About(
    name="jpeg",
    title="JPEG",
    settings=f"{QUALITY}(?:-444)?(?:-opt)?",
    example="q30",
    scale="the Independent JPEG Group's quality, 1 to 99; -444: full chroma; -opt: own tables",
    extension="jpg",
    packages=("opencv-python-headless",),
    licence="libjpeg-turbo: IJG and BSD-3-Clause; Pillow: MIT-CMU; OpenCV: Apache-2.0",
    deterministic="always",
    parallel=True,
    readers=("Pillow", "OpenCV", "torchvision", "DALI", "browsers"),
    side=65_500,
    modes=frozenset({"L", "RGB", "CMYK"}),
    metadata=frozenset({EXIF, XMP, ICC, SEGMENTS}),
    jpeg=True,
    rung="q{}-opt".format,
)


def encode(picture: Picture, setting: str, metadata: Any = None) -> bytes:
    """Encode as ``Image.save(quality=quality)`` does; where OpenCV writes the same bytes, by it.

    With ``-opt`` as ``optimize=True`` has it: Huffman tables of the file's own, the same pixels.
    """
    if picture.bgr is None:
        from jpegprep.images.images import encode_jpeg

        quality, full_chroma = quality_of(setting), "-444" in setting
        return encode_jpeg(picture.image, quality, full_chroma, setting.endswith("-opt"))
    import cv2

    return cv2.imencode(".jpg", picture.bgr, _by_opencv(setting))[1].tobytes()


@cache
def _by_opencv(setting: str) -> tuple[int, ...]:
    """Return a setting as OpenCV is told it; of small images reading it anew would take a tenth."""
    import cv2

    found: tuple[int, ...] = (cv2.IMWRITE_JPEG_QUALITY, quality_of(setting))
    if "-444" in setting:
        factor = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
        found += (factor, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    if setting.endswith("-opt"):
        found += (cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    return found


def library() -> str:
    """Return what encodes: Pillow's and OpenCV's libjpeg-turbo."""
    import re

    import cv2

    from jpegprep.images.images import codec

    turbo = re.search(r"JPEG:.*\(ver ([\d.]+)", cv2.getBuildInformation())
    of_opencv = f", libjpeg-turbo {turbo[1]}" if turbo else ""
    return f"{codec()}; plain files: OpenCV {cv2.__version__}{of_opencv}"
