"""Splits: the paper's counts, disjoint, the same for the same seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.splits import across_splits, assign, distinct, sample, split_dataset

HOW = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0, "duplicates": "apart"}
TOGETHER = {**HOW, "duplicates": "together"}
ONE = {"train": 1, "val": 1, "test": 1}


def images(**classes: int) -> pd.DataFrame:
    """Return the rows of a manifest with so many images of each class, shuffled."""
    rows = [(f"{name}-{i:05}", name) for name, count in classes.items() for i in range(count)]
    table = pd.DataFrame(rows, columns=["key", "class"]).assign(duplicate_of=None)
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


def test_files_that_are_set_aside_are_in_no_split(tmp_path: Path) -> None:
    """What is set aside stays out; what is repaired or kept stays in."""
    manifest = images(cat=20, dog=20).assign(handling="kept", problems="ok")
    manifest["sha256"] = manifest["key"]
    manifest.loc[:2, "handling"] = ["set aside", "set aside", "repaired"]
    manifest.to_parquet(tmp_path / "manifest.parquet")
    split_dataset(HOW, ONE, tmp_path / "manifest.parquet", tmp_path / "split.parquet")
    found: Any = pd.read_parquet(tmp_path / "split.parquet")
    assert set(manifest["key"]) - set(found["key"]) == set(manifest["key"][:2])


def with_duplicates(count: int, groups: int, seed: int) -> pd.DataFrame:
    """Return rows of two classes in which some contents appear several times, across classes too.

    Of `count` images those whose index is equal modulo `groups` are one content, for the first
    `groups` of them; the others are unique.
    """
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "key": [f"image-{i:05}" for i in range(count)],
            "class": rng.permutation(["cat", "dog"] * (count // 2)),
            "sha256": rng.permutation([i if i % 3 else i % groups for i in range(count)]).astype(
                str
            ),
        }
    )
    seen: dict[str, str] = {}
    first = [seen.setdefault(row.sha256, row.key) for row in table.itertuples()]
    table["duplicate_of"] = [
        None if key == origin else origin for key, origin in zip(table["key"], first, strict=True)
    ]
    return table


def splits_of_contents(table: pd.DataFrame, split: pd.DataFrame) -> list[set[str]]:
    """Return, of each content, the splits in which it appears."""
    found: dict[str, set[str]] = {}
    where = dict(zip(split["key"], split["split"], strict=True))
    for row in table.itertuples():
        found.setdefault(row.sha256, set()).add(where[row.key])
    return list(found.values())


@pytest.mark.parametrize("strategy", ["stratified", "contiguous"])
@pytest.mark.parametrize("seed", range(3))
def test_together_keeps_equal_images_in_one_split(strategy: str, seed: int) -> None:
    """No content of a test image was trained on, even where another class has it too."""
    table = with_duplicates(400, 40, seed)
    several = table.groupby("sha256")["class"].nunique()
    assert (several == 2).sum() > 5  # the premise: some contents are in both classes
    how = {**TOGETHER, "strategy": strategy, "seed": seed}
    split = assign(table, how, ONE)
    assert {len(found) for found in splits_of_contents(table, split)} == {1}
    assert split["class"].tolist() == table["class"].tolist()
    assert split["key"].tolist() == table["key"].tolist()
    assert across_splits(table, split) == 0


def test_apart_leaves_equal_images_where_they_fall() -> None:
    """Each image for itself: equal ones may be in several splits, and are counted."""
    table = with_duplicates(400, 40, seed=0)
    split = assign(table, HOW, ONE)
    several = [found for found in splits_of_contents(table, split) if len(found) > 1]
    assert several
    where = dict(zip(split["key"], split["split"], strict=True))
    content = table.groupby("sha256")["key"].apply(list)
    expected = sum(len(keys) for keys in content if len({where[key] for key in keys}) > 1)
    assert across_splits(table, split) == expected


def test_apart_keeps_the_fractions_whatever_the_duplicates() -> None:
    """With duplicates apart the splits have their sizes to the image."""
    split = assign(with_duplicates(400, 40, seed=0), HOW, ONE)
    assert split["split"].value_counts().to_dict() == {"train": 240, "val": 80, "test": 80}


def test_together_keeps_the_fractions_about() -> None:
    """A few duplicates that move leave the sizes about as they were."""
    table = with_duplicates(3000, 900, seed=0)
    split = assign(table, TOGETHER, ONE)
    shares = split["split"].value_counts(normalize=True)
    assert shares["val"] == pytest.approx(0.2, abs=0.03)
    assert shares["test"] == pytest.approx(0.2, abs=0.03)


def test_without_duplicates_both_ways_are_one() -> None:
    """Where no two images are equal, together and apart give the same split."""
    table = images(cat=50, dog=30)
    pd.testing.assert_frame_equal(assign(table, HOW, ONE), assign(table, TOGETHER, ONE))


def test_together_gives_every_split_shards_of_one_size() -> None:
    """Shards are dealt after duplicates have moved, so they differ by one image at most."""
    split = assign(with_duplicates(400, 40, seed=0), TOGETHER, {"train": 5, "val": 2, "test": 2})
    for name, number in {"train": 5, "val": 2, "test": 2}.items():
        sizes = split[split["split"] == name]["shard"].value_counts()
        assert len(sizes) == number
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_small_class_of_pairs_is_in_every_split(seed: int) -> None:
    """Ten images, each twice, are drawn as ten: no split is left to chance."""
    table = images(common=50, pairs=20)
    rows = np.flatnonzero(table["class"] == "pairs")
    table.loc[rows[10:], "duplicate_of"] = table.loc[rows[:10], "key"].to_numpy()
    split = assign(table, {**TOGETHER, "seed": seed}, ONE)["split"].to_numpy()
    assert (split[rows[:10]] == split[rows[10:]]).all()
    assert sorted(split[rows[:10]]) == ["test"] * 2 + ["train"] * 6 + ["val"] * 2


def test_a_class_that_loses_a_split_to_its_duplicates_is_refused() -> None:
    """A class of one content cannot be in three splits at once; the error says what to do."""
    table = images(common=50, copies=10)
    copies = table["class"] == "copies"
    first = table.loc[copies, "key"].iloc[0]
    table.loc[copies & (table["key"] != first), "duplicate_of"] = first
    with pytest.raises(UserError, match="^class 'copies' has 10 images in 1 group of ") as error:
        assign(table, TOGETHER, ONE)
    assert "\n" not in str(error.value)
    assert len(assign(table, HOW, ONE)) == 60


def test_images_with_a_duplicate_in_another_split_are_counted() -> None:
    """All images of a content that crosses splits count, not those within one split."""
    contents = {"a": "train test", "b": "train train", "c": "train val test", "d": "val"}
    rows = [(sha, split) for sha, splits in contents.items() for split in splits.split()]
    table = pd.DataFrame(rows, columns=["sha256", "split"])
    table["key"] = [f"image{i}" for i in range(len(table))]
    assert across_splits(table[["key", "sha256"]], table[["key", "split"]]) == 2 + 3


GIVEN = {"strategy": "given", "val": 0.2, "test": 0.3, "seed": 0, "duplicates": "together"}


def given(**counts: dict[str, int]) -> pd.DataFrame:
    """Return the rows of a manifest with so many images of each class in each given split."""
    rows = [
        (f"{split}-{name}-{i}", name, f"{split}/{name}/{i}.png")
        for split, of_classes in counts.items()
        for name, count in of_classes.items()
        for i in range(count)
    ]
    return pd.DataFrame(rows, columns=["key", "class", "member"]).assign(duplicate_of=None)


def test_given_splits_stay() -> None:
    """Every image is in the split that the user gave, labels number the classes as ever."""
    table = given(test={"b": 3, "a": 2}, train={"a": 5, "b": 7}, val={"a": 1, "b": 1})
    split = assign(table, GIVEN, ONE)
    assert split["split"].tolist() == table["member"].str.partition("/")[0].tolist()
    assert split["key"].tolist() == table["key"].tolist()
    assert dict(zip(split["class"], split["label"], strict=True)) == {"a": 0, "b": 1}


def test_without_val_it_is_drawn_from_train() -> None:
    """A fifth of each class of train, drawn from the seed; the test stays whole."""
    table = given(train={"a": 50, "b": 10}, test={"a": 9, "b": 9})
    split = assign(table, GIVEN, ONE)
    counts = split.groupby(["class", "split"]).size().unstack()
    assert counts.loc["a"].to_dict() == {"train": 40, "val": 10, "test": 9}
    assert counts.loc["b"].to_dict() == {"train": 8, "val": 2, "test": 9}
    assert (split["split"] == "test").equals(table["member"].str.startswith("test/"))
    pd.testing.assert_frame_equal(split, assign(table, GIVEN, ONE))
    assert (assign(table, {**GIVEN, "seed": 1}, ONE)["split"] != split["split"]).any()
    assert split["split"].tolist()[:40] != ["train"] * 40  # at random, not in order


def test_without_test_the_given_val_is_the_test() -> None:
    """As ImageNet's users do; a new val comes from train."""
    table = given(train={"a": 20, "b": 20}, val={"a": 7, "b": 8})
    split = assign(table, GIVEN, ONE)
    assert split["split"].value_counts().to_dict() == {"train": 32, "val": 8, "test": 15}
    assert (split["split"] == "test").equals(table["member"].str.startswith("val/"))


