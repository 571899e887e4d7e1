"""Probes: runs from real features, against scikit-learn's own pipeline on the other folds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jpegprep.common.errors import UserError
from jpegprep.common.layout import SPLITS
from jpegprep.common.parquet import write_parquet
from jpegprep.images.images import codec
from jpegprep.learners import runs
from jpegprep.learners.extraction import extract_features
from jpegprep.learners.folds import folds_of
from jpegprep.learners.probe import (
    all_features,
    load_features,
    load_record,
    predict_features,
    predict_variant,
    train,
)
from jpegprep.shards.shards import ShardReader, pack, writing_shard

RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 64,
    "batch_size": 16,
    "eval_crop": 1.0,
    "gpu_precision": "32-true",
    "regularization": [0.1, 1e-9],
}
ABOUT = {"dataset": "photos", "variant": "original", "learner": "probe", "code": "0"}
CLASSES = 4
PHOTOS = ("coffee.png", "gravel.png", "grass.png", "brick.png")
# Images of each class; of the last there is one, which no regression that tests it has seen.
COUNTS = {"train": (20, 8, 6, 0), "val": (4, 4, 4, 0), "test": (5, 5, 5, 1)}
IMAGES = sum(map(sum, COUNTS.values()))
FOLDS = 5
Shards = dict[str, list[Path]]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return shards of patches of four photographs."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, 40)) for name in PHOTOS]
    found: Shards = {}
    for split, counts in COUNTS.items():
        found[split] = [folder / f"{split}-0.tar"]
        with writing_shard(found[split][0], "original", codec()) as writer:
            for label, count in enumerate(counts):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"class{label}-{split}-{i}", label, data, data)]))
    return found


def groups_of(shards: Shards, path: Path) -> Path:
    """Write the groups of all images, each of which is one of its own."""
    keys = everything(shards).keys.tolist()
    write_parquet(pd.DataFrame({"key": keys, "group": np.arange(len(keys))}), path)
    return path


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, shards: Shards, lite0: Path) -> Path:
    """Return the file of their features."""
    target = tmp_path_factory.mktemp("features") / "probe.npz"
    extract_features(shards, lite0, RECIPE, ABOUT, target, threads=1)
    return target


def make_runs(
    folder: Path, features: Path, shards: Shards, seeds: list[int], **changes: Any
) -> list[dict[str, Path]]:
    """Train and return the paths of each seed's files."""
    names = ("history.csv", "predictions.parquet", "run.json", "model.npz")
    found = [
        {name.partition(".")[0]: folder / f"seed{seed}" / name for name in names} for seed in seeds
    ]
    outputs = {name: [files[name] for files in found] for name in found[0]}
    folder.mkdir(exist_ok=True, parents=True)
    arguments = {"recipe": RECIPE, "classes": CLASSES, "about": ABOUT, "threads": 1, **changes}
    groups = groups_of(shards, folder / "groups.parquet")
    for _ in train(features, shards, groups, seeds=seeds, outputs=outputs, **arguments):
        pass
    return found


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, features: Path, shards: Shards
) -> list[dict[str, Path]]:
    """Return the runs of two seeds."""
    return make_runs(tmp_path_factory.mktemp("runs"), features, shards, [0, 3])


def probabilities_of(result: dict[str, Path]) -> npt.NDArray[np.float32]:
    """Return the probabilities that a run predicted, (n, classes)."""
    table = pq.read_table(result["predictions"])
    return np.array(table["probabilities"].to_pylist(), dtype=np.float32)


def record_of(result: dict[str, Path]) -> dict[str, Any]:
    """Return the record of a run."""
    return json.loads(result["run"].read_text(encoding="utf-8"))


def everything(shards: Shards) -> ShardReader:
    """Return all images, split by split."""
    return ShardReader([tar for split in SPLITS for tar in shards[split]])


