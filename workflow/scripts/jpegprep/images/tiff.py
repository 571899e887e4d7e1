"""TIFF files that Pillow reads with 8 bits, or not at all: of many bits, or of many channels."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

# Of the tag PhotometricInterpretation (TIFF 6.0, section 8).
WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_COLOURS = {WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_ASSOCIATED, _ALPHA = 1, 2  # of the tag ExtraSamples
_RESOLUTION = {2: 1.0, 3: 2.54}  # of the tag ResolutionUnit, per inch
_NO_DATA, _REDUCED, _MASK = 42113, 1, 4
_MOST_PAGES = 100


@dataclass(frozen=True)
class Layout:
    """What the first page of a TIFF file holds.

    Attributes:
        width: in pixels, as stored.
        height: likewise.
        colours: the number of channels of colour: 1, 3 or 4 (CMYK); 0 where they are no picture.
        channels: of all channels.
        alpha: how the channel behind the colours is transparency: straight, associated (colours
            are multiplied by it), or not at all (None).
        bits: of a channel.
        kind: of its values, as NumPy calls it: u, i, f or c.
        inverted: whether 0 is white.
        missing: the value that says that there is none, or None.
        several: whether there are more pages that are neither small copies nor masks.
        info: profile, metadata and resolution, as Pillow calls them.
    """

    width: int
    height: int
    colours: int
    channels: int
    alpha: str | None
    bits: int
    kind: str
    inverted: bool
    missing: float | None
    several: bool
    info: dict[str, Any] = field(default_factory=dict)


def layout(data: bytes) -> Layout:
    """Read what a TIFF file holds; its pixels are not read.

    Raises:
        ValueError: where it is damaged, or no TIFF file.
    """
    with _opened(data) as file:
        return _layout(file)


def values(data: bytes) -> tuple[Layout, npt.NDArray[Any]]:
    """Read the first page of a TIFF file.

    Returns:
        What it holds, and its values as they are stored: (height, width, channels).

    Raises:
        ValueError: where it is damaged, or no TIFF file.
    """
    with _opened(data) as file:
        found = _layout(file)
        page = file.pages[0]
        pixels = page.asarray(maxworkers=1)
        pixels = np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
        return found, pixels.reshape(found.height, found.width, found.channels)


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it warns of every odd tag
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            yield file
    except MemoryError:
        raise
    except Exception as error:  # its parser raises whatever comes to a damaged file
        raise ValueError(f"no readable TIFF: {error}") from None


def _layout(file: Any) -> Layout:
    page = file.pages[0]
    if page.dtype is None or page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError("no image on its first page")
    channels, photometric = int(page.samplesperpixel), int(page.photometric)
    extra = [int(kind) for kind in page.extrasamples]
    alpha = {_ASSOCIATED: "associated", _ALPHA: "straight"}.get(extra[-1]) if extra else None
    colours = _COLOURS.get(photometric, 0)
    if photometric == _BLACK_IS_ZERO and channels - bool(alpha) == 3:
        colours = 3  # as GDAL calls the colours of more than 8 bits
    beside = channels - colours
    # Beside gray a second channel that is no transparency is a second band.
    picture = beside == 0 or (beside == 1 and (alpha is not None or colours == 3))
    if not picture or page.dtype.kind not in "uif":
        colours = 0
    return Layout(
        width=int(page.imagewidth),
        height=int(page.imagelength),
        colours=colours,
        channels=channels,
        alpha=alpha if colours and beside else None,
        bits=int(page.bitspersample),
        kind=page.dtype.kind,
        inverted=photometric == WHITE_IS_ZERO,
        missing=float(page.nodata) if _NO_DATA in page.tags else None,
        several=_several(file),
        info=_info(page),
    )


def _several(file: Any) -> bool:
    """Tell whether there are more pages that are neither small copies nor masks."""
    for i in range(1, _MOST_PAGES):
        try:
            page = file.pages[i]
        except IndexError:
            return False
        if not int(page.subfiletype) & (_REDUCED | _MASK):
            return True
    return True


def _info(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    tags = {tag.code: tag.value for tag in page.tags}
    if isinstance(tags.get(34675), bytes):
        found["icc_profile"] = tags[34675]
    if isinstance(tags.get(700), bytes):
        found["xmp"] = tags[700]
    per_inch = _RESOLUTION.get(int(tags.get(296, 2)))
    if per_inch and 282 in tags and 283 in tags and all(tags[code][1] for code in (282, 283)):
        found["dpi"] = tuple(per_inch * tags[code][0] / tags[code][1] for code in (282, 283))
    exif = Image.Exif()
    if isinstance(turned := tags.get(274), int) and 1 < turned <= 8:
        exif[274] = int(turned)
        found["exif"] = exif.tobytes()
    return found
