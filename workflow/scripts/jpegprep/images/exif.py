"""EXIF blocks, changed in their places: made upright, and without the thumbnail.

Nothing in a block is moved, since what cameras write in their own notes has offsets that only
they know. (Exif 2.32, section 4.5; a block is a TIFF file without pixels.)
"""

import struct
from collections.abc import Iterator

PREFIX = b"Exif\0\0"  # before the block in a JPEG file
_ORIENTATION, _THUMBNAIL, _THUMBNAIL_BYTES, _SHORT = 0x0112, 0x0201, 0x0202, 3


def bare(exif: bytes) -> bytes:
    """Return a block from its TIFF header on."""
    return exif.removeprefix(PREFIX)


def upright(exif: bytes) -> bytes:
    """Return a block whose image is upright; one that is damaged as it is.

    Args:
        exif: the block, from its TIFF header on.
    """
    found = bytearray(exif)
    try:
        order, place = _begin(exif)
        for tag, at in _entries(exif, order, place):
            if tag == _ORIENTATION:
                struct.pack_into(f"{order}HIHH", found, at + 2, _SHORT, 1, 1, 0)
    except (struct.error, ValueError):
        return exif
    return bytes(found)


def without_thumbnail(exif: bytes) -> bytes:
    """Return a block without its thumbnail; one that is damaged, or has none, as it is.

    The second directory is unlinked, and the thumbnail taken out where it ends the block, as it
    does in nearly all; elsewhere it becomes zeros.

    Args:
        exif: the block, from its TIFF header on.
    """
    found = bytearray(exif)
    try:
        order, place = _begin(exif)
        (count,) = struct.unpack_from(f"{order}H", exif, place)
        link = place + 2 + 12 * count
        (second,) = struct.unpack_from(f"{order}I", exif, link)
        if not second:
            return exif
        told = dict.fromkeys((_THUMBNAIL, _THUMBNAIL_BYTES), 0)
        for tag, at in _entries(exif, order, second):
            if tag in told:
                (told[tag],) = struct.unpack_from(f"{order}I", exif, at + 8)
        start, size = told.values()
        if not 0 < start <= start + size <= len(exif):
            return exif
    except (struct.error, ValueError):
        return exif
    struct.pack_into(f"{order}I", found, link, 0)
    found[start : start + size] = bytes(size)
    return bytes(found[:start] if not any(found[start:]) else found)


def _begin(exif: bytes) -> tuple[str, int]:
    """Return the order of bytes, as `struct` calls it, and where the first directory stands."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        raise ValueError("no EXIF block")
    return order, struct.unpack_from(f"{order}I", exif, 4)[0]


def _entries(exif: bytes, order: str, place: int) -> Iterator[tuple[int, int]]:
    """Yield the tag and the place of each entry of a directory."""
    (count,) = struct.unpack_from(f"{order}H", exif, place)
    for at in range(place + 2, place + 2 + 12 * count, 12):
        yield struct.unpack_from(f"{order}H", exif, at)[0], at
