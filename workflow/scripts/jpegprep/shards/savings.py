"""What the bytes of a data set's images are, and which of them cost no pixel to save."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.files import replacing, write_json
from jpegprep.common.parallel import in_order
from jpegprep.images.anatomy import Parts, parts_of
from jpegprep.images.lossless import optimized
from jpegprep.shards.shards import ShardReader, splits_of

# Images that are written anew at most: of the originals, of each other ratio, of a user's own.
_OF_ORIGINALS, _OF_RATIO, _OF_OWN = 2000, 100, 200
_SECONDS_OF_OWN = 20.0
_95 = 1.96  # of the normal distribution


def measure_bytes(shards: Mapping[float, str | Path], threads: int, target: str | Path) -> None:
    """Write where the bytes of a data set's images are at each ratio, and what is free to save.

    Args:
        shards: the folder of the shards of each ratio.
        threads: how many work side by side.
        target: the CSV, a row a ratio, with the keys of `measure`.
    """
    rows = [
        {"ratio": ratio, **measure(folder, threads, _OF_ORIGINALS if ratio == 1.0 else _OF_RATIO)}
        for ratio, folder in shards.items()
    ]
    with replacing(target) as part:
        pd.DataFrame(rows).to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def measure_own(folder: str | Path, threads: int, target: str | Path) -> None:
    """Write as JSON what of the bytes of a user's own images is free to save, in 20 s at most.

    Args:
        folder: of the originals' shards.
        threads: how many work side by side.
        target: the file, with the keys of `measure`.
    """
    write_json(target, measure(folder, threads, _OF_OWN, _SECONDS_OF_OWN))


def measure(folder: str | Path, threads: int, most: int, seconds: float = inf) -> dict[str, Any]:
    """Measure where the bytes of a variant's images are, and what is free to save.

    The parts are of all images. A random sample is written anew by `lossless.optimized`, metadata
    and all, and decoded: what it saves is the sample's bytes saved over its bytes.

    Args:
        folder: of the variant's shards.
        threads: how many work side by side.
        most: images of the sample; all images, where there are no more.
        seconds: after which the sample ends, but not before it has two images.

    Returns:
        ``images``, ``bytes``; the sums of `anatomy.Parts`; of the sample ``sampled`` images,
        ``smaller`` (those of fewer bytes, their pixels compared and the same; the others stay as
        they are), ``sampled_bytes``, ``optimized_bytes``, the share ``saved`` and its 95 %
        interval, ``saved_low`` to ``saved_high``: none (all the same number) where the sample is
        all images.
    """
    reader = ShardReader([tar for tars in splits_of(folder).values() for tar in tars])
    parts = sum(in_order(lambda i: parts_of(reader.image(i)), range(len(reader)), threads), Parts())
    order = np.random.default_rng(0).permutation(len(reader))[:most]
    began = time.monotonic()

    def in_time() -> Iterator[int]:
        for done, i in enumerate(order.tolist()):
            if done >= 2 and time.monotonic() - began > seconds:
                return
            yield i

    def sizes(i: int) -> tuple[int, int]:
        data = reader.image(i)
        return len(data), len(optimized(data))

    before, after = np.array(list(in_order(sizes, in_time(), threads)), dtype=np.int64).T
    saved, low, high = _share(before, before - after, len(reader))
    return {
        **{"images": len(reader), "bytes": reader.image_bytes, **asdict(parts)},
        **{"sampled": len(before), "smaller": int((after < before).sum())},
        **{"sampled_bytes": int(before.sum()), "optimized_bytes": int(after.sum())},
        **{"saved": saved, "saved_low": low, "saved_high": high},
    }


def _share(whole: Any, part: Any, images: int) -> tuple[float, float, float]:
    """Return the sum of parts over that of wholes, and its 95 % interval.

    That of a ratio of means, linearized, with the correction for a finite population (W. Cochran,
    Sampling Techniques, 1977, section 6.4), and never below 0 or above 1.
    """
    n, share = len(whole), float(part.sum() / whole.sum())
    if n == images:
        return share, share, share
    if n < 2:
        return share, 0.0, 1.0
    spread = ((part - share * whole) ** 2).sum() / (n - 1)
    error = sqrt(spread * n * (1 - n / images)) / float(whole.sum())
    return share, max(0.0, share - _95 * error), min(1.0, share + _95 * error)
