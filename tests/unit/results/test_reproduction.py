"""Published against ours: every number of the paper, and ours beside it where there is one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.results.tables.reproduction import reproduction

# What the paper prints, as if: two data sets of which the study has one, and some not copied yet.
PAPER = """table,row,column,value,note
I,dtd,classes,47,
I,dtd,total,5640,
I,dtd,train,3384,
I,dtd,test,1129,rounded otherwise
I,dtd,validation,1128,
I,pets,total,7400,
II,dtd,small_original_accuracy,0.70,
II,dtd,small_original_drop,0.01,printed twice
II,dtd,small_compressed_accuracy,0.60,
II,dtd,small_compressed_drop,0.02,
II,dtd,large_original_accuracy,,
III,dtd,original_mib,600.0,MB are MiB
III,dtd,relative_size,0.2221,
III,dtd,original_accuracy,0.66,
III,dtd,compressed_accuracy,0.75,
III,dtd,relative_accuracy,1.01,
III,pets,relative_size,0.1377,
IV,unnamed,clean_accuracy,0.71,the paper does not say which data set
IV,unnamed,noisy_accuracy,,the paper does not say which data set
IV,unnamed,noisy_jpeg_accuracy,0.5,the paper does not say which data set
"""
TABLES = {
    "I": """dataset,classes,total,train,test,validation,paper_total
dtd,47,5640,3384,1128,1128,5640
mine,2,10,6,2,2,
""",
    "II": """dataset,small,large,ratio,seeds,n,large_seeds,small_original_accuracy,"""
    """small_original_low,small_original_high,small_compressed_accuracy,small_compressed_low,"""
    """small_compressed_high,large_original_accuracy,large_original_low,large_original_high,"""
    """small_compressed_drop,small_compressed_drop_low,small_compressed_drop_high,large_original_drop,"""
    """large_original_drop_low,large_original_drop_high
dtd,b0,b4,0.3,1,1128,2,0.68,0.66,0.70,0.65,0.62,0.68,0.72,0.69,0.75,0.03,0.01,0.05,-0.04,-0.07,-0.01
""",
    "III": """dataset,original_mib,compressed_mib,relative_size,original_accuracy,"""
    """compressed_accuracy,relative_accuracy,learner,original_low,original_high,compressed_low,"""
    """compressed_high
dtd,600.5,120.1,0.2,0.68,0.65,0.955882,b0,0.66,0.70,0.62,0.68
dtd,600.5,120.1,0.2,0.3,0.2,0.666667,trees,0.28,0.32,0.18,0.22
""",
    "IV": """dataset,learner,training,test,headline,accuracy,low,high
dtd,b0,clean,clean,True,0.68,0.66,0.70
dtd,b0,noisy,treated,True,0.4,0.38,0.42
dtd,b0,jpeg of noisy,treated,True,0.49,0.47,0.51
dtd,b0,noisy,clean,False,0.1,0.08,0.12
dtd,b0,jpeg of noisy,clean,False,0.2,0.18,0.22
mine,b0,clean,clean,True,0.9,0.6,1.0
mine,b0,noisy,treated,True,0.8,0.5,0.9
mine,b0,jpeg of noisy,treated,True,0.3,0.2,0.4
""",
}


def compared(folder: Path, numbers: str = "I II III IV", learner: str = "b0") -> pd.DataFrame:
    """Compare with these of the study's tables, and read the CSV."""
    (folder / "published.csv").write_text(PAPER)
    tables = {}
    for number in numbers.split():
        tables[number] = folder / f"table{number}.csv"
        tables[number].write_text(TABLES[number])
    targets = [folder / f"r.{kind}" for kind in ("csv", "md", "html")]
    reproduction(folder / "published.csv", tables, learner, *targets)
    return pd.read_csv(targets[0], keep_default_na=False, na_values={"paper": "", "ours": ""})


