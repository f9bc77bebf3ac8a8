"""Units of work on SQLite: inline reads, one writer thread with group commit.

A commit with `synchronous=FULL` costs one to four milliseconds of fsync; one for each small unit would cap the
whole platform at a few hundred writes a second, and would block the event loop. So all writes of a process run on
one thread. It takes what waits, runs each unit after one `BEGIN IMMEDIATE`, commits once, and only then answers every
caller. Units that arrive during the fsync form the next group. A unit that fails after it has changed something (few
do) takes the group with it, which is then run once more with a savepoint around each unit: two statements that the
others need not pay for.
"""

from __future__ import annotations

import itertools
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, cast

import msgspec
import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from dodeca.kernel.db import units
from dodeca.kernel.db.models import json_text
from dodeca.kernel.db.sessions import ReadSession, WriteSession
from dodeca.kernel.db.waiting import Unit, answer, ending, next_of, waiting_task, waiting_thread
from dodeca.kernel.errors import Unavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)
GROUP_UNITS = 256
GROUP_SECONDS = 0.025
QUEUE_UNITS = 20_000
BUSY_MILLISECONDS = 10_000
CHECKPOINT_UNITS = 8_000
CHECKPOINT_ROWS = 40_000
"""After so many units, or rows that they changed, the log is copied into the database, see `_Checkpoints`: a page that
many of them changed is written once, and a page is most of what a slow disk is asked for."""
MAPPED_BYTES = 0x7FFF_0000
"""The part of a file that is read where the system holds it, without being copied; SQLite takes no more than this
(https://www.sqlite.org/mmap.html). It is address space, and counts as memory of the process only as it is touched."""
LONGEST_LOG_PAGES = 65_536
"""Beyond it (256 MiB) the writer copies what is left itself, so that the log begins anew."""
LEAST_INTERVAL = 0.05
"""Of the usual one, where the log is about to be that long."""


