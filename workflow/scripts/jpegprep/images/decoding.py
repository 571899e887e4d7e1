"""How the images of a data set become pixels of 8 bits: one decision for all of its files.

It holds for originals and variants, for training, for the probe, and for conversion. The manifest
makes it and keeps it; the indexes of shards carry it from there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

INTEGER, FLOATING = "integer", "floating"  # the scales of values of more than 8 bits
WHITE = {INTEGER: 65535.0, FLOATING: 1.0}  # of the full scale; black is 0
Range = tuple[float, float]

MEASURED, FULL = "measured", "full"
ALPHAS, PROFILES = ("white", "black", "drop"), ("ignore", "srgb")
_FULL = {scale: (0.0, white) for scale, white in WHITE.items()}
# Of so many images one may lie apart without setting the range of all; of fewer none.
_APART, _LEAST_IMAGES = 100, 10


@dataclass(frozen=True)
class Decoding:
    """How files become pixels of 8 bits. An image of 8 bits without alpha is always itself.

    Attributes:
        integer: the integers that become 0 and 255, of images of more than 8 bits (`deep`).
        floating: likewise the floating-point numbers.
        alpha: what transparent images are laid on, white or black; drop leaves the colours under
            it as they are.
        icc: srgb converts the colours of an image with a profile to sRGB; ignore takes its numbers
            as they are.
    """

    integer: Range = _FULL[INTEGER]
    floating: Range = _FULL[FLOATING]
    alpha: str = "white"
    icc: str = "ignore"

    def range_of(self, scale: str) -> Range:
        """Return the values that become 0 and 255, of a scale of `deep`."""
        return self.integer if scale == INTEGER else self.floating

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it; `recorded` is the inverse."""
        return {**asdict(self), INTEGER: list(self.integer), FLOATING: list(self.floating)}


USUAL = Decoding()


def recorded(record: Mapping[str, Any] | None) -> Decoding:
    """Return what `Decoding.record` gave; of nothing the usual one."""
    if not record:
        return USUAL
    ranges = {name: tuple(record[name]) for name in (INTEGER, FLOATING)}
    return Decoding(**{**record, **ranges})


def decoding_of(asked: Mapping[str, Any], measured: Iterable[tuple[str, float, float]]) -> Decoding:
    """Return how the images of a data set are decoded.

    Args:
        asked: the data set's entry in the registry, of which ``depth`` (measured, full, or a
            mapping with low and high), ``alpha`` and ``icc`` count; each may be left out.
        measured: of each image of more than 8 bits its scale, and its percentiles
            (`deep.Values.percentiles`).
    """
    depth = asked.get("depth", MEASURED)
    ranges = dict(_FULL)
    if isinstance(depth, Mapping):
        ranges = dict.fromkeys(WHITE, (float(depth["low"]), float(depth["high"])))
    elif depth == MEASURED:
        rows = list(measured)
        for scale in WHITE:
            found = [(low, high) for of, low, high in rows if of == scale]
            if found:
                ranges[scale] = _range(found, WHITE[scale])
    return Decoding(
        ranges[INTEGER], ranges[FLOATING], asked.get("alpha", "white"), asked.get("icc", "ignore")
    )


def _range(found: list[Range], white: float) -> Range:
    """Return the range of a data set from the percentiles of its images.

    It reaches from the least to the greatest, so that what is brighter stays brighter. A few images
    that lie apart, one of ten to a hundred, then one of each hundred, do not set it where it would
    be more than twice as wide with them. Where it covers half of the full scale or more it is the
    full scale, as that of files of 8 bits beside them.
    """
    lows, highs = (np.sort(values) for values in zip(*found, strict=True))
    apart = max(1, len(found) // _APART) if len(found) >= _LEAST_IMAGES else 0
    low, high = float(lows[0]), float(highs[-1])
    inner = float(lows[apart]), float(highs[-1 - apart])
    if 0 < inner[1] - inner[0] < (high - low) / 2:
        low, high = inner
    if low >= 0 and high <= white and high - low >= white / 2:
        return 0.0, white
    return (low, high) if high > low else (low, low + 1 if white > 1 else low + white)
