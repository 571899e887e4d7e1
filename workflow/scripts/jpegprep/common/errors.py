"""The one exception for everything a user can mend, and how a job reports it."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage
from tempfile import gettempdir
from typing import TextIO


class UserError(Exception):
    """A mistake in a config, a registry, an archive or a machine; its text is one line.

    The line names the file, the value and the fix:
    ``config/paper.yaml: ratios[3] is 1.3; a ratio lies in (0, 1]``.
    """

    def __init__(self, message: str) -> None:
        """Keep the message on one line, whatever names it quotes."""
        super().__init__(" ".join(message.splitlines()))


@contextmanager
def reported(log: str | Path) -> Iterator[TextIO]:
    """Run a job: everything it prints goes to its log, a failure also as one line to the terminal.

    The file descriptors themselves are redirected, so that what libraries written in C print and
    what child processes print is in the log as well.

    Args:
        log: the log file of the job; its folder is made.

    Yields:
        The terminal (or whatever standard error was), for what only someone who watches wants.

    Raises:
        SystemExit: with status 1 where the body raised; the log then holds the whole traceback
            (for a `UserError` only its line), and ends with the line ``error: …``.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    try:
        yield terminal
    except Exception as error:
        if isinstance(error, UserError):
            line = str(error)
        else:
            traceback.print_exc()
            text = " ".join(str(error).split())[:300]
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                # What writes to an open file does not tell its name.
                full = error.filename or min((path.parent, Path(gettempdir())), key=_free)
                text = f"{full}: the disk or your quota is full; free space there and run again"
            elif isinstance(error, MemoryError) or re.search(r"allocat|out of memory", text, re.I):
                text += "; give the job more memory, or fewer threads"
            line = f"{type(error).__name__}: {text}; the whole traceback is in {log}"
        print(f"error: {line}", file=sys.stderr, flush=True)
        with suppress(OSError):  # the terminal may be closed by now; the log has the line
            print(f"error: {line}", file=terminal)
        sys.exit(1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):
            terminal.close()


def _free(folder: Path) -> int:
    return disk_usage(folder).free


def failures(logs: str | Path, since: float) -> list[str]:
    """Return the error lines of the jobs that failed, each with its log; what several say, once.

    Args:
        logs: the folder of all jobs' logs.
        since: seconds since the epoch; logs written before belong to earlier failures.
    """
    found: dict[str, list[Path]] = {}
    for log in sorted(Path(logs).rglob("*.log")):
        if log.stat().st_mtime >= since:
            text = log.read_text(encoding="utf-8", errors="replace")
            last = text.rstrip().rpartition("\n")[2]
            if last.startswith("error: "):
                found.setdefault(last, []).append(log)
    return [
        f"{line} (log: {logs[0]}{f', and {more} more' if (more := len(logs) - 1) else ''})"
        for line, logs in found.items()
    ]
