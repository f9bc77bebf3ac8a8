"""Artists, albums and genres: found by identity or made, and counted anew where their songs changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Select, delete, distinct, func, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.music.models import Album, AlbumArtist, AlbumSong, Artist, Genre, Song, SongCredit, SongGenre
from dodeca.products.music.service import folding, loudness, places
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import Viewer, albums_for, artists_for, insert_for

VARIOUS = "Various Artists"


def find_artist(session: ReadSession, viewer: Viewer, artist_id: int) -> Artist:
    """An artist that the viewer sees. Raises NotFound."""
    found = session.scalar(select(Artist).where(Artist.id == artist_id, artists_for(viewer)))
    if found is None:
        raise NotFound("There is no such artist.")
    return found


def find_album(session: ReadSession, viewer: Viewer, album_id: int) -> Album:
    """An album that the viewer sees. Raises NotFound."""
    found = session.scalar(select(Album).where(Album.id == album_id, albums_for(viewer)))
    if found is None:
        raise NotFound("There is no such album.")
    return found


def artist_for(session: WriteSession, name: str, mbid: str | None = None) -> Artist:
    """The artist of a MusicBrainz id, else of a name; made where there is none.

    An artist that had only its name takes on the id that comes with the same name."""
    if mbid is not None:
        known = session.scalar(select(Artist).where(Artist.mbid == mbid))
        if known is not None:
            return known
    key = folding.folded(name) or name
    alike = select(Artist).where(Artist.name_key == key).order_by(Artist.mbid.is_not(None), Artist.id).limit(1)
    found = session.scalar(alike)
    if found is not None and (mbid is None or found.mbid is None):
        if mbid is not None:
            found.mbid = mbid
            session.flush()
        return found
    values = {
        "name": name,
        "name_key": key,
        "sort_key": folding.sorting(name),
        "mbid": mbid,
        "created_at": clock.now(),
    }
    made = insert_for(session)(Artist).values(values | _counters(Artist)).on_conflict_do_nothing().returning(Artist.id)
    number = session.scalar(made)
    return session.get_one(Artist, number) if number is not None else artist_for(session, name, mbid)


def _counters(kind: type[Artist] | type[Album]) -> dict[str, Any]:
    if kind is Artist:
        return {"about": "", "public_songs": 0, "like_count": 0}
    return dict.fromkeys(("public_songs", "duration_ms", "play_count", "like_count", "rating_sum", "rating_count"), 0)


def artists_of(session: WriteSession, tags: Tags) -> list[Artist]:
    """The artists of a song, in order."""
    mbids = tags.artist_mbids if len(tags.artist_mbids) == len(tags.artists) else []
    names = list(tags.artists)
    return _each_once(artist_for(session, name, mbids[i] if mbids else None) for i, name in enumerate(names))


def album_artists_of(session: WriteSession, tags: Tags, artists: Sequence[Artist]) -> list[Artist]:
    """Whom an album is by: the album artists, else various ones of a compilation, else the song's first."""
    if not tags.album_artist:
        return [artist_for(session, VARIOUS)] if tags.compilation else list(artists[:1])
    names = folding.credited(tags.album_artist) or [tags.album_artist]
    mbids = tags.album_artist_mbids if len(tags.album_artist_mbids) == len(names) else []
    return _each_once(artist_for(session, name, mbids[i] if mbids else None) for i, name in enumerate(names))


def _each_once(artists: Iterable[Artist]) -> list[Artist]:
    return list({artist.id: artist for artist in artists}.values())


def album_for(session: WriteSession, tags: Tags, album_artists: Sequence[Artist]) -> Album | None:
    """The album that tags name, made where there is none; None where they name none."""
    if not tags.album:
        return None
    if tags.album_mbid is not None:
        known = session.scalar(select(Album).where(Album.mbid == tags.album_mbid))
        if known is not None:
            return known
    year = tags.year or (int(tags.release_date[:4]) if tags.release_date else None) or None
    identity = {
        "artists_key": ",".join(str(artist.id) for artist in album_artists),
        "title_key": folding.folded(tags.album) or tags.album,
        "year_key": year or 0,
    }
    alike = select(Album).where(*(getattr(Album, name) == value for name, value in identity.items()))
    found = session.scalar(alike.order_by(Album.mbid.is_not(None), Album.id).limit(1))
    if found is not None and (tags.album_mbid is None or found.mbid is None):
        if tags.album_mbid is not None:
            found.mbid = tags.album_mbid
            session.flush()
        return found
    name = folding.display([artist.name for artist in album_artists])
    values = identity | {
        "title": tags.album,
        "sort_key": folding.sorting(tags.album),
        "artist_name": name,
        "artist_key": folding.sorting(name),
        "artist_id": album_artists[0].id,
        "year": year,
        "release_date": tags.release_date,
        "mbid": tags.album_mbid,
        "created_at": clock.now(),
    }
    made = insert_for(session)(Album).values(values | _counters(Album)).on_conflict_do_nothing().returning(Album.id)
    number = session.scalar(made)
    if number is None:
        return album_for(session, tags, album_artists)
    places = [{"album_id": number, "position": i, "artist_id": a.id} for i, a in enumerate(album_artists)]
    session.execute(insert_for(session)(AlbumArtist), places)
    return session.get_one(Album, number)


