"""Clicks of a bitlink, over time and by what they have in common."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.compat.bitly.bitlinks import add_last_calls
from dodeca.products.shortener.compat.bitly.shapes import bitly_time, calls, found
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.hosts import registrable_domain
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import analytics, visit_log
from dodeca.products.shortener.service.analytics import Range, Value

ALL_UNITS = -1
DEFAULT_SIZE = 50
MOST_ITEMS = 1000
MINUTES = 24 * 60
"""Minutes are shown for at most a day."""
FACETS = {
    "countries": "country",
    "referrers": "referrer",
    "referring_domains": "referrer",
    "devices": "device",
}
_STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}


class Window(NamedTuple):
    """What a request asks for, and the range of time that it amounts to."""

    unit: str
    units: int
    size: int
    reference: datetime
    span: Range

    def echo(self) -> dict[str, object]:
        """The members that every answer repeats."""
        return {"units": self.units, "unit": self.unit, "unit_reference": bitly_time(self.reference)}


def read_window(asked: Asked, since: datetime) -> Window:
    """Read `unit`, `units`, `size` and `unit_reference`. `since` is when the link was made. Raises Invalid."""
    unit = asked.text("unit") or "day"
    if unit not in analytics.UNITS:
        raise Invalid(f"unit is one of: {', '.join(analytics.UNITS)}.", field="unit")
    units = asked.number("units", ALL_UNITS, ALL_UNITS, analytics.MOST_POINTS)
    if units == 0:
        raise Invalid("units is at least 1, or -1 for all.", field="units")
    size = asked.number("size", DEFAULT_SIZE, 1, MOST_ITEMS)
    reference = _reference(asked.text("unit_reference"))
    if units == ALL_UNITS:
        most = MINUTES if unit == "minute" else analytics.MOST_POINTS - 2
        start = max(floor(since, unit), reference - most * _STEPS[unit])
    else:
        start = earlier(floor(reference, unit), unit, min(units, MINUTES) - 1 if unit == "minute" else units - 1)
    end = reference + timedelta(seconds=1)  # the unit that holds the reference counts
    span = analytics.read_range(min(start, reference), end, unit, None)
    return Window(unit, units, size, reference, span)


def _reference(text: str) -> datetime:
    """An ISO 8601 time; a `+` that was sent bare arrives as a space. Raises Invalid."""
    given = re.sub(r" (\d\d:?\d\d)\Z", r"+\1", text.strip())
    if not given:
        return clock.now()
    try:
        moment = datetime.fromisoformat(given)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("unit_reference is a time such as 2031-05-01T18:00:00+0000.", field="unit_reference") from error
    if not 1980 <= moment.year <= 9000:
        raise Invalid("This time is outside the calendar.", field="unit_reference")
    return moment


def floor(moment: datetime, unit: str) -> datetime:
    """The start of the unit (UTC) that holds a moment."""
    moment = moment.replace(second=0, microsecond=0)
    if unit == "minute":
        return moment
    moment = moment.replace(minute=0)
    if unit == "hour":
        return moment
    moment = moment.replace(hour=0)
    if unit == "week":
        return moment - timedelta(days=moment.weekday())
    return moment.replace(day=1) if unit == "month" else moment


def earlier(start: datetime, unit: str, count: int) -> datetime:
    """The start of the unit that lies `count` units before one. Raises Invalid outside the calendar."""
    try:
        if unit != "month":
            return start - count * _STEPS[unit]
        months = start.year * 12 + start.month - 1 - count
        return start.replace(year=months // 12, month=months % 12 + 1)
    except (OverflowError, ValueError) as error:
        raise Invalid("These are more units than the calendar has.", field="units") from error


def _asked_for(session: ReadSession, asked: Asked) -> tuple[Link, Window]:
    link = found(session, asked, asked.part("bitlink"))
    return link, read_window(asked, link.created_at)


@calls.reading("GET", "bitlinks/{bitlink*}/clicks/summary")
def summary(session: ReadSession, asked: Asked) -> object:
    """Clicks in a range."""
    link, window = _asked_for(session, asked)
    if window.unit == "minute":
        total = sum(point.clicks for point in analytics.series(session, [link.id], window.span))
    else:
        total = analytics.totals(session, [link.id], window.span)[0]
    return {**window.echo(), "total_clicks": total}


@calls.reading("GET", "bitlinks/{bitlink*}/clicks")
def clicks(session: ReadSession, asked: Asked) -> object:
    """Clicks by unit, newest first. All units (-1) are those that have clicks."""
    link, window = _asked_for(session, asked)
    points = reversed(analytics.series(session, [link.id], window.span))
    shown = [
        {"date": bitly_time(point.t), "clicks": point.clicks}
        for point in points
        if point.clicks or window.units != ALL_UNITS
    ]
    return {**window.echo(), "link_clicks": shown[: window.size]}


@calls.reading("GET", "bitlinks/{bitlink*}/referrers_by_domains")
def referrers_by_domains(session: ReadSession, asked: Asked) -> object:
    """Referrers below the domains that they belong to."""
    link, window = _asked_for(session, asked)
    domains: dict[str, list[Value]] = {}
    for value in analytics.breakdown(session, [link.id], window.span, "referrer"):
        domains.setdefault(registrable_domain(value.value) or value.value, []).append(value)
    grouped = [
        {"network": domain, "referrers": [{"value": v.value, "clicks": v.clicks} for v in values]}
        for domain, values in domains.items()
    ]
    return {**window.echo(), "facet": "referrers_by_domain", "referrers_by_domain": grouped[: window.size]}


@calls.reading("GET", "bitlinks/{bitlink*}/cities")
def cities(session: ReadSession, asked: Asked) -> object:
    """Cities, of the clicks that are still kept one by one."""
    link, window = _asked_for(session, asked)
    return _facet(window, "cities", visit_log.cities(session, link, window.span))


def _facet(window: Window, facet: str, values: list[Value]) -> object:
    metrics = [{"value": value.value, "clicks": value.clicks} for value in values[: window.size]]
    if facet == "devices":
        metrics = [{"device_type": entry["value"], **entry} for entry in metrics]
    return {**window.echo(), "facet": facet, "metrics": metrics}


def _add_facet(facet: str, dimension: str) -> None:
    @calls.reading("GET", f"bitlinks/{{bitlink*}}/{facet}")
    def read(session: ReadSession, asked: Asked) -> object:
        link, window = _asked_for(session, asked)
        return _facet(window, facet, analytics.breakdown(session, [link.id], window.span, dimension))


for _name, _dimension in FACETS.items():
    _add_facet(_name, _dimension)
add_last_calls()
