"""CSVs of images as tools write them: columns, delimiters, encodings, and paths of many kinds."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.csv_files import Table, read_csv, write_csv
from jpegprep.datasets.own_images import inspect, registry_entry
from jpegprep.study.config import validate

CLASSES = ["cat", "dog"]


@pytest.fixture
def pool(tmp_path: Path, patches: Callable[..., list[bytes]]) -> Path:
    """Return a folder with eight different images in one subfolder."""
    for i, data in enumerate(patches("coffee.png", 8, side=16)):
        (tmp_path / "pool" / "all").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pool" / "all" / f"{i}.png").write_bytes(data)
    return tmp_path / "pool"


def table(folder: Path, paths: list[str] | None = None, **columns: list[Any]) -> pd.DataFrame:
    """Return the rows of the eight images: path and label, and more columns."""
    paths = paths or [f"all/{i}.png" for i in range(8)]
    return pd.DataFrame({"path": paths, "label": [CLASSES[i % 2] for i in range(8)], **columns})


def written(folder: Path, rows: pd.DataFrame, encoding: str = "utf-8", **how: Any) -> Path:
    """Write rows as pandas does."""
    path = folder / "labels.csv"
    rows.to_csv(path, index=False, encoding=encoding, **how)
    return path


def found(path: Path, /, **columns: Any) -> list[tuple[str, str | None, str | None, str | None]]:
    """Return path, class, split and group of each row."""
    files = read_csv(path, columns).files
    return [(file.path, file.class_name, file.split, file.group) for file in files]


def refusal(path: Path, /, **columns: Any) -> str:
    """Return the one line with which reading ends."""
    with pytest.raises(UserError) as error:
        read_csv(path, columns)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))
    return str(error.value)


EXPECTED = [(f"all/{i}.png", CLASSES[i % 2], None, None) for i in range(8)]


# How it is written


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("quoting", [0, 1])
def test_delimiters_and_encodings_are_found(
    pool: Path, delimiter: str, encoding: str, quoting: int
) -> None:
    """What spreadsheets and tools write is read, whatever the labels hold."""
    rows = table(pool).assign(label=[f"a,b;c|d\t{CLASSES[i % 2]} é" for i in range(8)])
    path = written(pool, rows, encoding, sep=delimiter, quoting=quoting)
    assert [row[1] for row in found(path)] == rows["label"].tolist()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize(("delimiter", "quoting"), [(",", 0), (";", 1), ("\t", 0)])
def test_a_csv_is_written_as_it_was(
    pool: Path, end: str, encoding: str, delimiter: str, quoting: int
) -> None:
    """With the same places it is the same file, byte for byte."""
    rows = table(pool).assign(label=[f"{CLASSES[i % 2]} é" for i in range(8)], n=range(8))
    path = written(pool, rows, encoding, sep=delimiter, quoting=quoting, lineterminator=end)
    before = read_csv(path)
    assert [row.values[-1] for row in before.rows] == [str(i) for i in range(8)]
    write_csv(pool / "again.csv", before, {row[0]: row[0] for row in EXPECTED})
    assert (pool / "again.csv").read_bytes() == path.read_bytes()


def test_latin_1_is_read_value_by_value(pool: Path) -> None:
    """Labels and names of files, whether the disk has them in UTF-8 or as the CSV has them."""
    (pool / "all" / "0.png").rename(pool / "all" / "café.png")
    raw = os.fsencode(pool) + b"/all/th\xe9.png"
    (pool / "all" / "1.png").rename(os.fsdecode(raw))
    paths = ["all/café.png", "all/thé.png", *(f"all/{i}.png" for i in range(2, 8))]
    rows = table(pool, paths).assign(label=["été" if i % 2 else "hiver" for i in range(8)])
    path = written(pool, rows, "latin-1")
    assert {row[1] for row in found(path)} == {"été", "hiver"}
    assert [row[0] for row in found(path)][:2] == ["all/café.png", "all/th\udce9.png"]


def test_what_begins_as_utf_16_and_is_none_is_refused(pool: Path) -> None:
    """A file that is cut in the middle of a letter."""
    path = written(pool, table(pool), "utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    assert "begins as utf-16-le and is none" in refusal(path)


# Columns


@pytest.mark.parametrize("name", ["image_id", "filename", "file", "image", "img", "Image Index"])
@pytest.mark.parametrize("label", ["class", "Category", "target", "species"])
def test_usual_names_of_columns_are_found_and_told(pool: Path, name: str, label: str) -> None:
    """What is taken for what is said aloud."""
    rows = table(pool, fold=[0, 1] * 4, **{"Patient ID": [f"p{i // 2}" for i in range(8)]})
    path = written(pool, rows.rename(columns={"path": name, "label": label}))
    assert found(path) == [(p, c, None, f"p{i // 2}") for i, (p, c, *_) in enumerate(EXPECTED)]
    expected = f"path from {name!r}, label from {label!r}, group from 'Patient ID'"
    assert read_csv(path).told == expected
    assert inspect(path).told == expected


@pytest.mark.parametrize("name", ["set", "subset", "fold", "partition"])
def test_a_column_of_splits_is_found_by_its_name_and_values(pool: Path, name: str) -> None:
    """Folds 0 to 4 and years are no splits; where one row says a split, all must."""
    splits = ["train"] * 5 + ["Valid", "test", "Testing"]
    path = written(pool, table(pool, **{name: splits}))
    assert [row[2] for row in found(path)] == ["train"] * 5 + ["val", "test", "test"]
    path = written(pool, table(pool, **{name: [i % 5 for i in range(8)]}))
    assert [row[2] for row in found(path)] == [None] * 8
    assert "split" not in read_csv(path).told
    assert "line 2: split is '0'; it is train, val or test" in refusal(path, split=name)
    path = written(pool, table(pool, **{name: [*splits[:7], "tset"]}))
    assert "line 9: split is 'tset'; it is train, val or test" in refusal(path)


def test_a_user_says_which_column_is_which(pool: Path) -> None:
    """In any spelling; what is named is taken, whatever others are called."""
    rows = table(pool, Where=[f"all/{i}.png" for i in range(8)], what=["x", "y"] * 4)
    path = written(pool, rows.assign(path="no", label="no"))
    expected = [(f"all/{i}.png", "xy"[i % 2], None, None) for i in range(8)]
    assert found(path, path="where", label="what") == expected
    assert "path_column is 'Wo', and its columns are 'path', 'label'" in refusal(path, path="Wo")


def test_a_group_can_be_refused(pool: Path) -> None:
    """False says that there is none, though a column is called so."""
    path = written(pool, table(pool, group=["a", "b"] * 4))
    assert [row[3] for row in found(path)] == ["a", "b"] * 4
    assert [row[3] for row in found(path, group=False)] == [None] * 8


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["image_id", "filename"], "path may stand in 'image_id' or 'filename'; say which: path_"),
        (["class", "species"], "label may stand in 'class' or 'species'; say which: label_column="),
        (["patient_id", "lesion_id"], "group may stand in 'patient_id' or 'lesion_id'; say which"),
    ],
)
def test_what_may_be_one_of_several_is_refused(
    pool: Path, columns: list[str], message: str
) -> None:
    """The line names both, and the option."""
    rows = table(pool, **{columns[1]: ["x"] * 8})
    name = {"image_id": "path", "class": "label"}.get(columns[0])
    rows = rows.rename(columns={name: columns[0]}) if name else rows.assign(**{columns[0]: "y"})
    names = [*columns, *(c for c in rows.columns if c not in columns)]
    assert message in refusal(written(pool, rows[names]))


def test_the_plain_name_comes_before_the_others(pool: Path) -> None:
    """A column called path or label is it, whatever stands beside."""
    rows = table(pool, image_id=["x"] * 8, species=["y"] * 8)
    assert found(written(pool, rows)) == EXPECTED


def test_one_column_cannot_be_two_things(pool: Path) -> None:
    """The path's column as the label, too."""
    path = written(pool, table(pool))
    assert "'path' cannot be both path and label" in refusal(path, label="path")


