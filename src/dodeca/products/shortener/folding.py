"""Folding journals: each recorded request becomes a row, roll-ups and counters, exactly once.

Clicks are read and understood outside a unit of work. The unit then compares the journal's stored offset with where
reading began, adds everything, and moves the offset: a crash in between repeats all of it or nothing.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast

import structlog
from sqlalchemy import Table, bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.platform import removing
from dodeca.products.shortener import metrics
from dodeca.products.shortener.agents import is_bot, language_of, read_user_agent, referrer_host
from dodeca.products.shortener.journal import Click as Recording
from dodeca.products.shortener.journal import JournalReader, Recorded, list_journals
from dodeca.products.shortener.models import (
    Click,
    ClickDay,
    ClickHour,
    JournalOffset,
    Link,
    OrphanVisit,
    Visitor,
    VisitorSalt,
)
from dodeca.products.shortener.service.analytics import ALL, DAY, HOUR, LEFT_OUT
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.visitors import day_of, new_salt, visitor_hash

log = structlog.get_logger(__name__)
BATCH = 400
"""Clicks in one unit of work: long enough to be quick, short enough to let other writers in between."""
PAUSE_SECONDS = 0.4
LATE = timedelta(days=1)
"""Clicks that are folded later than this after their day find no salt, and are counted without visitors."""
UNKNOWN = "unknown"
_LONGEST_VALUE = 100

_insert_visitor = Prepared(postgresql.insert(cast(Table, Visitor.__table__)).on_conflict_do_nothing())
_count_up = (
    update(Link)
    .where(Link.id == bindparam("link"))
    .values(
        clicks=Link.clicks + bindparam("more_clicks"),
        unique_visitors=Link.unique_visitors + bindparam("more_visitors"),
        bots=Link.bots + bindparam("more_bots"),
        last_click_at=case(
            (bindparam("newest", type_=Link.last_click_at.type).is_(None), Link.last_click_at),
            (Link.last_click_at > bindparam("newest", type_=Link.last_click_at.type), Link.last_click_at),
            else_=bindparam("newest", type_=Link.last_click_at.type),
        ),
    )
    .returning(Link.user_id, Link.clicks, Link.unique_visitors, Link.bots, Link.last_click_at)
    .execution_options(synchronize_session=False)
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


class Folder:
    """Folds the journals of this machine. Any number of processes may try: one does it at a time."""

    def __init__(self, shortener: Shortener) -> None:
        self._shortener = weakref.ref(shortener)
        self._salts: dict[date, bytes | None] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Fold from now on, in a thread of this process."""
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="shortener-folder", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop, after what is being folded."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                self.fold(wait=False)
            except ReferenceError:
                return
            except Unavailable as error:
                log.warning("shortener.folding_postponed", error=str(error))
                self._stop.wait(1.0)
            except Exception:
                log.exception("shortener.folding_failed")
                self._stop.wait(5.0)

    def fold(self, *, wait: bool = True) -> int:
        """Fold all that is recorded now; gives how many requests. With `wait` also what another process is at."""
        shortener = self._shortener()
        if shortener is None:
            raise ReferenceError("The shortener is gone.")
        folder = shortener.journal_folder
        if not folder.is_dir():
            return 0
        total = 0
        with self._lock, _alone(folder, wait) as mine:
            if not mine:
                return 0
            for name in list_journals(folder):
                total += self._fold_journal(shortener, JournalReader(folder, name), eager=wait)
        metrics.journal_lag.set(0)
        return total

    def _fold_journal(self, shortener: Shortener, reader: JournalReader, *, eager: bool) -> int:
        offset = shortener.db.read(lambda session: _offset(session, reader.name))
        total = 0
        if reader.end() <= offset:
            return 0
        while batch := list(reader.read(offset, BATCH)):
            started = time.perf_counter()
            metrics.journal_lag.set(max(0.0, clock.timestamp() - batch[0][1].at / 1000))
            understood = [self._understand(shortener, click) for _, click in batch]
            start, end = offset, batch[-1][0]
            done = shortener.db.write(
                lambda session, s=start, e=end, u=understood: _add(session, shortener, reader.name, s, e, u)  # type: ignore[misc]
            )
            if not done:
                return total  # another process on a shared folder was faster
            offset = end
            total += len(batch)
            with removing(shortener.data) as free:  # a backup may hold an earlier offset: it takes the segments along
                if free:
                    reader.remove_folded(offset)
            if not eager:  # leave the processor to those who wait for answers
                time.sleep(min(1.0, time.perf_counter() - started))
        for damage in reader.damage:
            log.error("shortener.journal_damaged", journal=reader.name, offset=damage.offset, bytes=damage.length)
        return total

    def _understand(self, shortener: Shortener, click: Recording) -> Understood:
        day = day_of(click.at)
        if click.kind == Recorded.ORPHAN:
            kind = "orphan"
        elif click.kind == Recorded.VISIT:
            kind = "bot" if is_bot(click.user_agent) else "click"
        else:
            kind = Recorded(click.kind).name.lower()
        visitor = None
        if kind == "click" and not click.private:
            salt = self._salt(shortener, day)
            if salt is not None:
                visitor = visitor_hash(salt, click.link_id, click.address, click.user_agent)
        agent = read_user_agent(click.user_agent)
        place = shortener.geolocation.place(click.address)
        values = {
            "country": place.country or UNKNOWN,
            "device": agent.device.value,
            "os": agent.os[:_LONGEST_VALUE],
            "browser": agent.browser[:_LONGEST_VALUE],
            "language": language_of(click.language) or UNKNOWN,
            "referrer": referrer_host(click.referrer),
            "source": click.source or "link",
        }
        # What cannot be stored must not stop everything behind it: PostgreSQL has no NUL in its texts.
        return Understood(
            click.link_id, click.at, kind, {name: _storable(text) for name, text in values.items()}, place.city,
            _storable(click.user_agent[:512]), click.rule_id, day, visitor, _storable(click.detail),
        )  # fmt: skip

    def _salt(self, shortener: Shortener, day: date) -> bytes | None:
        today = clock.now().date()
        if day not in self._salts:
            self._salts = {known: salt for known, salt in self._salts.items() if known >= today - LATE}
            self._salts[day] = shortener.db.write(lambda session: _salt_of(session, day, make=day >= today - LATE))
        return self._salts[day]


