"""What the shortener shows on the platform's home page and in its search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Call
from dodeca.kernel.web.filters import plural
from dodeca.kernel.web.shell import HomeItem, HomeNumber
from dodeca.products.shortener.models import ClickHour, Link, first_link_id
from dodeca.products.shortener.service import links, of
from dodeca.products.shortener.service.analytics import ALL, HOUR

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def living(session: ReadSession, platform: Platform) -> Mapping[str, Any]:
    """Numbers of the last day. Nobody's links are shown: they are their owners' affair."""
    since = int(clock.timestamp()) // HOUR - 23
    today = (ClickHour.hour >= since, ClickHour.dimension == ALL)
    by_hour = select(ClickHour.hour, func.sum(ClickHour.clicks)).where(*today).group_by(ClickHour.hour)
    clicks = {hour: int(count) for hour, count in session.execute(by_hour)}
    followed = session.scalar(select(func.count(func.distinct(ClickHour.link_id))).where(*today))
    made = select(func.count()).select_from(
        select(Link.id).where(Link.id >= first_link_id(since * HOUR)).limit(100_000).subquery()
    )
    hours = [clicks.get(since + hour, 0) for hour in range(24)]
    return {
        "numbers": [
            HomeNumber("clicks in 24 hours", sum(clicks.values())),
            HomeNumber("links followed", int(followed or 0)),
            HomeNumber("new links", session.scalar(made) or 0),
        ],
        "html": _pulse(platform, hours) if clicks else None,
    }


def _pulse(platform: Platform, hours: list[int]) -> Markup:
    html = platform.renderer.render("shortener/_pulse.html", {"hours": hours})
    return Markup(html)  # noqa: S704 - a template of ours, which has escaped what it shows


def mine(session: ReadSession, call: Call, limit: int) -> list[HomeItem]:
    """The caller's most followed links."""
    return [
        HomeItem(view.title or view.long_url[:120], f"/shortener/links/{view.id}", plural(view.clicks, "click"))
        for view in _views(session, call, links.Filters(sort="clicks"), limit)
    ]


def search(session: ReadSession, call: Call, text: str, limit: int) -> list[HomeItem]:
    """The caller's links for the words."""
    if call.principal is None:
        return []
    return [
        HomeItem(view.title or view.long_url[:120], f"/shortener/links/{view.id}", view.short_url.partition("://")[2])
        for view in _views(session, call, links.Filters(q=text), limit)
    ]


def _views(session: ReadSession, call: Call, filters: links.Filters, limit: int) -> list[links.LinkView]:
    shortener = of(call.platform)
    page = links.listed(session, shortener, call.member(), filters, limit=limit)
    return links.views(session, shortener, page.items)
