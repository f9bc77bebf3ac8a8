"""Indexes that a large import leaves out and builds at its end, in a tenth of the time and of the bytes written. The
one of words, which it cannot leave out, is kept in less order meanwhile.

Every comment goes into each of them, half of them in no order: kept up row by row they cost more than the rows. That
they are missing is itself the mark of an import that was broken off: the next import, and the next start of a server,
build what they do not find. Only SQLite does without them, and only where next to nothing is there to be read; the
indexes of the lists of posts always stay, so that pages answer meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import Index, String, Table, column, func, inspect, select, table
from sqlalchemy.schema import CreateIndex, DropIndex

from dodeca.kernel.db import Database, ReadSession, WriteSession
from dodeca.products.news.models import Item
from dodeca.products.news.service import searching

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

LARGE: Final = 20_000
"""Rows from which building at the end pays."""
TIMES_LARGER: Final = 50
"""How many times more rows than there are already: whoever reads meanwhile has to read these one after another."""
_NAMES: Final = frozenset(
    {
        "ix_news_comments_created",
        "ix_news_comments_heat",
        "ix_news_items_author",
        "ix_news_items_parent",
        "ix_news_items_root",
        "ix_news_items_updated",
        "ix_search_news_at",
    }
)
LATE: Final = {
    str(index.name): index
    for indexed in (cast(Table, Item.__table__), searching.index.table)
    for index in sorted(indexed.indexes, key=lambda index: str(index.name))
    if index.name in _NAMES
}
_schema = table("sqlite_master", column("name", String()))


@contextmanager
def left_out(database: Database, rows: int) -> Iterator[bool]:
    """Let so many rows be written, without these indexes where that is worth it, which is told; afterwards all are
    there."""
    worth_it = database.dialect == "sqlite" and rows >= LARGE and database.read(partial(_is_nearly_empty, rows=rows))
    if worth_it:
        database.write(drop)
    try:
        yield worth_it
    finally:
        build_missing(database)


def drop(session: WriteSession) -> None:
    """Remove those that are there."""
    if session.dialect == "sqlite":
        for index in LATE.values():
            session.execute(DropIndex(index, if_exists=True))
        searching.index.begin_load(session)


def build_missing(database: Database) -> None:
    """Build those that are not there, each in a unit of its own: others write in between."""
    if database.dialect != "sqlite":
        return
    for index in database.read(_missing):
        database.write(partial(_build, index=index))
    if database.read(_is_loading):
        database.write(searching.index.end_load)


def prepare(platform: Platform) -> None:
    """What an import left undone that was broken off."""
    build_missing(platform.db)


def _is_nearly_empty(session: ReadSession, rows: int) -> bool:
    some = select(Item.id).limit(rows // TIMES_LARGER + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) <= rows // TIMES_LARGER


def _missing(session: ReadSession) -> list[Index]:
    known = set(session.scalars(select(_schema.c.name)))
    return [index for name, index in LATE.items() if name not in known] if Item.__tablename__ in known else []


def _is_loading(session: ReadSession) -> bool:
    return inspect(session.connection()).has_table(searching.index.table.name) and searching.index.is_loading(session)


def _build(session: WriteSession, index: Index) -> None:
    session.execute(CreateIndex(index, if_not_exists=True))
