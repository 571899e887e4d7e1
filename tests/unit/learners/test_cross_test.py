"""Models tested at all ratios: each prediction is what the model alone predicts."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from jpegprep.common.errors import UserError
from jpegprep.common.layout import index_of
from jpegprep.common.parquet import write_parquet
from jpegprep.datasets.weights import pretrained_model, save_weights
from jpegprep.images.images import codec
from jpegprep.learners.cross_test import cross_test_probe, cross_test_timm
from jpegprep.learners.extraction import extract_features
from jpegprep.learners.probe import train
from jpegprep.learners.runs import read_predictions
from jpegprep.learners.timm_learner import predict_variant
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard

RATIOS = [1.0, 0.3, 0.1]
VARIANTS = ["original", "jpeg-q30", "jpeg-q10"]
PHOTOS = ("coffee.png", "gravel.png", "grass.png")
COUNTS = {"train": 5, "val": 2, "test": 4}  # images of each photograph
RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 48,
    "batch_size": 5,
    "eval_crop": 0.9,
    "gpu_precision": "16-mixed",
    "epochs": 1,
    "regularization": [0.1, 1.0],
}
Shards = dict[str, dict[str, list[Path]]]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return the shards of each variant and split: patches of three photographs."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, sum(COUNTS.values()))) for name in PHOTOS]
    found: Shards = {variant: {} for variant in VARIANTS}
    for split, count in COUNTS.items():
        original, *others = (folder / variant / f"{split}-0.tar" for variant in VARIANTS)
        with writing_shard(original, "original", codec()) as writer:
            for label, images in enumerate(files):
                for i in range(count):
                    data = next(images)
                    writer.append(pack([(f"{label}-{split}-{i}", label, data, data)]))
        for variant, tar in zip(VARIANTS[1:], others, strict=True):
            treat_shard(original, variant, tar)
        for variant, tar in zip(VARIANTS, (original, *others), strict=True):
            found[variant][split] = [tar]
    return found


def of_each(shards: Shards) -> list[Path]:
    """Return the folder of each variant's shards."""
    return [shards[variant]["test"][0].parent for variant in VARIANTS]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory, lite0: Path) -> list[Path]:
    """Return three networks, pretrained, each with a random classifier of its own."""
    folder = tmp_path_factory.mktemp("networks")
    models = []
    for seed, variant in enumerate(VARIANTS):
        torch.manual_seed(seed)
        model = pretrained_model(RECIPE["architecture"], lite0, len(PHOTOS))
        models.append(folder / variant / "model.safetensors")
        models[-1].parent.mkdir()
        save_weights(model.state_dict(), models[-1])
    return models


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, networks: list[Path], shards: Shards
) -> list[list[Path]]:
    """Return what the trainer's own test predicts: for each network, of each variant."""
    made = tmp_path_factory.mktemp("alone")
    found = []
    for i, model in enumerate(networks):
        found.append([made / f"{i}-{variant}.parquet" for variant in VARIANTS])
        for folder, target in zip(of_each(shards), found[-1], strict=True):
            predict_variant(folder, model, RECIPE, len(PHOTOS), target, threads=1)
    return found


def diagonal(files: list[list[Path]]) -> list[Path]:
    """Return the predictions of each model on images of its own ratio."""
    return [row[i] for i, row in enumerate(files)]


def run_networks(
    target: Path,
    networks: list[Path],
    shards: Sequence[Path],
    predictions: list[Path],
) -> Path:
    """Test the networks at all ratios."""
    cross_test_timm(RATIOS, networks, shards, predictions, RECIPE, len(PHOTOS), target, threads=1)
    return target


def cells(path: Path) -> dict[tuple[float, float], pd.DataFrame]:
    """Return the rows of each (trained, tested)."""
    table = pd.read_parquet(path)
    columns = ["trained", "tested", "key", "label", "predicted", "fold", "group"]
    assert table.columns.tolist() == columns
    return {
        (trained, tested): rows.drop(columns=["trained", "tested"]).reset_index(drop=True)
        for (trained, tested), rows in table.groupby(["trained", "tested"], sort=False)
    }


