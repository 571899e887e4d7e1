"""AVIF, by Pillow (libavif): few bytes, slowly."""

from typing import Any

from jpegprep.images.codecs.codec import QUALITY, About, Picture, quality_of, saved

ABOUT = About(
    name="avif",
    title="AVIF",
    settings=f"{QUALITY}(?:-444)?",
    example="q30",
    scale="libavif's quality, 1 to 99, at speed 6; -444: chroma at full resolution",
    extension="avif",
    packages=(),
    licence="libavif, libaom, dav1d: BSD-2-Clause; Pillow: MIT-CMU",
    deterministic="always: one thread encodes an image",
    parallel=True,
    readers=("Pillow", "browsers"),
    side=16_384,
)


def encode(picture: Picture, setting: str, metadata: Any = None) -> bytes:
    """Encode as ``Image.save(quality=quality, max_threads=1)`` does."""
    chroma = "4:4:4" if setting.endswith("-444") else "4:2:0"
    quality = quality_of(setting)
    how = {"quality": quality, "subsampling": chroma, "max_threads": 1}
    return saved(picture, ABOUT, "AVIF", metadata, **how)


def library() -> str:
    """Return what encodes."""
    from PIL import __version__, features

    return f"Pillow {__version__}, libavif {features.version('avif')}"
