"""Cycles of subscriptions: pure calculation with dates and money."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dodeca.kernel.errors import Invalid
from dodeca.kernel.money import half_up


def boundary(anchor: datetime, period: str, interval: int, number: int, zone: str) -> datetime:
    """When cycle `number` (from 0) begins, counted from the anchor in the customer's zone, at its time of day.

    A month without the anchor's day ends earlier and does not move the later ones: 31 January, 28 February, 31 March.
    """
    local = anchor.astimezone(ZoneInfo(zone))
    steps = interval * number
    if period == "daily":
        day = local.date() + timedelta(days=steps)
    elif period == "weekly":
        day = local.date() + timedelta(weeks=steps)
    else:
        day = _months_later(local.date(), steps * (12 if period == "yearly" else 1))
    return datetime.combine(day, local.timetz(), ZoneInfo(zone)).astimezone(anchor.tzinfo)


def _months_later(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def cycle_at(anchor: datetime, period: str, interval: int, moment: datetime, zone: str) -> int:
    """The number of the first cycle that begins at `moment` or later."""
    days = {"daily": 1.0, "weekly": 7.0, "monthly": 30.44, "yearly": 365.25}[period] * interval
    number = max(0, int((moment - anchor).total_seconds() / 86_400 / days) - 2)
    while boundary(anchor, period, interval, number, zone) < moment:
        number += 1
    return number


def left_of(total: int, start: datetime, end: datetime, moment: datetime, zone: str) -> int:
    """The part of a cycle's price for the days that are not used yet; with the used part it is the whole price.

    The day of `moment` counts as unused."""
    tz = ZoneInfo(zone)
    first, last, today = (point.astimezone(tz).date() for point in (start, end, moment))
    days = max(1, (last - first).days)
    used = min(max(0, (today - first).days), days)
    return total - half_up(total * used, days)


def zone_of(name: str) -> str:
    """A time zone's name. Raises Invalid."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid("There is no such time zone.", field="zone") from error
