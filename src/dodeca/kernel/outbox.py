"""What must happen after the commit, written in the same transaction.

An event says what has happened (`BookingMade`), and is added by the product that it happened in. Who wants to react
declares a subscription in its manifest; each becomes one job for each event, so a reaction happens once, survives a
crash, and its failure is nobody else's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dodeca.kernel import ids
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import Job


class Event(msgspec.Struct, kw_only=True):
    """Base of events: a fact in the past tense, with ids rather than copies. `event_id` is unique."""

    event_id: str = msgspec.field(default_factory=ids.new_id)


_subscribers: dict[type[Event], list[Job[Any]]] = {}


def subscribe(event: type[Event], job: Job[Any]) -> None:
    """Run `job` with each `event`. Called at composition; repeating it changes nothing."""
    jobs = _subscribers.setdefault(event, [])
    if job not in jobs:
        jobs.append(job)


def add(session: WriteSession, event: Event) -> None:
    """Tell the subscribers of `event`, once the caller's transaction commits."""
    for job in _subscribers.get(type(event), ()):
        job.enqueue(session, event, key=event.event_id)
