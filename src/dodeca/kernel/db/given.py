"""Statements about any number of given rows at once, compiled once for each of few sizes.

Under load a statement costs less for what it finds than for being sent: the interpreter is given up for it and has to
be waited for afterwards. So what is asked of many rows, or done to them, goes in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CTE, bindparam, column, values
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeEngine

from dodeca.kernel.db.prepared import Prepared

if TYPE_CHECKING:
    from dodeca.kernel.db.sessions import ReadSession

SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Rows that stand in one statement; more are sent in several."""


class PreparedGiven:
    """A statement in which given rows stand as a table of these columns, `given`.

    The last row is repeated where there are fewer than the next size: a SELECT finds it more than once, an UPDATE
    changes the same row in the same way. Shared between threads like a `Prepared`."""

    def __init__(
        self,
        columns: Mapping[str, TypeEngine[Any]],
        statement: Callable[[CTE], Executable],
        *,
        autoflush: bool = True,
    ) -> None:
        self._names = list(columns)
        self._statements = {size: Prepared(statement(_given(columns, size)), autoflush=autoflush) for size in SIZES}

    def rows(self, session: ReadSession, given: Sequence[Sequence[object]], **others: object) -> list[tuple[Any, ...]]:
        """All rows of the answer; `others` are parameters beside the given rows."""
        found: list[tuple[Any, ...]] = []
        for statement, bound in self._parts(given):
            found += statement.rows(session, **bound, **others)
        return found

    def run(self, session: ReadSession, given: Sequence[Sequence[object]], **others: object) -> None:
        """Change what the given rows say."""
        for statement, bound in self._parts(given):
            statement.run(session, **bound, **others)

    def _parts(self, given: Sequence[Sequence[object]]) -> Iterator[tuple[Prepared, dict[str, object]]]:
        for start in range(0, len(given), SIZES[-1]):
            part = list(given[start : start + SIZES[-1]])
            size = next(size for size in SIZES if size >= len(part))
            part += part[-1:] * (size - len(part))
            bound = {f"{name}_{n}": v for n, row in enumerate(part) for name, v in zip(self._names, row, strict=True)}
            yield self._statements[size], bound


def _given(columns: Mapping[str, TypeEngine[Any]], size: int) -> CTE:
    rows = [tuple(bindparam(f"{name}_{n}", type_=kind) for name, kind in columns.items()) for n in range(size)]
    return values(*(column(name, kind) for name, kind in columns.items()), name="given").data(rows).cte("given")
