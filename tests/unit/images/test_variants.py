"""Variants: the names in paths and what they do to an image."""

import math
import re

import pytest

from jpegprep.common.errors import UserError
from jpegprep.images.variants import (
    PATTERN,
    READINGS,
    Coded,
    Denoised,
    Noise,
    Smaller,
    noise_variants,
    parse_variant,
    ratio_of_variant,
    reading_variants,
    variant_of_ratio,
)


@pytest.mark.parametrize("quality", range(1, 100))
def test_ratio_is_quality_over_hundred(quality: int) -> None:
    """Ratio q/100 is JPEG at quality q, also where 100 · q/100 is no whole float."""
    name = f"jpeg-q{quality}"
    assert variant_of_ratio(quality / 100) == name
    assert parse_variant(name) == (Coded("jpeg", f"q{quality}"),)
    assert ratio_of_variant(name) == quality / 100


@pytest.mark.parametrize("quality", range(1, 100))
def test_never_inflating_is_a_second_treatment(quality: int) -> None:
    """The variant that never inflates compresses alike, then keeps what is smaller."""
    name = f"jpeg-q{quality}-smaller"
    assert variant_of_ratio(quality / 100, never_inflate=True) == name
    assert parse_variant(name) == (Coded("jpeg", f"q{quality}"), Smaller())
    assert ratio_of_variant(name) == quality / 100


@pytest.mark.parametrize("quality", range(1, 100))
@pytest.mark.parametrize("never_inflate", [False, True])
def test_full_chroma_is_another_jpeg_and_no_ratio(quality: int, never_inflate: bool) -> None:
    """`-444` alone tells 4:4:4 from 4:2:0; tables of the ratios have no place for it."""
    name = f"jpeg-q{quality}-444" + "-smaller" * never_inflate
    assert variant_of_ratio(quality / 100, never_inflate, full_chroma=True) == name
    steps = (Coded("jpeg", f"q{quality}-444"), *([Smaller()] if never_inflate else []))
    assert parse_variant(name) == steps
    assert parse_variant(name.replace("-444", "")) == (Coded("jpeg", f"q{quality}"), *steps[1:])
    assert ratio_of_variant(name) is None


def test_full_chroma_does_not_change_the_original() -> None:
    """Ratio 1 is the publisher's file, whatever its chroma."""
    assert variant_of_ratio(1, full_chroma=True) == "original"


def test_never_inflating_does_not_change_the_original() -> None:
    """Ratio 1 is the original, whether or not the others may inflate."""
    assert variant_of_ratio(1, never_inflate=True) == "original"


def test_noise_is_a_treatment_without_ratio() -> None:
    """The noisy variant is noise alone; no compression ratio makes it."""
    assert parse_variant("noise") == (Noise(),)
    assert ratio_of_variant("noise") is None


@pytest.mark.parametrize("quality", [1, 7, 30, 57, 99])
def test_jpeg_of_noise_is_noise_and_then_jpeg(quality: int) -> None:
    """Table IV has two variants beside the original: noisy, and JPEG of the noisy at its ratio."""
    name = f"noise-jpeg-q{quality}"
    assert noise_variants(quality / 100) == ["noise", name]
    assert parse_variant(name) == (Noise(), Coded("jpeg", f"q{quality}"))
    assert ratio_of_variant(name) is None


@pytest.mark.parametrize("reading", READINGS)
def test_a_reading_has_three_variants(reading: str) -> None:
    """Noisy, JPEG of noisy, denoised: none is a ratio's, and each reading has its own."""
    noisy, compressed, denoised = reading_variants(reading, 0.3)
    assert parse_variant(noisy) == (Noise(reading),)
    assert parse_variant(compressed) == (Noise(reading), Coded("jpeg", "q30"))
    assert parse_variant(denoised) == (Noise(reading), Denoised())
    names = [name for one in READINGS for name in reading_variants(one, 0.3)]
    assert len(set(names)) == 9
    assert {ratio_of_variant(name) for name in names} == {None}


