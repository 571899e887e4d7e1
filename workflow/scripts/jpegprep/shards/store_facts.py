"""What each store of a data set is: its bytes, whose pixels it has, and what it takes to make."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parallel import in_order
from jpegprep.images.opencv import decode_rgb
from jpegprep.images.recompress import treat
from jpegprep.images.variants import is_lossless, parse_variant
from jpegprep.shards.shards import ShardReader, read_index, splits_of

# A speed is that of so many images of a random sample, or of as many as take these seconds.
_TIMED, _SECONDS = 50, 0.3
COLUMNS = [
    *("store", "images", "bytes", "inflated", "kept", "pixels_of"),
    *("timed", "made_per_second", "decoded_per_second"),
]


def measure_stores(
    shards: Mapping[str, str | Path],
    same_pixels: Mapping[str, str],
    threads: int,
    target: str | Path,
) -> None:
    """Write what a data set's stores are, a row a store.

    Args:
        shards: the folder of the shards of each store; the original is among them.
        same_pixels: of some stores the one whose pixels theirs are compared with, image by image.
        threads: how many work side by side, but for the speeds.
        target: the CSV. ``images`` and their ``bytes``; how many are ``inflated`` (larger than
            their source) and ``kept`` (their source); ``pixels_of``: the store that was compared,
            if all pixels of all images are the same; images a second of a core, of a sample of
            ``timed`` images: ``made`` from the original's file, and ``decoded``. Speeds are of this
            machine, by the processor's time that the process took, and repeat roughly.

    Raises:
        UserError: where shards are damaged, or a store that must have another one's pixels has not.
    """
    readers = {store: _reader(folder) for store, folder in shards.items()}
    originals = readers[ORIGINAL]
    sample = np.random.default_rng(0).permutation(len(originals))[:_TIMED].tolist()
    rows = []
    for store, folder in shards.items():
        reader, other = readers[store], same_pixels.get(store, "")
        if not np.array_equal(reader.keys, originals.keys):
            raise UserError(
                f"{folder}: holds other images than {shards[ORIGINAL]}; remove it: its shards are "
                "made again"
            )
        facts = [read_index(tar)[1] for tars in splits_of(folder).values() for tar in tars]
        if other:
            differs = _first_different(reader, readers[other], threads)
            if differs is not None and not is_lossless(store):
                raise UserError(
                    f"{folder}: {differs} has other pixels than in {shards[other]}; remove both: "
                    "they are made again"
                )
            other = "" if differs is not None else other
        rows.append(
            {
                **{"store": store, "images": len(reader), "bytes": reader.image_bytes},
                **{name: sum(each[name] for each in facts) for name in ("inflated", "kept")},
                **{"pixels_of": other, **_speeds(originals, reader, store, sample)},
            }
        )
    with replacing(target) as part:
        table = pd.DataFrame(rows, columns=COLUMNS)
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def _reader(folder: str | Path) -> ShardReader:
    return ShardReader([tar for tars in splits_of(folder).values() for tar in tars])


def _first_different(one: ShardReader, other: ShardReader, threads: int) -> str | None:
    """Return the key of the first image whose pixels differ; None, where none do."""

    def same(i: int) -> bool:
        files = one.image(i), other.image(i)
        if files[0] == files[1]:
            return True
        # A source that was kept is decoded as the data set's sources are.
        pixels, others = (decode_rgb(data, one.decoding) for data in files)
        return np.array_equal(pixels, others)

    for i, equal in enumerate(in_order(same, range(len(one)), threads)):
        if not equal:
            return str(one.keys[i])
    return None


def _speeds(
    originals: ShardReader, reader: ShardReader, store: str, sample: Sequence[int]
) -> dict[str, Any]:
    treatments, how = parse_variant(store), originals.decoding
    sources = [(originals.image(i), originals.keys[i]) for i in sample]
    made = None
    if treatments:
        made = _speed(lambda i: treat(sources[i][0], treatments, sources[i][1], how), len(sample))
    files = [reader.image(i) for i in sample]
    decoded = _speed(lambda i: decode_rgb(files[i], how), len(sample))
    return {"timed": len(sample), "made_per_second": made, "decoded_per_second": decoded}


def _speed(work: Callable[[int], object], count: int) -> float:
    """Return how many of `count` pieces of work a second of the process's time does."""
    work(0)  # what is done once in a process
    began, done = time.process_time(), 0
    while done < count and (not done or time.process_time() - began < _SECONDS):
        work(done)
        done += 1
    return done / max(time.process_time() - began, 1e-9)
