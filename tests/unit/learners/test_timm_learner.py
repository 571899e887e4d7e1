"""The trainer: small real runs, from shards and real weights to predictions."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import timm
import torch
import trainings

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of
from jpegprep.common.parquet import write_parquet
from jpegprep.images.images import codec, decode
from jpegprep.images.recompress import encoder
from jpegprep.learners import runs
from jpegprep.learners.timm_learner import predict_variant, train
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard

Shards = dict[str, list[Path]]
SIZES = {"train": (24, 24), "val": (8, 8), "test": (8, 8)}
RECIPE: dict[str, Any] = {**trainings.RECIPE, "image_size": 64, "epochs": 2, "batch_size": 6}
STEPS_AN_EPOCH = 8  # 48 images in batches of 6


@pytest.fixture(scope="module")
def shards(
    tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]
) -> dict[str, Shards]:
    """Return the shards of two variants: patches of 64 px from two photographs."""
    folder = tmp_path_factory.mktemp("shards")
    found: dict[str, Shards] = {"original": {}, "jpeg-q30": {}}
    files = [iter(patches(name, 40)) for name in ("coffee.png", "gravel.png")]
    for split, counts in SIZES.items():
        original, treated = (folder / variant / f"{split}-0.tar" for variant in found)
        with writing_shard(original, "original", codec()) as writer:
            for label, count in enumerate(counts):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"class{label}-{split}-{i}", label, data, data)]))
        treat_shard(original, "jpeg-q30", treated)
        found["original"][split], found["jpeg-q30"][split] = [original], [treated]
    return found


def folder_of(shards: Shards) -> Path:
    """Return the folder that the shards of all splits lie in."""
    (folder,) = {tar.parent for tars in shards.values() for tar in tars}
    return folder


def outputs_of(folder: Path) -> dict[str, Path]:
    """Return the paths of a run's files."""
    return {
        "history": folder / "history.csv",
        "predictions": folder / "predictions.parquet",
        "run": folder / "run.json",
        "model": folder / "model.safetensors",
    }


def make_run(
    folder: Path, shards: Shards, weights: Path, *, seed: int = 0, variant: str = "original"
) -> dict[str, Path]:
    """Train and return the paths of the run's files."""
    about = {"dataset": "two", "variant": variant, "learner": "lite0", "seed": seed, "code": "0"}
    outputs = outputs_of(folder)
    train(shards, weights, RECIPE, 2, about, outputs, threads=1)
    return outputs


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, shards: dict[str, Shards], lite0: Path
) -> Mapping[str, dict[str, Path]]:
    """Return three runs: the original with two seeds, and ratio 0.3."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "seed0": make_run(folder / "seed0", shards["original"], lite0),
        "seed1": make_run(folder / "seed1", shards["original"], lite0, seed=1),
        "q30": make_run(folder / "q30", shards["jpeg-q30"], lite0, variant="jpeg-q30"),
    }


@pytest.fixture(params=["seed0", "seed1", "q30"])
def result(request: pytest.FixtureRequest, results: Mapping[str, Any]) -> dict[str, Path]:
    """Return each of the runs in turn."""
    return results[request.param]


def table_of(result: dict[str, Path]) -> pd.DataFrame:
    """Return the predictions of a run with their probabilities."""
    return pq.read_table(result["predictions"]).to_pandas()


def record_of(result: dict[str, Path]) -> dict[str, Any]:
    """Return the record of a run."""
    return json.loads(result["run"].read_text(encoding="utf-8"))


def test_a_run_leaves_its_files_and_no_others(result: dict[str, Path]) -> None:
    """History, predictions, record and model are there, whole; no checkpoint or log is left."""
    assert sorted(result["run"].parent.iterdir()) == sorted(result.values())


def test_the_history_has_a_row_for_each_epoch(result: dict[str, Path]) -> None:
    """Two epochs are two rows with the documented columns, all of them numbers."""
    history = pd.read_csv(result["history"])
    assert history.columns.tolist() == runs.HISTORY
    assert history["epoch"].tolist() == [1, 2]
    assert np.isfinite(history.to_numpy(dtype=float)).all()
    assert history["val_accuracy"].between(0, 1).all()
    # Sixteen validation images: accuracies are sixteenths.
    assert np.allclose(history["val_accuracy"] * 16 % 1, 0, atol=1e-4)


def test_the_learning_rate_follows_warm_up_and_cosine(result: dict[str, Path]) -> None:
    """An epoch's learning rate is the formula's at its last step."""
    total = STEPS_AN_EPOCH * RECIPE["epochs"]
    warmup = total * RECIPE["warmup_epochs"] / RECIPE["epochs"]
    last_steps = [STEPS_AN_EPOCH - 1, total - 1]
    expected = [
        1e-3 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
        for step in last_steps
    ]
    assert pd.read_csv(result["history"])["learning_rate"].tolist() == pytest.approx(
        expected, rel=1e-4
    )


def test_the_last_epoch_is_tested(result: dict[str, Path]) -> None:
    """The record names it, with its validation accuracy."""
    last, record = pd.read_csv(result["history"]).iloc[-1], record_of(result)
    assert record["tested_epoch"] == last["epoch"] == 2
    assert record["val_accuracy"] == pytest.approx(last["val_accuracy"], abs=1e-5)


def test_the_recorded_accuracy_is_that_of_the_predictions(result: dict[str, Path]) -> None:
    """Counting the right rows of predictions.parquet gives run.json's accuracy and n."""
    table, record = table_of(result), record_of(result)
    probabilities = np.stack(table["probabilities"])
    assert record["test"]["n"] == len(table) == 16
    assert record["test"]["accuracy"] == (table["label"] == probabilities.argmax(1)).mean()
    assert table["predicted"].tolist() == probabilities.argmax(1).tolist()


