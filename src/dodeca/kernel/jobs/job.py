"""Declaring jobs and putting them into the queue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import Table, delete
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Prepared, WriteSession
from dodeca.kernel.jobs.models import QueuedJob

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

P = TypeVar("P")
_jobs = cast(Table, QueuedJob.__table__)
_GIVEN = ("id", "name", "key", "payload", "state", "run_at", "attempts", "created_at")
_queue = {
    dialect: Prepared(insert(_jobs).on_conflict_do_nothing(index_elements=["name", "key"]), columns=_GIVEN)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


class GiveUp(Exception):
    """A handler raises it where repeating cannot help: the job becomes a dead letter at once."""


class Nothing(msgspec.Struct):
    """The payload of a job that needs none."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a running job knows: the platform, its own id, and which attempt this is (from 1)."""

    platform: Platform
    job_id: str
    attempt: int


@dataclass(frozen=True)
class Job(Generic[P]):
    """A kind of work. `every` (seconds) or `cron` makes it recur; `attempts` bounds repetition with a growing pause
    from `pause` seconds, doubled each time, at most `longest_pause`."""

    name: str
    handler: Callable[..., Any]
    payload: type[P]
    attempts: int = 12
    pause: float = 2.0
    longest_pause: float = 3600.0
    every: float | None = None
    cron: str | None = None
    pauses: tuple[float, ...] = field(default=())

    @property
    def is_task(self) -> bool:
        """Whether it runs outside a unit of work."""
        return inspect.iscoroutinefunction(self.handler)

    def enqueue(
        self, session: WriteSession, payload: P | None = None, *, at: datetime | None = None, key: str | None = None
    ) -> None:
        """Queue the job in the caller's transaction, due `at` (default now). A live job of the same `key`
        absorbs it."""
        now = clock.now()
        values = {
            "id": ids.new_id(),
            "name": self.name,
            "key": key,
            "payload": msgspec.json.encode(payload if payload is not None else Nothing()),
            "state": "queued",
            "run_at": at or now,
            "attempts": 0,
            "created_at": now,
        }
        _queue[session.dialect].run(session, **values)
        session.after_commit(_wake)

    def cancel(self, session: WriteSession, key: str) -> None:
        """Remove the waiting job of this `key`, if there is one."""
        session.execute(
            delete(QueuedJob).where(QueuedJob.name == self.name, QueuedJob.key == key, QueuedJob.state == "queued")
        )

    def pause_after(self, attempts: int) -> float | None:
        """Seconds until the next attempt after `attempts` failures; None when there is none."""
        if self.pauses:
            return self.pauses[attempts - 1] if attempts <= len(self.pauses) else None
        if attempts >= self.attempts:
            return None
        return float(min(self.pause * 2 ** (attempts - 1), self.longest_pause))


def job(
    name: str,
    *,
    payload: type[P] = Nothing,  # type: ignore[assignment]
    **options: Any,
) -> Callable[[Callable[..., Any]], Job[P]]:
    """Declare a job; see the package's text. `name` is `product.verb_noun`, and stays: rows in the queue carry it."""

    def declare(handler: Callable[..., Any]) -> Job[P]:
        return Job(name=name, handler=handler, payload=payload, **options)

    return declare


_wakers: set[Callable[[], None]] = set()


def on_enqueue(waker: Callable[[], None]) -> None:
    """Call `waker` (from any thread) after each commit that queued a job in this process."""
    _wakers.add(waker)


def off_enqueue(waker: Callable[[], None]) -> None:
    """Stop calling `waker`."""
    _wakers.discard(waker)


def _wake() -> None:
    for waker in list(_wakers):
        waker()