def _storable(text: str) -> str:
    return text.replace("\0", "")


def _salt_of(session: WriteSession, day: date, *, make: bool) -> bytes | None:
    if make:
        values = {"day": day, "salt": new_salt()}
        session.execute(postgresql.insert(VisitorSalt).values(values).on_conflict_do_nothing())
    return session.scalar(select(VisitorSalt.salt).where(VisitorSalt.day == day))


@contextmanager
def _alone(folder: Any, wait: bool) -> Iterator[bool]:
    """Keep other processes of this machine from folding; False when one is at it."""
    descriptor = os.open(folder / "fold.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _offset(session: ReadSession, name: str) -> int:
    return session.scalar(select(JournalOffset.offset).where(JournalOffset.name == name)) or 0


def _add(
    session: WriteSession, shortener: Shortener, name: str, start: int, end: int, items: Sequence[Understood]
) -> bool:
    """Add a batch and move the offset; False when the offset is not where the batch begins."""
    values = {"name": name, "offset": 0, "records": 0}
    session.execute(postgresql.insert(JournalOffset).values(values).on_conflict_do_nothing())
    moved = (
        update(JournalOffset)
        .where(JournalOffset.name == name, JournalOffset.offset == start)
        .values(offset=end, records=JournalOffset.records + len(items))
    )
    if getattr(session.execute(moved), "rowcount", 0) != 1:
        return False
    known = set(session.scalars(select(Link.id).where(Link.id.in_({item.link_id for item in items}))))
    _add_orphans(session, [item for item in items if item.kind == "orphan"])
    counted = [item for item in items if item.link_id in known]
    _add_rows(session, counted)
    _add_counts(session, shortener, counted)
    return True


def _add_orphans(session: WriteSession, items: Sequence[Understood]) -> None:
    rows = []
    for item in items:
        domain, _, path = item.detail.partition("/")
        rows.append(
            {
                "domain_id": int(domain) if domain.isdecimal() else 0,
                "at": _moment(item.at),
                "path": path,
                "bot": is_bot(item.user_agent),
                "referrer": item.values["referrer"],
                "country": item.values["country"],
                "user_agent": item.user_agent,
            }
        )
    if rows:
        session.execute(cast(Table, OrphanVisit.__table__).insert(), rows)


def _add_rows(session: WriteSession, items: Sequence[Understood]) -> None:
    rows = [
        {
            "link_id": item.link_id,
            "at": _moment(item.at),
            "kind": item.kind,
            **item.values,
            "city": item.city,
            "user_agent": item.user_agent,
            "rule_id": item.rule_id,
        }
        for item in items
    ]
    if rows:
        session.execute(cast(Table, Click.__table__).insert(), rows)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _add_counts(session: WriteSession, shortener: Shortener, items: Sequence[Understood]) -> None:
    counts: dict[tuple[int, int, str, str], list[int]] = {}
    links: dict[int, list[int]] = {}
    newest: dict[int, int] = {}

    def add(item: Understood, dimension: str, value: str, clicks: int, uniques: int, bots: int) -> None:
        slot = counts.setdefault((item.link_id, item.at // (HOUR * 1000), dimension, value), [0, 0, 0])
        slot[0] += clicks
        slot[1] += uniques
        slot[2] += bots

    for item in items:
        total = links.setdefault(item.link_id, [0, 0, 0])
        if item.kind == "click":
            unique = _is_new_visitor(session, item)
            total[0] += 1
            total[1] += unique
            newest[item.link_id] = max(item.at, newest.get(item.link_id, 0))
            add(item, ALL, "", 1, unique, 0)
            for dimension, value in item.values.items():
                add(item, dimension, value, 1, unique, 0)
        elif item.kind == "bot":
            total[2] += 1
            add(item, ALL, "", 0, 0, 1)
        else:
            add(item, LEFT_OUT, item.kind, 1, 0, 0)
    _store_counts(session, counts)
    for link_id, (clicks, uniques, bots) in sorted(links.items()):  # one order in all processes, so that none deadlock
        at = newest.get(link_id)
        values = {
            "link": link_id,
            "more_clicks": clicks,
            "more_visitors": uniques,
            "more_bots": bots,
            "newest": _moment(at) if at else None,
        }
        row = session.execute(_count_up, values).one()
        _tell(session, shortener, link_id, tuple(row))


def _is_new_visitor(session: WriteSession, item: Understood) -> int:
    if item.visitor is None:
        return 0
    return _insert_visitor.run(session, link_id=item.link_id, day=item.day, visitor_hash=item.visitor)


def _store_counts(session: WriteSession, counts: dict[tuple[int, int, str, str], list[int]]) -> None:
    days: dict[tuple[int, int, str, str], list[int]] = {}
    for (link_id, hour, dimension, value), added in counts.items():
        slot = days.setdefault((link_id, hour * HOUR // DAY, dimension, value), [0, 0, 0])
        for position, count in enumerate(added):
            slot[position] += count
    insert = sqlite.insert if session.dialect == "sqlite" else postgresql.insert
    for model, period, found in ((ClickHour, "hour", counts), (ClickDay, "day", days)):
        rows = [
            {
                "link_id": link_id, period: at, "dimension": dimension, "value": value,
                "clicks": added[0], "uniques": added[1], "bots": added[2],
            }
            for (link_id, at, dimension, value), added in sorted(found.items())
        ]  # fmt: skip
        if not rows:
            continue
        statement = insert(cast(Table, model.__table__))
        adding = {
            name: getattr(model, name) + getattr(statement.excluded, name) for name in ("clicks", "uniques", "bots")
        }
        keys = ["link_id", period, "dimension", "value"]
        session.execute(statement.on_conflict_do_update(index_elements=keys, set_=adding), rows)


def _tell(session: WriteSession, shortener: Shortener, link_id: int, row: tuple[Any, ...]) -> None:
    """Open pages learn of the new numbers once they are committed."""
    user_id, clicks, unique_visitors, bots, last_click_at = row
    news = {
        "id": str(link_id),
        "clicks": clicks,
        "unique_visitors": unique_visitors,
        "bots": bots,
        "last_click_at": clock.rfc3339(last_click_at) if last_click_at else None,
    }
    session.after_commit(lambda: shortener.realtime.publish(f"shortener:link:{link_id}", "clicks", news))
    if user_id is not None:
        session.after_commit(lambda: shortener.realtime.publish(f"shortener:account:{user_id}", "clicks", news))


def forget_clicks(session: WriteSession, link: Link) -> int:
    """Remove every number of a link (its owner asked for it); gives how many clicks there were."""
    before = link.clicks + link.bots
    for table in (Click, ClickHour, ClickDay, Visitor):
        session.execute(cast(Table, table.__table__).delete().where(table.link_id == link.id))
    link.clicks = link.unique_visitors = link.bots = 0
    link.last_click_at = None
    return before
