"""A map over processes that keeps the order and never holds more than a few chunks."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_order(
    function: Callable[[_In], _Out], chunks: Iterable[_In], processes: int
) -> Iterator[_Out]:
    """Yield ``function(chunk)`` for each chunk, in order.

    At most two chunks a process are taken from `chunks` before their results are asked for, so
    memory does not grow with their number. With one process all is done in this one.

    Args:
        function: what each process inherits as it is; its argument and result are pickled.
        chunks: the pieces of work.
        processes: how many work side by side.
    """
    if processes <= 1:
        yield from map(function, chunks)
        return
    # Forked, since a job's main script cannot be imported anew, as spawning would do.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, _begin, (function,)) as pool:
        waiting: deque[Future[_Out]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_call, chunk))
                if len(waiting) >= 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_inherited: list[Callable[[Any], Any]] = []


def _call(chunk: Any) -> Any:
    return _inherited[0](chunk)


def _begin(function: Callable[[Any], Any]) -> None:
    """Keep the function; end with the parent, even after SIGKILL: else wait for work for ever."""
    _inherited[:] = [function]
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
