"""A training in several processes: that of one, divided. Here they share the processor's cores."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
import timm
import torch
from timm.layers import convert_sync_batchnorm

from jpegprep.data import EpochSampler, Place
from jpegprep.errors import UserError
from jpegprep.files import sha256_of, write_json
from jpegprep.hub import sidecar_of
from jpegprep.images import codec
from jpegprep.shards import pack, writing_shard
from jpegprep.training import train
from jpegprep.weights import save_weights

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
RECIPE: dict[str, Any] = {
    "architecture": "convnext_atto",  # without batch norm: a division changes nothing but rounding
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
    "gpus": 2,
}
TRAIN = """
import json, sys
from jpegprep.training import train
train(**json.loads(sys.argv[1]))
"""

if torch.cuda.is_available():
    pytest.skip("byte-identical runs are promised on a CPU", allow_module_level=True)


@pytest.mark.parametrize("items", [32, 37, 7])
def test_processes_divide_the_batches_of_one(items: int) -> None:
    """In every epoch they have the same batches, none an item that another has, all as many."""
    alone = EpochSampler(items, 8, seed=3)
    parts = [EpochSampler(items, 8, 3, Place(rank, 2)) for rank in range(2)]
    for epoch in range(2):
        for sampler in (alone, *parts):
            sampler.set_epoch(epoch)
        whole, *divided = (list(sampler) for sampler in (alone, *parts))
        assert [len(part) for part in divided] == [len(sampler) for sampler in parts]
        assert sorted(sum(divided, [])) == sorted(whole)
        for i in range(items // 8):
            found = sum((part[4 * i : 4 * i + 4] for part in divided), [])
            assert sorted(found) == sorted(whole[8 * i : 8 * i + 8])


def test_batch_norm_over_processes_is_the_same_network() -> None:
    """On GPUs its layers are exchanged: tensors have the same names, outputs the same values."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=2).eval()
    images = torch.rand(2, 3, 32, 32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        expected = model(images)
        exchanged = convert_sync_batchnorm(model).eval()
        assert any("SyncBatchNorm" in type(m).__name__ for m in exchanged.modules())
        assert exchanged.state_dict().keys() == before.keys()
        assert torch.allclose(exchanged(images), expected, atol=1e-6)


class Training:
    """A training by two processes with a checkpoint after every epoch."""

    def __init__(self, folder: Path, shards: dict[str, list[str]], weights: Path) -> None:
        """Put the outputs into `folder`."""
        names = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
        self.outputs = {Path(name).stem: folder / name for name in names}
        self.arguments: dict[str, Any] = {
            "shards": shards,
            "weights": str(weights),
            "recipe": RECIPE,
            "classes": 2,
            "about": {"dataset": "two", "variant": "original", "learner": "l", "seed": 0},
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "threads": 2,
            "checkpoint_seconds": 0,
        }

    def start(self) -> "subprocess.Popen[str]":
        """Start it in a process, which starts two."""
        return subprocess.Popen(
            [sys.executable, "-c", TRAIN, json.dumps(self.arguments)],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def shards(
    tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]
) -> dict[str, list[str]]:
    """Return the shards of patches from two photographs."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, 24)) for name in ("coffee.png", "gravel.png")]
    found = {}
    for split, count in {"train": 16, "val": 3, "test": 4}.items():
        shard = folder / f"{split}-0.tar"
        with writing_shard(shard, "original", codec()) as writer:
            for label in range(2):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"{split}-{label}-{i}", label, data, data)]))
        found[split] = [str(shard)]
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights to begin with: random ones."""
    path = tmp_path_factory.mktemp("weights") / "convnext_atto.safetensors"
    torch.manual_seed(0)
    save_weights(timm.create_model("convnext_atto", pretrained=False).state_dict(), path)
    write_json(sidecar_of(path), {"sha256": sha256_of(path)})
    return path


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, shards: dict[str, list[str]], weights: Path
) -> tuple[Training, str]:
    """Return a training that nobody disturbed, and what it printed."""
    training = Training(tmp_path_factory.mktemp("whole"), shards, weights)
    with training.start() as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return training, output


