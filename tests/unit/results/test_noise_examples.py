"""Pictures of noise: each image in its row, each variant in its column, with its file's size."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.results.figures.noise import noise_examples, noise_readings
from jpegprep.shards.shards import pack, writing_shard

VARIANTS = ("original", "noise", "noise-jpeg-q30")
Colour = tuple[int, int, int]


def png(colour: Colour, size: tuple[int, int] = (32, 32)) -> bytes:
    """Return an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def shard(path: Path, variant: str, samples: list[tuple[str, int, bytes]], count: int = 1) -> Path:
    """Write a shard of samples (key, label, image file)."""
    with writing_shard(path, variant, "none", count) as writer:
        writer.append(pack([(key, label, data, data) for key, label, data in samples]))
    return path


def colour_of(key: str, column: int) -> Colour:
    """Return the colour of a sample in a variant's column: no two are alike."""
    return (20 * int(key), 70 * column, 200)


def shards(folder: Path, labels: dict[str, int], **options: tuple[int, int]) -> list[list[Path]]:
    """Write two test shards of each variant; of every sample an image of its own colour."""
    keys = list(labels)
    return [
        [
            shard(
                folder / variant / f"test-{k}.tar",
                variant,
                [(key, labels[key], png(colour_of(key, i), **options)) for key in keys[k::2]],
                2,
            )
            for k in range(2)
        ]
        for i, variant in enumerate(VARIANTS)
    ]


def folders(shards: list[list[Path]]) -> list[Path]:
    """Return the folder of each variant's shards."""
    return [tars[0].parent for tars in shards]