def test_a_drawn_val_has_every_class() -> None:
    """Two images of a class in train are enough."""
    split = assign(given(train={"a": 90, "b": 2}, test={"a": 1, "b": 1}), GIVEN, ONE)
    assert (split.groupby("class")["split"].nunique() == 3).all()


def test_duplicates_leave_no_given_split() -> None:
    """Equal images stay where the user put them; val, where it is drawn, takes all copies."""
    table = given(train={"a": 60, "b": 60}, test={"a": 4, "b": 4})
    copies = [f"train-{name}-{i}" for name in "ab" for i in range(20)]
    table.loc[table["key"].isin(copies), "duplicate_of"] = "train-a-0"
    table.loc[table["key"] == "train-a-0", "duplicate_of"] = None
    table.loc[table["key"] == "test-b-0", "duplicate_of"] = "train-a-0"
    for seed in range(5):
        split = assign(table, {**GIVEN, "seed": seed}, ONE).set_index("key")["split"]
        assert split["test-b-0"] == "test"
        assert split[copies].nunique() == 1
        assert (split == "test").sum() == 8


def test_duplicates_of_a_test_image_stay_together_in_train() -> None:
    """Where the first of equal images is in the test, its copies in train are one draw."""
    table = given(test={"a": 4, "b": 4}, train={"a": 60, "b": 60})
    copies = [f"train-a-{i}" for i in range(30)]
    table.loc[table["key"].isin(copies), "duplicate_of"] = "test-a-0"
    for seed in range(5):
        split = assign(table, {**GIVEN, "seed": seed}, ONE).set_index("key")["split"]
        assert split[copies].nunique() == 1


