"""Starting Snakemake on this clone's rules, in any folder, and following what it does."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any

import yaml

from jpegprep.common.errors import UserError
from jpegprep.common.locks import unlock_stale

ROOT = Path(__file__).parents[4]  # the clone
_SCRIPTS = ROOT / "workflow/scripts"
# Below the working directory, where that is not the clone.
OUT = "jpegprep-out"

Event = Mapping[str, Any]  # what the plugin tells; of a line that a job prints, {"event": "told"}


@dataclass(frozen=True)
class Ended:
    """How a call of Snakemake ended.

    Attributes:
        status: its exit status.
        log: what it and its jobs printed.
        problems: the error lines that came, each once.
    """

    status: int
    log: Path
    problems: list[str] = field(default_factory=list)


def folder_for(out: str | Path | None = None, images: Path | None = None) -> Path:
    """Return the folder of the work: `results/`, `resources/` and `.snakemake/` lie in it.

    Args:
        out: the folder that was asked for; None: the clone, if that is the working directory, and
            otherwise `jpegprep-out` below the working directory.
        images: what is only read: the folder does not lie in it.

    Raises:
        UserError: where it cannot be made or written to.
    """
    if out is None:
        here = Path.cwd()
        folder = here if here.resolve() == ROOT.resolve() else here / OUT
    else:
        folder = absolute(out)
    if images and images.is_dir() and folder.resolve().is_relative_to(images.resolve()):
        raise UserError(
            f"{folder}: lies in {images}, which is only read; name another folder for the results "
            "by --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: {error.strerror}; name another folder for the results by --out"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{folder}: cannot be written to; name another folder for the results by --out"
        )
    return folder


def absolute(path: str | Path) -> Path:
    """Return a path as the user meant it, from the root; links are kept."""
    return Path(path).expanduser().absolute()


def arguments_of(
    targets: Sequence[str],
    folder: Path,
    config: Mapping[str, Any] | None = None,
    study: Path | None = None,
    cores: int | None = None,
    resources: Mapping[str, int] | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """Return what Snakemake is called with.

    Args:
        targets: rules or files.
        folder: of the work.
        config: values for Snakemake's --config; None is left out.
        study: a YAML file.
        cores: how many; None: all.
        resources: as of Snakemake's --resources.
        more: what the user hands on to Snakemake. Its --config is added to `config`; any other
            option of it takes the place of ours.
    """
    pairs = [f"{k}={_value(k, v)}" for k, v in (config or {}).items() if v is not None]
    added, more = _config_in(more)
    arguments = [*targets, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    arguments += ["--cores", str(cores or "all")]
    # The profile's quietness would keep the jobs out of the log, too.
    arguments += ["--quiet", "host"]
    if study:
        arguments += ["--configfile", str(study)]
    if resources:
        arguments += ["--resources", *(f"{name}={n}" for name, n in resources.items())]
    if pairs or added:
        arguments += ["--config", *pairs, *added]
    return [*arguments, *more]


def _value(name: str, value: Any) -> str:
    """Return a value as Snakemake's --config reads it back.

    Raises:
        UserError: where it would read another one, as of a path with ': ' in it.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    text = str(value)
    if isinstance(value, str):
        try:
            read = yaml.load(text.strip("'\""), yaml.BaseLoader)  # as Snakemake does
        except yaml.YAMLError:
            read = text.strip("'\"")  # and takes it as it stands
        if read != text:
            raise UserError(
                f"{name} is {value!r}: of ': ', ' #' and quotes at an end Snakemake makes "
                "something else; a link to a folder may have another name"
            )
    return text


