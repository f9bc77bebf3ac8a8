"""What the shortener shows on the platform's home page and in its search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Call
from dodeca.kernel.web.shell import HomeItem, HomeNumber
from dodeca.products.shortener.models import ClickHour, Link, first_link_id
from dodeca.products.shortener.service import links, of
from dodeca.products.shortener.service.analytics import ALL, HOUR

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def living(session: ReadSession, _platform: Platform) -> Mapping[str, Any]:
    """Numbers of the last day. Nobody's links are shown: they are their owners' affair."""
    since = int(clock.timestamp()) // HOUR - 23
    today = select(func.sum(ClickHour.clicks), func.count(func.distinct(ClickHour.link_id))).where(
        ClickHour.hour >= since, ClickHour.dimension == ALL
    )
    clicks, followed = session.execute(today).one()
    made = select(func.count()).select_from(
        select(Link.id).where(Link.id >= first_link_id(since * HOUR)).limit(100_000).subquery()
    )
    return {
        "numbers": [
            HomeNumber("clicks in 24 hours", int(clicks or 0)),
            HomeNumber("links followed", int(followed or 0)),
            HomeNumber("new links", session.scalar(made) or 0),
        ]
    }


def search(session: ReadSession, call: Call, text: str, limit: int) -> list[HomeItem]:
    """The caller's links for the words."""
    if call.principal is None:
        return []
    shortener = of(call.platform)
    page = links.listed(session, shortener, call.principal, links.Filters(q=text), limit=limit)
    return [
        HomeItem(link.title or link.long_url[:120], f"/shortener/links/{link.id}", link.short_code)
        for link in page.items
    ]
