"""What is read from a JPEG file's tables: known answers are the settings Pillow saved it with."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegPresets

from jpegprep.images.quality import chroma_subsampling, estimate_quality

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def jpeg(mode: str = "RGB", **settings: Any) -> Image.Image:
    """Return a JPEG file that Pillow saved, open."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).save(buffer, "JPEG", **settings)
    return Image.open(buffer)


def estimate(image: Image.Image) -> tuple[int, bool] | None:
    """Return what is estimated of an open JPEG file."""
    return estimate_quality(image.quantization)  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_quality_is_found_exactly(mode: str) -> None:
    """A file saved at quality 1, 2, …, 100 is told to be of that quality, with libjpeg's tables."""
    found = [estimate(jpeg(mode, quality=quality)) for quality in range(1, 101)]
    assert found == [(quality, True) for quality in range(1, 101)]


def test_no_two_qualities_share_a_table() -> None:
    """That every quality can be found rests on this: libjpeg has 100 different luminance tables."""
    tables = {tuple(jpeg(quality=quality).quantization[0]) for quality in range(1, 101)}
    assert len(tables) == 100


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [1, 50, 75, 95, 100])
def test_chroma_subsampling_is_found(subsampling: str, quality: int) -> None:
    """The chroma subsampling that a file was saved with is found, at any quality."""
    image = jpeg(quality=quality, subsampling=subsampling)
    assert chroma_subsampling(image) == subsampling
    assert estimate(image) == (quality, True)


@pytest.mark.parametrize(
    ("factors", "notation"),
    [
        *((0x11, "4:4:4"), (0x21, "4:2:2"), (0x22, "4:2:0"), (0x12, "4:4:0")),
        *((0x41, "4:1:1"), (0x42, "4:1:0"), (0x14, None)),
    ],
)
def test_chroma_subsampling_follows_the_sampling_factors(
    factors: int, notation: str | None
) -> None:
    """The factors of luminance in the frame header (T.81, B.2.2) say the subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, "JPEG", subsampling="4:4:4")
    data = bytearray(buffer.getvalue())
    frame = data.index(b"\xff\xc0")  # marker, length, precision, height, width, number of parts
    assert data[frame + 9 : frame + 12] == bytes([3, 1, 0x11])
    data[frame + 11] = factors
    assert chroma_subsampling(Image.open(io.BytesIO(data))) == notation


@pytest.mark.parametrize("mode", ["L", "1"])
def test_a_grayscale_file_has_no_chroma_subsampling(mode: str) -> None:
    """Where there is one component there is nothing to subsample."""
    assert chroma_subsampling(jpeg(mode)) is None


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_other_formats_have_no_chroma_subsampling(kind: str) -> None:
    """A file of another format has neither."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, kind)
    assert chroma_subsampling(Image.open(buffer)) is None


@pytest.mark.parametrize(
    "settings",
    [{"optimize": True}, {"progressive": True}, {"optimize": True, "progressive": True}],
)
@pytest.mark.parametrize("quality", [3, 40, 75, 92])
def test_how_coefficients_are_written_does_not_matter(
    settings: dict[str, bool], quality: int
) -> None:
    """Optimised Huffman codes and progressive scans leave the estimate as it is."""
    assert estimate(jpeg(quality=quality, **settings)) == (quality, True)


@pytest.mark.parametrize(
    ("preset", "least", "most"),
    [
        # The tables of Photoshop, from the coarsest to the finest.
        *(("web_low", 25, 60), ("web_medium", 50, 80), ("web_high", 75, 92)),
        *(("web_very_high", 85, 96), ("web_maximum", 92, 99)),
    ],
)
def test_tables_of_other_encoders_are_estimated_and_named_so(
    preset: str, least: int, most: int
) -> None:
    """Photoshop's tables give a quality nearby, and are said not to be libjpeg's."""
    found = estimate(jpeg(qtables=preset))
    assert found is not None
    quality, standard = found
    assert least <= quality <= most
    assert not standard


def test_finer_tables_are_of_a_higher_quality() -> None:
    """The estimates of Photoshop's tables are in the order of their names."""
    names = ["web_low", "web_medium", "web_high", "web_very_high", "web_maximum"]
    assert set(names) < set(JpegPresets.presets)
    found = [estimate(jpeg(qtables=name)) for name in names]
    assert found == sorted(found)


@pytest.mark.parametrize("quality", range(2, 100, 7))
@pytest.mark.parametrize("place", [0, 17, 63])
def test_one_step_off_is_the_same_quality_but_not_standard(quality: int, place: int) -> None:
    """A table that differs from libjpeg's in one step by one is no longer libjpeg's."""
    table = list(jpeg(quality=quality).quantization[0])
    table[place] += 1 if table[place] < 255 else -1
    found = estimate(jpeg(qtables=[table, table]))
    assert found is not None
    assert abs(found[0] - quality) <= 1
    assert not found[1]


def test_a_flat_table_is_estimated() -> None:
    """Equal steps everywhere, as some cameras write, lie between the qualities they resemble."""
    finest, coarsest = estimate(jpeg(qtables=[[1] * 64] * 2)), estimate(jpeg(qtables=[[255] * 64]))
    assert (finest, coarsest) == ((100, True), (1, True))
    middle = estimate(jpeg(qtables=[[16] * 64] * 2))
    assert middle is not None
    assert not middle[1]
    # At quality 80 the geometric mean of libjpeg's 64 steps is 18.2, at quality 85 it is 13.6.
    assert 75 <= middle[0] <= 90


@pytest.mark.parametrize(
    "tables",
    [
        *({}, {0: []}, {0: [16] * 63}, {0: [16] * 65}),
        *({0: [0] * 64}, {0: [16] * 63 + [0]}, {0: [-16] * 64}),
    ],
)
def test_a_damaged_table_gives_no_quality(tables: dict[int, list[int]]) -> None:
    """Too few steps, or a step of nought, which no decoder can use, give nothing."""
    assert estimate_quality(tables) is None


def test_the_first_table_is_the_one_of_luminance() -> None:
    """Where luminance and chroma were saved in different qualities, that of luminance counts."""
    tables = [jpeg(quality=90).quantization[0], jpeg(quality=20).quantization[1]]
    assert estimate(jpeg(qtables=tables)) == (90, True)
