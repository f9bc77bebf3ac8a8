"""Albums, artists, playlists, and the library."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from dodeca.commons.accounts.public import account_by_id
from dodeca.kernel.http import Access, DbRead, FromPath, FromQuery, Page, get
from dodeca.products.music import views
from dodeca.products.music.acting import Looking
from dodeca.products.music.models import Playlist, Song
from dodeca.products.music.pages.look import Row, page, rows
from dodeca.products.music.pages.look import may_edit as may_edit_song
from dodeca.products.music.pages.smart import told
from dodeca.products.music.service import browsing, catalogue, likes, playlists, songs
from dodeca.products.music.service.viewers import playlists_for

PARTS = (
    ("albums", "Albums"),
    ("artists", "Artists"),
    ("playlists", "Playlists"),
    ("genres", "Genres"),
    ("liked", "Liked"),
)


@get("/albums/{album_id:int}", access=Access.PUBLIC)
def album_page(session: DbRead, viewer: Looking, album_id: FromPath[int]) -> Page:
    """An album and its songs."""
    album = catalogue.find_album(session, viewer, album_id)
    view = views.album_views(session, viewer, [album])[0]
    held = rows(session, viewer, browsing.songs_of_album(session, viewer, album_id))
    total = sum(row.view.duration_ms for row in held)
    return page(
        session, viewer, "album.html", "library", album=view, songs=held, total=total, own=all(row.own for row in held)
    )


@get("/artists/{artist_id:int}", access=Access.PUBLIC)
def artist_page(session: DbRead, viewer: Looking, artist_id: FromPath[int]) -> Page:
    """An artist: albums, and the songs that are heard most."""
    artist = catalogue.find_artist(session, viewer, artist_id)
    return page(
        session,
        viewer,
        "artist.html",
        "library",
        artist=views.artist_views(session, viewer, [artist])[0],
        albums=views.album_views(session, viewer, browsing.albums_of_artist(session, viewer, artist_id)),
        songs=rows(session, viewer, browsing.songs_of_artist(session, viewer, artist_id, limit=10)),
    )


@get("/playlists/{playlist_id:int}", access=Access.PUBLIC)
def playlist_page(session: DbRead, viewer: Looking, playlist_id: FromPath[int]) -> Page:
    """A playlist and its songs."""
    playlist = playlists.find(session, viewer, playlist_id)
    view = views.playlist_view(session, viewer, playlist)
    may_edit = playlists.may_edit(session, viewer, playlist) and playlist.rules is None
    items = [one.item_id or "" for one in view.songs or []]
    held = [
        Row(
            one,
            item_id=one.item_id,
            own=may_edit_song(viewer, one),
            movable=may_edit,
            above=items[place - 1] if place else "",
            below=None if place + 1 == len(items) else items[place + 2] if place + 2 < len(items) else "",
        )
        for place, one in enumerate(view.songs or [])
    ]
    return page(
        session,
        viewer,
        "playlist.html",
        "library",
        playlist=view,
        songs=held,
        total=sum(row.view.duration_ms for row in held),
        owner=account_by_id(session, playlist.owner_id),
        own=playlist.owner_id == viewer.account_id,
        may_edit=may_edit,
        told=told(playlist.rules) if playlist.rules else [],
        formats=("m3u8", "xspf", "pls", "jspf", "csv", *(("nsp",) if playlist.rules else ())),
    )


@get("/library", access=Access.PUBLIC)
def library_page(
    session: DbRead,
    viewer: Looking,
    part: FromQuery[str] = "albums",
    sort: FromQuery[str] = "newest",
    cursor: FromQuery[str | None] = None,
) -> Page:
    """All albums, artists, playlists and genres, and what one likes."""
    part = part if part in dict(PARTS) else "albums"
    context: dict[str, Any] = {"part": part, "parts": PARTS, "sort": sort, "next_cursor": None}
    if part == "albums":
        sort = sort if sort in browsing.ALBUM_SORTS else "newest"
        albums = browsing.albums(session, viewer, sort, limit=36, cursor=cursor)
        context |= {"albums": views.album_views(session, viewer, albums.items), "next_cursor": albums.next_cursor}
    elif part == "artists":
        artists = browsing.artists(session, viewer, limit=60, cursor=cursor)
        context |= {"artists": views.artist_views(session, viewer, artists.items), "next_cursor": artists.next_cursor}
    elif part == "playlists":
        seen = select(Playlist).where(playlists_for(viewer)).order_by(Playlist.updated_at.desc()).limit(60)
        context["playlists"] = views.playlist_views(session, viewer, session.scalars(seen).all())
    elif part == "genres":
        context["genres"] = browsing.genres(session)
    else:
        liked: list[Song] = []
        if viewer.account_id is not None:
            liked = songs.find_all(session, viewer, likes.liked_ids(session, viewer.account_id, "song", limit=200))
        context["songs"] = rows(session, viewer, liked)
    return page(session, viewer, "library.html", "library", **context)


routes = [album_page, artist_page, playlist_page, library_page]
