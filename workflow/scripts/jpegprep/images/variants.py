"""Variants of a data set: their names, and the one place where names become treatments.

A variant's name is ``original`` or a chain of treatments joined by ``-``, applied from left to
right: ``jpeg-q30`` is JPEG at quality 30, ``jpeg-q30-444`` the same with chroma at full resolution,
``jpeg-q30-smaller`` JPEG where that makes the file smaller, and the source elsewhere; ``noise`` is
multiplicative Gaussian noise (paper, section III-A), ``noise-additive`` and ``noise-shared`` are
other readings of the paper's sentence, ``noise-jpeg-q30`` is JPEG of the noisy image, and
``noise-denoised`` what a filter makes of it. A compression ratio r of the paper is the variant
``jpeg-q{100 r}``; r = 1 is ``original``, the publisher's bytes untouched (paper, section II-A).
"""

import re
from dataclasses import dataclass

from jpegprep.common.errors import UserError

ORIGINAL, NOISE = "original", "noise"
# Readings of the paper's "image + image * gaussian_noise", and the variants of their noise.
READINGS = {"multiplicative": NOISE, "additive": "noise-additive", "shared": "noise-shared"}
_TREATED = re.compile(
    r"jpeg-q(?P<quality>[1-9]\d?)(?P<full>-444)?(?P<smaller>-smaller)?"
    r"|(?P<noise>noise(-additive|-shared)?)(-jpeg-q(?P<of_noisy>[1-9]\d?)|(?P<denoised>-denoised))?",
    re.ASCII,
)
# What a variant's name may look like, for Snakemake's wildcard constraints.
PATTERN = f"{ORIGINAL}|" + re.sub(r"\?P<\w+>", "", _TREATED.pattern)


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression as Pillow writes it by default, but for the chroma: no `optimize`.

    Attributes:
        quality: 1 to 99, the scale of the Independent JPEG Group.
        full_chroma: chroma at full resolution (4:4:4), not subsampled (4:2:0). Of a gray image both
            are the same.
    """

    quality: int
    full_chroma: bool = False


@dataclass(frozen=True)
class Smaller:
    """Keep the source where what came before made the file no smaller."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, stored losslessly as PNG: of the image x in [0, 1], clipped.

    In each reading the noise is of the same expected power, before it is clipped: the image's own,
    the mean of its squared values. A sample's noise depends on its key alone.

    Attributes:
        reading: ``multiplicative``: ``x + x * N(0, 1)``, drawn for each pixel and channel (paper,
            section III-A); ``additive``: ``x + s * N(0, 1)``, likewise, s the root mean square of
            x over the pixels and channels of the image; ``shared``: ``x + x * N(0, 1)``, drawn once
            for the image, which changes its brightness; about 16 % of images become black.
    """

    reading: str = "multiplicative"


@dataclass(frozen=True)
class Denoised:
    """What a filter makes of a noisy image, stored losslessly as PNG.

    Non-local means (A. Buades, B. Coll, J.-M. Morel, CVPR 2005), as OpenCV has it, on all channels
    at once: the noise's deviation is estimated (J. Immerkær, Computer Vision and Image
    Understanding 64, 1996), and is the filter's strength.
    """


Treatment = Jpeg | Smaller | Noise | Denoised


def parse_variant(name: str) -> tuple[Treatment, ...]:
    """Return the treatments that a variant's name stands for, in the order of application.

    Raises:
        UserError: where the name is none.
    """
    if name == ORIGINAL:
        return ()
    match = _TREATED.fullmatch(name)
    if not match:
        raise UserError(
            f"variant {name!r} is unknown; a variant is 'original', 'jpeg-qN', 'jpeg-qN-444', "
            "either with '-smaller', or 'noise', 'noise-additive' or 'noise-shared', each also "
            "with '-jpeg-qN' or '-denoised', with N in 1 … 99"
        )
    if match["quality"]:
        jpeg = Jpeg(int(match["quality"]), full_chroma=bool(match["full"]))
        return (jpeg, Smaller()) if match["smaller"] else (jpeg,)
    noise = Noise(next(reading for reading, noisy in READINGS.items() if noisy == match["noise"]))
    if match["of_noisy"]:
        return (noise, Jpeg(int(match["of_noisy"])))
    return (noise, Denoised()) if match["denoised"] else (noise,)


def variant_of_ratio(ratio: float, never_inflate: bool = False, full_chroma: bool = False) -> str:
    """Return the variant of a compression ratio in (0, 1], e.g. ``jpeg-q30`` for 0.3.

    Args:
        ratio: JPEG quality / 100; 1 is the original.
        never_inflate: keep the source of each image that compression would not make smaller.
        full_chroma: without subsampling: ``jpeg-q30-444``.

    Raises:
        UserError: where the ratio lies outside, or is no whole JPEG quality.
    """
    quality = round(100 * ratio) if 0 < ratio <= 1 else 0
    if quality < 1 or abs(quality - 100 * ratio) > 1e-9:
        raise UserError(f"ratio {ratio} is no whole hundredth in (0, 1]; quality is 100 times it")
    if quality == 100:
        return ORIGINAL
    return f"jpeg-q{quality}" + "-444" * full_chroma + "-smaller" * never_inflate


def noise_variants(ratio: float) -> list[str]:
    """Return the variants of Table IV beside the original: noisy, and JPEG of noisy at a ratio."""
    return reading_variants("multiplicative", ratio)[:2]


def reading_variants(reading: str, ratio: float) -> list[str]:
    """Return the variants of a reading of the noise: noisy, JPEG of noisy at a ratio, denoised."""
    noisy = READINGS[reading]
    return [noisy, f"{noisy}-{variant_of_ratio(ratio)}", f"{noisy}-denoised"]


def ratio_of_variant(name: str) -> float | None:
    """Return the compression ratio of a variant, the inverse of `variant_of_ratio`.

    Returns:
        None for a variant that is more than compressed, or otherwise than the ratios are.
    """
    match parse_variant(name):
        case ():
            return 1.0
        case (Jpeg(quality, full_chroma=False), *rest) if rest in ([], [Smaller()]):
            return quality / 100
    return None
