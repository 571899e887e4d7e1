"""Near copies: changed images are found, and images that merely look alike are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conversions import encoded
from image_files import profile, tiff
from near_copies import CHANGES, are_near, cut, pairs_of
from near_copies import encoded as as_file
from PIL import Image, ImageDraw

from jpegprep.datasets.near_copies import find, look
from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode, encode_png

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg"]


@pytest.fixture(scope="module")
def images(photos: Path) -> list[Image.Image]:
    """Return five photographs."""
    return [Image.open(photos / name).convert("RGB") for name in PHOTOGRAPHS]


def share_grouped(files: list[bytes]) -> float:
    """Return the share of images, all of one class, that are a near copy of another one."""
    seen = [of for of in map(look, files) if of]
    if not seen:
        return 0.0
    pairs = pairs_of(seen)
    return len({*pairs.one.tolist(), *pairs.other.tolist()}) / len(files)


@pytest.mark.parametrize("quality", [10, 30, 50, 90])
def test_encoded_again(images: list[Image.Image], quality: int) -> None:
    """At any quality."""
    for image in images:
        assert are_near(as_file(image), as_file(image, "JPEG", quality=quality))


@pytest.mark.parametrize(
    "change",
    [
        *("half size", "quarter size", "brighter by a fifth", "less contrast (0.7)"),
        *("middle, 95% of the side", "shifted by 2% both ways", "shifted by 5% both ways"),
        *("turned by 2 degrees", "corner and middle, 85% of the side"),
    ],
)
def test_changed(images: list[Image.Image], change: str) -> None:
    """As copies on the web are, and the frames of a burst."""
    for image in images:
        one, other = CHANGES[change](image)
        assert are_near(as_file(one), as_file(other))


def test_turned_by_exif_is_no_other_image(images: list[Image.Image]) -> None:
    """A phone's file and the upright copy of it look the same."""
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, shown upright
    for image in images:
        lying = image.transpose(Image.Transpose.ROTATE_90)
        assert are_near(as_file(image), as_file(lying, "JPEG", quality=80, exif=exif.tobytes()))


def test_images_are_hashed_as_training_sees_them(images: list[Image.Image]) -> None:
    """Values of more than 8 bits in the data set's range; colours in sRGB, where that is asked."""
    how = Decoding(integer=(0.0, 4080.0), floating=(0.0, 0.0625), icc="srgb")
    for image in images:
        gray = np.asarray(image.convert("L"))
        expected = look(as_file(Image.fromarray(gray)))
        deep = as_file(Image.fromarray(gray.astype(np.uint16) * 16))
        dark = tiff(gray.astype(np.float32) / 255 / 16)
        for data in (deep, dark):
            assert all((a == b).all() for a, b in zip(look(data, how), expected, strict=True))
        wide = as_file(image, "JPEG", quality=95, icc_profile=profile())
        shown = look(encode_png(decode(wide, how)))
        assert all((a == b).all() for a, b in zip(look(wide, how), shown, strict=True))


# On what it would be confidently wrong


def texture_tiles(photos: Path, side: int) -> list[bytes]:
    """Return tiles of three textures that do not overlap."""
    files = []
    for name in ("brick", "grass", "gravel"):
        image = Image.open(photos / f"{name}.png").convert("L")
        files += [
            as_file(image.crop((x, y, x + side, y + side)))
            for x in range(0, image.width - side + 1, side)
            for y in range(0, image.height - side + 1, side)
        ]
    return files


@pytest.mark.parametrize(("side", "most"), [(64, 0.03), (32, 0.06)])
def test_tiles_of_a_texture_are_different_images(photos: Path, side: int, most: float) -> None:
    """Of 192 and 768 tiles of brick, grass and gravel few are taken for another."""
    assert share_grouped(texture_tiles(photos, side)) < most


def test_noise_and_plain_images_are_not_grouped() -> None:
    """Blank ones, noisy ones, gradients: nothing tells them apart, so nothing joins them."""
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(64.0), np.arange(64.0))
    fields = [np.full((64, 64), level) for level in rng.uniform(0, 255, 40)]
    fields += [level + rng.normal(0, 4, (64, 64)) for level in rng.uniform(40, 200, 40)]
    fields += [level + gain * slope for level, gain in rng.uniform(0.2, 0.8, (40, 2))]
    files = [as_file(Image.fromarray(f.clip(0, 255).astype(np.uint8))) for f in fields]
    assert share_grouped(files) == 0


def test_products_on_white_are_different_things(photos: Path) -> None:
    """Ninety photographs of tiles, each in the same place on white."""
    files = []
    for name in ("astronaut.png", "coffee.png", "chelsea.png"):
        image = Image.open(photos / name).convert("RGB")
        for i in range(30):
            x, y = i % 6 * (image.width // 6), i // 6 * (image.height // 6)
            tile = image.crop((x, y, x + image.width // 6, y + image.height // 6)).resize((96, 96))
            mask = Image.new("L", (96, 96), 0)
            ImageDraw.Draw(mask).ellipse((4, 4, 92, 92), fill=255)
            page = Image.new("RGB", (192, 192), "white")
            page.paste(tile, (48, 48), mask)
            files.append(as_file(page))
    assert share_grouped(files) < 0.1


def test_different_photographs_are_different(images: list[Image.Image]) -> None:
    """And so are their parts."""
    files = [as_file(image) for image in images]
    files += [as_file(cut(image, 0.4, *at)) for image in images for at in ((0, 0), (1, 1))]
    assert share_grouped(files) == 0


def test_any_number_of_threads_finds_the_same(
    images: list[Image.Image], patches: Callable[..., list[bytes]]
) -> None:
    """Pairs in the same order, as much alike."""
    files = [as_file(cut(image, 0.95, x, x)) for image in images for x in (0, 0.5, 1)]
    files += patches("coffee.png", 40)
    looks = [of for of in map(look, files) if of]
    hashes, windows = (np.stack(part) for part in zip(*looks, strict=True))
    labels = np.arange(len(looks)) % 2
    one, two = (find(hashes, windows, labels, threads) for threads in (1, 3))
    assert len(one.one) >= 15
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert (one.one < one.other).all()


def test_what_cannot_be_decoded_is_said(patches: Callable[..., list[bytes]]) -> None:
    """The manifest has set such files aside before."""
    (png,) = patches("coffee.png", 1)
    for data in (b"", b"x" * 100, png[: len(png) // 3], encoded(png, "JPEG")[:60]):
        with pytest.raises(ValueError, match="image|file|truncated|decode"):
            look(data)