def genre_keys(session: WriteSession, genres: Sequence[str]) -> list[str]:
    """The keys of genres, which are made where they are new."""
    names = {key: name for name in genres if (key := folding.folded(name))}
    if names:
        rows = [{"key": key, "name": name, "songs": 0, "albums": 0} for key, name in names.items()]
        session.execute(insert_for(session)(Genre).on_conflict_do_nothing(), rows)
    return list(names)


class Touched:
    """What a change of songs makes it necessary to count anew."""

    def __init__(self) -> None:
        self.artists: set[int] = set()
        self.albums: set[int] = set()
        self.genres: set[str] = set()

    def add(self, session: ReadSession, song_ids: Collection[int]) -> None:
        """All that these songs belong to now."""
        if not song_ids:
            return
        self.artists.update(session.scalars(select(SongCredit.artist_id).where(SongCredit.song_id.in_(song_ids))))
        self.albums.update(session.scalars(select(AlbumSong.album_id).where(AlbumSong.song_id.in_(song_ids))))
        self.genres.update(session.scalars(select(SongGenre.genre_key).where(SongGenre.song_id.in_(song_ids))))


def recount(session: WriteSession, touched: Touched) -> None:
    """Bring the counters of artists, albums and genres up to their songs; albums without any song go."""
    session.flush()
    for artist_id in sorted(touched.artists):
        songs = _listed(select(func.count(distinct(SongCredit.song_id))), SongCredit.song_id)
        count = songs.where(SongCredit.artist_id == artist_id).scalar_subquery()
        session.execute(_set(update(Artist).where(Artist.id == artist_id).values(public_songs=count)))
    for album_id in sorted(touched.albums):
        touched.genres.update(_recount_album(session, album_id))
    for key in sorted(touched.genres):
        songs = _listed(select(func.count()), SongGenre.song_id).where(SongGenre.genre_key == key)
        albums = select(func.count()).select_from(Album).where(Album.genre_key == key, Album.public_songs > 0)
        counts = {"songs": songs.scalar_subquery(), "albums": albums.scalar_subquery()}
        session.execute(_set(update(Genre).where(Genre.key == key).values(counts)))
    places.catalogue_changed(session)  # last: the row is held until the commit
    for kind in (Artist, Album, Genre):
        for row in [row for row in session.identity_map.values() if isinstance(row, kind)]:
            session.expire(row)


def _listed(statement: Select[Any], column: Any) -> Select[Any]:
    return statement.select_from(column.class_).join(Song, Song.id == column).where(Song.listed)


def _set(statement: Any) -> Any:
    return statement.execution_options(synchronize_session=False)


def _recount_album(session: WriteSession, album_id: int) -> set[str]:
    """Count an album anew; gives its genre before and after."""
    before = session.scalar(select(Album.genre_key).where(Album.id == album_id))
    held = select(func.count()).where(AlbumSong.album_id == album_id)
    if not session.scalar(held):
        session.execute(delete(AlbumArtist).where(AlbumArtist.album_id == album_id))
        session.execute(_set(delete(Album).where(Album.id == album_id)))
        return {before} if before else set()
    on_album: Any = select(
        func.count(),
        func.coalesce(func.sum(Song.duration_ms), 0),
        func.sum(Song.play_count),
        func.count(Song.tagged_album_gain),
        func.count(Song.loudness),
    )
    on_album = (
        on_album.select_from(Song).join(AlbumSong, AlbumSong.song_id == Song.id).where(AlbumSong.album_id == album_id)
    )
    songs, duration_ms, _, tagged, loud = session.execute(on_album.where(Song.listed)).one()
    plays = session.execute(on_album).one()[2] or 0
    if tagged or loud:
        loudness.level_later(session, album_id)
    genre = (
        select(SongGenre.genre_key)
        .join(AlbumSong, AlbumSong.song_id == SongGenre.song_id)
        .where(AlbumSong.album_id == album_id)
        .group_by(SongGenre.genre_key)
        .order_by(func.count().desc(), SongGenre.genre_key)
        .limit(1)
    )
    after = session.scalar(genre)
    values = {
        "public_songs": songs,
        "duration_ms": int(duration_ms),
        "play_count": int(plays),
        "genre_key": after,
    }
    session.execute(_set(update(Album).where(Album.id == album_id).values(values)))
    return {key for key in (before, after) if key}
