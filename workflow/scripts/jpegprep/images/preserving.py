"""What becomes of an image where its file is to be replaced: nothing is lost that nobody gave up.

A file that holds more than a JPEG file of 8 bits can is left as it is, unless that was given up by
name: values of more than 8 bits, transparency, further frames. What can be taken along is taken
along: profile, EXIF, XMP and resolution (`metadata`).
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL
from jpegprep.images import deep
from jpegprep.images.codecs.codec import About
from jpegprep.images.codecs.registry import CODECS
from jpegprep.images.contents import (
    has_extra_channel,
    has_several_frames,
    has_transparency,
    is_no_picture,
)
from jpegprep.images.decoding import ALPHAS, FLOATING, INTEGER, USUAL, Decoding, Range
from jpegprep.images.formats import not_read, opened
from jpegprep.images.images import decode
from jpegprep.images.lossless import optimized
from jpegprep.images.metadata import Metadata, metadata_of, with_metadata
from jpegprep.images.opencv import has_profile
from jpegprep.images.recompress import coded, pictured, transcoded, treat
from jpegprep.images.variants import (
    NOISE,
    Coded,
    Optimized,
    Resized,
    Smaller,
    Transcoded,
    Treatment,
    parse_variant,
)

# Why an image stays as it is.
DEEP, TRANSPARENT, FRAMES = "over 8 bits", "transparent", "several frames"
EXTRA, NO_ROOM = "extra channel", "profile or metadata that JPEG cannot hold"
NOT_HELD, TOO_LONG = "profile that the codec cannot hold", "longer than the codec can hold"
NO_PICTURE, NOT_READ = "channels that are no picture", "not read:"  # and the file's ending


@dataclass(frozen=True)
class Giving:
    """What a conversion may give up.

    Attributes:
        depth: whether images of more than 8 bits become images of 8.
        alpha: what transparent images are laid on (`Decoding.alpha`); None: they stay.
        frames: whether of several frames the first one is enough.
        metadata: whether profile, EXIF, XMP and resolution are left out.
        decoding: with `depth`, how images are decoded.
    """

    depth: bool = False
    alpha: str | None = None
    frames: bool = False
    metadata: bool = False
    decoding: Decoding = field(default=USUAL)

    def __str__(self) -> str:
        """Return it as a conversion is called, behind its variant; `asked` is the inverse."""
        parts = []
        if self.depth:
            ends = [self.decoding.range_of(scale) for scale in (INTEGER, FLOATING)]
            parts += ["depth=8", *(f"range={low!r},{high!r}" for low, high in ends)]
        parts += [f"alpha={self.alpha}"] if self.alpha else []
        parts += ["frames=first"] if self.frames else []
        parts += ["metadata=strip"] if self.metadata else []
        return "".join(f" {part}" for part in parts)


NOTHING = Giving()


def asked(text: str) -> tuple[tuple[Treatment, ...], Giving]:
    """Return the treatments and what may be given up, of a variant's name and a `Giving`.

    Raises:
        UserError: where the variant is none.
    """
    variant, *parts = text.split(" ")
    told = dict(part.split("=", 1) for part in parts)
    ranges = [part.removeprefix("range=") for part in parts if part.startswith("range=")]
    found = Giving(
        "depth" in told, told.get("alpha"), "frames" in told, told.get("metadata") == "strip"
    )
    if ranges:
        integer, floating = map(_ends, ranges)
        found = replace(found, decoding=Decoding(integer, floating))
    if found.alpha:
        found = replace(found, decoding=replace(found.decoding, alpha=found.alpha))
    return parse_variant(variant), found


def _ends(text: str) -> Range:
    low, high = map(float, text.split(","))
    return low, high


def giving(
    depth: str = "", range: str = "", alpha: str = "", frames: str = "", metadata: str = ""
) -> tuple[Giving, bool]:
    """Return what a user gives up, as the command line says it; empty is nothing.

    Args:
        depth: 8, or keep.
        range: the values that become 0 and 255 with ``depth=8``: LOW,HIGH or full; or measured.
        alpha: white, black or drop; or copy.
        frames: first; or copy.
        metadata: strip; or keep.

    Returns:
        That, and whether the values that become 0 and 255 are to be measured.

    Raises:
        UserError: at a mistake.
    """
    for name, value, known in (
        ("depth", depth, ("8", "keep")),
        ("alpha", alpha, (*ALPHAS, "copy")),
        ("frames", frames, ("first", "copy")),
        ("metadata", metadata, ("keep", "strip")),
    ):
        if value and value not in known:
            raise UserError(f"{name} is {value!r}; it is {', '.join(known[:-1])} or {known[-1]}")
    decoding = USUAL
    within = "" if range == "measured" else range
    if within and depth != "8":
        raise UserError(f"range is {within!r}, and depth is not 8; say both, or neither")
    if within and within != "full":
        try:
            low, high = _ends(within)
        except ValueError:
            low = high = 0.0
        if not low < high < float("inf"):
            raise UserError(f"range is {within!r}; it is measured, full, or LOW,HIGH as in 0,4095")
        decoding = Decoding((low, high), (low, high))
    ground = alpha if alpha in ALPHAS else None
    decoding = replace(decoding, alpha=ground) if ground else decoding
    found = Giving(depth == "8", ground, frames == "first", metadata == "strip", decoding)
    return found, found.depth and not within


def store_variant(store: str, keep_smaller: bool) -> str:
    """Return the variant that a conversion to a store makes.

    Args:
        store: its name: ``jpeg-q50``, ``s256-webp-q60``, ``original-opt``.
        keep_smaller: whether an image that it makes no smaller stays as it is.

    Raises:
        UserError: where it is none, or none that files are converted to.
    """
    steps = parse_variant(store)
    if store == ORIGINAL or store.startswith(NOISE):
        raise UserError(
            f"store is {store!r}, which converts nothing; name a codec, as in jpeg-q50, or "
            "original-opt"
        )
    own = steps[0] in (Optimized(), Transcoded()) or Smaller() in steps
    return store if own or not keep_smaller else f"{store}-smaller"


def ending_of(treatments: tuple[Treatment, ...]) -> str | None:
    """Return the ending of converted files, without a dot; None: they keep their names."""
    if Transcoded() in treatments:
        return CODECS["jxl"].ABOUT.extension
    found = (CODECS[step.codec].ABOUT.extension for step in treatments if isinstance(step, Coded))
    return next(found, None)


class Made(NamedTuple):
    """What becomes of an image file.

    Attributes:
        data: the new file; None, where the file stays as it is.
        why: the reason, where it stays for another one than its bytes.
        size: the upright image's, in pixels; None of what is no image here.
        left_out: bytes of metadata that the new file does not hold.
    """

    data: bytes | None
    why: str | None = None
    size: tuple[int, int] | None = None
    left_out: int = 0


def made(name: str, data: bytes, treatments: tuple[Treatment, ...], given: Giving) -> Made:
    """Return what becomes of an image file.

    With `Smaller` among the treatments it stays where the new file, with all metadata that can be
    taken along, is no smaller: so it does not depend on whether they are taken along. `size` is
    that of the source, whatever the new file's is.

    Args:
        name: the file's.
        data: its bytes.
        treatments: what is done to its pixels.
        given: what may be given up.

    Raises:
        Exception: of any kind, where the file is damaged, or no image.
    """
    try:
        image = opened(data)
    except Exception:
        if ending := not_read(name, data, None):
            return Made(None, f"{NOT_READ} {ending}")
        raise
    if ending := not_read(name, data, image.format):
        return Made(None, f"{NOT_READ} {ending}")
    if is_no_picture(image):
        return Made(None, NO_PICTURE)
    # OpenCV, which may treat it, would make an image of a damaged file, too.
    size = decode(data, given.decoding).size
    if Optimized() == treatments[0] or Transcoded() == treatments[0]:
        return _without_loss(image, data, size, treatments[0], given)
    steps = tuple(step for step in treatments if step != Smaller())
    about = next(CODECS[step.codec].ABOUT for step in steps if isinstance(step, Coded))
    if max(_size_as(steps, *size)) > about.side:
        if about.jpeg:
            raise ValueError("no JPEG file is so long")
        return Made(None, TOO_LONG, size)
    if why := _more_than_jpeg(image, data, given):
        return Made(None, why, size)
    metadata = metadata_of(image, data)
    fits = about.holds(metadata, image.mode)
    if not fits and not given.metadata:
        return Made(None, NO_ROOM if not metadata.fits else NOT_HELD, size)
    bare, whole = _bare_and_whole(data, steps, given, about, metadata if fits else None)
    if Smaller() in treatments and len(whole) >= len(data):
        return Made(None, None, size)
    if given.metadata:
        return Made(bare, None, size, metadata.held)
    return Made(whole, None, size, metadata.held - about.taken(metadata))


def _size_as(steps: tuple[Treatment, ...], width: int, height: int) -> tuple[int, int]:
    """Return the size of an image of this size when it is treated."""
    for step in steps:
        if isinstance(step, Resized):
            width, height = step.size(width, height)
    return width, height


def size_as(variant: str, width: int, height: int) -> tuple[int, int]:
    """Return the size of the new file of an image of this size, in pixels.

    Args:
        variant: as `asked` takes it.
        width: of the source, upright.
        height: likewise.
    """
    return _size_as(asked(variant)[0], width, height)


def _bare_and_whole(
    data: bytes,
    steps: tuple[Treatment, ...],
    given: Giving,
    about: About,
    metadata: Metadata | None,
) -> tuple[bytes, bytes]:
    """Return a treated file without metadata and with them."""
    if about.jpeg:
        bare = treat(data, steps, how=given.decoding)
        return bare, with_metadata(bare, metadata) if metadata else bare
    picture = pictured(data, steps, given.decoding)
    (step,) = (step for step in steps if isinstance(step, Coded))
    whole = coded(picture, step, metadata)
    # Where they go along, nobody wants it without them.
    bare = coded(picture, step) if given.metadata and metadata else whole
    return bare, whole


def _without_loss(
    image: Image.Image, data: bytes, size: tuple[int, int], step: Treatment, given: Giving
) -> Made:
    """Return the same image in fewer bytes; `optimized` compares the pixels of both files."""
    if isinstance(step, Optimized):
        new = optimized(data, metadata=not given.metadata)
        if len(new) == len(data):
            return Made(None, None, size)
        # A PNG keeps its metadata, whether they are given up or not.
        left_out = metadata_of(image, data).held - metadata_of(opened(new), new).held
        return Made(new, None, size, left_out)
    if why := _more_than_jpeg(image, data, NOTHING):
        return Made(None, why, size)
    if not data.startswith(b"\xff\xd8\xff") and has_profile(data):
        return Made(None, NOT_HELD, size)
    new = transcoded(data)
    return Made(new, None, size, 0) if len(new) < len(data) else Made(None, None, size)


def _more_than_jpeg(image: Image.Image, data: bytes, given: Giving) -> str | None:
    """Return what a file holds that its JPEG file would not, and that is not given up."""
    if not given.depth and deep.is_deep(image, data):
        return DEEP
    if not given.frames and has_several_frames(data):
        return FRAMES
    if given.alpha is None and has_transparency(data):
        return TRANSPARENT
    return EXTRA if has_extra_channel(image) else None
