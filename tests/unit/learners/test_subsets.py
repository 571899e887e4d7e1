"""A probe on shares of the images: nested, alike for all variants, tested on the same folds."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.parquet import write_parquet
from jpegprep.images.images import codec
from jpegprep.learners.folds import first_images, folds_of, order_of_subsets
from jpegprep.learners.runs import write_predictions
from jpegprep.learners.subsets import train_subsets
from jpegprep.shards.shards import pack, writing_shard

COUNTS = {"train": 60, "val": 20, "test": 20}
IMAGES, CLASSES, SEEDS = 100, 3, [0, 5]
RECIPE = {"regularization": [0.01, 1.0], "folds": 4}


@pytest.mark.parametrize("seed", range(3))
def test_subsets_are_nested_and_hold_whole_groups_and_all_classes(seed: int) -> None:
    """A quarter is part of a half; copies of an image are in both or in none."""
    labels = np.repeat([0, 1, 2], [60, 24, 12])
    groups = np.arange(96) // 3
    place = order_of_subsets(labels, groups, seed)
    assert sorted(place) == list(range(96))
    drawn = folds_of(labels, groups, 4, seed) != 0
    before: set[int] = set()
    for share in (0.25, 0.5, 1.0):
        rows = first_images(drawn, place, groups, share)
        assert before <= set(rows.tolist()) and drawn[rows].all()
        assert abs(len(rows) - share * drawn.sum()) < 3
        kept = np.isin(groups, groups[rows]) & drawn
        assert kept.sum() == len(rows)
        of_classes = np.bincount(labels[rows], minlength=3) / len(rows)
        assert of_classes == pytest.approx([60 / 96, 24 / 96, 12 / 96], abs=0.13)
        before = set(rows.tolist())
    assert len(before) == drawn.sum()
    other = order_of_subsets(labels, groups, seed + 1)
    assert not np.array_equal(place, other)


class World:
    """A data set of drawn features, with the runs of a probe on two variants."""

    def __init__(self, folder: Path, labels: npt.NDArray[np.int64], apart: float) -> None:
        """Write its shards, groups, features and predictions; classes lie `apart`."""
        self.folder, self.labels = folder, labels
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        begin = 0
        for split, count in COUNTS.items():
            with writing_shard(folder / "shards" / f"{split}-0.tar", "original", codec()) as writer:
                for i in range(begin, begin + count):
                    data = picture.getvalue()
                    writer.append(pack([(f"k{i:03}", int(labels[i]), data, data)]))
            begin += count
        keys = [f"k{i:03}" for i in range(IMAGES)]
        write_parquet(
            pd.DataFrame({"key": keys, "group": np.arange(IMAGES) // 2}), folder / "groups.parquet"
        )
        rng = np.random.default_rng(0)
        self.features, self.predictions = [], []
        for variant in ("original", "jpeg-q30"):
            values = rng.standard_normal((IMAGES, 6)).astype(np.float32)
            values[np.arange(IMAGES), labels] += apart
            parts = np.split(values, np.cumsum(list(COUNTS.values()))[:-1])
            path = folder / f"{variant}.npz"
            np.savez(path, **dict(zip(COUNTS, parts, strict=True)), record=json.dumps({}))
            self.features.append(path)
            for seed in SEEDS:
                run = folder / f"{variant}-{seed}.parquet"
                fold = folds_of(labels, np.arange(IMAGES) // 2, 4, seed)
                probabilities = np.eye(CLASSES, dtype=np.float32)[(labels + seed) % CLASSES]
                write_predictions(run, np.array(keys), labels, probabilities, fold)
                self.predictions.append(run)

    def train(self, **changes: Any) -> pd.DataFrame:
        """Return what subsets predict."""
        target = self.folder / "subsets.parquet"
        arguments: dict[str, Any] = {
            "variants": ["original", "jpeg-q30"],
            "features": self.features,
            "predictions": self.predictions,
            "originals": self.folder / "shards",
            "groups": self.folder / "groups.parquet",
            "recipe": RECIPE,
            "classes": CLASSES,
            "contiguous": False,
            "seeds": SEEDS,
            "shares": [0.25, 0.5, 1.0],
            "target": target,
            "threads": 2,
        }
        train_subsets(**{**arguments, **changes})
        return pd.read_parquet(target)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    (tmp_path / "shards").mkdir()
    return World(tmp_path, np.arange(IMAGES) % CLASSES, apart=2.0)


def test_more_images_are_known_and_fewer_errors_are_made(world: World) -> None:
    """Every image is predicted once of each variant, share and seed; the last share is the run."""
    found = world.train()
    by = found.groupby(["variant", "share", "seed"], observed=True)
    assert (by.size() == IMAGES).all() and len(by) == 2 * 3 * 2
    trained = found.groupby(["share", "variant"], observed=True)["trained"].mean().unstack()
    assert (trained["original"] == trained["jpeg-q30"]).all()  # the same images at both
    assert trained["original"].tolist() == pytest.approx([18.75, 37.5, 75], abs=1.5)
    right = (found["label"] == found["predicted"]).groupby(found["share"]).mean()
    assert 0.5 < right[0.25] < right[0.5]
    whole = found[(found["share"] == 1) & (found["seed"] == 5) & (found["variant"] == "original")]
    assert whole["predicted"].tolist() == ((world.labels + 5) % CLASSES).tolist()
    again = world.train(threads=1)
    pd.testing.assert_frame_equal(found, again)


def test_labels_at_random_are_guessed_with_any_number(tmp_path: Path) -> None:
    """No subset knows the image that it is tested on."""
    (tmp_path / "shards").mkdir()
    labels = np.random.default_rng(1).integers(0, CLASSES, IMAGES)
    found = World(tmp_path, labels, apart=0.0).train(shares=[0.5, 1.0])
    tried = found[found["share"] == 0.5]
    assert 0.2 < (tried["label"] == tried["predicted"]).mean() < 0.45


def test_features_of_other_images_are_named(world: World) -> None:
    """One line, with the file and what to do."""
    with np.load(world.features[1]) as file:
        parts = {name: file[name] for name in file}
    np.savez(world.features[1], **{**parts, "val": parts["val"][1:]})
    with pytest.raises(UserError, match=r"jpeg-q30\.npz: has 99 images, .* 100; remove it"):
        world.train()
