"""OpenCV where it reads and writes an image file as Pillow does, only faster.

It knows nothing of EXIF, comments, CMYK and transparency as Pillow does, so only files whose
headers show none of these take its way.
"""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.formats import opened
from jpegprep.images.images import JPEG_SIDE, decode, orientation

cv2.setNumThreads(1)  # images are worked on side by side, each by one thread


def decode_rgb(data: bytes, how: Decoding = USUAL) -> npt.NDArray[np.uint8]:
    """Return an image file's pixels, (height, width, 3) uint8: those of `decode`, made RGB.

    Args:
        data: the file.
        how: the data set's images are decoded.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    if is_plain(data, how):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is not None:
            return pixels  # type: ignore[return-value]
    image = decode(data, how)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def is_plain(data: bytes, how: Decoding = USUAL) -> bool:
    """Tell whether OpenCV and Pillow read and write an image file alike, by its headers."""
    if how.icc == "srgb" and has_profile(data):
        return False
    if data.startswith(b"\xff\xd8\xff"):
        return _plain_jpeg(data)
    return data.startswith(_PNG) and _plain_png(data)


def has_profile(data: bytes) -> bool:
    """Tell whether a JPEG or PNG file has a colour profile; of others, by chance, maybe."""
    return any(mark in data for mark in _PROFILES)


# What stands before a profile in a JPEG or a PNG file; elsewhere by chance alone.
_PROFILES = (b"ICC_PROFILE\0", b"iCCP")
_PNG = b"\x89PNG\r\n\x1a\n"
# Larger images are Pillow's to refuse.
_LARGEST = int(Image.MAX_IMAGE_PIXELS or 0)
_SOS, _SOF, _APP1, _APP2, _APP14, _COM = 0xDA, range(0xC0, 0xC3), 0xE1, 0xE2, 0xEE, 0xFE
_DHT, _DQT, _DRI, _APP = 0xC4, 0xDB, 0xDD, range(0xE0, 0xF0)


def _plain_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG file is whole, gray or YCbCr of 8 bits, upright and without comment."""
    place, frame = 2, False
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place + 4 : place + 2 + length]
        if marker == _SOS:
            return frame and data.endswith(b"\xff\xd9")
        if marker in _SOF and len(segment) > 5:  # baseline, extended and progressive
            height, width = segment[1] << 8 | segment[2], segment[3] << 8 | segment[4]
            frame = segment[0] == 8 and segment[5] in (1, 3) and 0 < height * width <= _LARGEST
            frame = frame and (segment[5] == 1 or segment[6:13:3] == b"\1\2\3")
        elif marker == _APP1 and segment.startswith(b"Exif"):
            # The block's own byte order and offsets are Pillow's to read.
            if orientation(opened(data)) != 1:
                return False
        elif marker == _APP14 and segment.startswith(b"Adobe"):
            if segment[11:12] != b"\1":  # not YCbCr
                return False
        elif marker == _APP2 and segment.startswith(b"MPF"):
            return False
        elif marker not in _APP and marker not in (_DHT, _DQT, _DRI):
            return False  # a comment, which Pillow copies, or something rare
        place += 2 + length
    return False


# Chunks that change neither the pixels nor what Pillow writes.
_HARMLESS = {b"IDAT", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"tIME", b"hIST"}


def _plain_png(data: bytes) -> bool:
    """Tell whether a PNG file is whole, gray or RGB of 8 bits, without text, EXIF, animation."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[12:16] != b"IHDR" or data[24:26] not in (b"\x08\0", b"\x08\2"):
        return False
    if not 0 < width * height <= _LARGEST or max(width, height) > JPEG_SIDE:
        return False
    place = 33
    while place + 12 <= len(data):
        kind = data[place + 4 : place + 8]
        if kind == b"IEND":
            return True
        if kind not in _HARMLESS:
            return False
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return False
