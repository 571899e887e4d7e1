"""Reading: the seconds that reading and decoding an epoch takes from a disk of limited bandwidth.

The limit is in this process, since limiting a device needs root: each read waits until a disk of
that bandwidth would have delivered it. It holds back bandwidth, not latency, and makes no disk
faster: what this machine's own disk gives is measured without a limit, from a cold page cache.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf, nan
from pathlib import Path
from statistics import mean, median
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.shards import ShardReader, tars_of

COLUMNS = [
    *("ratio", "bandwidth", "cache", "images", "bytes", "sampled_images", "sampled_bytes"),
    *("seconds", "seconds_min", "seconds_max", "repeats", "decode_seconds", "predicted"),
    *("cold_share", "threads"),
]
# What one measurement reads and takes at most, about. Shorter passes are repeated to the least.
_MOST_IMAGES, _MOST_BYTES, _MOST_SECONDS, _LEAST_SECONDS = 2000, 32e6, 4.0, 0.15
_REPEATS = 3
# How far a reader that was late may catch up: for sleep that overran, and a disk that reads ahead.
_BURST_SECONDS = 1 / 50

Order = npt.NDArray[np.int64]


class Throttle:
    """A token bucket that lets bytes pass at a bandwidth, shared by any number of threads.

    It starts empty and holds at most the bytes of 1/50 s: never have more passed than the bandwidth
    times the time since it was made.
    """

    def __init__(self, bytes_per_second: float) -> None:
        """Start the clock."""
        self._rate = bytes_per_second
        self._lock = Lock()
        self._passed = time.monotonic()  # when all that was taken so far will have passed

    def take(self, n: int) -> None:
        """Wait until `n` further bytes have passed; threads are served in the order they come."""
        with self._lock:
            now = time.monotonic()
            self._passed = max(self._passed, now - _BURST_SECONDS) + n / self._rate
            wait = self._passed - now
        if wait > 0:
            time.sleep(wait)


def measure(
    shards_by_ratio: Mapping[float, Sequence[str | Path]],
    bandwidths: Sequence[float],
    threads: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how long reading and decoding an epoch takes at each ratio and bandwidth.

    Images are read in a random order and decoded to RGB, each by the thread that read it, as a
    loader's threads do; crop and resize are no part of it. It is done for a random sample, of the
    same images at all ratios: at most 2,000, 32 MB at the largest ratio, and about 4 s. Its seconds
    are scaled to the epoch by the bytes of the files. Nothing else should run beside it, and no two
    measurements are equal.

    Args:
        shards_by_ratio: the training shards of each ratio: the same images in the same order.
        bandwidths: of the disk, in MB/s (10^6 bytes/s).
        threads: how many read and decode.
        seed: of the sample and its order.

    Returns:
        One row a (bandwidth, ratio), with `COLUMNS`; ``bandwidth`` is NaN where there is no limit.
        Seconds are of an epoch, the median of three repeats with their range. The page ``cache`` is
        cold (emptied of the shards before each pass, as far as the system does so) but for a last
        measurement without a limit, in which it is warm: that is the decoder alone, and the
        ``decode_seconds`` of all rows of its ratio. ``predicted`` is the longer of
        bytes / bandwidth and ``decode_seconds``, since bytes pass while images are decoded.
        ``cold_share`` is how many of the bytes the system says it read from a disk, at most 1 (it
        counts whole pages and what it read ahead); NaN where it does not say.

    Raises:
        UserError: where a shard is damaged, or ratios have different images.
    """
    readers = {ratio: ShardReader(shards) for ratio, shards in shards_by_ratio.items()}
    _check_same_images(readers)
    sizes = np.max([reader.sizes for reader in readers.values()], axis=0)
    order = np.random.default_rng(seed).permutation(len(sizes))[:_MOST_IMAGES]
    order = _first(order, sizes, _MOST_BYTES, threads)
    limits = [(bandwidth, "cold") for bandwidth in bandwidths] + [(inf, "cold"), (inf, "warm")]
    found: dict[tuple[float, float, str], list[tuple[float, float]]] = {}
    with _silent_decoders(), ThreadPoolExecutor(threads) as pool:
        # A first pass warms up, and tells how many images fit into the time.
        slowest = max(_pass(pool, threads, reader, order, inf) for reader in readers.values())
        order = order[: max(threads, int(len(order) * min(1, _MOST_SECONDS / slowest)))]
        parts = {
            bandwidth: _first(order, sizes, _MOST_SECONDS * 1e6 * bandwidth, threads)
            for bandwidth, _ in limits
        }
        for _ in range(_REPEATS):
            for bandwidth, cache in limits:
                for ratio, reader in readers.items():
                    cold = shards_by_ratio[ratio] if cache == "cold" else []
                    timed = _timed(pool, threads, reader, parts[bandwidth], bandwidth, cold)
                    found.setdefault((ratio, bandwidth, cache), []).append(timed)
    rows = [
        {
            **{"ratio": ratio, "bandwidth": bandwidth, "cache": cache, "threads": threads},
            **_summary(readers[ratio], parts[bandwidth], timed),
        }
        for (ratio, bandwidth, cache), timed in found.items()
    ]
    return _predicted(pd.DataFrame(rows))[COLUMNS]