def save(path: Path, features: Path, **arrays: npt.NDArray[np.float32]) -> Path:
    """Write a file of features with other numbers, and return its path."""
    with path.open("wb") as file:
        np.savez(file, record=np.array(json.dumps(load_record(features))), **arrays)
    return path


def pipelines(
    features: Path, labels: npt.NDArray[np.int64], fold: npt.NDArray[np.int64], strength: float
) -> npt.NDArray[np.float64]:
    """Return the probabilities of scikit-learn's pipeline, trained on the other folds."""
    arrays = all_features(features).astype(np.float64)
    found = np.zeros((len(labels), labels.max() + 1))
    for k in range(FOLDS):
        pipeline = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, tol=1e-6, max_iter=10_000)
        )
        pipeline.fit(arrays[fold != k], labels[fold != k])
        known = pipeline.classes_
        found[np.ix_(fold == k, known)] = pipeline.predict_proba(arrays[fold == k])
    return found


def fold_of(result: dict[str, Path]) -> npt.NDArray[np.int64]:
    """Return the fold of each image, as the predictions say it."""
    return pq.read_table(result["predictions"])["fold"].to_numpy()


def test_a_run_leaves_its_files_and_no_others(results: list[dict[str, Path]]) -> None:
    """History, predictions, record and model are there for each seed, whole."""
    for result in results:
        assert sorted(result["run"].parent.iterdir()) == sorted(result.values())
        assert result["history"].read_text() == ",".join(runs.HISTORY) + "\n"


@pytest.mark.parametrize("i", [0, 1])
def test_predictions_are_those_of_scikit_learns_pipeline(
    results: list[dict[str, Path]], features: Path, shards: Shards, i: int
) -> None:
    """Every image's by the regression of the other folds, with the C that was chosen."""
    found, record, labels = probabilities_of(results[i]), record_of(results[i]), everything(shards)
    expected = pipelines(features, labels.labels, fold_of(results[i]), record["C"])
    # Where the solver stops within its tolerance depends on the processor: 0.002 with AVX2, 0.007
    # with AVX-512 have been seen.
    assert np.allclose(found, expected, atol=1e-2)
    # These classes are easy, but for the one whose image nobody has seen.
    known = labels.labels < 3
    assert (found.argmax(1) == labels.labels)[known].mean() > 0.7


def test_every_image_is_tested_once(results: list[dict[str, Path]], shards: Shards) -> None:
    """All splits are, in their order; each class is divided evenly among the folds."""
    labels = everything(shards).labels
    for result in results:
        table = pq.read_table(result["predictions"])
        assert table["key"].to_pylist() == everything(shards).keys.tolist()
        counts = np.zeros((CLASSES, FOLDS), int)
        np.add.at(counts, (labels, fold_of(result)), 1)
        assert (np.ptp(counts, axis=1) <= 1).all()
        assert record_of(result)["test"]["n"] == IMAGES


def test_two_classes_are_those_of_scikit_learns_pipeline(
    tmp_path: Path, features: Path, shards: Shards
) -> None:
    """Where scikit-learn has one row of coefficients, so do probabilities of both classes."""
    arrays = load_features(features)
    few = {
        split: [write_few(tmp_path / f"{split}-0.tar", ShardReader(tars))]
        for split, tars in shards.items()
    }
    labels = {split: ShardReader(tars).labels for split, tars in shards.items()}
    two = save(tmp_path / "two.npz", features, **{s: a[labels[s] < 2] for s, a in arrays.items()})
    (result,) = make_runs(tmp_path, two, few, [0], classes=2)
    strength = record_of(result)["C"]
    expected = pipelines(two, everything(few).labels, fold_of(result), strength)
    assert np.allclose(probabilities_of(result), expected, atol=1e-2)
    assert np.ptp(expected[:, 1]) > 0.5


def write_few(tar: Path, reader: ShardReader) -> Path:
    """Write a shard of the first two classes."""
    with writing_shard(tar, "original", codec()) as writer:
        for i in np.flatnonzero(reader.labels < 2):
            data = reader.image(i)
            writer.append(pack([(str(reader.keys[i]), int(reader.labels[i]), data, data)]))
    return tar


