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
import numpy.typing as npt

from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.images import codec, decode, encode_jpeg
from jpegprep.images.opencv import is_plain
from jpegprep.images.variants import Denoised, Jpeg, Noise, Smaller, Treatment


@cache
def encoder() -> str:
    """Return what encodes and decodes when images are treated, for the shards' indexes."""
    turbo = re.search(r"JPEG:.*\(ver ([\d.]+)", cv2.getBuildInformation())
    library = f", libjpeg-turbo {turbo[1]}" if turbo else ""
    return f"{codec()}; plain files: OpenCV {cv2.__version__}{library}"


class _Source:
    """An image file, decoded at most once."""

    def __init__(self, data: bytes, how: Decoding) -> None:
        self.data, self.how = data, how

    @cached_property
    def _plain(self) -> Any:
        """Its pixels by OpenCV; None where Pillow is to decode it."""
        if not is_plain(self.data, self.how):
            return None
        return cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_UNCHANGED)

    @cached_property
    def _image(self) -> Any:
        return decode(self.data, self.how)

    def recompressed(self, jpeg: Jpeg) -> bytes:
        if self._plain is not None:
            settings = [cv2.IMWRITE_JPEG_QUALITY, jpeg.quality]
            settings += _FULL_CHROMA if jpeg.full_chroma else []
            return cv2.imencode(".jpg", self._plain, settings)[1].tobytes()
        return encode_jpeg(self._image, jpeg.quality, jpeg.full_chroma)


_FULL_CHROMA = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def treat(
    data: bytes, treatments: tuple[Treatment, ...], key: str = "", how: Decoding = USUAL
) -> bytes:
    """Apply the treatments of a variant to an image file; without any, return the bytes themselves.

    Args:
        data: as of `treat_each`.
        treatments: what to do, in this order.
        key: likewise.
        how: likewise.

    Returns:
        As `treat_each`, of the one variant.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    return treat_each(data, [treatments], key, how)[0]


def treat_each(
    data: bytes,
    variants: Sequence[tuple[Treatment, ...]],
    key: str = "",
    how: Decoding = USUAL,
) -> list[bytes]:
    """Apply the treatments of each variant to an image file, which is decoded once for all.

    Args:
        data: an image file that `decode` decodes, as all are that a manifest does not set aside. Of
            one with damage amid its pixels OpenCV makes an image with a gray rest.
        variants: of each what to do, in this order.
        key: the sample's, from which its noise is drawn.
        how: the data set's images are decoded.

    Returns:
        The bytes of the treated files: JPEG, where compression was applied and kept, and then
        those that ``Image.save(quality=quality)`` of Pillow writes (``subsampling=0`` for full
        chroma); PNG, where noise or a filter was the last.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    source = _Source(data, how)
    return [_treated(source, treatments, key) for treatments in variants]


def _treated(source: _Source, treatments: tuple[Treatment, ...], key: str) -> bytes:
    found = source
    for treatment in treatments:
        match treatment:
            case Jpeg():
                found = _Source(found.recompressed(treatment), source.how)
            case Smaller():
                found = min(source, found, key=lambda one: len(one.data))
            case Noise(reading):
                found = _Source(_noisy(found.data, key, reading, source.how), source.how)
            case Denoised():
                found = _Source(_denoised(found.data), source.how)
    return found.data


def _noisy(data: bytes, key: str, reading: str, how: Decoding) -> bytes:
    """Return a PNG of the image with noise, rounded and clipped, see `Noise`."""
    image = decode(data, how)
    image = image if image.mode in ("L", "RGB") else image.convert("RGB")
    pixels = np.asarray(image, dtype=np.float32)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    shape = () if reading == "shared" else pixels.shape
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    if reading == "additive":
        power = np.square(pixels).mean(dtype=np.float64)
        noisy = pixels + np.float32(np.sqrt(power)) * noise
    else:
        noisy = pixels * (1 + noise)
    return _png(noisy.round().clip(0, 255).astype(np.uint8))


def _denoised(data: bytes) -> bytes:
    """Return a PNG of an image by non-local means, see `Denoised`; without noise the image's."""
    pixels = np.asarray(decode(data))  # gray or RGB, as `_noisy` made it
    deviation = _deviation(pixels)
    # The size of a patch and of the window that like ones are looked for in are OpenCV's own.
    return _png(cv2.fastNlMeansDenoising(pixels, None, deviation) if deviation else pixels)


def _deviation(pixels: npt.NDArray[np.uint8]) -> float:
    """Return the estimated standard deviation of an image's noise (J. Immerkær, 1996).

    The mask is the difference of two Laplacians, which hardly sees an image's own content.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    response = cv2.filter2D(pixels, cv2.CV_16S, mask)  # at most 8 * 255
    return float(np.sqrt(np.pi / 2) * np.abs(response).mean() / 6)


def _png(pixels: npt.NDArray[Any]) -> bytes:
    # OpenCV keeps channels in the order BGR, and writes PNG several times as fast as Pillow.
    return cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[:, :, ::-1])[1].tobytes()
