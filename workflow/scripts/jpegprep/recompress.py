"""Treating one image file: by OpenCV where that gives Pillow's very bytes, by Pillow elsewhere.

Both write with libjpeg-turbo and the same settings, but OpenCV keeps three bytes a pixel where
Pillow keeps four, and starts faster. It knows nothing of EXIF, comments, CMYK and transparency as
Pillow does, so only files whose headers show none of these take its way.
"""

import hashlib
import io
import re
from functools import cache

import cv2
import numpy as np
from PIL import Image

from jpegprep.images import JPEG_SIDE, codec, decode, encode_jpeg, orientation
from jpegprep.variants import Jpeg, Noise, Smaller, Treatment

cv2.setNumThreads(1)  # images are treated side by side, each by one thread


@cache
def encoder() -> str:
    """Return what encodes and decodes when images are treated, for the shards' indexes."""
    turbo = re.search(r"JPEG:.*\(ver ([\d.]+)", cv2.getBuildInformation())
    library = f", libjpeg-turbo {turbo[1]}" if turbo else ""
    return f"{codec()}; plain files: OpenCV {cv2.__version__}{library}"


def treat(data: bytes, treatments: tuple[Treatment, ...], key: str = "") -> bytes:
    """Apply the treatments of a variant to an image file; without any, return the bytes themselves.

    Args:
        data: an image file that `decode` decodes, as all are that a manifest does not set aside. Of
            one with damage amid its pixels OpenCV makes an image with a gray rest.
        treatments: what to do, in this order.
        key: the sample's, from which its noise is drawn.

    Returns:
        The bytes of the treated file: JPEG, where compression was applied and kept, and then
        those that ``Image.save(quality=quality)`` of Pillow writes; PNG, where noise was the last.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    source = data
    for treatment in treatments:
        match treatment:
            case Jpeg(quality):
                data = _recompress(data, quality)
            case Smaller():
                data = min(source, data, key=len)
            case Noise():
                data = _noisy(data, key)
    return data


def _noisy(data: bytes, key: str) -> bytes:
    """Return a PNG of the image with noise: ``x + x n``, so ``x (1 + n)``, rounded and clipped."""
    image = decode(data)
    image = image if image.mode in ("L", "RGB") else image.convert("RGB")
    pixels = np.asarray(image, dtype=np.float32)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    noise = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
    noisy = (pixels * (1 + noise)).round().clip(0, 255).astype(np.uint8)
    # OpenCV keeps channels in the order BGR, and writes PNG several times as fast as Pillow.
    encoded = cv2.imencode(".png", noisy if noisy.ndim == 2 else noisy[:, :, ::-1])[1]
    return encoded.tobytes()


def _recompress(data: bytes, quality: int) -> bytes:
    if is_plain(data):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None:
            encoded = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
            return encoded.tobytes()
    return encode_jpeg(decode(data), quality)


def is_plain(data: bytes) -> bool:
    """Tell whether OpenCV and Pillow read and write an image file alike, by its headers."""
    if data.startswith(b"\xff\xd8\xff"):
        return _plain_jpeg(data)
    return data.startswith(_PNG) and _plain_png(data)


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
            if orientation(Image.open(io.BytesIO(data))) != 1:
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
