"""Units of work that wait to be committed together, and how their callers hear of it."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from dodeca.kernel.db import units
from dodeca.kernel.db.sessions import Ending, WriteSession

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Unit:
    """One caller's unit and where its result goes."""

    run: Callable[[WriteSession], Any]
    deliver: Callable[[Any, BaseException | None], None]
    loop: asyncio.AbstractEventLoop | None = None
    result: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    def keep(self, session: WriteSession) -> None:
        """Keep what the unit, which has succeeded, wants to be done around the commit."""
        self.endings, self.callbacks = session.endings(), session.committed()

    def reset(self) -> None:
        """Nothing of it is stored: it will be run again."""
        self.result, self.error, self.callbacks, self.endings = None, None, [], []


def waiting_thread(unit: Callable[[WriteSession], T]) -> tuple[Unit, Future[T]]:
    """The unit of a thread, and what the thread waits for."""
    future: Future[T] = Future()

    def deliver(result: T, error: BaseException | None) -> None:
        future.set_exception(error) if error is not None else future.set_result(result)

    return Unit(unit, deliver), future


def waiting_task(unit: Callable[[WriteSession], T]) -> tuple[Unit, asyncio.Future[T]]:
    """The unit of a task of the running event loop, and what the task waits for; it may stop waiting."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T, error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error is not None else future.set_result(result)

    return Unit(unit, deliver, loop), future


def end(session: WriteSession, endings: Iterable[Ending]) -> None:
    """Do what was to be done before the commit."""
    items: dict[Callable[[WriteSession, Sequence[Any]], None], list[Any]] = {}
    for work, item in endings:
        items.setdefault(work, []).append(item)
    for work in sorted(items, key=lambda work: (work.__module__, work.__qualname__)):  # in everybody's order
        work(session, items[work])
    if session.endings():  # nobody would do it
        raise RuntimeError("What is done before the commit cannot ask for more to be done there.")


def ending(group: Sequence[Unit]) -> Unit | None:
    """A unit that does that for all of a group; None where there is nothing to be done."""
    wanted = [one for unit in group if unit.error is None for one in unit.endings]
    if not wanted:
        return None
    first = next(unit for unit in group if unit.error is None)

    def run(session: WriteSession) -> None:
        end(session, wanted)
        first.callbacks += session.committed()

    return Unit(run, lambda _result, _error: None)


def next_of(waiting: queue.SimpleQueue[Unit | None]) -> Unit | None:
    """A unit that waits; none where nothing does, or the end, a None that stays there, is all that is left."""
    try:
        unit = waiting.get_nowait()
    except queue.Empty:
        return None
    if unit is None:
        waiting.put(None)
    return unit


def answer(group: Sequence[Unit], around_callbacks: Callable[[], AbstractContextManager[None]]) -> None:
    """Run what was to happen after the commit, then tell all callers; those of one event loop in one call."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[Unit]] = {}
    with around_callbacks():
        for unit in group:
            if unit.error is None:
                units.call_back(unit.callbacks)
    for unit in group:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, answered in by_loop.items():
        if loop is None:
            _deliver(answered)
        else:
            try:
                loop.call_soon_threadsafe(_deliver, answered)
            except RuntimeError:  # the loop is closed: nobody waits any more
                log.debug("database.caller_gone", units=len(answered))


def _deliver(answered: Iterable[Unit]) -> None:
    for unit in answered:
        unit.deliver(unit.result, unit.error)
