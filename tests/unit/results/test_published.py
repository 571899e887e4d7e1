"""The paper's numbers: all there, in agreement with each other, and read or refused as a whole."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegprep.common.errors import UserError
from jpegprep.results.tables.published import read_all, read_published

PAPERS = ["cifar10", "cifar100", "caltech256", "oxford-iiit-pets", "sun397", "dtd"]
COUNTS = ["classes", "total", "train", "test", "validation"]
OF_TABLE2 = [name for name in PAPERS if name != "cifar100"]  # the paper's Table II is of five
UNITS = {"%": 0.01, " MB": 1, " GB": 1024, "": 1}
Place = tuple[str, str, str]
Numbers = dict[Place, float]


@pytest.fixture(scope="module")
def shipped(root: Path) -> Path:
    """Return the shipped file of the paper's numbers."""
    return root / "config" / "published.csv"


@pytest.fixture(scope="module")
def lines(shipped: Path) -> dict[Place, dict[str, str]]:
    """Return what stands at every table, row and column, as Python's csv reads it."""
    with shipped.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["table"], row["row"], row["column"]): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def numbers(lines: dict[Place, dict[str, str]]) -> Numbers:
    """Return every number by table, row and column: MB and GB in MiB, percentages as fractions."""
    found = {}
    for place, row in lines.items():
        unit = next(unit for unit in UNITS if row["printed"].endswith(unit))
        digits = row["printed"].removesuffix(unit).replace(",", "")
        found[place] = float(digits) * UNITS[unit]
    return found


def test_every_number_of_the_paper_is_there(numbers: Numbers, datasets: dict[str, object]) -> None:
    """Five counts of six sets, six numbers of five, six of six, three of one: 99."""
    assert len(numbers) == 5 * 6 + 6 * 5 + 6 * 6 + 3
    rows: dict[str, dict[str, set[str]]] = {}
    for table, row, column in numbers:
        rows.setdefault(table, {}).setdefault(row, set()).add(column)
    assert set(rows["I"]) == set(rows["III"]) == set(PAPERS) <= set(datasets)
    assert set(rows["II"]) == set(OF_TABLE2)
    assert all(columns == set(COUNTS) for columns in rows["I"].values())
    for table in ("II", "III"):
        of_table = list(rows[table].values())
        assert all(columns == of_table[0] for columns in of_table)
        assert len(of_table[0]) == 6
    assert {len(columns) for columns in rows["IV"].values()} == {3}


@pytest.mark.parametrize("dataset", PAPERS)
def test_the_splits_of_table1_sum_to_its_totals(numbers: Numbers, dataset: str) -> None:
    """Train, test and validation are all images, and about 60, 20 and 20 % of them."""
    of = {name: numbers["I", dataset, name] for name in ("total", "train", "test", "validation")}
    assert of["train"] + of["test"] + of["validation"] == of["total"]
    assert of["train"] == pytest.approx(0.6 * of["total"], abs=2)
    assert of["test"] == pytest.approx(0.2 * of["total"], abs=2)


@pytest.mark.parametrize("dataset", PAPERS)
@pytest.mark.parametrize(
    ("relative", "below", "above"),
    [
        ("relative_size", "original_mib", "compressed_mib"),
        ("relative_accuracy", "original_accuracy", "compressed_accuracy"),
    ],
)
def test_the_numbers_of_table3_agree(
    shipped: Path, dataset: str, relative: str, below: str, above: str
) -> None:
    """What is relative is compressed over original, as far as the printed digits tell."""
    of = read_all(shipped).set_index(["table", "row", "column"]).loc[("III", dataset)]
    value, half = of["value"], of["step"] / 2
    low = (value[above] - half[above]) / (value[below] + half[below])
    high = (value[above] + half[above]) / (value[below] - half[below])
    assert low - half[relative] <= value[relative] <= high + half[relative]