GIVEN_WRONG = [
    ({"train": {"a": 5, "b": 5}, "test": {"a": 5}}, "class 'b' has no usable image in test"),
    ({"train": {"a": 5}, "test": {"a": 5, "b": 5}}, "class 'b' has no usable image in train"),
    (
        {"train": {"a": 5, "b": 5}, "val": {"b": 5}, "test": {"a": 5, "b": 5}},
        "class 'a' has no usable image in val",
    ),
    ({"train": {"a": 5, "b": 1}, "val": {"a": 5, "b": 5}}, "'b' has 1 image, too few for train"),
    ({"val": {"a": 5}}, "class 'a' has no usable image in train"),
    ({"train": {"a": 5}, "more": {"a": 5}, "test": {"a": 5}}, "an image is in 'more'"),
]


@pytest.mark.parametrize(("counts", "message"), GIVEN_WRONG)
def test_given_splits_that_lack_a_class_are_refused(
    counts: dict[str, dict[str, int]], message: str
) -> None:
    """The class and the split are named, in one line."""
    with pytest.raises(UserError, match=message) as error:
        assign(given(**counts), GIVEN, ONE)
    assert "\n" not in str(error.value)


def test_a_sample_of_given_splits_keeps_small_test_sets_whole() -> None:
    """Half of the classes are of 27 and 3 images: none is without test images."""
    rows = [
        (f"c{label:02d}", part)
        for label in range(100)
        for part, count in (("train", 900), ("test", 100))
        if label < 50 or count == 100
        for _ in range(count if label < 50 else 3)
    ]
    rows += [(f"c{label:02d}", "train") for label in range(50, 100) for _ in range(27)]
    table = pd.DataFrame(rows, columns=["class", "part"]).assign(duplicate_of=None)
    table["key"] = [f"image-{i}" for i in range(len(table))]
    pool = table["part"].to_numpy(dtype=object)
    tests = int((pool == "test").sum())
    found = sample(table, 30_000, 0, pool)
    assert (found["part"] == "test").sum() == tests
    assert len(found) == 30_000
    found = sample(table, 2_000, 0, pool)
    assert found.groupby("part")["class"].nunique().to_dict() == {"test": 100, "train": 100}
    assert found["part"].value_counts().to_dict() == {"test": 1000, "train": 1000}
    found = sample(table, 250, 0, pool)  # less than two of each class for train, one for test
    assert found.groupby(["part", "class"]).size().groupby("part").unique().to_dict() == {
        "test": [1],
        "train": [2],
    }


