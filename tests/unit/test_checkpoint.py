"""A killed training goes on from its checkpoint, and ends as if it had not been killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jpegprep.files import sha256_of
from jpegprep.images import codec
from jpegprep.shards import pack, writing_shard
from jpegprep.training import train

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 32,
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.1,
    "augmentation": {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.5},
    "eval_crop": 1.0,
    "gpu_precision": "32-true",
}
TRAIN = """
import json, sys
from jpegprep.training import train
train(**json.loads(sys.argv[1]))
"""


class Training:
    """A training with a checkpoint after every epoch."""

    def __init__(self, folder: Path, shards: dict[str, list[str]], weights: Path) -> None:
        """Put the outputs into `folder`."""
        names = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
        self.outputs = {Path(name).stem: folder / name for name in names}
        self.checkpoint = folder / ".checkpoint"
        self.arguments: dict[str, Any] = {
            "shards": shards,
            "weights": str(weights),
            "recipe": RECIPE,
            "classes": 2,
            "about": {"dataset": "two", "variant": "original", "learner": "l", "seed": 0},
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "threads": 1,
            "checkpoint_seconds": 0,
        }

    def kill_after(self, epoch: int) -> None:
        """Run it in a process, and kill that when the line of the epoch after `epoch` has come."""
        with subprocess.Popen(
            [sys.executable, "-c", TRAIN, json.dumps(self.arguments)],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith(f"epoch {epoch + 1}/"):
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert self.checkpoint.exists()
        assert not any(path.exists() for path in self.outputs.values())

    def run(self) -> list[str]:
        """Run it to its end; return what identifies its result."""
        threads = torch.get_num_threads()
        train(**self.arguments)
        torch.set_num_threads(threads)
        assert not self.checkpoint.exists()
        return [sha256_of(self.outputs[name]) for name in ("predictions", "model")]

    def record(self) -> dict[str, Any]:
        """Return run.json."""
        return json.loads(self.outputs["run"].read_bytes())


@pytest.fixture(scope="module")
def shards(
    tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]
) -> dict[str, list[str]]:
    """Return the shards of patches from two photographs."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, 24)) for name in ("coffee.png", "gravel.png")]
    found = {}
    for split, count in {"train": 16, "val": 4, "test": 4}.items():
        shard = folder / f"{split}-0.tar"
        with writing_shard(shard, "original", codec()) as writer:
            for label in range(2):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"{split}-{label}-{i}", label, data, data)]))
        found[split] = [str(shard)]
    return found


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, shards: dict[str, list[str]], lite0: Path
) -> list[str]:
    """Return what a training gives that nobody killed."""
    training = Training(tmp_path_factory.mktemp("undisturbed"), shards, lite0)
    found = training.run()
    assert training.record()["resumed_after_epoch"] is None
    return found


@pytest.fixture(scope="module")
def once_killed(
    tmp_path_factory: pytest.TempPathFactory, shards: dict[str, list[str]], lite0: Path
) -> Path:
    """Return the folder of a training that was killed in or after its second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    Training(folder, shards, lite0).kill_after(epoch=1)
    return folder


@pytest.fixture
def killed(
    once_killed: Path, tmp_path: Path, shards: dict[str, list[str]], lite0: Path
) -> Training:
    """Return that training, as it was left."""
    return Training(shutil.copytree(once_killed, tmp_path / "run"), shards, lite0)


def test_a_killed_training_ends_as_one_that_was_not(
    killed: Training, undisturbed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains no epoch of the checkpoint again, and its files are the same, byte for byte."""
    assert killed.run() == undisturbed
    after = killed.record()["resumed_after_epoch"]
    assert after in (1, 2)
    output = capsys.readouterr().out
    assert f"goes on after epoch {after}, from {killed.checkpoint}" in output
    epochs = [line.split()[1] for line in output.splitlines() if line.startswith("epoch ")]
    assert epochs == [f"{epoch}/3" for epoch in range(after + 1, 4)]
    history = killed.outputs["history"].read_text().splitlines()
    assert [row.split(",")[0] for row in history] == ["epoch", "1", "2", "3"]


def test_a_training_killed_after_its_last_epoch_trains_no_more(
    tmp_path: Path,
    shards: dict[str, list[str]],
    lite0: Path,
    undisturbed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left to do is the test, with the best epoch's network from the checkpoint."""
    ended = Training(tmp_path / "run", shards, lite0)

    def killed_here(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("jpegprep.training._predict", killed_here)
        with pytest.raises(KeyboardInterrupt):
            train(**ended.arguments)
    assert ended.checkpoint.exists()
    assert ended.run() == undisturbed
    assert ended.record()["resumed_after_epoch"] == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_checkpoint_is_not_used(
    killed: Training, undisturbed: list[str], capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """Training starts anew, says so, and ends the same."""
    content = bytearray(killed.checkpoint.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    killed.checkpoint.write_bytes(content[: {"cut": len(content) // 2, "empty": 0}.get(damage)])
    assert killed.run() == undisturbed
    assert f"{killed.checkpoint} is damaged: training starts anew" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["recipe", "code", "shards", "weights"])
def test_a_checkpoint_of_another_configuration_is_not_used(
    killed: Training,
    shards: dict[str, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    part: str,
) -> None:
    """What a result depends on has changed since: nothing of the checkpoint may enter it."""
    if part == "recipe":
        killed.arguments["recipe"] = {**RECIPE, "learning_rate": 2e-3}
    elif part == "code":
        killed.arguments["about"] = {**killed.arguments["about"], "code": "changed"}
    elif part == "shards":
        killed.arguments["shards"] = {**shards, "train": shards["val"]}
    else:
        weights = tmp_path / "weights.safetensors"
        weights.write_bytes(_changed(Path(killed.arguments["weights"])))
        killed.arguments["weights"] = str(weights)
    killed.run()
    assert "is of another configuration: training starts anew" in capsys.readouterr().out
    assert killed.record()["resumed_after_epoch"] is None


def _changed(weights: Path) -> bytes:
    content = bytearray(weights.read_bytes())
    content[-4] ^= 1  # the last bits of a number
    return bytes(content)


if torch.cuda.is_available():
    pytest.skip("byte-identical runs are promised on a CPU", allow_module_level=True)
