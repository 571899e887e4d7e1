"""A killed training goes on from its checkpoint, and ends as if it had not been killed."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from trainings import RECIPE, Shards, Training, small_shards, waits_for_epoch

from jpegprep.common.files import sha256_of, write_json
from jpegprep.datasets.hub import sidecar_of
from jpegprep.learners.checkpoint import Checkpoint
from jpegprep.learners.timm_learner import train


def kill_after(training: Training, epoch: int) -> None:
    """Run it, and kill it when the line of the epoch after `epoch` has come."""
    with training.start() as process:
        waits_for_epoch(process, epoch + 1)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert training.checkpoint.exists()
    assert not any(path.exists() for path in training.outputs.values())


def run(training: Training) -> list[str]:
    """Run it to its end, here; return what identifies its result."""
    threads = torch.get_num_threads()
    train(**training.arguments)
    torch.set_num_threads(threads)
    assert not training.checkpoint.exists()
    return [sha256_of(training.outputs[name]) for name in ("predictions", "model")]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return the shards of patches from two photographs."""
    return small_shards(tmp_path_factory.mktemp("shards"), patches, train=16, val=4, test=4)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shards: Shards, lite0: Path) -> list[str]:
    """Return what a training gives that nobody killed."""
    training = Training(tmp_path_factory.mktemp("undisturbed"), shards, lite0)
    found = run(training)
    assert training.record()["resumed_after_epoch"] is None
    return found


@pytest.fixture(scope="module")
def once_killed(tmp_path_factory: pytest.TempPathFactory, shards: Shards, lite0: Path) -> Path:
    """Return the folder of a training that was killed in or after its second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    kill_after(Training(folder, shards, lite0), epoch=1)
    return folder


@pytest.fixture
def killed(once_killed: Path, tmp_path: Path, shards: Shards, lite0: Path) -> Training:
    """Return that training, as it was left."""
    return Training(shutil.copytree(once_killed, tmp_path / "run"), shards, lite0)


def test_a_killed_training_ends_as_one_that_was_not(
    killed: Training, undisturbed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains no epoch of the checkpoint again, and its files are the same, byte for byte."""
    assert run(killed) == undisturbed
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
    shards: Shards,
    lite0: Path,
    undisturbed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left to do is the test, with the best epoch's network from the checkpoint."""
    ended = Training(tmp_path / "run", shards, lite0)

    def killed_here(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("jpegprep.learners.timm_learner._predict", killed_here)
        with pytest.raises(KeyboardInterrupt):
            train(**ended.arguments)
    assert ended.checkpoint.exists()
    assert run(ended) == undisturbed
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
    assert run(killed) == undisturbed
    assert f"{killed.checkpoint} is damaged: training starts anew" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["recipe", "code", "shards", "weights"])
def test_a_checkpoint_of_another_configuration_is_not_used(
    killed: Training,
    shards: Shards,
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
        write_json(sidecar_of(weights), {"sha256": sha256_of(weights)})
        killed.arguments["weights"] = str(weights)
    run(killed)
    assert "is of another configuration: training starts anew" in capsys.readouterr().out
    assert killed.record()["resumed_after_epoch"] is None


def _changed(weights: Path) -> bytes:
    content = bytearray(weights.read_bytes())
    content[-4] ^= 1  # the last bits of a number
    return bytes(content)


if torch.cuda.is_available():
    pytest.skip("byte-identical runs are promised on a CPU", allow_module_level=True)


@pytest.mark.parametrize(("epoch", "tested"), [("last", 3), ("best", 2)])
def test_the_epoch_that_the_recipe_names_is_tested(epoch: str, tested: int, tmp_path: Path) -> None:
    """Of validation accuracies 0.5, 0.9, 0.9 the last is the third, the best the second."""
    checkpoint = Checkpoint(tmp_path / "c", "identity", 0, epoch, least_seconds=1000)
    module = torch.nn.Linear(1, 1)
    strategy = SimpleNamespace(broadcast=bool)
    for number, accuracy in enumerate((0.5, 0.9, 0.9)):
        torch.nn.init.constant_(module.weight, number + 1)
        trainer = SimpleNamespace(
            current_epoch=number,
            max_epochs=3,
            callback_metrics={"val_accuracy": torch.tensor(accuracy)},
            strategy=strategy,
        )
        checkpoint.on_train_epoch_end(trainer, module)
    assert (checkpoint.tested_epoch, float(checkpoint.tested["weight"])) == (tested, tested)
