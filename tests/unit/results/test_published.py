"""The paper's numbers: all there, in agreement with each other, and read or refused as a whole."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegprep.common.errors import UserError
from jpegprep.results.tables.published import read_all, read_published

PAPERS = ["cifar10", "cifar100", "caltech256", "oxford-iiit-pets", "sun397", "dtd"]
COUNTS = ["classes", "total", "train", "test", "validation"]
Numbers = dict[tuple[str, str, str], float]


@pytest.fixture(scope="module")
def shipped(root: Path) -> Path:
    """Return the shipped file of the paper's numbers."""
    return root / "config" / "published.csv"


@pytest.fixture(scope="module")
def places(shipped: Path) -> dict[tuple[str, str, str], str]:
    """Return what stands at every table, row and column, as Python's csv reads it."""
    with shipped.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["table"], row["row"], row["column"]): row["value"] for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def numbers(places: dict[tuple[str, str, str], str]) -> Numbers:
    """Return every number by table, row and column; those not copied yet are left out."""
    return {place: float(value) for place, value in places.items() if value}


def test_all_data_sets_of_the_paper_are_there(
    numbers: Numbers, places: dict[tuple[str, str, str], str], datasets: dict[str, object]
) -> None:
    """Table I has five counts and Table III a relative size of each of the six data sets."""
    for dataset in PAPERS:
        assert {c for t, row, c in numbers if (t, row) == ("I", dataset)} == set(COUNTS)
        assert ("III", dataset, "relative_size") in numbers
        assert dataset in datasets
    rows = {table: {row for t, row, _ in places if t == table} for table, _, _ in places}
    named = dict.fromkeys(("I", "II", "III"), set(PAPERS))
    assert rows == {**named, "IV": {"unnamed"}}


@pytest.mark.parametrize("table", ["I", "II", "III"])
def test_a_table_has_the_same_places_for_every_data_set(
    places: dict[tuple[str, str, str], str], table: str
) -> None:
    """No number of a table is forgotten: one not copied yet has its place, with no value."""
    columns = [{c for t, row, c in places if (t, row) == (table, name)} for name in PAPERS]
    assert all(of_dataset == columns[0] for of_dataset in columns)


@pytest.mark.parametrize("dataset", PAPERS)
def test_the_splits_of_table1_sum_to_its_totals(numbers: Numbers, dataset: str) -> None:
    """Train, test and validation are all images, and about 60, 20 and 20 % of them."""
    of = {name: numbers["I", dataset, name] for name in ("total", "train", "test", "validation")}
    assert of["train"] + of["test"] + of["validation"] == of["total"]
    assert of["train"] == pytest.approx(0.6 * of["total"], abs=2)
    assert of["test"] == pytest.approx(0.2 * of["total"], abs=2)


def test_the_sizes_of_table3_agree(numbers: Numbers) -> None:
    """Relative sizes are compressed over original, as far as one decimal of a MiB tells."""
    compared = 0
    for dataset in PAPERS:
        relative = numbers["III", dataset, "relative_size"]
        assert 0 < relative < 1
        if ("III", dataset, "original_mib") in numbers:
            original = numbers["III", dataset, "original_mib"]
            compressed = numbers["III", dataset, "compressed_mib"]
            low = (compressed - 0.05) / (original + 0.05)
            high = (compressed + 0.05) / (original - 0.05)
            assert low - 5e-5 <= relative <= high + 5e-5
            compared += 1
    assert compared >= 2


def test_the_registry_differs_from_the_paper_only_with_a_note(
    numbers: Numbers, datasets: dict[str, dict[str, object]]
) -> None:
    """Where our number of images is not the paper's, the registry says why; classes agree."""
    for dataset in PAPERS:
        assert datasets[dataset]["classes"] == numbers["I", dataset, "classes"]
        same = datasets[dataset]["images"] == numbers["I", dataset, "total"]
        assert same != ("note" in datasets[dataset]), dataset


def test_known_numbers_are_read(shipped: Path) -> None:
    """A table is one row a data set, one column a quantity: the paper's printed numbers."""
    table = read_published(shipped, "I", COUNTS)
    assert table.columns.tolist() == COUNTS
    assert sorted(table.index) == sorted(PAPERS)
    assert table.loc["dtd"].tolist() == [47, 5640, 3384, 1128, 1128]
    assert table.loc["oxford-iiit-pets", ["classes", "total"]].tolist() == [37, 7400]
    assert table.loc["sun397"].tolist() == [397, 108754, 65251, 21751, 21752]
    assert read_published(shipped, "III", ["relative_size"]).loc["dtd", "relative_size"] == 0.2221


