"""Treating one image file: by OpenCV where that gives Pillow's very bytes, by Pillow elsewhere.

Both decode, and write JPEG, with libjpeg-turbo and the same settings, but OpenCV keeps three bytes
a pixel where Pillow keeps four, and starts faster.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from jpegprep.images.codecs import jxl
from jpegprep.images.codecs.codec import Picture, in_mode
from jpegprep.images.codecs.registry import CODECS
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.images import decode
from jpegprep.images.lossless import optimized
from jpegprep.images.metadata import Metadata
from jpegprep.images.opencv import is_plain
from jpegprep.images.variants import (
    Coded,
    Denoised,
    Noise,
    Optimized,
    Resized,
    Smaller,
    Transcoded,
    Treatment,
)


@cache
def encoder(treatments: tuple[Treatment, ...] = ()) -> str:
    """Return what encodes and decodes when images are treated, for the shards' indexes.

    Args:
        treatments: of the images.
    """
    names = ["jpeg"]  # whose libraries decode
    for treatment in treatments:
        match treatment:
            case Coded(codec):
                names.append(codec)
            case Transcoded():
                names.append("jxl")
    found = [CODECS[name].library() for name in dict.fromkeys(names)]
    if Optimized() in treatments:
        found.append(f"mozjpeg-lossless-optimization {version('mozjpeg-lossless-optimization')}")
    return "; ".join(found)


class _Source:
    """An image file, decoded at most once."""

    def __init__(self, data: bytes, how: Decoding) -> None:
        self.data, self.how = data, how

    @cached_property
    def bgr(self) -> Any:
        """Its pixels by OpenCV; None where Pillow is to decode it."""
        if not is_plain(self.data, self.how):
            return None
        return cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_UNCHANGED)

    @cached_property
    def image(self) -> Any:
        """It as a Pillow image."""
        if self.bgr is None:
            return decode(self.data, self.how)
        gray = self.bgr.ndim == 2
        return Image.fromarray(self.bgr if gray else cv2.cvtColor(self.bgr, cv2.COLOR_BGR2RGB))


class _Small:
    """An image made smaller."""

    bgr = None

    def __init__(self, image: Image.Image) -> None:
        self.image = image


def _resized(picture: Picture, treatment: Resized) -> Picture:
    size = treatment.size(*picture.image.size)
    if size == picture.image.size:
        return picture
    # A palette's numbers are no colours; an alpha channel is opaque.
    image = in_mode(picture, CODECS["jpeg"].ABOUT.modes)
    return _Small(image.resize(size, Image.Resampling.LANCZOS))


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
        The bytes of the treated files: those of the codec, where compression was applied and
        kept, of JPEG those that ``Image.save(quality=quality)`` of Pillow writes
        (``subsampling=0`` for full chroma); PNG, where noise or a filter was the last.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    source = _Source(data, how)
    return [_treated(source, treatments, key) for treatments in variants]


def _treated(source: _Source, treatments: tuple[Treatment, ...], key: str) -> bytes:
    found = source
    picture: Picture = source
    for treatment in treatments:
        match treatment:
            case Resized():
                picture = _resized(picture, treatment)
                continue
            case Coded():
                found = _Source(coded(picture, treatment), source.how)
            case Optimized():
                found = _Source(optimized(found.data), source.how)
            case Transcoded():
                found = _Source(transcoded(found.data), source.how)
            case Smaller():
                found = min(source, found, key=lambda one: len(one.data))
            case Noise(reading):
                found = _Source(_noisy(found.data, key, reading, source.how), source.how)
            case Denoised():
                found = _Source(_denoised(found.data), source.how)
        picture = found
    return found.data


def coded(picture: Picture, treatment: Coded, metadata: Metadata | None = None) -> bytes:
    """Return an image as a codec stores it.

    Args:
        picture: the image.
        treatment: the codec and its setting.
        metadata: what the file takes along.

    Raises:
        ValueError: where the codec cannot hold it.
    """
    codec = CODECS[treatment.codec]
    side = codec.ABOUT.side
    size = picture.image.size if picture.bgr is None else picture.bgr.shape[:2]
    if max(size) > side:
        raise ValueError(f"{codec.ABOUT.title} holds at most {side:,} pixels a side")
    return codec.encode(picture, treatment.setting, metadata)


def pictured(data: bytes, treatments: tuple[Treatment, ...], how: Decoding = USUAL) -> Picture:
    """Return an image file as it comes to its codec: decoded, and made smaller where that is asked.

    Raises:
        ValueError: where the bytes cannot be decoded.
    """
    picture: Picture = _Source(data, how)
    for treatment in treatments:
        if isinstance(treatment, Resized):
            picture = _resized(picture, treatment)
    return picture


def transcoded(data: bytes) -> bytes:
    """Return an image file as JPEG XL without loss, see `Transcoded`; or as it is."""
    with suppress(ValueError):
        new = data
        if data.startswith(b"\xff\xd8\xff"):
            new = jxl.transcoded(data)
            if jxl.restored(new) != data:
                return data
        elif is_plain(data):
            new = jxl.encode(_Source(data, USUAL), "lossless")
        return min(data, new, key=len)
    return data


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