def test_probabilities_sum_to_one(result: dict[str, Path]) -> None:
    """Each test image has a probability for each class."""
    probabilities = np.stack(table_of(result)["probabilities"])
    assert probabilities.shape == (16, 2)
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(16), abs=1e-6)


def test_predictions_are_of_the_test_images(
    result: dict[str, Path], shards: dict[str, Shards]
) -> None:
    """Keys and labels are those of the test shards, in their order."""
    reader = ShardReader(shards["original"]["test"])
    table = table_of(result)
    assert table["key"].tolist() == reader.keys.tolist()
    assert table["label"].tolist() == reader.labels.tolist()


@pytest.mark.parametrize(("name", "variant"), [("seed1", "original"), ("q30", "jpeg-q30")])
def test_the_saved_model_makes_the_predictions(
    results: Mapping[str, dict[str, Path]], shards: dict[str, Shards], name: str, variant: str
) -> None:
    """The model file, loaded into plain timm, gives the probabilities that were recorded."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=2).eval()
    model.load_state_dict(safetensors.torch.load_file(results[name]["model"]), strict=True)
    reader = ShardReader(shards[variant]["test"])
    pixels = np.stack(
        [np.asarray(decode(reader.image(i)).convert("RGB")) for i in range(len(reader))]
    )
    images = torch.from_numpy((pixels.astype(np.float32) / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = model(images).softmax(1).numpy()
    recorded = np.stack(table_of(results[name])["probabilities"])
    assert found == pytest.approx(recorded, abs=1e-4)


def test_two_photographs_are_told_apart(results: Mapping[str, dict[str, Path]]) -> None:
    """A pretrained network tells coffee from gravel in two epochs: training does train."""
    accuracies = [record_of(result)["test"]["accuracy"] for result in results.values()]
    losses = pd.read_csv(results["seed0"]["history"])["train_loss"]
    assert np.mean(accuracies) > 0.8
    assert losses.iloc[-1] < losses.iloc[0]


def test_the_record_says_what_was_run(
    results: Mapping[str, dict[str, Path]], shards: dict[str, Shards]
) -> None:
    """Recipe, seed, encoder, decoder, device and bytes read stand in run.json."""
    record = record_of(results["q30"])
    assert (record["dataset"], record["variant"], record["seed"]) == ("two", "jpeg-q30", 0)
    assert record["recipe"] == RECIPE
    assert record["encoder"] == [encoder()]
    assert record["decoder"] == codec()
    if record["device"]["kind"] == "cpu":
        assert record["precision"] == "32-true"
    size = {
        split: sum(
            pd.read_parquet(tar.with_suffix(".index.parquet"))["bytes"].sum() for tar in tars
        )
        for split, tars in shards["jpeg-q30"].items()
    }
    assert record["bytes_read"] == 2 * (size["train"] + size["val"]) + size["test"]
    assert all(seconds >= 0 for seconds in record["seconds"].values())


def test_the_record_says_what_the_network_costs(result: dict[str, Path]) -> None:
    """Parameters are those of the saved model; multiply-adds are its layers' by their formula."""
    tensors = safetensors.torch.load_file(result["model"])
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    learned = [tensor for name, tensor in tensors.items() if not name.endswith(statistics)]
    cost = record_of(result)["model"]
    assert cost["parameters"] == sum(tensor.numel() for tensor in learned)
    # Published: 4.65 M with 1,000 classes, of 1,280 weights and a bias each; here there are two.
    assert cost["parameters"] / 1e6 == pytest.approx(4.652 - 998 * 1281 / 1e6, abs=0.001)
    # A layer multiplies each of its outputs' weights once; here by places, of one image of 64 px.
    products = []
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=2).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(
                lambda layer, _, output: products.append(output.numel() * layer.weight[0].numel())
            )
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    assert cost["multiply_adds"] == sum(products)


