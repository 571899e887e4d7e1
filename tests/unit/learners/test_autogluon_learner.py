"""AutoGluon: a training of two classes; its models packed, unpacked, and damaged ones refused."""

import json
import os
import shutil
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


# A training, whose batches of images are hashed as the network gets them; then its packed model
# predicts the validation images.
TRAIN = """
import hashlib, json, sys
from jpegprep.datasets.hub import offline_hub
arguments, validation, predictions = json.loads(sys.argv[1]), *sys.argv[2:]
with offline_hub(arguments["weights"]):
    from jpegprep.learners.history import History
    seen, batch_starts = [], History.on_train_batch_start
    def look(self, trainer, module, batch, index):
        images = [value for value in batch.values() if getattr(value, "ndim", 0) > 2]
        seen.append(hashlib.sha256(b"".join(x.numpy().tobytes() for x in images)).hexdigest())
        batch_starts(self, trainer, module, batch, index)
    History.on_train_batch_start = look
    from jpegprep.learners.autogluon_learner import predict_variant, train
    train(**arguments)
    model = arguments["outputs"]["model"]
    predict_variant(validation, arguments["weights"], model, 2, predictions, 1)
print("seen", *seen)
"""


@pytest.fixture(scope="module")
def train(
    tmp_path_factory: pytest.TempPathFactory,
    lite0: Path,
    patches: Callable[..., list[bytes]],
    python: Callable[..., Any],
) -> Callable[[int, int], tuple[Path, list[str]]]:
    """Return a training of two classes, by its threads and epochs: folder, hashes of batches."""

    def run(threads: int, epochs: int) -> tuple[Path, list[str]]:
        folder = tmp_path_factory.mktemp("run")
        names = ("history.csv", "predictions.parquet", "run.json", "model.tar")
        shards = trainings.small_shards(folder, patches, train=8, val=4, test=4)
        (validation,) = map(Path, shards["val"])
        (folder / "validation").mkdir()
        for ending in (".tar", ".index.parquet"):
            shutil.copy(validation.with_suffix(ending), folder / f"validation/test-0{ending}")
        arguments = {
            "shards": shards,
            "weights": str(lite0),
            "recipe": {
                **{"architecture": "tf_efficientnet_lite0", "image_size": 64, "epochs": epochs},
                **{"batch_size": 8, "learning_rate": 1e-3, "hyperparameters": {}},
            },
            "classes": 2,
            "about": {"dataset": "two", "variant": "original", "learner": "l", "seed": 0},
            "outputs": {Path(name).stem: str(folder / name) for name in names},
            "threads": threads,
        }
        more = (folder / "validation", folder / "validation.parquet")
        done = python(TRAIN, json.dumps(arguments), *more)
        assert done.returncode == 0, done.stderr
        return folder, done.stdout.split("seen ")[1].split()

    return run


@pytest.fixture(scope="module")
def trained(train: Callable[[int, int], tuple[Path, list[str]]]) -> tuple[Path, list[str]]:
    """Return a training of two epochs by one thread."""
    return train(1, 2)


def test_two_classes_are_trained(trained: tuple[Path, list[str]]) -> None:
    """AutoGluon has a name of its own for two classes."""
    folder, _ = trained
    predictions = pd.read_parquet(folder / "predictions.parquet")
    probabilities = np.stack(predictions["probabilities"].to_numpy())
    assert probabilities.shape == (8, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_tested_weights_are_validated(trained: tuple[Path, list[str]]) -> None:
    """val_accuracy is that of the packed model, the averaged epochs, and of no single epoch."""
    folder, _ = trained
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["tested_epoch"] is None
    validated = pd.read_parquet(folder / "validation.parquet")
    assert len(validated) == 8
    right = (validated["label"] == validated["predicted"]).mean()
    assert record["val_accuracy"] == pytest.approx(right)
    # An average of epochs is taken where it validates no worse than the best of them.
    history = pd.read_csv(folder / "history.csv")
    assert history["val_accuracy"].max() - 1e-5 < record["val_accuracy"] <= 1


def test_threads_do_not_change_what_is_seen(
    trained: tuple[Path, list[str]], train: Callable[[int, int], tuple[Path, list[str]]]
) -> None:
    """The same images, augmented alike, in the same order, whatever the number of threads."""
    _, one = trained
    _, two = train(2, 1)
    assert len(one) == 2 * len(two) == 4
    assert one[:2] == two
    assert len(set(one)) == 4
