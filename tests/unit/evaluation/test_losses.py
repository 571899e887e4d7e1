"""What compression costs: classes with their intervals, and images that flip."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.evaluation.losses import Predictions, classes, flips, read_ratios
from jpegprep.evaluation.stats import accuracy_interval, difference_interval
from jpegprep.learners.runs import write_predictions
from jpegprep.shards.shards import pack, writing_shard

RATIOS = [1.0, 0.5, 0.3, 0.1]
NAMES = ["cat", "dog", "null"]


def predictions(path: Path, keys: list[str], labels: list[int], predicted: list[int]) -> Path:
    """Write predictions.parquet: all probability on the class predicted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    probabilities = np.eye(max(len(NAMES), max(predicted) + 1), dtype=np.float32)[predicted]
    write_predictions(path, np.array(keys), np.array(labels, dtype=np.int64), probabilities)
    return path


def split(path: Path) -> Path:
    """Write a split of the three classes."""
    table = {"key": ["x", "y", "z"], "class": NAMES[::-1], "label": [2, 1, 0]}
    pd.DataFrame(table).to_parquet(path, index=False)
    return path


def found(labels: list[int], predicted: dict[float, list[list[int]]]) -> Predictions:
    """Return predictions of images that are called 000, 001 and so on."""
    return Predictions(
        [f"{i:03d}" for i in range(len(labels))],
        np.array(labels, dtype=np.int32),
        {ratio: np.array(seeds, dtype=np.int32) for ratio, seeds in predicted.items()},
        NAMES,
    )


def read(path: Path) -> pd.DataFrame:
    """Return a CSV, with keys and classes as they stand there."""
    text = dict.fromkeys(("key", "class", "wrong_at", "predicted"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"low": [""]})


def test_files_become_predictions_by_ratio(tmp_path: Path) -> None:
    """Seeds are rows, ratios go down from 1.0, and classes have their names by label."""
    files = {
        ratio: [
            predictions(tmp_path / f"{ratio}-{seed}.parquet", ["k0", "k1"], [2, 0], [seed, 1])
            for seed in range(2)
        ]
        for ratio in (1.0, 0.3)
    }
    read_back = read_ratios(files, split(tmp_path / "split.parquet"))
    assert list(read_back.predicted) == [1.0, 0.3]
    assert read_back.predicted[0.3].tolist() == [[0, 1], [1, 1]]
    assert (read_back.keys, read_back.labels.tolist()) == (["k0", "k1"], [2, 0])
    assert read_back.classes == NAMES


def test_runs_of_other_images_are_named(tmp_path: Path) -> None:
    """A run that was tested on other images is one line that names it."""
    files = {
        ratio: [predictions(tmp_path / f"{ratio}.parquet", [key], [0], [0])]
        for ratio, key in ((1.0, "k0"), (0.3, "k1"))
    }
    with pytest.raises(UserError, match=r"0\.3\.parquet: .*1\.0\.parquet; remove both"):
        read_ratios(files, split(tmp_path / "split.parquet"))


@pytest.fixture
def pets() -> Predictions:
    """Return two seeds: cats fall from 16 of 20 to 4, dogs stay at 10 of 10, null has one image."""
    labels = [0] * 20 + [1] * 10 + [2]
    right = np.array(labels)

    def seeds(cats: int) -> list[list[int]]:
        row = right.copy()
        row[cats:20] = 1
        return [row.tolist(), np.r_[row[:20][::-1], row[20:]].tolist()]

    return found(labels, {1.0: seeds(16), 0.5: seeds(14), 0.3: seeds(4)})


Files = tuple[dict[str, dict[float, list[Path]]], dict[str, Path]]
Folders = dict[str, dict[float, Path]]
# Of a ratio and class, how many of its images compression leaves as they were.
Kept = dict[tuple[float, int], int]