def test_it_leaves_the_files_of_a_run(whole: tuple[Training, str]) -> None:
    """History, predictions, record and model; its lines stand once, its images are all counted."""
    training, output = whole
    assert sorted(training.outputs["run"].parent.iterdir()) == sorted(training.outputs.values())
    epochs = [line.split()[1] for line in output.splitlines() if line.startswith("epoch ")]
    assert epochs == ["1/3", "2/3", "3/3"]
    history = pd.read_csv(training.outputs["history"])
    # Six validation images, three in each process: accuracies are sixths.
    right = 6 * history["val_accuracy"].to_numpy()
    assert right == pytest.approx(right.round(), abs=1e-4)
    record = json.loads(training.outputs["run"].read_bytes())
    assert record["recipe"]["gpus"] == 2
    assert len(pq.read_table(training.outputs["predictions"])) == 8


def test_it_learns_what_one_process_learns(
    whole: tuple[Training, str], shards: dict[str, list[str]], weights: Path, tmp_path: Path
) -> None:
    """The same batches and rates, and so the same losses and accuracies, but for rounding."""
    alone = Training(tmp_path, shards, weights)
    alone.arguments["recipe"] = {**RECIPE, "gpus": 1}
    threads = torch.get_num_threads()
    train(**alone.arguments)
    torch.set_num_threads(threads)
    one, two = (pd.read_csv(t.outputs["history"]) for t in (alone, whole[0]))
    for column in ("learning_rate", "train_loss", "val_loss", "val_accuracy"):
        assert two[column].tolist() == pytest.approx(one[column].tolist(), rel=1e-3), column
    assert one["train_loss"].nunique() == 3


def processes_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the processes that a training started."""
    return psutil.Process(process.pid).children(recursive=True)


def waits_for_epoch(process: "subprocess.Popen[str]") -> None:
    """Read what a training prints until its second epoch is done, and the first one's kept."""
    assert process.stdout
    assert any(line.startswith("epoch 2/") for line in process.stdout)


def test_a_killed_one_goes_on_and_ends_the_same(
    whole: tuple[Training, str], shards: dict[str, list[str]], weights: Path, tmp_path: Path
) -> None:
    """Its processes end with it, and one checkpoint is there; run again, its files are the same."""
    training = Training(tmp_path, shards, weights)
    with training.start() as process:
        waits_for_epoch(process)
        started = processes_of(process)
        assert len(started) == 2
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    assert [path.name for path in tmp_path.iterdir()] == [".checkpoint"]
    with training.start() as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "goes on after epoch" in output
    for name in ("predictions", "model"):
        assert training.outputs[name].read_bytes() == whole[0].outputs[name].read_bytes()


def test_where_one_process_ends_all_end(
    shards: dict[str, list[str]], weights: Path, tmp_path: Path
) -> None:
    """The error says which; nothing waits for it."""
    training = Training(tmp_path, shards, weights)
    with training.start() as process:
        waits_for_epoch(process)
        started = processes_of(process)
        started[1].kill()
        _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith(
        "RuntimeError: process 1 of 2 of the training ended with status -9"
    )
    assert not any(other.is_running() for other in started)
    assert not any(path.exists() for path in training.outputs.values())


def test_an_error_of_the_user_stays_one_line(
    shards: dict[str, list[str]], weights: Path, tmp_path: Path
) -> None:
    """A damaged image, which only one of the processes reads, is named as by one process alone."""
    shard, index = tmp_path / "train-0.tar", tmp_path / "train-0.index.parquet"
    source = Path(shards["train"][0])
    index.write_bytes(source.with_suffix(".index.parquet").read_bytes())
    row = pd.read_parquet(index).iloc[5]
    content = bytearray(source.read_bytes())
    content[row["offset"] + 60] ^= 1
    shard.write_bytes(content)
    training = Training(tmp_path / "run", {**shards, "train": [str(shard)]}, weights)
    with pytest.raises(UserError, match=f"{shard}.*{row['key']}"):
        train(**training.arguments)
    assert not (tmp_path / "run").exists()


def test_fewer_images_than_processes_are_refused(
    shards: dict[str, list[str]], weights: Path, tmp_path: Path
) -> None:
    """Each needs one to validate on."""
    training = Training(tmp_path / "run", shards, weights)
    training.arguments["recipe"] = {**RECIPE, "gpus": 8}
    message = "two/original/l/seed0: its recipe says gpus: 8, and val has 6 images; write fewer"
    with pytest.raises(UserError, match=message):
        train(**training.arguments)
