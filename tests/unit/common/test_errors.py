"""How a job fails: one line on the terminal, the rest in its log, exit status 1."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jpegprep.common.errors import failures

Python = Callable[..., Any]

JOB = """
import os, subprocess, sys
from jpegprep.common.errors import UserError, reported
with reported(sys.argv[1]):
    print("printed by Python")
    print("warned by Python", file=sys.stderr)
    os.write(1, b"printed by C\\n")
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    %s
"""
PRINTED = ["printed by Python", "warned by Python", "printed by C", "printed by a child"]


def test_a_good_job_is_silent(tmp_path: Path, python: Python) -> None:
    """All that a job, its libraries and children print goes to the log, none to the terminal."""
    log = tmp_path / "logs" / "a job.log"
    done = python(JOB % "pass", log)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(log.read_text().splitlines()) == sorted(PRINTED)


def test_a_mistake_of_the_user_is_one_line(tmp_path: Path, python: Python) -> None:
    """A UserError is its line, on the terminal and at the end of the log, without a traceback."""
    log = tmp_path / "job.log"
    done = python(JOB % 'raise UserError("config/x.yaml: ratios[3] is 1.3; …")', log)
    line = "error: config/x.yaml: ratios[3] is 1.3; …\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    text = log.read_text(encoding="utf-8")
    assert text.endswith(line)
    assert "Traceback" not in text
    assert all(printed in text for printed in PRINTED)


def test_a_bug_is_one_line_and_a_traceback_in_the_log(tmp_path: Path, python: Python) -> None:
    """Any other error is one line that names the log, which holds the whole traceback."""
    log = tmp_path / "job.log"
    done = python(JOB % r'raise ZeroDivisionError("first line\nsecond line")', log)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ZeroDivisionError: first line second line; ")
    assert str(log) in done.stderr
    text = log.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert "ZeroDivisionError: first line\nsecond line\n" in text
    assert text.splitlines()[-1] == done.stderr.splitlines()[0]


def test_a_long_error_stays_one_line(tmp_path: Path, python: Python) -> None:
    """What a library says at length, over many lines, is shortened on the terminal."""
    log = tmp_path / "job.log"
    done = python(JOB % r'raise RuntimeError("much\n" * 10_000)', log)
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 1000


WATCHED = """
import contextlib, sys
from jpegprep.common.errors import UserError, reported
with reported(sys.argv[1]) as terminal:
    print("in the log")
    print("a terminal:", terminal.isatty())
    with contextlib.suppress(OSError):
        print("on the terminal: žluťoučký \\udcff", file=terminal)
    %s
"""


def test_a_job_may_draw_on_its_terminal(tmp_path: Path, python: Python) -> None:
    """What a job writes to the stream that it is given is on the terminal, not in the log."""
    done = python(WATCHED % "pass", tmp_path / "job.log", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "on the terminal: žluťoučký \\udcff\n"
    assert (tmp_path / "job.log").read_text() == "in the log\na terminal: False\n"


@pytest.mark.parametrize(
    ("end", "status"), [("pass", 0), ('raise UserError("x.tar: is truncated")', 1)]
)
def test_a_closed_window_changes_nothing(tmp_path: Path, root: Path, end: str, status: int) -> None:
    """A job whose terminal has gone ends as it would have ended, and its log is whole."""
    seen, terminal = pty.openpty()
    arguments = [sys.executable, "-c", "input()\n" + WATCHED % end, str(tmp_path / "job.log")]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts")}
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stderr=terminal, env=environment
    ) as job:
        os.close(terminal)
        os.close(seen)
        job.communicate(b"\n")
    assert job.returncode == status
    lines = (tmp_path / "job.log").read_text().splitlines()
    assert lines[0] == "in the log"
    assert lines[2:] == (["error: x.tar: is truncated"] if status else [])


def test_the_log_is_of_the_last_attempt(tmp_path: Path, python: Python) -> None:
    """A second attempt's log does not begin with the first one's error."""
    log = tmp_path / "job.log"
    python(JOB % 'raise UserError("the first attempt")', log)
    python(JOB % "pass", log)
    assert "the first attempt" not in log.read_text()


def test_an_error_while_loading_libraries_is_reported(tmp_path: Path, python: Python) -> None:
    """A library that cannot be imported inside the job is reported like any other error."""
    done = python(JOB % "import no_such_library", tmp_path / "job.log")
    assert done.returncode == 1
    assert "No module named 'no_such_library'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_failures_of_a_run_are_listed(tmp_path: Path, python: Python) -> None:
    """Of all jobs, those that failed since a time are listed, each with its line and its log."""
    bad, bug = tmp_path / "train" / "a.log", tmp_path / "treat" / "b.log"
    good, old = tmp_path / "treat" / "good.log", tmp_path / "treat" / "old.log"
    python(JOB % 'raise UserError("x.tar: is truncated")', bad)
    python(JOB % "1 / 0", bug)
    python(JOB % "pass", good)
    python(JOB % 'raise UserError("mended since")', old)
    os.utime(old, (1000, 1000))
    found = failures(tmp_path, since=2000)
    assert len(found) == 2
    assert found[0] == f"error: x.tar: is truncated (log: {bad})"
    assert found[1].startswith("error: ZeroDivisionError: ")
    assert found[1].endswith(f"(log: {bug})")


def test_what_several_jobs_say_is_listed_once(tmp_path: Path, python: Python) -> None:
    """A damaged shard stops every job that reads it: one thing is to be mended."""
    logs = [tmp_path / f"{name}.log" for name in "abc"]
    for log in logs:
        python(JOB % 'raise UserError("x.tar: is truncated")', log)
    assert failures(tmp_path, since=0) == [
        f"error: x.tar: is truncated (log: {logs[0]}, and 2 more)"
    ]


def test_without_failures_nothing_is_listed(tmp_path: Path) -> None:
    """No log, or no folder of logs, is no failure."""
    assert failures(tmp_path, since=0) == []
    assert failures(tmp_path / "no such folder", since=0) == []


def test_a_full_disk_is_named_with_what_to_do(tmp_path: Path, python: Python) -> None:
    """The system says only that no space is left: the line says where, and what helps."""
    log = tmp_path / "job.log"
    done = python(JOB % 'open("/dev/full", "w").write("x" * 100_000)', log)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}: the disk or your quota is full; free space there" in done.stderr
