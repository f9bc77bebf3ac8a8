"""The rules, as statements on a product's table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute

from dodeca.kernel import clock
from dodeca.kernel.db import Model, ReadSession, WriteSession

Counter = InstrumentedAttribute[int]
"""The column of the thing that counts: `Song.like_count`. Its table's key is `id`."""


@dataclass(frozen=True)
class Likes:
    """Where a product keeps who likes (or marks) what: the table and its columns.

    `tie` orders what was liked at the same moment: the likes' own number, else the thing's. Columns beside these are
    given by name as `**which`: `kind="song"` where one table holds several kinds of things, a reason, a reaction."""

    table: type[Model]
    person: InstrumentedAttribute[str]
    thing: InstrumentedAttribute[int]
    at: InstrumentedAttribute[datetime]
    tie: InstrumentedAttribute[int]


def like(
    session: WriteSession, likes: Likes, account_id: str, thing_id: int, *, counter: Counter | None = None, **which: str
) -> bool:
    """Note that somebody likes a thing; gives whether that is new. The caller has seen that they see it."""
    values = {likes.person.key: account_id, likes.thing.key: thing_id, likes.at.key: clock.now(), **which}
    # SQLAlchemy renders PostgreSQL's ON CONFLICT for SQLite too.
    made = postgresql.insert(likes.table).values(values).on_conflict_do_nothing().returning(likes.thing)
    new = session.scalar(made) is not None
    if new and counter is not None:
        _count(session, counter, thing_id, 1)
    return new


def unlike(
    session: WriteSession, likes: Likes, account_id: str, thing_id: int, *, counter: Counter | None = None, **which: str
) -> bool:
    """The end of it; gives whether it was liked."""
    mine = and_(_of(likes, account_id, which), likes.thing == thing_id)
    gone = session.scalar(delete(likes.table).where(mine).returning(likes.thing)) is not None
    if gone and counter is not None:
        _count(session, counter, thing_id, -1)
    return gone


def since(
    session: ReadSession, likes: Likes, account_id: str | None, thing_ids: Collection[int], **which: str
) -> dict[int, datetime]:
    """Which of these somebody likes, and since when: one statement for a whole list."""
    if account_id is None or not thing_ids:
        return {}
    mine = select(likes.thing, likes.at).where(_of(likes, account_id, which), likes.thing.in_(thing_ids))
    return {row[0]: row[1] for row in session.execute(mine)}


def newest(likes: Likes, account_id: str, **which: str) -> Select[int]:
    """The ids of what somebody likes, the newest first."""
    return select(likes.thing).where(_of(likes, account_id, which)).order_by(likes.at.desc(), likes.tie.desc())


def miscounted(likes: Likes, counter: Counter, **which: str) -> Select[int]:
    """The ids of things whose counter is not the number of their likes, for a product's invariants."""
    counted: Any = counter.class_
    rows = select(func.count()).where(likes.thing == counted.id, *_named(likes, which))
    return select(counted.id).where(counter != rows.scalar_subquery())


def _of(likes: Likes, account_id: str, which: dict[str, str]) -> ColumnElement[bool]:
    return and_(likes.person == account_id, *_named(likes, which))


def _named(likes: Likes, which: dict[str, str]) -> list[ColumnElement[bool]]:
    return [getattr(likes.table, name) == value for name, value in which.items()]


def _count(session: WriteSession, counter: Counter, thing_id: int, by: int) -> None:
    counted: Any = counter.class_
    session.execute(update(counted).where(counted.id == thing_id).values({counter.key: counter + by}))