class SqliteDatabase:
    """See the module's text. Safe to use from any thread and from any event loop."""

    dialect = "sqlite"

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url, readonly=True)
        self._write_engine = _engine(url, readonly=False)
        self._readers = threading.local()
        self._open: list[Connection] = []
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._closed = False
        self.around_callbacks: Callable[[], AbstractContextManager[None]] = nullcontext
        self.groups_committed = 0
        self.units_committed = 0
        self._write_engine.connect().close()  # makes the file and turns WAL on before the first reader opens it
        self._checkpoints = _Checkpoints(self._write_engine)
        self._writer = threading.Thread(target=self._write_loop, name="database-writer", daemon=True)
        self._writer.start()

    # Reading

    def read(self, unit: Callable[[ReadSession], T]) -> T:
        """Run `unit` on this thread's own connection, in one snapshot."""
        return units.repeated(lambda: self._read_once(unit))

    async def aread(self, unit: Callable[[ReadSession], T]) -> T:
        """The same: a read by key takes microseconds, less than a change of threads."""
        return units.repeated(lambda: self._read_once(unit))

    def _read_once(self, unit: Callable[[ReadSession], T]) -> T:
        session: ReadSession | None = getattr(self._readers, "session", None)
        if session is None:
            session = self._new_reader()
        if getattr(self._readers, "busy", False):  # a unit inside a unit: give it its own connection
            with self.engine.connect() as own, ReadSession(own, expire_on_commit=False) as inner:
                inner.info.update(driver=_driver(own), connection=own)
                return unit(inner)
        self._readers.busy = True
        try:
            return unit(session)
        finally:
            self._readers.busy = False
            if session.in_transaction():
                session.close()
            if (driver := session.info["driver"]).in_transaction:  # begun by a prepared statement alone
                driver.rollback()

    def _new_reader(self) -> ReadSession:
        """This thread's connection and Session: kept, as making them costs more than a small read."""
        connection = self.engine.connect()
        self._open.append(connection)
        session = ReadSession(connection, expire_on_commit=False)
        session.info.update(driver=_driver(connection), connection=connection)
        self._readers.session = session
        return session

    # Writing

    def write(self, unit: Callable[[WriteSession], T]) -> T:
        """Run `unit` on the writer thread; return after its group is committed and on disk."""
        if threading.current_thread() is self._writer:
            raise RuntimeError("A unit of work cannot open another: pass its session on.")
        waiting, future = waiting_thread(unit)
        self._put(waiting)
        return future.result()

    async def awrite(self, unit: Callable[[WriteSession], T]) -> T:
        """The same for the event loop, which is never blocked by it."""
        waiting, future = waiting_task(unit)
        self._put(waiting)
        return await future

    def _put(self, unit: Unit) -> None:
        if self._closed:
            raise Unavailable("The server is shutting down.")
        if self._queue.qsize() >= QUEUE_UNITS:
            raise Unavailable("Too much is waiting to be written. Try again shortly.")
        self._queue.put(unit)

    def _write_loop(self) -> None:
        connection: Connection | None = None
        session: WriteSession | None = None
        while True:
            first = self._queue.get()
            if first is None:
                break
            group = [first]
            try:
                if connection is None or connection.closed or connection.invalidated:
                    connection, session = self._write_engine.connect(), None
                session = self._commit_group(connection, group, session)
            except Exception as error:  # noqa: BLE001 - the loop must live on; each caller is told
                log.warning("database.group_failed", error=str(error), units=len(group))
                if connection is not None:
                    connection.close()
                connection, session = None, None
                self._one_by_one(group, error)
            answer(group, self.around_callbacks)
        if connection is not None:
            connection.close()

    def _commit_group(
        self, connection: Connection, group: list[Unit], session: WriteSession | None, *, guarded: bool = False
    ) -> WriteSession | None:
        """Run and commit `group` (which grows by what arrives meanwhile), where `guarded` with a savepoint around each
        unit. Takes and gives the Session that is kept, see `_run`. Raises if the group as a whole failed."""
        started = time.monotonic()
        changed = _driver(connection).total_changes
        transaction = connection.begin()
        try:
            for done in itertools.count():
                if done == len(group) and not self._grows(group, started):
                    break
                session = _run(connection, group[done], session, guarded=guarded)
            session = _end(connection, group, session, guarded=guarded)
            transaction.commit()
        except _HalfDoneError:
            transaction.rollback()
            return self._commit_group(connection, group, None, guarded=True)
        except BaseException:
            if _driver(connection).in_transaction:
                transaction.rollback()
            raise
        self.groups_committed += 1
        self.units_committed += len(group)
        self._checkpoints.note(len(group), _driver(connection).total_changes - changed)
        return session

    def _grows(self, group: list[Unit], started: float) -> bool:
        """Take one more unit that waits, while the group is neither large nor old."""
        if len(group) >= GROUP_UNITS or time.monotonic() - started >= GROUP_SECONDS:
            return False
        unit = next_of(self._queue)
        if unit is not None:
            group.append(unit)
        return unit is not None

    def _one_by_one(self, group: list[Unit], cause: Exception) -> None:
        """After a failed commit nothing of the group is stored: give each unit its own transaction, so that one
        that cannot be stored does not take the others with it."""
        busy = units.is_repeatable(cause)
        for unit in group:
            unit.reset()
            for attempt in range(units.ATTEMPTS if busy else 1):
                try:
                    with self._write_engine.connect() as connection, connection.begin():
                        _end(connection, [unit], _run(connection, unit))
                except Exception as error:  # noqa: BLE001 - delivered to the caller
                    unit.error = units.translated(error)
                    if not units.is_repeatable(error):
                        break
                    units.pause(attempt)
                else:
                    break

    def close(self) -> None:
        """Finish what is queued, then close all connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._checkpoints.close()
        for connection in self._open:
            connection.close()
        self.engine.dispose()
        self._write_engine.dispose()


class _Checkpoints:
    """Copies the write-ahead log into the database in a thread of its own: its writes are scattered over the whole file
    and wait for the disk, which a commit would have to wait for otherwise. (https://www.sqlite.org/wal.html#ckpt)"""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._units = self._rows = 0
        self._interval = LEAST_INTERVAL  # until it is known how much is written
        self._pages = 0
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def note(self, units: int, rows: int) -> None:
        """Units were committed that changed so many rows. Called by the writer's thread."""
        self._units += units
        self._rows += rows
        if max(self._units / CHECKPOINT_UNITS, self._rows / CHECKPOINT_ROWS) < self._interval:
            return
        self._units = self._rows = 0
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="database-checkpoints", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            driver = _driver(connection)
            while self._due.wait() and not self._closed:
                self._due.clear()
                try:
                    _busy, pages, copied = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    self._interval = next_interval(pages, self._pages, self._interval)
                    self._pages = 0 if copied == pages else pages  # whoever writes next begins it anew
                except sqlite3.Error as error:  # a full disk: the log stays, and the next turn tries again
                    log.warning("database.checkpoint_failed", error=str(error))

    def close(self) -> None:
        """Stop after what is being copied."""
        self._closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()


def next_interval(pages: int, before: int, interval: float) -> float:
    """When to copy the log again, as a part of the usual interval, after one that began when it had `before` pages and
    ended when it has `pages`: within half of what still fits at most. So little is left to the writer where it begins
    anew."""
    grown = pages - before if pages >= before else pages + LONGEST_LOG_PAGES - before
    usual = max(grown, 1) / interval
    return min(1.0, max(LEAST_INTERVAL, (LONGEST_LOG_PAGES - pages) / (2 * usual)))


class _HalfDoneError(Exception):
    """A unit failed after it had changed something, and no savepoint tells its changes from the others'."""


def _run(
    connection: Connection, unit: Unit, kept: WriteSession | None = None, *, guarded: bool = True
) -> WriteSession | None:
    """Run one unit, where `guarded` in a savepoint. Its own error is kept for its caller; an error that ended the whole
    transaction (SQLite rolls everything back when the disk is full) is raised.

    Gives the Session, emptied, for the next unit on this connection to be run with as `kept`: making one costs a tenth
    of a small unit. After an error there may be anything in it, so it is not kept. The savepoint goes straight to the
    driver: SQLAlchemy's own costs more than a small unit does.
    """
    driver = _driver(connection)
    if guarded:
        driver.execute("SAVEPOINT unit")
    changed = driver.total_changes
    session = _write_session(connection, driver) if kept is None else kept
    unit.error = None
    try:
        unit.result = unit.run(session)
        if session.has_changes:
            session.flush()
        if guarded:
            driver.execute("RELEASE unit")
        unit.keep(session)
    except BaseException as error:
        if units.is_repeatable(error) or units.is_unavailable(error) or not driver.in_transaction:
            raise
        if guarded:
            driver.execute("ROLLBACK TO unit")
            driver.execute("RELEASE unit")
        elif driver.total_changes != changed:
            raise _HalfDoneError from error
        unit.error = error
        return None
    finally:
        if session.is_used:
            session.close()
        session.info.clear()
        session.info.update(driver=driver, connection=connection)
    return session


def _end(
    connection: Connection, group: list[Unit], session: WriteSession | None, *, guarded: bool = True
) -> WriteSession | None:
    """Do what the units want to be done before their commit, as `_run` does. Raises what is wrong with it."""
    last = ending(group)
    if last is None:
        return session
    session = _run(connection, last, session, guarded=guarded)
    if last.error is not None:
        raise last.error
    return session


def _write_session(connection: Connection, driver: sqlite3.Connection) -> WriteSession:
    session = WriteSession(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
    session.info.update(driver=driver, connection=connection)
    return session


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _engine(url: str, *, readonly: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        json_serializer=json_text,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "check_same_thread": False,
            "timeout": BUSY_MILLISECONDS / 1000,
            "isolation_level": None,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA query_only=ON" if readonly else "PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG_PAGES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver, statement = _driver(connection), "BEGIN" if readonly else "BEGIN IMMEDIATE"
        if not driver.in_transaction:
            try:
                driver.execute(statement)  # at a tenth of the cost of the line below
            except sqlite3.Error:
                connection.exec_driver_sql(statement)  # the database is busy: SQLAlchemy says so in its own words

    return engine
