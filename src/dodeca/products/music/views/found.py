"""What the API and the pages show of a search."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import encode_cursor
from dodeca.products.music.models import Album, Artist, Playlist, Station
from dodeca.products.music.service import searching, songs
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views.catalogue import (
    AlbumView,
    ArtistView,
    PlaylistView,
    SongView,
    album_views,
    artist_views,
    playlist_views,
    song_views,
)

Row = TypeVar("Row")


class StationFound(msgspec.Struct):
    """A station that was found."""

    station_id: str
    slug: str
    title: str


class Found(msgspec.Struct):
    """What was found, the best first. Songs with a video stand among `videos` too."""

    songs: list[SongView]
    albums: list[AlbumView]
    artists: list[ArtistView]
    playlists: list[PlaylistView]
    stations: list[StationFound]
    videos: list[SongView]
    next_cursor: str | None


def found_for(session: ReadSession, viewer: Viewer, text: str, count: int, offset: int = 0) -> Found:
    """What is found, a page of each kind."""
    ids = {
        kind: searching.find(session, viewer, text, kind, limit=count + 1, offset=offset) for kind in searching.KINDS
    }

    def rows(table: type[Row], kind: str) -> list[Row]:
        return list(session.get_many(table, ids[kind][:count]).values())

    more = any(len(some) > count for some in ids.values())
    found = songs.find_all(session, viewer, ids["song"][:count])
    shown = song_views(session, viewer, found)
    return Found(
        songs=shown,
        albums=album_views(session, viewer, rows(Album, "album")),
        artists=artist_views(session, viewer, rows(Artist, "artist")),
        playlists=playlist_views(session, viewer, rows(Playlist, "playlist")),
        stations=[StationFound(str(row.id), row.slug, row.title) for row in rows(Station, "station")],
        videos=[view for view in shown if view.has_video],
        next_cursor=encode_cursor(offset + count) if more else None,
    )