def test_a_model_tested_again_gives_its_runs_predictions(
    tmp_path: Path, results: Mapping[str, dict[str, Path]], shards: dict[str, Shards]
) -> None:
    """On its own test images a run's model makes the very table that the run left."""
    if torch.cuda.is_available():
        pytest.skip("byte-identical predictions are promised on a CPU")
    for name, variant in (("seed0", "original"), ("q30", "jpeg-q30")):
        target = tmp_path / name / "predictions.parquet"
        predict_variant(
            folder_of(shards[variant]), results[name]["model"], RECIPE, 2, target, threads=1
        )
        assert target.read_bytes() == results[name]["predictions"].read_bytes()
        assert list(target.parent.iterdir()) == [target]


def test_a_model_tested_on_another_variant_gives_other_predictions(
    tmp_path: Path, results: Mapping[str, dict[str, Path]], shards: dict[str, Shards]
) -> None:
    """The same images in another variant: the same keys and labels, other probabilities."""
    target = tmp_path / "predictions.parquet"
    predict_variant(
        folder_of(shards["original"]), results["q30"]["model"], RECIPE, 2, target, threads=1
    )
    table, own = pq.read_table(target).to_pandas(), table_of(results["q30"])
    for column in ("key", "label"):
        assert table[column].tolist() == own[column].tolist()
    here, there = (np.stack(t["probabilities"]) for t in (table, own))
    assert here.shape == there.shape
    assert not np.allclose(here, there, atol=1e-3)
    assert here.sum(axis=1) == pytest.approx(np.ones(16), abs=1e-6)


def test_a_damaged_model_is_not_tested(
    tmp_path: Path, results: Mapping[str, dict[str, Path]], shards: dict[str, Shards]
) -> None:
    """A model that is cut off is an error that names it; no predictions appear."""
    model = tmp_path / "model.safetensors"
    whole = results["seed0"]["model"].read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        predict_variant(folder_of(shards["original"]), model, RECIPE, 2, tmp_path / "p", threads=1)
    assert list(tmp_path.iterdir()) == [model]


AGAIN = """
import json, sys
from jpegprep.learners.timm_learner import predict_variant, train
arguments = json.loads(sys.argv[1])
train(**arguments)
"""


