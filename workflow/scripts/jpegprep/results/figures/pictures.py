"""Images as parts of a figure: found by their keys, made small, drawn in their places."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.images import decode
from jpegprep.shards.shards import ShardReader, tars_of

TALLEST = 1.5  # height of a row by its width; a taller picture is drawn narrower


_LONGEST = 192  # pixels: what a figure holds of a picture's longer side, lest it grow to megabytes


class SamplesByKey:
    """The test images of a variant, by their keys.

    Attributes:
        decoding: how they are decoded.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the indexes of the shards in `folder`."""
        self._folder = folder
        self._reader = ShardReader(tars_of(folder, "test"))
        self.decoding = self._reader.decoding
        self._place = {key: i for i, key in enumerate(self._reader.keys.tolist())}

    def file(self, key: str) -> bytes:
        """Return the image file of a sample.

        Raises:
            UserError: where the shards do not have it, or it is damaged.
        """
        if key not in self._place:
            raise UserError(
                f"{self._folder}: {key} is not among its test images; remove the folder: its "
                "shards are made again"
            )
        return self._reader.image(self._place[key])

    def picture(self, key: str) -> NDArray[np.uint8]:
        """Return a sample as a network sees it before its transform, see `small_pixels`.

        Raises:
            UserError: as `file`.
        """
        return small_pixels(self.file(key), self.decoding)


def small_pixels(data: bytes, how: Decoding = USUAL) -> NDArray[np.uint8]:
    """Return an image as rows of RGB pixels, at most 192 of them a side.

    Args:
        data: the file.
        how: the data set's images are decoded.
    """
    image = decode(data, how).convert("RGB")
    if max(image.size) > _LONGEST:
        image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    return np.asarray(image)


def show_picture(
    axis: Axes, pixels: NDArray[np.uint8], left: float, bottom: float, width: float, height: float
) -> None:
    """Draw a picture as large as it can be in the middle of its place.

    Args:
        axis: of `drawing.sheet`.
        pixels: (rows, columns, 3).
        left: of the place, in inches, as are the others.
        bottom: likewise.
        width: likewise.
        height: likewise.
    """
    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    x, y = left + (width - scale * columns) / 2, bottom + (height - scale * rows) / 2
    extent = (x, x + scale * columns, y, y + scale * rows)
    # An SVG holds the pixels themselves, and says that they are not to be smoothed.
    axis.imshow(pixels, extent=extent, aspect="auto", interpolation="none")
