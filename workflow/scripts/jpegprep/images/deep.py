"""Images of more than 8 bits a channel: their values as they are stored, and as 8 bits.

Values are integers or floating-point numbers. Integers of 9 to 16 declared bits are on the scale of
16 bits: in a file that says it has 10 bits, 1023 is white and becomes 65535. Others are as they
stand, such as 12-bit values in a PNG file that says it has 16.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from jpegprep.images import jpegxl, tiff
from jpegprep.images.decoding import FLOATING, INTEGER, WHITE, Range
from jpegprep.images.formats import JpegXl, ManyBits, opened

_LOW, _HIGH = 0.1, 99.9  # percentiles: what is beyond them is noise, dust or a dead pixel
_SAMPLE = 1 << 22  # values that percentiles are taken of, at most
_NONE = 1e30  # what is farther from 0 stands for no value in floating-point images
_BLOCK = 1 << 20  # values that become 8 bits at a time
_MOST = 640 << 20  # bytes of values of an image, which is held three times

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Values:
    """The values of an image of more than 8 bits a channel.

    Attributes:
        colours: (height, width, channels): one of gray, three of RGB, four of CMYK.
        scale: INTEGER or FLOATING.
        alpha: (height, width) uint8; 255 is opaque. None where there is none.
        missing: the value that the file says stands for none, or None.
        inverted: whether 0 is white.
    """

    colours: Array
    scale: str
    alpha: npt.NDArray[np.uint8] | None = None
    missing: float | None = None
    inverted: bool = False

    def percentiles(self) -> Range | None:
        """Return the 0.1st and the 99.9th percentile of the values, None where there is no value.

        What stands for no value is left out: what the file says does, what is no number or beyond
        ±1e30, and a negative value that is repeated and lies farther below all others than these
        lie apart, such as -9999. So is what is hidden by transparency.
        """
        found = self.colours
        if self.alpha is not None:
            found = found[self.alpha > 0]
        found = found.ravel()
        step = -(-found.size // _SAMPLE) | 1  # odd, so that columns of a usual width do not repeat
        found = found[::step]
        found = found[~self._none(found)].astype(np.float64)
        if found.size and (least := found.min()) < 0:
            others = found[found > least]
            if found.size - others.size > 1 and others.size:
                apart = others.min() - least > np.ptp(others)
                found = (
                    others
                    if apart and np.unique(others[:: 1 + others.size // 999]).size > 9
                    else found
                )
        if not found.size:
            return None
        low, high = np.percentile(found, (_LOW, _HIGH))
        return float(low), float(high)

    def image(self, within: Range) -> Image.Image:
        """Return the image with 8 bits a channel.

        Args:
            within: the values that become 0 and 255; those beyond are cut off, no value is 0.
        """
        low, high = within
        height, width, bands = self.colours.shape
        pixels: Array = np.empty((height, width, bands), np.uint8)
        rows = max(1, _BLOCK // (width * bands))
        for top in range(0, height, rows):
            block = self.colours[top : top + rows]
            scaled = (block.astype(np.float64) - low) * (255 / (high - low))
            scaled = scaled.round().clip(0, 255)
            scaled = 255 - scaled if self.inverted else scaled
            pixels[top : top + rows] = np.where(self._none(block), 0, scaled)
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[bands]
        if self.alpha is not None and mode != "CMYK":
            pixels, mode = np.dstack([pixels, self.alpha]), f"{mode}A"
        return Image.frombytes(mode, (width, height), pixels)

    def _none(self, values: Array) -> npt.NDArray[np.bool_]:
        """Return where there is no value."""
        none = np.zeros(values.shape, bool)
        if self.scale == FLOATING:
            none |= ~(np.abs(values) < _NONE)
        if self.missing is not None:
            none |= values == self.missing
        return none


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Tell whether an image has more than 8 bits a channel.

    Args:
        image: as `formats.opened` opens it.
        data: the file.
    """
    if image.mode.startswith(("I", "F")):
        return True
    bits = _BITS.get(str(image.format))
    return bits is not None and bits(image, data) > 8


def read(image: Image.Image, data: bytes) -> Values:
    """Read the values of an image of more than 8 bits a channel.

    Args:
        image: as of `is_deep`, which is true of it.
        data: the file.

    Raises:
        Exception: of any kind, where the file is damaged; `PIL.Image.DecompressionBombError` where
            its values take more than 640 MiB.
    """
    bits = image.layout.bits if isinstance(image, ManyBits) else 32 if image.mode == "F" else 16
    if image.width * image.height * len(image.getbands()) * bits > 8 * _MOST:
        raise Image.DecompressionBombError("its values take more than 640 MiB")
    reader = _READERS.get(str(image.format))
    if reader is not None and (found := reader(image, data)) is not None:
        return found
    image.load()
    scale = FLOATING if image.mode.startswith("F") else INTEGER
    return Values(np.asarray(image)[:, :, np.newaxis], scale)


def _png_bits(image: Image.Image, data: bytes) -> int:
    return data[24]


def _tiff_bits(image: Image.Image, data: bytes) -> int:
    if isinstance(image, ManyBits):
        return image.layout.bits
    told = image.tag_v2.get(258, 1)  # type: ignore[attr-defined]
    return max(told if isinstance(told, tuple) else (told,))


