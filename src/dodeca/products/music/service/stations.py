"""Stations: one timeline for everybody, made of loops and shows; a party is one that anybody opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select

from dodeca.commons.accounts.public import Account, roles_of
from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.products.music.models import Show, Song, Station, StationLoop
from dodeca.products.music.radio.timeline import Loop, Slot, Timeline
from dodeca.products.music.radio.timeline import Show as TimelineShow
from dodeca.products.music.service import searching, songs
from dodeca.products.music.service.members import choices
from dodeca.products.music.service.tags import LONGEST_DURATION_MS, storable
from dodeca.products.music.service.viewers import Viewer

MOST_SONGS = 2000
MOST_STATIONS = 50
LONGEST_SHOW = timedelta(days=1)
LONGEST_TIMELINE_MS = 7 * 86_400_000
_LAST_MS = 253_402_300_799_000
"""The last second that dates have: the end of the year 9999."""
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class SlugTaken(Conflict):
    """Another station has this address."""


class Overlap(Conflict):
    """Another show has the air then."""


def stations_for(viewer: Viewer) -> ColumnElement[bool]:
    """Stations that somebody sees in lists: public ones and their own."""
    own = Station.owner_id == (viewer.account_id or "")
    return (Station.ended_at.is_(None)) & or_(Station.visibility == "public", own)


def find(session: ReadSession, viewer: Viewer, station_id: int, key: str = "") -> Station:
    """A station that the viewer may hear: public, their own, or with its key. Raises NotFound."""
    return _heard(session.get(Station, station_id), viewer, key)


def find_slug(session: ReadSession, viewer: Viewer, slug: str, key: str = "") -> Station:
    """The same, by its address."""
    return _heard(session.scalar(select(Station).where(Station.slug == slug)), viewer, key)


def running(session: ReadSession, station_id: int) -> Station:
    """A station that goes on. Raises NotFound."""
    station = session.get(Station, station_id)
    if station is None or station.ended_at is not None:
        raise NotFound("There is no such station.")
    return station


def by_key(session: ReadSession, key: str) -> Station:
    """The station that a key of an invitation opens. Raises NotFound."""
    station = session.scalar(select(Station).where(Station.key == key)) if key else None
    if station is None or station.ended_at is not None:
        raise NotFound("This party is over.")
    return station


def _heard(station: Station | None, viewer: Viewer, key: str) -> Station:
    if station is None or station.ended_at is not None:
        raise NotFound("There is no such station.")
    if station.visibility != "public" and station.owner_id != viewer.account_id and key != station.key:
        raise NotFound("There is no such station.")
    return station


def may_curate(session: ReadSession, account: Account) -> bool:
    """Whether somebody may open public stations: staff, and whom an admin made a curator."""
    return bool({"admin", "moderator"} & set(roles_of(session, account.id))) or choices(session, account.id).curator


def create(
    session: WriteSession,
    account: Account,
    viewer: Viewer,
    *,
    title: str,
    slug: str,
    song_ids: Sequence[int],
    visibility: str = "private",
    kind: str = "station",
    playlist_id: int | None = None,
) -> Station:
    """Open a station that repeats songs. Raises Invalid, Forbidden, SlugTaken, NotFound."""
    name = " ".join(storable(title).split())
    if not 1 <= len(name) <= 200:
        raise Invalid("A title has 1 to 200 characters.", field="title")
    if not _SLUG.fullmatch(slug):
        raise Invalid("slug has letters from a to z, digits and hyphens, at most 63.", field="slug")
    if visibility not in ("private", "public"):
        raise Invalid("visibility is private or public.", field="visibility")
    if visibility == "public" and not may_curate(session, account):
        raise Forbidden("Public stations are opened by curators.")
    count = select(func.count()).select_from(Station).where(Station.owner_id == account.id, Station.ended_at.is_(None))
    if (session.scalar(count) or 0) >= MOST_STATIONS:
        raise Conflict(f"There are at most {MOST_STATIONS} stations. End one first.")
    loop = _playable(session, viewer, song_ids)
    station = Station(
        slug=slug,
        key=ids.random_base62(22),
        owner_id=account.id,
        title=name,
        visibility=visibility,
        kind=kind,
        playlist_id=playlist_id,
        created_at=clock.now(),
    )
    with claiming(session, Station, otherwise=SlugTaken("Another station has this address.", field="slug")):
        session.add(station)
    session.add(StationLoop(station_id=station.id, starts_at_ms=now_ms(), songs=loop))
    session.flush()
    searching.name_later(session, [f"station:{station.id}"])
    return station


def now_ms() -> int:
    """The present in milliseconds of Unix time."""
    return int(clock.timestamp() * 1000)


def _playable(session: ReadSession, viewer: Viewer, song_ids: Sequence[int]) -> list[list[int]]:
    """Songs with their lengths for a loop. Raises Invalid, NotFound; nothing private goes on the air."""
    if not 1 <= len(song_ids) <= MOST_SONGS:
        raise Invalid(f"Name 1 to {MOST_SONGS:,} songs.", field="songs")
    found = songs.require_all(session, viewer, song_ids)
    if not all(song.listed for song in found):
        raise Invalid("A private song cannot go on the air: make it public first.", field="songs")
    kept = [[song.id, song.duration_ms] for song in found if song.duration_ms > 0 and song.audio_hash is not None]
    if not kept:
        raise Invalid("None of these songs can be heard.", field="songs")
    return kept


def _own(session: WriteSession, viewer: Viewer, station_id: int) -> Station:
    """A station to be changed by its owner or staff, held. Raises NotFound, Forbidden."""
    find_own(session, viewer, station_id)
    station = session.get_locked(Station, station_id)
    assert station is not None
    return station


def find_own(session: ReadSession, viewer: Viewer, station_id: int) -> Station:
    """A station that is the viewer's to change. Raises NotFound, Forbidden."""
    station = find(session, viewer, station_id)
    if station.owner_id != viewer.account_id and not viewer.is_admin:
        raise Forbidden("This station is somebody else's.")
    return station


