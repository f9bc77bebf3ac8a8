"""What both engines share: what a failed unit of work means, and how often it is repeated."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from dodeca.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
ATTEMPTS = 6
REPEATABLE_SQLSTATES = {"40001", "40P01", "55P03"}
UNIQUE_VIOLATION = "23505"
FULL_SQLITE_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
FULL_SQLSTATES = {"53100", "53200", "53300", "57P01", "57P02", "57P03", "25006"}


def is_repeatable(error: BaseException) -> bool:
    """Whether the same unit may succeed when run again: lost a race, deadlock, busy database."""
    if not isinstance(error, DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) in REPEATABLE_SQLSTATES:
        return True
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_overtaken(error: BaseException) -> bool:
    """Whether somebody may have stored the same row between this unit's look at it and its writing, so that it finds
    it when run once more. Only where units run beside each other."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION


def is_unavailable(error: BaseException) -> bool:
    """Whether the database cannot do it now, whoever asks: disk full, connection lost, shutting down."""
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in FULL_SQLSTATES:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in FULL_SQLITE_CODES
    return isinstance(error, (OperationalError, InterfaceError)) and getattr(error.orig, "sqlstate", None) is None


def translated(error: BaseException) -> BaseException:
    """The error a caller gets: Unavailable where the database is at fault, else the error itself.

    A full disk ends the whole transaction on SQLite; leaving a savepoint then fails too and hides the first error."""
    if is_repeatable(error) or any(is_unavailable(e) for e in _with_contexts(error)):
        answer = Unavailable("The database cannot take this right now. Try again shortly.")
        answer.__cause__ = error
        return answer
    return error


def _with_contexts(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None and isinstance(error, DBAPIError):
        yield current
        current = current.__context__


def as_sqlalchemys(error: Exception, sql: str, connection: Connection) -> BaseException:
    """The error that SQLAlchemy would raise for the driver's: whoever repeats units or answers a violated constraint
    knows those only. A broken connection does not go back to the pool."""
    dialect = cast(Any, connection.dialect)
    if not isinstance(error, dialect.dbapi.Error):
        return error
    broken = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if broken:
        connection.invalidate(error)
    raised: BaseException = DBAPIError.instance(
        sql, None, error, dialect.dbapi.Error, connection_invalidated=broken, dialect=dialect
    )
    return raised


def pause(attempt: int) -> None:
    """Wait a little longer, and a random bit, before each repetition."""
    time.sleep(random.uniform(0.5, 1.0) * 0.005 * 2**attempt)  # noqa: S311 - jitter, not a secret


def repeated(unit: Callable[[], T]) -> T:
    """Run `unit`, again where it is repeatable, once more where it was overtaken; raise the translated error when it is
    neither or stays so."""
    for attempt in range(ATTEMPTS):
        try:
            return unit()
        except DBAPIError as error:
            again = is_repeatable(error) or (attempt == 0 and is_overtaken(error))
            if not again or attempt == ATTEMPTS - 1:
                raise translated(error) from error
            pause(attempt)
    raise AssertionError("unreachable")


def call_back(callbacks: Iterable[Callable[[], None]]) -> None:
    """Run what was to happen after a commit. Whatever one raises is logged: the unit is stored, so its caller must not
    be told that it failed, and the other callbacks still run."""
    for callback in callbacks:
        try:
            callback()
        except Exception:  # a product's own callback may raise anything
            log.exception("database.after_commit_failed")
