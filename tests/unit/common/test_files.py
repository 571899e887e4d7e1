"""Files: whole or absent, whatever happens while they are written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jpegprep.common import files
from jpegprep.common.files import (
    replacing,
    replacing_all,
    sha256_of,
    write_back,
    write_json,
    write_text,
)


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """While a file is being written its name is free; then it is there, alone."""
    target = tmp_path / "new" / "folder" / "table.csv"
    with replacing(target) as part:
        part.write_text("half")
        assert not target.exists()
        part.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("before", [None, "from before"])
def test_a_failed_write_changes_nothing(tmp_path: Path, before: str | None) -> None:
    """Where writing fails, the file is what it was before: absent or the older one."""
    target = tmp_path / "table.csv"
    if before:
        target.write_text(before)
    with pytest.raises(RuntimeError, match="disk full"), replacing(target) as part:
        part.write_text("half")
        raise RuntimeError("disk full")
    assert [path.read_text() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_a_killed_job_leaves_the_older_file(tmp_path: Path, python: Callable[..., Any]) -> None:
    """A job that is killed while writing leaves the older file, and the next attempt cleans up."""
    target = tmp_path / "table.csv"
    target.write_text("from before")
    code = """
import os, signal, sys
from jpegprep.common.files import replacing
with replacing(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for _ in range(2):
        assert python(code, target).returncode == -9
        assert target.read_text() == "from before"
    assert len(list(tmp_path.iterdir())) <= 2
    write_text(target, "whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    """Of several files none has its name before all are written."""
    one, other = tmp_path / "a.csv", tmp_path / "a.md"
    with replacing_all(one, other) as (first, second):
        first.write_text("1")
        assert list(tmp_path.glob("a.*")) == []
        second.write_text("2")
    assert (one.read_text(), other.read_text()) == ("1", "2")


def test_where_one_of_several_is_not_written_none_appears(tmp_path: Path) -> None:
    """A body that forgets or fails one file leaves the others' older versions."""
    one, other = tmp_path / "a.csv", tmp_path / "a.md"
    write_text(one, "older")
    with pytest.raises(FileNotFoundError), replacing_all(one, other) as (first, _):
        first.write_text("newer")
    with pytest.raises(FileNotFoundError), replacing_all(other, one) as (_, second):
        second.write_text("newer")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    """Records are read by people: keys stay in order, letters of any script stay letters."""
    value = {"z": 1, "a": ["žluťoučký", None, 0.1]}
    write_json(tmp_path / "run.json", value)
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.index('"z"') < text.index('"a"')
    assert "žluťoučký" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
    ids=["empty", "abc", "million a"],
)
def test_sha256_gives_the_standards_examples(tmp_path: Path, message: bytes, digest: str) -> None:
    """Checksums are those of FIPS 180-2's examples, for files of any size."""
    (tmp_path / "message").write_bytes(message)
    assert sha256_of(tmp_path / "message") == digest


def test_files_have_the_users_permissions(tmp_path: Path) -> None:
    """Colleagues can read results where the user's umask lets them."""
    code = f"""
import os
os.umask(0o027)
from jpegprep.common.files import write_text
write_text({str(tmp_path / "table.csv")!r}, "1")
"""
    scripts = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": scripts}
    )
    assert (tmp_path / "table.csv").stat().st_mode & 0o777 == 0o640


def test_what_was_written_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one call for all files of a file system; where that is unknown, for those of all."""
    (tmp_path / "x").write_text("x")
    write_back(tmp_path)
    with pytest.raises(FileNotFoundError):
        write_back(tmp_path / "none")

    class Libc:
        """A C library that knows no syncfs, as macOS's."""

    called = []
    monkeypatch.setattr(files.ctypes, "CDLL", lambda name, use_errno: Libc)
    monkeypatch.setattr(files.os, "sync", lambda: called.append(True))
    write_back(tmp_path)
    assert called
