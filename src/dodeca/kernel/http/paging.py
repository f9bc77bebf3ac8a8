"""Lists page by keyset: the cursor is the opaque (sort value, id) pair of the last row, so equal times lose nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from dodeca.kernel.clock import parse_rfc3339, rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid

T = TypeVar("T")
DEFAULT_LIMIT = 30
MAX_LIMIT = 100


class Slice(msgspec.Struct, Generic[T]):
    """One page of a list and the cursor of the next, if there is one."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(*values: datetime | str | int | float) -> str:
    """An opaque text for a position."""
    plain = [{"t": rfc3339(value)} if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(msgspec.json.encode(plain)).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """The values of a cursor. Raises Invalid when it was not made here."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = msgspec.json.decode(raw, type=list[Any])
        values = [parse_rfc3339(value["t"]) if isinstance(value, dict) else value for value in values]
    except (binascii.Error, ValueError, KeyError, TypeError, msgspec.DecodeError, OverflowError) as error:
        raise Invalid("This cursor is not one that a list gave out.", field="cursor") from error
    if len(values) != length or any(isinstance(v, int) and abs(v) >= 2**63 for v in values):
        raise Invalid("This cursor belongs to another list.", field="cursor")
    return values


def bounded(limit: int | None, *, at_most: int = MAX_LIMIT) -> int:
    """The number of rows of a page. Raises Invalid outside 1…`at_most`."""
    if limit is None:
        return min(DEFAULT_LIMIT, at_most)
    if not 1 <= limit <= at_most:
        raise Invalid(f"limit must be from 1 to {at_most}.", field="limit")
    return limit


def page_of(
    session: ReadSession,
    statement: Select[T],
    *,
    order: Sequence[InstrumentedAttribute[Any]],
    limit: int | None = None,
    cursor: str | None = None,
    descending: bool = True,
) -> Slice[T]:
    """One page of `statement`, ordered by `order` (its last column unique), after `cursor`."""
    count = bounded(limit)
    if cursor:
        values = decode_cursor(cursor, len(order))
        if not all(_fits(column, value) for column, value in zip(order, values, strict=True)):
            raise Invalid("This cursor belongs to another list.", field="cursor")
        statement = statement.where(_after(order, values, descending=descending))
    statement = statement.order_by(*(column.desc() if descending else column.asc() for column in order))
    rows: list[T] = list(session.scalars(cast(Any, statement.limit(count + 1))))
    more = len(rows) > count
    rows = rows[:count]
    after = encode_cursor(*(getattr(rows[-1], column.key) for column in order)) if more else None
    return Slice(rows, after)


def _fits(column: InstrumentedAttribute[Any], value: Any) -> bool:
    """Whether a value of a cursor, which anybody can forge, can be compared with the column."""
    wanted: type[Any] = column.type.python_type
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(value, str) and "\0" in value:  # PostgreSQL refuses to be asked for it
        return False
    return isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool)


def _after(
    order: Sequence[InstrumentedAttribute[Any]], values: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Rows strictly behind the position; spelled out, as row values cannot be used with all column types."""
    clauses = []
    for index, column in enumerate(order):
        same = [earlier == value for earlier, value in zip(order[:index], values[:index], strict=True)]
        beyond = column < values[index] if descending else column > values[index]
        clauses.append(and_(*same, beyond))
    return or_(*clauses)
