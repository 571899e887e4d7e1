"""Both uses of compressed images, and measures beyond top-1: by a small real probe."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.answers.uses import measure_uses
from jpegprep.learners.probe import predict_features
from jpegprep.learners.runs import write_predictions

N, FOLDS = 400, 5
LABELS = np.repeat([0, 1], [360, 40])


def write(folder: Path, variant: str, features: np.ndarray, weight: float) -> dict[str, Path]:
    """Write features of two columns, and models that add them up, the second one by a weight."""
    files = {name: folder / f"{name}-{variant}" for name in ("features", "model", "predictions")}
    fold = np.arange(N) % FOLDS
    with files["features"].open("wb") as file:
        parts = np.split(features.astype(np.float32), [200, 250])
        np.savez(file, **dict(zip(("train", "val", "test"), parts, strict=True)))
    coefficients = np.zeros((FOLDS, 2, 2), dtype=np.float32)
    coefficients[:, 1] = 1, weight
    with files["model"].open("wb") as file:
        np.savez(
            file,
            mean=np.zeros((FOLDS, 2), dtype=np.float32),
            scale=np.ones((FOLDS, 2), dtype=np.float32),
            coefficients=coefficients,
            intercept=np.zeros((FOLDS, 2), dtype=np.float32),
            fold=fold,
        )
    probabilities = predict_features(files["model"], features.astype(np.float32))
    keys = np.array([f"i{i}" for i in range(N)])
    write_predictions(files["predictions"], keys, LABELS, probabilities, fold)
    return files


@pytest.fixture
def row(tmp_path: Path) -> "pd.Series[float]":
    """Return the row of a ratio that adds 3 to a column which its own model has learnt to ignore.

    Besides, half of the images of the rare class are lost there.
    """
    signal = np.where(LABELS == 1, 1.0, -1.0)
    originals = np.stack([signal, np.zeros(N)], axis=1)
    compressed = np.stack([signal, np.full(N, 3.0)], axis=1)
    compressed[360:380, 0] = -1
    files = {
        "original": write(tmp_path, "original", originals, weight=1),
        "jpeg-q50": write(tmp_path, "jpeg-q50", compressed, weight=0),
    }
    target = tmp_path / "uses.csv"
    measure_uses(
        {name: of["features"] for name, of in files.items()},
        {name: [of["model"]] for name, of in files.items()},
        {name: [of["predictions"]] for name, of in files.items()},
        target,
    )
    return pd.read_csv(target).iloc[0]


def test_models_are_tested_on_what_they_were_not_trained_on(row: "pd.Series[float]") -> None:
    """The originals' model is lost on the compressed images; the other one reads both."""
    assert (row["variant"], row["seeds"], row["n"]) == ("jpeg-q50", 1, N)
    assert row["original_original_accuracy"] == 1
    assert row["original_compressed_accuracy"] == 0.1  # all are said to be rare, which 40 are
    assert row["compressed_compressed_accuracy"] == 0.95
    assert row["compressed_original_accuracy"] == 1
    assert row["generalization_gap"] == pytest.approx(0.85)
    assert row["information_gap"] == pytest.approx(0.05)
    assert row["on_originals"] == 0


def test_a_rare_class_counts_as_much_as_a_common_one(row: "pd.Series[float]") -> None:
    """Five points of accuracy are half of a class, so 25 points of balanced accuracy."""
    assert row["balanced"] == pytest.approx(-0.25)
    assert row["balanced_low"] < -0.25 < row["balanced_high"] < 0


def test_log_loss_is_worse_where_images_are_lost(row: "pd.Series[float]") -> None:
    """Of 20 images the logit is -1 instead of 1: one nat each."""
    good, bad = np.log(1 + np.exp(-1.0)), np.log(1 + np.exp(1.0))
    # A class's logit is its signal, the other's 0; of class 0, right is below 0.
    assert row["log_loss"] == pytest.approx((bad - good) * 20 / 400, abs=1e-6)
    assert row["log_loss_low"] > 0
