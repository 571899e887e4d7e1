"""What a JPEG file tells of how it was made: its quality and its chroma subsampling."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

# The luminance table of ITU-T T.81, Annex K.1, in rows: libjpeg scales it by the quality.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)


@cache
def luminance_table(quality: int) -> npt.NDArray[np.int64]:
    """Return libjpeg's luminance quantization table, (64,) in rows, of a quality from 1 to 100.

    ``jpeg_quality_scaling`` and ``jpeg_add_quant_table`` of the Independent JPEG Group's jcparam.c.
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(_LUMINANCE) * scale + 50) // 100, 1, 255)


def estimate_quality(tables: Mapping[int, Sequence[int]]) -> tuple[int, bool] | None:
    """Estimate the quality, on libjpeg's scale, from a file's quantization tables.

    Args:
        tables: as Pillow gives them: number to 64 steps in rows; luminance is the first.

    Returns:
        The quality whose luminance table is nearest (least mean difference of the steps'
        logarithms; of equals the higher), and whether it is that very table: encoders such as
        Photoshop have tables of their own. None where there is no table.
    """
    if not tables:
        return None
    found = np.asarray(tables[min(tables)], dtype=np.int64)
    if found.shape != (64,) or (found < 1).any():
        return None
    distance = np.abs(_logarithms() - np.log(found)).mean(axis=1)
    quality = 100 - int(distance[::-1].argmin())
    return quality, bool((luminance_table(quality) == found).all())


@cache
def _logarithms() -> npt.NDArray[np.float64]:
    """Return the logarithms of all luminance tables, (100, 64), from quality 1."""
    return np.log(np.stack([luminance_table(quality) for quality in range(1, 101)]))


# (horizontal, vertical) sampling of luminance over that of chroma, to the usual notation.
_NOTATION = {
    **{(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"},
    **{(1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"},
}


def chroma_subsampling(image: Image.Image) -> str | None:
    """Return the chroma subsampling of an open JPEG file as 4:2:0 and the like.

    Returns:
        None where there is no chroma (one component, or no JPEG) or the sampling has no name.
    """
    layers = getattr(image, "layer", [])
    if len(layers) < 3:
        return None
    (_, h0, v0, *_), (_, h1, v1, *_) = layers[:2]
    return _NOTATION.get((h0 // max(h1, 1), v0 // max(v1, 1)))