def test_an_image_whose_class_nobody_has_seen_is_counted_as_wrong(
    results: list[dict[str, Path]], shards: Shards
) -> None:
    """Its class has probability 0; probabilities sum to 1."""
    alone = np.flatnonzero(everything(shards).labels == 3)
    for result in results:
        found = probabilities_of(result)
        assert found.shape == (IMAGES, CLASSES)
        assert (found[alone, 3] == 0).all()
        assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
        assert record_of(result)["test"]["accuracy"] <= 1 - 1 / IMAGES


def test_a_model_predicts_what_its_run_predicted(
    tmp_path: Path, results: list[dict[str, Path]], features: Path
) -> None:
    """On its own features bit by bit; features of other images are refused."""
    images = all_features(features)
    for result in results:
        found = predict_features(result["model"], images)
        assert found.dtype == np.float32
        assert np.array_equal(found, probabilities_of(result))
    with pytest.raises(UserError, match="is of .* images, not of 3"):
        predict_features(results[0]["model"], images[:3])


def test_a_model_is_tested_on_other_images(
    tmp_path: Path, results: list[dict[str, Path]], features: Path, shards: Shards
) -> None:
    """On its own variant the predictions are the run's; on other features each fold's model's."""
    folder = shards["train"][0].parent
    for result in results:
        predict_variant(folder, features, result["model"], tmp_path / "same.parquet")
        expected = pd.read_parquet(result["predictions"]).drop(columns="probabilities")
        same = pd.read_parquet(tmp_path / "same.parquet").drop(columns="probabilities")
        pd.testing.assert_frame_equal(same, expected.assign(group=-1))  # which only runs know
        with np.load(features) as file:
            arrays = dict(file)
        other = {split: -arrays[split] for split in SPLITS}
        np.savez(tmp_path / "other.npz", **{**arrays, **other})
        predict_variant(folder, tmp_path / "other.npz", result["model"], tmp_path / "o.parquet")
        found = pd.read_parquet(tmp_path / "o.parquet")
        probabilities = predict_features(result["model"], all_features(tmp_path / "other.npz"))
        assert found["predicted"].tolist() == probabilities.argmax(axis=1).tolist()
        assert found["predicted"].tolist() != expected["predicted"].tolist()
        assert found["fold"].tolist() == expected["fold"].tolist()


def test_features_of_other_images_are_not_tested(
    tmp_path: Path, results: list[dict[str, Path]], features: Path, shards: Shards
) -> None:
    """Features of fewer images than the shards hold are one line that names the file."""
    with np.load(features) as file:
        arrays = dict(file)
    np.savez(tmp_path / "few.npz", **{**arrays, "test": arrays["test"][1:]})
    with pytest.raises(UserError, match=rf"few\.npz: has {IMAGES - 1} images, .* {IMAGES}; remove"):
        predict_variant(
            shards["train"][0].parent, tmp_path / "few.npz", results[0]["model"], tmp_path / "o"
        )


def test_two_trainings_are_identical(
    tmp_path: Path, results: list[dict[str, Path]], features: Path, shards: Shards
) -> None:
    """Whatever seeds and threads the job has, a seed's predictions and model are the same."""
    again = make_runs(tmp_path, features, shards, [5, 3, 0], threads=2)
    for name in ("predictions", "model"):
        for i, j in ((2, 0), (1, 1)):
            assert again[i][name].read_bytes() == results[j][name].read_bytes()