def test_numeric_labels_stay_as_they_are_written(pool: Path) -> None:
    """0 and 1, 007 and 1.0 are names of classes."""
    labels = ["007", "1.0", "0", "1"] * 2
    path = written(pool, table(pool).assign(label=labels))
    assert [row[1] for row in found(path)] == labels


# Paths


def test_absolute_paths_are_read_in_place(pool: Path, tmp_path: Path) -> None:
    """They need not lie below the CSV's folder; below it they are what a relative path names."""
    (tmp_path / "elsewhere").mkdir()
    paths = [str(pool / "all" / f"{i}.png") for i in range(8)]
    path = written(tmp_path / "elsewhere", table(pool, paths))
    assert [row[0] for row in found(path)] == paths
    entry = registry_entry(path)
    validate({"labels": entry}, "datasets", "entry")
    assert found(written(pool, table(pool, paths))) == EXPECTED
    paths[1] = "all/0.png"
    assert "line 3: 'all/0.png' stands in line 2 already" in refusal(
        written(pool, table(pool, paths))
    )


def test_an_absolute_path_may_lead_through_a_link(pool: Path, tmp_path: Path) -> None:
    """A disk that is linked is what its user names; a file that is a link is set aside."""
    (tmp_path / "disk").symlink_to(pool)
    (tmp_path / "elsewhere").mkdir()
    (pool / "all" / "link.png").symlink_to("0.png")
    paths = [str(tmp_path / "disk" / "all" / f"{i}.png") for i in range(7)]
    paths.append(str(pool / "all" / "link.png"))
    files = read_csv(written(tmp_path / "elsewhere", table(pool, paths))).files
    assert [file.problem for file in files] == [None] * 7 + ["link"]


