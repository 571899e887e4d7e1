"""Variants of a data set: their names, and the one place where names become treatments.

A variant's name is ``original`` or a chain of treatments joined by ``-``, applied from left to
right: ``jpeg-q30`` is JPEG at quality 30, ``jpeg-q30-smaller`` the same where that makes the file
smaller, and the source elsewhere. A compression ratio r of the paper is the variant
``jpeg-q{100 r}``; r = 1 is ``original``, the publisher's bytes untouched (paper, section II-A).
"""

import re
from dataclasses import dataclass

from jpegprep.errors import UserError

ORIGINAL = "original"
# What a variant's name may look like, for Snakemake's wildcard constraints.
PATTERN = r"original|jpeg-q\d{1,2}(-smaller)?"


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression as Pillow writes it by default: 4:2:0 chroma subsampling, no `optimize`.

    Attributes:
        quality: 1 to 99, the scale of the Independent JPEG Group.
    """

    quality: int


@dataclass(frozen=True)
class Smaller:
    """Keep the source where what came before made the file no smaller."""


Treatment = Jpeg | Smaller


def parse_variant(name: str) -> tuple[Treatment, ...]:
    """Return the treatments that a variant's name stands for, in the order of application.

    Raises:
        UserError: where the name is none.
    """
    if name == ORIGINAL:
        return ()
    match = re.fullmatch(r"jpeg-q(\d{1,2})(-smaller)?", name)
    if not match or not 1 <= int(match[1]) <= 99 or match[1] != str(int(match[1])):
        raise UserError(
            f"variant {name!r} is unknown; a variant is 'original', 'jpeg-qN' or 'jpeg-qN-smaller' "
            "with N in 1 … 99"
        )
    jpeg = Jpeg(int(match[1]))
    return (jpeg, Smaller()) if match[2] else (jpeg,)


def variant_of_ratio(ratio: float, never_inflate: bool = False) -> str:
    """Return the variant of a compression ratio in (0, 1], e.g. ``jpeg-q30`` for 0.3.

    Args:
        ratio: JPEG quality / 100; 1 is the original.
        never_inflate: keep the source of each image that compression would not make smaller.

    Raises:
        UserError: where the ratio lies outside, or is no whole JPEG quality.
    """
    quality = round(100 * ratio) if 0 < ratio <= 1 else 0
    if quality < 1 or abs(quality - 100 * ratio) > 1e-9:
        raise UserError(f"ratio {ratio} is no whole hundredth in (0, 1]; quality is 100 times it")
    if quality == 100:
        return ORIGINAL
    return f"jpeg-q{quality}-smaller" if never_inflate else f"jpeg-q{quality}"


def ratio_of_variant(name: str) -> float:
    """Return the compression ratio of a variant: the inverse of `variant_of_ratio`."""
    qualities = [step.quality for step in parse_variant(name) if isinstance(step, Jpeg)]
    return qualities[-1] / 100 if qualities else 1.0
