"""The sweep of the media store: files that no row names any more go, but never at once.

A column that holds keys of the store says so: `mapped_column(info=MEDIA)`. A file that none of them names, and that was
last stored more than `GRACE_DAYS` ago, is set aside; after the setting `media_sweep_days` it is removed. Each sweep
first puts back what is aside and named (again): an upload of the same bytes that came in the same moment, a database
that was restored from a backup. So a race costs at most a while, never a file."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from sqlalchemy import Column, delete, inspect, select

from dodeca.kernel import clock
from dodeca.kernel.db import Model, ReadSession, WriteSession
from dodeca.kernel.jobs import JobContext, Nothing, Schedule, job
from dodeca.kernel.media.models import MediaSweep

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
GRACE_DAYS: Final = 2
"""Age before which nothing is touched: a file is stored before the row that names it, an upload may take hours."""
NOTED_DAYS: Final = 366
"""How long it is known what a sweep did."""
_ROWS: Final = 10_000


class Swept(msgspec.Struct):
    """What a sweep did: files looked at, set aside (and their bytes), put back, removed."""

    seen: int = 0
    aside: int = 0
    aside_bytes: int = 0
    back: int = 0
    removed: int = 0


def columns() -> list[Column[Any]]:
    """Every column that names files, of all that is installed, whether it is served or not."""
    return [column for table in Model.metadata.sorted_tables for column in table.columns if column.info.get("media")]


class InUse:
    """The keys that rows name, by their first 60 bits: a million take some 60 MB, and keys that are alike by chance
    are kept."""

    def __init__(self, session: ReadSession) -> None:
        there = set(inspect(session.connection()).get_table_names())
        self._known: set[int] = set()
        for column in columns():
            if column.table.name in there:
                named = select(column).where(column.is_not(None)).execution_options(yield_per=_ROWS)
                self._known.update(map(_short, session.scalars(named)))

    def __contains__(self, key: str) -> bool:
        return _short(key) in self._known


def _short(key: str) -> int:
    try:
        return int(key[:15], 16)
    except ValueError:  # no key of the store
        return -1


async def sweep(platform: Platform, *, kept_days: int) -> Swept:
    """Put back, remove and set aside."""
    media, done, now = platform.media, Swept(), datetime.fromtimestamp(time.time(), UTC)
    used = await platform.db.aread(InUse)
    over = (now - timedelta(days=kept_days)).date().isoformat()
    for day, key in await asyncio.to_thread(media.aside):
        if key in used:
            await media.put_back(day, key)
            done.back += 1
        elif day < over:
            await media.remove_aside(day, key)
            done.removed += 1
    moved: list[str] = []
    today, young = now.date().isoformat(), now - timedelta(days=GRACE_DAYS)
    async for stored in media.walk():
        done.seen += 1
        if stored.modified < young and stored.key not in used:
            await media.set_aside(today, stored.key)
            moved.append(stored.key)
            done.aside_bytes += stored.size
    done.aside = len(moved)
    if moved:
        used = await platform.db.aread(InUse)
        for key in moved:
            if key in used:
                await media.put_back(today, key)
                done.back += 1
    return done


@job("platform.sweep_media", cron="11 4 * * *", attempts=2)
async def sweep_media(context: JobContext, _payload: Nothing) -> None:
    """Sweep the media store, unless the settings say never."""
    days = context.platform.settings.media_sweep_days
    if days:
        done = await sweep(context.platform, kept_days=days)
        await context.platform.db.awrite(lambda session: _note(session, done))
        tell = log.info if done.aside or done.back or done.removed else log.debug
        tell("media.swept", **msgspec.structs.asdict(done))


def _note(session: WriteSession, done: Swept) -> None:
    now = clock.now()
    session.execute(delete(MediaSweep).where(MediaSweep.ended_at < now - timedelta(days=NOTED_DAYS)))
    session.add(MediaSweep(ended_at=now, **msgspec.structs.asdict(done)))


class Aside(msgspec.Struct, frozen=True):
    """Files that were set aside on one day, and when they go for good: at a sweep after the day `until`."""

    day: str
    files: int
    until: str


def aside_by_day(platform: Platform) -> list[Aside]:
    """What lies aside now, the oldest first. From a thread."""
    kept = timedelta(days=platform.settings.media_sweep_days)
    days = sorted(Counter(day for day, _key in platform.media.aside()).items())
    return [Aside(day, files, (date.fromisoformat(day) + kept).isoformat()) for day, files in days]


def latest(session: ReadSession, limit: int = 7) -> Sequence[MediaSweep]:
    """The latest sweeps that came to their end, the last first."""
    return session.scalars(select(MediaSweep).order_by(MediaSweep.id.desc()).limit(limit)).all()


def next_sweep(session: ReadSession) -> datetime | None:
    """When the store is swept next."""
    return session.scalar(select(Schedule.next_run_at).where(Schedule.name == sweep_media.name))


def problems(platform: Platform) -> Iterator[str]:
    """Whether files are set aside that a row names, for `dodeca doctor`."""
    aside = platform.media.aside()
    if not aside:
        return
    used = platform.db.read(InUse)
    found = sorted(key for _day, key in aside if key in used)
    if found:
        yield f"{len(found)} files in use are set aside, such as {found[0]}: the next sweep puts them back"
