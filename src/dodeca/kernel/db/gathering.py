"""Alike units of work that wait at the same moment, done by one call.

Under load a hundred requests want the same small thing, each with other values. Run one by one, each pays for its own
statements and its own way through the code; a call that is given all of them asks once for all and goes through each
step with everything at hand, which takes half of the processor's time. Nobody waits for company: what has gathered by
the time that the database begins is what is done, be it one.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from dodeca.kernel.db.sessions import WriteSession
from dodeca.kernel.errors import Unavailable

if TYPE_CHECKING:
    from dodeca.kernel.db.database import Database

A = TypeVar("A")
R = TypeVar("R")
MOST = 64
"""How many are done in one call; more make the first one wait for too long."""


class _Batch(Generic[A, R]):
    """Those who wait for one call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.asked: list[A] = []
        self.futures: list[asyncio.Future[R]] = []
        self.is_closed = False


class Gathering(Generic[A, R]):
    """`unit` is given everything that is asked for together, and gives a result or an error for each, in order.

    Errors that it gives go to their askers alone. If it raises, nothing of that call is stored, and each is done in a
    unit of its own: whatever is wrong with one does not take the others with it."""

    def __init__(
        self, database: Database, unit: Callable[[WriteSession, Sequence[A]], Sequence[R | Exception]]
    ) -> None:
        self._database = database
        self._unit = unit
        self._open: _Batch[A, R] | None = None
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def awrite(self, asked: A) -> R:
        """Have it done; answers after the commit. Raises the error that `unit` gives for it, or Unavailable.

        Once asked for it is done, whether or not the asker goes on waiting, as with `Database.awrite`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        with self._lock:
            batch = self._open
            if batch is None or batch.is_closed or batch.loop is not loop or len(batch.asked) >= MOST:
                batch = self._open = _Batch(loop)
                # In no asker's context: a call is nobody's own.
                task = loop.create_task(self._do(batch), context=contextvars.Context())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            batch.asked.append(asked)
            batch.futures.append(future)
        return await future

    async def _do(self, batch: _Batch[A, R]) -> None:
        try:
            results = await self._database.awrite(lambda session: self._run(session, batch))
        except Exception as error:  # noqa: BLE001 - the askers are told
            asked = self._closed(batch)
            if isinstance(error, Unavailable) or len(asked) == 1:
                results = [error] * len(asked)
            else:
                results = await asyncio.gather(*map(self._alone, asked))
        for future, result in zip(batch.futures, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _run(self, session: WriteSession, batch: _Batch[A, R]) -> Sequence[R | Exception]:
        return self._unit(session, self._closed(batch))

    def _closed(self, batch: _Batch[A, R]) -> Sequence[A]:
        """What was asked for; nothing joins it any more, however often the unit is repeated."""
        with self._lock:
            batch.is_closed = True
        return batch.asked

    async def _alone(self, asked: A) -> R | Exception:
        try:
            return (await self._database.awrite(lambda session: self._unit(session, [asked])))[0]
        except Exception as error:  # noqa: BLE001 - goes to whoever asked
            return error
