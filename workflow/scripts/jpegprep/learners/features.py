"""Features of an image file for tabular classifiers: what its JPEG file stores, or a few pixels.

Four kinds, each a fixed number of float32 columns. Two are of the coefficients of the 8 × 8 DCT
that the JPEG file stores (its entropy code is undone, no pixel is decoded), pooled over the blocks:
for each of Y, Cb, Cr and each of the 64 frequencies the mean and the standard deviation.

- ``dct``: of the image. Coefficients are multiplied by the file's own quantization steps, their
  frequencies are those of the upright image, and chroma is on the grid of 4:2:0: the same image has
  about the same features, however its file was made.
- ``dct_stored``: of the file. Coefficients are in multiples of its steps, frequencies as it lies:
  among files of several qualities each has units of its own.
- ``encoder``: what the file's headers tell of its encoder, and nothing of the image.
- ``pixels``: the image, upright and in RGB, as ``side`` × ``side`` pixels, each the mean of its
  part of the image.
"""

import io
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import jpeglib
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.parallel import in_order
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.images import decode, encode_jpeg, orientation
from jpegprep.images.opencv import decode_rgb, has_profile
from jpegprep.shards.headers import NAMES, OF_ENCODER, header_features
from jpegprep.shards.shards import ShardReader

KINDS = ("dct", "dct_stored", "encoder", "pixels")
_COMPONENTS = ("y", "cb", "cr")
_STATISTICS = ("mean", "std")
_CHUNK = 64  # images: a task for a thread
_SOI, _SOS, _APP0, _APP14, _APP, _COM = 0xD8, 0xDA, 0xE0, 0xEE, range(0xE0, 0xF0), 0xFE

Features = npt.NDArray[np.float32]
_Blocks = npt.NDArray[np.int16]  # (rows, columns, 8, 8): vertical, then horizontal frequency
_Steps = npt.NDArray[np.uint16]  # (8, 8): likewise
_Real = npt.NDArray[np.float64]

# jpeglib keeps a file's markers in variables that all threads share.
_HEADER = Lock()


def feature_names(kinds: Sequence[str], side: int) -> list[str]:
    """Return the names of the columns, in the order of `extract`.

    Args:
        kinds: of ``dct`` and ``dct_stored`` (384 columns each,
            ``<kind>_<component>_<row>_<column>_<statistic>``: row is the vertical frequency, column
            the horizontal), ``encoder`` (``encoder_<name>``, the names of `headers.OF_ENCODER`) and
            ``pixels`` (3 · side² columns, ``pixel_<row>_<column>_<channel>``).
        side: of ``pixels``.
    """
    eight, cells = range(8), range(side)
    names = {
        **{
            kind: itertools.product([kind], _COMPONENTS, eight, eight, _STATISTICS)
            for kind in ("dct", "dct_stored")
        },
        "encoder": itertools.product(["encoder"], OF_ENCODER),
        "pixels": itertools.product(["pixel"], cells, cells, "rgb"),
    }
    return ["_".join(map(str, parts)) for kind in kinds for parts in names[kind]]


def feature_table(
    reader: ShardReader, kinds: Sequence[str], side: int, threads: int
) -> pd.DataFrame:
    """Return the features of all images of some shards.

    Args:
        reader: the images.
        kinds: as of `feature_names`.
        side: of ``pixels``.
        threads: images are worked on side by side in as many.

    Returns:
        A row an image, in the order of the shards; a float32 column a feature.

    Raises:
        UserError: where an image is damaged.
    """

    def rows(start: int) -> list[Features]:
        found = []
        for i in range(start, min(start + _CHUNK, len(reader))):
            try:
                found.append(extract(reader.image(i), kinds, side, reader.decoding))
            except ValueError as error:
                raise UserError(
                    f"{reader.keys[i]}: {error}; remove its shards: they are made again"
                ) from None
        return found

    found = itertools.chain.from_iterable(in_order(rows, range(0, len(reader), _CHUNK), threads))
    names = feature_names(kinds, side)
    table = np.empty((len(reader), len(names)), dtype=np.float32)
    for i, row in enumerate(found):
        table[i] = row
    return pd.DataFrame(table, columns=names)


