"""How FTS5 keeps the lists that say in which documents words are: written one after the other, and joined later.

https://www.sqlite.org/fts5.html#special_insert_commands"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import column, func, insert, select, table

from dodeca.kernel.db import Database, ReadSession, WriteSession
from dodeca.kernel.db.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from dodeca.kernel.search.index import SearchIndex

# How many lists there may be before they are joined, by and by and at once; and how many bytes of new ones are kept in
# memory until they are written. What a load leaves is never joined at once: the next small document would hold the
# writer up for seconds. `join` does it step by step. A load of up to two million documents joins none: they would be
# joined once more after it.
LOADING: Final = {"automerge": 64, "crisismerge": 256, "hashsize": 16 * 1024 * 1024}
NOT_LOADING: Final = {"automerge": 4, "crisismerge": 64, "hashsize": 1024 * 1024}
MOST: Final = 8
"""Lists that are left as they are: new documents make new ones all the time."""
PAGES: Final = 64
"""Pages of lists that are joined at once: a hundredth of a second's work or two, for which whoever writes has to
wait."""
BREATH_SECONDS: Final = 0.05
"""It goes on after nobody has written for so long,"""
MOST_BREATHS: Final = 40
"""or after so many times that."""


def configure(session: WriteSession, companion: str, options: Mapping[str, int]) -> None:
    """Set options of an FTS5 table, which keeps them."""
    for name, value in options.items():
        _tell(session, companion, name, value)


def are_loading(session: ReadSession, companion: str) -> bool:
    """Whether `LOADING` is set."""
    config = table(f"{companion}_config", column("k"), column("v"))
    known = session.scalar(select(config.c.v).where(config.c.k == "automerge"))
    return known not in (None, NOT_LOADING["automerge"])  # whatever an older version sets for a load


def join(session: WriteSession, companion: str) -> bool:
    """Join some pages of the lists of an FTS5 table where there are many lists; says whether there were."""
    lists = select(func.count(column("segid").distinct())).select_from(table(f"{companion}_idx"))
    many = (session.scalar(lists) or 0) > MOST
    if many:
        _tell(session, companion, "merge", -PAGES)
    return many


async def join_all(database: Database, indexes: Iterable[SearchIndex]) -> None:
    """Keep indexes quick, in small steps while nobody else writes, or seldom. For a job that runs from time to time."""
    if not isinstance(database, SqliteDatabase):
        return  # only FTS5 keeps such lists
    for index in indexes:
        while await database.awrite(index.join_lists):
            await _give_way(database)


async def _give_way(database: SqliteDatabase) -> None:
    for _ in range(MOST_BREATHS):
        before = database.units_committed
        await asyncio.sleep(BREATH_SECONDS)
        if database.units_committed == before:
            return


def _tell(session: WriteSession, companion: str, command: str, value: int) -> None:
    into = table(companion, column(companion), column("rank"))
    session.execute(insert(into), {companion: command, "rank": value})