def _jpeg2000_bits(image: Image.Image, data: bytes) -> int:
    start = data.find(b"\xff\x4f\xff\x51")  # where its codestream begins (ITU-T T.800, annex A)
    components = int.from_bytes(data[start + 40 : start + 42], "big")
    return max((data[start + 42 + 3 * i] & 0x7F) + 1 for i in range(components))


def _avif_bits(image: Image.Image, data: bytes) -> int:
    place = data.find(b"av1C")  # AV1-ISOBMFF, section 2.3.3
    flags = data[place + 6] if place >= 0 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _heif_bits(image: Image.Image, data: bytes) -> int:
    return int(image.info.get("bit_depth", 8))


def _jpegxl_bits(image: Image.Image, data: bytes) -> int:
    header = image.header if isinstance(image, JpegXl) else jpegxl.read_header(data)
    return 32 if header.floating else header.bits


def _pnm_bits(image: Image.Image, data: bytes) -> int:
    found = _PNM.match(data)
    return 16 if found and int(found[4]) > 255 else 8


# Kind, width, height and greatest value of a binary file, with white space and comments between.
_BETWEEN = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P([56])" + (_BETWEEN + rb"(\d+)") * 3 + rb"\s")

_Bits = Callable[[Any, bytes], int]
_BITS: dict[str, _Bits] = {
    **{"PNG": _png_bits, "TIFF": _tiff_bits, "JPEG2000": _jpeg2000_bits, "AVIF": _avif_bits},
    **{"HEIF": _heif_bits, "JXL": _jpegxl_bits, "PPM": _pnm_bits},
}


def _png(image: Image.Image, data: bytes) -> Values | None:
    if image.mode == "I;16" and "transparency" not in image.info:
        return None
    opened(data).load()  # the reader below would not see that a file is cut off
    import imagecodecs

    return _of_array(imagecodecs.png_decode(data), 16)


def _tiff(image: Image.Image, data: bytes) -> Values:
    about, pixels = tiff.values(data)
    if not about.colours:
        raise ValueError(f"{about.channels} channels are no picture")
    scale, white = INTEGER, float(1 << max(16, about.bits)) - 1
    if about.kind == "f":
        pixels = pixels.astype(np.float32) if about.bits < 32 else pixels
        scale, white = FLOATING, WHITE[FLOATING]
    pixels = _scaled(pixels, about.bits)
    colours, alpha = pixels[:, :, : about.colours], None
    if about.alpha:
        share = pixels[:, :, -1] / white
        alpha = _eight(share)
        if about.alpha == "associated":
            colours = colours / np.where(share > 0, share, 1).astype(np.float32)[:, :, np.newaxis]
    return Values(colours, scale, alpha, about.missing, about.inverted)


def _jpeg2000(image: Image.Image, data: bytes) -> Values:
    import imagecodecs

    return _of_array(imagecodecs.jpeg2k_decode(data), _jpeg2000_bits(image, data))


def _avif(image: Image.Image, data: bytes) -> Values:
    import imagecodecs

    return _of_array(imagecodecs.avif_decode(data, 0, numthreads=1), _avif_bits(image, data))


def _heif(image: Image.Image, data: bytes) -> Values:
    from pi_heif import open_heif

    bits = _heif_bits(image, data)
    file = open_heif(data, convert_hdr_to_8bit=False)
    pixels = np.asarray(file[file.primary_index]) >> (16 - bits)  # it fills up 16 bits with zeros
    return _of_array(pixels, bits)


def _jpegxl(image: Image.Image, data: bytes) -> Values:
    return _of_array(jpegxl.decode(data), _jpegxl_bits(image, data))


def _pnm(image: Image.Image, data: bytes) -> Values | None:
    found = _PNM.match(data)
    if found is None:
        return None
    width, height, white = int(found[2]), int(found[3]), int(found[4])
    channels = 3 if found[1] == b"6" else 1
    pixels = np.frombuffer(data, ">u2", width * height * channels, found.end())
    pixels = pixels.reshape(height, width, channels)
    return Values(pixels if white == 65535 else pixels * (65535 / white), INTEGER)


_Reader = Callable[[Any, bytes], Values | None]
_READERS: dict[str, _Reader] = {
    **{"PNG": _png, "TIFF": _tiff, "JPEG2000": _jpeg2000, "AVIF": _avif, "HEIF": _heif},
    **{"JXL": _jpegxl, "PPM": _pnm},
}


def _of_array(pixels: Array, bits: int) -> Values:
    """Return gray or RGB values, maybe with alpha behind them, of (height, width[, channels])."""
    scale = FLOATING if pixels.dtype.kind == "f" else INTEGER
    pixels = _scaled(pixels.astype(np.float32) if scale == FLOATING else pixels, bits)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"an array of shape {pixels.shape} is no picture")
    if pixels.shape[2] in (1, 3):
        return Values(pixels, scale)
    return Values(pixels[:, :, :-1], scale, _eight(pixels[:, :, -1] / WHITE[scale]))


def _scaled(pixels: Array, bits: int) -> Array:
    """Return integers of fewer declared bits on the scale of 16; others as they are."""
    if pixels.dtype.kind != "u" or bits >= 16:
        return pixels
    return pixels * np.float32(WHITE[INTEGER] / ((1 << bits) - 1))


def _eight(share: Array) -> npt.NDArray[np.uint8]:
    """Return shares, of 1, as 8 bits."""
    return (share * 255).round().clip(0, 255).astype(np.uint8)
