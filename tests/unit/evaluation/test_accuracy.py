"""Evaluation: the accuracies that tables and figures show, from the predictions themselves."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.common.layout import Run
from jpegprep.common.records import write_record
from jpegprep.evaluation.accuracy import (
    bounded,
    bounded_of_shares,
    compare,
    evaluate,
    evaluate_transfers,
)
from jpegprep.evaluation.stats import accuracy_interval, spread
from jpegprep.learners.runs import write_predictions


class Study:
    """Runs in a folder, with the files that evaluation reads."""

    def __init__(self, folder: Path) -> None:
        """Start without runs."""
        self.folder = folder
        self.runs: list[Run] = []
        self.predictions: list[Path] = []
        self.records: list[Path] = []

    def add(self, run: Run, correct: int, n: int = 10, shift: int = 0, facts: Any = None) -> None:
        """Add a run of three classes that is right on so many of n test images.

        `facts` are further ones of its record, or others than usual.
        """
        folder = self.folder / run.folder
        folder.mkdir(parents=True)
        labels = (np.arange(n) + shift) % 3
        predicted = np.where(np.arange(n) < correct, labels, (labels + 1) % 3)
        probabilities = np.full((n, 3), 0.1, dtype=np.float32)
        probabilities[np.arange(n), predicted] = 0.8
        keys = np.array([f"image-{i}" for i in range(n)])
        write_predictions(folder / "predictions.parquet", keys, labels, probabilities)
        record = {
            "recipe": {"epochs": 7},
            "tested_epoch": 5,
            "val_accuracy": 0.75,
            "seconds": {"setup": 1.5, "fit": 20.0, "test": 0.5},
            "device": {"name": "a processor"},
            **(facts or {}),
        }
        write_record(folder / "run.json", record)
        self.runs.append(run)
        self.predictions.append(folder / "predictions.parquet")
        self.records.append(folder / "run.json")

    def evaluate(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Evaluate and read both tables."""
        runs, accuracy = self.folder / "tables" / "runs.csv", self.folder / "tables" / "acc.csv"
        evaluate(self.runs, self.predictions, self.records, runs, accuracy, {})
        return pd.read_csv(runs), pd.read_csv(accuracy)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Return a study without runs."""
    return Study(tmp_path)


def test_one_run_has_its_accuracy_and_wilsons_interval(study: Study) -> None:
    """Nine of ten right is 0.9 with n = 10 and the interval [0.5958, 0.9821]."""
    study.add(Run("dtd", "jpeg-q30", "lite0", 0), correct=9)
    runs, accuracy = study.evaluate()
    for row in (runs.iloc[0], accuracy.iloc[0]):
        assert (row["n"], row["accuracy"]) == (10, 0.9)
        assert (row["low"], row["high"]) == pytest.approx((0.5958, 0.9821), abs=5e-5)
        assert (row["dataset"], row["variant"], row["ratio"]) == ("dtd", "jpeg-q30", 0.3)
    assert (accuracy.loc[0, "seeds"], accuracy.loc[0, "interval"]) == (1, "Wilson")


def test_a_run_says_what_it_cost_and_where_it_is(study: Study) -> None:
    """Each run's row has its record: epochs, validation, seconds, machine, file."""
    study.add(Run("dtd", "original", "lite0", 3), correct=5)
    row = study.evaluate()[0].iloc[0]
    assert (row["seed"], row["epochs"], row["tested_epoch"]) == (3, 7, 5)
    assert (row["correct"], row["val_accuracy"], row["ratio"]) == (5, 0.75, 1.0)
    assert (row["seconds"], row["device"]) == (22.0, "a processor")
    assert Path(row["run"]) == study.records[0]


