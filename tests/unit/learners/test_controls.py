"""The controls of a tabular classifier: trees that see what they should, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.learners.controls import TREES, controls, read_controls, write_controls

Tables = dict[str, pd.DataFrame]


def tables(labels: np.ndarray, rng: np.random.Generator, told_by: str) -> Tables:
    """Return features of noise, but of one control: that tells the class."""
    found = {
        name: pd.DataFrame(rng.normal(size=(len(labels), 6)), columns=list("abcdef"), dtype="f4")
        for name in TREES
    }
    found["encoder"] = found["encoder"].assign(encoder_horizontal_sampling=2.0)
    found[told_by] = found[told_by].assign(a=labels + rng.normal(0, 0.1, len(labels)))
    return found


@pytest.mark.parametrize("told_by", TREES)
def test_each_control_sees_its_own_features(told_by: str) -> None:
    """The one whose features tell the class is right, the others are as good as guessing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    train, test = (tables(labels, rng, told_by) for _ in range(2))
    found = controls(train, labels, test, seed=0, threads=1)
    right = {name: float((found[name] == labels).mean()) for name in TREES}
    assert right.pop(told_by) > 0.99
    assert max(right.values()) < 0.4


def test_threads_change_nothing_and_seeds_do() -> None:
    """The same predictions by one thread and by three, others by another seed."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 200)
    train, test = (tables(labels, rng, "dequantized") for _ in range(2))
    one, three = (controls(train, labels, test, seed=0, threads=n) for n in (1, 3))
    pd.testing.assert_frame_equal(one, three)
    other = controls(train, labels, test, seed=1, threads=1)
    assert not other["encoder"].equals(one["encoder"])
    assert other["baseline"].equals(one["baseline"])


def test_units_change_nothing_where_all_files_have_the_same() -> None:
    """Trees cut each column by itself: a factor a column is nothing to them."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 300)
    train, test = (tables(labels, rng, "dequantized") for _ in range(2))
    steps = np.array([16, 11, 10, 40, 3, 99], dtype=np.float32)
    for table in (train, test):
        table["undequantized"] = table["dequantized"] / steps
    found = controls(train, labels, test, seed=0, threads=1)
    assert (found["dequantized"] == found["undequantized"]).mean() > 0.99


def test_the_baseline_is_the_largest_class_of_gray_and_of_colour() -> None:
    """Which images are gray stands in the headers, and is no leak."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    train = tables(labels, rng, "encoder")
    gray = labels == 2
    train["encoder"] = train["encoder"].assign(
        a=0.0, encoder_horizontal_sampling=np.where(gray, -1.0, 2.0)
    )
    for name in "bcdef":
        train["encoder"][name] = 0.0
    found = controls(train, labels, train, seed=0, threads=1)
    assert found["baseline"].tolist() == [0] * 80 + [2] * 20
    assert found["encoder"].equals(found["baseline"])


def test_predictions_are_read_as_written_and_damage_is_named(tmp_path: Path) -> None:
    """A file of key, label and a column a control; a flipped bit is one line."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 500)
    predicted = pd.DataFrame(rng.integers(0, 3, (500, 4)), columns=[*TREES, "baseline"])
    path, keys = tmp_path / "controls.parquet", np.array([f"k{i}" for i in range(500)])
    write_controls(path, keys, labels, predicted)
    found = read_controls(path)
    assert found.columns.tolist() == ["key", "label", "group", *TREES, "baseline"]
    assert found["key"].tolist() == keys.tolist() and (found["label"] == labels).all()
    assert (found[predicted.columns] == predicted).all(axis=None)
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="controls.parquet is missing or damaged; remove it"):
        read_controls(path)
