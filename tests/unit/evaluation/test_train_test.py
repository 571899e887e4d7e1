"""Trained at one ratio, tested at another: the table's numbers, and the figure that shows them."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.evaluation.stats import difference_interval
from jpegprep.evaluation.train_test import train_test
from jpegprep.results.figures.train_test import heat_maps

RATIOS = [1.0, 0.3, 0.1]
IMAGES = 40
# Of 40 images, how many each model gets right: trained at the row's ratio, tested at the column's.
RIGHT = {"a": [[36, 30, 20], [32, 34, 28], [24, 30, 26]], "b": [[8, 4, 0], [6, 20, 10], [2, 4, 40]]}


def seed_file(path: Path, right: list[list[int]], shift: int = 0) -> Path:
    """Write the predictions of a seed: the first `right` images, from `shift` on, are right."""
    rows = []
    for (i, trained), (j, tested) in itertools.product(enumerate(RATIOS), repeat=2):
        for k in range(IMAGES):
            wrong = (k - shift) % IMAGES >= right[i][j]
            rows.append((trained, tested, f"{k:03d}", k % 4, (k + wrong) % 4, -1, -1))
    columns = ["trained", "tested", "key", "label", "predicted", "fold", "group"]
    table = pd.DataFrame(rows, columns=columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.astype({"label": "int32", "predicted": "int32"}).to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the table of two data sets: of two seeds and of one."""
    folder = tmp_path_factory.mktemp("tables")
    tests = {
        "a": [seed_file(folder / "a" / f"seed{s}.parquet", RIGHT["a"], 3 * s) for s in range(2)],
        "b": [seed_file(folder / "b" / "seed0.parquet", RIGHT["b"])],
    }
    targets = {kind: folder / f"train_test.{kind}" for kind in ("csv", "md", "html")}
    train_test(tests, "lite0", 0.3, *targets.values())
    return targets


def numbers(tables: dict[str, Path]) -> pd.DataFrame:
    """Return the CSV by data set, trained and tested."""
    return pd.read_csv(tables["csv"]).set_index(["dataset", "trained", "tested"])


def test_the_accuracies_are_the_shares_of_right_images(tables: dict[str, Path]) -> None:
    """Each pair of ratios has its accuracy, n and seeds, within its interval."""
    table = numbers(tables)
    assert len(table) == 2 * len(RATIOS) ** 2
    for name, right in RIGHT.items():
        for (i, trained), (j, tested) in itertools.product(enumerate(RATIOS), repeat=2):
            row = table.loc[name, trained, tested]
            assert row["accuracy"] == pytest.approx(right[i][j] / IMAGES)
            assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
            assert (row["n"], row["seeds"]) == (IMAGES, 2 if name == "a" else 1)
    # Wilson's interval of 20 of 40, from a published formula: centre 0.5, half-width 0.1482.
    row = table.loc["b", 0.3, 0.3]
    assert [row["low"], row["high"]] == pytest.approx([0.3520, 0.6480], abs=1e-4)


def test_differences_are_to_trained_and_tested_on_originals(tables: dict[str, Path]) -> None:
    """A difference is to (1.0, 1.0), paired by image; that pair itself has none."""
    table = numbers(tables)
    for name, right in RIGHT.items():
        own = table.loc[name, 1.0, 1.0]
        assert own[["difference", "difference_low", "difference_high"]].isna().all()
        others = table.loc[name].drop((1.0, 1.0))
        expected = [x - right[0][0] for row in right for x in row][1:]
        assert others["difference"].to_numpy() * IMAGES == pytest.approx(expected)
        assert (others["difference_low"] <= others["difference"]).all()
        assert (others["difference"] <= others["difference_high"]).all()
    images = np.arange(IMAGES)[np.newaxis]
    paired = difference_interval(images < RIGHT["b"][2][2], images < RIGHT["b"][0][0])
    row = table.loc["b", 0.1, 0.1]
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(
        [paired.low, paired.high], abs=1e-6
    )


