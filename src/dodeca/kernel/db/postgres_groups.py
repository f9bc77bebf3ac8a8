"""Group commit on PostgreSQL: units of work that wait together share few transactions and one thread.

Threads that each run a unit fight for the one interpreter, and for the rows that everybody counts in; a transaction a
unit costs two trips and a synced commit. So units are run one after the other as they come, as on SQLite, and committed
together. While PostgreSQL works on what one group has asked, or its disk, the thread goes on with the other group, on
another connection (`switching`). That holds rows longer than a transaction of their own would, so it is only done while
nothing speaks against it: a group that waits for somebody else's lock for long, that fails, or one of whose units fails
after it has changed something, is rolled back, and each of its units gets a thread and a transaction of its own. Groups
that wait for each other's rows are therefore apart before PostgreSQL looks for deadlocks.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, Transaction, event
from sqlalchemy.exc import DBAPIError

from dodeca.kernel.db import units
from dodeca.kernel.db.postgres_wire import Wire, settle, wire_of
from dodeca.kernel.db.sessions import WriteSession
from dodeca.kernel.db.switching import Hub
from dodeca.kernel.db.waiting import Unit, ending

log = structlog.get_logger(__name__)
GROUPS: Final = 2
"""At once. More are smaller, and each has a commit of its own."""
GROUP_UNITS: Final = 64
GROUP_SECONDS: Final = 0.02
LOCK_MILLISECONDS: Final = 100
"""How long a group waits for somebody else's row; PostgreSQL looks for deadlocks after a second."""
APART_SECONDS: Final = 1.0
"""After a group has met somebody else's lock units have transactions of their own for so long."""
STUCK_SECONDS: Final = 0.1
"""A unit that runs for so long is not waited for."""


class _TroubledError(Exception):
    """What a unit has done can only be undone together with the group's other units."""


class _UndecidedError(Exception):
    """The connection was lost while a commit was under way: nobody knows whether the group is stored."""