def test_every_number_is_read_with_its_note(shipped: Path, numbers: Numbers) -> None:
    """All rows come in the file's order; what nobody copied yet is no number, and no note none."""
    table = read_all(shipped)
    assert table.columns.tolist() == ["table", "row", "column", "value", "note"]
    read = table.dropna(subset="value").set_index(["table", "row", "column"])["value"].to_dict()
    assert read == numbers
    by_place = table.set_index(["table", "row", "column"])
    assert by_place.loc[("II", "cifar10", "large_original_drop"), "value"] == -0.0182
    assert "round number" in by_place.loc[("I", "oxford-iiit-pets", "total"), "note"]
    assert by_place.loc[("I", "dtd", "total"), "note"] == ""


def test_a_number_that_nobody_copied_yet_is_no_hole_elsewhere(
    tmp_path: Path, shipped: Path
) -> None:
    """An empty value spoils the columns that are asked for, and no others."""
    path = tmp_path / "published.csv"
    path.write_bytes(shipped.read_bytes().replace(b"I,dtd,total,5640", b"I,dtd,total,"))
    others = [name for name in COUNTS if name != "total"]
    assert read_published(path, "I", others).loc["dtd"].tolist() == [47, 3384, 1128, 1128]
    assert read_all(path)["value"].isna().sum() == read_all(shipped)["value"].isna().sum() + 1
    assert "Table I lacks a value of classes, total" in refused(path, "I")


def test_a_table_that_the_paper_lacks_is_named(shipped: Path) -> None:
    """A table without numbers is an error; so is a column that a table lacks."""
    assert "Table IX lacks" in refused(shipped, "IX")
    with pytest.raises(UserError, match="Table III lacks a value of relative_sizes"):
        read_published(shipped, "III", ["relative_sizes"])


@pytest.mark.parametrize("table", ["I", "II", "III", "IV"])
def test_a_file_without_one_of_the_tables_is_refused(
    tmp_path: Path, shipped: Path, table: str
) -> None:
    """A file that was cut off, so that a table is missing, is refused whichever is asked for."""
    lines = shipped.read_bytes().splitlines(keepends=True)
    path = tmp_path / "published.csv"
    path.write_bytes(b"".join(x for x in lines if not x.startswith(f"{table},".encode())))
    with pytest.raises(UserError, match=f"{path}: Table {table} is missing; restore it"):
        read_all(path)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "a web page": lambda good: b"<html>404 Not Found</html>\n",
    "binary": lambda good: b"\xff\xfe\x00\x01",
    "zeros": lambda good: bytes(4096),
    "no column value": lambda good: good.replace(b"column,value", b"column,values"),
    "a row too wide": lambda good: good + b"I,dtd,total,5640,,2\n",
    "a row twice": lambda good: good + b"I,dtd,total,5641,\n",
    "a row twice, once empty": lambda good: good + b"I,dtd,total,,\n",
}


def refused(path: Path, table: str) -> str:
    """Return the line by which a file is refused."""
    with pytest.raises(UserError) as error:
        read_published(path, table, COUNTS)
    return str(error.value)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_line(tmp_path: Path, shipped: Path, damage: str) -> None:
    """What is no table of numbers is named, with what to do."""
    path = tmp_path / "published.csv"
    path.write_bytes(DAMAGE[damage](shipped.read_bytes()))
    line = refused(path, "I")
    assert line.startswith(f"{path}: ")
    assert line.endswith("; restore it from the repository")
    assert "\n" not in line


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """A file that is not there is named, with what to do."""
    line = refused(tmp_path / "published.csv", "I")
    assert line.startswith(f"{tmp_path / 'published.csv'}: ")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"I,dtd,total,5640", b"I,dtd,total,many"),
        (b"I,dtd,total,5640", b"I,dtd,total,"),
        (b"I,dtd,total,5640,", b"I,dtd"),
    ],
    ids=["a word", "no value", "a row cut off"],
)
def test_a_file_with_a_hole_is_one_line(
    tmp_path: Path, shipped: Path, old: bytes, new: bytes
) -> None:
    """A number that is used and is none, or lacks, is found at once, not when computed with."""
    path = tmp_path / "published.csv"
    content = shipped.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    assert refused(path, "I").startswith(f"{path}: ")
