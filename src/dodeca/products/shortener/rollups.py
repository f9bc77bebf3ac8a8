"""Adding recorded requests to the database: a row each, roll-ups by hour and day, and the counters of links.

All of a batch is one unit of work, which also moves the journal's offset. Statements are prepared: there are twenty
values to count for a click, and clicks come by the thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, case, select, update
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.products.shortener.agents import is_bot
from dodeca.products.shortener.models import Click, ClickDay, ClickHour, JournalOffset, Link, OrphanVisit, Visitor
from dodeca.products.shortener.service.analytics import ALL, DAY, HOUR, LEFT_OUT

COUNTED = ("clicks", "uniques", "bots")


def _table(model: type) -> Table:
    return cast(Table, cast(Any, model).__table__)


def _inserting(model: type) -> Prepared:
    """Insert a row whose id the database gives."""
    table = _table(model)
    return Prepared(
        table.insert().values({c.key: bindparam(c.key, type_=c.type) for c in table.columns if c.key != "id"})
    )


def _adding(model: type, period: str) -> Prepared:
    """Add to the counts of a roll-up's row, or make it."""
    table = _table(model)
    statement = postgresql.insert(table)
    sums = {name: table.c[name] + statement.excluded[name] for name in COUNTED}
    keys = ["link_id", period, "dimension", "value"]
    return Prepared(statement.on_conflict_do_update(index_elements=keys, set_=sums))


_links = _table(Link)
_link_id = _links.c.short_url_id
_newest = bindparam("newest", type_=_links.c.last_click_at.type)
_add_hours = _adding(ClickHour, "hour")
_add_days = _adding(ClickDay, "day")
_insert_click = _inserting(Click)
_insert_orphan = _inserting(OrphanVisit)
_insert_visitor = Prepared(postgresql.insert(_table(Visitor)).on_conflict_do_nothing())
_insert_journal = Prepared(postgresql.insert(_table(JournalOffset)).on_conflict_do_nothing())
_offset_of = Prepared(select(JournalOffset.offset).where(JournalOffset.name == bindparam("journal")))
_move_offset = Prepared(
    update(_table(JournalOffset))
    .where(JournalOffset.name == bindparam("journal"), JournalOffset.offset == bindparam("start"))
    .values(offset=bindparam("end"), records=JournalOffset.records + bindparam("more"))
)
_count_up = Prepared(
    update(_links)
    .where(_link_id == bindparam("link"))
    .values(
        clicks=_links.c.clicks + bindparam("more_clicks"),
        unique_visitors=_links.c.unique_visitors + bindparam("more_visitors"),
        bots=_links.c.bots + bindparam("more_bots"),
        last_click_at=case(
            (_newest.is_(None), _links.c.last_click_at),
            (_links.c.last_click_at > _newest, _links.c.last_click_at),
            else_=_newest,
        ),
    )
    .returning(_links.c.clicks, _links.c.unique_visitors, _links.c.bots, _links.c.last_click_at)
)


class Understood(NamedTuple):
    """A recorded request with everything that was derived from it."""

    link_id: int
    at: int
    kind: str
    values: dict[str, str]
    city: str
    user_agent: str
    rule_id: int
    day: date
    visitor: int | None
    detail: str


class News(NamedTuple):
    """The numbers of a link after a batch, for the pages that show them."""

    link_id: int
    numbers: Mapping[str, object]


class Progress(NamedTuple):
    """A batch was added. `lag` is how old its first request was, in seconds; 0 when nothing waits."""

    lag: float
    news: Sequence[News]


def offset_of(session: ReadSession, journal: str) -> int:
    """How far a journal is in the numbers."""
    row = _offset_of.first(session, journal=journal)
    return 0 if row is None else int(row[0])


def add(session: WriteSession, journal: str, start: int, end: int, items: Sequence[Understood]) -> list[News] | None:
    """Add a batch and move the offset; None when the offset is not where the batch begins."""
    _insert_journal.run(session, name=journal, offset=0, records=0)
    if _move_offset.run(session, journal=journal, start=start, end=end, more=len(items)) != 1:
        return None
    _insert_orphan.run_many(session, [_orphan(item) for item in items if item.kind == "orphan"])
    counts = _Counts()
    counted = [item for item in items if item.kind != "orphan"]
    known = _known(session, {item.link_id for item in counted})
    counted = [item for item in counted if item.link_id in known]
    for item in counted:
        counts.add(session, item)
    _insert_click.run_many(session, [_row(item) for item in counted])
    return counts.store(session)


