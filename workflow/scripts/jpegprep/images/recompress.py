"""Treating one image file: by OpenCV where that gives Pillow's very bytes, by Pillow elsewhere.

Both write with libjpeg-turbo and the same settings, but OpenCV keeps three bytes a pixel where
Pillow keeps four, and starts faster.
"""

import hashlib
import re
from functools import cache

import cv2
import numpy as np

from jpegprep.images.images import codec, decode, encode_jpeg
from jpegprep.images.opencv import is_plain
from jpegprep.images.variants import Jpeg, Noise, Smaller, Treatment


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
