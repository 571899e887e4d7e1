"""AutoGluon: a training of two classes; its models packed, unpacked, and damaged ones refused."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trainings

from jpegprep.common.errors import UserError
from jpegprep.learners.model_tars import pack_model, unpack_model

FILES = {"model.ckpt": os.urandom(50_000), "assets.json": b"{}", "data/x.bin": b"deep"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a packed model."""
    folder = tmp_path / "predictor"
    for name, data in {**FILES, "events.out.tfevents.1": b"a log"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    pack_model(folder, tmp_path / "model.tar")
    return tmp_path / "model.tar"


def test_a_model_is_unpacked_as_it_was_packed(tmp_path: Path, model: Path) -> None:
    """All files of AutoGluon's folder come back, byte for byte, but for its logs."""
    unpack_model(model, tmp_path / "again")
    found = {
        str(path.relative_to(tmp_path / "again")): path.read_bytes()
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    }
    assert found == FILES


@pytest.mark.parametrize("damage", ["cut off", "text", "empty", "zeros", "removed", "outside"])
def test_a_damaged_model_is_one_line(tmp_path: Path, model: Path, damage: str) -> None:
    """A model.tar that is no whole tar is named, with what to do."""
    whole = model.read_bytes()
    match damage:
        case "cut off":
            model.write_bytes(whole[: len(whole) // 2])
        case "text":
            model.write_bytes(b"<html>404 Not Found</html>" * 100)
        case "empty":
            model.write_bytes(b"")
        case "zeros":
            model.write_bytes(b"\1" * 2048)
        case "removed":
            model.unlink()
        case "outside":
            with tarfile.open(model, "w") as tar:
                tar.add(__file__, arcname="../evil.py")
    with pytest.raises(UserError) as error:
        unpack_model(model, tmp_path / "again")
    line = str(error.value)
    assert line.startswith(f"{model}: damaged (")
    assert line.endswith("); remove it: its run is made again")
    assert "\n" not in line
    assert not (tmp_path / "evil.py").exists()


TRAIN = """
import json, sys
from jpegprep.learners.autogluon_learner import train
train(**json.loads(sys.argv[1]))
"""


def test_two_classes_are_trained_and_the_tested_weights_validated(
    tmp_path: Path,
    lite0: Path,
    patches: Callable[..., list[bytes]],
    python: Callable[..., Any],
) -> None:
    """AutoGluon has a name of its own for two classes; val_accuracy is the averaged epochs'."""
    names = ("history.csv", "predictions.parquet", "run.json", "model.tar")
    arguments = {
        "shards": trainings.small_shards(tmp_path, patches, train=8, val=4, test=4),
        "weights": str(lite0),
        "recipe": {
            **{"architecture": "tf_efficientnet_lite0", "image_size": 64, "epochs": 2},
            **{"batch_size": 8, "learning_rate": 1e-3, "hyperparameters": {}},
        },
        "classes": 2,
        "about": {"dataset": "two", "variant": "original", "learner": "l", "seed": 0},
        "outputs": {Path(name).stem: str(tmp_path / name) for name in names},
        "threads": 1,
    }
    done = python(TRAIN, json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    probabilities = np.stack(predictions["probabilities"].to_numpy())
    assert probabilities.shape == (8, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["tested_epoch"] is None
    history = pd.read_csv(tmp_path / "history.csv")
    # An average of epochs is taken where it validates no worse than the best of them.
    assert history["val_accuracy"].max() - 1e-5 < record["val_accuracy"] <= 1
