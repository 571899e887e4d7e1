"""Gaussian noise in its three readings, and denoising: statistics, seeds, the files they make."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm, truncnorm

from jpegprep.images import recompress
from jpegprep.images.recompress import treat
from jpegprep.images.variants import READINGS, Noise, parse_variant, reading_variants
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


ALL = [variant for reading in READINGS for variant in reading_variants(reading, 0.3)]


@pytest.mark.parametrize("variant", ALL)
def test_shards_of_noise_are_drawn_by_their_keys(
    tmp_path: Path, patches: Callable[..., list[bytes]], variant: str
) -> None:
    """Each image has its own key's noise: equal ones differ, on any threads, in any order."""
    data = patches("coffee.png", 2)
    files = {"a": data[0], "b": data[0], "c": data[1]}
    expected = {key: treat(image, parse_variant(variant), key) for key, image in files.items()}
    assert len(set(expected.values())) == 3
    for keys in (["a", "b", "c"], ["c", "a", "b"]):
        original = tmp_path / "".join(keys) / "original" / "test-0.tar"
        with writing_shard(original, "original", "none") as writer:
            writer.append(pack([(key, 0, files[key], files[key]) for key in keys]))
        made = []
        for threads in (1, 2):
            target = tmp_path / "".join(keys) / f"{variant}{threads}" / "test-0.tar"
            treat_shard(original, variant, target, threads)
            made.append(target.read_bytes())
            reader = ShardReader([target])
            assert {str(reader.keys[i]): reader.image(i) for i in range(3)} == expected
        assert made[0] == made[1]


def power_of(levels: np.ndarray, deviation: np.ndarray | float) -> float:
    """Return the expected mean square of clip(x + s n, 0, 255) - x, by the normal distribution.

    Between the bounds a and b of n it is s² (Phi(b) - Phi(a) - b phi(b) + a phi(a)); beyond them
    the pixel moves to 0 or to 255.
    """
    low, high = -levels / deviation, (255 - levels) / deviation
    between = norm.cdf(high) - norm.cdf(low) - high * norm.pdf(high) + low * norm.pdf(low)
    beyond = levels**2 * norm.cdf(low) + (255 - levels) ** 2 * norm.sf(high)
    return float((np.square(deviation) * between + beyond).mean())


def photograph(photos: Path, side: int) -> Image.Image:
    """Return a piece of a colour photograph, without black pixels."""
    pixels = np.asarray(Image.open(photos / "chelsea.png").convert("RGB").crop((0, 0, side, side)))
    return Image.fromarray(np.maximum(pixels, 1))


@pytest.mark.parametrize(
    ("reading", "side", "images", "tolerance"),
    # One draw an image averages out over images alone: it takes many, which are small.
    [("multiplicative", 96, 3, 0.01), ("additive", 96, 3, 0.01), ("shared", 16, 8000, 0.04)],
)
def test_noise_has_the_power_that_its_formula_gives(
    photos: Path, reading: str, side: int, images: int, tolerance: float
) -> None:
    """On a photograph, clipped: x n, s n with s the root mean square of x, x n with one n."""
    image = photograph(photos, side)
    levels = np.asarray(image).astype(float)
    deviation = np.sqrt((levels**2).mean()) if reading == "additive" else levels
    powers = []
    for key in range(images):
        pixels = np.asarray(opened(treat(png(image), (Noise(reading),), str(key)))).astype(float)
        powers.append(np.square(pixels - levels).mean())
    expected = power_of(levels, deviation)
    assert 4 * np.std(powers) / np.sqrt(images) < tolerance * expected
    assert np.mean(powers) == pytest.approx(expected, rel=tolerance)


