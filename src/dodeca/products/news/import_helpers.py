"""Other processes that help with a large import: they check what a file says and prepare rows, while this one writes.

A thread would not do: preparing rows is Python's work, and takes as much of the processor as SQLite's own.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Final, TypeVar

from dodeca.kernel.errors import Unavailable

T = TypeVar("T")
LARGE_BYTES: Final = 8 * 1024 * 1024
"""Starting a process takes as long as importing a file of a quarter of this size."""
MOST: Final = 2
"""One prepares about as fast as SQLite writes; reading a file keeps two busy."""
AHEAD: Final = 6
"""Calls that are under way, or done and not yet asked for: each may hold some ten megabytes."""


class Helpers:
    """Runs calls in other processes, or here where there are none."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    @property
    def are_elsewhere(self) -> bool:
        """Whether calls run in other processes."""
        return self._pool is not None

    def each(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """The results of calls, in their order. To be sent to a process they are functions of modules with their
        arguments (`partial`). Raises what a call raises, and Unavailable where a process has ended."""
        if self._pool is None:
            for call in calls:
                yield call()
            return
        waiting: deque[Future[T]] = deque()
        try:
            for call in calls:
                waiting.append(self._pool.submit(call))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise Unavailable("A process that helped has ended; run the import again to go on.") from error


@contextmanager
def helpers(size: int) -> Iterator[Helpers]:
    """Helpers for a file of `size` bytes: in processes of their own where that pays."""
    processes = min(MOST, os.cpu_count() or 1)
    if size < LARGE_BYTES or processes == 1:
        yield Helpers(None)
        return
    context = multiprocessing.get_context("spawn")  # a copy of a process with threads may stand still
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    try:
        yield Helpers(pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """What a new process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the import, which ends this process
    threading.Thread(target=_end_with_import, name="import-watcher", daemon=True).start()
    # Rows are small objects without cycles: looking for those took a tenth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _end_with_import() -> None:
    """Nobody would tell a process whose import was killed to end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