def test_equal_features_are_not_fitted_again(
    tmp_path: Path,
    features: Path,
    shards: Shards,
    results: list[dict[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variant that changes no image has the originals' regressions; another one its own."""
    known: Any = {}
    make_runs(tmp_path / "original", features, shards, [0, 3], known=known)
    fitted: list[int] = []
    from jpegprep.learners import probe

    models = probe.regressions
    monkeypatch.setattr(probe, "regressions", lambda *args: fitted.append(1) or models(*args))
    about = {**ABOUT, "variant": "jpeg-q90-smaller"}
    same = make_runs(tmp_path / "same", features, shards, [0, 3], known=known, about=about)
    assert not fitted
    for one, other in zip(same, results, strict=True):
        assert (probabilities_of(one) == probabilities_of(other)).all()
    changed = {split: 2 * part for split, part in load_features(features).items()}
    changed["train"][0] += 1
    others = save(tmp_path / "others.npz", features, **changed)
    make_runs(tmp_path / "changed", others, shards, [0], known=known, about=about)
    assert len(fitted) == 1 + FOLDS and len(known) == 1


def test_seeds_differ(results: list[dict[str, Path]]) -> None:
    """Other folds are other models."""
    assert not np.array_equal(*map(probabilities_of, results))


def test_folds_keep_groups_together_and_divide_classes_evenly() -> None:
    """Another seed divides otherwise; the same one the same."""
    labels = np.tile([0, 1, 1, 2], 500)
    groups = np.arange(2000)
    groups[4:400:4] = 0  # a hundred files of equal bytes, of class 0
    fold = folds_of(labels, groups, 5, 7)
    assert len(set(fold[groups == 0])) == 1
    counts = np.zeros((3, 5), int)
    np.add.at(counts, (labels, fold), 1)
    assert np.ptp(counts, axis=1).max() <= 2
    assert np.array_equal(fold, folds_of(labels, groups, 5, 7))
    assert not np.array_equal(fold, folds_of(labels, groups, 5, 8))


def test_neighbours_that_are_alike_stand_in_one_fold() -> None:
    """In their order a fold is a run of each class's images, but for where it begins."""
    labels = np.repeat([0, 1], [50, 60])
    places = np.arange(110)
    shuffled = np.random.default_rng(0).permutation(110)
    found = np.empty(110, dtype=np.int64)
    found[shuffled] = folds_of(labels[shuffled], shuffled, 5, 3, places[shuffled])
    for label, size in ((0, 10), (1, 12)):
        of_class = found[labels == label]
        assert np.bincount(of_class).tolist() == [size] * 5
        assert np.count_nonzero(np.diff(of_class)) in (4, 5)
    assert not np.array_equal(found, folds_of(labels, places, 5, 4, places))


def test_cross_entropy_chooses_c(
    tmp_path: Path, results: list[dict[str, Path]], features: Path, shards: Shards
) -> None:
    """Too strong a regularization leaves every class about as probable as the others."""
    assert [record_of(result)["C"] for result in results] == [0.1, 0.1]
    recipe = {**RECIPE, "regularization": [1e-9]}
    (strong,) = make_runs(tmp_path / "strong", features, shards, [0], recipe=recipe)
    assert record_of(strong)["C"] == 1e-9
    assert probabilities_of(strong).max() < 0.6 < np.median(probabilities_of(results[0]).max(1))


def test_the_record_says_what_a_run_is(
    results: list[dict[str, Path]], features: Path, shards: Shards
) -> None:
    """Which run, by which recipe, on how many features, at what cost, on a CPU."""
    for seed, result in zip((0, 3), results, strict=True):
        record = record_of(result)
        assert {key: record[key] for key in (*ABOUT, "seed")} == {**ABOUT, "seed": seed}
        assert record["recipe"] == RECIPE
        assert record["features"] == 1280
        assert record["tested_epoch"] is None
        assert record["precision"] == "32-true"
        assert record["extraction"] == load_record(features)
        assert record["device"]["kind"] == "cpu"
        assert set(record["seconds"]) == {"setup", "fit", "test"}
        files = sum(ShardReader(tars).image_bytes for tars in shards.values())
        assert record["bytes_read"] == files  # once, for the features


def test_a_seed_is_told_when_its_files_are_there(
    tmp_path: Path, features: Path, shards: Shards
) -> None:
    """So progress counts runs while others of the job are still to come."""
    folders = [tmp_path / str(seed) for seed in (1, 2)]
    names = ("history", "predictions", "run", "model")
    outputs = {name: [folder / name for folder in folders] for name in names}
    there = []
    groups = groups_of(shards, tmp_path / "groups.parquet")
    for run in train(features, shards, groups, RECIPE, CLASSES, ABOUT, [1, 2], outputs, 1):
        there.append((run["seed"], [folder.exists() for folder in folders]))
    assert there == [(1, [True, False]), (2, [True, True])]


def test_constant_features_are_harmless(tmp_path: Path, features: Path, shards: Shards) -> None:
    """What is the same in all images counts for nothing."""
    arrays = load_features(features)
    (plain,) = make_runs(tmp_path / "plain", features, shards, [0])
    for split, value in (("train", 0.1), ("val", 0.1), ("test", 0.1)):
        column = np.full((len(arrays[split]), 1), value, dtype=np.float32)
        arrays[split] = np.hstack([arrays[split], column])
    wider = save(tmp_path / "wider.npz", features, **arrays)
    (result,) = make_runs(tmp_path / "wider", wider, shards, [0])
    with np.load(result["model"]) as model:
        assert (model["scale"][:, -1] == 1).all()
        assert (model["coefficients"][:, :, -1] == 0).all()
    found, expected = probabilities_of(result), probabilities_of(plain)
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert np.allclose(found, expected, atol=0.02)  # sums in another order


@pytest.mark.parametrize("damage", ["absent", "empty", "cut off", "a bit", "another file"])
@pytest.mark.parametrize("kind", ["features", "model"])
def test_a_damaged_file_is_named(
    tmp_path: Path, results: list[dict[str, Path]], features: Path, kind: str, damage: str
) -> None:
    """What is no file of features, or no model, is one line with its path and what to do."""
    content = bytearray({"features": features, "model": results[0]["model"]}[kind].read_bytes())
    path = tmp_path / "damaged.npz"
    if damage == "empty":
        content = bytearray()
    elif damage == "cut off":
        content = content[: len(content) // 2]
    elif damage == "a bit":
        content[len(content) // 2] ^= 1
    elif damage == "another file":
        content = bytearray(results[0]["run"].read_bytes())
    if damage != "absent":
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}.*remove it") as error:
        if kind == "features":
            load_features(path)
        else:
            predict_features(path, all_features(features))
    assert "\n" not in str(error.value)


def test_a_job_does_not_wait_for_torch(
    tmp_path: Path, features: Path, shards: Shards, python: Callable[..., Any]
) -> None:
    """Importing it would take longer than the regressions; and no number depends on it."""
    code = """
import json, sys
from jpegprep.learners.probe import train
features, shards, groups, recipe, about, outputs = map(json.loads, sys.argv[1:])
list(train(features, shards, groups, recipe, 4, about, [0], outputs, 1))
print("torch" in sys.modules)
"""
    outputs = {name: [f"{tmp_path}/{name}"] for name in ("history", "predictions", "run", "model")}
    tars = {split: [str(paths[0])] for split, paths in shards.items()}
    groups = groups_of(shards, tmp_path / "groups.parquet")
    arguments = (str(features), tars, str(groups), RECIPE, ABOUT)
    done = python(code, *map(json.dumps, (*arguments, outputs)))
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_groups_of_other_images_are_named(tmp_path: Path, features: Path, shards: Shards) -> None:
    """An image that it lacks would silently be in another one's fold."""
    groups = tmp_path / "groups.parquet"
    write_parquet(pd.DataFrame({"key": ["other"], "group": [0]}), groups)
    outputs = {name: [tmp_path / name] for name in ("history", "predictions", "run", "model")}
    with pytest.raises(UserError, match=f"{groups}: lacks class0-train-0, .*; remove it"):
        list(train(features, shards, groups, RECIPE, CLASSES, ABOUT, [0], outputs, 1))