def test_a_validation_accuracy_has_its_images_and_interval(study: Study) -> None:
    """75 of 100 validation images: Wilson's interval [0.6570, 0.8245]; none where none was."""
    study.add(Run("dtd", "original", "lite0", 0), correct=5)
    study.add(Run("dtd", "original", "probe", 0), correct=5, facts={"val_accuracy": None})
    split = pd.DataFrame({"split": ["train"] * 30 + ["val"] * 100 + ["test"] * 10})
    split.to_parquet(study.folder / "split.parquet", index=False)
    targets = study.folder / "runs.csv", study.folder / "accuracy.csv"
    files = study.runs, study.predictions, study.records
    evaluate(*files, *targets, {"dtd": study.folder / "split.parquet"})
    lite0, probe = pd.read_csv(targets[0]).to_dict("records")
    assert (lite0["val_accuracy"], lite0["val_n"]) == (0.75, 100)
    assert (lite0["val_low"], lite0["val_high"]) == pytest.approx((0.6570, 0.8245), abs=5e-5)
    assert all(pd.isna(probe[f"val_{name}"]) for name in ("accuracy", "n", "low", "high"))


def test_single_answers_that_are_not_known_count_as_the_same() -> None:
    """No other answers of the same accuracies have so large a variance of their mean."""
    rng = np.random.default_rng(0)
    shares = [0.6, 0.7, 0.9]
    nested = np.arange(50) < 50 * np.array(shares)[:, np.newaxis]
    assert bounded_of_shares(shares, 50) == accuracy_interval(nested)[:3]
    drawn = [spread(rng.permuted(nested, axis=1)).variance for _ in range(200)]
    assert spread(nested).variance > max(drawn)


def test_one_image_tells_nothing() -> None:
    """Its accuracy is known, and may be anything."""
    assert bounded(np.array([[True], [False]])) == (0.5, 0, 1)


def test_seeds_of_one_comparison_make_one_row(study: Study) -> None:
    """Runs differing in their seed are averaged, every other difference is a row of its own."""
    for seed, correct in enumerate((60, 70, 80)):
        study.add(Run("dtd", "original", "lite0", seed), correct, n=100)
    study.add(Run("dtd", "jpeg-q30", "lite0", 0), correct=50, n=100)
    study.add(Run("dtd", "original", "b0", 0), correct=40, n=100)
    study.add(Run("pets", "original", "lite0", 0), correct=30, n=100)
    runs, accuracy = study.evaluate()
    assert len(runs) == 6
    rows = accuracy.set_index(["dataset", "learner", "variant"])
    assert rows["accuracy"].to_dict() == {
        ("dtd", "lite0", "original"): 0.7,
        ("dtd", "lite0", "jpeg-q30"): 0.5,
        ("dtd", "b0", "original"): 0.4,
        ("pets", "lite0", "original"): 0.3,
    }
    averaged = rows.loc["dtd", "lite0", "original"]
    assert (averaged["seeds"], averaged["n"]) == (3, 100)
    assert averaged["interval"] == "Wilson with random effects"
    assert 0.4 < averaged["low"] < 0.6 < 0.8 < averaged["high"] < 0.9


B0 = {
    "recipe": {"epochs": 7, "architecture": "efficientnet_b0", "image_size": 224},
    "model": {"parameters": 5288548, "multiply_adds": 385814752},
}
SWIN = {"recipe": {"epochs": 5, "architecture": "swin", "image_size": 96}, "tested_epoch": None}
TREES = {"recipe": {"features": ["dct"]}, "tested_epoch": None, "val_accuracy": None}


