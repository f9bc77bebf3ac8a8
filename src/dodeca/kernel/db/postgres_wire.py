"""Prepared statements on PostgreSQL, sent without the machinery of a cursor.

A cursor of psycopg makes a query object, a generator and a wait loop for each statement, and costs two and a half times
what libpq itself does. `Wire` sends what `Prepared` has compiled through psycopg's own binding of libpq
(https://www.psycopg.org/psycopg3/docs/api/pq.html), with psycopg's conversions of values. A statement whose answer
nobody reads yet waits for the next one that has to answer, or for the end of the unit of work, and goes in the same
trip: libpq's pipeline mode (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html). PostgreSQL can work on
what is `pushed` while the interpreter goes on. Whoever waits for an answer on one of the
`switching_connections` lets others of its thread go on.

psycopg itself prepares nothing on these connections (`prepare_threshold`): it would deallocate all prepared statements
of the session, ours with them, after every ROLLBACK.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sqlalchemy import Connection, make_url
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry

from dodeca.kernel.db import switching
from dodeca.kernel.db.units import as_sqlalchemys

if TYPE_CHECKING:  # where SQLite serves, the driver is not even loaded
    import psycopg

CONNECTING: Final[dict[str, Any]] = {"prepare_threshold": None}
"""Of psycopg, see above."""
MOST_WAITING: Final = 64
"""Statements in one trip: what they need on the way stays well within the buffers of a connection."""


class Waiting(NamedTuple):
    """A statement without its answer. `expected`: how many rows it must change, where that is certain. `pending`: who
    will read the answer."""

    sql: str
    name: bytes
    values: Sequence[Any]
    formats: Sequence[Any]
    expected: int | None = None
    pending: Pending | None = None


class Answer:
    """What a statement gave, as a cursor of DB-API 2 tells it."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._rows


class Pending:
    """An answer that comes with the next trip."""

    __slots__ = ("_wire", "result")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.result: Any = None

    def answer(self) -> Answer:
        """What the statement gave; makes the trip where none was made since. Raises as `Wire.answer` does."""
        if self.result is None:
            self._wire.settle()
        return self._wire.read(self.result)


class Wire:
    """One connection's prepared statements. Used by one thread at a time, as its connection is.

    `changes` counts what has been sent or waits that may have changed something. Statements wait where whoever owns the
    connection `waits` for them."""

    def __init__(self, driver: psycopg.Connection[Any], *, waits: bool) -> None:
        from psycopg import adapt, pq

        self.driver = driver
        self._wait_for = switching.wait if getattr(driver, "switches", False) else switching.wait_alone
        self._most_waiting = MOST_WAITING if waits else 1
        self.changes = 0
        self._missed = False
        self._libpq = driver.pgconn
        self._pq = pq
        self._done = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
        self._auto = adapt.PyFormat.AUTO
        self._values = adapt.Transformer(driver)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._formats: dict[int, list[Any]] = {}
        self._waiting: list[Waiting] = []
        self._sent: list[Waiting] = []

    def answer(self, sql: str, values: Sequence[Any]) -> Answer:
        """Send a statement, with all that wait, and give its answer. Raises psycopg's errors and StaleDataError, also
        for a statement that waited."""
        self._begin()
        wanted = self._ready(sql, values)
        self._waiting.append(wanted)
        return self.read(self._together()[-1])

    def read(self, result: Any) -> Answer:
        """What a result of libpq holds, as Python's values."""
        self._values.set_pgresult(result)
        return Answer(self._values.load_rows(0, result.ntuples, tuple), result.command_tuples or 0)

    def ask(self, sql: str, values: Sequence[Any]) -> Pending:
        """Let a statement wait whose answer is read later, so that several go in one trip."""
        self._begin()
        pending = Pending(self)
        self._wait(self._ready(sql, values, pending=pending))
        return pending

    def send(self, sql: str, values: Sequence[Any], *, expected: int | None = None) -> None:
        """Let a statement that changes something wait for the next trip. What is wrong with it is raised there."""
        self._begin()
        self.changes += 1
        self._wait(self._ready(sql, values, expected=expected))

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Send a statement that changes something with each of many rows of values; gives how many rows it changed."""
        self._begin()
        self.settle()
        self.changes += 1
        changed = 0
        for start in range(0, len(rows), MOST_WAITING):
            self._waiting += [self._ready(sql, values) for values in rows[start : start + MOST_WAITING]]
            changed += sum(result.command_tuples or 0 for result in self._together())
        return changed

    def settle(self) -> None:
        """Send what waits, and hear of all that was sent. Raises as `answer` does."""
        if self._waiting or self._sent:
            self._together()

    def push(self) -> None:
        """Send what waits and go on: PostgreSQL works on it meanwhile. What is wrong with it is raised by the next
        trip."""
        if self._waiting:
            self._hand_over()
            self._libpq.flush()

    def forget(self) -> None:
        """Drop what waits: its unit of work failed, and is rolled back."""
        from psycopg import Error

        self._missed = False
        self._waiting.clear()
        if self._sent:
            with suppress(Error):  # of a lost connection: the rollback itself tells
                self._results()

    @property
    def is_broken(self) -> bool:
        """Whether the transaction can only be rolled back: PostgreSQL has refused something, or rows that a statement
        had to change were gone, which is heard by whoever asks next."""
        return self._missed or bool(self._libpq.transaction_status == self._pq.TransactionStatus.INERROR)

    def _begin(self) -> None:
        """A transaction's first statement takes its BEGIN along."""
        if self._waiting or self._sent or self.driver.autocommit:
            return
        if self._libpq.transaction_status == self._pq.TransactionStatus.IDLE:
            self._waiting.append(self._ready("BEGIN READ ONLY" if self.driver.read_only else "BEGIN", ()))

    def _wait(self, statement: Waiting) -> None:
        self._waiting.append(statement)
        if len(self._waiting) + len(self._sent) >= self._most_waiting:
            self._together()

    def _ready(
        self, sql: str, values: Sequence[Any], *, expected: int | None = None, pending: Pending | None = None
    ) -> Waiting:
        """The statement with its values as they travel, prepared for their types when it comes for the first time."""
        size = len(values)
        wanted = self._formats.get(size)
        if wanted is None:
            wanted = self._formats[size] = [self._auto] * size
        dumped = self._values.dump_sequence(values, wanted)
        types = self._values.types or ()
        name = self._names.get((sql, types))
        if name is None:
            if self._sent:
                self._together()
            name = f"dodeca_{len(self._names)}".encode()
            self._check(self._libpq.prepare(name, sql.encode(), types))
            self._names[sql, types] = name
        return Waiting(sql, name, dumped, self._values.formats or (), expected, pending)

    def _hand_over(self) -> None:
        """Give libpq what waits."""
        libpq = self._libpq
        if not self._sent:
            libpq.enter_pipeline_mode()
        for one in self._waiting:
            libpq.send_query_prepared(one.name, one.values, one.formats)
        self._sent += self._waiting
        self._waiting.clear()

    def _together(self) -> list[Any]:
        """Send what waits, and give the results of all that was sent since the last trip. Raises the error of the first
        that failed."""
        self._hand_over()
        sent = list(self._sent)
        results = self._results()
        for one, result in zip(sent, results, strict=True):
            self._check(result)
            if one.expected is not None and result.command_tuples != one.expected:
                self._missed = True
                raise StaleDataError(f"Rows are gone: {one.sql[:60]}")
            if one.pending is not None:
                one.pending.result = result
        return results

    def _results(self) -> list[Any]:
        """End the trip: the results of all that was sent."""
        libpq = self._libpq
        try:
            libpq.pipeline_sync()
            return self._received()
        finally:
            self._sent.clear()
            if libpq.status == self._pq.ConnStatus.OK:
                libpq.exit_pipeline_mode()

    def _received(self) -> list[Any]:
        """All results up to the end of the trip, which waits for them without holding the interpreter."""
        libpq, found = self._libpq, list[Any]()
        while libpq.flush():
            if self._wait_for(libpq.socket, select.POLLIN | select.POLLOUT) & select.POLLIN:
                libpq.consume_input()
        while True:
            while libpq.is_busy():
                self._wait_for(libpq.socket, select.POLLIN)
                libpq.consume_input()
            result = libpq.get_result()
            if result is None:
                if libpq.status != self._pq.ConnStatus.OK:
                    raise self._lost()
                continue
            if result.status == self._pq.ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)

    def _check(self, result: Any) -> None:
        if result.status in self._done:
            return
        if self._libpq.status != self._pq.ConnStatus.OK:
            raise self._lost()
        from psycopg.errors import error_from_result

        raise error_from_result(result, self.driver.info.encoding)

    def _lost(self) -> Exception:
        from psycopg import OperationalError

        return OperationalError(self._libpq.get_error_message())


