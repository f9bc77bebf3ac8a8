"""Units of work that meet."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text

from dodeca.kernel.db import Database, WriteSession


def together(database: Database, units: Sequence[Callable[[WriteSession], Any]]) -> list[Any]:
    """Run the units of a group: they wait while the database is busy with another. Gives their results or errors."""

    async def run() -> list[Any]:
        entered, go = threading.Event(), threading.Event()

        def busy(_session: WriteSession) -> None:
            entered.set()
            go.wait(10)

        first = asyncio.ensure_future(database.awrite(busy))
        await asyncio.to_thread(entered.wait, 10)
        waiting = [asyncio.ensure_future(database.awrite(unit)) for unit in units]
        await asyncio.sleep(0)
        go.set()
        await first
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    return asyncio.run(run())


def overtaking(database: Database, unit: Callable[[WriteSession], str], second: Callable[[], str]) -> list[str]:
    """Run a unit, and `second` in a thread of its own once the unit is done and not committed: it waits for what the
    unit holds. On PostgreSQL. Gives both results."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(second()))
    here = "wait_event_type = 'Lock' AND datname = current_database()"
    waiting = text(f"SELECT count(*) FROM pg_stat_activity WHERE {here}")

    def first(session: WriteSession) -> str:
        made = unit(session)
        session.execute(text("SELECT 1"))  # whatever waits to be written is written now
        thread.start()
        while thread.is_alive() and not database.read(lambda reading: reading.scalar(waiting)):
            time.sleep(0.01)
        return made

    found.append(database.write(first))
    thread.join()
    return found