def test_a_run_says_how_large_its_network_is(study: Study) -> None:
    """Counts are whole numbers, whatever the other runs know; what is not known is empty."""
    study.add(Run("dtd", "original", "b0", 0), correct=5, facts=B0)
    study.add(Run("dtd", "original", "autogluon", 0), correct=5, facts=SWIN)
    study.add(Run("dtd", "original", "trees", 0), correct=5, facts=TREES)
    study.evaluate()
    with (study.folder / "tables" / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    names = ["architecture", "image_size", "parameters", "multiply_adds", "epochs", "tested_epoch"]
    assert {learner: [row[name] for name in names] for learner, row in rows.items()} == {
        "b0": ["efficientnet_b0", "224", "5288548", "385814752", "7", "5"],
        "autogluon": ["swin", "96", "", "", "5", ""],
        "trees": ["", "", "", "", "", ""],
    }
    assert [row["val_accuracy"] for row in rows.values()] == ["0.75", "0.75", ""]


def test_a_study_of_runs_without_epochs_is_evaluated(study: Study) -> None:
    """Where no run at all has a network, its columns are empty."""
    study.add(Run("dtd", "original", "trees", 0), correct=5, facts=TREES)
    row = study.evaluate()[0].iloc[0]
    assert row["accuracy"] == 0.5
    assert row[["architecture", "image_size", "parameters", "epochs", "tested_epoch"]].isna().all()


def test_variants_with_noise_have_no_ratio(study: Study) -> None:
    """Noisy images, and JPEG of them, stand in both tables, with an empty ratio."""
    variants = {"original": 1.0, "noise": None, "noise-jpeg-q30": None, "jpeg-q30-smaller": 0.3}
    for i, variant in enumerate(variants):
        study.add(Run("dtd", variant, "lite0", 0), correct=5 + i)
    for table in study.evaluate():
        assert table["variant"].tolist() == list(variants)
        assert table["ratio"].fillna(-1).tolist() == [1.0, -1, -1, 0.3]
        assert table["accuracy"].tolist() == [0.5, 0.6, 0.7, 0.8]


def transferred(study: Study, *tested: str) -> pd.DataFrame:
    """Evaluate the study's predictions as if they were on these variants, and read the table."""
    target = study.folder / "tables" / "transfer.csv"
    pairs = list(zip(study.runs, tested, strict=True))
    evaluate_transfers(pairs, study.predictions, target)
    return pd.read_csv(target)


def test_a_test_on_another_variant_has_its_accuracy(study: Study) -> None:
    """Nine of ten right on clean images: a row that names both variants, with Wilson's interval."""
    study.add(Run("dtd", "noise", "lite0", 0), correct=9)
    study.add(Run("dtd", "noise-jpeg-q30", "lite0", 0), correct=5)
    table = transferred(study, "original", "original")
    assert table.columns.tolist() == [
        *("dataset", "learner", "variant", "test_variant", "seeds", "n", "accuracy"),
        *("low", "high", "interval"),
    ]
    assert table["variant"].tolist() == ["noise", "noise-jpeg-q30"]
    assert set(table["test_variant"]) == {"original"}
    assert table["accuracy"].tolist() == [0.9, 0.5]
    assert table.loc[0, ["seeds", "n", "interval"]].tolist() == [1, 10, "Wilson"]
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([0.5958, 0.9821], abs=5e-5)


def test_seeds_of_a_test_on_another_variant_make_one_row(study: Study) -> None:
    """Seeds are averaged; another variant that was tested on is another row."""
    for seed, correct in enumerate((60, 80)):
        study.add(Run("dtd", "noise", "lite0", seed), correct, n=100)
    study.add(Run("dtd", "noise", "lite0", 2), correct=10, n=100)
    table = transferred(study, "original", "original", "jpeg-q30").set_index("test_variant")
    assert table["accuracy"].to_dict() == {"original": 0.7, "jpeg-q30": 0.1}
    assert table["seeds"].to_dict() == {"original": 2, "jpeg-q30": 1}
    assert table.loc["original", "interval"] == "Wilson with random effects"


def test_seeds_tested_on_different_images_of_another_variant_are_not_averaged(
    study: Study,
) -> None:
    """The error names the run's variant and the one that was tested on; no table appears."""
    study.add(Run("dtd", "noise", "lite0", 0), correct=5)
    study.add(Run("dtd", "noise", "lite0", 1), correct=5, shift=1)
    with pytest.raises(UserError, match="dtd/noise/original/lite0: its seeds were tested on diff"):
        transferred(study, "original", "original")
    assert list(study.folder.glob("tables/*")) == []


@pytest.mark.parametrize(("n", "shift"), [(9, 0), (10, 1)])
def test_seeds_tested_on_different_images_are_not_averaged(
    study: Study, n: int, shift: int
) -> None:
    """Runs whose test images or labels differ cannot be compared: the error says which."""
    study.add(Run("dtd", "original", "lite0", 0), correct=5)
    study.add(Run("dtd", "original", "lite0", 1), correct=5, n=n, shift=shift)
    with pytest.raises(UserError, match="dtd/original/lite0: its seeds were tested on different"):
        study.evaluate()
    assert not (study.folder / "tables").exists()


@pytest.mark.parametrize("name", ["predictions.parquet", "run.json"])
@pytest.mark.parametrize("damage", ["truncated", "removed"])
def test_a_damaged_run_is_named(study: Study, name: str, damage: str) -> None:
    """A file of a run that is cut off or gone is one line with its path and what to do."""
    study.add(Run("dtd", "original", "lite0", 0), correct=5)
    path = study.predictions[0].with_name(name)
    content: Any = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{path}.*remove it") as error:
        study.evaluate()
    assert "\n" not in str(error.value)
    assert not (study.folder / "tables").exists()


def pair(one: tuple[str, str], other: tuple[str, str]) -> tuple[str, tuple[str, str], Any]:
    """Return a pair of sides of the data set dtd."""
    return ("dtd", one, other)


def compared(study: Study, pairs: list[Any]) -> pd.DataFrame:
    """Compare pairs and read the table."""
    target = study.folder / "tables" / "differences.csv"
    compare(study.runs, study.predictions, pairs, target)
    return pd.read_csv(target)


LITE0, COMPRESSED, SMALLER = (("lite0", v) for v in ("original", "jpeg-q30", "jpeg-q10"))


def test_two_runs_are_compared_image_by_image(study: Study) -> None:
    """80 and 74 of 100 right, the same first ones: six lost, none gained: McNemar's root of 6."""
    study.add(Run("dtd", "original", "lite0", 0), correct=80, n=100)
    study.add(Run("dtd", "jpeg-q30", "lite0", 0), correct=74, n=100)
    row = compared(study, [pair(COMPRESSED, LITE0)]).iloc[0]
    assert (row["seeds"], row["n"], row["ratio"]) == (1, 100, 0.3)
    assert row["difference"] == pytest.approx(-0.06)
    assert (row["gained"], row["lost"]) == (0, 0.06)
    assert row["p"] == pytest.approx(0.014306, rel=1e-4)
    assert -0.13 < row["low"] < -0.06 < row["high"] < -0.01


def test_p_values_are_corrected_for_a_learners_ratios(study: Study) -> None:
    """Holm counts the ratios against the original, not pairs of other kinds."""
    for variant, correct in (("original", 80), ("jpeg-q30", 74), ("jpeg-q10", 60)):
        study.add(Run("dtd", variant, "lite0", 0), correct, n=100)
    study.add(Run("dtd", "original", "b0", 0), correct=90, n=100)
    table = compared(
        study, [pair(COMPRESSED, LITE0), pair(SMALLER, LITE0), pair(("b0", "original"), LITE0)]
    )
    p = table["p"]
    assert table.loc[0, "p_holm"] == pytest.approx(p[0], rel=1e-5)
    assert table.loc[1, "p_holm"] == pytest.approx(2 * p[1], rel=1e-5)
    assert pd.isna(table.loc[2, "p_holm"])


def test_sides_are_paired_by_the_seeds_that_both_have(study: Study) -> None:
    """Three seeds here and two there are two pairs; without a common one there is no row."""
    for seed, correct in enumerate((80, 78, 10)):
        study.add(Run("dtd", "original", "lite0", seed), correct, n=100)
    for seed, correct in enumerate((76, 74)):
        study.add(Run("dtd", "jpeg-q30", "lite0", seed), correct, n=100)
    study.add(Run("dtd", "jpeg-q10", "lite0", 7), correct=10, n=100)
    table = compared(study, [pair(COMPRESSED, LITE0), pair(SMALLER, LITE0)])
    assert len(table) == 1
    assert table.loc[0, "seeds"] == 2
    assert table.loc[0, "difference"] == pytest.approx(-0.04)


def test_sides_tested_on_other_images_are_refused(study: Study) -> None:
    """Labels that differ are other images: no difference is made of them."""
    study.add(Run("dtd", "original", "lite0", 0), correct=8)
    study.add(Run("dtd", "jpeg-q30", "lite0", 0), correct=8, shift=1)
    with pytest.raises(UserError, match="tested on different images; remove its runs"):
        compared(study, [pair(COMPRESSED, LITE0)])
