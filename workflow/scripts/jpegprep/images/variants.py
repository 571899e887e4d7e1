"""Variants of a data set: their names, and the one place where names become treatments.

A variant's name is ``original`` or a chain of treatments joined by ``-``, applied from left to
right: ``jpeg-q30`` is JPEG at quality 30, ``jpeg-q30-smaller`` the same where that makes the file
smaller, and the source elsewhere; ``noise`` is multiplicative Gaussian noise, ``noise-jpeg-q30``
JPEG of the noisy image (paper, section III-A). A compression ratio r of the paper is the variant
``jpeg-q{100 r}``; r = 1 is ``original``, the publisher's bytes untouched (paper, section II-A).
"""

import re
from dataclasses import dataclass

from jpegprep.common.errors import UserError

ORIGINAL, NOISE = "original", "noise"
# What a variant's name may look like, for Snakemake's wildcard constraints.
PATTERN = r"original|noise|noise-jpeg-q\d{1,2}|jpeg-q\d{1,2}(-smaller)?"


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


@dataclass(frozen=True)
class Noise:
    """Multiplicative Gaussian noise of standard deviation 1, stored losslessly as PNG.

    ``noisy = image + image * N(0, 1)``, the image in [0, 1], drawn for each pixel and channel and
    clipped (paper, section III-A). A sample's noise depends on its key alone.
    """


Treatment = Jpeg | Smaller | Noise


def parse_variant(name: str) -> tuple[Treatment, ...]:
    """Return the treatments that a variant's name stands for, in the order of application.

    Raises:
        UserError: where the name is none.
    """
    if name == ORIGINAL:
        return ()
    if name == NOISE:
        return (Noise(),)
    match = re.fullmatch(r"(?:jpeg-q(\d{1,2})(-smaller)?|noise-jpeg-q(\d{1,2}))", name)
    quality = (match[1] or match[3]) if match else "0"
    if not match or not 1 <= int(quality) <= 99 or quality != str(int(quality)):
        raise UserError(
            f"variant {name!r} is unknown; a variant is 'original', 'noise', 'jpeg-qN', "
            "'jpeg-qN-smaller' or 'noise-jpeg-qN' with N in 1 … 99"
        )
    jpeg = Jpeg(int(quality))
    if match[3]:
        return (Noise(), jpeg)
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


def noise_variants(ratio: float) -> list[str]:
    """Return the variants of Table IV beside the original: noisy, and JPEG of noisy at a ratio."""
    return [NOISE, f"{NOISE}-{variant_of_ratio(ratio)}"]


def ratio_of_variant(name: str) -> float | None:
    """Return the compression ratio of a variant, the inverse of `variant_of_ratio`.

    Returns:
        None for a variant that is more than compressed.
    """
    treatments = parse_variant(name)
    if Noise() in treatments:
        return None
    qualities = [step.quality for step in treatments if isinstance(step, Jpeg)]
    return qualities[-1] / 100 if qualities else 1.0
