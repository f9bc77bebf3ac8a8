"""What came of links: read from roll-ups, so that a million clicks cost as much as a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.models import Click, ClickDay, ClickHour, Link

UNITS = ("minute", "hour", "day", "week", "month")
BREAKDOWNS = {
    "countries": "country",
    "devices": "device",
    "os": "os",
    "browsers": "browser",
    "languages": "language",
    "referrers": "referrer",
    "sources": "source",
}
ALL = "all"
LEFT_OUT = "left_out"
MOST_POINTS = 2000
MOST_VALUES = 200
HOUR = 3600
DAY = 86_400
_STEPS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


class Value(msgspec.Struct):
    """How many clicks have one value."""

    value: str
    clicks: int


class Point(msgspec.Struct):
    """One bar of the series, from `t` on."""

    t: datetime
    clicks: int
    unique_visitors: int


class Excluded(msgspec.Struct):
    """Requests that do not count as clicks, and why."""

    bot: int
    head: int
    prefetch: int


class Outcome(msgspec.Struct):
    """What followed from clicks elsewhere in the installation."""

    kind: str
    count: int
    amount: int


class Analytics(msgspec.Struct, kw_only=True):
    """The numbers of one link in a range of time."""

    short_url: str
    long_url: str
    clicks: int
    unique_visitors: int
    bots: int
    impressions: int
    click_through_rate: float | None
    first_click_at: datetime | None
    last_click_at: datetime | None
    series: list[Point]
    countries: list[Value]
    devices: list[Value]
    os: list[Value]
    browsers: list[Value]
    languages: list[Value]
    referrers: list[Value]
    sources: list[Value]
    excluded: Excluded
    outcomes: list[Outcome]


class Range(msgspec.Struct, frozen=True):
    """A range of whole hours; None: open. `unit` and `zone` cut the series."""

    start: datetime | None
    end: datetime | None
    unit: str
    zone: ZoneInfo


def read_range(start: datetime | None, end: datetime | None, unit: str | None, tz: str | None) -> Range:
    """Check a range as it came in a request. Raises Invalid naming the field (`from`, `to`, `unit`, `tz`)."""
    chosen = unit or "day"
    if chosen not in UNITS:
        raise Invalid(f"A unit is one of: {', '.join(UNITS)}.", field="unit")
    try:
        zone = ZoneInfo(tz or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise Invalid("This is not a time zone such as Europe/Berlin.", field="tz") from error
    first = _in_utc(start, "from")
    last = _in_utc(end, "to")
    if first is not None and last is not None and first >= last:
        raise Invalid("`to` must be after `from`.", field="to")
    return Range(first, last, chosen, zone)


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    if moment is None:
        return None
    if not 1971 <= moment.year <= 9000:
        raise Invalid("This time is outside the calendar.", field=field)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def analyse(session: ReadSession, link: Link, short_url: str, span: Range) -> Analytics:
    """All numbers of a link that the caller may see. Raises Invalid when the series would be too long."""
    totals = _sums(session, [link.id], span, (ALL, LEFT_OUT))
    clicks, uniques, bots = totals.get((ALL, ""), (0, 0, 0))
    left_out = {value: counts[0] for (dimension, value), counts in totals.items() if dimension == LEFT_OUT}
    impressions = left_out.get("impression", 0)
    first, last = _first_and_last(session, link, span)
    parts = _breakdowns(session, [link.id], span)
    return Analytics(
        short_url=short_url,
        long_url=link.long_url,
        clicks=clicks,
        unique_visitors=uniques,
        bots=bots,
        impressions=impressions,
        click_through_rate=round(clicks / impressions, 4) if impressions else None,
        first_click_at=first,
        last_click_at=last,
        series=series(session, [link.id], span),
        excluded=Excluded(bots, left_out.get("head", 0), left_out.get("prefetch", 0)),
        outcomes=[],
        **parts,
    )


def totals(session: ReadSession, link_ids: Sequence[int], span: Range) -> tuple[int, int, int]:
    """Clicks, unique visitors and bots of links in a range."""
    return _sums(session, link_ids, span, (ALL,)).get((ALL, ""), (0, 0, 0))


def breakdown(session: ReadSession, link_ids: Sequence[int], span: Range, dimension: str) -> list[Value]:
    """Clicks by value of a dimension (country, device, os, browser, language, referrer, source), most first."""
    sums = _sums(session, link_ids, span, (dimension,))
    values = [Value(value, counts[0]) for (_, value), counts in sums.items() if counts[0]]
    return sorted(values, key=lambda entry: (-entry.clicks, entry.value))[:MOST_VALUES]


def _breakdowns(session: ReadSession, link_ids: Sequence[int], span: Range) -> dict[str, list[Value]]:
    sums = _sums(session, link_ids, span, tuple(BREAKDOWNS.values()))
    found: dict[str, list[Value]] = {name: [] for name in BREAKDOWNS}
    names = {dimension: name for name, dimension in BREAKDOWNS.items()}
    for (dimension, value), counts in sums.items():
        if counts[0]:
            found[names[dimension]].append(Value(value, counts[0]))
    for name, values in found.items():
        found[name] = sorted(values, key=lambda entry: (-entry.clicks, entry.value))[:MOST_VALUES]
    return found


def _sums(
    session: ReadSession, link_ids: Sequence[int], span: Range, dimensions: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Sums by dimension and value: whole days from the roll-up of days, the edges from that of hours."""
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    first, last = _hours(span)
    first_day = None if first is None else -(-first // 24)
    last_day = None if last is None else last // 24
    whole = first_day is None or last_day is None or first_day < last_day
    pieces: list[tuple[Any, ColumnElement[bool]]] = []
    if whole:
        pieces.append((ClickDay, _between(ClickDay.day, first_day, last_day)))
        edges = []
        if first is not None and first_day is not None and first < first_day * 24:
            edges.append(_between(ClickHour.hour, first, first_day * 24))
        if last is not None and last_day is not None and last_day * 24 < last:
            edges.append(_between(ClickHour.hour, last_day * 24, last))
        if edges:
            pieces.append((ClickHour, or_(*edges)))
    else:
        pieces.append((ClickHour, _between(ClickHour.hour, first, last)))
    for table, within in pieces:
        statement = (
            select(table.dimension, table.value, func.sum(table.clicks), func.sum(table.uniques), func.sum(table.bots))
            .where(table.link_id.in_(link_ids), table.dimension.in_(list(dimensions)), within)
            .group_by(table.dimension, table.value)
        )
        for dimension, value, *counts in session.execute(statement):
            before = found.get((dimension, value), (0, 0, 0))
            now = [int(count or 0) for count in counts]
            found[dimension, value] = (before[0] + now[0], before[1] + now[1], before[2] + now[2])
    return found


def _hours(span: Range) -> tuple[int | None, int | None]:
    """The range in hours since the epoch: from the one that holds its start to the one that holds its end."""
    first = None if span.start is None else int(span.start.timestamp()) // HOUR
    last = None if span.end is None else -(-int(span.end.timestamp()) // HOUR)
    return first, last


def _between(column: Any, first: int | None, last: int | None) -> ColumnElement[bool]:
    clauses = [column >= first] if first is not None else []
    if last is not None:
        clauses.append(column < last)
    return and_(*clauses) if clauses else column >= 0


def _first_and_last(session: ReadSession, link: Link, span: Range) -> tuple[datetime | None, datetime | None]:
    """When the first and last click in the range was: exact where single clicks are kept, else the hour."""
    first_hour, last_hour = _hours(span)
    counted = select(func.min(ClickHour.hour), func.max(ClickHour.hour)).where(
        ClickHour.link_id == link.id,
        ClickHour.dimension == ALL,
        ClickHour.clicks > 0,
        _between(ClickHour.hour, first_hour, last_hour),
    )
    lowest, highest = session.execute(counted).one()
    if lowest is None:
        return None, None
    first = datetime.fromtimestamp(lowest * HOUR, UTC)
    last = datetime.fromtimestamp(highest * HOUR, UTC)

    def exact(hour: datetime, newest: bool) -> datetime:
        within = (
            Click.link_id == link.id,
            Click.kind == "click",
            Click.at >= hour,
            Click.at < hour + timedelta(hours=1),
        )
        value = session.scalar(select(func.max(Click.at) if newest else func.min(Click.at)).where(*within))
        return value or hour

    return exact(first, False), exact(last, True)


# Series


def series(session: ReadSession, link_ids: Sequence[int], span: Range) -> list[Point]:
    """The bars of a chart, without gaps, at most MOST_POINTS. Raises Invalid for more."""
    counts = (_minutes if span.unit == "minute" else _hourly)(session, link_ids, span)
    if not counts and (span.start is None or span.end is None):
        return []
    start = _floor(span.start or min(counts), span)
    end = span.end or max(max(counts, default=start), start) + timedelta(seconds=1)
    points: list[Point] = []
    at = start
    grouped: dict[datetime, list[int]] = {}
    for moment, (clicks, uniques) in counts.items():
        slot = grouped.setdefault(_floor(moment, span), [0, 0])
        slot[0] += clicks
        slot[1] += uniques
    while at < end:
        if len(points) >= MOST_POINTS:
            raise Invalid(f"The series would have over {MOST_POINTS:,} points: choose a larger unit.", field="unit")
        clicks, uniques = grouped.get(at, (0, 0))
        points.append(Point(at, clicks, uniques))
        at = _next(at, span)
    return points


def _hourly(session: ReadSession, link_ids: Sequence[int], span: Range) -> dict[datetime, tuple[int, int]]:
    first, last = _hours(span)
    statement = (
        select(ClickHour.hour, func.sum(ClickHour.clicks), func.sum(ClickHour.uniques))
        .where(ClickHour.link_id.in_(link_ids), ClickHour.dimension == ALL, _between(ClickHour.hour, first, last))
        .group_by(ClickHour.hour)
    )
    return {
        datetime.fromtimestamp(row[0] * HOUR, UTC): (int(row[1]), int(row[2])) for row in session.execute(statement)
    }


def _minutes(session: ReadSession, link_ids: Sequence[int], span: Range) -> dict[datetime, tuple[int, int]]:
    """From single clicks, which are kept for a while; visitors are not told apart within a minute."""
    end = span.end or clock.now()
    start = span.start or end - timedelta(hours=1)
    if end - start > timedelta(days=1, hours=1):
        raise Invalid("Minutes are shown for at most a day.", field="unit")
    statement = select(Click.at).where(
        Click.link_id.in_(link_ids), Click.kind == "click", Click.at >= start, Click.at < end
    )
    counts: dict[datetime, tuple[int, int]] = {}
    for at in session.scalars(statement):
        minute = at.replace(second=0, microsecond=0)
        counts[minute] = (counts.get(minute, (0, 0))[0] + 1, 0)
    return counts


def _floor(moment: datetime, span: Range) -> datetime:
    """The start of the unit that holds a moment, in the range's zone."""
    local = moment.astimezone(span.zone).replace(second=0, microsecond=0)
    if span.unit == "minute":
        return local.astimezone(UTC)
    local = local.replace(minute=0)
    if span.unit != "hour":
        local = local.replace(hour=0)
    if span.unit == "week":
        local -= timedelta(days=local.weekday())
    if span.unit == "month":
        local = local.replace(day=1)
    return local.astimezone(UTC)


def _next(start: datetime, span: Range) -> datetime:
    if span.unit in ("minute", "hour"):
        return start + _STEPS[span.unit]
    local = start.astimezone(span.zone)
    days = {"day": 1, "week": 7, "month": 32}[span.unit]
    # Noon of a later day, so that a change of the clocks does not lead into the same unit again.
    return _floor(local.replace(hour=12) + timedelta(days=days), span)
