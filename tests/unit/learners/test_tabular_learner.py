"""The tabular learner: small real runs, from shards of photographs to predictions."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jpegprep.common import records
from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of
from jpegprep.images.images import codec
from jpegprep.learners import runs
from jpegprep.learners.controls import read_controls
from jpegprep.learners.features import feature_table
from jpegprep.learners.model_tars import unpack_model
from jpegprep.learners.tabular_learner import train
from jpegprep.shards.shards import ShardReader, pack, writing_shard

Shards = dict[str, list[Path]]
PHOTOS = ("coffee.png", "gravel.png", "brick.png")
# Images of each class in each split. Of class 2 AutoGluon would by default train on none, since it
# has fewer than ten; class 3 is only in the validation set, class 4 nowhere.
COUNTS = {"train": (20, 20, 6, 0), "val": (8, 8, 4, 1), "test": (8, 8, 6, 0)}
CLASSES = 5
RECIPE: dict[str, Any] = {
    "features": ["dct", "pixels"],
    "pixels_side": 4,
    "hyperparameters": {
        "XT": {"n_estimators": 30, "min_samples_leaf": 2},
        "GBM": {"num_boost_round": 5},
    },
}
ABOUT = {"dataset": "five", "variant": "jpeg", "learner": "tabular", "code": "0"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return shards of JPEG files: patches of 64 px from three photographs."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, 40)) for name in PHOTOS]
    found = {}
    for split, counts in COUNTS.items():
        path = folder / f"{split}-0.tar"
        with writing_shard(path, "jpeg", codec()) as writer:
            for label, count in enumerate(counts):
                for i in range(count):
                    data = jpeg(next(files[label % 3]))
                    writer.append(pack([(f"class{label}-{split}-{i}", label, data, data)]))
        found[split] = [path]
    return found


def jpeg(data: bytes) -> bytes:
    """Return an image file as JPEG."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "JPEG")
    return buffer.getvalue()


def outputs_of(folder: Path) -> dict[str, Path]:
    """Return the paths of a run's files."""
    return {
        "history": folder / "history.csv",
        "predictions": folder / "predictions.parquet",
        "run": folder / "run.json",
        "model": folder / "model.tar",
        "controls": folder / "controls.parquet",
    }


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, shards: Shards) -> dict[str, Path]:
    """Return a run with seed 0."""
    outputs = outputs_of(tmp_path_factory.mktemp("runs") / "seed0")
    train(shards, RECIPE, CLASSES, {**ABOUT, "seed": 0}, outputs, threads=2)
    return outputs


@pytest.fixture(scope="module")
def record(result: dict[str, Path]) -> dict[str, Any]:
    """Return the record of the run."""
    return records.read_run(result["run"])


def test_a_run_leaves_its_files_and_no_others(result: dict[str, Path]) -> None:
    """A history without epochs, predictions, record, model and controls are there."""
    assert sorted(result["run"].parent.iterdir()) == sorted(result.values())
    assert result["history"].read_text(encoding="utf-8") == ",".join(runs.HISTORY) + "\n"


def test_photographs_are_told_apart(record: dict[str, Any]) -> None:
    """Coffee, gravel and bricks are known by their frequencies and colours, far above chance."""
    assert record["test"]["n"] == 22
    assert record["test"]["accuracy"] > 0.8
    # The only image of class 3 among the 21 of validation cannot be right.
    assert 0.8 < record["val_accuracy"] <= 20 / 21


def test_probabilities_are_in_the_order_of_labels(result: dict[str, Path], shards: Shards) -> None:
    """A row sums to 1; rare classes have probability, classes never trained on have none."""
    table = pq.read_table(result["predictions"]).to_pandas()
    reader = ShardReader(shards["test"])
    assert table["key"].tolist() == reader.keys.tolist()
    assert table["label"].tolist() == reader.labels.tolist()
    probabilities = np.stack(table["probabilities"])
    assert probabilities.shape == (22, CLASSES)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(22), abs=1e-5)
    assert (probabilities[:, 3:] == 0).all()
    assert (probabilities[:, 2] > 0).any()
    assert table["predicted"].tolist() == probabilities.argmax(axis=1).tolist()


