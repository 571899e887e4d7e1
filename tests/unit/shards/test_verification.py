"""Verification: whatever is not as it was recorded is found, and named."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conversions import content, encoded, tree
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.shards.conversion import convert, main
from jpegprep.shards.conversion_record import RECORD
from jpegprep.shards.verification import verify

Pack = Callable[..., Path]


@pytest.fixture
def target(tmp_path: Path, patches: Callable[..., list[bytes]]) -> Path:
    """Return a finished conversion of ten images, one turned and one kept, and of other files."""
    pngs = patches("brick.png", 8)
    with Image.open(io.BytesIO(pngs[0])) as patch:
        exif = Image.Exif()
        exif[274] = 6
        buffer = io.BytesIO()
        patch.crop((0, 0, 64, 32)).save(buffer, "JPEG", quality=95, exif=exif)
    files = {f"{'ab'[i % 2]}/{i}.png": data for i, data in enumerate(pngs)}
    files |= {"a/turned.jpg": buffer.getvalue(), "b/kept.jpg": encoded(pngs[0], "JPEG", quality=5)}
    files |= {"a/cut.png": pngs[0][:500], "a/notes.txt": b"notes", "b/.hidden": b""}
    tree(tmp_path / "source", files)
    convert(tmp_path / "source", tmp_path / "target", 50)
    return tmp_path / "target"


def change_record(target: Path, source: str, **columns: Any) -> None:
    """Change what is recorded of a file."""
    table = pq.read_table(target / RECORD)
    rows = [row | columns if row["source"] == source else row for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), target / RECORD)


def test_a_finished_target_is_as_recorded(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 and one line that says how many files and images, and what was never readable."""
    before = content(target)
    for threads in ("1", "3"):
        assert main(["--verify", str(target), "--threads", threads]) == 0
        said = capsys.readouterr()
        assert said.out == (
            f"{target}: all 13 files are as recorded, 10 images decode to the size that they are "
            "to have; 1 could not be read in the source either\n"
        )
        assert said.err == ""
    assert content(target) == before
    moved = target.rename(target.with_name("elsewhere"))
    assert verify(moved).count == 0


def cut(path: Path) -> None:
    """Cut a file in its middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change a bit of a file's last byte but one; size and time stay."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("harm", "finding"),
    [
        (lambda target: (target / "a" / "0.jpg").unlink(), "missing: a/0.jpg (of a/0.png)"),
        (lambda target: (target / "a" / "notes.txt").unlink(), "missing: a/notes.txt"),
        (lambda target: cut(target / "b" / "kept.jpg"), "changed: b/kept.jpg"),
        (lambda target: flip(target / "b" / "1.jpg"), "changed: b/1.jpg (of b/1.png)"),
        (lambda target: flip(target / "a" / "cut.png"), "changed: a/cut.png"),
        (
            lambda target: (target / "a" / "two\nlines.jpg").write_bytes(b""),
            "added: a/two lines.jpg",
        ),
        (lambda target: (target / "x").symlink_to("/etc"), "added: x"),
        (
            lambda target: change_record(target, "a/turned.jpg", width=64, height=32),
            "other size: a/turned.jpg has 32 x 64 pixels, its source 64 x 32",
        ),
    ],
)
def test_each_harm_is_one_line(
    target: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], object], finding: str
) -> None:
    """Status 1, the file, and what is wrong with it."""
    harm(target)
    assert main(["--verify", str(target)]) == 1
    said = capsys.readouterr()
    assert said.out == f"{finding}\n"
    assert said.err == f"error: {target}: 1 findings, 13 files on record\n"


def test_a_link_in_the_place_of_an_image_is_no_image(target: Path) -> None:
    """Even where it leads to the same bytes."""
    path = target / "a" / "0.jpg"
    path.rename(target.parent / "0.jpg")
    path.symlink_to(target.parent / "0.jpg")
    assert verify(target).shown == ["missing: a/0.jpg (of a/0.png)"]


def test_what_cannot_be_decoded_is_found_though_its_checksum_is_right(target: Path) -> None:
    """The record alone is not believed."""
    import hashlib

    path = target / "a" / "2.jpg"
    cut(path)
    change_record(target, "a/2.png", sha256_after=hashlib.sha256(path.read_bytes()).hexdigest())
    assert verify(target).shown == ["cannot be decoded: a/2.jpg (of a/2.png)"]


def test_twenty_findings_and_a_count(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More would scroll away."""
    for i in range(33):
        (target / f"{i:02}.jpg").touch()
    assert main(["--verify", str(target)]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[:20] == [f"added: {i:02}.jpg" for i in range(20)]
    assert lines[20:] == ["… and 13 more"]
    assert said.err == f"error: {target}: 33 findings, 13 files on record\n"


def test_images_that_were_skipped_are_not_there(
    tmp_path: Path, pack: Pack, patches: Callable[..., list[bytes]]
) -> None:
    """A link, or a name that leads out: status 1. A member that comes again later is there."""
    pngs = patches("brick.png", 3)
    tree(tmp_path / "source", {"a/0.png": pngs[0]})
    (tmp_path / "source" / "b").symlink_to("a")
    convert(tmp_path / "source", tmp_path / "target", 50)
    assert verify(tmp_path / "target").shown == ["skipped (link or device): b"]
    archive = pack(tmp_path / "x.tar", [("a/0.png", data) for data in pngs])
    convert(archive, tmp_path / "of-archive", 50)
    assert verify(tmp_path / "of-archive").count == 0
    hostile = pack(tmp_path / "y.tar", [("a/0.png", pngs[0]), ("../b.png", pngs[1])])
    convert(hostile, tmp_path / "of-hostile", 50)
    assert verify(tmp_path / "of-hostile").shown == ["skipped (leads out): ../b.png"]


def test_names_that_are_no_utf8_are_found(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    r"""Bytes, and a name that looks as they are spelt in the record: two files."""
    odd = [os.fsdecode(b"a/\xff.png"), r"a/\xff.png", r"a\b.png", "ü.png"]
    tree(tmp_path / "source", dict(zip(odd, patches("brick.png", 4), strict=True)))
    convert(tmp_path / "source", tmp_path / "target", 50)
    assert verify(tmp_path / "target").count == 0
    (tmp_path / "target" / os.fsdecode(b"a/\xff.jpg")).unlink()
    assert verify(tmp_path / "target").shown == [r"missing: a/\xff.jpg (of a/\xff.png)"]


def test_what_is_no_finished_conversion_is_one_line(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another folder, none, one that was stopped, a damaged record."""
    (tmp_path / "other").mkdir()
    for folder in (tmp_path / "other", tmp_path / "none"):
        assert main(["--verify", str(folder)]) == 1
        said = capsys.readouterr().err
        assert said == (
            f"error: {folder}: holds no finished conversion; name the folder of one, or go on "
            "with it\n"
        )
    (target / RECORD).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="is damaged; remove it, and convert again"):
        verify(target)
    convert(tmp_path / "source", target, 50)
    assert verify(target).count == 0
