"""What converting an image costs: CPU seconds, and the bytes that it saves, with their interval.

Measured on a sample of a data set's own images, in one thread, so that neither the start of a job
nor what runs beside it is part of it: the seconds of a job on a few hundred images are mostly
Python's start, and would be wrong by a factor for a million.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from jpegprep.common.errors import UserError
from jpegprep.common.files import write_json
from jpegprep.images.opencv import decode_rgb
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant
from jpegprep.shards.shards import ShardReader, pack, splits_of

_MOST_IMAGES, _MOST_BYTES = 100, 8 << 20
_REPEATS = 3
_QUANTILE = 1.959964  # of the normal distribution, 97.5 %


def measure_conversion(
    originals: str | Path, converted: str | Path, variant: str, target: str | Path
) -> None:
    """Measure how long one thread takes to convert an image, and what it saves.

    Args:
        originals: the folder of the originals' shards.
        converted: that of the variant's.
        variant: its name.
        target: the JSON to write: ``variant``; ``images``, on how many the seconds were measured,
            at most 100 and 8 MiB, at random; ``convert_seconds``, CPU seconds to read, decode,
            encode and pack one, the median of three passes, with ``convert_seconds_min`` and
            ``_max``; ``decode_seconds`` of an original and ``decode_seconds_after`` of what became
            of it; ``saved_bytes`` an image, the mean over all ``saved_images`` of the shards, with
            its 95 % interval, ``saved_low`` and ``saved_high``.

    Raises:
        UserError: where a shard is damaged, or the two hold different images.
    """
    before, after = _reader(originals), _reader(converted)
    if not np.array_equal(before.keys, after.keys):
        raise UserError(
            f"{converted}: holds other images than {originals}; remove it: its shards are made "
            "again"
        )
    sample = np.random.default_rng(0).permutation(len(before))[:_MOST_IMAGES]
    fits = int((np.cumsum(before.sizes[sample]) <= _MOST_BYTES).sum())
    sample = np.sort(sample[: max(1, fits)])
    files, results = before.part(sample), after.part(sample)
    treatments = parse_variant(variant)

    def convert(i: int) -> None:
        data = files.image(i)
        made = treat(data, treatments, str(files.keys[i]), files.decoding)
        pack([(str(files.keys[i]), int(files.labels[i]), made, data)])

    seconds = _cpu_seconds(convert, len(sample))
    saved = (before.sizes - after.sizes).astype(np.float64)
    arm = _QUANTILE * saved.std(ddof=1) / np.sqrt(len(saved)) if len(saved) > 1 else float("inf")
    write_json(
        target,
        {
            "variant": variant,
            "images": len(sample),
            "convert_seconds": median(seconds),
            "convert_seconds_min": min(seconds),
            "convert_seconds_max": max(seconds),
            "decode_seconds": median(
                _cpu_seconds(lambda i: decode_rgb(files.image(i), files.decoding), len(sample))
            ),
            "decode_seconds_after": median(
                _cpu_seconds(lambda i: decode_rgb(results.image(i), results.decoding), len(sample))
            ),
            "saved_images": len(saved),
            "saved_bytes": float(saved.mean()),
            "saved_low": float(saved.mean() - arm) if np.isfinite(arm) else None,
            "saved_high": float(saved.mean() + arm) if np.isfinite(arm) else None,
        },
    )


def _reader(folder: str | Path) -> ShardReader:
    return ShardReader([tar for tars in splits_of(folder).values() for tar in tars])


def _cpu_seconds(do: Callable[[int], object], images: int) -> list[float]:
    """Return the CPU seconds of an image of each pass over the images, after one to warm up."""
    found = []
    for _ in range(1 + _REPEATS):
        began = time.process_time()
        for i in range(images):
            do(i)
        found.append((time.process_time() - began) / images)
    return found[1:]