def _known(session: ReadSession, link_ids: set[int]) -> set[int]:
    """Which of these links there are still."""
    return set(session.scalars(select(Link.id).where(Link.id.in_(link_ids)))) if link_ids else set()


def _orphan(item: Understood) -> dict[str, object]:
    domain, _, path = item.detail.partition("/")
    return {
        "domain_id": int(domain) if domain.isdecimal() else 0,
        "at": _moment(item.at),
        "path": path,
        "bot": is_bot(item.user_agent),
        "referrer": item.values["referrer"],
        "country": item.values["country"],
        "user_agent": item.user_agent,
    }


def _row(item: Understood) -> dict[str, object]:
    return {
        "link_id": item.link_id,
        "at": _moment(item.at),
        "kind": item.kind,
        **item.values,
        "city": item.city,
        "user_agent": item.user_agent,
        "rule_id": item.rule_id,
    }


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class _Counts:
    """What a batch adds."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, int, str, str], list[int]] = {}
        self._links: dict[int, list[int]] = {}
        self._newest: dict[int, int] = {}

    def add(self, session: WriteSession, item: Understood) -> None:
        total = self._links.setdefault(item.link_id, [0, 0, 0])
        if item.kind == "click":
            unique = _is_new_visitor(session, item)
            total[0] += 1
            total[1] += unique
            self._newest[item.link_id] = max(item.at, self._newest.get(item.link_id, 0))
            self._count(item, ALL, "", 1, unique, 0)
            for dimension, value in item.values.items():
                self._count(item, dimension, value, 1, unique, 0)
        elif item.kind == "bot":
            total[2] += 1
            self._count(item, ALL, "", 0, 0, 1)
        else:
            self._count(item, LEFT_OUT, item.kind, 1, 0, 0)

    def _count(self, item: Understood, dimension: str, value: str, clicks: int, uniques: int, bots: int) -> None:
        slot = self._hours.setdefault((item.link_id, item.at // (HOUR * 1000), dimension, value), [0, 0, 0])
        slot[0] += clicks
        slot[1] += uniques
        slot[2] += bots

    def store(self, session: WriteSession) -> list[News]:
        """Write it, in one order in all processes, so that none deadlock."""
        days: dict[tuple[int, int, str, str], list[int]] = {}
        for (link_id, hour, dimension, value), (clicks, uniques, bots) in self._hours.items():
            slot = days.setdefault((link_id, hour * HOUR // DAY, dimension, value), [0, 0, 0])
            slot[0] += clicks
            slot[1] += uniques
            slot[2] += bots
        _add_hours.run_many(session, _rollups("hour", self._hours))
        _add_days.run_many(session, _rollups("day", days))
        stored = (self._store_link(session, link_id) for link_id in sorted(self._links))
        return [news for news in stored if news is not None]

    def _store_link(self, session: WriteSession, link_id: int) -> News | None:
        clicks, uniques, bots = self._links[link_id]
        at = self._newest.get(link_id)
        row = _count_up.first(
            session,
            link=link_id,
            more_clicks=clicks,
            more_visitors=uniques,
            more_bots=bots,
            newest=None if at is None else _moment(at),
        )
        if row is None:
            return None  # removed for good meanwhile, with its numbers
        all_clicks, visitors, all_bots, last_click_at = row
        numbers = {
            "id": str(link_id),
            "clicks": all_clicks,
            "unique_visitors": visitors,
            "bots": all_bots,
            "last_click_at": clock.rfc3339(last_click_at) if last_click_at else None,
        }
        return News(link_id, numbers)


def _is_new_visitor(session: WriteSession, item: Understood) -> int:
    if item.visitor is None:
        return 0
    return _insert_visitor.run(session, link_id=item.link_id, day=item.day, visitor_hash=item.visitor)


def _rollups(period: str, counts: Mapping[tuple[int, int, str, str], list[int]]) -> list[dict[str, object]]:
    return [
        {
            "link_id": link_id, period: at, "dimension": dimension, "value": value,
            "clicks": clicks, "uniques": uniques, "bots": bots,
        }
        for (link_id, at, dimension, value), (clicks, uniques, bots) in sorted(counts.items())
    ]  # fmt: skip


def forget_clicks(session: WriteSession, link: Link) -> int:
    """Remove every number of a link (its owner asked for it); gives how many clicks there were."""
    before = link.clicks + link.bots
    for table in (Click, ClickHour, ClickDay, Visitor):
        session.execute(cast(Table, table.__table__).delete().where(table.link_id == link.id))
    link.clicks = link.unique_visitors = link.bots = 0
    link.last_click_at = None
    return before
