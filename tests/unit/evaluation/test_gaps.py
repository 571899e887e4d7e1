"""What training on compressed images wins back: planted models have the gaps that were planted."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.evaluation.gaps import gaps
from jpegprep.evaluation.stats import accuracy_interval, difference_interval

RATIOS = [1.0, 0.3]
IMAGES = 50
# Of 50 images, which each model gets right: trained at the first ratio, tested at the second. A
# model of originals loses 20 on compressed images. One of compressed images wins 12 of them back,
# and loses 5 others on originals.
RIGHT = {
    (1.0, 1.0): range(0, 40),
    (1.0, 0.3): range(20, 40),
    (0.3, 0.3): range(8, 40),
    (0.3, 1.0): range(5, 40),
}


def seed_file(
    path: Path, right: dict[tuple[float, float], range], fold: int = -1, of_group: int = 0
) -> Path:
    """Write the predictions of a seed that is right on these images; so many are a group."""
    rows = [
        (
            *(trained, tested, f"{k:02d}", k % 3, (k + (k not in right[trained, tested])) % 3),
            *(fold, k // of_group if of_group else -1),
        )
        for trained, tested in itertools.product(RATIOS, repeat=2)
        for k in range(IMAGES)
    ]
    columns = ["trained", "tested", "key", "label", "predicted", "fold", "group"]
    table = pd.DataFrame(rows, columns=columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.astype({"label": "int32", "predicted": "int32"}).to_parquet(path, index=False)
    return path


def correct(pair: tuple[float, float], right: dict[tuple[float, float], range]) -> np.ndarray:
    """Return which images are right, (1, images)."""
    return np.isin(np.arange(IMAGES), list(right[pair]))[np.newaxis]


@pytest.fixture(name="row")
def _row(tmp_path: Path) -> "pd.Series":
    """Return the one row of one data set of one seed."""
    gaps({"a": [seed_file(tmp_path / "0.parquet", RIGHT)]}, "lite0", tmp_path / "g.csv")
    (index, row), *rest = pd.read_csv(tmp_path / "g.csv").iterrows()
    assert (index, rest) == (0, [])
    return row


def test_the_first_word_is_what_was_trained_on(row: "pd.Series") -> None:
    """Each of the four pairs has its own share of right images, and its interval."""
    assert row[["dataset", "learner", "ratio", "seeds", "n"]].tolist() == ["a", "lite0", 0.3, 1, 50]
    names = {"original": 1.0, "compressed": 0.3}
    for (one, trained), (other, tested) in itertools.product(names.items(), repeat=2):
        found = [row[f"{one}_{other}_{name}"] for name in ("accuracy", "low", "high")]
        expected = accuracy_interval(correct((trained, tested), RIGHT))[:3]
        assert found == pytest.approx(expected, rel=1e-5)
    assert row["original_compressed_accuracy"] == 20 / IMAGES
    assert row["compressed_original_accuracy"] == 35 / IMAGES


def test_the_gaps_are_those_that_were_planted(row: "pd.Series") -> None:
    """Won back 12 of 50, gone 8 of 50, on originals 5 fewer; paired by image."""
    assert row["generalization_gap"] == pytest.approx(12 / IMAGES)
    assert row["information_gap"] == pytest.approx(8 / IMAGES)
    assert row["on_originals"] == pytest.approx(-5 / IMAGES)
    for gap, one, other in (
        ("generalization_gap", (0.3, 0.3), (1.0, 0.3)),
        ("information_gap", (1.0, 1.0), (0.3, 0.3)),
        ("on_originals", (0.3, 1.0), (1.0, 1.0)),
    ):
        found = difference_interval(correct(one, RIGHT), correct(other, RIGHT))
        bounds = row[[f"{gap}_low", f"{gap}_high"]].astype(float).tolist()
        assert bounds == pytest.approx([found.low, found.high], rel=1e-4)
    # Of 12 won back and none lost McNemar's test is sure.
    assert row["generalization_gap_low"] > 0


def test_what_is_lost_is_won_back_or_gone(row: "pd.Series") -> None:
    """Both gaps together are what a model of originals loses on compressed images."""
    lost = row["original_original_accuracy"] - row["original_compressed_accuracy"]
    assert row["generalization_gap"] + row["information_gap"] == pytest.approx(lost)


def test_people_read_four_accuracies_and_three_gaps(tmp_path: Path) -> None:
    """A row a data set and ratio below 1, in points, with a note that explains the letters."""
    tests = {
        "a": [seed_file(tmp_path / "0.parquet", RIGHT)],
        "b": [seed_file(tmp_path / f"{s}.parquet", RIGHT, fold=0) for s in (1, 2)],
    }
    targets = [tmp_path / f"g.{kind}" for kind in ("csv", "md", "html")]
    gaps(tests, "lite0", *targets)
    lines = targets[1].read_text("utf-8").splitlines()
    rows = [[x.strip() for x in line.strip("|").split("|")] for line in lines if "|" in line]
    assert rows[0] == [
        *("data set", "ratio", "O→O", "O→C", "C→C", "C→O"),
        *("generalization gap, points", "information gap, points", "on originals, points"),
        *("test images", "seeds"),
    ]
    _, _, a, b = rows
    assert a[:3] == ["a", "0.3", "0.800 [0.670, 0.888]"]
    assert [a[6].split(" ")[0], a[7].split(" ")[0], a[8].split(" ")[0]] == [
        *("+24.0", "+16.0", "-10.0")
    ]
    assert a[9:] == ["50", "1"]
    assert b[9:] == ["50", "cross-fitted, 2 repeats"]
    assert pd.read_csv(targets[0])["interval"].tolist() == ["Wilson", "Wilson, cross-fitted"]
    assert "second letter: tested on" in lines[-1]
    assert "O→C" in targets[2].read_text("utf-8")


def test_repeats_of_the_same_images_do_not_shorten_an_interval(tmp_path: Path) -> None:
    """Cross-fitted gaps are as wide as those of their images, however many repeats there are."""
    files = [seed_file(tmp_path / f"{s}.parquet", RIGHT, fold=0) for s in range(5)]
    gaps({"a": files}, "probe", tmp_path / "g.csv")
    row = pd.read_csv(tmp_path / "g.csv").iloc[0]
    sides = (np.repeat(correct(pair, RIGHT), 5, axis=0) for pair in ((0.3, 0.3), (1.0, 0.3)))
    found = difference_interval(*sides, crossfitted=True)
    assert [row["generalization_gap_low"], row["generalization_gap_high"]] == pytest.approx(
        [found.low, found.high], rel=1e-4
    )


def test_images_that_belong_together_widen_the_intervals(tmp_path: Path) -> None:
    """Images that are right or wrong five at a time are as few as their groups."""
    alone = seed_file(tmp_path / "alone.parquet", RIGHT)
    together = seed_file(tmp_path / "together.parquet", RIGHT, of_group=5)
    gaps({"a": [alone], "b": [together]}, "lite0", tmp_path / "g.csv")
    one, other = pd.read_csv(tmp_path / "g.csv").to_dict("records")
    for gap in ("generalization_gap", "information_gap"):
        assert one[gap] == other[gap]
        width = one[f"{gap}_high"] - one[f"{gap}_low"]
        assert other[f"{gap}_high"] - other[f"{gap}_low"] > 1.5 * width


def test_seeds_of_other_images_are_named(tmp_path: Path) -> None:
    """Two seeds that were tested on different images are one line that names a file."""
    seeds = [seed_file(tmp_path / f"seed{s}.parquet", RIGHT) for s in range(2)]
    table = pd.read_parquet(seeds[1])
    table.assign(key="x" + table["key"]).to_parquet(seeds[1], index=False)
    with pytest.raises(UserError, match=r"seed1\.parquet: .*seed0\.parquet; remove both"):
        gaps({"a": seeds}, "lite0", tmp_path / "g.csv")
    assert not (tmp_path / "g.csv").exists()
