"""Splits: the paper's counts, disjoint, the same for the same seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.errors import UserError
from jpegprep.splits import assign, split_dataset

HOW = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0}
ONE = {"train": 1, "val": 1, "test": 1}


def images(**classes: int) -> pd.DataFrame:
    """Return the rows of a manifest with so many images of each class, shuffled."""
    rows = [(f"{name}-{i:05}", name) for name, count in classes.items() for i in range(count)]
    table = pd.DataFrame(rows, columns=["key", "class"])
    return table.sample(frac=1, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="module")
def dtd() -> pd.DataFrame:
    """Return rows like those of the Describable Textures Dataset: 47 classes of 120."""
    return images(**{f"texture{i:02}": 120 for i in range(47)})


@pytest.mark.parametrize("strategy", ["stratified", "contiguous"])
def test_dtd_has_the_papers_counts(dtd: pd.DataFrame, strategy: str) -> None:
    """47 classes of 120 give the paper's Table I: 3384 train, 1128 test, 1128 validation."""
    table = assign(dtd, {**HOW, "strategy": strategy}, ONE)
    assert table["split"].value_counts().to_dict() == {"train": 3384, "test": 1128, "val": 1128}
    by_class = table.groupby(["class", "split"]).size().unstack()
    assert (by_class[["train", "val", "test"]] == [72, 24, 24]).all(axis=None)


def test_cifar10_has_the_papers_counts() -> None:
    """10 classes of 6000 give 36,000, 12,000 and 12,000: 60/20/20."""
    table = assign(images(**{f"class{i}": 6000 for i in range(10)}), HOW, ONE)
    assert table["split"].value_counts().to_dict() == {"train": 36000, "test": 12000, "val": 12000}


@pytest.mark.parametrize("strategy", ["stratified", "contiguous"])
def test_every_image_is_in_one_split_once(dtd: pd.DataFrame, strategy: str) -> None:
    """No image is lost, none is doubled, so no test image was trained on."""
    table = assign(dtd, {**HOW, "strategy": strategy}, ONE)
    assert table["key"].tolist() == dtd["key"].tolist()
    assert table["class"].tolist() == dtd["class"].tolist()
    assert set(table["split"]) == {"train", "val", "test"}


def test_the_same_seed_gives_the_same_split(dtd: pd.DataFrame) -> None:
    """A split can be made again from its seed; another seed draws other images."""
    again = assign(dtd, HOW, ONE)
    pd.testing.assert_frame_equal(assign(dtd, HOW, ONE), again)
    other = assign(dtd, {**HOW, "seed": 1}, ONE)
    # By chance 0.6² + 0.2² + 0.2² = 44 % of the images are where they were.
    assert 0.40 < (other["split"] == again["split"]).mean() < 0.48


def test_contiguous_keeps_the_order_of_each_class(dtd: pd.DataFrame) -> None:
    """With contiguous, in each class the first are train, the next val, the last test."""
    table = assign(dtd, {**HOW, "strategy": "contiguous"}, ONE)
    expected = ["train"] * 72 + ["val"] * 24 + ["test"] * 24
    for _, of_class in table.groupby("class"):
        assert of_class["split"].tolist() == expected


def test_labels_number_the_classes_in_sorted_order() -> None:
    """The label is the class's place in sorted order, whatever the order of the archive."""
    table = assign(images(zebra=5, ant=5, cat=5), HOW, ONE)
    assert dict(zip(table["class"], table["label"], strict=True)) == {
        "ant": 0,
        "cat": 1,
        "zebra": 2,
    }


def test_shards_of_a_split_are_of_one_size_and_mixed(dtd: pd.DataFrame) -> None:
    """A split's shards differ by one image at most, and hold all classes, not one after another."""
    table = assign(dtd, HOW, {"train": 5, "val": 2, "test": 1})
    for split, number in {"train": 5, "val": 2, "test": 1}.items():
        sizes = table[table["split"] == split]["shard"].value_counts()
        assert sorted(sizes.index) == list(range(number))
        assert sizes.max() - sizes.min() <= 1
    assert (table[table["split"] == "train"].groupby("shard")["class"].nunique() == 47).all()


def test_the_number_of_shards_does_not_move_images(dtd: pd.DataFrame) -> None:
    """Splitting into more files leaves every image in its split."""
    one, many = assign(dtd, HOW, ONE), assign(dtd, HOW, {"train": 9, "val": 3, "test": 3})
    assert one["split"].tolist() == many["split"].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_uneven_classes_keep_the_fractions(seed: int) -> None:
    """With classes of any size the totals are the rounded fractions, each class within one."""
    sizes = np.random.default_rng(seed).integers(5, 200, size=30)
    table = assign(images(**{f"class{i}": int(n) for i, n in enumerate(sizes)}), HOW, ONE)
    for split in ("val", "test"):
        assert abs((table["split"] == split).sum() - 0.2 * sizes.sum()) <= 0.5
        for i, n in enumerate(sizes):
            part = ((table["class"] == f"class{i}") & (table["split"] == split)).sum()
            assert abs(part - 0.2 * n) <= 1


@pytest.mark.parametrize("sizes", [(6, 4), (4, 4, 4), (10, 4, 6)])
def test_a_class_that_can_be_split_is_split(sizes: tuple[int, ...]) -> None:
    """Four images at 25 % for val and test each are enough, whichever classes come before."""
    classes = {f"class{i}": n for i, n in enumerate(sizes)}
    table = assign(images(**classes), {**HOW, "val": 0.25, "test": 0.25}, ONE)
    assert (table.groupby("class")["split"].nunique() == 3).all()


def test_a_class_too_small_for_three_splits_is_refused() -> None:
    """The error names the class as its folder is called, its size, and what to do."""
    with pytest.raises(UserError, match="^class 'rare' has 2 images, too few .*; add images"):
        assign(images(common=50, rare=2), HOW, ONE)


def test_unreadable_files_are_in_no_split(tmp_path: Path) -> None:
    """What is truncated or no image stays out; what is only mislabelled stays in."""
    manifest = images(cat=20, dog=20)
    manifest["problem"] = "ok"
    manifest.loc[:2, "problem"] = ["truncated", "not an image", "mislabelled"]
    manifest.to_parquet(tmp_path / "manifest.parquet")
    split_dataset(HOW, ONE, tmp_path / "manifest.parquet", tmp_path / "split.parquet")
    found: Any = pd.read_parquet(tmp_path / "split.parquet")
    assert set(manifest["key"]) - set(found["key"]) == set(manifest["key"][:2])
