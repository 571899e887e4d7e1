"""Metadata of image files: what a JPEG file takes along of its source, and how it is written there.

Taken along are the colour profile (ICC), EXIF without its thumbnail and upright, XMP, and the
resolution; from JPEG to JPEG also IPTC.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from jpegprep.images import exif, profiles
from jpegprep.images.formats import JpegXl, ManyBits

_APP0, _APP1, _APP2, _APP13, _SOS = 0xE0, 0xE1, 0xE2, 0xED, 0xDA
_LONGEST = 65_533  # bytes of a segment's content (ITU-T T.81, section B.1.1.4)
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_ICC, _IPTC = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_ICC_CHUNK = _LONGEST - len(_ICC) - 2
# Of a TIFF file's own tags those that tell of the picture and not of the file.
_OF_TIFF = (270, 271, 272, 305, 306, 315, 316, 33432)
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# XMP may say, too, how the picture is to be turned.
_TURNED = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")


@dataclass(frozen=True)
class Metadata:
    """What a JPEG file can take along of its source.

    Attributes:
        exif: the block, upright and without thumbnail; empty where there is none.
        xmp: likewise the packet.
        icc: likewise the profile.
        dpi: pixels an inch, across and down, or None.
        segments: further segments of a JPEG file, marker and content: more XMP, IPTC.
        held: the bytes of all that in the source, the thumbnail among them.
        fits: whether JPEG can hold it: not a profile of other colours than the JPEG file's, nor one
            that the reader does not hand out, nor more bytes than a segment has.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[int, int] | None = None
    segments: tuple[tuple[int, bytes], ...] = ()
    held: int = 0
    fits: bool = True

    @property
    def size(self) -> int:
        """The bytes of what is taken along."""
        return sum(map(len, (self.exif, self.xmp, self.icc, *(data for _, data in self.segments))))


def metadata_of(image: Image.Image, data: bytes) -> Metadata:
    """Return what a JPEG file of an image can take along.

    Args:
        image: as `formats.opened` opens it.
        data: the file.
    """
    block = exif.bare(image.info.get("exif") or b"")
    if image.format == "TIFF" and not isinstance(image, ManyBits):
        block = _exif_of_tiff(image)
    xmp, icc = (_bytes(image.info.get(name)) for name in ("xmp", "icc_profile"))
    segments: tuple[tuple[int, bytes], ...] = ()
    if data.startswith(b"\xff\xd8\xff"):
        segments = tuple(
            (marker, content)
            for marker, content in _segments(data)
            if content.startswith(_MORE_XMP) or (marker == _APP13 and content.startswith(_IPTC))
        )
    kept = exif.without_thumbnail(exif.upright(block))
    held = sum(map(len, (block, xmp, icc, *(content for _, content in segments))))
    space = profiles.mode_of(icc) if icc else None
    if space and space != profiles.colours_of(image.mode):
        icc, space = b"", None  # of other colours than the image: nobody heeds it
    return Metadata(
        exif=kept,
        xmp=_TURNED.sub(rb"\g<1>1", xmp),
        icc=icc,
        dpi=_dpi(image),
        segments=segments,
        held=held,
        fits=len(exif.PREFIX + kept) <= _LONGEST
        and len(_XMP + xmp) <= _LONGEST
        and len(icc) <= 255 * _ICC_CHUNK
        and space in (None, _mode_as_jpeg(image.mode))
        and not (isinstance(image, JpegXl) and not image.header.srgb),
    )


def with_metadata(jpeg: bytes, metadata: Metadata) -> bytes:
    """Return a JPEG file with metadata; its pixels, and whatever else it holds, stay.

    Args:
        jpeg: the file, without metadata.
        metadata: what it gets.
    """
    place, parts = 2, [jpeg[:2]]
    if jpeg[2:4] == bytes((0xFF, _APP0)):  # JFIF, which is to be the first
        place = 4 + int.from_bytes(jpeg[4:6], "big")
        first = bytearray(jpeg[2:place])
        if metadata.dpi and first[4:9] == b"JFIF\0":
            struct.pack_into(">BHH", first, 11, 1, *metadata.dpi)
        parts.append(bytes(first))
    if metadata.exif:
        parts.append(_segment(_APP1, exif.PREFIX + metadata.exif))
    if metadata.xmp:
        parts.append(_segment(_APP1, _XMP + metadata.xmp))
    parts += [_segment(marker, content) for marker, content in metadata.segments]
    chunks = range(0, len(metadata.icc), _ICC_CHUNK)
    for i, start in enumerate(chunks, 1):
        chunk = metadata.icc[start : start + _ICC_CHUNK]
        parts.append(_segment(_APP2, _ICC + bytes((i, len(chunks))) + chunk))
    return b"".join([*parts, jpeg[place:]])


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment of a JPEG file before its first scan."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _SOS:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        yield data[place + 1], data[place + 4 : end]
        place = end


def _mode_as_jpeg(mode: str) -> str:
    """Return the mode of the JPEG file of an image, as `images.encode_jpeg` writes it."""
    return mode if mode in ("L", "CMYK") else "RGB"


def _exif_of_tiff(image: Image.Image) -> bytes:
    """Return an EXIF block of what a TIFF file tells of its picture; its own tags are mixed."""
    told = image.getexif()
    found = Image.Exif()
    found.update({tag: told[tag] for tag in _OF_TIFF if tag in told})
    for directory in (_EXIF_IFD, _GPS_IFD):
        if content := told.get_ifd(directory):
            found.get_ifd(directory).update(content)
            found[directory] = found.get_ifd(directory)
    try:
        return exif.bare(found.tobytes()) if len(found) else b""
    except Exception:  # Pillow's writer raises whatever comes to a damaged tag
        return b""


def _dpi(image: Image.Image) -> tuple[int, int] | None:
    """Return the resolution; of a JPEG file that of JFIF, as that of EXIF stands in its block."""
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return None
    try:
        across, down = (round(float(number)) for number in image.info["dpi"])
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    # One pixel an inch is what programs write that do not know.
    return (across, down) if min(across, down) > 1 and max(across, down) <= 0xFFFF else None


def _bytes(found: Any) -> bytes:
    return found.encode() if isinstance(found, str) else bytes(found or b"")
