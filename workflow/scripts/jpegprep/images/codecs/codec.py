"""What every codec says of itself, and what it gets and gives."""

from dataclasses import dataclass
from typing import Any, Protocol

# A quality from 1 to 99, as the names of stores have it.
QUALITY = r"q[1-9]\d?"
# The parts of `metadata.Metadata` that a file may hold.
EXIF, XMP, ICC, SEGMENTS = "exif", "xmp", "icc", "segments"


@dataclass(frozen=True)
class About:
    """What a codec is.

    Attributes:
        name: in the names of stores.
        title: as people call it.
        settings: a pattern of what may follow the name and a dash, without named groups.
        example: one of them.
        scale: what the quality or distance means.
        extension: of its files, without a dot.
        packages: the distributions that encode, beside Pillow and NumPy.
        licence: of the encoder, and of what packs it for Python.
        deterministic: what the bytes depend on beside the pixels and the version.
        parallel: whether threads encode side by side (the interpreter's lock is released).
        readers: what decodes its files, beside `images.decode`.
        side: the longest side of an image, in pixels.
        modes: of Pillow's images that it stores as they are; others become RGB.
        metadata: what its files hold of a source's metadata.
        jpeg: whether its files are JPEG.
    """

    name: str
    title: str
    settings: str
    example: str
    scale: str
    extension: str
    packages: tuple[str, ...]
    licence: str
    deterministic: str
    parallel: bool
    readers: tuple[str, ...]
    side: int
    modes: frozenset[str] = frozenset({"L", "RGB"})
    metadata: frozenset[str] = frozenset({EXIF, XMP, ICC})
    jpeg: bool = False

    def holds(self, metadata: Any, mode: str) -> bool:
        """Tell whether a file can hold the metadata of an image of a Pillow mode."""
        if not metadata.fits:
            return False
        if not metadata.icc:
            return True
        # A profile of gray or CMYK is no profile of the RGB file that such an image becomes.
        return ICC in self.metadata and (mode in self.modes or mode not in ("L", "CMYK"))

    def taken(self, metadata: Any) -> int:
        """Return the bytes of what a file takes along."""
        parts = {EXIF: metadata.exif, XMP: metadata.xmp, ICC: metadata.icc}
        held = [data for name, data in parts.items() if name in self.metadata]
        if SEGMENTS in self.metadata:
            held += [data for _, data in metadata.segments]
        return sum(map(len, held))


class Picture(Protocol):
    """An image on its way to a codec: upright, of 8 bits a channel, opaque."""

    @property
    def bgr(self) -> Any:
        """Its pixels as OpenCV decodes them, gray or BGR; None where Pillow is to decode it."""

    @property
    def image(self) -> Any:
        """It, as a Pillow image of any mode that `images.decode` returns."""


class Codec(Protocol):
    """A module of this folder."""

    @property
    def ABOUT(self) -> About:  # noqa: N802 (a constant of a module)
        """What it is."""

    def encode(self, picture: Picture, setting: str, metadata: Any = None) -> bytes:
        """Return an image file.

        Args:
            picture: of at most `About.side` pixels a side.
            setting: one that `About.settings` matches.
            metadata: what the file takes along, a `metadata.Metadata`, or None; a JPEG file gets it
                afterwards (`metadata.with_metadata`).

        Raises:
            ValueError: where the image cannot be encoded.
        """

    def library(self) -> str:
        """Return the name and version of the encoder, for the records."""


def quality_of(setting: str) -> int:
    """Return the quality of a setting that begins with one: 30 of ``q30-444``."""
    return int(setting.partition("-")[0].removeprefix("q"))


def in_mode(picture: Picture, modes: frozenset[str]) -> Any:
    """Return a picture as a Pillow image of one of the modes, RGB where it has another.

    An alpha channel, which is opaque throughout, is dropped.
    """
    image = picture.image
    return image if image.mode in modes else image.convert("RGB")


def saved(picture: Picture, about: About, form: str, metadata: Any, **options: Any) -> bytes:
    """Return an image file as Pillow saves it.

    Args:
        picture: the image.
        about: the codec.
        form: Pillow's name of the format.
        metadata: as of `Codec.encode`.
        options: of the format.
    """
    import io

    image = in_mode(picture, about.modes)
    # Said even where it is nothing: Pillow would take along what the image came with.
    held = {"exif": b"", "icc_profile": None, "xmp": b""}
    if metadata:
        held |= {"exif": metadata.exif, "icc_profile": metadata.icc or None, "xmp": metadata.xmp}
    buffer = io.BytesIO()
    image.save(buffer, form, **options, **held)
    return buffer.getvalue()