def _config_in(more: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide arguments for Snakemake into those of --config and the others."""
    added: list[str] = []
    others: list[str] = []
    inside = False
    for word in more:
        if word.startswith("-"):
            inside = word in ("--config", "-C")
            if inside:
                continue
        (added if inside else others).append(word)
    return added, others


def given_config(more: Sequence[str]) -> dict[str, str]:
    """Return the values of --config among what the user hands on to Snakemake."""
    return dict(pair.split("=", 1) for pair in _config_in(more)[0] if "=" in pair)


def dry(more: Sequence[str]) -> bool:
    """Tell whether Snakemake is asked to say what it would do, and to do nothing."""
    return not {"-n", "--dry-run", "--dryrun"}.isdisjoint(more)


def run_dry(arguments: Sequence[str]) -> int:
    """Let Snakemake say on the terminal, in its own words, what it would do; return its status."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, env=_environment(), check=False).returncode


def run(
    arguments: Sequence[str],
    folder: Path,
    watch: Callable[[Event], None],
    tick: Callable[[], None] = lambda: None,
) -> Ended:
    """Run Snakemake and tell what happens.

    It writes to files, not to a pipe: should this process be killed, it works on undisturbed. It
    has a process group of its own, to which Ctrl-C, SIGTERM and SIGHUP are handed on once.

    Args:
        arguments: of Snakemake.
        folder: of the work.
        watch: is called with each event.
        tick: is called about twice a second.

    Raises:
        UserError: where another one works in that folder.
        KeyboardInterrupt: where it was interrupted, once all its jobs have ended.
    """
    if problem := unlock_stale(folder, ROOT / "Snakefile"):
        raise UserError(problem)
    logs = folder / ".snakemake/log"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; name another by --out") from None
    log = logs / f"{datetime.now():%Y-%m-%dT%H%M%S}.{os.getpid()}.jpegprep.log"
    ended = Ended(0, log)
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        events = Path(scratch) / "events"
        events.touch()
        command = [sys.executable, "-m", "snakemake", *arguments]
        command += ["--logger", "jpegprep", "--logger-jpegprep-events", str(events)]
        with (
            log.open("wb") as output,
            events.open("rb") as told,
            log.open("rb") as printed,
            _stopping() as stopped,
        ):

            def look(last: bool = False) -> None:
                for event in _happened(told, printed, last):
                    if stopped.came:
                        continue  # that its jobs ended early is what was asked for
                    if problem := _problem(event):
                        if problem in ended.problems:
                            continue
                        ended.problems.append(problem)
                        event = {"event": "problem", "message": problem}
                    watch(event)
                tick()

            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(),
                process_group=0,
            )
            stopped.follow(process)
            while process.poll() is None:
                look()
                time.sleep(0.5)
            look(last=True)
    if stopped.came:
        raise KeyboardInterrupt
    return Ended(process.returncode, log, ended.problems)


def _environment() -> dict[str, str]:
    """Return the environment of Snakemake and its jobs: they find each other's programs by PATH."""
    found = {**os.environ, "PYTHONPATH": str(_SCRIPTS)}
    if before := os.environ.get("PYTHONPATH"):
        found["PYTHONPATH"] += os.pathsep + before
    found["PATH"] = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    found.pop("PYTHONDONTWRITEBYTECODE", None)  # see Makefile
    return found


class _Stop:
    """Hands signals on to Snakemake's process group."""

    def __init__(self) -> None:
        self.came = 0
        self._process: subprocess.Popen[bytes] | None = None

    def follow(self, process: "subprocess.Popen[bytes]") -> None:
        """Hand on to a process, and what came before it was there."""
        self._process = process
        if self.came:
            self._send()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self.came += 1
        if self._process:
            self._send()

    def _send(self) -> None:
        assert self._process
        with suppress(ProcessLookupError):
            # The first lets Snakemake clean up; whoever asks again wants an end.
            os.killpg(self._process.pid, signal.SIGINT if self.came == 1 else signal.SIGKILL)


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Catch signals, before Snakemake begins and until it has ended.

    What is ignored stays so, as SIGHUP under nohup, and SIGINT where a script has put the call into
    the background. But Snakemake begins with a SIGINT that works: what is ignored is inherited, and
    it would not hear of a SIGTERM that comes here.
    """
    stop = _Stop()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # signals are its
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
            elif number == signal.SIGINT:
                before[number] = signal.signal(number, lambda number, frame: None)
    try:
        yield stop
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def _happened(told: IO[bytes], printed: IO[bytes], last: bool) -> Iterator[Event]:
    """Yield what has come since: events, and lines that jobs or Snakemake printed."""
    for line in _lines(printed, last):
        yield {"event": "told", "message": line}
    for line in _lines(told, last):
        with suppress(ValueError):
            yield json.loads(line)


def _lines(file: IO[bytes], last: bool) -> Iterator[str]:
    """Yield the new whole lines of a file that grows; at last also what has no end."""
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith(b"\n") and not last:
            file.seek(place)
            return
        if not line:
            return
        yield line.decode(errors="replace").rpartition("\r")[2].rstrip()


# What the hook of the workflow says at the end is what the job said before, with its log.
_WITH_LOG = re.compile(r" \(log: .*\)$")


# What Snakemake says of a job that has said why by itself.
_SAID = ("CalledProcessError", "At least one job did not complete successfully")


def _problem(event: Event) -> str | None:
    """Return the line of a problem that an event tells of; None where it tells of none."""
    message = str(event.get("message") or "")
    if event["event"] == "told" and message.startswith("error: "):
        return _WITH_LOG.sub("", message).removeprefix("error: ")
    # Snakemake's own words; of a job that failed they are no more than its exit status.
    if event["event"] == "error" and not any(said in message for said in _SAID):
        return " ".join(message.split()) or None
    return None


def why(ended: Ended, failed: Sequence[str]) -> str:
    """Return in one line why a call failed.

    Args:
        ended: how it ended.
        failed: the rules of the jobs that failed.
    """
    if ended.problems:
        return ended.problems[-1]
    if failed:
        killed = "ended without a word; was it killed for want of memory?"
        return f"{failed[-1]} {killed} (log: {ended.log})"
    lines = ended.log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"Snakemake ended with status {ended.status}: {last[:300]} (log: {ended.log})"
