"""A map over threads: the order of one thread, bounded, and nothing left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from jpegprep.common.parallel import in_order


def square(number: int) -> int:
    """Return the square, the earlier pieces slower than the later ones."""
    time.sleep(0.002 if number % 4 == 0 else 0)
    return number * number


@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_results_come_in_order(threads: int) -> None:
    """Whoever is done first, results come in the order of the pieces."""
    assert list(in_order(square, range(40), threads)) == [n * n for n in range(40)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_pieces_than_threads_are_done(threads: int, count: int) -> None:
    """No piece or a single one is no special case."""
    assert list(in_order(square, iter(range(count)), threads)) == [0][:count]


def test_work_is_done_side_by_side() -> None:
    """Two pieces that wait for each other end only where both are worked on at once."""
    meeting = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda _: meeting.wait(), range(4), 2))) == 4


def test_one_thread_is_the_callers() -> None:
    """With one thread nothing is started."""
    assert set(in_order(lambda _: threading.get_ident(), range(5), 1)) == {threading.get_ident()}


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 4), (3, 6)])
def test_pieces_are_not_taken_far_ahead(threads: int, ahead: int) -> None:
    """At most two pieces a thread are taken beyond those whose results were asked for."""
    taken = 0

    def pieces() -> Iterator[int]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    for given, _ in enumerate(in_order(square, pieces(), threads)):
        assert taken <= given + ahead
    assert taken == 50


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_of_the_function_arrives_in_its_turn(threads: int) -> None:
    """The results before it come first; then its own exception, and the threads end."""

    def fail(number: int) -> int:
        if number == 7:
            raise KeyError("seven")
        return number

    given: list[int] = []
    before = threading.active_count()
    with pytest.raises(KeyError, match="seven"):
        given.extend(in_order(fail, range(50), threads))
    results = in_order(fail, range(50), threads)
    assert [next(results) for _ in range(7)] == list(range(7))
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_of_the_pieces_arrives(threads: int) -> None:
    """Where the next piece cannot be made, that error comes out and the threads end."""
    before = threading.active_count()

    def pieces() -> Iterator[int]:
        yield from range(5)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(in_order(square, pieces(), threads))
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_who_stops_asking_stops_the_work(threads: int) -> None:
    """Leaving the loop works off what was begun, and no more."""
    done: list[int] = []
    results = in_order(lambda n: done.append(n) or n, range(10_000), threads)
    assert next(results) == 0
    results.close()
    assert len(done) <= 2 * threads
