"""Rows: several of one table in one statement, prepared for each small number of them; and one that is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, insert

from dodeca.kernel.db import Model, Prepared, WriteSession, claiming
from dodeca.kernel.errors import Conflict

T = TypeVar("T", bound=Model)
MOST_ROWS = 16
"""Of one INSERT: more go in several."""


@cache
def _inserting(table: Table, count: int) -> tuple[Prepared, list[str], Callable[[Any], tuple[Any, ...]]]:
    """The statement, the names of its parameters, row after row, and what takes a row's values in that order."""
    columns = [column.name for column in table.columns]
    rows = [{c.name: bindparam(f"{c.name}_{row}", type_=c.type) for c in table.columns} for row in range(count)]
    names = [f"{column}_{row}" for row in range(count) for column in columns]
    return Prepared(insert(table).values(rows), autoflush=False), names, itemgetter(*columns)


def insert_rows(session: WriteSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that each give all columns of `table`."""
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        statement, names, values = _inserting(table, len(some))
        statement.put(session, dict(zip(names, chain.from_iterable(map(values, some)), strict=True)))


def made_once(session: WriteSession, row: T, find: Callable[[], T | None]) -> T:
    """Store a row, or `find` the one that another unit of work has stored meanwhile, as a unique constraint tells."""
    try:
        with claiming(session, type(row), otherwise=Conflict("Try again.")):
            session.add(row)
    except Conflict:
        known = find()
        if known is None:
            raise
        return known
    return row