def test_every_pair_is_what_the_trainer_predicts(
    tmp_path: Path, networks: list[Path], shards: Shards, alone: list[list[Path]]
) -> None:
    """Each model's predictions at each ratio are those of the trainer's own test, row by row."""
    target = run_networks(tmp_path / "t.parquet", networks, of_each(shards), diagonal(alone))
    found = cells(target)
    assert list(found) == [(a, b) for a in RATIOS for b in RATIOS]
    for i, trained in enumerate(RATIOS):
        for j, tested in enumerate(RATIOS):
            expected = read_predictions(alone[i][j])
            pd.testing.assert_frame_equal(found[trained, tested], expected)
    # The networks do differ, so that a mix-up would show.
    labels = [found[ratio, 1.0]["predicted"].tolist() for ratio in RATIOS]
    assert len({tuple(column) for column in labels}) == len(RATIOS)


def changed(path: Path, target: Path, images: int) -> Path:
    """Copy predictions, with another class for some images."""
    table = pq.read_table(path)
    predicted = table["predicted"].to_numpy().copy()
    predicted[:images] = (predicted[:images] + 1) % len(PHOTOS)
    i = table.schema.get_field_index("predicted")
    pq.write_table(table.set_column(i, "predicted", pa.array(predicted)), target)
    return target


