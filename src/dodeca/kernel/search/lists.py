"""How FTS5 keeps the lists that say in which documents words are: written one after the other, and joined later.

https://www.sqlite.org/fts5.html#special_insert_commands"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import column, func, insert, select, table

from dodeca.kernel.db import Database, ReadSession, WriteSession

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
PAGES: Final = 200
"""Pages of lists that are joined at once: some hundredths of a second's work, for which whoever writes has to wait."""
BREATH_SECONDS: Final = 0.05
"""For so long others have the writer to themselves before it goes on."""


def configure(session: WriteSession, companion: str, options: Mapping[str, int]) -> None:
    """Set options of an FTS5 table, which keeps them."""
    for name, value in options.items():
        _tell(session, companion, name, value)


def are_loading(session: ReadSession, companion: str) -> bool:
    """Whether `LOADING` is set."""
    config = table(f"{companion}_config", column("k"), column("v"))
    return session.scalar(select(config.c.v).where(config.c.k == "automerge")) == LOADING["automerge"]


def join(session: WriteSession, companion: str) -> bool:
    """Join some pages of the lists of an FTS5 table where there are many lists; says whether there were."""
    lists = select(func.count(column("segid").distinct())).select_from(table(f"{companion}_idx"))
    many = (session.scalar(lists) or 0) > MOST
    if many:
        _tell(session, companion, "merge", -PAGES)
    return many


async def join_all(database: Database, indexes: Iterable[SearchIndex]) -> None:
    """Keep indexes quick, in small steps, between which others write. For a job that runs from time to time."""
    for index in indexes:
        is_more = True
        while is_more:
            is_more = await database.awrite(index.join_lists)
            await asyncio.sleep(BREATH_SECONDS)


def _tell(session: WriteSession, companion: str, command: str, value: int) -> None:
    into = table(companion, column(companion), column("rank"))
    session.execute(insert(into), {companion: command, "rank": value})
