"""A training in several processes: that of one, divided. Here they share the processor's cores."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
import timm
import torch
from timm.layers import convert_sync_batchnorm
from trainings import Shards, Training, small_shards, waits_for_epoch

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of, write_json
from jpegprep.datasets.hub import sidecar_of
from jpegprep.datasets.weights import save_weights
from jpegprep.learners.data import EpochSampler, Place
from jpegprep.learners.timm_learner import train

if torch.cuda.is_available():
    pytest.skip("byte-identical runs are promised on a CPU", allow_module_level=True)


@pytest.mark.parametrize("items", [32, 37, 7])
def test_processes_divide_the_batches_of_one(items: int) -> None:
    """In every epoch they have the same batches, and none has an item that another has."""
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


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return the shards of patches from two photographs."""
    return small_shards(tmp_path_factory.mktemp("shards"), patches, train=16, val=3, test=4)


def two(folder: Path, shards: Shards, weights: Path, gpus: int = 2) -> Training:
    """Return a training of two processes; without batch norm a division only rounds otherwise."""
    return Training(folder, shards, weights, architecture="convnext_atto", gpus=gpus)


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
    tmp_path_factory: pytest.TempPathFactory, shards: Shards, weights: Path
) -> tuple[Training, str]:
    """Return a training that nobody disturbed, and what it printed."""
    training = two(tmp_path_factory.mktemp("whole"), shards, weights)
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
    assert training.record()["recipe"]["gpus"] == 2
    assert len(pq.read_table(training.outputs["predictions"])) == 8


def test_it_learns_what_one_process_learns(
    whole: tuple[Training, str], shards: Shards, weights: Path, tmp_path: Path
) -> None:
    """The same batches and rates, and so the same losses and accuracies, but for rounding."""
    alone = two(tmp_path, shards, weights, gpus=1)
    alone.arguments["threads"] = 2
    threads = torch.get_num_threads()
    train(**alone.arguments)
    torch.set_num_threads(threads)
    one, both = (pd.read_csv(t.outputs["history"]) for t in (alone, whole[0]))
    for column in ("learning_rate", "train_loss", "val_loss", "val_accuracy"):
        assert both[column].tolist() == pytest.approx(one[column].tolist(), rel=1e-3), column
    assert one["train_loss"].nunique() == 3


def processes_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the processes that a training started."""
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_a_killed_one_goes_on_and_ends_the_same(
    whole: tuple[Training, str], shards: Shards, weights: Path, tmp_path: Path
) -> None:
    """Its processes end with it, and one checkpoint is there; run again, its files are the same."""
    training = two(tmp_path, shards, weights)
    with training.start() as process:
        waits_for_epoch(process, 2)
        started = processes_of(process)
        assert len(started) == 2
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    # The next one may have been half written.
    assert (
        {".checkpoint"}
        <= {p.name for p in tmp_path.iterdir()}
        <= {".checkpoint", "..checkpoint.part"}
    )
    with training.start() as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "goes on after epoch" in output
    for name in ("predictions", "model"):
        assert training.outputs[name].read_bytes() == whole[0].outputs[name].read_bytes()


def test_where_one_process_ends_all_end(shards: Shards, weights: Path, tmp_path: Path) -> None:
    """The error says which; nothing waits for it."""
    training = two(tmp_path, shards, weights)
    with training.start() as process:
        waits_for_epoch(process, 2)
        started = processes_of(process)
        started[1].kill()
        _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith(
        "RuntimeError: process 1 of 2 of the training ended with status -9"
    )
    assert not any(other.is_running() for other in started)
    assert not any(path.exists() for path in training.outputs.values())


def test_an_error_of_the_user_stays_one_line(shards: Shards, weights: Path, tmp_path: Path) -> None:
    """A damaged image, which only one of the processes reads, is named as by one process alone."""
    shard, index = tmp_path / "train-0.tar", tmp_path / "train-0.index.parquet"
    source = Path(shards["train"][0])
    index.write_bytes(source.with_suffix(".index.parquet").read_bytes())
    row = pd.read_parquet(index).iloc[5]
    content = bytearray(source.read_bytes())
    content[row["offset"] + 60] ^= 1
    shard.write_bytes(content)
    training = two(tmp_path / "run", {**shards, "train": [str(shard)]}, weights)
    with pytest.raises(UserError, match=f"{shard}.*{row['key']}"):
        train(**training.arguments)
    assert not (tmp_path / "run").exists()


def test_fewer_images_than_processes_are_refused(
    shards: Shards, weights: Path, tmp_path: Path
) -> None:
    """Each needs one to validate on."""
    training = two(tmp_path / "run", shards, weights, gpus=8)
    message = "two/original/l/seed0: its recipe says gpus: 8, and val has 6 images; write fewer"
    with pytest.raises(UserError, match=message):
        train(**training.arguments)