@pytest.mark.parametrize("dataset", OF_TABLE2)
def test_table2_agrees_with_itself_and_with_table3(
    numbers: Numbers, lines: dict[Place, dict[str, str]], dataset: str
) -> None:
    """A drop is the column's accuracy less the small network's; what does not fit is in doubt."""

    def of(table: str, column: str) -> float:
        return numbers[table, dataset, column]

    for part in ("small_original", "small_compressed", "large_original"):
        change = of("II", f"{part}_accuracy") - of("II", "small_original_accuracy")
        fits = of("II", f"{part}_drop") == pytest.approx(change, abs=5e-5)
        in_doubt = bool(lines["II", dataset, f"{part}_drop"]["doubt"])
        assert in_doubt == (part == "small_original" or not fits), part
    for part in ("original", "compressed"):
        assert of("III", f"{part}_accuracy") == of("II", f"small_{part}_accuracy")


def test_what_is_in_doubt_keeps_what_is_printed(lines: dict[Place, dict[str, str]]) -> None:
    """Drops from itself, a gain as 0, CIFAR-10's large network, whose accuracy is the small's."""
    doubted = {place for place, row in lines.items() if row["doubt"]}
    assert doubted == {("II", name, "small_original_drop") for name in OF_TABLE2} | {
        ("II", "dtd", "small_compressed_drop"),
        ("II", "cifar10", "large_original_accuracy"),
        ("II", "cifar10", "large_original_drop"),
    }
    misprint = lines["II", "cifar10", "large_original_accuracy"]
    assert misprint["printed"] == lines["II", "cifar10", "small_original_accuracy"]["printed"]
    assert "0.9799" in misprint["doubt"] and "0.9435" in misprint["doubt"]
    assert lines["II", "dtd", "small_compressed_drop"]["printed"] == "0"


@pytest.mark.parametrize(
    ("printed", "value", "step"),
    [
        ("36,000", 36000, 1),
        ("0.652", 0.652, 0.001),
        ("-0.0295", -0.0295, 0.0001),
        ("602.5 MB", 602.5, 0.1),
        ("1.1 GB", 1126.4, 102.4),
        ("37 GB", 37888, 1024),
        ("22.21%", 0.2221, 0.0001),
        ("100%", 1.0, 0.01),
    ],
)
def test_a_number_is_as_precise_as_it_is_printed(
    tmp_path: Path, shipped: Path, printed: str, value: float, step: float
) -> None:
    """Value and the unit of its last digit, in MiB or as a fraction."""
    path = tmp_path / "published.csv"
    text = shipped.read_text(encoding="utf-8")
    path.write_text(text.replace("I,dtd,classes,47,", f'I,dtd,classes,"{printed}",'))
    found = read_all(path).set_index(["table", "row", "column"]).loc[("I", "dtd", "classes")]
    assert found[["printed", "value", "step"]].tolist() == [printed, value, step]


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
    """All rows come in the file's order, with what is to be known of them."""
    table = read_all(shipped)
    names = ["table", "row", "column", "printed", "value", "step", "doubt", "note"]
    assert table.columns.tolist() == names
    read = table.set_index(["table", "row", "column"])["value"].to_dict()
    assert read == pytest.approx(numbers) and list(read) == list(numbers)
    by_place = table.set_index(["table", "row", "column"])
    assert "round number" in by_place.loc[("I", "oxford-iiit-pets", "total"), "note"]
    assert by_place.loc[("I", "dtd", "total"), "note"] == ""


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
    "no column printed": lambda good: good.replace(b"column,printed", b"column,value"),
    "a row too wide": lambda good: good + b"I,dtd,total,5640,,,2\n",
    "a row twice": lambda good: good + b"I,dtd,total,5641,,\n",
    "a row twice, once empty": lambda good: good + b"I,dtd,total,,,\n",
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
        (b'I,dtd,total,"5,640"', b"I,dtd,total,many"),
        (b'I,dtd,total,"5,640"', b"I,dtd,total,"),
        (b'I,dtd,total,"5,640",', b"I,dtd"),
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
