"""What the workflow keeps is never taken as good once a bit of it has flipped, or it was cut."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.common import records
from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of, write_json
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.datasets.hub import sidecar_of, verified_weights
from jpegprep.images.images import codec
from jpegprep.learners import runs
from jpegprep.learners.probe import load_features, load_record
from jpegprep.shards.shards import ShardReader, index_of, pack, writing_shard

FLIPS, CUTS = 60, 10
LABELS = np.arange(40) % 3
Reader = Callable[[Path], Any]


def _run(folder: Path, readers: dict[str, ShardReader]) -> None:
    """Write a run's files."""
    names = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
    row = {"epoch": 1, "val_accuracy": 0.5, **dict.fromkeys(runs.HISTORY[1:4], 1.25)}
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), len(LABELS))
    runs.write_run(
        {Path(name).stem: folder / name for name in names},
        readers,
        [row | dict.fromkeys(runs.HISTORY[5:], 2.0)],
        probabilities.astype(np.float32),
        lambda path: path.write_bytes(bytes(range(256))),
        {"dataset": "d", "variant": "original", "learner": "l", "seed": 0},
        threads=1,
        gpu=False,
    )


def _images(shard: Path) -> list[bytes]:
    """Return every image of a shard."""
    reader = ShardReader([shard])
    return [reader.image(i) for i in range(len(reader))]


def _table(path: Path) -> list[Any]:
    return read_parquet(path).to_pylist()


def _history(path: Path) -> Any:
    return records.read_history(path).to_numpy().tolist()


def _predictions(path: Path) -> Any:
    return runs.read_predictions(path).to_numpy().tolist()


def _model(path: Path) -> bytes:
    return records.verified(path).read_bytes()


def _features(path: Path) -> Any:
    found = {split: features.tolist() for split, features in load_features(path).items()}
    return found, load_record(path)


def _weights(path: Path) -> bytes:
    return verified_weights(path).read_bytes()


def _index(path: Path) -> Any:
    reader = ShardReader([path.with_name(path.name.replace(".index.parquet", ".tar"))])
    return reader.keys.tolist(), reader.labels.tolist(), reader.checksum(), reader.encoders


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Path:
    """Return a folder with one file of each kind."""
    folder = tmp_path_factory.mktemp("files")
    shard = folder / "train-0.tar"
    with writing_shard(shard, "original", codec()) as writer:
        for i, data in enumerate(patches("coffee.png", len(LABELS))):
            writer.append(pack([(f"image-{i}", int(LABELS[i]), data, data)]))
    _run(folder, {split: ShardReader([shard]) for split in ("train", "val", "test")})
    table = pd.DataFrame({"key": [f"a/{i}" for i in LABELS], "split": "train", "label": LABELS})
    write_parquet(table, folder / "split.parquet")
    weights = folder / "weights.safetensors"
    weights.write_bytes(np.random.default_rng(1).bytes(4000))
    write_json(sidecar_of(weights), {"sha256": sha256_of(weights)})
    features = {split: np.eye(9, dtype=np.float32) for split in ("train", "val", "test")}
    with (folder / "features.npz").open("wb") as file:
        np.savez(file, record=np.array('{"images": 27}'), **features)  # type: ignore[arg-type]
    return folder


READERS: dict[str, Reader] = {
    "train-0.tar": _images,
    index_of("train-0.tar").name: _index,
    "split.parquet": _table,
    "predictions.parquet": _predictions,
    "history.csv": _history,
    "run.json": records.read_run,
    "model.safetensors": _model,
    "weights.safetensors": _weights,
    "features.npz": _features,
}


@pytest.mark.parametrize("name", READERS)
def test_damage_is_refused_or_changes_nothing(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of many random flips and cuts is an error that names the file, or is of no account.

    Of no account: the padding of a tar, what a Parquet file says about its writer.
    """
    path, read = folder / name, READERS[name]
    whole, expected = path.read_bytes(), read(path)
    rng = random.Random(name)
    damaged = [bytearray(whole) for _ in range(FLIPS)]
    for content in damaged:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    damaged += [bytearray(whole[: rng.randrange(len(whole))]) for _ in range(CUTS)]
    refused = 0
    try:
        for content in damaged:
            path.write_bytes(content)
            try:
                assert read(path) == expected
            except UserError as error:
                assert str(path) in str(error) or str(path.with_suffix("")) in str(error)
                refused += 1
    finally:
        path.write_bytes(whole)
    print(f"{name}: {refused} of {len(damaged)} refused, the others harmless")
    assert refused >= CUTS // 2