def test_the_papers_noise_is_the_first_reading() -> None:
    """Table IV's variants, whose shards exist, are those of the multiplicative reading."""
    assert noise_variants(0.3) == reading_variants("multiplicative", 0.3)[:2]
    assert Noise() == Noise("multiplicative")


@pytest.mark.parametrize("ratio", [1, 1.0])
def test_ratio_one_is_the_untouched_original(ratio: float) -> None:
    """Ratio 1.0 means no treatment at all, not JPEG at quality 100."""
    assert variant_of_ratio(ratio) == "original"
    assert parse_variant("original") == ()
    assert ratio_of_variant("original") == 1.0


@pytest.mark.parametrize(
    "ratio", [0, -0.1, 1.01, 1.3, 30, 0.333, 0.005, 0.999, 1e-12, math.nan, math.inf]
)
def test_a_ratio_that_is_no_jpeg_quality_is_refused(ratio: float) -> None:
    """A ratio outside (0, 1], or between two qualities, is an error that names it."""
    with pytest.raises(UserError, match=re.escape(str(ratio))):
        variant_of_ratio(ratio)


@pytest.mark.parametrize(
    "name",
    [
        *("", "jpeg", "jpeg-q", "jpeg-q0", "jpeg-q00", "jpeg-q05", "jpeg-q100", "jpeg-q-5"),
        *("JPEG-q30", "jpeg-q30 ", "jpeg-q30\n", "jpeg-q30-", "original-jpeg-q30", "bmp-q30"),
        *(
            "smaller",
            "original-smaller",
            "jpeg-q0-smaller",
            "jpeg-q100-smaller",
            "jpeg-q05-smaller",
        ),
        *("jpeg-q30-smaller-smaller", "jpeg-smaller-q30", "jpeg-q30smaller", "jpeg-q30-Smaller"),
        *("noise-", "noise-original", "noise-noise", "jpeg-q30-noise", "Noise", "noise\n"),
        *("noise-jpeg-q0", "noise-jpeg-q05", "noise-jpeg-q100", "noise-jpeg-q30-smaller"),
        *("jpeg-q30-420", "jpeg-q30-444-", "jpeg-q30-smaller-444", "jpeg-q30-444-444", "jpeg-444"),
        *("noise-jpeg-q30-444", "noise-shared-additive", "noise-multiplicative", "denoised"),
        *("noise-denoised-jpeg-q30", "noise-jpeg-q30-denoised", "jpeg-q30-denoised"),
        *("jpeg-q30-smaller\n", "jpeg-q٣٠", "jpeg-q30-jpeg-q20"),
    ],
)
def test_an_unknown_variant_is_refused(name: str) -> None:
    """A name that is no variant is an error that names it and shows what a variant is."""
    with pytest.raises(UserError, match=re.escape(repr(name)) + ".*jpeg-qN"):
        parse_variant(name)


def test_the_wildcard_matches_every_variant_and_no_path() -> None:
    """Snakemake's wildcard takes each variant's name whole and nothing across folders."""
    names = [f"jpeg-q{quality}{chroma}" for quality in range(1, 100) for chroma in ("", "-444")]
    names += [f"{name}-smaller" for name in names]
    names += [v for q in range(1, 100) for r in READINGS for v in reading_variants(r, q / 100)]
    names.append("original")
    assert all(re.fullmatch(PATTERN, name) for name in names)
    for name in (
        "original/train",
        "jpeg-q30/seed0",
        "jpeg-q100",
        "q30",
        "original-smaller",
        "smaller",
        "noise/test",
        "noise-jpeg-q30-smaller",
        "noise-jpeg-q100",
        "original-noise",
        "jpeg-q30-444/seed0",
        "jpeg-q30-smaller-444",
        "noise-denoised/test",
        "noise-shared-additive",
    ):
        assert not re.fullmatch(PATTERN, name)
