"""Where the bytes of an image file are: of a JPEG or PNG file part by part, up to the last byte."""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import NamedTuple

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_SOI, EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_DHT, _DQT, _DAC, _COM = 0xC4, 0xDB, 0xCC, 0xFE
APP0, APP14, _APP = 0xE0, 0xEE, range(0xE0, 0xF0)
_JFIF = 14  # bytes of JFIF's content; a thumbnail follows
# A marker amid entropy-coded bytes that ends them: no stuffed zero, restart or fill byte.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Chunks of PNG without which its pixels are others, and those with the pixels.
_PNG_TABLES, _PNG_PIXELS = (b"PLTE", b"tRNS"), (b"IDAT", b"fdAT")


@dataclass(frozen=True)
class Parts:
    """Bytes of the parts of an image file; their sum is the file's size.

    Attributes:
        header: markers, frame and scan headers, JFIF and Adobe's marker; of PNG the signature,
            IHDR, IEND and what frames the chunks of pixels.
        tables: quantization and Huffman (or arithmetic) tables; of PNG palette and transparency.
        metadata: EXIF with its thumbnail, XMP, ICC, comments and whatever else is no part of
            decoding; of PNG all other chunks.
        scan: entropy-coded bytes of the pixels; of PNG the compressed stream.
        trailing: what follows the image's end, or the place where it is damaged.
        other: a file of another format, whole.
    """

    header: int = 0
    tables: int = 0
    metadata: int = 0
    scan: int = 0
    trailing: int = 0
    other: int = 0

    @property
    def size(self) -> int:
        """The file's bytes."""
        return sum(astuple(self))

    def __add__(self, more: "Parts") -> "Parts":
        """Return the parts of two files together."""
        return Parts(
            *(one + other for one, other in zip(astuple(self), astuple(more), strict=True))
        )


class Piece(NamedTuple):
    """A stretch of a JPEG file: ``data[start:end]``.

    Attributes:
        marker: the second byte of the marker that it begins with; None of entropy-coded bytes.
        start: its first byte's place.
        end: the place behind its last byte.
    """

    marker: int | None
    start: int
    end: int


def jpeg_pieces(data: bytes) -> Iterator[Piece]:
    """Yield the pieces of a JPEG file without a gap, up to its end of image or its first damage.

    What follows is trailing: the last piece of a whole file has the marker `EOI`.
    """
    yield Piece(_SOI, 0, 2)
    place = 2
    while place < len(data):
        start = place
        while data[place] == 0xFF and data[place + 1 : place + 2] == b"\xff":  # fill bytes
            place += 1
        if data[place] != 0xFF or place + 1 >= len(data):
            return
        marker = data[place + 1]
        end = place + 2
        if marker not in (EOI, _TEM):
            length = int.from_bytes(data[place + 2 : place + 4], "big")
            end += length
            if marker in (0, _SOI) or length < 2 or end > len(data):
                return
        yield Piece(marker, start, end)
        if marker == EOI:
            return
        place = end
        if marker == _SOS:
            found = _END_OF_SCAN.search(data, end)
            place = found.start() if found else len(data)
            yield Piece(None, end, place)


def parts_of(data: bytes) -> Parts:
    """Return the parts of an image file; of a damaged one what follows the damage is trailing."""
    if data.startswith(JPEG):
        return _of_jpeg(data)
    return _of_png(data) if data.startswith(PNG) else Parts(other=len(data))


def is_metadata(marker: int | None, content: bytes) -> bool:
    """Tell whether a JPEG file's segment is of no account for its pixels.

    JFIF and Adobe's marker say which colours the channels are.
    """
    if marker == APP0:
        return not content.startswith(b"JFIF\0")
    if marker == APP14:
        return not content.startswith(b"Adobe")
    return marker == _COM or marker in _APP


def _of_jpeg(data: bytes) -> Parts:
    header = tables = metadata = scan = place = 0
    for marker, start, end in jpeg_pieces(data):
        size = end - start
        content = data[start:end].lstrip(b"\xff")[3:]
        if marker is None:
            scan += size
        elif marker in (_DHT, _DQT, _DAC):
            tables += size
        elif is_metadata(marker, content):
            metadata += size
        else:
            thumbnail = max(0, len(content) - _JFIF) if marker == APP0 else 0
            header, metadata = header + size - thumbnail, metadata + thumbnail
        place = end
    return Parts(header, tables, metadata, scan, len(data) - place)


class Chunk(NamedTuple):
    """A chunk of a PNG file, ``data[start:end]`` with its length, name and checksum."""

    name: bytes
    start: int
    end: int


def png_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file, up to IEND or its first damage; checksums are not read."""
    place = len(PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            return
        name = data[place + 4 : place + 8]
        yield Chunk(name, place, end)
        if name == b"IEND":
            return
        place = end


def _of_png(data: bytes) -> Parts:
    header, tables, metadata, scan, place = len(PNG), 0, 0, 0, len(PNG)
    for name, start, end in png_chunks(data):
        size = end - start
        if name in _PNG_PIXELS:
            header, scan = header + 12, scan + size - 12
        elif name in (b"IHDR", b"IEND"):
            header += size
        elif name in _PNG_TABLES:
            tables += size
        else:
            metadata += size
        place = end
    return Parts(header, tables, metadata, scan, len(data) - place)
