"""Features of a frozen network: the same as timm's own, of real images."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from jpegprep.common.errors import UserError
from jpegprep.images.images import codec
from jpegprep.learners import extraction
from jpegprep.learners.extraction import Known, extract_features
from jpegprep.learners.probe import load_features, load_record
from jpegprep.shards.shards import pack, writing_shard

RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 64,
    "batch_size": 4,
    "eval_crop": 1.0,
    "gpu_precision": "32-true",
}
ABOUT = {"dataset": "two", "variant": "original", "learner": "probe", "code": "0"}
COUNTS = {"train": 6, "val": 3, "test": 5}
Shards = dict[str, list[Path]]


@pytest.fixture(scope="module")
def files(patches: Callable[..., list[bytes]]) -> dict[str, list[bytes]]:
    """Return patches of a photograph, 64 px, for each split."""
    found = iter(patches("coffee.png", sum(COUNTS.values())))
    return {split: [next(found) for _ in range(count)] for split, count in COUNTS.items()}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, files: dict[str, list[bytes]]) -> Shards:
    """Return shards of the patches; those to train on in two tars."""
    folder = tmp_path_factory.mktemp("shards")
    found: Shards = {}
    for split, images in files.items():
        parts = [images[:4], images[4:]] if split == "train" else [images]
        found[split] = [folder / f"{split}-{k}.tar" for k in range(len(parts))]
        for k, (tar, part) in enumerate(zip(found[split], parts, strict=True)):
            with writing_shard(tar, "original", codec()) as writer:
                for i, data in enumerate(part):
                    writer.append(pack([(f"{split}-{k}-{i}", i % 2, data, data)]))
    return found


def extract(folder: Path, shards: Shards, weights: Path, **changes: Any) -> Path:
    """Extract features and return their file."""
    arguments = {"recipe": RECIPE, "about": ABOUT, "threads": 1, **changes}
    target = folder / "features" / "probe.npz"
    extract_features(shards, weights, target=target, **arguments)
    return target


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, shards: Shards, lite0: Path) -> Path:
    """Return a file of features."""
    return extract(tmp_path_factory.mktemp("features"), shards, lite0)


def test_features_are_timms_own(features: Path, files: dict[str, list[bytes]], lite0: Path) -> None:
    """They are what timm's model without a classifier gives for the images, in shard order."""
    model = timm.create_model(RECIPE["architecture"], pretrained=False).eval()
    model.load_state_dict(load_file(lite0))
    model.reset_classifier(0)
    found = load_features(features)
    assert list(found) == ["train", "val", "test"]
    for split, images in files.items():
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in images])
        # The statistics of these weights: 0.5 and 0.5.
        tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            expected = model(tensor).numpy()
        assert found[split].dtype == np.float32
        assert found[split].shape == (COUNTS[split], 1280)
        assert np.allclose(found[split], expected, atol=1e-4)
        assert np.abs(expected).max() > 1


def test_two_extractions_are_identical(
    tmp_path: Path, features: Path, shards: Shards, lite0: Path
) -> None:
    """For one machine and one number of threads, each number is the same."""
    again = load_features(extract(tmp_path, shards, lite0))
    assert all(np.array_equal(again[split], of) for split, of in load_features(features).items())


def test_threads_and_batches_change_no_feature(
    tmp_path: Path, features: Path, shards: Shards, lite0: Path
) -> None:
    """But for rounding, features depend on neither."""
    recipe = {**RECIPE, "batch_size": 5}
    other = load_features(extract(tmp_path, shards, lite0, recipe=recipe, threads=2))
    for split, of in load_features(features).items():
        assert np.allclose(other[split], of, atol=1e-4)


def test_the_record_says_how_they_were_made(features: Path) -> None:
    """Of what, from how many images, in which precision, on which machine."""
    record = load_record(features)
    assert {key: record[key] for key in ABOUT} == ABOUT
    assert record["recipe"] == RECIPE
    assert record["images"] == sum(COUNTS.values())
    assert record["precision"] == "32-true"
    assert record["versions"]["timm"] == timm.__version__
    assert record["device"]["threads"] == 1
    assert record["seconds"]["extract"] > 0


def test_a_line_says_how_many_images_how_fast(
    tmp_path: Path, shards: Shards, lite0: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the log and, without a bar where nobody watches, on standard error."""
    terminal = io.StringIO()
    extract(tmp_path, shards, lite0, terminal=terminal)
    line = terminal.getvalue()
    assert line.startswith("two/original/probe: features of 14 images, ")
    assert line.endswith(" images/s\n")
    assert capsys.readouterr().out == line


def test_features_are_whole_or_absent(
    tmp_path: Path, features: Path, shards: Shards, lite0: Path
) -> None:
    """Where an image is damaged, its shard is named, and older features stay as they were."""
    target = tmp_path / "features" / "probe.npz"
    target.parent.mkdir()
    target.write_bytes(features.read_bytes())
    tar = tmp_path / shards["test"][0].name
    content = bytearray(shards["test"][0].read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)
    index = shards["test"][0].with_suffix(".index.parquet")
    tar.with_suffix(".index.parquet").write_bytes(index.read_bytes())
    with pytest.raises(UserError, match=f"{tar}.*remove {tmp_path}: its shards"):
        extract(tmp_path, {**shards, "test": [tar]}, lite0)
    assert target.read_bytes() == features.read_bytes()
    assert list(target.parent.iterdir()) == [target]


def test_a_job_does_not_wait_for_lightning(python: Callable[..., Any]) -> None:
    """Importing it would take longer than many an extraction."""
    done = python("import sys, jpegprep.learners.extraction; print('lightning' in sys.modules)")
    assert done.stdout == "False\n"


def test_threads_change_nothing(
    tmp_path: Path, shards: Shards, lite0: Path, features: Path
) -> None:
    """Each image is computed alone: the same features, bit by bit."""
    two = load_features(extract(tmp_path, shards, lite0, threads=2))
    for split, array in load_features(features).items():
        assert (two[split] == array).all()


def test_what_is_known_is_not_computed_again(
    tmp_path: Path, shards: Shards, lite0: Path, features: Path
) -> None:
    """A file of equal bytes has the original's features, without a look at its pixels."""
    known: Known = {}
    extract(tmp_path / "first", shards, lite0, known=known)
    assert len(known) == sum(COUNTS.values())
    for found in known.values():
        found[:] = 7
    about = {**ABOUT, "variant": "jpeg-q90-smaller"}
    again = load_features(extract(tmp_path / "again", shards, lite0, known=known, about=about))
    assert all((array == 7).all() for array in again.values())


@pytest.mark.parametrize("broken", ["refuses", "differs"])
def test_a_network_that_onnx_runtime_does_not_compute_is_pytorchs(
    tmp_path: Path,
    shards: Shards,
    lite0: Path,
    features: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str,
) -> None:
    """One that cannot be exported, and one that computes something else; the log says so."""

    def exported(backbone: Any, size: int) -> Any:
        if broken == "refuses":
            raise ValueError("no such operator\nand more")
        return lambda pixels: np.random.default_rng(0).normal(size=(1, 1280)).astype(np.float32)

    monkeypatch.setattr(extraction, "_exported", exported)
    found = extract(tmp_path, shards, lite0)
    assert "computes by PyTorch; ONNX Runtime" in capsys.readouterr().out
    assert load_record(found)["engine"].startswith("PyTorch ")
    assert load_record(features)["engine"].startswith("ONNX Runtime ")
    for split, array in load_features(found).items():
        np.testing.assert_allclose(array, load_features(features)[split], atol=1e-3)
