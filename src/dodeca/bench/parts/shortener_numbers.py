"""How long the numbers of a much clicked link take."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Table, insert

from dodeca.bench.harness import Result, median

CLICKS = 1_000_000
DAYS = 60
COUNTRIES = 200
_SHARES = {
    "device": ("desktop", "mobile", "tablet"),
    "os": ("Windows", "macOS", "Linux", "Android", "iOS"),
    "browser": ("Chrome", "Firefox", "Safari", "Edge"),
    "language": ("en", "de", "fr", "es", "hi", "zh"),
    "referrer": ("direct", "news.example", "mail.example", "search.example"),
    "source": ("link", "qr"),
}
"""What clicks came from beside countries, of which every hour sees nearly all: more rows than most links have."""


def measured() -> list[Result]:
    """The analytics of a link with a million clicks in two months, by day and by hour."""
    from dodeca.bench.shortener import filled, opened
    from dodeca.products.shortener.models import Link
    from dodeca.products.shortener.service.analytics import analyse, read_range

    results = []
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data = Path(folder)
        filled(data, 1, lambda _: None)
        with opened(data) as platform:
            _store(platform)
            for unit in ("day", "hour"):
                taken = []
                for _ in range(9):
                    started = time.perf_counter()
                    span = read_range(None, None, unit, None)
                    platform.db.read(lambda session, s=span: analyse(session, session.query(Link).one(), "", s))  # type: ignore[misc]
                    taken.append(1000 * (time.perf_counter() - started))
                name = f"Analytics of {CLICKS:,} clicks by {unit}"
                value = median(taken)
                results.append(Result(name=name, value=value, unit="ms", target="≤ 50 ms", met=value <= 50))
    return results


def _store(platform: Any) -> None:
    """What folding a million clicks leaves: roll-ups by hour and day."""
    from dodeca.kernel import clock
    from dodeca.products.shortener.models import ClickDay, ClickHour, Link

    link_id = platform.db.read(lambda session: session.query(Link).one().id)
    today = int(clock.timestamp()) // 86_400
    hours: list[dict[str, object]] = []
    days: list[dict[str, object]] = []
    for day in range(today - DAYS, today):
        sums: dict[tuple[str, str], int] = {}
        for hour in range(day * 24, day * 24 + 24):
            for dimension, value, clicks in _of_an_hour(hour):
                sums[dimension, value] = sums.get((dimension, value), 0) + clicks
                hours.append(_row(link_id, "hour", hour, dimension, value, clicks))
        days += (_row(link_id, "day", day, dimension, value, clicks) for (dimension, value), clicks in sums.items())
    for model, rows in ((ClickHour, hours), (ClickDay, days)):
        table = cast(Table, model.__table__)
        platform.db.write(lambda session, t=table, r=rows: session.execute(insert(t), r) and None)


def _of_an_hour(hour: int) -> Iterator[tuple[str, str, int]]:
    chance = random.Random(hour)  # noqa: S311 - the same numbers each time
    clicks = CLICKS // (DAYS * 24)
    yield "all", "", clicks
    for dimension, values in (*_SHARES.items(), ("country", tuple(f"C{number}" for number in range(COUNTRIES)))):
        counts: dict[str, int] = {}
        for value in chance.choices(values, k=clicks):
            counts[value] = counts.get(value, 0) + 1
        for value, count in counts.items():
            yield dimension, value, count


def _row(link_id: int, period: str, at: int, dimension: str, value: str, clicks: int) -> dict[str, object]:
    counts = {"clicks": clicks, "uniques": clicks, "bots": 0}
    return {"link_id": link_id, period: at, "dimension": dimension, "value": value, **counts}
