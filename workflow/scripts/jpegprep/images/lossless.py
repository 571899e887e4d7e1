"""The same image in fewer bytes: what a file's pixels cost less, written better.

JPEG files get Huffman tables and scans of their own by mozjpeg: the coefficients stay, and the file
becomes a progressive one, which takes about twice as long to decode. Of PNG files the filtered rows
stay, and are deflated anew. Other formats stay as they are.
"""

import struct
import zlib
from typing import Any

from PIL import ExifTags, Image

from jpegprep.images import exif
from jpegprep.images.anatomy import (
    APP0,
    APP14,
    EOI,
    JPEG,
    PNG,
    is_metadata,
    jpeg_pieces,
    png_chunks,
)
from jpegprep.images.formats import opened
from jpegprep.images.images import orientation

_APP1, _APP2, _APP11 = 0xE1, 0xE2, 0xEB
# What tools pad files with. Anything else behind an image may be found by its place in the file.
_PADDING = b"\0\xff\r\n\t "
# Chunks of PNG that do not depend on how the rows are deflated, though their names do not say so.
_KEPT = {b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT"}
_KEPT |= {b"bKGD", b"hIST", b"tIME", b"cICP", b"mDCV", b"cLLI", b"pCAL", b"sCAL", b"acTL"}
_KEPT |= {b"fcTL", b"fdAT"}
_SAFE_TO_COPY = 0x20  # the bit of a chunk's last letter (PNG, section 5.4)
_LEVEL = 12  # libdeflate's best


def optimized(data: bytes, metadata: bool = True) -> bytes:
    """Return an image file in fewer bytes with the same pixels, or the very same bytes.

    Both are decoded, and what differs in a single value is not taken.

    Args:
        data: an image file of any format.
        metadata: whether metadata stay, each segment byte for byte. Without them a file keeps what
            its pixels need: JFIF, Adobe's marker, how EXIF turns it; its profile goes, and with it
            what follows the image. Of PNG files they always stay.

    Returns:
        The bytes themselves where no fewer were found; where the file is damaged, or no image that
        is decoded; and, with `metadata`, where something in the file may hold only of these bytes:
        further pictures (MPF), a signature (C2PA), unknown chunks of PNG that depend on others, and
        data behind the image. A file with damage that decoders pass over in silence becomes a whole
        one with the same damaged pixels.

    Raises:
        MemoryError: where the machine has too little of it.
    """
    try:
        if data.startswith(JPEG):
            found = _jpeg(data, metadata)
        elif data.startswith(PNG):
            found = _png(data)
        else:
            return data
        # Short of a whole file nothing is proven: decoders make a rest up.
        return found if len(found) < len(data) and _seen(found) == _seen(data) else data
    except MemoryError:
        raise
    except Exception:  # parsers and codecs raise whatever comes to a damaged file
        return data


def _seen(data: bytes) -> tuple[Any, ...]:
    """Return all that a decoder sees of an image file's pixels.

    Raises:
        Exception: of any kind, where it is damaged or too large.
    """
    image = opened(data)
    image.load()
    palette = image.getpalette("RGBA") if image.mode in ("P", "PA") else None
    turned, transparent = orientation(image), image.info.get("transparency")
    return image.mode, image.size, image.tobytes(), palette, turned, transparent


def _jpeg(data: bytes, metadata: bool) -> bytes:
    pieces = list(jpeg_pieces(data))
    if pieces[-1].marker != EOI:
        return data  # truncated
    segments = [
        (marker, data[start:end].lstrip(b"\xff")[3:], data[start:end])
        for marker, start, end in pieces
        if is_metadata(marker, b"")  # JFIF and Adobe's marker among them
    ]
    if metadata and (data[pieces[-1].end :].strip(_PADDING) or any(map(_of_these_bytes, segments))):
        return data
    image = opened(data)  # refuses what has too many pixels
    from mozjpeg_lossless_optimization import optimize

    smaller = optimize(data)
    if metadata:
        bare = [
            smaller[start:end]
            for marker, start, end in jpeg_pieces(smaller)
            if marker not in (APP0, APP14)
        ]
        kept = [whole for _, _, whole in segments]
        return b"".join([bare[0], *kept, *bare[1:], data[pieces[-1].end :]])
    stripped = b"".join(
        data[start:end]
        for marker, start, end in pieces
        if not is_metadata(marker, data[start:end].lstrip(b"\xff")[3:])
    )
    return _turned(min(smaller, stripped, key=len), orientation(image))


def _of_these_bytes(segment: tuple[int | None, bytes, bytes]) -> bool:
    """Tell whether a segment says where in the file something is, or signs the file."""
    marker, content, _ = segment
    return (marker == _APP2 and content.startswith(b"MPF\0")) or (
        marker == _APP11 and content.startswith(b"JP")
    )


def _turned(jpeg: bytes, how: int) -> bytes:
    """Return a JPEG file without EXIF with one that says how it is turned, and nothing else."""
    if how == 1:
        return jpeg
    told = Image.Exif()
    told[ExifTags.Base.Orientation] = how
    block = exif.PREFIX + exif.bare(told.tobytes())
    place = 2
    if jpeg[3] == APP0:
        place = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:place] + struct.pack(">BBH", 0xFF, _APP1, len(block) + 2) + block + jpeg[place:]


def _png(data: bytes) -> bytes:
    chunks = list(png_chunks(data))
    pixels = [chunk for chunk in chunks if chunk.name == b"IDAT"]
    if (
        chunks[-1].name != b"IEND"
        or any(map(_depends, chunks))
        or any(
            zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big")
            for _, start, end in chunks
        )
    ):
        return data
    stream = b"".join(data[start + 8 : end - 4] for _, start, end in pixels)
    opened(data)  # refuses what has too many pixels
    reader = zlib.decompressobj()
    rows = reader.decompress(stream, _most_bytes(data))
    if not reader.eof or reader.unused_data:
        return data
    from imagecodecs import deflate_encode

    smaller = bytes(deflate_encode(rows, level=_LEVEL))
    if zlib.decompress(smaller) != rows:
        return data
    content = b"IDAT" + smaller
    chunk = struct.pack(">I", len(smaller)) + content + struct.pack(">I", zlib.crc32(content))
    return data[: pixels[0].start] + chunk + data[pixels[-1].end :]


def _depends(chunk: Any) -> bool:
    """Tell whether a chunk of PNG may hold of no other deflated rows, as Apple's iDOT does."""
    return chunk.name not in _KEPT and not chunk.name[3] & _SAFE_TO_COPY


def _most_bytes(data: bytes) -> int:
    """Return the most bytes that the rows of a PNG file have, interlaced or not, and some."""
    width, height, bits, colours = struct.unpack(">IIBB", data[16:26])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    # Each of Adam7's passes rounds its rows up to bytes, and has at most as many rows.
    return int(height * (width * channels * bits // 8 + 16) + 7 * 16 * (height + 1))
