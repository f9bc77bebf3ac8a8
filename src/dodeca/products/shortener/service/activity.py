"""How much links were used lately: for lists, which show a line of the last two weeks beside each link."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.products.shortener.models import ClickDay, Link
from dodeca.products.shortener.service import links
from dodeca.products.shortener.service.analytics import ALL, DAY
from dodeca.products.shortener.service.installation import Shortener

DAYS = 14


class Row(msgspec.Struct):
    """One link of a list; `days` are the clicks of the last DAYS days, oldest first."""

    view: links.LinkView
    days: list[int]


def rows(session: ReadSession, shortener: Shortener, found: Sequence[Link]) -> list[Row]:
    """Links as a list shows them, in a fixed number of queries."""
    views = links.views(session, shortener, found)
    days = by_day(session, [link.id for link in found])
    return [Row(view, days.get(int(view.id), [0] * DAYS)) for view in views]


def by_day(session: ReadSession, link_ids: Sequence[int]) -> dict[int, list[int]]:
    """Clicks by day (UTC) of the links that have any."""
    if not link_ids:
        return {}
    first = int(clock.timestamp()) // DAY - DAYS + 1
    statement = select(ClickDay.link_id, ClickDay.day, ClickDay.clicks).where(
        ClickDay.link_id.in_(link_ids), ClickDay.dimension == ALL, ClickDay.day >= first
    )
    found: dict[int, list[int]] = {}
    for link_id, day, clicks in session.execute(statement):
        if day - first < DAYS:
            found.setdefault(link_id, [0] * DAYS)[day - first] = clicks
    return found
