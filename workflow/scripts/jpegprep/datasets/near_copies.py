"""Near copies: images that show the same, re-encoded, resized, or cut a little otherwise.

Two steps, since neither is enough. Perceptual hashes (`imagehash`) propose pairs: of a whole image,
of its middle, and of its corners, so that a shift or a closer cut is proposed, too. Then pixels
decide: both images, made small, and freed of all that is smooth, are laid upon each other where
they fit best, and must be alike there. Hashes alone take many textures, digits and X-rays for the
same. Three things may be alike without being copies, and do not count: what is smooth; so little
detail that it would be alike by chance (a line, an edge); and what all images of a class have in
common (an outline on white, a body's anatomy).

What it finds is measured in `tests/near_copies.py`; tests/README.md has the numbers.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from jpegprep.common.parallel import in_order
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.formats import opened
from jpegprep.images.images import decode, orientation

Hashes = npt.NDArray[np.uint64]
Windows = npt.NDArray[np.int8]
Detail = npt.NDArray[np.float32]

ALIKE = 0.7  # the correlation of detail from which two images are near copies
OWN = 0.65  # and of what they do not have in common with their class
# How many standard errors the correlation must lie above 0, by as many independent pixels as its
# detail has: 7 is beyond chance among a million images, each with each, at any shift.
_BEYOND_CHANCE = 7.0
_COMMON = 20  # images of a class from which what they have in common is known
_BITS = 10  # of 64: hashes that differ in no more propose a pair
_SIDE, _SMALL = 128, 32  # pixels: of what is hashed, of what is compared
# Pixels of _SIDE: of windows in its corners, for shifts by 5, 9 and 12 %; of the middle, the first.
_CUTS = (122, 117, 112)
_SHIFT = 4  # pixels of _SMALL: how far two images may lie apart
_SMOOTH, _NEIGHBOURHOOD = 3.0, 4.5  # pixels of _SMALL: what is wider is smooth; of local contrast
_LEAST_DETAIL = 1.0  # gray levels (root mean square): an image with less cannot be told from others
_FLOOR = 2.5  # gray levels: noise below it does not count as detail
_MOST = 20  # pairs of an image in a combination of windows that are looked at: the nearest ones

# The windows of an image: the whole, its middle, and for each cut the corners.
_WHOLE, _MIDDLE = 0, 1
_CORNERS = [2 + 4 * k for k in range(len(_CUTS))]  # the first one of a cut: top left, top right, …
# Which window of the one image is compared with which of the other, in both orders of images: the
# whole with the whole and with the middle (a closer cut); corners with other ones (a shift).
_COMBINATIONS = [(_WHOLE, _WHOLE), (_WHOLE, _MIDDLE)]
_COMBINATIONS += [(k, k + j) for k in _CORNERS for j in (1, 2, 3)]
_COMBINATIONS += [(k + 1, k + 2) for k in _CORNERS]


class Look(NamedTuple):
    """How an image looks.

    Attributes:
        hashes: (w,) of its windows.
        windows: (2, _SMALL, _SMALL) the detail of the whole and of its middle.
    """

    hashes: Hashes
    windows: Windows


class Pairs(NamedTuple):
    """Near copies.

    Attributes:
        one: (m,) the one image of each pair, by its number; the lower one.
        other: (m,) the other.
        alike: (m,) the correlation of their detail, from `ALIKE` to 1.
        own: (m,) that of what they do not have in common with their class; below `OWN` they are
            alike as all of the class are, and no near copies.
    """

    one: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    alike: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Pairs":
        """Return some of the pairs."""
        one, other, alike, own = self
        return Pairs(one[chosen], other[chosen], alike[chosen], own[chosen])


def look(data: bytes, how: Decoding = USUAL) -> Look | None:
    """Return how an image looks; None, where it has too little detail to be told from others.

    Args:
        data: the bytes of its file.
        how: the data set's images are decoded.

    Raises:
        ValueError: where it cannot be decoded.
    """
    gray = _gray(data, how).resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=None)
    middle = _window(gray, _CUTS[0], 0.5, 0.5)
    smalls = [
        np.asarray(of.resize((_SMALL, _SMALL), _LANCZOS), np.float32) for of in (gray, middle)
    ]
    whole = _detail(smalls[0])
    if float(whole.std()) < _LEAST_DETAIL:
        return None
    corners = [(left, top) for top in (0, 1) for left in (0, 1)]
    parts = [gray, middle, *(_window(gray, cut, *at) for cut in _CUTS for at in corners)]
    bits = [np.packbits(imagehash.phash(part).hash.ravel()) for part in parts]
    hashes = np.concatenate(bits).view(np.uint64)
    return Look(hashes, np.stack([_coded(whole), _coded(_detail(smalls[1]))]))


_LANCZOS = Image.Resampling.LANCZOS


def _gray(data: bytes, how: Decoding) -> Image.Image:
    """Return an image in gray, upright; of a large JPEG file a fraction is decoded."""
    # Pillow's parsers raise whatever comes to a damaged file; `decode` mends or names it.
    with suppress(Exception):
        image = opened(data)
        itself = image.mode in ("L", "RGB") and orientation(image) == 1
        itself = itself and not (how.icc == "srgb" and "icc_profile" in image.info)
        if image.format == "JPEG" and itself:
            image.draft("L", (_SIDE, _SIDE))
            return image.convert("L")
    return decode(data, how).convert("L")


def _window(gray: Image.Image, cut: int, left: float, top: float) -> Image.Image:
    """Return a window of so many pixels, where it lies between the edges, from 0 to 1."""
    x, y = (round((_SIDE - cut) * at) for at in (left, top))
    return gray.crop((x, y, x + cut, y + cut))


def _detail(small: Detail) -> Detail:
    """Return an image without what is smooth, in gray levels."""
    found: Detail = small - cv2.GaussianBlur(small, (0, 0), _SMOOTH)
    return found


def _coded(detail: Detail) -> Windows:
    """Return detail with the same contrast everywhere, lest an edge decide; in a byte a pixel."""
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _NEIGHBOURHOOD)) + _FLOOR
    return np.clip(np.rint(detail / contrast * 32), -127, 127).astype(np.int8)


def find(
    hashes: Hashes, windows: Windows, labels: npt.NDArray[np.integer], threads: int = 1
) -> Pairs:
    """Find the near copies among images, and what is alike as all of their class are.

    All pairs of hashes are compared, 64 bits at a time: for 100,000 images 140 billion comparisons,
    about six minutes of a processor (60 billion took two and a half).

    Args:
        hashes: (n, w) of each image's windows.
        windows: (n, 2, _SMALL, _SMALL) their detail.
        labels: (n,) their classes, from 0.
        threads: how many compare side by side; the result is the same for any number.
    """
    found: dict[tuple[int, int], tuple[float, float]] = {}
    tasks = (
        (combination, start)
        for combination in _COMBINATIONS
        for start in range(0, len(hashes), _ROWS)
    )
    common = _common(windows, labels)
    for rows in in_order(partial(_found, hashes, windows, labels, common), tasks, threads):
        for i, j, *fit in rows:
            pair = (min(i, j), max(i, j))
            before = found.get(pair, (0.0, -1.0))
            found[pair] = max(fit[0], before[0]), max(fit[1], before[1])
    pairs = sorted(found)
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    alike, own = np.array([found[pair] for pair in pairs], dtype=np.float64).reshape(-1, 2).T
    return Pairs(one, other, alike, own)


def _common(windows: Windows, labels: npt.NDArray[np.integer]) -> Detail:
    """Return what the images of each class have in common: (classes, 2, _SMALL, _SMALL).

    Of a class of few images it is what all images have in common; of few images nothing.
    """
    kinds = int(labels.max(initial=-1)) + 1
    counts = np.bincount(labels, minlength=kinds)
    sums = np.zeros((kinds, *windows.shape[1:]), np.float64)
    for start in range(0, len(windows), _COLUMNS):
        np.add.at(sums, labels[start : start + _COLUMNS], windows[start : start + _COLUMNS])
    known = counts >= _COMMON
    of_all = sums.sum(axis=0) / max(1, len(windows)) if len(windows) >= _COMMON else 0.0
    sums[known] /= counts[known][:, np.newaxis, np.newaxis, np.newaxis]
    sums[~known] = of_all
    return sums.astype(np.float32)


_ROWS, _COLUMNS = 64, 4096  # hashes that are compared at a time: what a processor's cache holds


def _found(
    hashes: Hashes,
    windows: Windows,
    labels: npt.NDArray[np.integer],
    common: Detail,
    task: tuple[tuple[int, int], int],
) -> list[tuple[int, int, float, float]]:
    """Return the pairs of some images, by one combination of windows: numbers, alike, own."""
    (a, b), start = task
    found = []
    of_middle = int(b == _MIDDLE)
    for i, others in _proposed(hashes, a, b, start):
        one = windows[i, 0].astype(np.float32)
        for j in others:
            other = windows[j, of_middle].astype(np.float32)
            alike, place = _fit(one, other)
            if alike < ALIKE or not _beyond_chance(alike, one, other):
                continue
            own = one - common[labels[i], 0], other - common[labels[j], of_middle]
            found.append((i, j, alike, _fit(*own, place)[0]))
    return found


def _proposed(hashes: Hashes, a: int, b: int, start: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each of some images with those whose hashes are near, at most `_MOST`: the nearest."""
    rows, columns = hashes[start : start + _ROWS, a, np.newaxis], hashes[:, b]
    count = np.empty((len(rows), len(columns)), np.uint8)
    differing = np.empty((len(rows), _COLUMNS), np.uint64)
    for left in range(0, len(columns), _COLUMNS):
        part = columns[left : left + _COLUMNS]
        differ = np.bitwise_xor(rows, part, out=differing[:, : len(part)])
        np.bitwise_count(differ, out=count[:, left : left + len(part)])
    for row in range(len(rows)):
        i = start + row
        count[row, : i + 1 if a == b else 0] = 64  # of a whole each pair once
        count[row, i] = 64
    for row in np.flatnonzero(count.min(axis=1) <= _BITS).tolist():
        near = np.flatnonzero(count[row] <= _BITS)
        if len(near) > _MOST:
            near = near[np.argpartition(count[row, near], _MOST)[:_MOST]]
        yield start + row, near.tolist()


