"""ListenBrainz' statistics: what somebody heard most, in its spans of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.music.models import Listen, Song
from dodeca.products.music.service.viewers import Viewer, songs_for

_MONTHS: Final = {"month": 1, "quarter": 3, "half_yearly": 6, "year": 12}
RANGES: Final = ("all_time", "week", *_MONTHS, "this_week", "this_month", "this_year")
ENTITIES: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "artists": ("artists", "total_artist_count", ("artist_name",)),
    "recordings": ("recordings", "total_recording_count", ("track_name", "artist_name")),
    "releases": ("releases", "total_release_count", ("release_name", "artist_name")),
    "release-groups": ("release_groups", "total_release_group_count", ("release_name", "artist_name")),
}
"""Path → name in the answer, name of the total, and what makes two listens alike."""


def check(entity: str, span: str) -> None:
    """Raises NotFound for an unknown entity, Invalid for an unknown range."""
    if entity not in ENTITIES:
        raise NotFound("There are no such statistics.")
    if span not in RANGES:
        raise Invalid(f"range is one of {', '.join(RANGES)}.")


def bounds(span: str, now: datetime) -> tuple[datetime | None, datetime]:
    """From when, up to when: `this_week` is the present one, `week` the last that is over. None: since ever."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "all_time":
        return None, now
    monday = day - timedelta(days=day.weekday())
    if span in ("week", "this_week"):
        return (monday, now) if span == "this_week" else (monday - timedelta(days=7), monday)
    months = _MONTHS[span.removeprefix("this_")]
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    if span.startswith("this_"):
        return first, now
    earlier = first.year * 12 + first.month - 1 - months
    return first.replace(year=earlier // 12, month=earlier % 12 + 1), first


def top(
    session: ReadSession, viewer: Viewer, owner: Account, entity: str, span: str, *, count: int, offset: int
) -> dict[str, Any] | None:
    """What somebody heard most, None where that is nothing."""
    name, total_name, keys = ENTITIES[entity]
    begin, end = bounds(span, clock.now())
    columns: list[Any] = [getattr(Listen, key) for key in keys]
    rules: list[ColumnElement[bool]] = [Listen.user_id == owner.id, Listen.counted.expression, columns[0] != ""]
    if begin is not None:
        rules += [Listen.listened_at >= begin, Listen.listened_at < end]
    if viewer.account_id != owner.id:
        seen = select(Song.id).where(songs_for(viewer))
        rules.append(or_(Listen.song_id.is_(None), Listen.song_id.in_(seen)))
    heard = func.count().label("listen_count")
    grouped = select(*columns, heard).where(*rules).group_by(*columns)
    total = session.scalar(select(func.count()).select_from(grouped.subquery())) or 0
    if not total:
        return None
    rows = session.execute(grouped.order_by(heard.desc(), *columns).limit(count).offset(offset)).all()
    oldest = begin or session.scalar(select(func.min(Listen.listened_at)).where(Listen.user_id == owner.id))
    shown_keys = [
        key.replace("release_name", "release_group_name") if name == "release_groups" else key for key in keys
    ]
    payload = {
        name: [{**dict(zip(shown_keys, row[:-1], strict=True)), "listen_count": row[-1]} for row in rows],
        "count": len(rows),
        total_name: total,
        "user_id": owner.username,
        "range": span,
        "offset": offset,
        "from_ts": int(oldest.timestamp()) if oldest is not None else 0,
        "to_ts": int(end.timestamp()),
        "last_updated": int(clock.timestamp()),
    }
    return {"payload": payload}