def variants(folder: Path, kept: Kept | None = None, **datasets: Predictions) -> Folders:
    """Write the shards of data sets at each ratio: two images train for each that tests."""
    found: Folders = {}
    for name, one in datasets.items():
        labels = np.tile(one.labels, 3)
        place = [int((labels[:i] == label).sum()) for i, label in enumerate(labels)]
        for ratio in one.predicted:
            target = folder / name / str(ratio)
            found.setdefault(name, {})[ratio] = target
            for split, rows in (("train", 2), ("val", 0), ("test", 1)):
                with writing_shard(target / f"{split}-0.tar", "jpeg-q30", "a test") as writer:
                    start = 0 if split == "train" else 2 * len(one.labels)
                    for i in range(start, start + rows * len(one.labels)):
                        before = b"GIF8" + bytes([i % 256, i // 256])
                        same = place[i] < (kept or {}).get((ratio, labels[i]), 0)
                        data = before if ratio == 1 or same else before + b"!"
                        writer.append(pack([(f"i{i}", int(labels[i]), data, before)]))
    return found


def written(folder: Path, **datasets: Predictions) -> Files:
    """Write the predictions and splits of data sets, as `classes` and `flips` read them."""
    files: dict[str, dict[float, list[Path]]] = {}
    splits: dict[str, Path] = {}
    for name, one in datasets.items():
        files[name] = {
            ratio: [
                predictions(
                    folder / name / f"{ratio}-{seed}.parquet", one.keys, one.labels.tolist(), row
                )
                for seed, row in enumerate(rows.tolist())
            ]
            for ratio, rows in one.predicted.items()
        }
        splits[name] = folder / name / "split.parquet"
        of_classes = {"class": list(one.classes), "label": range(len(one.classes))}
        pd.DataFrame(of_classes).astype({"label": "int32"}).to_parquet(splits[name], index=False)
    return files, splits


def test_classes_have_their_own_accuracy_and_interval(tmp_path: Path, pets: Predictions) -> None:
    """A row a class and ratio: shares of right images, and the paired interval of these images."""
    shards = variants(tmp_path / "shards", pets=pets)
    classes(*written(tmp_path, pets=pets), shards, "lite0", 0.3, tmp_path / "c.csv")
    table = read(tmp_path / "c.csv").set_index(["class", "ratio"])
    assert len(table) == 3 * 2
    cats = table.loc["cat", 0.3]
    assert (cats["n"], cats["dataset"], cats["learner"]) == (20, "pets", "lite0")
    assert [cats["accuracy"], cats["original_accuracy"]] == pytest.approx([4 / 20, 16 / 20])
    expected = difference_interval(pets.correct(0.3)[:, :20], pets.correct(1.0)[:, :20])
    numbers = [expected.difference, expected.low, expected.high, expected.p]
    assert expected.difference == pytest.approx(-12 / 20)
    assert cats[["difference", "low", "high", "p"]].astype(float).tolist() == pytest.approx(
        numbers, rel=1e-4
    )
    assert table.loc["cat", 0.5]["accuracy"] == pytest.approx(14 / 20)
    assert table.loc["dog", 0.3]["difference"] == 0
    for ratio, side in ((0.3, "accuracy"), (1.0, "original")):
        bounds = accuracy_interval(pets.correct(ratio)[:, :20])[1:3]
        assert cats[[f"{side}_low", f"{side}_high"]].astype(float).tolist() == pytest.approx(
            bounds, rel=1e-4
        )
    assert (cats["seeds"], cats["interval"]) == (2, "Wilson with random effects")


def test_one_image_has_no_interval(tmp_path: Path, pets: Predictions) -> None:
    """A class of one test image tells nothing: an accuracy from 0 to 1, and no difference."""
    shards, targets = variants(tmp_path / "shards", pets=pets), [tmp_path / "c.csv"]
    targets.append(tmp_path / "c.md")
    classes(*written(tmp_path, pets=pets), shards, "lite0", 0.3, *targets)
    table = pd.read_csv(tmp_path / "c.csv", keep_default_na=False).set_index(["class", "ratio"])
    row = table.loc["null", 0.3]
    assert row[["low", "high", "p", "p_holm"]].tolist() == [""] * 4
    assert row[["accuracy_low", "accuracy_high", "original_low", "original_high"]].astype(
        float
    ).tolist() == [0, 1, 0, 1]
    # Holm of two p-values: the smaller one counts twice.
    cats, dogs = (table.loc[name, 0.3] for name in ("cat", "dog"))
    assert float(cats["p_holm"]) == pytest.approx(min(1, 2 * float(cats["p"])), rel=1e-4)
    assert float(dogs["p_holm"]) == pytest.approx(1)
    line = next(x for x in (tmp_path / "c.md").read_text("utf-8").splitlines() if "null" in x)
    assert line.rstrip("| ").endswith("+0.000")
    assert line.count("1.000 [0.000, 1.000]") == 3


def test_people_read_the_ten_classes_that_lose_most(tmp_path: Path) -> None:
    """Of twelve classes the ten worst at the ratio, worst first; of each data set; with a note."""
    count, images = 12, 12
    labels = np.repeat(np.arange(count), images)
    right = labels.copy()
    for label in range(count):  # class k loses k images
        right[label * images : label * images + label] = (label + 1) % count
    names = [f"class{i}" for i in range(count)]
    one = Predictions(
        [str(i) for i in range(len(labels))],
        labels,
        {1.0: labels[np.newaxis], 0.5: labels[np.newaxis], 0.3: right[np.newaxis]},
        names,
    )
    targets = [tmp_path / f"c.{kind}" for kind in ("csv", "md", "html")]
    shards = variants(tmp_path / "shards", a=one, b=one)
    classes(*written(tmp_path, a=one, b=one), shards, "lite0", 0.3, *targets)
    lines = targets[1].read_text("utf-8").splitlines()
    rows = [[x.strip() for x in line.strip("|").split("|")] for line in lines if "|" in line]
    assert rows[0] == [
        *("data set", "class", "test images", "seeds", "original", "0.5", "0.3"),
        "difference at 0.3",
    ]
    worst = [f"class{i}" for i in range(11, 1, -1)]
    assert [row[:2] for row in rows[2:]] == [[name, x] for name in "ab" for x in worst]
    # Wilson's intervals of 12 and of 1 of 12, from the published formula.
    all_right = "1.000 [0.758, 1.000]"
    assert rows[2][2:7] == ["12", "1", all_right, all_right, "0.083 [0.015, 0.354]"]
    assert rows[2][7].startswith(f"{-11 / 12:.3f} [-")
    # McNemar's statistic of k losses and no gain is the root of k. Holm's: p is at most
    # 0.05 / (12 - rank); of 11 to 8 losses it is 0.0009 to 0.0047, of 7 it is 0.0082 > 0.05 / 8.
    for name in "ab":
        assert (
            f"{name}: 1 seed, 12 test images a class (median); at ratio 0.3, 4 of 12 " in lines[-1]
        )
    assert "winner's curse" in lines[-1]


def test_kept_images_are_counted_by_class(tmp_path: Path, pets: Predictions) -> None:
    """Of all splits, at each ratio; where classes differ in it, the note says that it is a cue."""
    shards = variants(tmp_path / "shards", {(0.3, 0): 45, (0.3, 1): 1, (0.5, 1): 2}, pets=pets)
    targets = [tmp_path / f"c.{kind}" for kind in ("csv", "md")]
    classes(*written(tmp_path, pets=pets), shards, "lite0", 0.3, *targets)
    table = pd.read_csv(targets[0], keep_default_na=False).set_index(["class", "ratio"])
    expected = {
        **{("cat", 0.3): (60, 45), ("dog", 0.3): (30, 1), ("null", 0.3): (3, 0)},
        **{("cat", 0.5): (60, 0), ("dog", 0.5): (30, 2), ("null", 0.5): (3, 0)},
    }
    found = {key: tuple(row) for key, row in table[["images", "kept"]].iterrows()}
    assert found == expected
    lines = targets[1].read_text("utf-8").splitlines()
    rows = [[x.strip() for x in line.strip("|").split("|")] for line in lines if "|" in line]
    assert rows[0][-1] == "kept at 0.3"
    assert {row[1]: row[-1] for row in rows[2:]} == {
        "cat": "45 of 60",
        "dog": "1 of 30",
        "null": "0 of 3",
    }
    assert "pets: At ratio 0.3 compression left 3% of the images of class 'dog'" in lines[-1]
    assert "49% of all images" in lines[-1]


def test_images_kept_of_all_classes_alike_are_no_cue(tmp_path: Path, pets: Predictions) -> None:
    """Half of each class: the counts are there, and no warning."""
    kept = {(0.3, 0): 30, (0.3, 1): 15, (0.3, 2): 1}
    targets = [tmp_path / f"c.{kind}" for kind in ("csv", "md")]
    shards = variants(tmp_path / "shards", kept, pets=pets)
    classes(*written(tmp_path, pets=pets), shards, "lite0", 0.3, *targets)
    text = targets[1].read_text("utf-8")
    assert "30 of 60" in text and "as they were" not in text


def flip_rows(tmp_path: Path, **datasets: Predictions) -> list[tuple[str, ...]]:
    """Return key, class, first_ratio, lost_for_good, wrong_at and predicted of each flip."""
    flips(*written(tmp_path, **datasets), "lite0", tmp_path / "f.csv")
    table = pd.read_csv(tmp_path / "f.csv", dtype=str, keep_default_na=False)
    assert table.columns.tolist()[:2] == ["dataset", "learner"]
    return [tuple(row) for row in table.iloc[:, 2:].to_numpy().tolist()]


def test_a_flip_is_from_right_to_wrong(tmp_path: Path) -> None:
    """Lost for good: wrong from a ratio on. Others: the first wrong ratio. The rest: none."""
    # Of each image (a cat) what is predicted at 1.0, 0.5, 0.3, 0.1.
    images = [
        [0, 0, 0, 0],  # never wrong
        [1, 1, 1, 1],  # never right
        [0, 0, 0, 2],  # lost at 0.1
        [0, 1, 0, 2],  # wrong at 0.5, right again, lost at 0.1
        [0, 1, 0, 0],  # wrong once
        [0, 1, 1, 1],  # lost at 0.5
        [0, 1, 2, 0],  # wrong twice
    ]
    predicted = {ratio: [[row[i] for row in images]] for i, ratio in enumerate(RATIOS)}
    assert flip_rows(tmp_path, pets=found([0] * len(images), predicted)) == [
        ("005", "cat", "0.5", "True", "0.5 0.3 0.1", "dog"),
        ("006", "cat", "0.5", "False", "0.5 0.3", "dog"),
        ("004", "cat", "0.5", "False", "0.5", "dog"),
        ("003", "cat", "0.1", "True", "0.5 0.1", "null"),
        ("002", "cat", "0.1", "True", "0.1", "null"),
    ]


def test_most_seeds_decide_and_a_tie_is_wrong(tmp_path: Path) -> None:
    """Right is what more than half of the seeds get right; the class is the most frequent wrong."""
    three = found(
        [0, 0, 0],
        {1.0: [[0, 0, 1], [0, 1, 1], [1, 0, 0]], 0.3: [[2, 0, 1], [2, 0, 1], [1, 1, 1]]},
    )
    assert flip_rows(tmp_path, three=three) == [("000", "cat", "0.3", "True", "0.3", "null")]
    two = found([0, 0], {1.0: [[0, 0], [0, 1]], 0.3: [[0, 1], [1, 1]]})
    assert flip_rows(tmp_path, two=two) == [("000", "cat", "0.3", "True", "0.3", "dog")]


def test_flips_are_data_set_by_data_set(tmp_path: Path) -> None:
    """The data sets keep the study's order, whatever flips first."""
    late = found([0], {1.0: [[0]], 0.5: [[0]], 0.3: [[1]]})
    early = found([0], {1.0: [[0]], 0.5: [[1]], 0.3: [[1]]})
    never = found([0], {1.0: [[0]], 0.3: [[0]]})
    files = written(tmp_path, late=late, early=early, never=never)
    flips(*files, "x", tmp_path / "f.csv")
    table = pd.read_csv(tmp_path / "f.csv")
    assert table["dataset"].tolist() == ["late", "early"]
    assert table["learner"].tolist() == ["x", "x"]


def test_where_nothing_flips_the_table_is_empty(tmp_path: Path) -> None:
    """The columns are there without a row."""
    assert flip_rows(tmp_path, pets=found([0], {1.0: [[0]], 0.3: [[0]]})) == []
