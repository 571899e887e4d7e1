"""Where the bytes of a data set are, and what is free to save: sums that can be taken again."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_files import saved
from PIL import Image

from jpegprep.images.anatomy import Parts, parts_of
from jpegprep.images.lossless import optimized
from jpegprep.shards import savings
from jpegprep.shards.savings import measure, measure_bytes, measure_own
from jpegprep.shards.shards import pack, writing_shard
from jpegprep.shards.treatments import treat_shard

RNG = np.random.default_rng(0)
FILES = [
    saved(Image.effect_noise((40, 30), 50).convert("RGB"), kind, **settings)
    for kind, settings in (
        ("JPEG", {}),
        ("PNG", {"compress_level": 0}),
        ("JPEG", {"comment": "x" * 200}),
        ("GIF", {}),
        ("JPEG", {"quality": 95}),
    )
]


def shards(folder: Path, images: list[bytes]) -> Path:
    """Write a folder of shards: two images for training, one for validation, the others to test."""
    for split, some in (("train", images[:2]), ("val", images[2:3]), ("test", images[3:])):
        with writing_shard(folder / f"{split}-0.tar", "original", "a test") as writer:
            writer.append(pack((f"{split}-{i}", 0, data, data) for i, data in enumerate(some)))
    return folder


def test_all_images_of_all_splits_are_measured(tmp_path: Path) -> None:
    """Parts, bytes and what is saved are the sums of single files."""
    found = measure(shards(tmp_path, FILES), threads=2, most=10)
    parts = sum(map(parts_of, FILES), Parts())
    assert {name: found[name] for name in vars(parts)} == vars(parts)
    before, after = sum(map(len, FILES)), sum(len(optimized(data)) for data in FILES)
    assert (found["images"], found["bytes"], found["sampled"]) == (5, before, 5)
    assert (found["sampled_bytes"], found["optimized_bytes"]) == (before, after)
    assert found["smaller"] == 4  # not the GIF
    assert found["saved"] == found["saved_low"] == found["saved_high"]
    assert found["saved"] == pytest.approx(1 - after / before)


def test_a_sample_has_an_interval_that_covers() -> None:
    """Of 200 populations of unlike files nine in ten intervals or more hold the truth."""
    covered = 0
    for _ in range(200):
        whole = RNG.lognormal(10, 1, 400)
        part = whole * RNG.beta(2, 20, 400)
        sample = RNG.permutation(400)[:100]
        share, low, high = savings._share(whole[sample], part[sample], 400)
        assert low < share < high
        covered += low <= part.sum() / whole.sum() <= high
    assert covered >= 180


def test_what_stays_as_it_is_saves_nothing(tmp_path: Path) -> None:
    """Nothing is saved for certain only where all images were looked at."""
    gifs = shards(tmp_path, [FILES[3]] * 8)
    assert measure(gifs, 1, 8)["saved_high"] == measure(gifs, 1, 8)["saved"] == 0
    assert savings._share(np.array([9]), np.array([1]), 5)[1:] == (0.0, 1.0)


def test_time_ends_a_sample_and_not_the_parts(tmp_path: Path) -> None:
    """Two images are always tried."""
    found = measure(shards(tmp_path, FILES), threads=1, most=10, seconds=0)
    assert (found["sampled"], found["images"]) == (2, 5)
    assert found["bytes"] == sum(found[name] for name in vars(Parts()))


def test_tables_have_a_row_a_ratio(tmp_path: Path) -> None:
    """As CSV of a study, as JSON of a user's own images."""
    originals, compressed = shards(tmp_path / "one", FILES), tmp_path / "two"
    for split in ("train", "val", "test"):
        treat_shard(originals / f"{split}-0.tar", "jpeg-q30", compressed / f"{split}-0.tar")
    measure_bytes({1.0: originals, 0.3: compressed}, 1, tmp_path / "bytes.csv")
    table = pd.read_csv(tmp_path / "bytes.csv").set_index("ratio")
    assert table.loc[0.3, "other"] == 0 < table.loc[1.0, "other"]  # the GIF
    assert table.loc[0.3, "saved"] == pytest.approx(measure(compressed, 1, 9)["saved"], rel=1e-5)
    measure_own(originals, 1, tmp_path / "own.json")
    assert json.loads((tmp_path / "own.json").read_text()) == measure(originals, 1, 9)
