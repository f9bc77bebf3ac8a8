"""The platform's time. All code asks `now()`; nothing calls `datetime.now` or `time.time` itself.

Under `serve --test-clock` the clock can be moved forward (never back), so that a year of subscriptions passes in
a test. The offset lives in the process: the test clock is for a single embedded server.
"""

from __future__ import annotations

import threading
import time as _time
from datetime import UTC, datetime, timedelta

_offset = 0.0
_lock = threading.Lock()


def timestamp() -> float:
    """Seconds since the Unix epoch."""
    return _time.time() + _offset


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.fromtimestamp(_time.time() + _offset, UTC)


def elapsed() -> float:
    """Seconds from some fixed moment, steady, moved on by the test clock: for how long something is kept."""
    return _time.monotonic() + _offset


def real_now() -> datetime:
    """The present moment of the machine, whatever a test clock says: for leases, which tell whether a process lives."""
    return datetime.fromtimestamp(_time.time(), UTC)


def advance(seconds: float) -> datetime:
    """Move the clock forward and return the new present. Raises ValueError when asked to go back."""
    if not 0 <= seconds < 10 * 366 * 86400:
        raise ValueError("The clock moves forward only, and at most ten years at once.")
    global _offset  # noqa: PLW0603 - the one place where the process keeps its offset
    with _lock:
        _offset += seconds
    return now()


def reset() -> None:
    """Return to real time. For tests, which share one process."""
    global _offset  # noqa: PLW0603
    with _lock:
        _offset = 0.0


def rfc3339(moment: datetime) -> str:
    """Format an aware datetime as RFC 3339 in UTC with a trailing Z, with microseconds only when there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Parse RFC 3339 (or an ISO date). A value without zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("This moment lies beyond the years 1 to 9999.") from error


def ago(**parts: float) -> datetime:
    """The moment that lies `timedelta(**parts)` before now."""
    return now() - timedelta(**parts)


def ahead(**parts: float) -> datetime:
    """The moment that lies `timedelta(**parts)` after now."""
    return now() + timedelta(**parts)