def test_readings_have_equal_power_before_they_are_clipped() -> None:
    """Half 20 and half 60 has a mean square of 2,000: of 400 and 3,600, or of 2,000 everywhere.

    The deviation is told by the upper quartile of the noise, 0.6745 deviations from its middle:
    what is clipped lies beyond.
    """
    levels = np.full((SIDE, SIDE), 20.0)
    levels[:, SIDE // 2 :] = 60
    image = Image.fromarray(levels.astype(np.uint8))
    halves = (np.s_[:, : SIDE // 2], np.s_[:, SIDE // 2 :])
    for reading, deviations in (("multiplicative", (20, 60)), ("additive", (2000**0.5,) * 2)):
        change = np.asarray(opened(treat(png(image), (Noise(reading),), "a"))) - levels
        found = [np.quantile(change[half], 0.75) / norm.ppf(0.75) for half in halves]
        assert found == pytest.approx(list(deviations), abs=1)
        assert np.square(found).mean() == pytest.approx(2000, rel=0.03)


def test_additive_noise_does_not_grow_with_the_pixel() -> None:
    """Black pixels of an image of black and 200 are noisy, too: half of them above 0."""
    levels = np.zeros((SIDE, SIDE), np.uint8)
    levels[:, SIDE // 2 :] = 200
    for variant, share in (("noise-additive", 0.5), ("noise", 0.0)):
        pixels = np.asarray(opened(treat(png(Image.fromarray(levels)), parse_variant(variant), "")))
        assert (pixels[:, : SIDE // 2] > 0).mean() == pytest.approx(share, abs=0.01)


def test_shared_noise_makes_an_image_brighter_or_darker_as_a_whole(photos: Path) -> None:
    """Each image is the source times one number, clipped; 16 % are black: Phi(-1)."""
    levels = np.asarray(photograph(photos, 24)).astype(float)
    data, factors = png(photograph(photos, 24)), []
    for key in range(2000):
        pixels = np.asarray(opened(treat(data, parse_variant("noise-shared"), str(key))))
        clear = pixels < 255
        factor = float((pixels[clear].sum() + 1e-9) / levels[clear].sum()) if clear.any() else 9.0
        expected = (levels * factor).clip(0, 255)
        assert np.abs(pixels - expected)[clear].max(initial=0) <= 1
        factors.append(factor)
    black = np.mean(np.array(factors) < 1e-6)
    assert black == pytest.approx(norm.cdf(-1), abs=4 * np.sqrt(0.16 * 0.84 / 2000))
    # Half of the factors are below 1, as n is below 0.
    assert np.mean(np.array(factors) < 1) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_noise_of_no_power_changes_nothing(reading: str, mode: str) -> None:
    """A black image has no power: noisy, or denoised, it has the same pixels."""
    for variant in (READINGS[reading], f"{READINGS[reading]}-denoised"):
        data = treat(png(Image.new(mode, (40, 30))), parse_variant(variant), "a")
        image = opened(data)
        assert (image.mode, image.size, image.getextrema()) == (
            mode,
            (40, 30),
            Image.new(mode, (40, 30)).getextrema(),
        )


@pytest.mark.parametrize("reading", READINGS)
def test_white_images_are_clipped_at_white(reading: str) -> None:
    """Where noise adds to 255 it stays 255, and does not begin at 0 again."""
    white = Image.new("L", (SIDE, SIDE), 255)
    shares = []
    for key in range(40):
        pixels = np.asarray(opened(treat(png(white), (Noise(reading),), str(key))))
        shares.append((pixels == 255).mean())
        # A pixel that wrapped round would leave almost none between: n is continuous.
        if reading != "shared":
            assert (pixels == 0).mean() == pytest.approx(norm.cdf(-1), abs=0.01)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.01 if reading != "shared" else 0.32)


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two images in dB."""
    error = np.asarray(one).astype(float) - np.asarray(other)
    return float(10 * np.log10(255**2 / np.square(error).mean()))


@pytest.mark.parametrize("reading", ["multiplicative", "additive"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_denoising_brings_an_image_nearer_to_the_clean_one(
    photos: Path, reading: str, mode: str
) -> None:
    """It wins several dB, and more than JPEG at ratio 0.3, which hardly helps a gray image."""
    clean = photograph(photos, 128).convert(mode)
    noisy_png, jpeg, denoised = (
        opened(treat(png(clean), parse_variant(variant), "a"))
        for variant in reading_variants(reading, 0.3)
    )
    assert (denoised.format, denoised.mode, denoised.size) == ("PNG", mode, clean.size)
    before, after = psnr(noisy_png, clean), psnr(denoised, clean)
    assert after > psnr(jpeg, clean) + 4 and after > before + 8 and psnr(jpeg, clean) > before


def test_a_change_of_brightness_is_hardly_blurred(photos: Path) -> None:
    """The noise is estimated: one number an image leaves none to remove."""
    clean, seen = photograph(photos, 128), 0
    for key in map(str, range(20)):
        before, after = (
            opened(treat(png(clean), parse_variant(variant), key))
            for variant in ("noise-shared", "noise-shared-denoised")
        )
        if np.asarray(before).any():  # not black
            assert psnr(after, before) > 33
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("deviation", [5, 20, 60])
def test_the_noise_is_estimated(photos: Path, deviation: int) -> None:
    """Of known noise, on a flat image and on a photograph, the estimate is right within 15 %."""
    rng = np.random.default_rng(0)
    for image in (Image.new("RGB", (300, 300), (128, 128, 128)), photograph(photos, 300)):
        pixels = np.asarray(image) * 0.2 + 100  # away from the ends
        noisy_pixels = pixels + deviation * rng.standard_normal(pixels.shape)
        found = recompress._deviation(noisy_pixels.round().clip(0, 255).astype(np.uint8))
        assert found == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 50), (50, 1)])
@pytest.mark.parametrize("variant", ALL)
def test_tiny_images_are_treated(size: tuple[int, int], variant: str) -> None:
    """An image smaller than the filters' masks keeps its size."""
    for mode in ("L", "RGB"):
        data = treat(png(Image.new(mode, size, "gray")), parse_variant(variant), "a")
        assert (opened(data).size, opened(data).mode) == (size, mode)
