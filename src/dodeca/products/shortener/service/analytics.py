"""What came of links: read from roll-ups, so that a million clicks cost as much as a thousand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select

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
    sums = _sums(session, [link.id], span, (ALL, LEFT_OUT, *BREAKDOWNS.values()))
    clicks, uniques, bots = sums.get((ALL, ""), (0, 0, 0))
    left_out = {value: counts[0] for (dimension, value), counts in sums.items() if dimension == LEFT_OUT}
    impressions = left_out.get("impression", 0)
    first, last = _first_and_last(session, link, span)
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
        **{name: _values(sums, dimension) for name, dimension in BREAKDOWNS.items()},
    )


def totals(session: ReadSession, link_ids: Sequence[int], span: Range) -> tuple[int, int, int]:
    """Clicks, unique visitors and bots of links in a range."""
    return _sums(session, link_ids, span, (ALL,)).get((ALL, ""), (0, 0, 0))


def breakdown(session: ReadSession, link_ids: Sequence[int], span: Range, dimension: str) -> list[Value]:
    """Clicks by value of a dimension (country, device, os, browser, language, referrer, source), most first."""
    return _values(_sums(session, link_ids, span, (dimension,)), dimension)


def _values(sums: Mapping[tuple[str, str], tuple[int, int, int]], dimension: str) -> list[Value]:
    found = [Value(value, counts[0]) for (of, value), counts in sums.items() if of == dimension and counts[0]]
    return sorted(found, key=lambda entry: (-entry.clicks, entry.value))[:MOST_VALUES]


def _sums(
    session: ReadSession, link_ids: Sequence[int], span: Range, dimensions: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Sums by dimension and value: whole days from the roll-up of days, the edges from that of hours."""
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    for table, period, first, last in _pieces(span):
        within = _between(period, first, last)
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


def _pieces(span: Range) -> list[tuple[Any, Any, int | None, int | None]]:
    """What a range is read from: the roll-up of days for whole ones, that of hours for the edges. A table, its column
    of the period, and from which on and before which."""
    first, last = _hours(span)
    first_day = None if first is None else -(-first // 24)
    last_day = None if last is None else last // 24
    if first_day is not None and last_day is not None and first_day >= last_day:
        return [(ClickHour, ClickHour.hour, first, last)]
    pieces: list[tuple[Any, Any, int | None, int | None]] = [(ClickDay, ClickDay.day, first_day, last_day)]
    if first is not None and first_day is not None and first < first_day * 24:
        pieces.append((ClickHour, ClickHour.hour, first, first_day * 24))
    if last is not None and last_day is not None and last_day * 24 < last:
        pieces.append((ClickHour, ClickHour.hour, last_day * 24, last))
    return pieces


def _hours(span: Range) -> tuple[int | None, int | None]:
    """The range in hours since the epoch: from the one that holds its start to the one that holds its end."""
    first = None if span.start is None else int(span.start.timestamp()) // HOUR
    last = None if span.end is None else math.ceil(span.end.timestamp() / HOUR)
    return first, last


def _between(column: Any, first: int | None, last: int | None) -> ColumnElement[bool]:
    clauses = [column >= first] if first is not None else []
    if last is not None:
        clauses.append(column < last)
    return and_(*clauses) if clauses else column >= 0


def _first_and_last(session: ReadSession, link: Link, span: Range) -> tuple[datetime | None, datetime | None]:
    """When the first and last click in the range was: exact where single clicks are kept, else the hour."""
    counted = select(ClickHour.hour).where(
        ClickHour.link_id == link.id,
        ClickHour.dimension == ALL,
        ClickHour.clicks > 0,
        _between(ClickHour.hour, *_hours(span)),
    )
    # Each by itself: asked for together, all hours between them would be read.
    lowest = session.scalar(counted.order_by(ClickHour.hour).limit(1))
    highest = session.scalar(counted.order_by(ClickHour.hour.desc()).limit(1))
    if lowest is None or highest is None:
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
    counts = (_minutes if span.unit == "minute" else _periods)(session, link_ids, span)
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


def _periods(session: ReadSession, link_ids: Sequence[int], span: Range) -> dict[datetime, tuple[int, int]]:
    """Clicks and unique visitors by hour, or by UTC day where the bars are made of such days."""
    by_day = span.unit != "hour" and span.zone.key == "UTC"
    pieces = _pieces(span) if by_day else [(ClickHour, ClickHour.hour, *_hours(span))]
    counts: dict[datetime, tuple[int, int]] = {}
    for table, _, first, last in pieces:
        seconds = DAY if table is ClickDay else HOUR
        bounds = {"first": 0 if first is None else first, "end": _END if last is None else last}
        for link_id in link_ids:
            for period, clicks, uniques in session.execute(_totals[table], {"link": link_id, **bounds}):
                moment = datetime.fromtimestamp(period * seconds, UTC)
                before = counts.get(moment, (0, 0))
                counts[moment] = (before[0] + clicks, before[1] + uniques)
    return counts


def _totals_of(table: Any, period: Any) -> Select[Any]:
    """The totals of a link in each period of a range. A period's rows of all dimensions lie together in the index, a
    hundred perhaps, of which one is wanted: so each time the next period is looked up, rather than the next row."""
    start = select(func.min(period).label("period")).where(table.link_id == _link, period >= bindparam("first"))
    walk = start.cte("walk", recursive=True)
    following = select(func.min(period)).where(table.link_id == _link, period > walk.c.period).scalar_subquery()
    walk = walk.union_all(select(following).where(walk.c.period < bindparam("end")))
    return (
        select(walk.c.period, table.clicks, table.uniques)
        .select_from(walk)
        .join(table, and_(table.link_id == _link, period == walk.c.period, table.dimension == ALL, table.value == ""))
        .where(walk.c.period < bindparam("end"))
    )


_link = bindparam("link", type_=ClickHour.link_id.type)
_END = 2**31 - 1
"""After the last period of any calendar."""
_totals = {ClickHour: _totals_of(ClickHour, ClickHour.hour), ClickDay: _totals_of(ClickDay, ClickDay.day)}


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
