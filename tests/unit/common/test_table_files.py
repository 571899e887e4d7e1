"""Tables as files: numbers for programs, text for people, the same content in each."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from jpegprep.common.table_files import accuracy_with_interval, write_table

NUMBERS = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, 2e9], "count": [1, 2]})
SHOWN = pd.DataFrame({"name": ["a", "b"], "value": ["33.33%", "2,000.00"], "drop": ["-0.01", ""]})


def test_an_accuracy_is_shown_with_its_interval() -> None:
    """Three decimals, the bounds in brackets; a missing accuracy is nothing, not nan."""
    table = pd.DataFrame(
        {"x_accuracy": [0.92, 1.0, None], "x_low": [0.8691, 0.5, None], "x_high": [0.9511, 1, None]}
    )
    assert accuracy_with_interval(table, "x") == [
        "0.920 [0.869, 0.951]",
        "1.000 [0.500, 1.000]",
        "",
    ]


def test_a_csv_has_the_numbers(tmp_path: Path) -> None:
    """Six significant digits, whole numbers whole, lines that end alike on every system."""
    write_table(NUMBERS, SHOWN, "a note", [tmp_path / "t.csv"])
    assert (tmp_path / "t.csv").read_bytes() == b"name,value,count\na,0.333333,1\nb,2e+09,2\n"


def test_markdown_has_what_people_read_and_the_note(tmp_path: Path) -> None:
    """Text at the left, numbers at the right (also signed, or missing), the note below."""
    write_table(NUMBERS, SHOWN, "a note", [tmp_path / "t.md"])
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:4]]
    assert [cells[0], *cells[2:]] == [
        ["name", "value", "drop"],
        ["a", "33.33%", "-0.01"],
        ["b", "2,000.00", ""],
    ]
    assert [(c.startswith(":"), c.endswith(":")) for c in cells[1]] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert lines[4:] == ["", "a note"]


def test_markdown_without_a_note_ends_with_its_table(tmp_path: Path) -> None:
    """Nothing to say is nothing below."""
    write_table(NUMBERS, SHOWN, "", [tmp_path / "t.md"])
    assert (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()[-1].startswith("| b")


def test_what_leads_stands_above(tmp_path: Path) -> None:
    """A first line for people; the numbers are as they are without it."""
    files = [tmp_path / f"t.{kind}" for kind in ("md", "html", "csv")]
    write_table(NUMBERS, SHOWN, "a note", files, lead="Of 3 two.")
    assert files[0].read_text(encoding="utf-8").startswith("Of 3 two.\n\n| name")
    page = files[1].read_text(encoding="utf-8")
    assert page.index("<p>Of 3 two.</p>") < page.index("<table") < page.index("<p>a note</p>")
    assert files[2].read_bytes() == b"name,value,count\na,0.333333,1\nb,2e+09,2\n"


def test_html_has_what_people_read_escaped(tmp_path: Path) -> None:
    """A page of UTF-8 with the table and the note; what looks like markup is text."""
    shown = SHOWN.assign(name=["<b>", "ä & o"])
    write_table(NUMBERS, shown, "a note", [tmp_path / "t.html"])
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "<td>&lt;b&gt;</td>" in page
    assert "<td>ä &amp; o</td>" in page
    assert "<p>a note</p>" in page
    assert '<meta charset="utf-8">' in page


def test_all_files_appear_or_none(tmp_path: Path) -> None:
    """Where one file cannot be written, the others do not appear either."""
    write_table(NUMBERS, SHOWN, "", [tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "t.html"])
    assert len(list(tmp_path.iterdir())) == 3
    folder = tmp_path / "other"
    broken = SHOWN.assign(name=["\ud800", "b"])  # no text that UTF-8 holds
    with pytest.raises(UnicodeEncodeError):
        write_table(NUMBERS, broken, "", [folder / "t.csv", folder / "t.md"])
    assert list(folder.iterdir()) == []


def test_a_table_without_rows_has_its_head(tmp_path: Path) -> None:
    """An empty table is a table with columns, in every kind."""
    targets = [tmp_path / f"t.{kind}" for kind in ("csv", "md", "html")]
    write_table(NUMBERS.head(0), SHOWN.head(0), "a note", targets)
    with targets[0].open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["name", "value", "count"]]
    assert all("name" in target.read_text(encoding="utf-8") for target in targets)