def pictures(svg: Path) -> list[tuple[float, float, Image.Image]]:
    """Return the pictures of an SVG and where their corners are (x; y grows downwards)."""
    found = []
    for tag in re.findall(r"<image [^>]*>", svg.read_text(), re.DOTALL):
        data = re.search(r'href="data:image/png;base64,([^"]*)"', tag)
        place = re.search(r'transform="matrix\(([^)]*)\)"', tag)
        assert data and place
        x, y = map(float, re.split(r"[ ,]+", place[1].strip())[4:6])
        found.append((x, y, Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGB")))
    return found


def grid(svg: Path) -> list[list[Colour]]:
    """Return the colours of an SVG's pictures, row by row, each from left to right."""
    rows: dict[int, list[tuple[float, Colour]]] = {}
    for x, y, image in pictures(svg):
        (colour,) = {image.getpixel((i, i)) for i in range(min(image.size))}
        assert isinstance(colour, tuple)
        rows.setdefault(round(y), []).append((x, colour))
    return [[colour for _, colour in sorted(rows[y])] for y in sorted(rows)]


def words(svg: Path) -> list[str]:
    """Return the texts of an SVG; Matplotlib comments on each."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text())


def test_each_picture_is_where_it_belongs(tmp_path: Path) -> None:
    """A row is a class, by its first key, in whichever shard that is; a column is a variant."""
    labels = {"7": 1, "3": 2, "2": 0, "1": 2, "5": 1, "4": 3, "6": 0, "0": 4}
    noise_examples(*folders(shards(tmp_path, labels)), tmp_path / "n.svg")
    expected = [[colour_of(key, i) for i in range(3)] for key in ("2", "5", "1", "4")]
    assert grid(tmp_path / "n.svg") == expected


def test_fewer_classes_make_fewer_rows(tmp_path: Path) -> None:
    """A data set of two classes has two rows; one asked for is one."""
    made = shards(tmp_path, {"1": 0, "2": 1, "3": 1})
    noise_examples(*folders(made), tmp_path / "n.svg")
    assert len(grid(tmp_path / "n.svg")) == 2
    noise_examples(*folders(made), tmp_path / "n.svg", count=1)
    assert grid(tmp_path / "n.svg") == [[colour_of("1", i) for i in range(3)]]


def test_the_sizes_are_the_files(tmp_path: Path, photos: Path) -> None:
    """Below each picture stand the format and the KiB of its file; columns have titles."""
    names = ("coffee.png", "rocket.jpg", "camera.png")
    made = [
        [shard(tmp_path / v / "test-0.tar", v, [("1", 0, (photos / name).read_bytes())])]
        for v, name in zip(VARIANTS, names, strict=True)
    ]
    noise_examples(*folders(made), tmp_path / "n.svg")
    sizes = [(photos / name).stat().st_size / 1024 for name in names]
    kinds = ("PNG", "JPEG", "PNG")
    expected = [f"{kind}, {size:.1f} KiB" for kind, size in zip(kinds, sizes, strict=True)]
    assert words(tmp_path / "n.svg") == ["original", "with noise", "noise, JPEG q30", *expected]


def test_each_reading_has_a_band(tmp_path: Path) -> None:
    """A row an image in the band of its reading, columns as titled; PSNR to the band's original."""
    readings, level = ("multiplicative", "shared"), {"original": 100, "noisy": 110, "jpeg": 100}
    level |= {"denoised": 104}
    made = {
        reading: [
            shard(
                tmp_path / reading / name / "test-0.tar",
                "original",
                [(k, i, png((v + 40 * j, v + 40 * j, v + 40 * j))) for i, k in enumerate("ab")],
            ).parent
            for name, v in level.items()
        ]
        for j, reading in enumerate(readings)
    }
    noise_readings(made, tmp_path / "n.svg")
    # 10 log10(255² / 10²) = 28.1, and of 4² 36.1; nothing where the picture is the original.
    row = ["", "28.1 dB", "", "36.1 dB"]
    below = [text for _ in "ab" for text in row if text]
    titles = ["original", "noisy", "JPEG of noisy", "denoised"]
    bands = [text for reading in readings for text in (reading, *below)]
    assert words(tmp_path / "n.svg") == [*titles, *bands]
    grays = [[(v + 40 * j,) * 3 for v in level.values()] for j in (0, 0, 1, 1)]
    assert grid(tmp_path / "n.svg") == grays


def test_small_images_are_shown_pixel_by_pixel(tmp_path: Path) -> None:
    """The pixels of a tiny image are in the SVG themselves, unsmoothed, and are squares in PNG."""
    checks = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(checks).save(buffer, "PNG")
    made = [
        [shard(tmp_path / v / "test-0.tar", v, [("1", 0, buffer.getvalue())])] for v in VARIANTS
    ]
    noise_examples(*folders(made), tmp_path / "n.svg", tmp_path / "n.png")
    for _, _, image in pictures(tmp_path / "n.svg"):
        assert np.array_equal(np.asarray(image.convert("L")), checks)
    assert "pixelated" in (tmp_path / "n.svg").read_text()
    with Image.open(tmp_path / "n.png") as image:
        assert image.width == pytest.approx(3.5 * image.info["dpi"][0], abs=1)
        row = np.asarray(image.convert("L"))[image.height // 2]
    assert np.isin(row, (0, 255)).all()
    assert 'width="252pt"' in (tmp_path / "n.svg").read_text()


def test_large_images_make_no_large_file(tmp_path: Path) -> None:
    """Photographs of any shape are scaled down, in their proportions."""
    made = shards(tmp_path, {"1": 0, "2": 1}, size=(900, 600))
    noise_examples(*folders(made), tmp_path / "n.svg")
    assert {image.size for _, _, image in pictures(tmp_path / "n.svg")} == {(192, 128)}


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    """One flipped bit of a picture's file is one line that names the shard and what to do."""
    made = shards(tmp_path, {"1": 0})
    tar = made[1][0]
    content = bytearray(tar.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    tar.write_bytes(content)
    with pytest.raises(UserError) as error:
        noise_examples(*folders(made), tmp_path / "n.svg")
    assert "\n" not in str(error.value)
    assert str(tar) in str(error.value)
    assert "remove" in str(error.value)
    assert not (tmp_path / "n.svg").exists()


def test_shards_of_other_samples_are_named(tmp_path: Path) -> None:
    """Where a variant lacks an image, its shards are of another manifest: they are named."""
    made = shards(tmp_path, {"1": 0})
    made[2] = [shard(tmp_path / "old" / "test-0.tar", "noise-jpeg-q30", [("9", 0, png((0, 0, 0)))])]
    with pytest.raises(UserError, match=r"old: 1 is .* remove the folder"):
        noise_examples(*folders(made), tmp_path / "n.svg")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_images_make_the_same_file(tmp_path: Path, kind: str) -> None:
    """Drawn again, the pictures are the same file, byte for byte."""
    made = shards(tmp_path, {"1": 0, "2": 1})
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    noise_examples(*folders(made), one)
    noise_examples(*folders(made), other)
    assert one.read_bytes() == other.read_bytes()
