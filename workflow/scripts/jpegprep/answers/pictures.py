"""Images for recommendation.html: originals and what stores make of them, as a browser shows them.

Files stand there as they are, so that a reader sees the real ones. Where an image is large, a part
of it stands there instead, without loss, at its full size.
"""

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant
from jpegprep.shards.shards import ShardReader

# What browsers show, by the format that Pillow finds.
_MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_WHOLE = 160_000  # bytes: a larger original is shown by a part
_PART, _LARGEST = 384, 900  # pixels a side: of a part, and of what is shown whole
_THUMBNAIL = 96

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Chosen:
    """An image that is shown.

    Attributes:
        row: its place among all images.
        why: typical, or lost most.
    """

    row: int
    why: str


TYPICAL, LOST = "typical", "lost most"


def choose(
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    sizes: npt.NDArray[Any],
    each: int = 3,
) -> list[Chosen]:
    """Choose images to be looked at: typical ones, then those that lost most, of several classes.

    Args:
        before: (n,) the probability of the true class, of the originals.
        after: (n,) likewise of the store.
        labels: (n,) indexes of classes.
        sizes: (n,) of the originals' files, in bytes.
        each: how many of each kind, of as many classes as there are.

    Returns:
        Typical are those whose change of probability and size are nearest to the median, by the sum
        of ranks. No image is chosen twice, and none that did not lose as one that lost most.
    """
    change = after - before
    ranks = [
        pd.Series(np.abs(values - np.median(values))).rank(method="min").to_numpy()
        for values in (change, np.log(sizes))
    ]
    lost = [int(i) for i in np.argsort(change, kind="stable") if change[i] < 0]
    of_lost = _of_several_classes(lost, labels, each)
    usual = [int(i) for i in np.argsort(ranks[0] + ranks[1], kind="stable") if i not in of_lost]
    typical = _of_several_classes(usual, labels, each)
    return [Chosen(i, TYPICAL) for i in typical] + [Chosen(i, LOST) for i in of_lost]


def _of_several_classes(rows: Sequence[int], labels: npt.NDArray[Any], count: int) -> list[int]:
    """Return the first rows of different classes; where these are too few, of the same, too."""
    seen: set[int] = set()
    first = [i for i in rows if not (labels[i] in seen or seen.add(int(labels[i])))][:count]  # type: ignore[func-returns-value]
    return (first + [i for i in rows if i not in first])[:count]


@dataclass(frozen=True)
class Shown:
    """One image as an original or a store has it.

    Attributes:
        uri: of its file, or of a part.
        view: of what the network sees.
        bytes: of the whole file.
    """

    uri: str
    view: str
    bytes: int

    @property
    def size(self) -> int:
        """How many characters it takes."""
        return len(self.uri) + len(self.view)


@dataclass(frozen=True)
class Picture:
    """An image, original and stored.

    Attributes:
        width: in pixels, of what is shown of the original.
        height: likewise.
        whole: it is no part.
        full_width: of the whole original.
        full_height: likewise.
        original: as it was.
        stores: by variant.
    """

    width: int
    height: int
    whole: bool
    full_width: int
    full_height: int
    original: Shown
    stores: dict[str, Shown]


def picture(
    data: bytes,
    key: str,
    variants: Sequence[str],
    how: Decoding,
    image_size: int,
    eval_crop: float,
    part: int = _PART,
) -> Picture:
    """Return an image as it was, and as each of some stores has it.

    Args:
        data: the original's file.
        key: the sample's, which the store's own randomness may depend on.
        variants: of each its name. The files are those of the shards, made again.
        how: images are decoded.
        image_size: in pixels, as the network sees it.
        eval_crop: the centre's share of the shorter side that it sees.
        part: in pixels, the side of what is shown of a large image: where the first of the variants
            differs most.
    """
    files = {name: treat(data, parse_variant(name), key, how) for name in variants}
    pixels = {name: _pixels(file, how) for name, file in {"": data, **files}.items()}
    height, width = pixels[""].shape[:2]
    whole = len(data) <= _WHOLE and max(height, width) <= _LARGEST
    box = (0, 0, width, height)
    if not whole:
        box = _differs_most(pixels[""], _fitted(pixels[variants[0]], width, height), part)
    shown = {}
    for name, file in {"": data, **files}.items():
        if whole:
            uri = _as_it_is(file, pixels[name]) or _lossless(pixels[name])
        else:
            left, top, right, bottom = box
            uri = _lossless(_fitted(pixels[name], width, height)[top:bottom, left:right])
        seen = network_view(pixels[name], image_size, eval_crop)
        shown[name] = Shown(uri, _lossless(seen), len(file))
    return Picture(box[2] - box[0], box[3] - box[1], whole, width, height, shown.pop(""), shown)


