"""Lists by page number, for clients that count pages: exact totals, and a bound on how far they may go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Select, func, select

from dodeca.kernel.db import ReadSession

T = TypeVar("T")
FURTHEST = 1_000_000
"""Rows that may be skipped."""


class Numbered(msgspec.Struct, Generic[T]):
    """One page: `number` from 1, `size` rows at most, `total` rows in all pages."""

    rows: list[T]
    number: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are; 1 where there is nothing."""
        return max(1, -(-self.total // self.size))


def page_number(
    session: ReadSession, statement: Select[Any], *, order: Sequence[Any], number: int, size: int
) -> Numbered[Any]:
    """One page of `statement` in `order`, which must be total. The first column of each row is what the page holds."""
    total = session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
    skipped = min((number - 1) * size, FURTHEST)
    rows = list(session.scalars(statement.order_by(*order).limit(size).offset(skipped))) if skipped < total else []
    return Numbered(rows, number, size, total)
