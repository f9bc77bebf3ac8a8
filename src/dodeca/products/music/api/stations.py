"""Stations, their programme, shows, and parties."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response
from litestar.response import ServerSentEvent
from sqlalchemy import select

from dodeca.commons.accounts.public import Actor
from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    page_of,
    post,
    put,
)
from dodeca.products.music import listeners, views
from dodeca.products.music.acting import Looking, moment, number, viewing
from dodeca.products.music.models import Song, Station
from dodeca.products.music.radio.timeline import FOREVER_MS, Slot
from dodeca.products.music.service import browsing, playlists, stations
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import (
    NowView,
    PartyView,
    ShowView,
    StationView,
    moment_of,
    now_view,
    party_view,
    show_view,
    station_view,
    station_views,
)

Line = Annotated[str, msgspec.Meta(max_length=500)]
Ids = Annotated[list[int | Line], msgspec.Meta(max_length=2000)]
MOST_SLOTS: Final = 500
EVENT_SECONDS: Final = 15.0


class NewStation(ClosedRequest):
    """A station that repeats songs, or those of a playlist."""

    title: Line
    slug: Line
    songs: Ids = msgspec.field(default_factory=list)
    playlist_id: int | Line | None = None
    visibility: Line = "private"


class Loop(ClosedRequest):
    """The songs that shall repeat, after the current one."""

    songs: Ids = msgspec.field(default_factory=list)
    playlist_id: int | Line | None = None


class NewShow(ClosedRequest):
    """A span of the station's time for songs, or for somebody live. `duration_s` in seconds."""

    title: Line
    starts_at: datetime
    duration_s: float
    songs: Ids = msgspec.field(default_factory=list)
    live: bool = False


class NewParty(ClosedRequest):
    """What everybody hears together: songs, an album, or a playlist."""

    songs: Ids = msgspec.field(default_factory=list)
    album_id: int | Line | None = None
    playlist_id: int | Line | None = None
    title: Line = ""


class StationList(msgspec.Struct):
    """A page of stations, the newest first."""

    stations: list[StationView]
    next_cursor: str | None


class SlotView(msgspec.Struct, kw_only=True):
    """What was or will be heard from one moment until another."""

    starts_at: datetime
    ends_at: datetime | None
    song_id: str | None
    title: str
    artist: str
    show_id: str | None


class TimelineView(msgspec.Struct):
    """What a station plays in a span of time."""

    slots: list[SlotView]


def _song_ids(session: ReadSession, viewer: Viewer, songs: list[int | str], playlist_id: int | str | None) -> list[int]:
    if playlist_id is None:
        return [number(song_id) for song_id in songs]
    if songs:
        raise Invalid("Name songs or a playlist, not both.", field="songs")
    playlist = playlists.find(session, viewer, number(playlist_id))
    return [song.id for _item, song in views.playlist_songs(session, viewer, playlist) if song.listed]


@post("/stations", access=Access.MEMBER, idempotent=True)
def create_station(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: JSONBody[NewStation]
) -> StationView:
    """Open a station. Public ones are opened by curators."""
    station = stations.create(
        session,
        account,
        viewer,
        title=data.title,
        slug=data.slug,
        song_ids=_song_ids(session, viewer, data.songs, data.playlist_id),
        visibility=data.visibility,
        playlist_id=number(data.playlist_id) if data.playlist_id is not None else None,
    )
    return station_view(session, call.platform, viewer, station)


