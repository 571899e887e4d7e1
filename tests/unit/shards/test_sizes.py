"""Sizes: sums that can be taken again over the members of the tars."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.manifest import build_manifest
from jpegprep.shards.shards import pack as packed
from jpegprep.shards.shards import writing_shard
from jpegprep.shards.sizes import COLUMNS, image_bytes, measure, same_files
from jpegprep.shards.treatments import treat_shard

Pack = Callable[..., Path]
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


def image(kind: str, shift: int, **settings: Any) -> bytes:
    """Return an image file; each shift is another image."""
    buffer = io.BytesIO()
    Image.fromarray(np.roll(PIXELS, shift, axis=0)).save(buffer, kind, **settings)
    return buffer.getvalue()


def manifest(folder: Path, pack: Pack, name: str, files: dict[str, bytes], images: int) -> Path:
    """Write the manifest of an archive of class folders."""
    archive = pack(folder / f"{name}.tar", {f"root/{path}": data for path, data in files.items()})
    about = {"adapter": "class_folders", "options": {"root": "root"}, "classes": 2}
    build_manifest({**about, "images": images}, [archive], folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def shard(path: Path, images: list[bytes]) -> Path:
    """Write a shard of originals."""
    with writing_shard(path, "original", "a test") as writer:
        writer.append(packed((f"{path.stem}-{i}", 0, data, data) for i, data in enumerate(images)))
    return path


def shards(folder: Path, images: list[bytes]) -> Path:
    """Write a folder of shards: these images for training, none elsewhere."""
    for split in ("train", "val", "test"):
        shard(folder / f"{split}-0.tar", images if split == "train" else [])
    return folder


def members(tars: list[Path]) -> dict[str, int]:
    """Return the size of each image file by its key, as Python's tarfile tells it."""
    found = {}
    for tar in tars:
        with tarfile.open(tar) as opened:
            for member in opened.getmembers():
                key, extension = member.name.split(".")
                if extension != "cls":
                    found[key] = member.size
    return found


@pytest.fixture
def jpegs(tmp_path: Path, pack: Pack) -> Path:
    """Return the manifest of JPEGs of qualities 60, 75, 90 and a PNG; one truncated JPEG of 10."""
    files = {
        "a/1.jpg": image("JPEG", 1, quality=60),
        "a/2.jpg": image("JPEG", 2, quality=75),
        "b/1.jpg": image("JPEG", 3, quality=90),
        "b/2.png": image("PNG", 4),
        "b/3.jpg": image("JPEG", 5, quality=10)[:-300],
    }
    return manifest(tmp_path, pack, "jpegs", files, 5)


@pytest.fixture
def pngs(tmp_path: Path, pack: Pack) -> Path:
    """Return the manifest of two PNGs."""
    files = {"a/1.png": image("PNG", 1), "b/1.png": image("PNG", 2)}
    return manifest(tmp_path, pack, "pngs", files, 2)


@pytest.mark.parametrize("variant", ["jpeg-q30", "jpeg-q95", "jpeg-q95-smaller"])
def test_sizes_are_sums_over_the_members(tmp_path: Path, jpegs: Path, variant: str) -> None:
    """Bytes, means and what grew or stayed are what the members of the tars say."""
    originals = [
        shard(tmp_path / "o" / "train-0.tar", [image("JPEG", i, quality=50) for i in range(5)]),
        shard(tmp_path / "o" / "val-0.tar", [image("PNG", 3)]),
        shard(tmp_path / "o" / "test-0.tar", [image("PNG", i) for i in range(2)]),
    ]
    treated = [tmp_path / "t" / tar.name for tar in originals]
    for original, target in zip(originals, treated, strict=True):
        treat_shard(original, variant, target)
    ratio = int(variant.split("-")[1][1:]) / 100
    table = measure({"x": {1.0: tmp_path / "o", ratio: tmp_path / "t"}}, {"x": jpegs})
    assert table.columns.tolist() == COLUMNS
    assert table[["dataset", "ratio", "variant"]].to_numpy().tolist() == [
        ["x", 1.0, "original"],
        ["x", ratio, variant],
    ]
    before, after = members(originals), members(treated)
    assert before.keys() == after.keys()
    assert table["images"].tolist() == [8, 8]
    assert table["bytes"].tolist() == [sum(before.values()), sum(after.values())]
    share = sum(after.values()) / sum(before.values())
    assert table["relative_size"].tolist() == pytest.approx([1.0, share])
    assert table["mean_bytes"].tolist() == pytest.approx([v / 8 for v in table["bytes"]])
    on_disk = [sum(tar.stat().st_size for tar in tars) for tars in (originals, treated)]
    assert table["shard_bytes"].tolist() == on_disk
    assert table["inflated"].tolist() == [0, sum(after[key] > before[key] for key in before)]
    # At 95 a JPEG of quality 50 grows, and is kept where nothing may grow.
    expected = {"jpeg-q30": (0, 0), "jpeg-q95": (5, 0), "jpeg-q95-smaller": (0, 5)}[variant]
    assert tuple(table.loc[1, ["inflated", "kept"]]) == expected
    assert table.loc[0, "kept"] == 8