def row(table: pd.DataFrame, number: str, dataset: str, quantity: str) -> dict[str, Any]:
    """Return the one row of a number."""
    (found,) = table[
        (table["table"] == number) & (table["dataset"] == dataset) & (table["quantity"] == quantity)
    ].to_dict("records")
    return found


def shown(folder: Path) -> list[list[str]]:
    """Return the cells of the Markdown."""
    lines = [line for line in (folder / "r.md").read_text("utf-8").splitlines() if "|" in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def test_every_number_of_the_paper_is_a_row(tmp_path: Path) -> None:
    """Whether or not the study has it: all rows of the paper; Table IV's for each data set."""
    table = compared(tmp_path)
    assert table.columns.tolist() == [
        *("table", "dataset", "quantity", "learner", "paper", "ours", "low", "high"),
        *("n", "seeds", "interval", "difference", "inside", "note"),
    ]
    places = table[["table", "dataset", "quantity"]].to_numpy().tolist()
    printed = [line.split(",")[:3] for line in PAPER.splitlines()[1:]]
    assert [place for place in places if place[0] != "IV"] == printed[:-3]
    assert sorted(place for place in places if place[0] == "IV") == sorted(
        ["IV", name, quantity] for name in ("dtd", "mine") for _, _, quantity in printed[-3:]
    )
    assert row(table, "III", "dtd", "original_mib")["note"] == "MB are MiB"
    assert row(table, "I", "dtd", "total")["note"] == ""


@pytest.mark.parametrize(
    ("place", "learner", "ours", "difference", "inside"),
    [
        # Counts: the same, or not.
        (("I", "dtd", "total"), "", 5640, 0, "yes"),
        (("I", "dtd", "test"), "", 1128, -1, "no"),
        # Accuracies: the paper's at our interval's upper bound, below it, above it.
        (("II", "dtd", "small_original_accuracy"), "b0", 0.68, -0.02, "yes"),
        (("II", "dtd", "small_compressed_accuracy"), "b0", 0.65, 0.05, "no"),
        (("III", "dtd", "original_accuracy"), "b0", 0.68, 0.02, "yes"),
        (("III", "dtd", "compressed_accuracy"), "b0", 0.65, -0.1, "no"),
        (("IV", "dtd", "clean_accuracy"), "b0", 0.68, -0.03, "no"),
        (("IV", "mine", "clean_accuracy"), "b0", 0.9, 0.19, "yes"),
        (("IV", "dtd", "noisy_jpeg_accuracy"), "b0", 0.49, -0.01, "yes"),
        (("II", "dtd", "small_compressed_drop"), "b0", 0.03, 0.01, "yes"),
        # What has no interval is neither inside nor outside.
        (("III", "dtd", "original_mib"), "", 600.5, 0.5, ""),
        (("III", "dtd", "relative_size"), "", 0.2, -0.0221, ""),
        (("III", "dtd", "relative_accuracy"), "b0", 0.955882, -0.054118, ""),
    ],
)
def test_ours_stands_beside_the_papers(
    tmp_path: Path,
    place: tuple[str, str, str],
    learner: str,
    ours: float,
    difference: float,
    inside: str,
) -> None:
    """Our number, ours less the paper's, and whether the paper's is in our interval."""
    found = row(compared(tmp_path), *place)
    assert found["ours"] == ours
    assert float(found["difference"]) == pytest.approx(difference, abs=1e-6)
    assert (found["learner"], found["inside"]) == (learner, inside)


def test_what_was_tested_has_its_images_and_seeds(tmp_path: Path) -> None:
    """Accuracies have the n and the seeds of their table; a count and a size have none."""
    third = TABLES["III"].replace("learner,original_low", "learner,n,seeds,interval,original_low")
    third = third.replace(",b0,", ',b0,1128,4,"Wilson, cross-fitted",')
    third = third.replace(",trees,", ",trees,1128,1,Wilson,")
    compared(tmp_path)
    (tmp_path / "tableIII.csv").write_text(third)
    tables = {number: tmp_path / f"table{number}.csv" for number in TABLES}
    targets = tmp_path / "r.csv", tmp_path / "r.md"
    reproduction(tmp_path / "published.csv", tables, "b0", *targets)
    cells = {(line[0], line[1], line[2]): line[8:10] for line in shown(tmp_path)[1:]}
    assert cells["II", "dtd", "small compressed accuracy"] == ["1128", "1"]
    assert cells["III", "dtd", "compressed accuracy"] == ["1128", "cross-fitted, 4 repeats"]
    assert cells["I", "dtd", "total"] == cells["III", "dtd", "relative size"] == ["", ""]


def test_intervals_are_those_of_the_tables(tmp_path: Path) -> None:
    """Bounds are handed on; counts and sizes have none."""
    table = compared(tmp_path)
    accuracy = row(table, "III", "dtd", "compressed_accuracy")
    assert (float(accuracy["low"]), float(accuracy["high"])) == (0.62, 0.68)
    for place in (("I", "dtd", "total"), ("III", "dtd", "relative_size")):
        found = row(table, *place)
        assert (found["low"], found["high"]) == ("", "")


def test_a_number_not_copied_yet_has_ours_alone(tmp_path: Path) -> None:
    """Ours is there, the difference and the judgement are not."""
    found = row(compared(tmp_path), "II", "dtd", "large_original_accuracy")
    assert (found["ours"], found["learner"]) == (0.72, "b4")
    assert pd.isna(found["paper"])
    assert (found["difference"], found["inside"]) == ("", "")
    (line,) = [cells for cells in shown(tmp_path) if cells[2] == "large original accuracy"]
    assert line == [
        *("II", "dtd", "large original accuracy", "b4", "–", "0.7200 [0.6900, 0.7500]", "–"),
        *("", "1128", "2", ""),
    ]


def test_what_the_study_lacks_is_in_the_csv_alone(tmp_path: Path) -> None:
    """A data set that the study lacks has the paper's number there; people see ours' rows."""
    table = compared(tmp_path)
    lacking = row(table, "III", "pets", "relative_size")
    assert lacking["paper"] == 0.1377
    assert pd.isna(lacking["ours"])
    assert (lacking["difference"], lacking["inside"], lacking["learner"]) == ("", "", "")
    cells = shown(tmp_path)
    assert len(cells) - 1 == table["ours"].notna().sum()
    assert not any(line[1] == "pets" for line in cells)
    # Of pets two, and the small network's drop from itself.
    assert " 3 numbers of the paper have nothing" in (tmp_path / "r.md").read_text("utf-8")


def test_the_numbers_are_readable(tmp_path: Path) -> None:
    """Counts with commas, sizes with one decimal, shares in percent, drops with their sign."""
    compared(tmp_path)
    cells = {(line[0], line[1], line[2]): line[4:8] for line in shown(tmp_path)[1:]}
    assert cells["I", "dtd", "total"] == ["5,640", "5,640", "+0", "yes"]
    assert cells["I", "dtd", "test"] == ["1,129", "1,128", "-1", "no"]
    assert cells["III", "dtd", "original mib"] == ["600.0", "600.5", "+0.5", ""]
    assert cells["III", "dtd", "relative size"] == ["22.21 %", "20.00 %", "-2.21 points", ""]
    assert cells["II", "dtd", "small compressed drop"] == [
        "+0.0200",
        "+0.0300 [0.0100, 0.0500]",
        "+0.0100",
        "yes",
    ]
    assert cells["III", "dtd", "original accuracy"] == [
        *("0.6600", "0.6800 [0.6600, 0.7000]", "+0.0200", "yes"),
    ]


def test_a_study_without_experiments_is_compared(tmp_path: Path) -> None:
    """Without Tables II and IV their numbers of the paper stay, with nothing beside them."""
    table = compared(tmp_path, "I III")
    assert table[table["table"].isin(["II", "IV"])]["ours"].isna().all()
    found = row(table, "IV", "unnamed", "clean_accuracy")
    assert (found["paper"], found["note"]) == (0.71, "the paper does not say which data set")
    assert row(table, "III", "dtd", "original_accuracy")["inside"] == "yes"


def test_a_learner_that_table3_lacks_leaves_its_numbers_empty(tmp_path: Path) -> None:
    """A study whose learner was not run at Table III's ratio still has its counts compared."""
    table = compared(tmp_path, "I III", learner="b4")
    assert table[table["table"] == "III"]["ours"].isna().all()
    assert row(table, "I", "dtd", "total")["inside"] == "yes"


def test_data_sets_of_ones_own_have_nothing_to_be_compared_with(tmp_path: Path) -> None:
    """A study of which the paper has no number makes a table without rows, not an error."""
    (tmp_path / "published.csv").write_text(PAPER)
    own = {"I": tmp_path / "table1.csv", "III": tmp_path / "table3.csv"}
    own["I"].write_text(TABLES["I"].replace("dtd", "yours"))
    own["III"].write_text(TABLES["III"].replace("dtd", "yours"))
    reproduction(
        tmp_path / "published.csv", own, "b0", *(tmp_path / f"r.{x}" for x in ("csv", "md", "html"))
    )
    assert pd.read_csv(tmp_path / "r.csv")["ours"].isna().all()
    assert len(shown(tmp_path)) == 1


def test_the_shipped_numbers_have_places_for_ours(tmp_path: Path, root: Path) -> None:
    """Each quantity of config/published.csv is one that the study's tables have, but for one.

    The drop of the small network from itself, which the paper prints, is 0.
    """
    tables = {}
    for number, text in TABLES.items():
        tables[number] = tmp_path / f"table{number}.csv"
        tables[number].write_text(text)
    reproduction(root / "config" / "published.csv", tables, "b0", tmp_path / "r.csv")
    table = pd.read_csv(tmp_path / "r.csv")
    of_dtd = table[table["dataset"] == "dtd"].set_index("quantity")["ours"]
    assert of_dtd.index[of_dtd.isna()].tolist() == ["small_original_drop"]


def test_a_faithful_reproduction_is_inside_in_95_percent(tmp_path: Path) -> None:
    """Two runs of the same accuracy on 2,000 images each: the paper's interval counts, too."""
    rng = np.random.default_rng(0)
    paper, ours = (rng.binomial(2000, 0.8, 1500) / 2000 for _ in range(2))
    names = [f"d{i}" for i in range(len(paper))]
    half = 1.96 * np.sqrt(ours * (1 - ours) / 2000)
    columns = {"original_accuracy": ours, "original_low": ours - half, "original_high": ours + half}
    columns |= {name.replace("original", "compressed"): 0.5 for name in columns}
    columns |= dict.fromkeys(["original_mib", "compressed_mib", "relative_size"], 1.0)
    third = pd.DataFrame({"dataset": names, "n": 2000, "learner": "b0", "relative_accuracy": 1.0})
    third = third.assign(**columns)
    (tmp_path / "I.csv").write_text("dataset,classes,total,train,test,validation\n")
    third.to_csv(tmp_path / "III.csv")
    rows = [f"III,{name},original_accuracy,{x}," for name, x in zip(names, paper, strict=True)]
    rows += ["I,d0,total,1,", "II,d0,small_original_accuracy,,", "IV,unnamed,clean_accuracy,,"]
    (tmp_path / "paper.csv").write_text("table,row,column,value,note\n" + "\n".join(rows) + "\n")
    files = {number: tmp_path / f"{number}.csv" for number in ("I", "III")}
    reproduction(tmp_path / "paper.csv", files, "b0", tmp_path / "r.csv")
    table = pd.read_csv(tmp_path / "r.csv")
    inside = table.loc[table["table"] == "III", "inside"]
    assert len(inside) == 1500
    assert 0.93 < (inside == "yes").mean() < 0.97