def test_one_image_may_differ_from_the_run_and_is_told(
    tmp_path: Path,
    networks: list[Path],
    shards: Shards,
    alone: list[list[Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another device may flip an image: the log names the run and says how many."""
    predictions = diagonal(alone)
    predictions[1] = changed(predictions[1], tmp_path / "run.parquet", 1)
    run_networks(tmp_path / "t.parquet", networks, of_each(shards), predictions)
    assert f"{predictions[1]}: its model now predicts another class for 1 of 12" in (
        capsys.readouterr().out
    )
    assert (tmp_path / "t.parquet").exists()


def test_a_model_that_is_not_the_runs_is_named(
    tmp_path: Path, networks: list[Path], shards: Shards, alone: list[list[Path]]
) -> None:
    """Where the model predicts something else than its run did, one line says which run."""
    predictions = diagonal(alone)
    predictions[2] = changed(predictions[2], tmp_path / "run.parquet", 2)
    with pytest.raises(UserError, match=r"run\.parquet: .* 2 of 12 images; .* made again"):
        run_networks(tmp_path / "t.parquet", networks, of_each(shards), predictions)
    assert not (tmp_path / "t.parquet").exists()


def test_shards_of_other_images_are_named(
    tmp_path: Path, networks: list[Path], shards: Shards, alone: list[list[Path]]
) -> None:
    """Test shards of one ratio that hold other images than the original's are an error."""
    tests = of_each(shards)
    tests[1] = tmp_path / "jpeg-q30"
    tests[1].mkdir()
    tar = shards["jpeg-q30"]["val"][0]
    for file in (tar, index_of(tar)):
        shutil.copy(file, tests[1] / file.name.replace("val", "test"))
    with pytest.raises(UserError, match=r"jpeg-q30: .* original; remove the folder"):
        run_networks(tmp_path / "t.parquet", networks, tests, diagonal(alone))


def test_predictions_of_other_images_are_named(
    tmp_path: Path, networks: list[Path], shards: Shards, alone: list[list[Path]]
) -> None:
    """A run that was tested on other images than the shards' is an error that names it."""
    predictions = diagonal(alone)
    old = tmp_path / "old.parquet"
    pq.write_table(pq.read_table(predictions[0]).slice(1), old)
    with pytest.raises(UserError, match=r"old\.parquet: .* other images .* made again"):
        run_networks(tmp_path / "t.parquet", networks, of_each(shards), [old, *predictions[1:]])


def imported(package: Path, module: str) -> set[str]:
    """Return what a module of the package imports, in functions too, directly or not."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        source = package.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        found |= set(re.findall(r"^\s*(?:import|from) (\w+)", source, re.M))
        modules = re.findall(r"^\s*from jpegprep\.([\w.]+) import (.*)", source, re.M)
        for place, names in modules:
            if package.joinpath(*place.split(".")).is_dir():
                waiting |= {f"{place}.{name.strip()}" for name in names.split(",")} - found
            else:
                waiting |= {place} - found
    return found


def test_the_trainer_is_not_loaded(root: Path) -> None:
    """The job needs neither the trainer nor Lightning, whose import takes seconds."""
    package = root / "workflow" / "scripts" / "jpegprep"
    found = imported(package, "learners.cross_test")
    assert {"torch", "datasets.weights", "learners.probe"} <= found
    assert not {"lightning", "learners.timm_learner", "learners.fitting"} & found
    assert {"lightning", "datasets.weights"} <= imported(package, "learners.timm_learner")


def everything(splits: Mapping[str, Sequence[Path]]) -> ShardReader:
    """Return all images, split by split."""
    return ShardReader([tar for split in ("train", "val", "test") for tar in splits[split]])


@pytest.fixture(scope="module")
def probes(
    tmp_path_factory: pytest.TempPathFactory, shards: Shards, lite0: Path
) -> dict[str, list[Path]]:
    """Return features of each variant, and a probe trained on each: model and predictions."""
    folder = tmp_path_factory.mktemp("probes")
    found: dict[str, list[Path]] = {"features": [], "model": [], "predictions": []}
    for variant, splits in shards.items():
        about = {"dataset": "three", "variant": variant, "learner": "probe", "code": "0"}
        features = folder / f"{variant}.npz"
        extract_features(splits, lite0, RECIPE, about, features, threads=1)
        outputs = {
            "history": [folder / variant / "history.csv"],
            "predictions": [folder / variant / "predictions.parquet"],
            "run": [folder / variant / "run.json"],
            "model": [folder / variant / "model.npz"],
        }
        groups = folder / "groups.parquet"
        keys = everything(splits).keys.tolist()
        write_parquet(pd.DataFrame({"key": keys, "group": range(len(keys))}), groups)
        list(train(features, splits, groups, RECIPE, len(PHOTOS), about, [0], outputs, threads=1))
        found["features"].append(features)
        found["model"] += outputs["model"]
        found["predictions"] += outputs["predictions"]
    return found


def test_probes_meet_the_features_of_each_ratio(
    tmp_path: Path, shards: Shards, probes: dict[str, list[Path]]
) -> None:
    """An image's class is the greatest logit of its fold's regression, computed by hand."""
    target = tmp_path / "t.parquet"
    folder = shards["original"]["test"][0].parent
    files = (probes["model"], probes["features"], folder, probes["predictions"])
    cross_test_probe(RATIOS, *files, target)
    found = cells(target)
    reader = everything(shards["original"])
    for i, trained in enumerate(RATIOS):
        for j, tested in enumerate(RATIOS):
            rows = found[trained, tested]
            with np.load(probes["model"][i]) as model, np.load(probes["features"][j]) as features:
                images = np.concatenate([features[s] for s in ("train", "val", "test")])
                k = model["fold"]
                scaled = (images - model["mean"][k]) / model["scale"][k]
                logits = np.einsum("nd,ncd->nc", scaled, model["coefficients"][k])
                logits += model["intercept"][k]
            assert rows["key"].tolist() == reader.keys.tolist()
            assert rows["label"].tolist() == reader.labels.tolist()
            assert rows["predicted"].tolist() == logits.argmax(axis=1).tolist()
        own = read_predictions(probes["predictions"][i])
        pd.testing.assert_frame_equal(found[trained, trained], own)


def test_features_of_other_images_are_named(
    tmp_path: Path, shards: Shards, probes: dict[str, list[Path]]
) -> None:
    """Features of another number of images than the shards' are an error that names them."""
    images = len(everything(shards["original"]))
    tar = shards["original"]["val"][0]
    for split in ("train", "val", "test"):
        for file in (tar, index_of(tar)):
            shutil.copy(file, tmp_path / file.name.replace("val", split))
    files = (probes["model"], probes["features"], tmp_path)
    with pytest.raises(UserError, match=rf"original\.npz: has {images} images, .* 18; remove"):
        cross_test_probe(RATIOS, *files, probes["predictions"], tmp_path / "t.parquet")
