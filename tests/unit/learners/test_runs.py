"""Runs: the files that every learner leaves."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pyarrow.parquet as pq
import pytest

from jpegprep.common import records
from jpegprep.common.errors import UserError
from jpegprep.common.layout import Run
from jpegprep.learners import runs
from jpegprep.shards.shards import ShardReader, pack, writing_shard

LABELS = np.array([0, 1, 2, 1])
KEYS = np.array(["a", "b", "c", "d"])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6], [0.25, 0.5, 0.25]], dtype=np.float32
)
HISTORY = [
    {"epoch": e, "val_accuracy": 0.5 + e / 10, **dict.fromkeys(runs.HISTORY[1:4], 1.0)}
    | dict.fromkeys(runs.HISTORY[5:], 2.0)
    for e in (1, 2)
]


@pytest.fixture
def readers(tmp_path: Path, patches: Callable[..., list[bytes]]) -> dict[str, ShardReader]:
    """Return readers of small shards of real patches: 6 train, 3 val, 4 test."""
    found = {}
    data = iter(patches("coffee.png", 13))
    for split, count in (("train", 6), ("val", 3), ("test", 4)):
        path = tmp_path / "shards" / f"{split}-0.tar"
        with writing_shard(path, "original", "an encoder 1.0") as writer:
            for i in range(count):
                key, image = str(KEYS[i % 4]) + "x" * (i // 4), next(data)
                writer.append(pack([(key, int(LABELS[i % 4]), image, image)]))
        found[split] = ShardReader([path])
    return found


def write(folder: Path, readers: dict[str, ShardReader], **changes: Any) -> dict[str, Path]:
    """Write a run and return the paths of its files."""
    outputs = {
        "history": folder / "history.csv",
        "predictions": folder / "predictions.parquet",
        "run": folder / "run.json",
        "model": folder / "model.bin",
    }
    arguments = {
        "history": HISTORY,
        "probabilities": PROBABILITIES,
        "save_model": lambda path: path.write_bytes(b"a model"),
        "facts": {"dataset": "dtd", "seed": 3, "tested_epoch": 2},
        "threads": 2,
        **changes,
    }
    runs.write_run(outputs, readers, **arguments)
    return outputs


def test_a_run_is_four_files(tmp_path: Path, readers: dict[str, ShardReader]) -> None:
    """History, predictions, record and model appear, and nothing else."""
    outputs = write(tmp_path / "run", readers)
    assert sorted((tmp_path / "run").iterdir()) == sorted(outputs.values())
    lines = outputs["history"].read_text().splitlines()
    assert lines[0] == (
        "epoch,learning_rate,train_loss,val_loss,val_accuracy,seconds,images_per_second"
    )
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    assert outputs["model"].read_bytes() == b"a model"


def test_predictions_have_a_row_for_each_test_image(
    tmp_path: Path, readers: dict[str, ShardReader]
) -> None:
    """Key, label, predicted class (the most probable) and all probabilities, in test order."""
    table = pq.read_table(write(tmp_path / "run", readers)["predictions"])
    assert table.column_names == ["key", "label", "predicted", "probabilities", "fold", "group"]
    assert table["key"].to_pylist() == KEYS.tolist()
    assert table["label"].to_pylist() == LABELS.tolist()
    assert table["predicted"].to_pylist() == [0, 2, 2, 1]
    assert np.array_equal(np.array(table["probabilities"].to_pylist(), np.float32), PROBABILITIES)


def test_predictions_read_back(tmp_path: Path, readers: dict[str, ShardReader]) -> None:
    """What evaluation reads is what was written."""
    table = runs.read_predictions(write(tmp_path / "run", readers)["predictions"])
    assert table.to_dict("list") == {
        "key": KEYS.tolist(),
        "label": LABELS.tolist(),
        "predicted": [0, 2, 2, 1],
        "fold": [-1] * 4,  # not cross-fitted
        "group": [-1] * 4,  # not known
    }


def test_the_record_says_accuracy_n_and_cost(
    tmp_path: Path, readers: dict[str, ShardReader]
) -> None:
    """Three of four right is 0.75; bytes read are epochs × (train + val) + test."""
    record = records.read_run(write(tmp_path / "run", readers)["run"])
    assert record["test"] == {"n": 4, "accuracy": 0.75}
    assert (record["dataset"], record["seed"], record["tested_epoch"]) == ("dtd", 3, 2)
    size = {
        split: sum(len(reader.image(i)) for i in range(len(reader)))
        for split, reader in readers.items()
    }
    assert record["bytes_read"] == 2 * (size["train"] + size["val"]) + size["test"]


def test_the_record_says_versions_and_machine(
    tmp_path: Path, readers: dict[str, ShardReader]
) -> None:
    """What the numbers depend on is recorded: versions, encoder, decoder, device, threads."""
    record = records.read_run(write(tmp_path / "run", readers)["run"])
    assert record["versions"]["python"] == platform.python_version()
    for package in ("torch", "torchvision", "timm", "lightning", "numpy", "pillow"):
        assert record["versions"][package] == importlib.metadata.version(package)
    assert f"Pillow {PIL.__version__}" in record["decoder"]
    assert record["encoder"] == ["an encoder 1.0"]
    assert record["device"]["kind"] in {"cpu", "gpu"}
    assert record["device"]["name"]
    assert record["device"]["threads"] == 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="compares with Linux's VmHWM")
def test_the_peak_of_memory_is_the_jobs_in_mebibytes(python: Callable[..., Any]) -> None:
    """The recorded peak is what Linux says of the job, whatever the process that began it holds."""
    code = """