def network_view(pixels: Pixels, image_size: int, eval_crop: float) -> Pixels:
    """Return what a network sees: the shorter side resized, the centre cropped.

    As `learners.data.eval_transform`, but by Pillow, whose antialiased bicubic it follows: values
    differ by rounding alone.

    Args:
        pixels: (height, width, 3).
        image_size: of the result, in pixels a side.
        eval_crop: the centre's share of the shorter side.
    """
    height, width = pixels.shape[:2]
    side, shorter = round(image_size / eval_crop), min(height, width)
    size = (side * width // shorter, side * height // shorter)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - image_size) / 2) for length in size)
    return np.asarray(image)[top : top + image_size, left : left + image_size]


def _pixels(data: bytes, how: Decoding) -> Pixels:
    return np.asarray(decode(data, how).convert("RGB"))


def _fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return an image at the size of its original: a store may make it smaller."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def _differs_most(one: Pixels, other: Pixels, side: int) -> tuple[int, int, int, int]:
    """Return the part of so many pixels a side where two images of one size differ most."""
    height, width = one.shape[:2]
    difference = np.abs(one.astype(np.int16) - other).sum(axis=2, dtype=np.int64)
    sums = np.pad(difference.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, columns = min(side, height), min(side, width)
    inside = (
        sums[rows:, columns:]
        - sums[:-rows, columns:]
        - sums[rows:, :-columns]
        + sums[:-rows, :-columns]
    )
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(left), int(top), int(left) + columns, int(top) + rows


def _as_it_is(data: bytes, pixels: Pixels) -> str | None:
    """Return a file as a URI, if a browser shows the pixels that the network is given."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            media = _MEDIA.get(str(image.format))
            plain = "icc_profile" not in image.info and image.mode in ("RGB", "L")
            same = plain and np.array_equal(np.asarray(image.convert("RGB")), pixels)
    except OSError:  # formats that Pillow alone does not open
        return None
    return _uri(data, media) if media and same else None


def _lossless(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True, method=4)
    return _uri(buffer.getvalue(), "image/webp")


def thumbnail(data: bytes, how: Decoding) -> str:
    """Return the URI of a small image, at most 96 pixels a side."""
    image = decode(data, how).convert("RGB")
    image.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return _uri(buffer.getvalue(), "image/webp")


def _uri(data: bytes, media: str) -> str:
    return f"data:{media};base64,{b64encode(data).decode()}"


def pictures_within(
    budget: int,
    reader: ShardReader,
    chosen: Sequence[Chosen],
    stores: Sequence[str],
    image_size: int,
    eval_crop: float,
) -> tuple[list[tuple[Chosen, Picture]], list[str]]:
    """Return pictures with as many stores as there is room for.

    Args:
        budget: characters that they may take.
        reader: the originals.
        chosen: what is shown; where it is too much, parts become smaller.
        stores: names of variants, the most important first; that one is always there.
        image_size: as of `picture`.
        eval_crop: likewise.

    Returns:
        The pictures, and the stores that each has.
    """
    found: list[Picture] = []
    for part in (_PART, _PART // 2, _PART // 4):
        found = [
            picture(
                reader.image(one.row),
                str(reader.keys[one.row]),
                stores,
                reader.decoding,
                image_size,
                eval_crop,
                part,
            )
            for one in chosen
        ]
        if _characters(found, stores[:1]) <= budget:
            break
    kept = list(stores[:1])
    for name in stores[1:]:
        if _characters(found, [*kept, name]) > budget:
            break
        kept.append(name)
    trimmed = [
        (one, Picture(**{**vars(of), "stores": {name: of.stores[name] for name in kept}}))
        for one, of in zip(chosen, found, strict=True)
    ]
    return trimmed, kept


def _characters(found: Iterable[Picture], stores: Sequence[str]) -> int:
    return sum(of.original.size + sum(of.stores[name].size for name in stores) for of in found)


def as_json(one: Chosen, of: Picture, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a picture as the page's script reads it, with what is known of it."""

    def shown(side: Shown) -> dict[str, Any]:
        return {"uri": side.uri, "view": side.view, "bytes": side.bytes}

    return {
        **facts,
        "why": one.why,
        **{"width": of.width, "height": of.height, "whole": of.whole},
        "original": shown(of.original),
        "stores": {name: shown(side) for name, side in of.stores.items()},
    }