def extract(data: bytes, kinds: Sequence[str], side: int, how: Decoding = USUAL) -> Features:
    """Return the features of one image file.

    Args:
        data: the bytes of an image file.
        kinds: as of `feature_names`.
        side: of ``pixels``.
        how: the data set's images are decoded.

    Returns:
        (columns,) float32: of ``dct`` in the units of the 8 × 8 DCT of pixels (a flat block of gray
        v has 8 (v - 128)); of ``dct_stored`` multiples of the quantization steps, without a unit;
        of ``encoder`` as `headers.header_features`, -1 for what this file has not; of ``pixels`` 0
        to 255.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    file = _File(data, how)
    parts: Mapping[str, Callable[[], Features]] = {
        "dct": lambda: dct_features(file.coefficients),
        "dct_stored": lambda: stored_features(file.coefficients),
        "encoder": lambda: encoder_features(data),
        "pixels": lambda: pixel_features(data, side, how),
    }
    return np.concatenate([parts[kind]() for kind in kinds])


@dataclass(frozen=True)
class Component:
    """What a JPEG file stores of Y, Cb or Cr.

    Attributes:
        blocks: (rows, columns, 8, 8) int16: quantized coefficients of each block, by vertical and
            horizontal frequency.
        steps: (8, 8) uint16: the quantization steps, likewise.
        coarser: how many times as coarse its grid is as luma's, vertically and horizontally.
    """

    blocks: _Blocks
    steps: _Steps
    coarser: tuple[int, int]


@dataclass(frozen=True)
class Coefficients:
    """What a JPEG file stores of an image.

    Attributes:
        components: Y, or Y, Cb and Cr.
        orientation: EXIF's, 1 to 8: how the image is to be turned.
    """

    components: Sequence[Component]
    orientation: int


@dataclass(frozen=True)
class _File:
    """An image file whose coefficients are read once, when they are asked for."""

    data: bytes
    how: Decoding

    @cached_property
    def coefficients(self) -> Coefficients:
        """What the file stores, or would as a JPEG of the finest steps.

        A file without stored coefficients of Y, Cb and Cr (another format, CMYK, RGB kept as it is,
        a JPEG that jpeglib does not read, colours that are converted to sRGB) has those that it
        would have as JPEG of quality 100 with 4:2:0, whose quantization steps are all 1: the finest
        that the other variants could store.
        """
        converted = self.how.icc == "srgb" and has_profile(self.data)
        found = None if converted else stored_coefficients(self.data)
        found = found or stored_coefficients(_finest_jpeg(self.data, self.how))
        if found is None:
            raise ValueError("no coefficients")
        return found


def dct_features(coefficients: Coefficients) -> Features:
    """Return mean and standard deviation over blocks of the image's coefficients, (384,).

    They are dequantized, upright, and of chroma on the grid of 4:2:0 (a coarser one stays). Turning
    is exact, as it is without loss: frequencies are exchanged, and those that are odd along a
    mirrored side change sign; only a side that is no multiple of a block is filled up at its other
    end. Averaging chroma of 4:4:4 is exact, too, but for the rounding that an encoder does. Chroma
    of a grayscale file is 0.
    """
    transposed, mirrored, upside_down = _TURNS.get(coefficients.orientation, (False,) * 3)
    found = np.zeros((len(_COMPONENTS), 8, 8, len(_STATISTICS)), dtype=np.float32)
    for i, component in enumerate(coefficients.components):
        blocks: _Real = np.multiply(component.blocks, component.steps, dtype=np.float64)
        if i > 0 and component.coarser[0] == 1:
            blocks = _halved(blocks)
        if i > 0 and component.coarser[1] == 1:
            blocks = _transposed(_halved(_transposed(blocks)))
        mean, std = blocks.mean(axis=(0, 1)), blocks.std(axis=(0, 1))
        if transposed:
            mean, std = mean.T, std.T
        mean = mean * _odd(mirrored) * _odd(upside_down)[:, np.newaxis]
        found[i] = np.stack([mean, std], axis=-1)
    return found.ravel()


def stored_features(coefficients: Coefficients) -> Features:
    """Return mean and standard deviation over blocks of the coefficients as stored, (384,).

    In multiples of the file's own steps, and as the file lies. Chroma of a grayscale file is 0.
    """
    found = np.zeros((len(_COMPONENTS), 64, len(_STATISTICS)), dtype=np.float32)
    for i, component in enumerate(coefficients.components):
        flat = component.blocks.reshape(-1, 64)
        found[i, :, 0] = flat.mean(axis=0, dtype=np.float64)
        found[i, :, 1] = flat.std(axis=0, dtype=np.float64)
    return found.ravel()


def encoder_features(data: bytes) -> Features:
    """Return what the headers tell of the encoder, (len(headers.OF_ENCODER),); -1: not there."""
    told = dict(zip(NAMES, header_features(data), strict=True))
    return np.nan_to_num([told[name] for name in OF_ENCODER], nan=-1).astype(np.float32)


def pixel_features(data: bytes, side: int, how: Decoding = USUAL) -> Features:
    """Return the upright image as ``side`` × ``side`` RGB pixels, (3 · side²,), 0 to 255.

    Each is the mean of its part of the image, rounded (Pillow's box filter).

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    image = Image.fromarray(decode_rgb(data, how))
    pixels = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(pixels, dtype=np.float32).ravel()


# What makes frequencies upright, by EXIF orientation: exchange the sides, then mirror left and
# right, then top and bottom.
_TURNS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def _odd(changed: bool) -> _Real:
    """Return a sign for each frequency: of a mirrored side, -1 where it is odd."""
    return np.where(np.arange(8) % 2, -1.0 if changed else 1.0, 1.0)


def _transposed(blocks: _Real) -> _Real:
    return blocks.transpose(1, 0, 3, 2)


def _halved(blocks: _Real) -> _Real:
    """Return the coefficients of an image whose rows are averaged in pairs.

    Two blocks, one above the other, become one. Where the last has no other, the averaged image
    goes on below as its last row, as libjpeg fills it up.
    """
    upper, lower = blocks[::2], blocks[1::2]
    if len(lower) < len(upper):
        lower = np.concatenate([lower, _GOES_ON @ upper[-1:]])
    return _UPPER @ upper + _LOWER @ lower


def _on_coefficients(of_pixels: _Real) -> _Real:
    """Return what a linear map of 8 pixels does to their 8 coefficients, (8, 8)."""
    place = np.arange(8)
    dct = np.cos(np.pi / 16 * np.outer(place, 2 * place + 1)) / 2
    dct[0] /= np.sqrt(2)
    return dct @ of_pixels @ dct.T


_PAIRS = np.kron(np.eye(4), [0.5, 0.5])  # (4, 8)
_UPPER = _on_coefficients(np.vstack([_PAIRS, np.zeros((4, 8))]))
_LOWER = _on_coefficients(np.vstack([np.zeros((4, 8)), _PAIRS]))
_GOES_ON = _on_coefficients(np.tile(_PAIRS[3], (8, 1)))


def stored_coefficients(data: bytes) -> Coefficients | None:
    """Return the quantized coefficients that a JPEG file stores, of Y or of Y, Cb, Cr.

    Returns:
        None where the file stores none of these.
    """
    plain = _without_metadata(data)
    if plain is None:
        return None
    with tempfile.NamedTemporaryFile(prefix="jpegprep-", suffix=".jpg") as file:
        file.write(plain)
        file.flush()
        try:
            with _HEADER:
                jpeg = jpeglib.read_dct(file.name)
            names = {"JCS_YCbCr": ("Y", "Cb", "Cr"), "JCS_GRAYSCALE": ("Y",)}
            found = [
                _component(jpeg, i, name)
                for i, name in enumerate(names[jpeg.jpeg_color_space.name])
            ]
            return Coefficients(found, orientation(Image.open(io.BytesIO(data))))
        except (OSError, KeyError, ValueError):  # ill coded, or of colours that it does not know
            return None


def _component(jpeg: Any, i: int, name: str) -> Component:
    blocks = getattr(jpeg, name)  # reads the coefficients, with all else
    vertical, horizontal = jpeg.samp_factor[0] // jpeg.samp_factor[i]
    steps = jpeg.qt[jpeg.quant_tbl_no[i]]
    return Component(blocks, steps, (int(vertical), int(horizontal)))


def _without_metadata(data: bytes) -> bytes | None:
    """Return a JPEG file without EXIF, comments and the like; None where it is none.

    jpeglib copies them, and has room for 50. The first JFIF and Adobe segments say which colours
    the components are, and stay.
    """
    if data[:2] != bytes((0xFF, _SOI)):
        return None
    parts, place, seen = [data[:2]], 2, set()
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _SOS:
            return b"".join([*parts, data[place:]])
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        colours = marker in (_APP0, _APP14) and marker not in seen
        if colours or not (marker in _APP or marker == _COM):
            parts.append(data[place:end])
        seen.add(marker)
        place = end
    return None


def _finest_jpeg(data: bytes, how: Decoding) -> bytes:
    image = decode(data, how)
    return encode_jpeg(image if image.mode in ("L", "RGB") else image.convert("RGB"), 100)
