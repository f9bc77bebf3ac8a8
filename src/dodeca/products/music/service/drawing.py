"""Rows by chance, at a cost that does not grow with their table."""

from __future__ import annotations

import random
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from dodeca.kernel.db import ReadSession

AT_ONCE: Final = 500
MOST_TRIED: Final = 10_000
"""Ids that are tried before all rows that fit are read: where so few of them fit, these are not many."""


def drawn(
    session: ReadSession, table: Any, *rules: ColumnElement[bool], count: int, within: Select[Any] | None = None
) -> list[int]:
    """At most `count` ids of rows that fit the rules, in an order by chance; each of them is as likely as any other.
    `within` is a statement of the ids alone that may be drawn.

    Ids are guessed, and those that fit are kept: to shuffle rows a database has to read all of them."""
    fitting = select(table.id).where(*rules)
    guessing = fitting
    if within is not None:  # asked of each id: a database would read the whole of a list
        (own,) = within.selected_columns
        guessing = fitting.where(within.where(own == table.id).exists())
    last = session.scalar(select(func.max(table.id))) or 0
    found: dict[int, None] = {}
    tried = 0
    while count and last > AT_ONCE and tried < MOST_TRIED:
        ids = random.sample(range(1, last + 1), AT_ONCE if tried else min(AT_ONCE, 4 * count))
        tried += len(ids)
        hits = list(session.scalars(guessing.where(table.id.in_(ids))))
        random.shuffle(hits)
        found.update(dict.fromkeys(hits))
        if len(found) >= count:
            return list(found)[:count]
    everything = fitting if within is None else fitting.where(table.id.in_(within))
    return list(session.scalars(everything.order_by(func.random()).limit(count)))
