"""Counting queries, so that a page can have a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


class TooManyQueries(AssertionError):
    """A block sent more statements than its budget."""


_watchers: list[list[str]] = []


def note(statement: str) -> None:
    """Count a statement that goes to the driver past SQLAlchemy."""
    for seen in _watchers:
        seen.append(statement)


@contextmanager
def queries(at_most: int | None = None) -> Iterator[list[str]]:
    """Collect the SQL of every statement that any thread sends while the block runs.

    Raises TooManyQueries at the end when there were more than `at_most`. Savepoints do not count.
    """
    seen: list[str] = []

    def heard(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "PRAGMA")):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", heard)
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)
        event.remove(Engine, "before_cursor_execute", heard)
    if at_most is not None and len(seen) > at_most:
        listing = "\n".join(f"{i}. {sql}" for i, sql in enumerate(seen, 1))
        raise TooManyQueries(f"{len(seen)} queries, {at_most} allowed:\n{listing}")