@get("/stations", access=Access.PUBLIC)
def list_stations(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> StationList:
    """Public stations and one's own."""
    statement = select(Station).where(stations.stations_for(viewer))
    page = page_of(session, statement, order=[Station.created_at, Station.id], limit=limit, cursor=cursor)
    return StationList(station_views(session, call.platform, viewer, page.items), page.next_cursor)


@get("/stations/{station_id:str}", access=Access.PUBLIC)
def read_station(
    session: DbRead, call: Calling, viewer: Looking, station_id: FromPath[str], key: FromQuery[str] = ""
) -> StationView:
    """A station."""
    return station_view(session, call.platform, viewer, stations.find(session, viewer, number(station_id), key))


@delete("/stations/{station_id:str}", access=Access.MEMBER)
def end_station(session: DbWrite, viewer: Looking, station_id: FromPath[str]) -> None:
    """End one's own station or party."""
    stations.end(session, viewer, number(station_id))


@put("/stations/{station_id:str}/loop", access=Access.MEMBER)
def change_loop(
    session: DbWrite, call: Calling, viewer: Looking, station_id: FromPath[str], data: JSONBody[Loop]
) -> StationView:
    """Let other songs repeat, after the current one."""
    wanted = _song_ids(session, viewer, data.songs, data.playlist_id)
    return station_view(
        session, call.platform, viewer, stations.change_loop(session, viewer, number(station_id), wanted)
    )


@get("/stations/{station_id:str}/now", access=Access.PUBLIC)
def read_now(
    session: DbRead, call: Calling, viewer: Looking, station_id: FromPath[str], key: FromQuery[str] = ""
) -> NowView:
    """What a station plays now."""
    return now_view(session, call.platform, viewer, stations.find(session, viewer, number(station_id), key))


@get("/stations/{station_id:str}/timeline", access=Access.PUBLIC)
def read_timeline(session: DbRead, call: Calling, viewer: Looking, station_id: FromPath[str]) -> TimelineView:
    """What a station plays between `from` and `to`, at most a week."""
    query = call.request.query_params
    station = stations.find(session, viewer, number(station_id), query.get("key", ""))
    now = stations.now_ms()
    begin = _given(query.get("from"), "from") if query.get("from") else now
    end = _given(query.get("to"), "to") if query.get("to") else begin + 3_600_000
    if not begin < end <= begin + stations.LONGEST_TIMELINE_MS:
        raise Invalid("to is later than from, by a week at most.", field="to")
    slots: list[Slot] = []
    for slot in stations.timeline(session, station, since_ms=begin, until_ms=end).between(begin, end):
        slots.append(slot)
        if len(slots) >= MOST_SLOTS:
            break
    known = stations.songs_of(session, slots)
    return TimelineView([_slot(slot, known) for slot in slots])


def _given(text: str | None, field: str) -> int:
    try:
        return round(clock.parse_rfc3339((text or "").replace(" ", "+")).timestamp() * 1000)
    except ValueError as error:
        raise Invalid(f"{field} is a moment such as 2031-05-01T20:00:00Z.", field=field) from error


def _slot(slot: Slot, known: dict[int, Song]) -> SlotView:
    song = known.get(slot.song_id) if slot.song_id is not None else None
    return SlotView(
        starts_at=moment_of(max(slot.starts_at_ms, 0)),
        ends_at=moment_of(slot.ends_at_ms) if slot.ends_at_ms < FOREVER_MS else None,
        song_id=str(song.id) if song is not None else None,
        title=song.title if song is not None else "",
        artist=song.artist_name if song is not None else "",
        show_id=str(slot.show_id) if slot.show_id is not None else None,
    )


@get("/stations/{station_id:str}/events", access=Access.PUBLIC)
async def follow_station(call: Calling, station_id: FromPath[str], key: FromQuery[str] = "") -> Response[Any]:
    """What a station plays, told anew at each change, as server-sent events of the kind `now`."""
    number_ = number(station_id)

    def read(session: ReadSession) -> NowView:
        viewer = viewing(session, call)
        return now_view(session, call.platform, viewer, stations.find(session, viewer, number_, key))

    first = await call.platform.db.aread(read)
    return ServerSentEvent(_events(call, number_, first, read), headers={"Cache-Control": "no-cache"})


async def _events(call: Call, station_id: int, first: NowView, read: Any) -> AsyncIterator[dict[str, Any]]:
    with listeners.listening(call.platform, station_id):
        now = first
        while True:
            await listeners.tell(call.platform)
            yield {"event": "now", "data": msgspec.json.encode(now).decode(), "retry": 2000}
            left = (now.ends_at - clock.now()).total_seconds() if now.ends_at is not None else EVENT_SECONDS
            await asyncio.sleep(min(max(left, 0.05), EVENT_SECONDS))
            try:
                now = await call.platform.db.aread(read)
            except DodecaError:  # it is over, or closed to whoever follows
                return


@post("/stations/{station_id:str}/shows", access=Access.MEMBER)
def create_show(session: DbWrite, viewer: Looking, station_id: FromPath[str], data: JSONBody[NewShow]) -> ShowView:
    """Give a span of one's station to a show; two never overlap (409)."""
    show = stations.add_show(
        session,
        viewer,
        number(station_id),
        title=data.title,
        starts_at=moment(data.starts_at, "starts_at"),
        duration_s=data.duration_s,
        song_ids=[number(song_id) for song_id in data.songs],
        live=data.live,
    )
    return show_view(show)


@delete("/stations/{station_id:str}/shows/{show_id:str}", access=Access.MEMBER)
def delete_show(session: DbWrite, viewer: Looking, station_id: FromPath[str], show_id: FromPath[str]) -> None:
    """Take a show out that has not begun."""
    stations.remove_show(session, viewer, number(station_id), number(show_id))


@post("/parties", access=Access.MEMBER, idempotent=True)
def create_party(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewParty]
) -> PartyView:
    """Make songs, an album or a playlist a station that guests join by its link."""
    given = bool(data.songs) + (data.album_id is not None) + (data.playlist_id is not None)
    if given != 1:
        raise Invalid("Name songs, an album_id or a playlist_id.", field="songs")
    if data.album_id is not None:
        held = browsing.songs_of_album(session, viewer, number(data.album_id))
        wanted = [song.id for song in held if song.listed]
    else:
        wanted = _song_ids(session, viewer, data.songs, data.playlist_id)
    station = stations.create(
        session,
        account,
        viewer,
        title=data.title or f"{account.username}'s party",
        slug=f"party-{ids.new_id()[-12:]}",
        song_ids=wanted,
        kind="party",
    )
    return party_view(call.platform, station)


routes = [
    create_station,
    list_stations,
    read_station,
    end_station,
    change_loop,
    read_now,
    read_timeline,
    follow_station,
    create_show,
    delete_show,
    create_party,
]