def _fit(
    one: Detail,
    other: Detail,
    place: tuple[int, int] | None = None,
) -> tuple[float, tuple[int, int]]:
    """Return the correlation of the one's middle with the other, and where: at a place, or best."""
    template = one[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    found = cv2.matchTemplate(other, template, cv2.TM_CCOEFF_NORMED)
    found[~np.isfinite(found)] = 0
    if place is None:
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        place = int(row), int(column)
    return float(found[place]), place


def _beyond_chance(alike: float, one: Detail, other: Detail) -> bool:
    """Tell whether a correlation is more than chance, given how much detail there is.

    Neighbouring pixels are alike, so that they are fewer than they seem: of two images with power
    spectra p and q as many are independent as (sum p)(sum q) / sum(pq) (M. S. Bartlett, Journal of
    the Royal Statistical Society 98, 1935, in two dimensions). Fisher's transformation of the
    correlation has the standard error 1 / sqrt(n - 3).
    """
    p, q = (np.abs(np.fft.rfft2(part - part.mean())) ** 2 for part in (one, other))
    independent = float(p.sum() * q.sum() / max(float((p * q).sum()), 1e-9))
    independent *= 2 * (1 - 2 * _SHIFT / _SMALL) ** 2  # half of the spectrum; of the part laid over
    if independent <= 3:
        return False
    return np.arctanh(min(alike, 1 - 1e-6)) * np.sqrt(independent - 3) >= _BEYOND_CHANCE