from pathlib import Path
from jpegprep.learners.runs import peak_memory_mib
block = bytearray(b"x") * (300 << 20)
recorded = peak_memory_mib()["process"]
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(recorded, status["VmHWM"].split()[0])
"""
    held = bytearray(b"x") * (2 << 30)
    recorded, kibibytes = map(float, python(code).stdout.split())
    assert 300 < kibibytes / 1024 < len(held) >> 20
    assert recorded == pytest.approx(kibibytes / 1024, rel=0.02)


@pytest.mark.parametrize("before", [False, True])
def test_a_run_is_whole_or_absent(
    tmp_path: Path, readers: dict[str, ShardReader], before: bool
) -> None:
    """Where its last file cannot be written, a run leaves nothing, or the older run as it was."""
    folder = tmp_path / "run"
    if before:
        write(folder, readers)
    older = {path.name: path.read_bytes() for path in folder.glob("*")}

    def fail(path: Path) -> None:
        path.write_bytes(b"half a mod")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write(folder, readers, save_model=fail, facts={"dataset": "another"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == older


ABOUT = {"dataset": "dtd", "variant": "noise", "learner": "lite0", "seed": 3}


def test_a_run_is_named_as_its_folder() -> None:
    """In logs and on terminals a run has the name of its folder under results/runs/."""
    assert runs.name_of(ABOUT) == "dtd/noise/lite0/seed3"
    folder = f"results/runs/{runs.name_of({**ABOUT, 'code': '0'})}"
    assert folder == Run(**ABOUT).folder


def test_progress_counts_the_runs_that_are_done(tmp_path: Path) -> None:
    """The line counts the records that are there, in whichever order runs end."""
    records = [tmp_path / str(i) / "run.json" for i in range(3)]
    lines = []
    for i in (2, 0, 1):
        records[i].parent.mkdir()
        records[i].write_text("{}")
        lines.append(runs.tell_progress(ABOUT, list(map(str, records))))
    assert lines == [f"run {n} of 3 done: dtd/noise/lite0/seed3" for n in (1, 2, 3)]


def test_a_test_on_other_images_is_a_table_of_predictions(
    tmp_path: Path, readers: dict[str, ShardReader], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the columns of a run's; the log says accuracy and n. Its folder is made."""
    target = tmp_path / "tested" / "original" / "predictions.parquet"
    runs.write_test(target, readers["test"], PROBABILITIES)
    assert list(target.parent.iterdir()) == [target]
    own = write(tmp_path / "run", readers)["predictions"]
    assert target.read_bytes() == own.read_bytes()
    assert capsys.readouterr().out.splitlines()[0] == "test accuracy 0.7500 on 4 images"


def test_a_test_on_other_images_is_whole_or_absent(
    tmp_path: Path, readers: dict[str, ShardReader]
) -> None:
    """Where it cannot be written, the older table stays as it was."""
    target = tmp_path / "predictions.parquet"
    target.write_bytes(b"older")
    with pytest.raises(ValueError):
        runs.write_test(target, readers["test"], PROBABILITIES[:3])
    assert target.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [target.name]


@pytest.mark.parametrize("content", [b"", b"{", b'{"seed": 0, ', None])
def test_a_damaged_record_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A run.json that is cut off or absent is one line with its path."""
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}.*remove it") as error:
        records.read_run(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.5, None])
def test_damaged_predictions_are_named(
    tmp_path: Path, readers: dict[str, ShardReader], share: float | None
) -> None:
    """A predictions.parquet that is cut off or absent is one line with its path."""
    path = write(tmp_path / "run", readers)["predictions"]
    content = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=f"{path}.*remove it") as error:
        runs.read_predictions(path)
    assert "\n" not in str(error.value)


def test_the_record_is_plain_json(tmp_path: Path, readers: dict[str, ShardReader]) -> None:
    """Any program can read the record: it is JSON of this format's standard, in UTF-8."""
    text = write(tmp_path / "run", readers)["run"].read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["seed"] == 3
    assert text.endswith("\n")
    assert os.linesep == "\n" or "\r" not in text
