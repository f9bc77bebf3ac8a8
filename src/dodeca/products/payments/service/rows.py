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
def _inserting(table: Table, count: int) -> Prepared:
    rows = [{c.name: bindparam(f"{c.name}_{row}", type_=c.type) for c in table.columns} for row in range(count)]
    return Prepared(insert(table).values(rows), autoflush=False)


def insert_rows(session: WriteSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that each give all columns of `table`."""
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        values = {f"{name}_{place}": value for place, row in enumerate(some) for name, value in row.items()}
        _inserting(table, len(some)).run(session, **values)
