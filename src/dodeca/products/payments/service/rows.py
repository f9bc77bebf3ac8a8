"""Several rows of one table in one statement, prepared for each small number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam, insert

from dodeca.kernel.db import Prepared, WriteSession

MOST_ROWS = 16
"""Of one INSERT: more go in several."""


@cache
def _inserting(table: Table, count: int) -> tuple[Prepared, list[tuple[str, str]]]:
    """The statement, and the names of its parameters: of each row's columns in turn, beside the column's."""
    rows = [{c.name: bindparam(f"{c.name}_{row}", type_=c.type) for c in table.columns} for row in range(count)]
    names = [(column, f"{column}_{row}") for row in range(count) for column in rows[row]]
    return Prepared(insert(table).values(rows), autoflush=False), names


def insert_rows(session: WriteSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that each give all columns of `table`."""
    width = len(table.columns)
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        statement, names = _inserting(table, len(some))
        values = {name: some[place // width][column] for place, (column, name) in enumerate(names)}
        statement.run(session, **values)