def change_loop(session: WriteSession, viewer: Viewer, station_id: int, song_ids: Sequence[int]) -> Station:
    """Let other songs repeat, after the current one. Raises NotFound, Forbidden, Invalid."""
    station = _own(session, viewer, station_id)
    loop = _playable(session, viewer, song_ids)
    at = timeline(session, station).takes_effect_at(now_ms())
    row = session.get(StationLoop, (station.id, at))
    if row is None:
        session.add(StationLoop(station_id=station.id, starts_at_ms=at, songs=loop))
    else:
        row.songs = loop  # its time has not come
    session.flush()
    return station


def end(session: WriteSession, viewer: Viewer, station_id: int) -> None:
    """End a station or party. Raises NotFound, Forbidden."""
    station = _own(session, viewer, station_id)
    station.ended_at = clock.now()
    session.flush()
    searching.name_later(session, [f"station:{station.id}"])


def add_show(
    session: WriteSession,
    viewer: Viewer,
    station_id: int,
    *,
    title: str,
    starts_at: datetime,
    duration_s: float,
    song_ids: Sequence[int] = (),
    live: bool = False,
) -> Show:
    """Give a span of the station's time to songs, or to somebody live. Raises NotFound, Forbidden, Invalid, Overlap."""
    station = _own(session, viewer, station_id)
    name = " ".join(storable(title).split())
    if not 1 <= len(name) <= 200:
        raise Invalid("A title has 1 to 200 characters.", field="title")
    if not 1 <= duration_s <= LONGEST_SHOW.total_seconds():
        raise Invalid("A show lasts from a second to a day.", field="duration_s")
    if starts_at.tzinfo is None or starts_at <= clock.now():
        raise Invalid("A show starts at a moment ahead, such as 2031-05-01T20:00:00Z.", field="starts_at")
    if live == bool(song_ids):
        raise Invalid("A show has songs, or is live.", field="songs")
    ends_at = starts_at + timedelta(seconds=duration_s)
    taken = select(Show.id).where(Show.station_id == station.id, Show.starts_at < ends_at, Show.ends_at > starts_at)
    if session.scalar(taken.limit(1)) is not None:
        raise Overlap("Another show has the air then.", field="starts_at")
    show = Show(
        station_id=station.id,
        title=name,
        starts_at=starts_at,
        ends_at=ends_at,
        songs=_playable(session, viewer, song_ids) if song_ids else [],
        live=live,
        created_at=clock.now(),
    )
    session.add(show)
    session.flush()
    return show


def remove_show(session: WriteSession, viewer: Viewer, station_id: int, show_id: int) -> None:
    """Take a show that has not begun out of the programme. Raises NotFound, Forbidden, Conflict."""
    station = _own(session, viewer, station_id)
    show = session.get(Show, show_id)
    if show is None or show.station_id != station.id:
        raise NotFound("There is no such show.")
    if show.starts_at <= clock.now():
        raise Conflict("This show has begun: everybody heard it.")
    session.delete(show)
    session.flush()


def shows(session: ReadSession, station: Station) -> Sequence[Show]:
    """A station's shows, the latest first."""
    return session.scalars(
        select(Show).where(Show.station_id == station.id).order_by(Show.starts_at.desc()).limit(200)
    ).all()


def timeline(
    session: ReadSession, station: Station, *, since_ms: int | None = None, until_ms: int | None = None
) -> Timeline:
    """What the station plays at any moment of a span, the present where none is given.

    Only what can be heard in the span is read, however long the station has been there: the loop that it begins in
    and the later ones, the show before it (where the loop came back is where its slot begins) and those up to the end
    of the last song."""
    since = now_ms() if since_ms is None else since_ms
    until = max(since, now_ms()) if until_ms is None else until_ms
    loops_ = select(StationLoop).where(StationLoop.station_id == station.id)
    begun = select(func.max(StationLoop.starts_at_ms)).where(
        StationLoop.station_id == station.id, StationLoop.starts_at_ms <= since
    )
    beyond = until + LONGEST_DURATION_MS
    in_span = (StationLoop.starts_at_ms >= func.coalesce(begun.scalar_subquery(), 0)) & (
        StationLoop.starts_at_ms <= beyond
    )
    loops = session.scalars(loops_.where(in_span)).all()
    all_shows = select(Show).where(Show.station_id == station.id)
    start, end = (datetime.fromtimestamp(min(ms, _LAST_MS) / 1000, UTC) for ms in (since, beyond))
    before = session.scalar(all_shows.where(Show.starts_at <= start).order_by(Show.starts_at.desc()).limit(1))
    later = session.scalars(all_shows.where(Show.starts_at > start, Show.starts_at <= end)).all()
    shows_ = [before, *later] if before is not None else later
    return Timeline(
        [Loop(loop.starts_at_ms, [(song[0], song[1]) for song in loop.songs]) for loop in loops],
        [
            TimelineShow(
                show.id,
                _ms(show.starts_at),
                _ms(show.ends_at),
                [(song[0], song[1]) for song in show.songs],
                live=show.live,
            )
            for show in shows_
        ],
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def songs_of(session: ReadSession, slots: Sequence[Slot]) -> dict[int, Song]:
    """The songs of slots that everybody may see, by id: what was made private or withdrawn since shows no name."""
    wanted = {slot.song_id for slot in slots if slot.song_id is not None}
    if not wanted:
        return {}
    return {song.id: song for song in session.scalars(select(Song).where(Song.id.in_(wanted), Song.listed))}
