"""What near copies are found among changed images, and how many pairs of different ones are taken.

    PYTHONPATH=workflow/scripts python tests/near_copies.py IMAGES… [--changed 100]

IMAGES are folders, tars or zips of photographs. Of each the images themselves are compared, and so
many of them with changed versions of theirs. It is how the thresholds of `near_copies` were set;
tests/README.md has the numbers.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from jpegprep.datasets.archives import members
from jpegprep.datasets.listing import looks_like_image
from jpegprep.datasets.near_copies import OWN, Look, Pairs, find, look

Change = Callable[[Image.Image], tuple[Image.Image, Image.Image]]


def cut(image: Image.Image, side: float, left: float, top: float) -> Image.Image:
    """Return a part of an image: its side as a share of the whole, and where it lies, 0 to 1."""
    width, height = (round(side * length) for length in image.size)
    x, y = round((image.width - width) * left), round((image.height - height) * top)
    return image.crop((x, y, x + width, y + height))


def encoded(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    """Return an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def smaller(image: Image.Image, by: int) -> Image.Image:
    """Return an image made smaller."""
    return image.resize((max(1, image.width // by), max(1, image.height // by)))


def turned(image: Image.Image) -> Image.Image:
    """Return an image turned by two degrees, without the corners."""
    return cut(image.rotate(2, Image.Resampling.BICUBIC), 0.93, 0.5, 0.5)


# What becomes of two copies of an image.
CHANGES: dict[str, Change] = {
    "half size": lambda i: (i, smaller(i, 2)),
    "quarter size": lambda i: (i, smaller(i, 4)),
    "brighter by a fifth": lambda i: (i, ImageEnhance.Brightness(i).enhance(1.2)),
    "less contrast (0.7)": lambda i: (i, ImageEnhance.Contrast(i).enhance(0.7)),
    "turned by 2 degrees": lambda i: (i, turned(i)),
    "mirrored": lambda i: (i, i.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    **{
        f"middle, {side:.0%} of the side": lambda i, s=side: (i, cut(i, s, 0.5, 0.5))
        for side in (0.95, 0.9, 0.85, 0.8)
    },
    **{
        f"shifted by {shift:.0%} both ways": lambda i, s=1 - shift: (
            cut(i, s, 0, 0),
            cut(i, s, 1, 1),
        )
        for shift in (0.01, 0.02, 0.03, 0.05, 0.07, 0.1)
    },
    **{
        f"corner and middle, {side:.0%} of the side": lambda i, s=side: (
            cut(i, s, 0, 0),
            cut(i, s, 0.5, 0.5),
        )
        for side in (0.95, 0.9, 0.85, 0.8)
    },
}
QUALITIES = (10, 30, 50, 70, 90)


def images_in(path: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the images of a folder or an archive."""
    if path.is_dir():
        files = ((str(p), p.read_bytes()) for p in sorted(path.rglob("*")) if p.is_file())
    else:
        files = ((member.name, member.data) for member in members(path))
    for name, data in files:
        if looks_like_image(name):
            try:
                yield name, Image.open(io.BytesIO(data)).convert("RGB")
            except OSError:
                continue


def are_near(one: bytes, other: bytes) -> bool:
    """Tell whether two image files are found to be near copies."""
    looks = [look(one), look(other)]
    return all(looks) and bool(len(pairs_of([of for of in looks if of]).one))


def pairs_of(looks: Sequence[Look], labels: Sequence[int] = ()) -> Pairs:
    """Return the near copies among images, of one class or of several."""
    hashes, windows = zip(*looks, strict=True)
    of = np.array(labels) if len(labels) else np.zeros(len(looks), int)
    found = find(np.stack(hashes), np.stack(windows), of, threads=2)
    return found.where(found.own >= OWN)


def main() -> None:
    """Measure, and print a table of each set of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--changed", type=int, default=100, help="images that are changed")
    chosen = parser.parse_args()
    for path in chosen.images:
        found = list(images_in(path))
        began = time.process_time()
        looks = [look(encoded(image, "JPEG", quality=90)) for _, image in found]
        each = (time.process_time() - began) / len(looks)
        seen = [i for i, of in enumerate(looks) if of]
        classes = np.unique([str(Path(name).parent) for name, _ in found], return_inverse=True)[1]
        pairs = pairs_of([looks[i] for i in seen], classes[seen])
        print(f"\n## {path.name}: {len(found):,} images, {1000 * each:.1f} ms each, ", end="")
        print(f"{len(found) - len(seen)} without detail, {len(pairs.one)} pairs")
        for i, j, alike in sorted(zip(*pairs, strict=True), key=lambda row: row[2])[:20]:
            print(f"  {alike:.2f} {found[seen[i]][0]} {found[seen[j]][0]}")
        some = [image for _, image in found[:: max(1, len(found) // chosen.changed)]]
        for quality in QUALITIES:
            share = np.mean(
                [are_near(encoded(i), encoded(i, "JPEG", quality=quality)) for i in some]
            )
            print(f"| JPEG of quality {quality} | {share:.0%} |", flush=True)
        for name, change in CHANGES.items():
            share = np.mean([are_near(*map(encoded, change(image))) for image in some])
            print(f"| {name} | {share:.0%} |", flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
