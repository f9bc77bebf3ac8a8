"""Albums, artists, genres, search, and the feed."""

from __future__ import annotations

from typing import Any

import msgspec

from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    Calling,
    DbRead,
    FromPath,
    FromQuery,
    bounded,
    decode_cursor,
    get,
)
from dodeca.products.music import views
from dodeca.products.music.acting import Looking, number, own_account
from dodeca.products.music.service import browsing, catalogue, feed
from dodeca.products.music.views import AlbumView, ArtistView, Found, SongView, found_for

SONGS_SHOWN = 30


class AlbumList(msgspec.Struct):
    """A page of albums without their songs."""

    albums: list[AlbumView]
    next_cursor: str | None


class ArtistList(msgspec.Struct):
    """A page of artists."""

    artists: list[ArtistView]
    next_cursor: str | None


class GenreView(msgspec.Struct):
    """A genre and how much everybody may see of it."""

    name: str
    key: str
    song_count: int
    album_count: int


class GenreList(msgspec.Struct):
    """All genres, the largest first."""

    genres: list[GenreView]


class Section(msgspec.Struct):
    """A part of the feed and why it is there."""

    title: str
    reason: str
    items: list[Any]


class FeedView(msgspec.Struct):
    """What a member's feed holds: songs, and the parts that they come from."""

    feed: list[SongView]
    sections: list[Section]


@get("/albums", access=Access.PUBLIC)
def list_albums(
    session: DbRead,
    viewer: Looking,
    sort: FromQuery[str] = "newest",
    genre: FromQuery[str | None] = None,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> AlbumList:
    """Albums: newest, name, year, plays, rating or random; of a genre."""
    page = browsing.albums(session, viewer, sort, genre=genre, limit=limit, cursor=cursor)
    return AlbumList(views.album_views(session, viewer, page.items), page.next_cursor)


@get("/albums/{album_id:str}", access=Access.PUBLIC)
def read_album(session: DbRead, viewer: Looking, album_id: FromPath[str]) -> AlbumView:
    """An album with its songs."""
    album = catalogue.find_album(session, viewer, number(album_id))
    view = views.album_views(session, viewer, [album])[0]
    held = browsing.songs_of_album(session, viewer, album.id)
    view.songs = views.song_views(session, viewer, held)
    view.song_count, view.duration = len(held), sum(song.duration_ms for song in held) / 1000
    return view


@get("/artists", access=Access.PUBLIC)
def list_artists(
    session: DbRead,
    viewer: Looking,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> ArtistList:
    """Artists by name."""
    page = browsing.artists(session, viewer, limit=limit, cursor=cursor)
    return ArtistList(views.artist_views(session, viewer, page.items), page.next_cursor)


@get("/artists/{artist_id:str}", access=Access.PUBLIC)
def read_artist(session: DbRead, viewer: Looking, artist_id: FromPath[str]) -> ArtistView:
    """An artist with albums and the songs that are heard most."""
    artist = catalogue.find_artist(session, viewer, number(artist_id))
    view = views.artist_views(session, viewer, [artist])[0]
    view.albums = views.album_views(session, viewer, browsing.albums_of_artist(session, viewer, artist.id))
    best = browsing.songs_of_artist(session, viewer, artist.id, limit=SONGS_SHOWN)
    view.songs = views.song_views(session, viewer, best)
    return view


@get("/genres", access=Access.PUBLIC)
def list_genres(session: DbRead) -> GenreList:
    """All genres."""
    return GenreList([GenreView(row.name, row.key, row.songs, row.albums) for row in browsing.genres(session)])


@get("/search", access=Access.PUBLIC)
def search(
    session: DbRead,
    viewer: Looking,
    q: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Found:
    """Songs, albums, artists, playlists and stations for the words."""
    if not q.strip():
        raise Invalid("q is empty.", field="q")
    count = bounded(limit)
    offset = decode_cursor(cursor, 1)[0] if cursor else 0
    if not isinstance(offset, int) or not 0 <= offset <= 10_000:
        raise Invalid("This cursor belongs to another list.", field="cursor")
    return found_for(session, viewer, q, count, offset)


@get("/users/{user:str}/feed", access=Access.MEMBER)
def read_feed(session: DbRead, call: Calling, viewer: Looking, user: FromPath[str]) -> FeedView:
    """Songs of one's playlists, recommended songs and playlists, what friends like and hear, what artists release."""
    own_account(session, call, user)
    parts = feed.sections(session, call.platform, viewer)
    seen = {song.id: song for part in parts for song in part.songs}
    shown = {view.song_id: view for view in views.song_views(session, viewer, list(seen.values()))}
    sections = [
        Section(
            part.title,
            part.reason,
            [shown[str(song.id)] for song in part.songs] + list(views.playlist_views(session, viewer, part.playlists)),
        )
        for part in parts
    ]
    return FeedView(list(shown.values()), sections)


routes = [list_albums, read_album, list_artists, read_artist, list_genres, search, read_feed]