class _Place:
    """A connection for one group after the other, and since when the unit runs that is running on it."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.began: float | None = None

    def connect(self, engine: Engine) -> None:
        """Make a connection where there is none, or the last is lost. Not for tasks: SQLAlchemy holds a lock here."""
        if self.connection is None or self.connection.closed or self.connection.invalidated:
            self.connection = engine.connect()

    def close(self) -> None:
        """Give it up."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Groups:
    """See the module's text. `apart` runs a unit by itself, in another thread, and answers its caller; `tell` answers
    those of a group. Both are called from any thread. Units are given by event loops; none after `close`."""

    def __init__(
        self, engine: Engine, *, apart: Callable[[Unit], None], tell: Callable[[Sequence[Unit]], None]
    ) -> None:
        self._engine = engine
        self._apart = apart
        self._tell = tell
        self._queue: deque[Unit] = deque()
        self._closed = False
        self._apart_until = 0.0
        self._watching: asyncio.AbstractEventLoop | None = None
        self.groups_committed = 0
        self.units_committed = 0
        self._places = [_Place() for _ in range(GROUPS)]
        self._free = self._places.copy()
        self._hub = Hub()
        event.listen(engine, "connect", _wait_briefly)
        self._thread = threading.Thread(target=self._loop, name="database-groups", daemon=True)
        self._thread.start()

    def put(self, unit: Unit) -> None:
        """Run the unit with those that wait, or apart where that is better now."""
        if time.monotonic() < self._apart_until:
            self._apart(unit)
            return
        self._queue.append(unit)
        self._hub.ring()
        if self._is_stuck():
            self._scatter()
        elif unit.loop is not None and self._watching is not unit.loop:
            self._watch(unit.loop)

    def close(self) -> None:
        """Finish what waits."""
        self._closed = True
        self._hub.ring()
        self._thread.join()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look later whether a unit takes long, as somebody may wait behind it while nobody else comes."""
        self._watching = loop
        loop.call_later(STUCK_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = None
        if self._is_stuck():
            self._scatter()
        elif self._queue or any(place.began is not None for place in self._places):
            self._watch(loop)

    def _is_stuck(self) -> bool:
        """Whether a unit takes long: it holds the thread, or its answer takes long and those of its own group wait."""
        before = time.monotonic() - STUCK_SECONDS
        return any(began is not None and began < before for began in [place.began for place in self._places])

    def _scatter(self) -> None:
        """Those that wait behind a long unit run apart."""
        while (unit := self._next()) is not None:
            self._apart(unit)

    def _next(self) -> Unit | None:
        """A unit that waits."""
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _is_needed(self) -> bool:
        """Whether the thread has something to begin, or is at its end."""
        return bool(self._queue and self._free) or self._is_over()

    def _is_over(self) -> bool:
        return self._closed and not self._queue and len(self._free) == len(self._places)

    def _loop(self) -> None:
        while not self._is_over():
            while self._free and (unit := self._next()) is not None:
                self._start(self._free[-1], [unit])
            self._hub.turn(self._is_needed)
        for place in self._places:
            place.close()
        self._hub.close()

    def _start(self, place: _Place, group: list[Unit]) -> None:
        try:
            place.connect(self._engine)
        except Exception as error:  # noqa: BLE001 - the thread must live on; each caller is told
            self._disperse(group, error)
        else:
            self._free.remove(place)
            self._hub.start(partial(self._group, place, group))

    def _group(self, place: _Place, group: list[Unit]) -> None:
        """Run and commit `group`, which grows by what arrives meanwhile."""
        connection = place.connection
        assert connection is not None
        try:
            transaction = self._run(place, connection, group)
            _commit(transaction)
        except Exception as error:  # noqa: BLE001 - the thread must live on; each caller is told
            if connection.invalidated or not isinstance(error, _TroubledError):
                place.close()
            self._disperse(group, error)
        else:
            self.groups_committed += 1
            self.units_committed += len(group)
            self._tell(group)
        self._free.append(place)

    def _run(self, place: _Place, connection: Connection, group: list[Unit]) -> Transaction:
        """Run `group`; gives what is to be committed. Raises what speaks against it."""
        wire, started = wire_of(connection), time.monotonic()
        transaction = connection.begin()
        session: WriteSession | None = None
        try:
            for done in itertools.count():
                if done == len(group) and not self._grows(group, started):
                    break
                place.began = time.monotonic()
                session = _run(connection, wire, group[done], session)
                wire.push()
            last = ending(group)
            if last is not None:
                _run(connection, wire, last, session)
                if last.error is not None:
                    raise last.error
            settle(connection)
        except BaseException:
            if transaction.is_active:  # a Session whose flush failed has rolled it back
                transaction.rollback()
            raise
        finally:
            place.began = None
        return transaction

    def _grows(self, group: list[Unit], started: float) -> bool:
        if len(group) >= GROUP_UNITS or time.monotonic() - started >= GROUP_SECONDS:
            return False
        unit = self._next()
        if unit is not None:
            group.append(unit)
        return unit is not None

    def _disperse(self, group: list[Unit], error: Exception) -> None:
        """Nothing of the group is stored, as far as anybody knows. A unit that was alone has failed by itself, unless
        it lost a race or was overtaken; what may be stored is not tried again."""
        cause = error.__cause__ if isinstance(error, (_TroubledError, _UndecidedError)) else error
        if isinstance(error, _UndecidedError) and cause is not None:
            self._refuse(group, cause)
            return
        raced = cause is not None and units.is_repeatable(cause)
        if raced:
            self._apart_until = time.monotonic() + APART_SECONDS
        if len(group) == 1 and cause is not None:
            again = raced or units.is_unavailable(cause) or units.is_overtaken(cause)
            if not again:
                self._refuse(group, cause)
                return
        log.info("database.group_dispersed", units=len(group), error=str(cause or error)[:200])
        for unit in group:
            unit.reset()
            self._apart(unit)

    def _refuse(self, group: list[Unit], cause: BaseException) -> None:
        for unit in group:
            unit.reset()
            unit.error = units.translated(cause)
        self._tell(group)


def _commit(transaction: Transaction) -> None:
    try:
        transaction.commit()
    except DBAPIError as error:
        if units.is_unavailable(error):
            raise _UndecidedError from error
        raise


def _run(connection: Connection, wire: Wire, unit: Unit, kept: WriteSession | None) -> WriteSession | None:
    """Run one unit. Gives the Session, emptied, for the next; none after an error, which may have left anything in it.

    The error of a unit that has changed nothing is its caller's alone. Raises _TroubledError for any other."""
    session = kept if kept is not None else _session(connection, wire)
    changes = wire.changes
    try:
        unit.result = unit.run(session)
        if session.has_changes:
            session.flush()
        unit.keep(session)
    except Exception as error:  # delivered to the caller
        if isinstance(error, DBAPIError) or wire.changes != changes or wire.is_broken:
            raise _TroubledError from error
        unit.error = error
        session.close()
        return None
    if wire.is_broken:
        raise _TroubledError
    if session.is_used:
        session.close()
    session.info.clear()
    session.info.update(driver=wire, connection=connection)
    return session


def _session(connection: Connection, wire: Wire) -> WriteSession:
    session = WriteSession(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
    session.info.update(driver=wire, connection=connection)
    return session


def _wait_briefly(driver: Any, _record: object) -> None:
    with driver.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_MILLISECONDS}ms'")
    driver.commit()
