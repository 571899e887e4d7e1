"""Treating one image file: by OpenCV where that gives Pillow's very bytes, by Pillow elsewhere.

Both write with libjpeg-turbo and the same settings, but OpenCV keeps three bytes a pixel where
Pillow keeps four, and starts faster.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

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


class _Source:
    """An image file, decoded at most once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def _plain(self) -> Any:
        """Its pixels by OpenCV; None where Pillow is to decode it."""
        if not is_plain(self.data):
            return None
        return cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_UNCHANGED)

    @cached_property
    def _image(self) -> Any:
        return decode(self.data)

    def recompressed(self, quality: int) -> bytes:
        if self._plain is not None:
            encoded = cv2.imencode(".jpg", self._plain, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
            return encoded.tobytes()
        return encode_jpeg(self._image, quality)


def treat(data: bytes, treatments: tuple[Treatment, ...], key: str = "") -> bytes:
    """Apply the treatments of a variant to an image file; without any, return the bytes themselves.

    Args:
        data: as of `treat_each`.
        treatments: what to do, in this order.
        key: likewise.

    Returns:
        As `treat_each`, of the one variant.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    return treat_each(data, [treatments], key)[0]


def treat_each(
    data: bytes, variants: Sequence[tuple[Treatment, ...]], key: str = ""
) -> list[bytes]:
    """Apply the treatments of each variant to an image file, which is decoded once for all.

    Args:
        data: an image file that `decode` decodes, as all are that a manifest does not set aside. Of
            one with damage amid its pixels OpenCV makes an image with a gray rest.
        variants: of each what to do, in this order.
        key: the sample's, from which its noise is drawn.

    Returns:
        The bytes of the treated files: JPEG, where compression was applied and kept, and then
        those that ``Image.save(quality=quality)`` of Pillow writes; PNG, where noise was the last.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    source = _Source(data)
    return [_treated(source, treatments, key) for treatments in variants]


def _treated(source: _Source, treatments: tuple[Treatment, ...], key: str) -> bytes:
    found = source
    for treatment in treatments:
        match treatment:
            case Jpeg(quality):
                found = _Source(found.recompressed(quality))
            case Smaller():
                found = min(source, found, key=lambda one: len(one.data))
            case Noise():
                found = _Source(_noisy(found.data, key))
    return found.data


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
