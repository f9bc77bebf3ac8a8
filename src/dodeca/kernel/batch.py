"""Group commit for high-rate appends: clicks, plays, views, messages.

One transaction for each append would cap the rate at a few hundred a second. A `GroupWriter` lets producers hand in
items from any thread or event loop and has one thread write whatever has gathered in one go, by the callback `flush`,
which commits. `write` and `awrite` return once that commit is done, so nothing they acknowledged can be lost; `append`
returns at once and promises only that a clean shutdown loses nothing.

What waits is bounded; beyond it producers get Unavailable, which is back-pressure, not loss.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

import structlog

from dodeca.kernel.errors import Unavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.05
_LAST_RETRY_SECONDS: Final = 1.0


class _Waiting(Generic[T]):
    """One item and who waits for it: a thread (`future`), a coroutine (`future` and `loop`), or nobody."""

    __slots__ = ("future", "item", "loop")

    def __init__(
        self,
        item: T,
        future: Future[None] | asyncio.Future[None] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.item = item
        self.future = future
        self.loop = loop


class GroupWriter(Generic[T]):
    """Gathers items and writes them in groups, in the order in which they came.

    `flush` gets a list of at least one item, writes all of them in one transaction and returns after the commit; on
    an error none of them may be stored. (Where a connection can break during the commit nobody knows; there, give
    items ids of their own and let a second insert of the same id do nothing.) When it raises Unavailable (or one of
    `passing`), who waits is told so, and items that nobody waits for are kept and tried again. On any other error the
    items are written one by one, so that one that cannot be stored fails alone.
    """

    def __init__(
        self,
        name: str,
        flush: Callable[[list[T]], object],
        *,
        max_group: int = 500,
        max_waiting: int = 20_000,
        linger: float = 0.0,
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        """`linger` (seconds) lets items that nobody waits for gather before they are written; a waiting caller or a
        full group ends it."""
        self.name = name
        self._flush = flush
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._linger = linger
        self._passing: tuple[type[Exception], ...] = (Unavailable, *passing)
        self._queue: deque[_Waiting[T]] = deque()
        self._awaited = 0
        self._condition = threading.Condition()
        self._open = True
        self._give_up_at: float | None = None
        self._idle = True
        self._hurry = False
        self._postponed: Exception | None = None
        self.written = 0
        self.groups = 0
        self.refused = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name=f"writer-{name}", daemon=True)
        self._thread.start()

    # Producers

    def append(self, item: T) -> None:
        """Hand in an item and go on. Raises Unavailable when too many wait."""
        self._put(_Waiting(item))

    def write(self, item: T, timeout: float | None = None) -> None:
        """Hand in an item and wait, in a thread, until it is durable. Raises Unavailable, or the item's own error.

        After a TimeoutError the item may still be written.
        """
        future: Future[None] = Future()
        self._put(_Waiting(item, future))
        future.result(timeout)

    async def awrite(self, item: T) -> None:
        """Hand in an item and wait, in the event loop, until it is durable. Errors as in `write`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._put(_Waiting(item, future, loop))
        await future

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until everything handed in so far is written. Says whether it is."""
        with self._condition:
            self._hurry = True
            self._condition.notify_all()
            return self._condition.wait_for(lambda: self._idle and not self._queue, timeout)

    def close(self, timeout: float = 30.0) -> None:
        """Take nothing more, write what waits, and stop. What cannot be written within `timeout` seconds is refused
        (who waits gets Unavailable) or lost (counted in `lost` and logged)."""
        with self._condition:
            self._open = False
            if self._give_up_at is None:
                self._give_up_at = time.monotonic() + timeout
            self._condition.notify_all()
        self._thread.join(timeout + 5.0)

    @property
    def waiting(self) -> int:
        """How many items wait to be written."""
        return len(self._queue)

    def _put(self, waiting: _Waiting[T]) -> None:
        with self._condition:
            if not self._open:
                raise Unavailable("The server is shutting down.")
            if len(self._queue) >= self._max_waiting:
                self.refused += 1
                raise Unavailable("Too much is waiting to be written. Try again shortly.", retry_after=1.0)
            self._queue.append(waiting)
            self._awaited += waiting.future is not None
            if len(self._queue) == 1 or waiting.future is not None or len(self._queue) == self._max_group:
                self._condition.notify_all()

    # The writing thread

    def _run(self) -> None:
        pause = 0.0
        while True:
            group = self._next_group(pause)
            if not group:
                return
            self._postponed = None
            kept = self._write_group(group)
            self.groups += 1
            pause = min(max(pause * 2, _FIRST_RETRY_SECONDS), _LAST_RETRY_SECONDS) if kept else 0.0
            with self._condition:
                self._queue.extendleft(reversed(kept))
                self._idle = True
                self._condition.notify_all()

    def _next_group(self, pause: float) -> list[_Waiting[T]]:
        """Wait for work and take it; empty when it is time to stop."""
        with self._condition:
            if pause:
                self._condition.wait_for(lambda: not self._open, min(pause, self._time_left()))
            self._condition.wait_for(lambda: self._queue or not self._open)
            if self._linger:
                self._condition.wait_for(self._is_due, self._linger)
            if self._time_left() <= 0.0 and self._queue:
                self._abandon()
            group = [self._queue.popleft() for _ in range(min(len(self._queue), self._max_group))]
            self._awaited -= sum(waiting.future is not None for waiting in group)
            self._idle = not group
            self._hurry = self._hurry and bool(self._queue)
            if not group:
                self._condition.notify_all()
            return group

    def _is_due(self) -> bool:
        return self._hurry or self._awaited > 0 or len(self._queue) >= self._max_group or not self._open

    def _time_left(self) -> float:
        return _LAST_RETRY_SECONDS if self._give_up_at is None else self._give_up_at - time.monotonic()

    def _abandon(self) -> None:
        log.error("batch.lost_at_shutdown", writer=self.name, items=len(self._queue) - self._awaited)
        self.lost += len(self._queue) - self._awaited
        gone = Unavailable("The server is shutting down.")
        _tell([(waiting, gone) for waiting in self._queue])
        self._queue.clear()
        self._awaited = 0

    def _write_group(self, group: list[_Waiting[T]]) -> list[_Waiting[T]]:
        """Write a group and tell who waits. Returns what is to be tried again."""
        try:
            self._flush([waiting.item for waiting in group])
        except self._passing as error:
            return self._keep(group, error)
        except Exception as error:  # noqa: BLE001 - the thread must live on; the items' owners are told
            if len(group) == 1:
                self._give_up(group[0], error)
                return []
            # One item spoils the group: give each its own transaction.
            for position in range(len(group)):
                kept = self._write_group(group[position : position + 1])
                if self._postponed:
                    return kept + self._keep(group[position + 1 :], self._postponed)
            return []
        self.written += len(group)
        _tell([(waiting, None) for waiting in group])
        return []

    def _keep(self, group: Sequence[_Waiting[T]], error: Exception) -> list[_Waiting[T]]:
        """It cannot be done now: tell who waits, keep the rest."""
        self._postponed = error
        if group:
            log.warning("batch.postponed", writer=self.name, items=len(group), error=str(error))
        _tell([(waiting, error) for waiting in group if waiting.future is not None])
        return [waiting for waiting in group if waiting.future is None]

    def _give_up(self, waiting: _Waiting[T], error: Exception) -> None:
        """This item can never be stored: tell who waits, or say that it is lost."""
        if waiting.future is None:
            self.lost += 1
            log.error("batch.lost", writer=self.name, error=repr(error))
        _tell([(waiting, error)])


def _tell(outcomes: Sequence[tuple[_Waiting[T], Exception | None]]) -> None:
    """Give each who waits the outcome; one call into each event loop, however many wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[None], Exception | None]]] = {}
    for waiting, error in outcomes:
        if isinstance(waiting.future, Future):
            waiting.future.set_exception(error) if error else waiting.future.set_result(None)
        elif waiting.future is not None and waiting.loop is not None:
            by_loop.setdefault(waiting.loop, []).append((waiting.future, error))
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, futures)
        except RuntimeError:
            log.debug("batch.nobody_waits_any_more", items=len(futures))  # the loop is closed


def _settle(futures: Sequence[tuple[asyncio.Future[None], Exception | None]]) -> None:
    for future, error in futures:
        if not future.done():
            future.set_exception(error) if error else future.set_result(None)
