"""What the API and the pages show of stations, shows and parties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from dodeca.kernel.db import ReadSession
from dodeca.kernel.platform import Platform
from dodeca.products.music import listeners
from dodeca.products.music.models import Show, Station
from dodeca.products.music.radio.timeline import FOREVER_MS
from dodeca.products.music.service import stations
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views.catalogue import SongView, song_views


class StationView(msgspec.Struct, kw_only=True):
    """A station. `key` is there for its owner."""

    station_id: str
    slug: str
    title: str
    description: str
    visibility: str
    kind: str
    owner_id: str
    listeners: int
    stream_url: str
    hls_url: str
    key: str | None = None


class ShowView(msgspec.Struct, kw_only=True):
    """A show."""

    show_id: str
    title: str
    starts_at: datetime
    ends_at: datetime
    live: bool


class NowView(msgspec.Struct, kw_only=True):
    """What a station plays: the same for everybody at one moment. `song` is null in live shows and in silence."""

    server_time: datetime
    song: SongView | None
    started_at: datetime
    position_ms: int
    ends_at: datetime | None
    next: SongView | None
    show: ShowView | None
    listeners: int


class PartyView(msgspec.Struct, kw_only=True):
    """A new party: who has `join_url` hears it in step."""

    party_id: str
    station_id: str
    join_url: str
    stream_url: str


def station_views(
    session: ReadSession, platform: Platform, viewer: Viewer, found: Sequence[Station]
) -> list[StationView]:
    """Stations as a viewer sees them."""
    heard = listeners.counts(session, platform, [station.id for station in found])
    return [_station_view(platform, viewer, station, heard[station.id]) for station in found]


def station_view(session: ReadSession, platform: Platform, viewer: Viewer, station: Station) -> StationView:
    """One station as a viewer sees it."""
    return station_views(session, platform, viewer, [station])[0]


def _station_view(platform: Platform, viewer: Viewer, station: Station, heard: int) -> StationView:
    own = station.owner_id == viewer.account_id
    query = f"?key={station.key}" if own and station.visibility == "private" else ""
    base = f"/music/radio/{station.slug}"
    return StationView(
        station_id=str(station.id),
        slug=station.slug,
        title=station.title,
        description=station.description,
        visibility=station.visibility,
        kind=station.kind,
        owner_id=station.owner_id,
        listeners=heard,
        stream_url=platform.url(f"{base}.mp3{query}"),
        hls_url=platform.url(f"{base}.m3u8{query}"),
        key=station.key if own else None,
    )


def now_view(session: ReadSession, platform: Platform, viewer: Viewer, station: Station) -> NowView:
    """What a station plays at this moment."""
    at = stations.now_ms()
    timeline = stations.timeline(session, station)
    slot = timeline.at(at)
    after = timeline.at(slot.ends_at_ms) if slot.ends_at_ms < FOREVER_MS else None
    found = stations.songs_of(session, [slot, *([after] if after is not None else [])])
    shown = {view.song_id: view for view in song_views(session, viewer, list(found.values()))}
    show = session.get(Show, slot.show_id) if slot.show_id is not None else None
    return NowView(
        server_time=moment_of(at),
        song=shown.get(str(slot.song_id)),
        started_at=moment_of(max(slot.starts_at_ms, 0)),
        position_ms=slot.position_ms(at) if slot.song_id is not None else 0,
        ends_at=moment_of(slot.ends_at_ms) if slot.ends_at_ms < FOREVER_MS else None,
        next=shown.get(str(after.song_id)) if after is not None else None,
        show=show_view(show) if show is not None else None,
        listeners=listeners.counts(session, platform, [station.id])[station.id],
    )


def moment_of(ms: int) -> datetime:
    """A moment of Unix time in milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def show_view(show: Show) -> ShowView:
    """A show as it is shown."""
    return ShowView(
        show_id=str(show.id), title=show.title, starts_at=show.starts_at, ends_at=show.ends_at, live=show.live
    )


def party_view(platform: Platform, station: Station) -> PartyView:
    """A party's addresses."""
    return PartyView(
        party_id=str(station.id),
        station_id=str(station.id),
        join_url=platform.url(f"/music/party/{station.key}"),
        stream_url=platform.url(f"/music/radio/{station.slug}.mp3?key={station.key}"),
    )