def test_the_saved_model_makes_the_predictions(
    tmp_path: Path, result: dict[str, Path], shards: Shards, record: dict[str, Any]
) -> None:
    """The model file, unpacked and loaded by plain AutoGluon, predicts what was recorded."""
    from autogluon.tabular import TabularPredictor

    unpack_model(result["model"], tmp_path / "model")
    predictor = TabularPredictor.load(str(tmp_path / "model"))
    table = feature_table(ShardReader(shards["test"]), RECIPE["features"], 4, threads=1)
    found = predictor.predict_proba(table)
    assert found.columns.tolist() == [0, 1, 2]
    recorded = np.stack(pq.read_table(result["predictions"]).to_pandas()["probabilities"])
    assert found.to_numpy() == pytest.approx(recorded[:, :3], abs=1e-6)
    assert predictor.model_best == record["best_model"]


def test_the_controls_are_of_the_same_images(result: dict[str, Path], shards: Shards) -> None:
    """Trees on what the files store and on what it means of the image; headers tell nothing.

    All files are JPEG of quality 75, so that the two are the same but for rounding.
    """
    found = read_controls(result["controls"])
    predictions = pq.read_table(result["predictions"]).to_pandas()
    assert found[["key", "label"]].equals(predictions[["key", "label"]])
    assert (found["dequantized"] == found["label"]).mean() > 0.8
    assert (found["dequantized"] == found["undequantized"]).mean() > 0.95
    # Gravel and bricks are gray, coffee is not, and the headers tell no more than that.
    assert found["encoder"].equals(found["baseline"])


def test_the_record_says_what_was_run(record: dict[str, Any], shards: Shards) -> None:
    """Recipe, seed, columns, device and the bytes read, each image once."""
    assert record["recipe"] == RECIPE
    assert (record["seed"], record["tested_epoch"]) == (0, None)
    assert (record["device"]["kind"], record["device"]["threads"]) == ("cpu", 2)
    assert record["features"] == 2 * 3 * 64 + 3 * 4 * 4
    assert record["bytes_read"] == sum(
        pd.read_parquet(tar.with_suffix(".index.parquet"))["bytes"].sum()
        for tars in shards.values()
        for tar in tars
    )
    assert {"setup", "fit", "test", "controls"} == record["seconds"].keys()
    assert all(seconds >= 0 for seconds in record["seconds"].values())
    assert {"autogluon.tabular", "jpeglib", "lightgbm", "scikit-learn"} <= record["versions"].keys()


AGAIN = """
import json, sys
from jpegprep.learners.tabular_learner import train
train(**json.loads(sys.argv[1]))
"""


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_decides_the_predictions(
    tmp_path: Path,
    result: dict[str, Path],
    shards: Shards,
    python: Callable[..., Any],
    seed: int,
) -> None:
    """A new process with the same seed gives byte-identical predictions, another seed others."""
    outputs = outputs_of(tmp_path / "again")
    arguments = {
        "shards": {split: list(map(str, tars)) for split, tars in shards.items()},
        "recipe": RECIPE,
        "classes": CLASSES,
        "about": {**ABOUT, "seed": seed},
        "outputs": {name: str(path) for name, path in outputs.items()},
        "threads": 2,
    }
    done = python(AGAIN, json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    same = sha256_of(outputs["predictions"]) == sha256_of(result["predictions"])
    assert same == (seed == 0)
    if same:
        assert sha256_of(outputs["controls"]) == sha256_of(result["controls"])


def test_a_damaged_image_stops_a_run(tmp_path: Path, shards: Shards) -> None:
    """A flipped bit is an error that names shard and key; no file of a run."""
    source = shards["test"][0]
    shard = tmp_path / "test-0.tar"
    index = source.with_suffix(".index.parquet")
    shard.with_suffix(".index.parquet").write_bytes(index.read_bytes())
    content = bytearray(source.read_bytes())
    row = pd.read_parquet(index).iloc[5]
    content[row["offset"] + 60] ^= 1
    shard.write_bytes(content)
    outputs = outputs_of(tmp_path / "run")
    with pytest.raises(UserError, match=f"{shard}.*{row['key']}"):
        train({**shards, "test": [shard]}, RECIPE, CLASSES, {**ABOUT, "seed": 0}, outputs, 1)
    assert not (tmp_path / "run").exists()
