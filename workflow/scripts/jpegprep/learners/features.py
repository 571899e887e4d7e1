"""Features of an image file for tabular classifiers: what its JPEG file stores, or a few pixels.

Two kinds, each a fixed number of float32 columns:

- ``dct``: the quantized coefficients of the 8 × 8 DCT as the JPEG file stores them (its entropy
  code is undone; nothing is dequantized, no pixel is decoded), pooled over the blocks: for each of
  Y, Cb, Cr and each of the 64 frequencies the mean and the standard deviation.
- ``pixels``: the image, upright and in RGB, as ``side`` × ``side`` pixels, each the mean of its
  part of the image.
"""

import itertools
import tempfile
from collections.abc import Sequence
from threading import Lock

import jpeglib
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.parallel import in_order
from jpegprep.images.images import decode, encode_jpeg
from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.shards import ShardReader

KINDS = ("dct", "pixels")
_COMPONENTS = ("y", "cb", "cr")
_STATISTICS = ("mean", "std")
_CHUNK = 64  # images: a task for a thread
_SOI, _SOS, _APP0, _APP14, _APP, _COM = 0xD8, 0xDA, 0xE0, 0xEE, range(0xE0, 0xF0), 0xFE

Features = npt.NDArray[np.float32]
_Blocks = npt.NDArray[np.int16]  # (rows, columns, 8, 8): vertical, then horizontal frequency

# jpeglib keeps a file's markers in variables that all threads share.
_HEADER = Lock()


def feature_names(kinds: Sequence[str], side: int) -> list[str]:
    """Return the names of the columns, in the order of `extract`.

    Args:
        kinds: of ``dct`` (384 columns, ``dct_<component>_<row>_<column>_<statistic>``: row is the
            vertical frequency, column the horizontal) and ``pixels`` (3 · side² columns,
            ``pixel_<row>_<column>_<channel>``).
        side: of ``pixels``.
    """
    eight, cells = range(8), range(side)
    names = {
        "dct": itertools.product(["dct"], _COMPONENTS, eight, eight, _STATISTICS),
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
                found.append(extract(reader.image(i), kinds, side))
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


def extract(data: bytes, kinds: Sequence[str], side: int) -> Features:
    """Return the features of one image file.

    Args:
        data: the bytes of a file in any format that Pillow opens.
        kinds: as of `feature_names`.
        side: of ``pixels``.

    Returns:
        (columns,) float32: of ``dct`` multiples of the quantization steps, without a unit; of
        ``pixels`` 0 to 255.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    parts = {"dct": lambda: dct_features(data), "pixels": lambda: pixel_features(data, side)}
    return np.concatenate([parts[kind]() for kind in kinds])


def dct_features(data: bytes) -> Features:
    """Return mean and standard deviation over blocks of the stored coefficients, (384,).

    Chroma of a grayscale file is 0. EXIF orientation is ignored: the frequencies are the file's. A
    file without stored coefficients of Y, Cb and Cr (another format, CMYK, RGB kept as it is, a
    JPEG that jpeglib does not read) has those that it would have as JPEG of quality 100 with 4:2:0,
    whose quantization steps are all 1: the finest that the other variants could store.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    components = stored_coefficients(data) or stored_coefficients(_finest_jpeg(data))
    if components is None:
        raise ValueError("no coefficients")
    found = np.zeros((len(_COMPONENTS), 64, len(_STATISTICS)), dtype=np.float32)
    for i, blocks in enumerate(components):
        flat = blocks.reshape(-1, 64)
        found[i, :, 0] = flat.mean(axis=0, dtype=np.float64)
        found[i, :, 1] = flat.std(axis=0, dtype=np.float64)
    return found.ravel()


def pixel_features(data: bytes, side: int) -> Features:
    """Return the upright image as ``side`` × ``side`` RGB pixels, (3 · side²,), 0 to 255.

    Each is the mean of its part of the image, rounded (Pillow's box filter).

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    image = Image.fromarray(decode_rgb(data))
    pixels = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(pixels, dtype=np.float32).ravel()


def stored_coefficients(data: bytes) -> list[_Blocks] | None:
    """Return the quantized coefficients that a JPEG file stores, of Y or of Y, Cb, Cr.

    Returns:
        A component an array (rows, columns, 8, 8) of int16: blocks, vertical and horizontal
        frequency. None where the file stores none of these.
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
            if jpeg.jpeg_color_space.name == "JCS_YCbCr":
                jpeg.load()
                return [jpeg.Y, jpeg.Cb, jpeg.Cr]
            return [jpeg.Y] if jpeg.jpeg_color_space.name == "JCS_GRAYSCALE" else None
        except (OSError, KeyError, ValueError):  # ill coded, or of colours that it does not know
            return None


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


def _finest_jpeg(data: bytes) -> bytes:
    image = decode(data)
    return encode_jpeg(image if image.mode in ("L", "RGB") else image.convert("RGB"), 100)
