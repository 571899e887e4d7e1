"""A map over processes: the order of one process, bounded, and nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jpegprep.parallel import in_order

Python = Callable[..., subprocess.CompletedProcess[str]]


def square(number: int) -> int:
    """Return a number's square, the later ones sooner."""
    time.sleep(0.02 if number % 5 == 0 else 0)
    return number * number


def children() -> list[psutil.Process]:
    """Return this process's children, but for multiprocessing's own helpers."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def no_child_remains() -> Iterator[None]:
    """Fail a test that leaves a process behind."""
    before = {child.pid for child in children()}
    yield
    assert not {child.pid for child in children()} - before
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("processes", [0, 1, 2, 3])
def test_results_come_in_order(processes: int) -> None:
    """Whichever piece is done first, results come in the order of the pieces."""
    assert list(in_order(square, range(40), processes)) == [n * n for n in range(40)]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_pieces_than_processes_are_done(processes: int, count: int) -> None:
    """No piece at all, or a single one, is no special case."""
    assert list(in_order(square, iter(range(count)), processes)) == [0][:count]


@pytest.mark.parametrize("processes", [2, 3])
def test_work_is_done_in_other_processes(processes: int) -> None:
    """With several processes the function runs in at most so many, none of them this one."""
    seen = set(in_order(lambda _: (time.sleep(0.01), os.getpid())[1], range(30), processes))
    assert os.getpid() not in seen
    assert 1 < len(seen) <= processes


def test_one_process_is_this_one() -> None:
    """With one process nothing is forked."""
    assert set(in_order(lambda _: os.getpid(), range(5), 1)) == {os.getpid()}


@pytest.mark.parametrize(("processes", "ahead"), [(1, 1), (2, 4), (3, 6)])
def test_pieces_are_not_taken_far_ahead(processes: int, ahead: int) -> None:
    """At most two pieces a process are taken before their results, so memory does not grow."""
    taken, most = 0, 0

    def pieces() -> Iterator[int]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number

    for given, _ in enumerate(in_order(square, pieces(), processes)):
        most = max(most, taken - given)
    assert taken == 60
    assert 1 <= most <= ahead


def test_the_function_need_not_be_pickled() -> None:
    """What the function holds is inherited: a lambda over local things works."""
    table = {n: str(n) for n in range(10)}
    assert list(in_order(lambda n: table[n], range(10), 2)) == [str(n) for n in range(10)]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_an_error_of_the_function_arrives_in_its_turn(processes: int) -> None:
    """Results before the failing piece are given; then comes its error."""

    def fail(number: int) -> int:
        if number >= 7:
            raise KeyError(number)
        return number

    given = []
    with pytest.raises(KeyError, match="7"):
        given.extend(in_order(fail, range(50), processes))
    results = in_order(fail, range(50), processes)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(KeyError, match="7"):
        next(results)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_an_error_of_the_pieces_arrives(processes: int) -> None:
    """Where the next piece cannot be made, that error comes out and the processes end."""

    def pieces() -> Iterator[int]:
        yield from range(9)
        raise OSError("archive cut off")

    with pytest.raises(OSError, match="archive cut off"):
        list(in_order(square, pieces(), processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_who_stops_asking_stops_the_work(processes: int) -> None:
    """A caller that closes the results early, or fails on one, leaves no process behind."""
    results = in_order(square, range(10_000), processes)
    assert next(results) == 0
    results.close()
    with pytest.raises(ZeroDivisionError):
        for result in in_order(square, range(10_000), processes):
            1 // result


def test_a_worker_that_dies_is_an_error() -> None:
    """A worker that the system kills ends the work with an error instead of a long wait."""

    def die(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(RuntimeError, match="terminated abruptly"):
        list(in_order(die, range(20), 2))


SCRIPT = """
import os, sys, time
from jpegprep.parallel import in_order

def work(number):
    return number + 1

print(sum(in_order(work, range(100), 2)))
"""


def test_it_works_in_code_without_a_main_guard(python: Python) -> None:
    """A job's script, which has no main guard and cannot be imported, maps over processes."""
    done = python(SCRIPT)
    assert (done.returncode, done.stdout) == (0, "5050\n"), done.stderr


def test_it_works_in_a_script_run_by_runpy(python: Python, tmp_path: Path) -> None:
    """The same holds of a script that another program runs under another name."""
    script = tmp_path / "job.script.py"
    script.write_text(SCRIPT)
    done = python(f"import runpy; runpy.run_path({str(script)!r}, run_name='job')")
    assert (done.returncode, done.stdout) == (0, "5050\n"), done.stderr


KILLED = """
import os, sys, time
from jpegprep.parallel import in_order

def work(number):
    time.sleep(float(sys.argv[1]))
    return os.getpid()

for pid in in_order(work, range(100000), 3):
    print(pid, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("working", "waiting"), [(0.05, 0), (0, 30), (30, 0)])
def test_no_worker_outlives_a_killed_parent(root: Path, working: float, waiting: float) -> None:
    """After SIGKILL of the parent its workers end, whether they worked or waited for work."""
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(working), str(waiting)],
        env={**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts")},
        stdout=subprocess.DEVNULL,
    )
    workers: list[psutil.Process] = []
    try:
        until = time.monotonic() + 20
        while len(workers) < 3 and time.monotonic() < until:
            time.sleep(0.05)
            workers = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(0.5)
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) == 3
        parent.kill()
        parent.wait()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert [w for w in alive if w.is_running() and w.status() != psutil.STATUS_ZOMBIE] == []
    finally:
        parent.kill()
        parent.wait()
        for worker in workers:
            if worker.is_running():
                worker.kill()