def switching_connections(url: str, options: dict[str, Any]) -> Callable[[], Any]:
    """Makes connections whose statements, also those of SQLAlchemy, let others of the thread go on while they wait.
    `options` are those of SQLAlchemy's dialect."""
    import psycopg

    class Switching(psycopg.Connection[Any]):
        switches = True

        def wait(self, gen: Any, *_times: Any, **_more: Any) -> Any:
            return switching.drive(gen, self.pgconn.socket)

    target = make_url(url)
    dialect: Any = target.get_dialect()
    args, more = dialect(dbapi=dialect.import_dbapi(), **options).create_connect_args(target)
    make: Callable[..., Any] = Switching.connect
    return partial(make, *args, **more, **CONNECTING)


def connected(driver: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    """Give a new connection of an engine of ours its wire; the engine sends what waits on it before all else."""
    record.info["wire"] = Wire(driver, waits=True)


def wire_of(connection: Connection) -> Wire:
    """The wire of a connection; nothing waits on one of somebody else's engine."""
    info = connection.info
    wire: Wire | None = info.get("wire")
    if wire is None:
        wire = info["wire"] = Wire(cast(Any, connection.connection.dbapi_connection), waits=False)
    return wire


def settle(connection: Connection) -> None:
    """Send what waits. Raises SQLAlchemy's errors, StaleDataError."""
    try:
        wire_of(connection).settle()
    except Exception as error:
        raise as_sqlalchemys(error, "", connection) from error


def finish(connection: Connection) -> None:
    """The same at the end of a unit of work. Raises RuntimeError for one that went on after an error which had ended
    its transaction: PostgreSQL would answer its COMMIT with a ROLLBACK, and say nothing more."""
    settle(connection)
    if wire_of(connection).is_broken:
        raise RuntimeError("The unit of work went on after what had undone it.")


def settle_before(
    connection: Connection, _cursor: object, statement: str, _values: object, _context: object, _many: bool
) -> None:
    """The same when SQLAlchemy is about to send something itself."""
    wire_of(connection).changes += not statement.startswith("SELECT")
    settle(connection)


def forget(connection: Connection) -> None:
    """Drop what waits: it is rolled back. A lost connection's wire is lost with it."""
    if not connection.invalidated:
        wire_of(connection).forget()
