"""Sources: what is listed, and that no more is read than is asked for."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from conversions import tree

from jpegprep.datasets.archives import members
from jpegprep.shards.sources import open_source

Pack = Callable[..., Path]
FILES = {f"{'ab'[i % 2]}/{i:03}.txt": f"file {i}".encode() for i in range(30)}


def source_of(kind: str, folder: Path, pack: Pack) -> Path:
    """Return a source of a kind with these files."""
    if kind == "folder":
        return tree(folder / "files", FILES)
    if kind == "csv":
        tree(folder / "files", FILES)
        rows = "".join(f"{name},x\n" for name in FILES)
        (folder / "files" / "labels.csv").write_text(f"path,label\n{rows}")
        return folder / "files" / "labels.csv"
    return pack(folder / f"files.{kind}", FILES)


@pytest.mark.parametrize("kind", ["folder", "csv", "zip", "tar", "tar.gz"])
def test_any_part_of_a_source_can_be_read(tmp_path: Path, pack: Pack, kind: str) -> None:
    """Given numbers and files of the listing, their bytes come in that order."""
    source = open_source(source_of(kind, tmp_path, pack))
    files = [file for file in source.listed() if file.path in FILES]
    assert {file.path for file in files} == set(FILES)
    for part in (range(30), range(7, 19), range(0, 30, 7), range(29, 30), range(0)):
        found = [
            (reading.number, reading.file.path, reading.read())
            for reading in source.readings((i, files[i]) for i in part)
        ]
        assert found == [(i, files[i].path, FILES[files[i].path]) for i in part]
    assert source.divisible == (kind != "tar.gz")


def test_what_is_not_asked_for_is_not_read(tmp_path: Path, pack: Pack) -> None:
    """Not even seen, where it lies behind."""
    path = pack(tmp_path / "x.tar", FILES)
    whole = path.read_bytes()
    source = open_source(path)
    files = source.listed()
    path.write_bytes(whole[: 1024 * 10 + 100])  # the header of the eleventh is cut
    readings = source.readings((i, files[i]) for i in range(5))
    assert [reading.read() for reading in readings] == list(FILES.values())[:5]
    path.write_bytes(whole.replace(b"file 3", b"FILE 3"))
    found = {m.name: m.data for m in members(path, read=lambda number, _: number == 4)}
    assert found.pop("a/004.txt") == b"file 4"
    assert set(found.values()) == {b""}


def test_a_tar_of_many_members_takes_no_memory(tmp_path: Path, pack: Pack) -> None:
    """They come and go; Python's own list of them would take a kilobyte each."""
    path = pack(tmp_path / "x.tar", {f"a/{i}": b"x" for i in range(2_000)})
    tracemalloc.start()
    assert sum(1 for _ in members(path, read=False)) == 2_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