def test_each_data_set_is_related_to_its_own_originals(
    tmp_path: Path, jpegs: Path, pngs: Path
) -> None:
    """Two data sets, in any order of ratios: each ratio over its own data set's originals."""
    files = {name: b"\x89PNG\r\n\x1a\n" + bytes(size - 8) for name, size in SIZES.items()}
    of = {name: shards(tmp_path / name, [data]) for name, data in files.items()}
    folders = {"x": {0.3: of["x30"], 1.0: of["x"]}, "y": {1.0: of["y"], 0.3: of["y30"]}}
    table = measure(folders, {"x": jpegs, "y": pngs})
    assert table["bytes"].tolist() == [250, 1000, 4000, 3000]
    assert table["relative_size"].tolist() == [0.25, 1.0, 1.0, 0.75]
    assert table["source_format"].tolist() == ["JPEG", "JPEG", "PNG", "PNG"]


SIZES = {"x": 1000, "x30": 250, "y": 4000, "y30": 3000}


def test_the_source_is_said_of_the_usable_images(tmp_path: Path, jpegs: Path) -> None:
    """Of 60, 75, 90: median 75, percentiles 63 and 87; the truncated one does not count."""
    of = {"x": {1.0: shards(tmp_path / "o", [image("PNG", 0)])}}
    row = measure(of, {"x": jpegs}).iloc[0]
    assert row["source_format"] == "JPEG"
    quality = row[["source_quality", "source_quality_p10", "source_quality_p90"]]
    assert quality.tolist() == pytest.approx([75, 63, 87])


def test_a_source_without_jpeg_has_no_quality(tmp_path: Path, pngs: Path) -> None:
    """PNG has no quality: the cells are empty."""
    of = {"x": {1.0: shards(tmp_path / "o", [image("PNG", 0)])}}
    row = measure(of, {"x": pngs}).iloc[0]
    assert row["source_format"] == "PNG"
    assert row[["source_quality", "source_quality_p10", "source_quality_p90"]].isna().all()


def test_the_same_files_are_those_of_equal_bytes(tmp_path: Path) -> None:
    """An image is the same where all of its bytes are; of equal size is not enough."""
    before = [image("PNG", i) for i in range(4)]
    longer, other = before[0] + b"x", before[1][:-1] + b"?"
    one = shards(tmp_path / "one", before)
    two = shards(tmp_path / "two", [longer, other, *before[2:]])
    table = same_files(two, one)
    assert table["key"].tolist() == [f"train-0-{i}" for i in range(4)]
    assert table["same"].tolist() == [False, False, True, True]
    assert table["label"].tolist() == [0] * 4
    assert image_bytes(two) == sum(map(len, before)) + 1


def test_shards_of_other_images_are_not_compared(tmp_path: Path) -> None:
    """Two variants of different images are one line that says what to remove."""
    one = shards(tmp_path / "one", [image("PNG", i) for i in range(2)])
    two = shards(tmp_path / "two", [image("PNG", 0)])
    with pytest.raises(UserError, match=r"two: holds other images than .*one; remove it: its sha"):
        same_files(two, one)
