"""What the API and the pages show of what somebody hears most."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import Listen, Song
from dodeca.products.music.service.viewers import Viewer, songs_for

RANGES: Final = {"day": 1, "week": 7, "month": 30, "year": 365}
"""Days of each."""
TOP: Final = 20


class TopView(msgspec.Struct):
    """Something and how often it was heard."""

    name: str
    artist: str
    plays: int
    id: str | None


class Stats(msgspec.Struct, kw_only=True):
    """What somebody heard in a span of time. `hours` counts listens by hour of the day (UTC)."""

    range: str
    plays: int
    minutes: int
    songs: list[TopView]
    artists: list[TopView]
    albums: list[TopView]
    hours: list[int]


def stats_of(session: ReadSession, viewer: Viewer, owner: str, range: str) -> Stats:
    """What somebody heard most in a span of time, as far as the viewer may see it."""
    rules: list[Any] = [Listen.user_id == owner, Listen.counted]
    if range != "all":
        rules.append(Listen.listened_at > clock.now() - timedelta(days=RANGES[range]))
    seen = (Listen.song_id.is_(None)) | Listen.song_id.in_(select(Song.id).where(songs_for(viewer)))
    if viewer.account_id != owner:
        rules.append(seen)
    length = func.coalesce(Listen.ms_played, Song.duration_ms, 0)
    joined = select(func.count(), func.coalesce(func.sum(length), 0)).select_from(Listen)
    plays, heard_ms = session.execute(joined.outerjoin(Song, Song.id == Listen.song_id).where(*rules)).one()

    def top(*columns: Any) -> list[TopView]:
        count = func.count().label("plays")
        statement = select(*columns, func.max(Listen.song_id), count).where(*rules).group_by(*columns)
        rows = session.execute(statement.order_by(count.desc(), *columns).limit(TOP)).all()
        return [
            TopView(row[0], row[1] if len(columns) > 1 else "", row[-1], str(row[-2]) if row[-2] else None)
            for row in rows
            if row[0]
        ]

    hours = [0] * 24
    hour = func.extract("hour", Listen.listened_at)
    for at, count in session.execute(select(hour, func.count()).where(*rules).group_by(hour)):
        hours[int(at)] = count
    return Stats(
        range=range,
        plays=plays,
        minutes=int(heard_ms) // 60_000,
        songs=top(Listen.track_name, Listen.artist_name),
        artists=top(Listen.artist_name),
        albums=top(Listen.release_name, Listen.artist_name),
        hours=hours,
    )
