"""What came of a link: the chart, the breakdowns, and what was left out of the clicks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from babel import Locale
from litestar import Response

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, FromQuery, Page, get
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.pages.surroundings import Member, page
from dodeca.products.shortener.service import analytics, links, of
from dodeca.products.shortener.service.analytics import Analytics, Point, Range, Value

ENGLISH = Locale.parse("en")
SPANS: dict[str, tuple[str, timedelta | None, str]] = {
    "hour": ("Hour", timedelta(hours=1), "minute"),
    "day": ("24 hours", timedelta(hours=24), "hour"),
    "week": ("7 days", timedelta(days=7), "day"),
    "month": ("30 days", timedelta(days=30), "day"),
    "year": ("Year", timedelta(days=364), "week"),
    "all": ("All time", None, "day"),
}
"""Key → what people call it, how long it is, and the unit of its chart."""
BREAKDOWNS = (
    ("referrers", "Where from", "Nobody came from another page yet."),
    ("countries", "Countries", "No country is known yet."),
    ("devices", "Devices", "No device is known yet."),
    ("browsers", "Browsers", "No browser is known yet."),
    ("os", "Systems", "No operating system is known yet."),
    ("languages", "Languages", "No language is known yet."),
    ("sources", "Sources", "No scan of a QR code yet."),
)
SHOWN = 7
"""Values of a breakdown before the rest folds."""
_NAMES = {
    "unknown": "Unknown",
    "direct": "Direct, or kept private",
    "qr": "QR code",
    "link": "Link",
    "": "Link",
    "other": "Other",
}


def show_numbers(session: ReadSession, call: Call, link: Link, span_name: str | None) -> dict[str, Any]:
    """The context of the numbers of a link, as `_numbers.html` takes it."""
    shortener = of(call.platform)
    chosen = span_name if span_name in SPANS else _fitting(link)
    view = links.view(session, shortener, link)
    span = _range(link, chosen)
    found = analytics.analyse(session, link, view.short_url, span)
    return {
        "link": view,
        "span": chosen,
        "spans": [(key, words[0]) for key, words in SPANS.items()],
        "numbers": found,
        "points": [(_label(point, span.unit), point.clicks) for point in found.series],
        "unit": span.unit.capitalize(),
        "parts": [(title, empty, *_part(name, found)) for name, title, empty in BREAKDOWNS],
        "left_out": found.excluded.bot + found.excluded.head + found.excluded.prefetch,
    }


def _fitting(link: Link) -> str:
    """The range that a link's age fills."""
    age = clock.now() - link.created_at
    return "day" if age < timedelta(days=2) else "month"


def _range(link: Link, chosen: str) -> Range:
    now = clock.now()
    _, length, unit = SPANS[chosen]
    if length is None:
        days = (now - link.created_at).days
        unit = "day" if days <= 90 else "week" if days <= 730 else "month"
        return analytics.read_range(None, now, unit, None)
    return analytics.read_range(now - length, now, unit, None)


def _label(point: Point, unit: str) -> str:
    at: datetime = point.t
    if unit in ("minute", "hour"):
        return f"{at:%H:%M}"
    return f"{at:%b %Y}" if unit == "month" else f"{at.day} {at:%b}"


def _part(name: str, found: Analytics) -> tuple[list[tuple[str, int, float]], list[tuple[str, int, float]]]:
    """(words, clicks, percent of the largest) of the first values, and of the rest."""
    values: Sequence[Value] = getattr(found, name)
    most = max((value.clicks for value in values), default=1)
    rows = [(_words(name, value.value), value.clicks, round(100 * value.clicks / most, 1)) for value in values]
    return rows[:SHOWN], rows[SHOWN:]


def _words(name: str, value: str) -> str:
    if name == "countries" and len(value) == 2:
        return str(ENGLISH.territories.get(value.upper(), value))
    if name == "languages" and value != "unknown":
        return str(ENGLISH.languages.get(value.partition("-")[0].lower(), value))
    if value in _NAMES:
        return _NAMES[value]
    return value.capitalize() if name == "devices" else value


@get("/links/{link_id:str}", access=Access.MEMBER)
def numbers_page(
    session: DbRead, call: Calling, actor: Member, link_id: FromPath[str], span: FromQuery[str | None] = None
) -> Page:
    """One link: how it does."""
    link = links.find(session, actor, link_id)
    return page(call, "link.html", **show_numbers(session, call, link, span))


@get("/links/{link_id:str}/numbers", access=Access.MEMBER)
def numbers_piece(
    session: DbRead, call: Calling, actor: Member, link_id: FromPath[str], span: FromQuery[str | None] = None
) -> Page:
    """The numbers alone, for a page that is open while clicks come in."""
    link = links.find(session, actor, link_id)
    return page(call, "_numbers.html", **show_numbers(session, call, link, span))


@get("/links/{link_id:str}/live", access=Access.MEMBER)
async def live(call: Calling, link_id: FromPath[str]) -> Response[Any]:
    """Server-sent events with the counts of one link."""
    actor = call.member()
    link = await call.platform.db.aread(lambda session: links.find(session, actor, link_id))
    last_id = call.request.headers.get("last-event-id")
    return call.platform.realtime.stream([f"shortener:link:{link.id}"], last_id=last_id)


routes = [numbers_page, numbers_piece, live]
