"""The record: a row a file that says what others can check, and grows as the work goes on."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conversions import encoded, tree
from PIL import Image

from jpegprep.images.recompress import encoder
from jpegprep.shards.conversion import convert
from jpegprep.shards.conversion_record import (
    JOURNAL,
    RECORD,
    Journal,
    Known,
    Row,
    read,
    recorded,
    restored,
    rows_of,
    stored,
    table_of,
    write_record,
)


@pytest.mark.parametrize(
    "path",
    ["a/b.png", "日本/ü.png", "a\\b", "a\\\\xff", "\\xff", "\udcff", "\udcff\\\\ü\\xff", "\\", ""],
)
def test_every_name_comes_back(path: str) -> None:
    """As it was, whatever stands in it; an ordinary one is spelt as it is."""
    assert restored(stored(path)) == path
    stored(path).encode()
    if "\\" not in path and path.isprintable():
        assert stored(path) == path


def test_different_names_are_spelt_differently() -> None:
    """The byte 0xFF, and four characters that look like it."""
    names = ["\udcff", "\\xff", "\\\\xff", "\\udcff", "ÿ"]
    assert len({stored(name) for name in names}) == len(names)


def test_a_row_says_what_became_of_a_file(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    """Paths, bytes, checksums, pixels upright, reason, variant and encoder, for anyone's pandas."""
    png = patches("brick.png", 1)[0]
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(io.BytesIO(png)) as patch:
        buffer = io.BytesIO()
        patch.crop((0, 0, 64, 40)).save(buffer, "JPEG", quality=95, exif=exif)
    files = {
        "a/0.png": png,
        "a/kept.jpg": encoded(png, "JPEG", quality=5),
        "a/turned.jpg": buffer.getvalue(),
        "a/cut.png": png[:300],
        "a/notes.txt": b"x",
        ".git/x": b"y",
    }
    source, target = tree(tmp_path / "source", files), tmp_path / "target"
    (source / "link").symlink_to("a")
    convert(source, target, 50)
    table = pd.read_parquet(target / RECORD).set_index("source")
    assert len(table) == len(files) + 1
    assert table["done"].to_dict() == {
        "a/0.png": "converted",
        "a/kept.jpg": "kept",
        "a/turned.jpg": "converted",
        "a/cut.png": "copied",
        "a/notes.txt": "copied",
        ".git/x": "copied",
        "link": "skipped",
    }
    assert table["why"].dropna().to_dict() == {
        "a/cut.png": "unreadable",
        "a/notes.txt": "no image",
        ".git/x": "hidden",
        "link": "link or device",
    }
    sizes = {name: (row.width, row.height) for name, row in table.dropna(subset="width").iterrows()}
    assert sizes == {"a/0.png": (64, 64), "a/kept.jpg": (64, 64), "a/turned.jpg": (40, 64)}
    for name, data in files.items():
        row = table.loc[name]
        written = (target / row.target).read_bytes()
        assert (row.bytes_before, row.bytes_after) == (len(data), len(written))
        assert row.sha256_before == hashlib.sha256(data).hexdigest()
        assert row.sha256_after == hashlib.sha256(written).hexdigest()
        assert (row.variant, row.encoder) == ("jpeg-q50-smaller", encoder())
    assert pd.isna(table.loc["link", "target"])


def row(source: str, target: str = "x", **others: object) -> Row:
    """Return a row."""
    return Row(source, target, "converted")._replace(**others)  # type: ignore[arg-type]


def test_of_several_rows_of_a_file_the_last_counts(tmp_path: Path) -> None:
    """The record comes before the journal, whose files come in the order of time."""
    write_record(tmp_path, [table_of([row("a", "0"), row("b", "0"), row("c", "0")])])
    for number in ("1", "2"):
        with Journal(tmp_path) as journal:
            journal.add([row("a", number), row(f"new{number}", number)])
    known = Known(tmp_path, ["b", "nothing", "a", "new1"])
    assert [found and found.target for found in known.rows()] == ["0", None, "2", "1"]
    assert {found.source for found in rows_of(known.others())} == {"c", "new2"}
    assert [(found.source, found.target) for found in rows_of(known.earlier())] == [
        ("a", "0"),
        ("a", "1"),
    ]
    alone = Known(tmp_path, ["a"], alone=True)
    assert [found and found.target for found in alone.rows()] == ["2"]
    assert len(alone.others()) == 0
    assert list(Known(tmp_path / "nothing", ["a"]).rows()) == [None]


def test_the_journal_is_counted_without_reading_it(tmp_path: Path) -> None:
    """By names, as whoever shows progress does every second."""
    assert recorded(tmp_path) == 0
    for count in (3, 1, 0):
        with Journal(tmp_path) as journal:
            journal.add([row(f"{count}-{i}") for i in range(count)])
    assert recorded(tmp_path) == 4
    for path in (tmp_path / JOURNAL).iterdir():
        path.write_bytes(b"")
    (tmp_path / JOURNAL / ".1-2-99.parquet.part").touch()
    assert recorded(tmp_path) == 4


def test_rows_are_written_though_the_work_fails(tmp_path: Path) -> None:
    """What stands at its place is on record."""
    with pytest.raises(RuntimeError), Journal(tmp_path) as journal:
        journal.add([row("a")])
        raise RuntimeError
    assert recorded(tmp_path) == 1


def test_a_record_that_says_the_same_stays_the_same_file(tmp_path: Path) -> None:
    """And the journal goes."""
    write_record(tmp_path, [table_of([row("a")])])
    inode = (tmp_path / RECORD).stat().st_ino
    (tmp_path / JOURNAL).mkdir()
    write_record(tmp_path, [table_of([row("a")])])
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]
    assert (tmp_path / RECORD).stat().st_ino == inode
    write_record(tmp_path, [table_of([row("b")])])
    assert read(tmp_path / RECORD)["source"].to_pylist() == ["b"]
