"""Folds: which images a pair of networks is trained and tested on."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.common.parquet import write_parquet
from jpegprep.learners.folds import folds_of, groups_among, parts_of_pair

LABELS = np.repeat([0, 1, 2], [300, 150, 50])
APART = np.arange(500)


@pytest.mark.parametrize("fold", range(5))
def test_a_pair_is_tested_on_others_than_it_is_trained_on(fold: int) -> None:
    """So many of both as asked for, each class by its share."""
    asked = {"folds": 5, "train_images": 100, "test_images": 50}
    found = parts_of_pair(LABELS, APART, asked, fold)
    assert not set(found["train"]) & set(found["test"])
    assert (len(found["train"]), len(found["val"]), len(found["test"])) == (100, 0, 50)
    for name, each in (("train", [60, 30, 10]), ("test", [30, 15, 5])):
        counts = Counter(LABELS[found[name]].tolist())
        assert [counts[label] for label in range(3)] == pytest.approx(each, abs=1)


def test_all_folds_together_test_every_image_once() -> None:
    """Where there is no limit, a pair has all the other images to train on."""
    asked = {"folds": 5, "train_images": 1000, "test_images": 1000}
    parts = [parts_of_pair(LABELS, APART, asked, fold) for fold in range(5)]
    assert sorted(np.concatenate([part["test"] for part in parts])) == list(range(500))
    for part in parts:
        assert sorted(np.concatenate([part["train"], part["test"]])) == list(range(500))


def test_equal_images_are_not_tested_by_a_network_that_saw_them() -> None:
    """Ten images at a time are one group."""
    asked = {"folds": 5, "train_images": 200, "test_images": 50}
    for fold in range(5):
        found = parts_of_pair(LABELS, APART // 10, asked, fold)
        assert not set(found["train"] // 10) & set(found["test"] // 10)


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_in_one_fold_and_classes_are_even(seed: int) -> None:
    """Bursts of five, of which each class has ten: two bursts of each in every fold."""
    labels, groups = np.repeat(np.arange(3), 50), np.repeat(np.arange(30), 5)
    fold = folds_of(labels, groups, 5, seed)
    for group in range(30):
        assert len(set(fold[groups == group].tolist())) == 1
    for label in range(3):
        assert np.bincount(fold[labels == label], minlength=5).tolist() == [10] * 5


def test_groups_are_found_by_key(tmp_path: Path) -> None:
    """In the order that is asked for; a key that is not there is named."""
    path = tmp_path / "groups.parquet"
    table = pd.DataFrame({"key": ["a", "b", "c"], "group": [0, 1, 0], "split_group": [0, 1, 2]})
    write_parquet(table, path)
    assert groups_among(path, np.array(["c", "b"])).tolist() == [0, 1]
    assert groups_among(None, np.array(["c"])) is None
    with pytest.raises(UserError, match=r"groups\.parquet: lacks d, .* remove it"):
        groups_among(path, np.array(["a", "d"]))
