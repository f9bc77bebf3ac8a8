"""How many listen to each station now, through all processes.

Each process knows its own; it tells the others at most every `TELL_SECONDS`, from the streams themselves, in a row that
soon ends by itself: whoever dies is not counted for long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, func, or_, select

from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.models import StationListeners
from dodeca.products.music.service.viewers import insert_for

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
TELL_SECONDS: Final = 10.0
COUNTED_SECONDS: Final = 30.0
"""How long others count what a process has told."""


class _Here:
    """The listeners of one process."""

    def __init__(self) -> None:
        self.process = ids.new_id()
        self.counts: Counter[int] = Counter()
        self.next_at = 0.0


_here: Final = OfPlatform(lambda _platform: _Here())


def counts(session: ReadSession, platform: Platform, station_ids: Sequence[int]) -> dict[int, int]:
    """How many listen to each of these stations."""
    here = _here(platform)
    others = select(StationListeners.station_id, func.sum(StationListeners.listeners)).where(
        StationListeners.station_id.in_(station_ids),
        StationListeners.process != here.process,
        StationListeners.until > clock.now(),
    )
    told = {row[0]: int(row[1]) for row in session.execute(others.group_by(StationListeners.station_id))}
    return {station_id: here.counts[station_id] + told.get(station_id, 0) for station_id in station_ids}


@contextmanager
def listening(platform: Platform, station_id: int) -> Iterator[None]:
    """Somebody listens while the block runs. They call `tell` every few seconds."""
    here = _here(platform).counts
    here[station_id] += 1
    try:
        yield
    finally:
        here[station_id] -= 1


async def tell(platform: Platform) -> None:
    """Tell the other processes, where that was not done lately."""
    here, now = _here(platform), clock.timestamp()
    if now < here.next_at:
        return
    here.next_at = now + TELL_SECONDS
    told = {station_id: number for station_id, number in here.counts.items() if number > 0}
    try:
        await platform.db.awrite(lambda session: _write(session, here.process, told))
    except DodecaError as error:  # the music plays on
        log.warning("music.listeners_not_told", reason=error.message)


def _write(session: WriteSession, process: str, told: dict[int, int]) -> None:
    over = StationListeners.until <= clock.now()
    session.execute(delete(StationListeners).where(or_(over, StationListeners.process == process)))
    until = clock.now() + timedelta(seconds=COUNTED_SECONDS)
    rows = [
        {"station_id": station_id, "process": process, "listeners": number, "until": until}
        for station_id, number in told.items()
    ]
    if rows:
        session.execute(insert_for(session)(StationListeners), rows)
