"""Lists of the catalogue: albums in ten orders, artists, genres, an album's and an artist's songs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Slice, page_of
from dodeca.kernel.http.paging import bounded
from dodeca.products.music.models import Album, AlbumSong, Artist, Genre, Song, SongCredit, SongGenre
from dodeca.products.music.service import drawing
from dodeca.products.music.service.folding import folded
from dodeca.products.music.service.viewers import Viewer, albums_for, artists_for, songs_for

ALBUM_SORTS = ("newest", "name", "year", "plays", "rating", "random")
_KEYS: dict[str, tuple[Any, bool]] = {
    "newest": (Album.created_at, True),
    "name": (Album.sort_key, False),
    "year": (Album.year_key, True),
    "plays": (Album.play_count, True),
    "rating": (Album.rating_sum, True),
}


def albums(
    session: ReadSession,
    viewer: Viewer,
    sort: str = "newest",
    *,
    genre: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[Album]:
    """A page of albums. Raises Invalid."""
    if sort not in ALBUM_SORTS:
        raise Invalid(f"sort is one of {', '.join(ALBUM_SORTS)}.", field="sort")
    held = albums_of_genre(viewer, genre) if genre is not None else None
    if sort == "random":
        ids = drawing.drawn(session, Album, albums_for(viewer), count=bounded(limit), within=held)
        rows = {album.id: album for album in session.scalars(select(Album).where(Album.id.in_(ids)))}
        return Slice([rows[number] for number in ids], None)
    statement = select(Album).where(albums_for(viewer))
    if held is not None:
        statement = statement.where(Album.id.in_(held))
    column, descending = _KEYS[sort]
    return page_of(session, statement, order=[column, Album.id], limit=limit, cursor=cursor, descending=descending)


def albums_of_genre(viewer: Viewer, genre: str) -> Select[int]:
    """The ids of albums with a song of a genre that the viewer sees: what others hide tells nothing of an album."""
    held = select(AlbumSong.album_id).join(SongGenre, SongGenre.song_id == AlbumSong.song_id)
    held = held.join(Song, Song.id == AlbumSong.song_id)
    return held.where(SongGenre.genre_key == folded(genre), songs_for(viewer))


def artists(
    session: ReadSession, viewer: Viewer, *, limit: int | None = None, cursor: str | None = None
) -> Slice[Artist]:
    """A page of artists by name."""
    statement = select(Artist).where(artists_for(viewer))
    order = [Artist.sort_key, Artist.id]
    return page_of(session, statement, order=order, limit=limit, cursor=cursor, descending=False)


def genres(session: ReadSession) -> Sequence[Genre]:
    """Genres of what everybody may see, the largest first."""
    return session.scalars(
        select(Genre).where(Genre.songs > 0).order_by(Genre.songs.desc(), Genre.key).limit(1000)
    ).all()


def songs_of_album(session: ReadSession, viewer: Viewer, album_id: int) -> Sequence[Song]:
    """An album's songs in their order, as far as the viewer sees them."""
    statement = select(Song).join(AlbumSong, AlbumSong.song_id == Song.id)
    statement = statement.where(AlbumSong.album_id == album_id, songs_for(viewer))
    return session.scalars(statement.order_by(AlbumSong.disc, AlbumSong.track, Song.id).limit(2000)).all()


def albums_of_artist(session: ReadSession, viewer: Viewer, artist_id: int) -> Sequence[Album]:
    """The albums that an artist is on, the newest first."""
    held = select(AlbumSong.album_id).join(SongCredit, SongCredit.song_id == AlbumSong.song_id)
    credited = held.where(SongCredit.artist_id == artist_id, SongCredit.role.in_(["artist", "album_artist"]))
    statement = select(Album).where(Album.id.in_(credited), albums_for(viewer))
    return session.scalars(statement.order_by(Album.year_key.desc(), Album.id.desc()).limit(500)).all()


def songs_of_artist(session: ReadSession, viewer: Viewer, artist_id: int, *, limit: int = 50) -> Sequence[Song]:
    """An artist's songs, the most heard first."""
    credited = select(SongCredit.song_id).where(SongCredit.artist_id == artist_id, SongCredit.role == "artist")
    statement = select(Song).where(Song.id.in_(credited), songs_for(viewer))
    return session.scalars(statement.order_by(Song.play_count.desc(), Song.id).limit(limit)).all()


def releases_of_artist(session: ReadSession, viewer: Viewer, artist_id: int, *, limit: int) -> Sequence[Song]:
    """An artist's songs, the latest released first."""
    credited = select(SongCredit.song_id).where(SongCredit.artist_id == artist_id, SongCredit.role == "artist")
    statement = select(Song).where(Song.id.in_(credited), songs_for(viewer))
    return session.scalars(statement.order_by(Song.published_at.desc(), Song.id.desc()).limit(limit)).all()


def songs_of_genre(
    session: ReadSession, viewer: Viewer, genre: str, *, limit: int = 50, offset: int = 0
) -> Sequence[Song]:
    """Songs of a genre, the most heard first."""
    held = select(SongGenre.song_id).where(SongGenre.genre_key == folded(genre))
    statement = select(Song).where(Song.id.in_(held), songs_for(viewer))
    return session.scalars(statement.order_by(Song.play_count.desc(), Song.id).limit(limit).offset(offset)).all()
