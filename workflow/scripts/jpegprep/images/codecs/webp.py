"""WebP, by Pillow (libwebp): lossy, or lossless."""

from typing import Any

from jpegprep.images.codecs.codec import QUALITY, About, Picture, quality_of, saved

ABOUT = About(
    name="webp",
    title="WebP",
    settings=f"{QUALITY}|lossless",
    example="q40",
    scale="libwebp's quality, 1 to 99, of method 4; always 4:2:0",
    extension="webp",
    packages=(),
    licence="libwebp: BSD-3-Clause; Pillow: MIT-CMU",
    deterministic="always",
    parallel=True,
    readers=("Pillow", "OpenCV", "torchvision", "browsers"),
    side=16_383,
    modes=frozenset({"RGB"}),
)


def encode(picture: Picture, setting: str, metadata: Any = None) -> bytes:
    """Encode as ``Image.save(quality=quality)`` does; gray images in three channels, as WebP has.

    Lossless: the effort is that of ``Image.save(lossless=True)``; colours under alpha do not exist.
    """
    if setting == "lossless":
        return saved(picture, ABOUT, "WEBP", metadata, lossless=True)
    return saved(picture, ABOUT, "WEBP", metadata, quality=quality_of(setting))


def library() -> str:
    """Return what encodes."""
    from PIL import __version__, features

    return f"Pillow {__version__}, libwebp {features.version('webp')}"
