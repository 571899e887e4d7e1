"""Fidelity: how like its original each image of a variant is, by PSNR and SSIM."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.metrics import structural_similarity

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import write_parquet
from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.shards import ShardReader, splits_of

# Mean squared error of rounding to whole values: no less is told from none in 8 bits.
_ROUNDING = 1 / 12
# SSIM's window is a Gaussian of standard deviation 1.5, 11 pixels wide.
_WINDOW = 11

Pixels = npt.NDArray[np.uint8]  # (height, width, 3)


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two images, in dB, over all pixels and channels.

    Of equal images it is that of rounding, 58.9 dB: a mean over images needs a number.
    """
    error = float(((one.astype(np.float32) - other.astype(np.float32)) ** 2).mean())
    return float(10 * np.log10(255**2 / max(error, _ROUNDING)))


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity of the luma of two images, at most 1.

    With the window and constants of Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, IEEE
    Trans. Image Processing 13, 2004. NaN, where a side is shorter than the window, 11 pixels.
    """
    if min(one.shape[:2]) < _WINDOW:
        return float("nan")
    found = structural_similarity(
        *(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) for pixels in (one, other)),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(found)


def measure_fidelity(
    shards: Mapping[str, str | Path], images: int, threads: int, target: str | Path
) -> None:
    """Measure a sample of a data set's images in each store.

    Images are compared at the size of the originals; a smaller one is enlarged (bicubic).

    Args:
        shards: the folder of each variant's shards; the original is among them.
        images: how many at most, at random; the same ones of all variants.
        threads: images are worked on side by side in as many.
        target: the parquet to write, a row a (variant, image): ``variant``, ``place`` (of the
            image in the shards), ``key``, ``psnr`` in dB and ``ssim``.

    Raises:
        UserError: where a shard is damaged, or variants have different images.
    """
    readers = {
        variant: ShardReader([tar for tars in splits_of(folder).values() for tar in tars])
        for variant, folder in shards.items()
    }
    original = readers.pop(ORIGINAL)
    for variant, reader in readers.items():
        if not np.array_equal(reader.keys, original.keys):
            raise UserError(
                f"{shards[variant]}: holds other images than {shards[ORIGINAL]}; remove it: its "
                "shards are made again"
            )
    sample = np.sort(np.random.default_rng(0).permutation(len(original))[:images]).tolist()

    def compared(i: int) -> list[tuple[str, int, str, float, float]]:
        one = decode_rgb(original.image(i), original.decoding)
        rows = []
        for variant, reader in readers.items():
            other = decode_rgb(reader.image(i), reader.decoding)
            if other.shape != one.shape:
                size = (one.shape[1], one.shape[0])
                larger = cv2.resize(other, size, interpolation=cv2.INTER_CUBIC)
                other = np.asarray(larger, dtype=np.uint8)
            rows.append((variant, i, str(original.keys[i]), psnr(one, other), ssim(one, other)))
        return rows

    rows = [row for found in in_order(compared, sample, threads) for row in found]
    table = pd.DataFrame(rows, columns=["variant", "place", "key", "psnr", "ssim"])
    with replacing(target) as part:
        write_parquet(table, part)
