"""Evaluation: the accuracies that tables and figures show, from the predictions themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.errors import UserError
from jpegprep.evaluation import evaluate
from jpegprep.layout import Run
from jpegprep.runs import write_predictions


class Study:
    """Runs in a folder, with the files that evaluation reads."""

    def __init__(self, folder: Path) -> None:
        """Start without runs."""
        self.folder = folder
        self.runs: list[Run] = []
        self.predictions: list[Path] = []
        self.records: list[Path] = []

    def add(self, run: Run, correct: int, n: int = 10, shift: int = 0) -> None:
        """Add a run of three classes that is right on so many of n test images."""
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
            "best_epoch": 5,
            "val_accuracy": 0.75,
            "seconds": {"setup": 1.5, "fit": 20.0, "test": 0.5},
            "device": {"name": "a processor"},
        }
        (folder / "run.json").write_text(json.dumps(record))
        self.runs.append(run)
        self.predictions.append(folder / "predictions.parquet")
        self.records.append(folder / "run.json")

    def evaluate(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Evaluate and read both tables."""
        runs, accuracy = self.folder / "tables" / "runs.csv", self.folder / "tables" / "acc.csv"
        evaluate(self.runs, self.predictions, self.records, runs, accuracy)
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
    assert (row["seed"], row["epochs"], row["best_epoch"]) == (3, 7, 5)
    assert (row["correct"], row["val_accuracy"], row["ratio"]) == (5, 0.75, 1.0)
    assert (row["seconds"], row["device"]) == (22.0, "a processor")
    assert Path(row["run"]) == study.records[0]


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
    assert averaged["interval"] == "hierarchical bootstrap"
    assert 0.5 < averaged["low"] < 0.64 < 0.76 < averaged["high"] < 0.9


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
