"""Locks on folders: alone or shared, and none of the dead."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jpegprep.common import folder_locks
from jpegprep.common.errors import UserError
from jpegprep.common.folder_locks import locked

HOLD = """
import sys, time
from pathlib import Path
from jpegprep.common.folder_locks import locked
with locked(Path(sys.argv[1]), ".lock", shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder: Path, how: str) -> "subprocess.Popen[str]":
    """Start a process that holds a folder's lock, and wait until it does."""
    scripts = Path(__file__).parents[3] / "workflow" / "scripts"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), how],
        env={**os.environ, "PYTHONPATH": str(scripts)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def refused(folder: Path, shared: bool) -> str:
    """Return the one line with which a lock is refused; empty, where it is not."""
    try:
        with locked(folder, ".lock", shared):
            return ""
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_whoever_holds_it_is_named_until_it_dies(tmp_path: Path, how: str) -> None:
    """Those that share it let each other in; a killed process holds nothing."""
    process = hold(tmp_path, how)
    holder = f"process {process.pid} on {socket.gethostname()}"
    if how == "shared":
        assert refused(tmp_path, shared=True) == ""
        holder = "a job of a workflow"
    line = f"{tmp_path}: {holder} is writing to it; wait until it has ended, or stop it"
    assert refused(tmp_path, shared=False) == line
    if how == "alone":
        assert refused(tmp_path, shared=True) == line
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert refused(tmp_path, shared=False) == ""
    assert not list(tmp_path.iterdir())


def test_one_process_has_it_once(tmp_path: Path) -> None:
    """Two threads, too, are two that write."""
    with locked(tmp_path, ".lock"):
        assert f"process {os.getpid()} on" in refused(tmp_path, shared=False)
    assert refused(tmp_path, shared=False) == ""


def test_where_the_file_system_knows_no_locks_numbers_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A living process's, another machine's that nobody can ask, and a dead one's."""

    def unknown(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    process = hold(tmp_path, "alone")
    monkeypatch.setattr(fcntl, "flock", unknown)
    assert f"process {process.pid} on" in refused(tmp_path, shared=False)
    process.kill()
    process.wait()
    assert refused(tmp_path, shared=False) == ""
    (tmp_path / ".lock").write_text(f"{process.pid} another-machine")
    assert refused(tmp_path, shared=False).endswith(f", or remove {tmp_path}/.lock if it has ended")


def test_a_lock_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking the last holder may have ended, and another have begun."""
    real = folder_locks.os.open
    removed = []

    def slow(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if not removed:
            removed.append(path)
            path.unlink()
        return descriptor

    monkeypatch.setattr(folder_locks.os, "open", slow)
    with locked(tmp_path, ".lock"):
        assert (tmp_path / ".lock").exists()
    assert removed
