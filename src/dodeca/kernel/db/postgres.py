"""Units of work on PostgreSQL. Reads, and the writes of threads, have a transaction each, which reads may have on a
replica; the writes of the event loop are committed in groups (`postgres_groups`), or apart in a pool of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

from dodeca.kernel.db import postgres_wire, units
from dodeca.kernel.db.models import json_text
from dodeca.kernel.db.postgres_groups import Groups
from dodeca.kernel.db.sessions import ReadSession, WriteSession
from dodeca.kernel.db.waiting import Unit, answer, end, waiting_task
from dodeca.kernel.errors import Unavailable

T = TypeVar("T")
JSON_COLUMNS: Final[dict[str, Any]] = {"json_serializer": json_text, "json_deserializer": msgspec.json.decode}
"""Of SQLAlchemy's dialect, which has psycopg write and read them so on connections that it makes."""


class PostgresDatabase:
    """See the module's text. Isolation is READ COMMITTED: constraints decide races."""

    dialect = "postgresql"

    def __init__(self, url: str, *, replica_url: str = "", threads: int = 16) -> None:
        self.url = url
        self.engine = _engine(url, **_pooled(threads))
        self._reading = _engine(replica_url, **_pooled(threads)) if replica_url else self.engine
        self.around_callbacks: Callable[[], AbstractContextManager[None]] = nullcontext
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="database")
        engine = _engine(url, poolclass=NullPool, creator=postgres_wire.switching_connections(url, JSON_COLUMNS))
        self.groups = Groups(engine, apart=self._apart, tell=self._tell)
        self._closed = False

    def read(self, unit: Callable[[ReadSession], T]) -> T:
        """Run `unit` in a read-only transaction."""
        return units.repeated(lambda: self._read_once(unit))

    def write(self, unit: Callable[[WriteSession], T]) -> T:
        """Run `unit` in a transaction; return after its commit."""
        return units.repeated(lambda: self._write_once(unit))

    async def aread(self, unit: Callable[[ReadSession], T]) -> T:
        """`read` in the pool of threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read, unit)

    async def awrite(self, unit: Callable[[WriteSession], T]) -> T:
        """Run `unit` in a transaction, which others may share; return after its commit."""
        if self._closed:
            raise Unavailable("The server is shutting down.")
        waiting, future = waiting_task(unit)
        self.groups.put(waiting)
        return await future

    def _tell(self, group: Sequence[Unit]) -> None:
        answer(group, self.around_callbacks)

    def _apart(self, unit: Unit) -> None:
        """Give a unit a transaction of its own in the pool of threads."""

        def run() -> None:
            try:
                unit.result = self.write(unit.run)
            except Exception as error:  # noqa: BLE001 - delivered to the caller
                unit.error = error
            answer([unit], nullcontext)  # `write` has called back

        self._pool.submit(run)

    def _read_once(self, unit: Callable[[ReadSession], T]) -> T:
        with self._reading.connect() as connection:
            readonly = connection.execution_options(postgresql_readonly=True)
            with ReadSession(readonly, expire_on_commit=False) as session:
                return unit(session)

    def _write_once(self, unit: Callable[[WriteSession], T]) -> T:
        with WriteSession(self.engine, expire_on_commit=False) as session:
            result = unit(session)
            session.flush()
            end(session, session.endings())
            session.flush()
            if session.in_transaction():
                postgres_wire.finish(session.connection())  # a refusal while the transaction is there to be rolled back
            session.commit()
            callbacks = session.committed()
        with self.around_callbacks():
            units.call_back(callbacks)
        return result

    def close(self) -> None:
        """Finish running units and close all connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.groups.close()
        self._pool.shutdown(wait=True)
        self.engine.dispose()
        self._reading.dispose()


def _pooled(threads: int) -> dict[str, Any]:
    return {"pool_size": threads, "max_overflow": threads, "pool_pre_ping": True, "pool_timeout": 10}


def _engine(url: str, **options: Any) -> Engine:
    engine = create_engine(url, **JSON_COLUMNS, connect_args=postgres_wire.CONNECTING, **options)
    event.listen(engine, "connect", postgres_wire.connected)
    event.listen(engine, "before_cursor_execute", postgres_wire.settle_before)
    event.listen(engine, "commit", postgres_wire.settle)
    event.listen(engine, "rollback", postgres_wire.forget)
    return engine
