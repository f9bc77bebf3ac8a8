"""Counters of artists, albums and genres. They follow each change of a song at a cost that does not grow with the
catalogue: what artists and genres have is moved by the difference, what an album has is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Table, bindparam, case, delete, func, insert, select, update

from dodeca.kernel.db import Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.products.music.models import (
    Album,
    AlbumArtist,
    AlbumGenre,
    AlbumSong,
    Artist,
    Genre,
    Song,
    SongCredit,
    SongGenre,
)
from dodeca.products.music.service import loudness, places

_artists: Final = cast(Table, Artist.__table__)
_albums: Final = cast(Table, Album.__table__)
_genres: Final = cast(Table, Genre.__table__)

_artists_of: Final = PreparedIn(
    select(SongCredit.song_id, SongCredit.artist_id, Song.listed).join(Song, Song.id == SongCredit.song_id).distinct(),
    SongCredit.song_id.expression,
)
_genres_of: Final = PreparedIn(
    select(SongGenre.song_id, SongGenre.genre_key, Song.listed).join(Song, Song.id == SongGenre.song_id),
    SongGenre.song_id.expression,
)
_albums_of: Final = PreparedIn(select(AlbumSong.album_id).distinct(), AlbumSong.song_id.expression)

_move_artist: Final = Prepared(
    update(_artists)
    .where(_artists.c.id == bindparam("artist_id"))
    .values(public_songs=_artists.c.public_songs + bindparam("songs"))
)
_move_genre: Final = Prepared(
    update(_genres)
    .where(_genres.c.key == bindparam("genre_key"))
    .values(songs=_genres.c.songs + bindparam("more_songs"), albums=_genres.c.albums + bindparam("more_albums"))
)

_album_genre: Final = Prepared(
    select(Album.genre_key, Album.public_songs > 0, Album.sort_key)
    .where(Album.id == bindparam("album_id"))
    .with_for_update(key_share=True)  # songs that others put on the album meanwhile refer to it
)


def _of_listed(value: Any) -> Any:
    return case((Song.listed, value))


_genres_of_album: Final = Prepared(
    select(SongGenre.genre_key, func.count(_of_listed(Song.id)))
    .join(AlbumSong, AlbumSong.song_id == SongGenre.song_id)
    .join(Song, Song.id == SongGenre.song_id)
    .where(AlbumSong.album_id == bindparam("album_id"))
    .group_by(SongGenre.genre_key)
    .order_by(func.count().desc(), SongGenre.genre_key)
)
_shown_under: Final = Prepared(select(AlbumGenre.genre_key).where(AlbumGenre.album_id == bindparam("album_id")))
_show_under: Final = Prepared(insert(cast(Table, AlbumGenre.__table__)), columns=["album_id", "genre_key", "sort_key"])
_hide_under: Final = Prepared(
    delete(AlbumGenre).where(
        AlbumGenre.album_id == bindparam("album_id"), AlbumGenre.genre_key == bindparam("genre_key")
    )
)
_on_album: Final = Prepared(
    select(
        func.count(),
        func.count(_of_listed(Song.id)),
        func.coalesce(func.sum(_of_listed(Song.duration_ms)), 0),
        func.coalesce(func.sum(Song.play_count), 0),
        func.count(_of_listed(func.coalesce(Song.tagged_album_gain, func.length(Song.loudness)))),
    )
    .select_from(Song)
    .join(AlbumSong, AlbumSong.song_id == Song.id)
    .where(AlbumSong.album_id == bindparam("album_id"))
)
_set_album: Final = Prepared(
    update(_albums)
    .where(_albums.c.id == bindparam("album_id"))
    .values({name: bindparam(f"new_{name}") for name in ("public_songs", "duration_ms", "play_count", "genre_key")})
)
_forget_artists: Final = Prepared(delete(AlbumArtist).where(AlbumArtist.album_id == bindparam("album_id")))
_forget_album: Final = Prepared(delete(Album).where(Album.id == bindparam("album_id")))


class _Belonging(NamedTuple):
    """What some songs belong to: artists and genres by how many of these songs everybody may see."""

    artists: Counter[int]
    genres: Counter[str]
    albums: set[int]


class Touched:
    """Songs that change in a unit of work, and what has to be counted anew because of that.

    `artists` and `albums` are those that the songs belonged to before, and, after `recount`, belong to now."""

    def __init__(self) -> None:
        self.songs: set[int] = set()
        self.artists: set[int] = set()
        self.albums: set[int] = set()
        self._before = _Belonging(Counter(), Counter(), set())

    def before(self, session: ReadSession, song_ids: Collection[int]) -> None:
        """These songs are about to change. What waits to be written is taken for a part of the change."""
        unseen = set(song_ids) - self.songs
        with session.no_autoflush:
            self._take(_belonging(session, unseen), self._before)
        self.songs |= unseen

    def new(self, song_ids: Collection[int]) -> None:
        """These songs were just made."""
        self.songs.update(song_ids)

    def after(self, session: ReadSession) -> tuple[Counter[int], Counter[str]]:
        """By how much artists and genres have more songs now, or less."""
        now = _Belonging(Counter(), Counter(), set())
        self._take(_belonging(session, self.songs), now)
        now.artists.subtract(self._before.artists)
        now.genres.subtract(self._before.genres)
        return now.artists, now.genres

    def _take(self, found: _Belonging, into: _Belonging) -> None:
        into.artists.update(found.artists)
        into.genres.update(found.genres)
        self.artists.update(found.artists)
        self.albums |= found.albums


def _belonging(session: ReadSession, song_ids: Collection[int]) -> _Belonging:
    artists, genres = Counter[int](), Counter[str]()
    for _song_id, artist_id, listed in _artists_of.rows(session, song_ids):
        artists[artist_id] += bool(listed)
    for _song_id, genre_key, listed in _genres_of.rows(session, song_ids):
        genres[genre_key] += bool(listed)
    return _Belonging(artists, genres, {row[0] for row in _albums_of.rows(session, song_ids)})


def recount(session: WriteSession, touched: Touched) -> None:
    """Bring the counters of artists, albums and genres up to their songs; albums without any song go."""
    session.flush()
    artists, genres = touched.after(session)
    for artist_id, songs in sorted(artists.items()):
        if songs:
            _move_artist.run(session, artist_id=artist_id, songs=songs)
    albums: Counter[str] = Counter()
    for album_id in sorted(touched.albums):
        _count_album(session, album_id, albums)
    for key in sorted(genres.keys() | albums.keys()):
        if genres[key] or albums[key]:
            _move_genre.run(session, genre_key=key, more_songs=genres[key], more_albums=albums[key])
    places.catalogue_changed(session)  # last: the row is held until the commit
    for kind in (Artist, Album, Genre):
        for row in [row for row in session.identity_map.values() if isinstance(row, kind)]:
            session.expire(row)


def _count_album(session: WriteSession, album_id: int, genres: Counter[str]) -> None:
    """Count an album anew; notes in `genres` by how much they have more albums, or less."""
    before = _album_genre.first(session, album_id=album_id)  # whoever holds the row counts alone
    if before is None:
        return
    if before[0] is not None and before[1]:
        genres[before[0]] -= 1
    counted = _on_album.first(session, album_id=album_id)
    songs, listed, duration_ms, plays, measured = map(int, counted or (0, 0, 0, 0, 0))
    found = _genres_of_album.rows(session, album_id=album_id)
    _show_by_genre(session, album_id, before[2], {key for key, shown in found if shown})
    if not songs:
        _forget_artists.run(session, album_id=album_id)
        _forget_album.run(session, album_id=album_id)
        return
    if measured:
        loudness.level_later(session, album_id)
    genre_key = found[0][0] if found else None
    if genre_key is not None and listed:
        genres[genre_key] += 1
    values = {"public_songs": listed, "duration_ms": duration_ms, "play_count": plays, "genre_key": genre_key}
    _set_album.run(session, album_id=album_id, **{f"new_{name}": value for name, value in values.items()})


def _show_by_genre(session: WriteSession, album_id: int, sort_key: str, wanted: set[str]) -> None:
    """Bring an album into the lists of these genres, and out of others."""
    shown = {row[0] for row in _shown_under.rows(session, album_id=album_id)}
    for key in sorted(shown - wanted):
        _hide_under.run(session, album_id=album_id, genre_key=key)
    for key in sorted(wanted - shown):
        _show_under.run(session, album_id=album_id, genre_key=key, sort_key=sort_key)