def sizes(found: pd.DataFrame) -> dict[str, int]:
    """Return how many images each class has."""
    return found["class"].value_counts().to_dict()


def test_a_sample_keeps_the_shares_of_the_classes() -> None:
    """By largest remainders: the total is the limit, each class within one image of its share."""
    numbers = {f"c{i:02}": int(n) for i, n in enumerate(np.geomspace(40, 4000, 30))}
    table = images(**numbers)
    for limit in (2500, 4321):
        found = sizes(sample(table, limit, 0))
        assert sum(found.values()) == limit
        assert all(abs(found[name] - limit * n / len(table)) < 1 for name, n in numbers.items())
    found = sizes(sample(table, 500, 0))  # the smallest have three each, the others less
    assert sum(found.values()) == 500
    raised = {name for name, n in numbers.items() if 500 * n / len(table) < 3}
    others = sum(n for name, n in numbers.items() if name not in raised)
    assert {name: found[name] for name in raised} == dict.fromkeys(raised, 3)
    for name in numbers.keys() - raised:
        share = (500 - 3 * len(raised)) * numbers[name] / others
        assert found[name] == 3 if share < 3 else abs(found[name] - share) < 1.5


def test_a_sample_does_not_raise_a_long_tail_more_than_the_splits_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One class of 100,000 and 500 of 10: three of each of these, and the rest of the limit."""
    table = images(head=100_000, **{f"tail{i}": 10 for i in range(500)})
    found = sample(table, 2037, 0)
    assert sizes(found) == {"head": 537, **{f"tail{i}": 3 for i in range(500)}}
    line = capsys.readouterr().out
    assert line.startswith("105,000 images; a sample of 2,037 is used; small classes raised to the")
    assert "splits need: 500, now 73.6 % of the sample, 4.8 % of the images\n" in line
    assert (assign(found, TOGETHER, ONE).groupby("class")["split"].nunique() == 3).all()


def test_only_the_fewest_of_each_class_make_a_sample_larger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """2,000 classes of 50 with a limit of 2,037: three of each, and the line says so."""
    found = sizes(sample(images(**{f"c{i}": 50 for i in range(2000)}), 2037, 0))
    assert set(found.values()) == {3}
    line = capsys.readouterr().out
    assert "a sample of 6,000 is used, not 2,037: so many are the fewest" in line


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_of_a_small_class_has_different_images(seed: int) -> None:
    """Of five images, each twice, three different ones are drawn: the splits can be made."""
    table = images(common=5000, pairs=10)
    rows = np.flatnonzero(table["class"] == "pairs")
    table.loc[rows[5:], "duplicate_of"] = table.loc[rows[:5], "key"].to_numpy()
    found = sample(table, 100, seed)
    assert sizes(found) == {"common": 97, "pairs": 3}
    assert (assign(found, TOGETHER, ONE).groupby("class")["split"].nunique() == 3).all()


def test_a_sample_is_drawn_at_random_and_again_from_its_seed() -> None:
    """The same seed gives the same images, another one others, in the order of the manifest."""
    table = images(cat=500, dog=300)
    found = sample(table, 80, 0)
    pd.testing.assert_frame_equal(found, sample(table, 80, 0))
    assert found.index.is_monotonic_increasing
    assert set(found["key"]) != set(sample(table, 80, 1)["key"])
    assert len(sample(table, None, 0)) == len(sample(table, 800, 0)) == 800


@pytest.mark.parametrize("fraction", [0.15, 0.35, 0.45])
@pytest.mark.parametrize("before", range(8))
def test_three_images_are_one_for_each_split(fraction: float, before: int) -> None:
    """Whatever the fractions, and whatever the totals before the class are rounded to."""
    table = images(a=before + 9, b=3)
    split = assign(table, {**HOW, "val": fraction, "test": fraction}, ONE)
    assert sorted(split.loc[split["class"] == "b", "split"]) == ["test", "train", "val"]


def test_many_small_classes_make_val_larger() -> None:
    """Each class has an image in val: of 200 classes of four a quarter, not 15 %."""
    table = images(**{f"c{i:03}": 4 for i in range(200)})
    split = assign(table, {**HOW, "val": 0.15, "test": 0.35}, ONE)
    assert (split["split"] == "val").sum() == 200


def split_of(manifest: pd.DataFrame, folder: Path, **how: Any) -> pd.DataFrame:
    """Return the split of a manifest of usable images."""
    manifest = manifest.assign(sha256=manifest["key"])
    for name, value in {"handling": "kept", "problems": "ok"}.items():
        manifest[name] = manifest.get(name, value)
    manifest.to_parquet(folder / "manifest.parquet")
    split_dataset(how, ONE, folder / "manifest.parquet", folder / "split.parquet")
    return pd.read_parquet(folder / "split.parquet")


def test_rare_classes_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With drop the labels number the classes that are left; the line names the others."""
    few = {f"few{i:02}": 1 + i % 2 for i in range(12)}
    table = images(zebra=20, ant=20, **few, copies=5)
    copies = table["class"] == "copies"
    first = table.loc[copies, "key"].iloc[0]
    table.loc[copies & (table["key"] != first), "duplicate_of"] = first
    split = split_of(table, tmp_path, **TOGETHER, rare="drop")
    assert dict(zip(split["class"], split["label"], strict=True)) == {"ant": 0, "zebra": 1}
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("13 classes, 23 usable images, are left out: too small for the splits: ")
    assert "'copies' (5), 'few01' (2), 'few03' (2), " in line
    assert line.endswith("'few04' (1) and 3 more")
    assert len(split_of(table, tmp_path, **HOW, rare="drop")) == 45  # apart: copies are five images


