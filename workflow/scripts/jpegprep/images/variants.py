"""Variants of a data set, which are its stores: their names, and what these stand for.

A variant's name is ``original`` or a chain of treatments joined by ``-``, applied from left to
right. The paper's are JPEG: ``jpeg-q30`` is JPEG at quality 30; a compression ratio r is the
variant ``jpeg-q{100 r}``, and r = 1 is ``original``, the publisher's bytes untouched (section
II-A). In general a store is

    [s<side>-] <codec>-<setting> [-smaller]

``s256`` makes the shorter side at most 256 pixels; codecs and their settings are those of
`codecs.registry` (``jpeg-q30-444``: full chroma; ``jpeg-q30-opt``: the same pixels, Huffman tables
of the file's own; ``webp-q40``, ``jxl-d2``, ``webp-lossless``); ``smaller`` keeps the source of
each image that all that makes no smaller. ``original-opt`` and ``original-jxl`` are the source
in fewer bytes,
without loss. ``noise`` is multiplicative Gaussian noise (paper, section III-A), ``noise-additive``
and ``noise-shared`` are other readings of the paper's sentence, ``noise-jpeg-q30`` is JPEG of the
noisy image, and ``noise-denoised`` what a filter makes of it.
"""

import re
from dataclasses import dataclass

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL
from jpegprep.images.codecs.registry import CODECS

NOISE = "noise"
# Readings of the paper's "image + image * gaussian_noise", and the variants of their noise.
READINGS = {"multiplicative": NOISE, "additive": "noise-additive", "shared": "noise-shared"}
_CODED = "|".join(f"{name}-(?:{codec.ABOUT.settings})" for name, codec in CODECS.items())
_TREATED = re.compile(
    rf"(?:s(?P<side>[1-9]\d{{1,3}})-)?(?P<coded>{_CODED})(?P<smaller>-smaller)?"
    rf"|{ORIGINAL}-(?P<lossless>opt|jxl)"
    r"|(?P<noise>noise(?:-additive|-shared)?)"
    r"(?:-jpeg-(?P<of_noisy>q[1-9]\d?)|(?P<denoised>-denoised))?",
    re.ASCII,
)
# What a variant's name may look like, for Snakemake's wildcard constraints.
PATTERN = f"{ORIGINAL}|" + re.sub(r"\?P<\w+>", "?:", _TREATED.pattern)


@dataclass(frozen=True)
class Resized:
    """The image made smaller, by Pillow's Lanczos filter, its shape kept; never enlarged.

    Attributes:
        side: pixels of the shorter side, at most; the longer one is rounded.
    """

    side: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of an image of this size, made smaller."""
        shorter = min(width, height)
        if shorter <= self.side:
            return width, height
        return (
            max(1, round(width * self.side / shorter)),
            max(1, round(height * self.side / shorter)),
        )


@dataclass(frozen=True)
class Coded:
    """The image as a codec stores it.

    Attributes:
        codec: its name, of `codecs.registry`.
        setting: its quality or distance, and whatever else, as the name has it: ``q30-444``.
    """

    codec: str
    setting: str


@dataclass(frozen=True)
class Optimized:
    """The same file in fewer bytes, with identical pixels and metadata (`lossless`).

    Of a JPEG the quantized coefficients stay as they are; it becomes a progressive one.
    """


@dataclass(frozen=True)
class Transcoded:
    """The same image as JPEG XL, without loss; a file that this makes no smaller stays.

    A JPEG can be made of it again, byte for byte; libjxl decodes it to other pixels than libjpeg
    does, as it interpolates chroma otherwise and rounds less. A plain image of 8 bits has identical
    pixels. Other files stay.
    """


@dataclass(frozen=True)
class Smaller:
    """Keep the source where what came before made the file no smaller.

    Bytes alone decide, also of an image with fewer pixels: where they take more bytes than the
    source's, the source stays, of its own size.
    """


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


Treatment = Resized | Coded | Optimized | Transcoded | Smaller | Noise | Denoised


def parse_variant(name: str) -> tuple[Treatment, ...]:
    """Return the treatments that a variant's name stands for, in the order of application.

    Raises:
        UserError: where the name is none.
    """
    if name == ORIGINAL:
        return ()
    match = _TREATED.fullmatch(name)
    if not match:
        known = ", ".join(f"{name}-{codec.ABOUT.example}" for name, codec in CODECS.items())
        raise UserError(
            f"variant {name!r} is unknown; a variant is 'original', 'original-opt', "
            "'original-jxl', 'jpeg-qN', 'jpeg-qN-444', either also with '-opt', or another codec's "
            f"({known}), before it maybe a size as in 's256-', behind it maybe '-smaller'; or "
            "'noise', 'noise-additive' or 'noise-shared', each also with '-jpeg-qN' or "
            "'-denoised', with N in 1 … 99"
        )
    if match["coded"]:
        return _store(match["side"], match["coded"], bool(match["smaller"]))
    if match["lossless"]:
        return (Optimized(),) if match["lossless"] == "opt" else (Transcoded(),)
    noise = Noise(next(reading for reading, noisy in READINGS.items() if noisy == match["noise"]))
    if match["of_noisy"]:
        return (noise, Coded("jpeg", match["of_noisy"]))
    return (noise, Denoised()) if match["denoised"] else (noise,)


def _store(side: str | None, coded: str, smaller: bool) -> tuple[Treatment, ...]:
    codec, _, setting = coded.partition("-")
    steps: list[Treatment] = [Resized(int(side))] if side else []
    steps.append(Coded(codec, setting))
    return tuple([*steps, Smaller()] if smaller else steps)


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
        case (Coded("jpeg", setting), *rest) if rest in ([], [Smaller()]):
            quality = setting.removeprefix("q")
            return int(quality) / 100 if quality.isdigit() else None
    return None
