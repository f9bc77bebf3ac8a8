"""What must always be true of music's rows. Each function gives the ids of rows that break its rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, distinct, func, or_, select

from dodeca.commons import likes
from dodeca.kernel.db import ReadSession
from dodeca.kernel.manifest import Invariant
from dodeca.products.music.models import (
    Album,
    AlbumGenre,
    AlbumSong,
    Artist,
    Comment,
    Genre,
    Listen,
    Member,
    Playlist,
    PlaylistItem,
    Rating,
    Show,
    Song,
    SongCredit,
    SongGenre,
)
from dodeca.products.music.service.likes import LIKES


def _ids(session: ReadSession, statement: Select[Any]) -> Sequence[object]:
    return session.scalars(statement.limit(100)).all()


def _count(statement: Select[Any]) -> Any:
    return statement.scalar_subquery()


def likes_are_counted(session: ReadSession) -> Sequence[object]:
    """`like_count` equals the likes of a song, album, artist, playlist or comment."""
    wrong: list[object] = []
    tables: Mapping[str, Any] = {
        "song": Song,
        "album": Album,
        "artist": Artist,
        "playlist": Playlist,
        "comment": Comment,
    }
    for kind, table in tables.items():
        broken = _ids(session, likes.miscounted(LIKES, table.like_count, kind=kind))
        wrong += [f"{kind} {number}" for number in broken]
    return wrong


def ratings_are_summed(session: ReadSession) -> Sequence[object]:
    """The sums of a song or album equal its ratings from 1 to 5."""
    wrong: list[object] = []
    tables: Mapping[str, Any] = {"song": Song, "album": Album}
    for kind, table in tables.items():
        given = (Rating.kind == kind, Rating.target_id == table.id, Rating.rating > 0)
        total = select(func.coalesce(func.sum(Rating.rating), 0)).where(*given)
        rows = select(func.count()).where(*given)
        broken = or_(table.rating_sum != _count(total), table.rating_count != _count(rows))
        wrong += [f"{kind} {number}" for number in _ids(session, select(table.id).where(broken))]
    return wrong


def comments_are_counted(session: ReadSession) -> Sequence[object]:
    """A song's `comment_count` equals its live comments."""
    rows = select(func.count()).where(Comment.song_id == Song.id, Comment.state == "live")
    return _ids(session, select(Song.id).where(Song.comment_count != _count(rows)))


def plays_are_counted(session: ReadSession) -> Sequence[object]:
    """A song's `play_count` equals its listens that count, a member's `listen_count` theirs."""
    of_song = select(func.count()).where(Listen.song_id == Song.id, Listen.counted)
    of_member = select(func.count()).where(Listen.user_id == Member.user_id)
    return [
        *_ids(session, select(Song.id).where(Song.play_count != _count(of_song))),
        *_ids(session, select(Member.user_id).where(Member.listen_count != _count(of_member))),
    ]


def playlists_are_counted(session: ReadSession) -> Sequence[object]:
    """A playlist's counters equal its items."""
    items = PlaylistItem.playlist_id == Playlist.id
    rows = select(func.count()).where(items)
    return _ids(session, select(Playlist.id).where(Playlist.song_count != _count(rows)))


def catalogue_is_counted(session: ReadSession) -> Sequence[object]:
    """`public_songs` of albums and artists, `songs` of genres equal the listed songs that belong to them; so nothing
    private shows. `albums` of genres equals the albums of that main genre that show."""
    on_album = select(func.count()).select_from(AlbumSong).join(Song, Song.id == AlbumSong.song_id)
    on_album = on_album.where(AlbumSong.album_id == Album.id, Song.listed)
    by_artist = select(func.count(distinct(SongCredit.song_id))).join(Song, Song.id == SongCredit.song_id)
    by_artist = by_artist.where(SongCredit.artist_id == Artist.id, Song.listed)
    of_genre = select(func.count()).select_from(SongGenre).join(Song, Song.id == SongGenre.song_id)
    of_genre = of_genre.where(SongGenre.genre_key == Genre.key, Song.listed)
    albums = select(func.count()).where(Album.genre_key == Genre.key, Album.public_songs > 0)
    uncounted = or_(Genre.songs != _count(of_genre), Genre.albums != _count(albums))
    return [
        *(f"genre {key}" for key in _ids(session, select(Genre.key).where(uncounted))),
        *(f"album {n}" for n in _ids(session, select(Album.id).where(Album.public_songs != _count(on_album)))),
        *(f"artist {n}" for n in _ids(session, select(Artist.id).where(Artist.public_songs != _count(by_artist)))),
    ]


def albums_show_by_genre(session: ReadSession) -> Sequence[object]:
    """A list of a genre holds the albums with a song of it that everybody may see, under their names."""
    heard = select(AlbumSong.album_id, SongGenre.genre_key).join(SongGenre, SongGenre.song_id == AlbumSong.song_id)
    heard = heard.join(Song, Song.id == AlbumSong.song_id).where(Song.listed)
    shown = select(AlbumGenre.album_id, AlbumGenre.genre_key).join(Album, Album.id == AlbumGenre.album_id)
    shown = shown.where(AlbumGenre.sort_key == Album.sort_key)
    held = select(AlbumGenre.album_id, AlbumGenre.genre_key)
    either = (heard.except_(shown), held.except_(heard))
    return [f"album {row[0]} under {row[1]}" for one in either for row in session.execute(one.limit(100))]


def listens_are_one(session: ReadSession) -> Sequence[object]:
    """No two listens of an account to the same song begin in the same second."""
    same = select(func.min(Listen.id)).where(Listen.song_id.is_not(None))
    same = same.group_by(Listen.user_id, Listen.song_id, Listen.listened_at)
    return _ids(session, same.having(func.count() > 1))


def shows_do_not_overlap(session: ReadSession) -> Sequence[object]:
    """At any moment at most one show has a station's air."""
    ordered = select(
        Show.id,
        Show.starts_at,
        func.lag(Show.ends_at).over(partition_by=Show.station_id, order_by=Show.starts_at).label("before"),
    ).subquery()
    return _ids(session, select(ordered.c.id).where(ordered.c.before > ordered.c.starts_at))


invariants: Mapping[str, Invariant] = {
    "likes_are_counted": likes_are_counted,
    "ratings_are_summed": ratings_are_summed,
    "comments_are_counted": comments_are_counted,
    "plays_are_counted": plays_are_counted,
    "playlists_are_counted": playlists_are_counted,
    "catalogue_is_counted": catalogue_is_counted,
    "albums_show_by_genre": albums_show_by_genre,
    "listens_are_one": listens_are_one,
    "shows_do_not_overlap": shows_do_not_overlap,
}
