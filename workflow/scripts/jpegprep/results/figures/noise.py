"""Pictures of Table IV: images as they are, with noise, and after JPEG of the noisy ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.images.images import decode, image_format
from jpegprep.images.variants import Jpeg, Noise, parse_variant
from jpegprep.results.figures.panels import COLUMN, save, sheet
from jpegprep.shards.shards import ShardReader, read_index

# Inches: between pictures, for the columns' titles, and for the line below each picture.
_GAP, _TITLE, _LINE = 0.06, 0.2, 0.19
TALLEST = 1.5  # height of a row by its width; a taller picture is drawn narrower
_LONGEST = 192  # pixels: what a figure holds of a picture's longer side, lest it grow to megabytes


def noise_examples(
    clean: Sequence[str | Path],
    noisy: Sequence[str | Path],
    compressed: Sequence[str | Path],
    *targets: str | Path,
    count: int = 4,
) -> None:
    """Draw images beside what noise and then JPEG make of them (paper, section III-A).

    A row an image, a column a variant; below each picture stand the format and the size of its
    file. The images are of the first classes, of each the first by its key. Pixels are drawn as
    they are, but pictures of more than 192 pixels a side are scaled down, which dims their noise.

    Args:
        clean: the shards of one split of the originals.
        noisy: those of the images with noise.
        compressed: those of JPEG of the noisy ones.
        targets: files to write, .svg or .png.
        count: how many images, of as many classes; fewer, where there are fewer classes.

    Raises:
        UserError: where a shard is damaged, or has not the samples of the others.
    """
    columns = [_Column(shards) for shards in (clean, noisy, compressed)]
    rows = [[column.file(key) for column in columns] for key in columns[0].examples(count)]
    pictures = [[small_pixels(data) for data in row] for row in rows]
    width = (COLUMN - (len(columns) + 1) * _GAP) / len(columns)
    heights = [width * min(max(len(p) / len(p[0]) for p in row), TALLEST) for row in pictures]
    total = _TITLE + sum(heights) + len(rows) * _LINE
    with sheet(COLUMN, total) as (figure, axis):
        lefts = [_GAP + i * (width + _GAP) for i in range(len(columns))]
        for left, column in zip(lefts, columns, strict=True):
            axis.text(left + width / 2, total - _TITLE / 2, column.title, ha="center", va="center")
        bottom = total - _TITLE
        for files, row, height in zip(rows, pictures, heights, strict=True):
            bottom -= height
            for left, data, pixels in zip(lefts, files, row, strict=True):
                show_picture(axis, pixels, left, bottom, width, height)
                about = f"{image_format(data)}, {len(data) / 1024:,.1f} KiB"
                axis.text(left + width / 2, bottom - 0.115, about, ha="center", fontsize=7)
            bottom -= _LINE
        save(figure, targets, dpi=300)


class SamplesByKey:
    """The image files of some shards, by the samples' keys."""

    def __init__(self, shards: Sequence[str | Path]) -> None:
        """Read the indexes of `shards`."""
        self._shards = shards
        self._reader = ShardReader(shards)
        self._place = {key: i for i, key in enumerate(self._reader.keys.tolist())}

    def file(self, key: str) -> bytes:
        """Return the image file of a sample.

        Raises:
            UserError: where the shards do not have it, or it is damaged.
        """
        if key not in self._place:
            raise UserError(
                f"{self._shards[0]}: {key} is neither here nor in the other shards of its variant; "
                "remove them: they are made again"
            )
        return self._reader.image(self._place[key])


class _Column(SamplesByKey):
    """The files of one variant of the examples."""

    def __init__(self, shards: Sequence[str | Path]) -> None:
        super().__init__(shards)
        self.title = _title(read_index(shards[0])[1]["variant"])

    def examples(self, count: int) -> list[str]:
        """Return the first key of each of the first classes."""
        first: dict[int, str] = {}
        for key, label in zip(self._reader.keys.tolist(), self._reader.labels, strict=True):
            first[int(label)] = min(key, first.get(int(label), key))
        return [key for _, key in sorted(first.items())[:count]]


def _title(variant: str) -> str:
    match parse_variant(variant):
        case ():
            return "original"
        case (Noise(),):
            return "with noise"
        case (Noise(), Jpeg(quality)):
            return f"noise, JPEG q{quality}"
    return variant


def small_pixels(data: bytes) -> NDArray[np.uint8]:
    """Return an image as rows of RGB pixels, at most 192 of them a side."""
    image = decode(data).convert("RGB")
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
