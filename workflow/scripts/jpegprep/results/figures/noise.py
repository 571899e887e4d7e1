"""Images beside what noise, and then JPEG, make of them (paper, section III-A)."""

from pathlib import Path

from jpegprep.images.images import image_format
from jpegprep.images.variants import Jpeg, Noise, parse_variant
from jpegprep.results.figures.drawing import COLUMN, save, sheet
from jpegprep.results.figures.pictures import TALLEST, SamplesByKey, show_picture, small_pixels
from jpegprep.shards.shards import read_index

# Inches: between pictures, for the columns' titles, and for the line below each picture.
_GAP, _TITLE, _LINE = 0.06, 0.2, 0.19


def noise_examples(
    clean: str | Path,
    noisy: str | Path,
    compressed: str | Path,
    *targets: str | Path,
    count: int = 4,
) -> None:
    """Draw images beside what noise and then JPEG make of them (paper, section III-A).

    A row an image, a column a variant; below each picture stand the format and the size of its
    file. The images are of the first classes, of each the first by its key. Pixels are drawn as
    they are, but pictures of more than 192 pixels a side are scaled down, which dims their noise.

    Args:
        clean: the folder of the originals' shards.
        noisy: that of the images with noise.
        compressed: that of JPEG of the noisy ones.
        targets: files to write, .svg or .png.
        count: how many images, of as many classes; fewer, where there are fewer classes.

    Raises:
        UserError: where a shard is damaged, or has not the samples of the others.
    """
    columns = [_Column(folder) for folder in (clean, noisy, compressed)]
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


class _Column(SamplesByKey):
    """The files of one variant of the examples."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self.title = _title(read_index(Path(folder, "test-0.tar"))[1]["variant"])

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
