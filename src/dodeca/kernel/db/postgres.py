"""Units of work on PostgreSQL: each its own transaction, in a pool of threads; reads may go to a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import msgspec
from sqlalchemy import Engine, create_engine

from dodeca.kernel.db import units
from dodeca.kernel.db.models import json_text
from dodeca.kernel.db.sessions import ReadSession, WriteSession

T = TypeVar("T")


class PostgresDatabase:
    """See the module's text. Isolation is READ COMMITTED: constraints decide races."""

    dialect = "postgresql"

    def __init__(self, url: str, *, replica_url: str = "", threads: int = 16) -> None:
        self.url = url
        self.engine = _engine(url, threads)
        self._reading = _engine(replica_url, threads) if replica_url else self.engine
        self.around_callbacks: Callable[[], AbstractContextManager[None]] = nullcontext
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="database")

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
        """`write` in the pool of threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.write, unit)

    def _read_once(self, unit: Callable[[ReadSession], T]) -> T:
        with self._reading.connect() as connection:
            readonly = connection.execution_options(postgresql_readonly=True)
            with ReadSession(readonly, expire_on_commit=False) as session:
                return unit(session)

    def _write_once(self, unit: Callable[[WriteSession], T]) -> T:
        with WriteSession(self.engine, expire_on_commit=False) as session:
            result = unit(session)
            session.commit()
            callbacks = session.committed()
        with self.around_callbacks():
            units.call_back(callbacks)
        return result

    def close(self) -> None:
        """Finish running units and close all connections."""
        self._pool.shutdown(wait=True)
        self.engine.dispose()
        self._reading.dispose()


def _engine(url: str, threads: int) -> Engine:
    return create_engine(
        url,
        pool_size=threads,
        max_overflow=threads,
        pool_pre_ping=True,
        pool_timeout=10,
        json_serializer=json_text,
        json_deserializer=msgspec.json.decode,
    )