def test_the_matrix_has_its_diagonal_in_bold(tables: dict[str, Path]) -> None:
    """People read a row a training ratio, a column a test ratio, the same ratio in bold.

    Each cell has its interval, each row its test images and seeds.
    """
    text = tables["md"].read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    assert rows[0] == [
        *("data set", "trained at", *(f"tested at {ratio}" for ratio in RATIOS)),
        *("test images", "seeds"),
    ]
    table = numbers(tables)

    def cell(place: tuple[str, float, float]) -> str:
        row = table.loc[place]
        text = f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        return f"**{text}**" if place[1] == place[2] else text

    expected = [
        [
            name,
            str(trained),
            *(cell((name, trained, tested)) for tested in RATIOS),
            *(str(IMAGES), seeds),
        ]
        for name, seeds in (("a", "2"), ("b", "1"))
        for trained in RATIOS
    ]
    assert rows[2:] == expected
    html = tables["html"].read_text(encoding="utf-8")
    assert "<b>0.900 [" in html
    assert "*" not in html


def test_the_note_says_what_mixing_costs(tables: dict[str, Path]) -> None:
    """Below stand both mixed pairs at the ratio, of each data set."""
    note = tables["md"].read_text(encoding="utf-8").splitlines()[-1]
    table = numbers(tables)
    for name in RIGHT:
        part = re.search(rf" {name}: trained at.*?\.(?= [A-Zb])", note)
        assert part
        own = table.loc[name]
        for words, pair in (
            ("trained at ratio 0.3, tested on originals", (0.3, 1.0)),
            ("trained on originals, tested at ratio 0.3", (1.0, 0.3)),
        ):
            row = own.loc[pair]
            assert f"{words}: {row['accuracy']:.3f} [{row['low']:.3f}," in part[0]
            assert f"a difference of {row['difference']:+.3f} [" in part[0]


def test_seeds_of_other_images_are_named(tmp_path: Path) -> None:
    """Two seeds that were tested on different images are one line that names a file."""
    seeds = [seed_file(tmp_path / f"seed{s}.parquet", RIGHT["a"]) for s in range(2)]
    table = pd.read_parquet(seeds[1])
    table.assign(key="x" + table["key"]).to_parquet(seeds[1], index=False)
    with pytest.raises(UserError, match=r"seed1\.parquet: .*seed0\.parquet; remove both"):
        train_test({"a": seeds}, "lite0", 0.3, tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """A file that is no parquet is one line that says what to do."""
    path = tmp_path / "seed0.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"seed0\.parquet is missing or damaged; .* made again"):
        train_test({"a": [path]}, "lite0", 0.3, tmp_path / "t.csv")


def words(svg: Path) -> list[str]:
    """Return the texts of an SVG; Matplotlib comments on each."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text(encoding="utf-8"))


def test_the_figure_shows_each_accuracy_in_its_cell(
    tmp_path: Path, tables: dict[str, Path]
) -> None:
    """A panel a data set; in percent, row by row from originals down, and n in the title."""
    heat_maps(tables["csv"], tmp_path / "f.svg", tmp_path / "f.png")
    found = words(tmp_path / "f.svg")
    shown = [text for text in found if re.fullmatch(r"\d+\.\d", text) and text not in ("1.0",)]
    ticks = {str(ratio) for ratio in RATIOS}
    assert [text for text in shown if text not in ticks] == [
        f"{100 * x / IMAGES:.1f}" for right in RIGHT.values() for row in right for x in row
    ]
    assert "a: accuracy, %; n = 40, 2 seeds" in found
    assert "b: accuracy, %; n = 40, 1 seed" in found
    assert found.count("trained at ratio") == found.count("tested at ratio") == 2
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(7.2 * 300, abs=1)


def test_one_data_set_fills_a_column_with_ten_ratios(tmp_path: Path) -> None:
    """Ten ratios are a hundred numbers in a column's width, in the same file each time."""
    ratios = [round(1 - i / 10, 1) for i in range(10)]
    rows = [("a", a, b, 1, 174, 0.9 - abs(a - b) / 2) for a in ratios for b in ratios]
    columns = ["dataset", "trained", "tested", "seeds", "n", "accuracy"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "t.csv", index=False)
    heat_maps(tmp_path / "t.csv", tmp_path / "one.svg", tmp_path / "one.png")
    heat_maps(tmp_path / "t.csv", tmp_path / "other.svg")
    shown = [text for text in words(tmp_path / "one.svg") if re.fullmatch(r"\d\d\.\d", text)]
    assert len(shown) == 100
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == pytest.approx(3.5 * 300, abs=1)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