def measure_reading(
    shards: Mapping[float, str | Path],
    bandwidths: Sequence[float],
    threads: int,
    target: str | Path,
) -> None:
    """Write the table of `measure` of the training images as a CSV.

    Args:
        shards: the folder of the shards of each ratio.
        bandwidths: as of `measure`.
        threads: likewise.
        target: the file to write.
    """
    tars = {ratio: tars_of(folder, "train") for ratio, folder in shards.items()}
    table = measure(tars, bandwidths, threads)
    with replacing(target) as part:
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def _check_same_images(readers: Mapping[float, ShardReader]) -> None:
    (first, reference), *others = readers.items()
    for ratio, reader in others:
        if not np.array_equal(reader.keys, reference.keys):
            raise UserError(
                f"the shards of ratio {ratio} and {first} hold different images; remove those of "
                f"{ratio}: they are made again"
            )


def _first(order: Order, sizes: npt.NDArray[np.int64], most: float, least: int) -> Order:
    """Return the first images whose files have at most so many bytes, at least so many images."""
    return order[: max(least, int((np.cumsum(sizes[order]) <= most).sum()))]


def _timed(
    pool: ThreadPoolExecutor,
    threads: int,
    reader: ShardReader,
    order: Order,
    bandwidth: float,
    cold: Sequence[str | Path],
) -> tuple[float, float]:
    """Return the seconds of a pass, a mean over as many as it takes, and their cold share.

    Args:
        pool: the threads.
        threads: how many they are.
        reader: the images.
        order: which are read, in which order.
        bandwidth: in MB/s, or inf.
        cold: the shards to remove from the page cache before each pass.
    """
    seconds: list[float] = []
    from_disk = 0.0
    while sum(seconds) < _LEAST_SECONDS:
        for shard in cold:
            _forget(shard)
        before = _bytes_from_disk()
        seconds.append(_pass(pool, threads, reader, order, bandwidth))
        from_disk += _bytes_from_disk() - before
    read = len(seconds) * int(reader.sizes[order].sum())
    return mean(seconds), from_disk if np.isnan(from_disk) else min(1.0, from_disk / read)


def _pass(
    pool: ThreadPoolExecutor, threads: int, reader: ShardReader, order: Order, bandwidth: float
) -> float:
    """Read and decode images once, and return the seconds."""
    images = iter(order.tolist())  # shared: each thread takes the next one
    begin = time.perf_counter()
    throttle = None if bandwidth == inf else Throttle(bandwidth * 1e6)
    list(pool.map(_read, [reader] * threads, [images] * threads, [throttle] * threads))
    return time.perf_counter() - begin


def _read(reader: ShardReader, images: Iterator[int], throttle: Throttle | None) -> None:
    for i in images:
        if throttle:
            throttle.take(int(reader.sizes[i]))
        decode_rgb(reader.image(i), reader.decoding)


def _forget(shard: str | Path) -> None:
    """Remove a shard from the page cache, where the system can."""
    with Path(shard).open("rb") as file, suppress(OSError, AttributeError):
        os.fsync(file.fileno())  # pages that are not on the disk yet would stay
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _bytes_from_disk() -> float:
    """Return the bytes that this process has had from a disk so far; NaN where nobody counts."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
        return float(next(line for line in lines if line.startswith("read_bytes:")).split()[1])
    return nan


@contextmanager
def _silent_decoders() -> Iterator[None]:
    """Drop what libraries print to standard error: libpng warns of an image at every pass."""
    standard = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard, 2)
        os.close(standard)


def _summary(
    reader: ShardReader, order: Order, timed: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """Return what the repeats of a measurement say of an epoch."""
    sampled = int(reader.sizes[order].sum())
    seconds = [seconds * reader.image_bytes / sampled for seconds, _ in timed]
    return {
        "images": len(reader),
        "bytes": reader.image_bytes,
        "sampled_images": len(order),
        "sampled_bytes": sampled,
        "seconds": median(seconds),
        "seconds_min": min(seconds),
        "seconds_max": max(seconds),
        "repeats": len(timed),
        "cold_share": median(cold for _, cold in timed),
    }


def _predicted(table: pd.DataFrame) -> pd.DataFrame:
    """Add each ratio's seconds of decoding, and what is to be expected of disk and decoder."""
    decoding = table[table["cache"] == "warm"].set_index("ratio")["seconds"]
    table["decode_seconds"] = table["ratio"].map(decoding)
    disk = table["bytes"] / (1e6 * table["bandwidth"])
    table["predicted"] = np.maximum(disk, table["decode_seconds"])
    table["bandwidth"] = table["bandwidth"].replace(inf, nan)
    return table
