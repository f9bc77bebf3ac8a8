"""Radio: stations that everybody hears alike, and parties that guests join by their link."""

from __future__ import annotations

from sqlalchemy import select

from dodeca.commons.accounts.public import Actor, account_by_id
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.music.acting import Looking, number, viewing
from dodeca.products.music.models import Playlist, Station
from dodeca.products.music.pages.look import Line, page
from dodeca.products.music.service import playlists, stations
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import now_view, playlist_songs, station_view, station_views

AHEAD_MS = 3 * 3_600_000
SHOWN_SLOTS = 12


class StationForm(ClosedRequest):
    """A station that repeats a playlist's songs."""

    title: Line
    slug: Line
    playlist_id: Line
    public: Line = ""


def show_radio(session: ReadSession, call: Call, state: FormState) -> Page:
    """All stations, and the form for another."""
    viewer = viewing(session, call)
    seen = select(Station).where(stations.stations_for(viewer)).order_by(Station.kind.desc(), Station.id.desc())
    found = session.scalars(seen.limit(60)).all()
    mine = select(Playlist).where(Playlist.owner_id == (viewer.account_id or ""), Playlist.rules.is_(None))
    account = account_by_id(session, viewer.account_id) if viewer.account_id is not None else None
    return page(
        session,
        viewer,
        "radio.html",
        "radio",
        stations=[
            (shown, now_view(session, call.platform, viewer, row))
            for shown, row in zip(station_views(session, call.platform, viewer, found), found, strict=True)
        ],
        playlists=[(row.id, row.title) for row in session.scalars(mine.order_by(Playlist.title))],
        curates=account is not None and stations.may_curate(session, account),
        form=state.form,
    )


@get("/radio", access=Access.PUBLIC)
def radio_page(session: DbRead, call: Calling) -> Page:
    """All stations."""
    return show_radio(session, call, FormState())


@post("/radio", access=Access.MEMBER, status=200, form=show_radio)
def open_station(session: DbWrite, account: Actor, viewer: Looking, data: AnyBody[StationForm]) -> Redirect:
    """Open a station."""
    playlist = playlists.find(session, viewer, number(data.playlist_id))
    wanted = [song.id for _item, song in playlist_songs(session, viewer, playlist) if song.listed]
    station = stations.create(
        session,
        account,
        viewer,
        title=data.title,
        slug=data.slug.strip().lower(),
        song_ids=wanted,
        visibility="public" if data.public else "private",
        playlist_id=playlist.id,
    )
    return Redirect(f"/music/stations/{station.slug}", toast="You are on the air.")


def _station_page(session: ReadSession, call: Call, viewer: Viewer, station: Station, *, key: str = "") -> Page:
    at = stations.now_ms()
    slots = []
    for slot in stations.timeline(session, station, since_ms=at, until_ms=at + AHEAD_MS).between(at, at + AHEAD_MS):
        slots.append(slot)
        if len(slots) >= SHOWN_SLOTS:
            break
    known = stations.songs_of(session, slots)
    coming = [(slot, known[slot.song_id]) for slot in slots if slot.song_id in known]
    query = f"?key={key}" if key else ""
    return page(
        session,
        viewer,
        "station.html",
        "radio",
        station=station_view(session, call.platform, viewer, station),
        now_playing=now_view(session, call.platform, viewer, station),
        coming=coming,
        stream=f"/music/radio/{station.slug}.mp3{query}",
        events=f"/api/music/stations/{station.id}/events{query}",
        own=station.owner_id == viewer.account_id,
        join=call.platform.url(f"/music/party/{station.key}") if station.owner_id == viewer.account_id or key else "",
        key=key,
    )


@get("/stations/{slug:str}", access=Access.PUBLIC)
def station_page(session: DbRead, call: Calling, viewer: Looking, slug: FromPath[str]) -> Page:
    """What a station plays."""
    return _station_page(session, call, viewer, stations.find_slug(session, viewer, slug))


@get("/party/{key:str}", access=Access.PUBLIC)
def party_page(session: DbRead, call: Calling, viewer: Looking, key: FromPath[str]) -> Page:
    """A party: whoever has its link hears it in step."""
    return _station_page(session, call, viewer, stations.by_key(session, key), key=key)


@post("/stations/{station_id:int}/end", access=Access.MEMBER, status=200)
def end_station(session: DbWrite, viewer: Looking, station_id: FromPath[int]) -> Redirect:
    """End a station or party."""
    stations.end(session, viewer, station_id)
    return Redirect("/music/radio", toast="It is over.")


routes = [radio_page, open_station, station_page, party_page, end_station]
