"""Images beside what noise, and then JPEG or a filter, make of them (paper, section III-A)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode, image_format
from jpegprep.images.variants import Coded, Noise, parse_variant
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
    titles = [column.title for column in columns]
    _draw(titles, {"": columns}, columns[0].examples(count), _format_and_size, targets)


def noise_readings(
    folders: Mapping[str, Sequence[str | Path]], *targets: str | Path, count: int = 2
) -> None:
    """Draw images beside what each reading of the noise, and then JPEG or a filter, make of them.

    A band a reading, in it a row an image; below each picture stands its peak signal-to-noise ratio
    to the original. The images are those of `noise_examples`, and drawn as there.

    Args:
        folders: of each reading those of the shards: originals, noisy, JPEG of noisy, denoised.
        targets: files to write, .svg or .png.
        count: how many images.

    Raises:
        UserError: where a shard is damaged, or has not the samples of the others.
    """
    bands = {name: [_Column(folder) for folder in of] for name, of in folders.items()}
    keys = next(iter(bands.values()))[0].examples(count)
    _draw(("original", "noisy", "JPEG of noisy", "denoised"), bands, keys, _ratio, targets)


def _draw(
    titles: Sequence[str],
    bands: Mapping[str, Sequence["_Column"]],
    keys: Sequence[str],
    about: Callable[[bytes, bytes, Decoding], str],
    targets: Sequence[str | Path],
) -> None:
    """Draw a row a band and key, a column a title; `about` says what stands below a picture.

    It is told the file of the row's first picture, that of the picture, and how they are decoded.
    """
    rows = [
        (name if key == keys[0] else "", [column.file(key) for column in columns])
        for name, columns in bands.items()
        for key in keys
    ]
    how = next(iter(bands.values()))[0].decoding
    pictures = [[small_pixels(data, how) for data in files] for _, files in rows]
    width = (COLUMN - (len(titles) + 1) * _GAP) / len(titles)
    heights = [width * min(max(len(p) / len(p[0]) for p in row), TALLEST) for row in pictures]
    names = sum(bool(name) for name, _ in rows)
    total = _TITLE + sum(heights) + len(rows) * _LINE + names * _TITLE
    with sheet(COLUMN, total) as (figure, axis):
        lefts = [_GAP + i * (width + _GAP) for i in range(len(titles))]
        bottom = total - _TITLE
        for left, title in zip(lefts, titles, strict=True):
            axis.text(left + width / 2, bottom + _TITLE / 2, title, ha="center", va="center")
        for (name, files), row, height in zip(rows, pictures, heights, strict=True):
            if name:
                bottom -= _TITLE
                axis.text(_GAP, bottom + _TITLE / 2, name, va="center", fontstyle="italic")
            bottom -= height
            for left, data, pixels in zip(lefts, files, row, strict=True):
                show_picture(axis, pixels, left, bottom, width, height)
                text = about(files[0], data, how)
                axis.text(left + width / 2, bottom - 0.115, text, ha="center", fontsize=7)
            bottom -= _LINE
        save(figure, targets, dpi=300)


def _format_and_size(_: bytes, data: bytes, how: Decoding) -> str:
    return f"{image_format(data)}, {len(data) / 1024:,.1f} KiB"


def _ratio(first: bytes, data: bytes, how: Decoding) -> str:
    """Return the peak signal-to-noise ratio to the first picture; nothing of that itself."""
    one, other = (np.asarray(decode(x, how).convert("RGB"), dtype=float) for x in (first, data))
    error = float(np.square(one - other).mean())
    return f"{10 * np.log10(255**2 / error):.1f} dB" if error else ""


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
        case (Noise(), Coded("jpeg", setting)):
            return f"noise, JPEG {setting}"
    return variant