def test_the_same_seed_gives_the_same_predictions(
    tmp_path: Path,
    results: Mapping[str, dict[str, Path]],
    shards: dict[str, Shards],
    lite0: Path,
    python: Callable[..., Any],
) -> None:
    """On one machine, a run made again by a new process has byte-identical predictions."""
    if torch.cuda.is_available():
        pytest.skip("byte-identical runs are promised on a CPU")
    outputs = outputs_of(tmp_path / "again")
    arguments = {
        "shards": {split: list(map(str, tars)) for split, tars in shards["original"].items()},
        "weights": str(lite0),
        "recipe": RECIPE,
        "classes": 2,
        "about": {"dataset": "two", "variant": "original", "learner": "lite0", "seed": 0},
        "outputs": {name: str(path) for name, path in outputs.items()},
        "threads": 1,
    }
    done = python(AGAIN, json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    assert sha256_of(outputs["predictions"]) == sha256_of(results["seed0"]["predictions"])
    assert sha256_of(outputs["model"]) == sha256_of(results["seed0"]["model"])
    # An epoch's line says where it stands, what it reached, and how long it will take.
    lines = [line for line in done.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert all("validation" in line and line.endswith(" s left") for line in lines)


def test_another_seed_gives_other_predictions(results: Mapping[str, dict[str, Path]]) -> None:
    """A seed changes the new classifier, the order and the augmentation."""
    assert sha256_of(results["seed1"]["predictions"]) != sha256_of(results["seed0"]["predictions"])


def test_another_ratio_gives_other_predictions(results: Mapping[str, dict[str, Path]]) -> None:
    """Training and testing on compressed images is not training on the originals."""
    assert sha256_of(results["q30"]["predictions"]) != sha256_of(results["seed0"]["predictions"])


def test_a_damaged_image_stops_a_run(
    tmp_path: Path, shards: dict[str, Shards], lite0: Path
) -> None:
    """A flipped bit in a test image is an error that names shard and key; no file of a run."""
    source = shards["original"]["test"][0]
    shard = tmp_path / "test-0.tar"
    index = source.with_suffix(".index.parquet")
    shard.with_suffix(".index.parquet").write_bytes(index.read_bytes())
    content = bytearray(source.read_bytes())
    row = pd.read_parquet(index).iloc[5]
    content[row["offset"] + 60] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=f"{shard}.*{row['key']}"):
        make_run(tmp_path / "run", {**shards["original"], "test": [shard]}, lite0)
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_pair_trains_on_the_other_folds(
    tmp_path: Path, shards: dict[str, Shards], lite0: Path
) -> None:
    """Seeds 1 and 6 are of one fold: the same images, another network; nothing validates."""
    pairs = {"folds": 5, "train_images": 24, "test_images": 10}
    keys = ShardReader([tar for tars in shards["original"].values() for tar in tars]).keys
    groups = tmp_path / "groups.parquet"
    write_parquet(pd.DataFrame({"key": keys, "group": np.arange(len(keys))}), groups)
    found = {}
    for seed in (1, 6, 2):
        about = {"dataset": "two", "variant": "original", "learner": "lite0", "seed": seed}
        found[seed] = outputs_of(tmp_path / f"seed{seed}")
        train(
            shards["original"],
            lite0,
            {**RECIPE, "pairs": pairs},
            2,
            {**about, "code": "0"},
            found[seed],
            threads=1,
            groups=groups,
        )
    tables = {seed: table_of(result) for seed, result in found.items()}
    assert tables[1]["key"].tolist() == tables[6]["key"].tolist()
    assert not set(tables[1]["key"]) & set(tables[2]["key"])
    assert (tables[1]["fold"] == 1).all() and (tables[2]["fold"] == 2).all()
    assert not np.array_equal(
        np.stack(tables[1]["probabilities"]), np.stack(tables[6]["probabilities"])
    )
    record = record_of(found[1])
    assert record["train"] == {"n": 24, "of": 64}
    assert record["test"]["n"] == 10
    assert record["val_accuracy"] is None
    assert pd.read_csv(found[1]["history"])["val_accuracy"].isna().all()
