"""The paper's numbers: all there, in agreement with each other, and read or refused as a whole."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegprep.errors import UserError
from jpegprep.published import read_published

PAPERS = ["cifar10", "cifar100", "caltech256", "oxford-iiit-pets", "sun397", "dtd"]
DEFECT = "read_published does not look at what it reads"


@pytest.fixture(scope="module")
def shipped(root: Path) -> Path:
    """Return the shipped file of the paper's numbers."""
    return root / "config" / "published.csv"


@pytest.fixture(scope="module")
def numbers(shipped: Path) -> dict[tuple[str, str, str], float]:
    """Return every number by table, row and column, as Python's csv reads them."""
    with shipped.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["table"], row["row"], row["column"]): float(row["value"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_all_data_sets_of_the_paper_are_there(
    numbers: dict[tuple[str, str, str], float], datasets: dict[str, object]
) -> None:
    """Table I has five counts and Table III a relative size of each of the six data sets."""
    names = {"classes", "total", "train", "test", "validation"}
    for dataset in PAPERS:
        assert {c for t, row, c in numbers if (t, row) == ("I", dataset)} == names
        assert ("III", dataset, "relative_size") in numbers
        assert dataset in datasets
    assert {row for _, row, _ in numbers} == set(PAPERS)
    assert {table for table, _, _ in numbers} == {"I", "III"}


@pytest.mark.parametrize("dataset", PAPERS)
def test_the_splits_of_table1_sum_to_its_totals(
    numbers: dict[tuple[str, str, str], float], dataset: str
) -> None:
    """Train, test and validation are all images, and about 60, 20 and 20 % of them."""
    of = {name: numbers["I", dataset, name] for name in ("total", "train", "test", "validation")}
    assert of["train"] + of["test"] + of["validation"] == of["total"]
    assert of["train"] == pytest.approx(0.6 * of["total"], abs=2)
    assert of["test"] == pytest.approx(0.2 * of["total"], abs=2)


def test_the_sizes_of_table3_agree(numbers: dict[tuple[str, str, str], float]) -> None:
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
    numbers: dict[tuple[str, str, str], float], datasets: dict[str, dict[str, object]]
) -> None:
    """Where our number of images is not the paper's, the registry says why; classes agree."""
    for dataset in PAPERS:
        assert datasets[dataset]["classes"] == numbers["I", dataset, "classes"]
        same = datasets[dataset]["images"] == numbers["I", dataset, "total"]
        assert same != ("note" in datasets[dataset]), dataset


def test_known_numbers_are_read(shipped: Path) -> None:
    """A table is one row a data set, one column a quantity: the paper's printed numbers."""
    table = read_published(shipped, "I")
    names = ["classes", "total", "train", "test", "validation"]
    assert table.loc["dtd", names].tolist() == [47, 5640, 3384, 1128, 1128]
    assert table.loc["oxford-iiit-pets", ["classes", "total"]].tolist() == [37, 7400]
    assert table.loc["sun397", names].tolist() == [397, 108754, 65251, 21751, 21752]
    assert read_published(shipped, "III").loc["dtd", "relative_size"] == 0.2221


def test_a_table_that_the_paper_lacks_is_named(shipped: Path) -> None:
    """A table without numbers is an error."""
    with pytest.raises(UserError, match="Table IX is missing"):
        read_published(shipped, "IX")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "a web page": lambda good: b"<html>404 Not Found</html>\n",
    "binary": lambda good: b"\xff\xfe\x00\x01",
    "zeros": lambda good: bytes(4096),
    "no column value": lambda good: good.replace(b"column,value", b"column,values"),
    "a row too wide": lambda good: good + b"I,dtd,total,5640,1,2\n",
    "a row twice": lambda good: good + b"I,dtd,total,5641\n",
}


def refused(path: Path, table: str) -> str:
    """Return the line by which a file is refused."""
    with pytest.raises(UserError) as error:
        read_published(path, table)
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
        (b"I,dtd,total,5640", b"I,dtd"),
    ],
    ids=["a word", "no value", "a row cut off"],
)
def test_a_file_with_a_hole_is_one_line(
    tmp_path: Path, shipped: Path, old: bytes, new: bytes
) -> None:
    """A number that is none, or lacks, is found when it is read, not when it is computed with."""
    path = tmp_path / "published.csv"
    content = shipped.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    assert refused(path, "I").startswith(f"{path}: ")
