"""JPEG XL: what a file says of itself before its pixels, and its pixels.

The bits are those of ISO/IEC 18181-1, annex D (the codestream's header), and 18181-2 (the boxes
around it). The reader of pixels hands out neither the profile nor the metadata.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy.typing as npt

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"


@dataclass(frozen=True)
class Header:
    """What the header of a JPEG XL file says.

    Attributes:
        width: in pixels, of the upright image, as it is decoded.
        height: likewise.
        bits: of a channel; 16 or 32 of floating-point values.
        floating: whether its values are floating-point numbers.
        gray: whether it has one channel of colour.
        alpha: whether there is an alpha channel.
        others: whether there are channels beside colour and alpha.
        animated: whether there are several frames.
        srgb: whether its colours are those of sRGB (of gray: its curve).
    """

    width: int
    height: int
    bits: int
    floating: bool
    gray: bool
    alpha: bool
    others: bool
    animated: bool
    srgb: bool


def read_header(data: bytes) -> Header:
    """Read the header of a JPEG XL file.

    Raises:
        ValueError: where it is none, or its header is damaged.
    """
    bits = _Bits(_codestream(data))
    if bits.take(16) != 0x0AFF:
        raise ValueError("no JPEG XL codestream")
    width, height = _size(bits)
    if bits.take(1):  # all as usual
        return Header(width, height, 8, False, False, False, False, False, True)
    orientation, animated = 1, False
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)  # as which it is to be shown
        if bits.take(1):
            _preview(bits)
        if animated := bool(bits.take(1)):
            _animation(bits)
    floating, depth = _depth(bits)
    bits.take(1)
    extra = [_extra_channel(bits) for _ in range(bits.u32((0, 0), (0, 1), (4, 2), (12, 1)))]
    bits.take(1)
    gray, srgb = _colours(bits)
    if orientation > 4:
        width, height = height, width
    alpha, others = _ALPHA in extra, any(kind != _ALPHA for kind in extra) or len(extra) > 1
    return Header(width, height, depth, floating, gray, alpha, others, animated, srgb)


def decode(data: bytes) -> npt.NDArray:  # type: ignore[type-arg]
    """Return the pixels of the first frame, upright: (height, width) or (height, width, channels).

    They are of uint8, uint16 or a floating-point type; integers have the range of `Header.bits`.
    """
    import imagecodecs

    index = 0 if read_header(data).animated else None
    return imagecodecs.jpegxl_decode(data, index, numthreads=1)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box of a container; of a bare codestream nothing.

    Raises:
        ValueError: where a box is cut off.
    """
    place = 0 if data.startswith(CONTAINER) else len(data)
    while place + 8 <= len(data):
        size, kind, start = int.from_bytes(data[place : place + 4], "big"), data[place + 4 :], 8
        if size == 1:
            size, start = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = place + size if size else len(data)
        if end < place + start or end > len(data):
            raise ValueError("a box of JPEG XL is cut off")
        yield bytes(kind[:4]), data[place + start : end]
        place = end


def metadata(data: bytes) -> dict[str, bytes]:
    """Return the metadata of a file: ``exif``, from its TIFF header on, and ``xmp``."""
    found = {}
    for kind, content in boxes(data):
        if kind == b"brob":
            import imagecodecs

            kind, content = content[:4], bytes(imagecodecs.brotli_decode(content[4:]))
        if kind == b"Exif":
            found["exif"] = content[4 + int.from_bytes(content[:4], "big") :]
        elif kind == b"xml ":
            found["xmp"] = content
    return found


def _codestream(data: bytes) -> bytes:
    if not data.startswith(CONTAINER):
        return data
    parts = [
        content[4:] if kind == b"jxlp" else content
        for kind, content in boxes(data)
        if kind in (b"jxlc", b"jxlp")
    ]
    return b"".join(parts)


class _Bits:
    """Bits from the lowest of each byte on."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:4096], "little"), 8 * len(data[:4096])

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the header of JPEG XL is cut off")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def u32(self, *ways: tuple[int, int]) -> int:
        """Read a number in one of four ways: so many bits, and what is added to them."""
        count, offset = ways[self.take(2)]
        return self.take(count) + offset

    def enum(self) -> int:
        return self.u32((0, 0), (0, 1), (4, 2), (6, 18))


_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        if small:
            return 8 * (1 + bits.take(5))
        return bits.u32((9, 1), (13, 1), (18, 1), (30, 1))

    height = side()
    if ratio := bits.take(3):
        over, under = _RATIOS[ratio]
        return height * over // under, height
    return side(), height


def _preview(bits: _Bits) -> None:
    ways = [(0, 16), (0, 32), (5, 1), (9, 33)]
    if not bits.take(1):
        ways = [(6, 1), (8, 65), (10, 321), (12, 1345)]
    bits.u32(*ways)
    if not bits.take(3):
        bits.u32(*ways)


def _animation(bits: _Bits) -> None:
    bits.u32((0, 100), (0, 1000), (10, 1), (30, 1))
    bits.u32((0, 1), (0, 1001), (8, 1), (10, 1))
    bits.u32((0, 0), (3, 0), (16, 0), (32, 0))
    bits.take(1)


def _depth(bits: _Bits) -> tuple[bool, int]:
    if bits.take(1):
        found = bits.u32((0, 32), (0, 16), (0, 24), (6, 1))
        bits.take(4)
        return True, found
    return False, bits.u32((0, 8), (0, 10), (0, 12), (6, 1))


_ALPHA, _SPOT_COLOUR, _FILTER_ARRAY = 0, 2, 5


def _extra_channel(bits: _Bits) -> int:
    """Read what one channel beside colour is, and return its kind."""
    if bits.take(1):
        return _ALPHA
    kind = bits.enum()
    _depth(bits)
    bits.u32((0, 0), (0, 3), (0, 4), (3, 1))
    bits.take(8 * bits.u32((0, 0), (4, 0), (5, 16), (10, 48)))  # its name
    if kind == _ALPHA:
        bits.take(1)
    elif kind == _SPOT_COLOUR:
        bits.take(64)
    elif kind == _FILTER_ARRAY:
        bits.u32((0, 1), (2, 0), (4, 3), (8, 19))
    return kind


_GRAY, _D65, _PRIMARIES, _CURVE = 1, 1, 1, 13  # of sRGB


def _colours(bits: _Bits) -> tuple[bool, bool]:
    """Return whether there is one channel of colour, and whether its colours are sRGB's."""
    if bits.take(1):
        return False, True
    profile, space = bits.take(1), bits.enum()
    gray = space == _GRAY
    if profile or space > _GRAY or bits.enum() != _D65:
        return gray, False
    if not gray and bits.enum() != _PRIMARIES:
        return gray, False
    return gray, not bits.take(1) and bits.enum() == _CURVE