def test_backslashes_separate_folders(pool: Path) -> None:
    """Unless a file is called so."""
    path = written(pool, table(pool, [f"all\\{i}.png" for i in range(8)]))
    assert found(path) == EXPECTED
    (pool / "all\\0.png").write_bytes(b"odd")
    assert found(path)[0][0] == "all\\0.png"
    rows = table(pool, ["..\\x.png", *(f"all\\{i}.png" for i in range(1, 8))])
    assert "line 2: path is '..\\\\x.png'; a path is absolute, or relative" in refusal(
        written(pool, rows)
    )


def test_a_name_without_ending_finds_the_one_image_called_so(pool: Path) -> None:
    """As the image_id of competitions; a text beside it is no image."""
    (pool / "all" / "0.txt").write_text("x")
    rows = table(pool, [str(i) for i in range(8)]).rename(columns={"path": "image_id"})
    assert found(written(pool, rows)) == EXPECTED
    (pool / "more").mkdir()
    (pool / "more" / "3.jpg").write_bytes(b"x")
    message = "line 5: path is '3', and 'all/3.png' is called so as well as 'more/3.jpg'; write"
    assert message in refusal(written(pool, rows))
    rows["image_id"] = [f"all/{i}" for i in range(8)]
    assert found(written(pool, rows)) == EXPECTED


def test_a_csv_beside_a_folder_of_images_names_them_by_their_ends(pool: Path) -> None:
    """The name alone, as `filename` has it, or the last folders of another machine's path."""
    assert found(written(pool, table(pool, [f"{i}.png" for i in range(8)]))) == EXPECTED
    (pool / "all").rename(pool / "images")
    (pool / "images").rename(pool / "all")
    rows = table(pool, ["nowhere.png", *(f"{i}.png" for i in range(1, 8))])
    assert "line 2: path is 'nowhere.png', and " in refusal(written(pool, rows))


# Written again


def again(path: Path, before: Table, places: dict[str, str]) -> list[str]:
    """Return the paths of a CSV that is written again, each of which finds its file there."""
    target = path.parent / "target"
    for place in places.values():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / place).write_bytes(b"jpeg")
    write_csv(target / path.name, before, places)
    after = read_csv(target / path.name)
    assert [file.path for file in after.files] == [places[f.path] for f in before.files]
    return [row.values[after.places["path"]] for row in after.rows]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("all/{}.png", "all/{}.jpg"),
        ("./all/{}.png", "all/{}.jpg"),
        ("all\\{}.png", "all\\{}.jpg"),
        ("{}.png", "{}.jpg"),
        ("{}", "{}"),
        ("all/{}", "all/{}"),
    ],
)
def test_new_paths_are_of_the_old_kind(pool: Path, paths: str, expected: str) -> None:
    """A name stays a name, a number a number; and each finds its file."""
    path = written(pool, table(pool, [paths.format(i) for i in range(8)]))
    places = {f"all/{i}.png": f"all/{i}.jpg" for i in range(8)}
    assert again(path, read_csv(path), places) == [expected.format(i) for i in range(8)]


def test_a_name_that_would_find_two_files_becomes_a_path(pool: Path) -> None:
    """Where another file is called so by now."""
    (pool / "all" / "7.png").rename(pool / "all" / "0.jpg")
    path = written(pool, table(pool, [*(f"{i}.png" for i in range(7)), "0.jpg"]))
    places = {f"all/{i}.png": f"all/{i}.jpg" for i in range(7)}
    places |= {"all/0.png": "all/0.png.jpg", "all/0.jpg": "all/0.jpg"}
    names = again(path, read_csv(path), places)
    assert (names[0], names[-1]) == ("0.png.jpg", "0.jpg")
