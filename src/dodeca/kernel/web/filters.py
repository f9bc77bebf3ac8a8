"""How times, numbers, money and sizes are written on a page. Each function here is a Jinja filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from markupsafe import Markup

from dodeca.kernel.clock import now, rfc3339

TimeStyle = Literal["relative", "date", "datetime", "clock"]
NBSP = "\u00a0"
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "INR": "₹", "JPY": "¥"}
_SIZES = ("kB", "MB", "GB", "TB", "PB")
_COMPACT = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))


def time(moment: datetime | date, style: TimeStyle = "relative") -> Markup:
    """A `<time>` element: "5 minutes ago", or by `style` a date, a date with time, or a time of day.

    Aware datetimes only. The full UTC time is the tooltip; the shell's script keeps relative texts up to date and
    turns the tooltip into the reader's own time zone. A plain date has no zone and is always written as a date.
    """
    if not isinstance(moment, datetime):
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), _date(moment))
    if moment.tzinfo is None:
        raise ValueError("A time on a page needs a time zone; kernel.clock gives aware ones.")
    stamp, full = rfc3339(moment), rfc3339_words(moment)
    text = {"relative": relative, "date": _date, "datetime": rfc3339_words, "clock": _clock}[style](moment)
    marker = " data-relative" if style == "relative" else ""
    # All four are words of ours: escaping them would take most of the time, a hundred times a page.
    return Markup(f'<time datetime="{stamp}" title="{full}"{marker}>{text}</time>')  # noqa: S704


def relative(moment: datetime) -> str:
    """How long ago or ahead a moment lies, in the largest fitting unit; from 30 days on, the date."""
    delta = moment - now()
    seconds = abs(delta).total_seconds()
    if seconds < 45:
        return "just now" if delta <= timedelta(0) else "in a moment"
    if seconds >= 30 * 86400:
        return _date(moment)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * 0.96:
            count = plural(max(1, round(seconds / size)), unit)
            return f"{count} ago" if delta < timedelta(0) else f"in {count}"
    return "a minute ago" if delta < timedelta(0) else "in a minute"


def _date(moment: date) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def rfc3339_words(moment: datetime) -> str:
    """A moment in words, in UTC: "1 May 2031, 12:00 UTC"."""
    utc = moment.astimezone(now().tzinfo)
    return f"{_date(utc)}, {utc:%H:%M} UTC"


def number(value: float, exact: bool = False) -> str:
    """A number for people: 999, 1.2k, 12.3k, 4.5M; with `exact` 12,345. Never rounded up into the next unit's 1000."""
    if exact or abs(value) < 1000:
        whole = value == int(value)
        return f"{int(value):,}" if whole else f"{value:,.2f}".rstrip("0").rstrip(".")
    size, letter = next((size, letter) for size, letter in _COMPACT if abs(value) >= size)
    # Truncated, so that 999,999 stays 999k: a counter must not claim a million that is not there.
    tenths = int(abs(value) * 10 // size)
    text = f"{tenths // 10}" if tenths >= 1000 or tenths % 10 == 0 else f"{tenths / 10:.1f}"
    return f"{'-' if value < 0 else ''}{text}{letter}"


def money(minor: int, currency: str, exponent: int) -> str:
    """An amount of minor units in words: `{{ 1999 | money("EUR", 2) }}` is €19.99; `exponent` by ISO 4217."""
    amount = Decimal(abs(minor)).scaleb(-exponent)
    sign = "−" if minor < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{amount:,.{exponent}f}" if symbol else f"{sign}{currency}{NBSP}{amount:,.{exponent}f}"


def filesize(size: int) -> str:
    """A number of bytes in decimal units, as disks and browsers count: 1.4 MB."""
    if abs(size) < 1000:
        return plural(size, "byte")
    value = float(size)
    for unit in _SIZES:
        value /= 1000
        if abs(value) < 999.95 or unit == _SIZES[-1]:
            return f"{value:.1f}".removesuffix(".0") + NBSP + unit
    raise AssertionError("unreachable: the last unit always fits")


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 click", "1,204 clicks"; `many` where an s is not enough."""
    return f"{count:,}{NBSP}{one if count == 1 else many or one + 's'}"


FILTERS: dict[str, Callable[..., str]] = {
    "time": time,
    "number": number,
    "money": money,
    "filesize": filesize,
    "plural": plural,
}