def test_rare_classes_of_the_manifest_are_named_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was set aside as a rare class stands in the same line, also where rare is stop."""
    table = images(cat=20, dog=20, fox=2).assign(handling="kept", problems="ok")
    fox = table["class"] == "fox"
    table.loc[fox, ["handling", "problems"]] = ["set aside", "rare class"]
    assert split_of(table, tmp_path, **HOW)["class"].nunique() == 2
    assert "1 classes, 2 usable images, are left out: too small for the splits: 'fox' (2)\n" in (
        capsys.readouterr().out
    )


def test_without_drop_a_rare_class_stops(tmp_path: Path) -> None:
    """The line names the manifest, the class, and that it may be dropped."""
    with pytest.raises(UserError, match=r"manifest\.parquet: class 'fox' has 2 .* rare to drop$"):
        split_of(images(cat=20, fox=2), tmp_path, **HOW, rare="stop")


def test_dropping_all_but_one_class_is_refused(tmp_path: Path) -> None:
    """A classifier needs two classes."""
    with pytest.raises(UserError, match=r"1 of its classes can be split, the 2 others") as error:
        split_of(images(cat=20, dog=2, fox=1), tmp_path, **HOW, rare="drop")
    assert "\n" not in str(error.value)


def test_a_class_that_lacks_a_given_split_is_rare(tmp_path: Path) -> None:
    """In given splits a class needs an image in each, and two in train where val is drawn."""
    counts = {"train": {"a": 9, "b": 9, "c": 1, "d": 9}, "test": {"a": 5, "b": 5, "c": 5}}
    assert set(split_of(given(**counts), tmp_path, **GIVEN, rare="drop")["class"]) == {"a", "b"}
    table = given(**counts, val={"a": 1, "b": 1, "c": 1, "d": 1})
    assert set(split_of(table, tmp_path, **GIVEN, rare="drop")["class"]) == {"a", "b", "c"}


def test_copies_in_a_class_count_once() -> None:
    """The first stays, or where splits are given the test's; a copy in another class stays, too."""
    images = pd.DataFrame(
        [
            ("a", "cat", "train/cat/a.png", None),
            ("b", "cat", "test/cat/b.png", "a"),
            ("c", "dog", "train/dog/c.png", "a"),
            ("d", "dog", "train/dog/d.png", None),
            ("e", "dog", "train/dog/e.png", "d"),
        ],
        columns=["key", "class", "member", "duplicate_of"],
    )
    assert distinct(images)["key"].tolist() == ["b", "c", "d"]
