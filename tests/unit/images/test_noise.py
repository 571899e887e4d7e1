"""Multiplicative Gaussian noise: its statistics, its seed, and the files that it makes."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm, truncnorm

from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard

NOISE = parse_variant("noise")
SIDE = 512


def png(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """Return an image file's picture."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def noisy(image: Image.Image, key: str = "a") -> np.ndarray:
    """Return the pixels of an image with the noise of a key."""
    return np.asarray(opened(treat(png(image), NOISE, key)))


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    """Return the noisy pixels of an image that is 100 everywhere: 100 (1 + n)."""
    return noisy(Image.new("L", (SIDE, SIDE), 100)).astype(float)


def within(value: float, expected: float, deviation: float) -> bool:
    """Tell whether a mean of SIDE² draws is within five of its standard errors."""
    return abs(value - expected) < 5 * deviation / SIDE


def test_as_many_pixels_are_black_as_the_normal_distribution_says(gray: np.ndarray) -> None:
    """100 (1 + n) rounds to 0 or is clipped there where n < -0.995: a share of Phi(-0.995)."""
    share = norm.cdf(-0.995)  # Phi(-1) = 0.1587, and the half level that rounds down to 0
    assert within((gray == 0).mean(), share, np.sqrt(share * (1 - share)))


def test_as_many_pixels_are_white_as_the_normal_distribution_says(gray: np.ndarray) -> None:
    """100 (1 + n) is 255 or clipped there where n >= 1.545: a share of 1 - Phi(1.545)."""
    share = norm.sf(1.545)
    assert within((gray == 255).mean(), share, np.sqrt(share * (1 - share)))


def test_pixels_between_are_normal(gray: np.ndarray) -> None:
    """Unclipped, they have mean and deviation of a normal (100, 100) truncated at 0.5 and 254.5."""
    between = gray[(gray > 0) & (gray < 255)]
    expected = truncnorm((0.5 - 100) / 100, (254.5 - 100) / 100, loc=100, scale=100)
    assert between.mean() == pytest.approx(expected.mean(), abs=5 * expected.std() / SIDE)
    assert between.std() == pytest.approx(expected.std(), rel=0.01)


def test_noise_grows_with_the_pixel() -> None:
    """The noise is multiplicative: of dark pixels, 20 (1 + n), the median is 20, few exceed 60."""
    pixels = noisy(Image.new("L", (SIDE, SIDE), 20)).astype(float)
    assert np.median(pixels) == 20
    share = norm.sf((60.5 - 20) / 20)
    assert within((pixels > 60).mean(), share, np.sqrt(share))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_black_stays_black(mode: str) -> None:
    """0 (1 + n) is 0."""
    assert noisy(Image.new(mode, (40, 30), 0)).max() == 0


def test_pixels_and_channels_are_drawn_apart() -> None:
    """In a colour image no two channels, and no two neighbours, have the same noise."""
    pixels = noisy(Image.new("RGB", (SIDE, SIDE), (100, 100, 100))).astype(float)
    assert pixels.shape == (SIDE, SIDE, 3)
    columns = [pixels[:, :, i].ravel() for i in range(3)]
    columns += [np.roll(pixels[:, :, 0], 1, axis).ravel() for axis in (0, 1)]
    correlations = np.corrcoef(columns) - np.eye(5)
    assert np.abs(correlations).max() < 5 / SIDE


def test_channels_keep_their_places() -> None:
    """Noise on a blue image is blue."""
    pixels = noisy(Image.new("RGB", (30, 20), (0, 0, 200)))
    assert pixels[:, :, :2].max() == 0
    assert pixels[:, :, 2].max() > 0


def test_a_key_has_its_own_noise_each_time() -> None:
    """The same key makes the same file, another key another, whatever the image's name."""
    data = png(Image.new("L", (64, 64), 100))
    assert treat(data, NOISE, "a") == treat(data, NOISE, "a")
    files = {treat(data, NOISE, key) for key in ("a", "b", "A", "a/1", "ä", "")}
    assert len(files) == 6


def test_the_same_noise_is_on_whatever_image_has_the_key() -> None:
    """Where neither is clipped, images of 50 and of 100 have the noise n in common."""
    dark, bright = (noisy(Image.new("L", (64, 64), level)).astype(float) for level in (50, 100))
    between = (bright > 0) & (bright < 255)
    assert np.abs(bright - 2 * dark)[between].max() <= 1.5  # a half level, and twice a half


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        *(("L", "PNG", "L"), ("RGB", "PNG", "RGB"), ("L", "JPEG", "L"), ("CMYK", "JPEG", "RGB")),
        *(("P", "PNG", "RGB"), ("RGBA", "PNG", "RGB"), ("LA", "PNG", "RGB"), ("1", "PNG", "RGB")),
    ],
)
def test_a_noisy_image_is_a_png_of_one_or_three_channels(
    photos: Path, mode: str, kind: str, expected: str
) -> None:
    """Gray stays gray, colour RGB; palettes, print and transparency become RGB. Size is kept."""
    source = Image.open(photos / "chelsea.png").convert("RGB").crop((0, 0, 61, 40)).convert(mode)
    image = opened(treat(png(source, kind), NOISE, "cat"))
    assert (image.format, image.mode, image.size) == ("PNG", expected, (61, 40))


def test_a_turned_photograph_is_noisy_and_upright() -> None:
    """Noise falls on what people see: an image turned by EXIF has width and height exchanged."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png(Image.new("RGB", (30, 20), "gray"), "JPEG", exif=exif)
    assert opened(treat(data, NOISE, "a")).size == (20, 30)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("quality", [10, 30, 90])
def test_jpeg_of_noise_is_what_pillow_saves_of_the_noisy_png(
    photos: Path, mode: str, quality: int
) -> None:
    """The second variant of Table IV is JPEG of the very image that the first one holds."""
    source = Image.open(photos / "chelsea.png").convert("RGB").crop((0, 0, 61, 40)).convert(mode)
    data = png(source, "JPEG" if mode == "CMYK" else "PNG")
    image = opened(treat(data, NOISE, "cat"))
    found = treat(data, parse_variant(f"noise-jpeg-q{quality}"), "cat")
    assert found == png(image, "JPEG", quality=quality)


def test_what_is_no_image_gets_no_noise() -> None:
    """Bytes that cannot be decoded are an error that callers expect."""
    with pytest.raises(ValueError, match="no readable image"):
        treat(b"not an image", NOISE, "a")


def test_shards_of_noise_are_drawn_by_their_keys(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    """In a shard each image has its own key's noise: equal images differ, on any threads."""
    data = patches("coffee.png", 2)
    files = {"a": data[0], "b": data[0], "c": data[1]}
    original = tmp_path / "original" / "test-0.tar"
    with writing_shard(original, "original", "none") as writer:
        writer.append(pack([(key, 0, image, image) for key, image in files.items()]))
    made = []
    for threads in (1, 2):
        target = tmp_path / f"noise{threads}" / "test-0.tar"
        treat_shard(original, "noise", target, threads)
        made.append(target.read_bytes())
        reader = ShardReader([target])
        images = {str(reader.keys[i]): reader.image(i) for i in range(3)}
        assert images == {key: treat(image, NOISE, key) for key, image in files.items()}
        assert len(set(images.values())) == 3
    assert made[0] == made[1]
