"""Artists, albums and genres: found by identity or made, and counted anew where their songs changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Finding, Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.music.models import Album, AlbumArtist, Artist, Genre
from dodeca.products.music.service import folding
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import Viewer, albums_for, artists_for

T = TypeVar("T", Artist, Album)

VARIOUS = "Various Artists"


def _inserting(kind: Any, names: str, **fixed: object) -> Prepared:
    """An INSERT with these columns as parameters, which leaves alone what is there (both engines take this form), and
    gives the new id where there is one."""
    table = cast(Table, kind.__table__)
    values = {name: bindparam(name, type_=table.c[name].type) for name in names.split()}
    made = postgresql.insert(table).values({**values, **fixed}).on_conflict_do_nothing()
    return Prepared(made.returning(table.c.id) if "id" in table.c else made)


_ALBUM: Final = "artists_key title_key year_key title sort_key artist_name artist_key artist_id year release_date mbid"
_insert_artist: Final = _inserting(
    Artist, "name name_key sort_key mbid created_at", about="", public_songs=0, like_count=0
)
_insert_album: Final = _inserting(
    Album,
    f"{_ALBUM} created_at",
    **dict.fromkeys(("public_songs", "duration_ms", "play_count", "like_count", "rating_sum", "rating_count"), 0),
)
_insert_album_artists: Final = _inserting(AlbumArtist, "album_id position artist_id")
_insert_genre: Final = _inserting(Genre, "key name", songs=0, albums=0)
_artist_of_mbid: Final = Finding(Artist, Artist.mbid == bindparam("mbid"))
_artists_of_name: Final = Finding(Artist, Artist.name_key == bindparam("name_key"))
_album_of_mbid: Final = Finding(Album, Album.mbid == bindparam("mbid"))
_albums_of_name: Final = Finding(
    Album,
    Album.artists_key == bindparam("artists_key"),
    Album.title_key == bindparam("title_key"),
    Album.year_key == bindparam("year_key"),
)


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
    if mbid is not None and (known := _artist_of_mbid.first(session, mbid=mbid)) is not None:
        return known
    key = folding.folded(name) or name
    found = _preferred(_artists_of_name.all(session, name_key=key))
    if found is not None and (mbid is None or found.mbid is None):
        if mbid is not None:
            found.mbid = mbid
            session.flush()
        return found
    values = {"name": name, "name_key": key, "sort_key": folding.sorting(name), "mbid": mbid}
    row = _insert_artist.first(session, **values, created_at=clock.now())
    return session.get_one(Artist, row[0]) if row is not None else artist_for(session, name, mbid)


def _preferred(alike: Sequence[T]) -> T | None:
    """Of artists or albums of one name the one that is known by nothing else, else the oldest."""
    return min(alike, key=lambda one: (one.mbid is not None, one.id), default=None)


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
        known = _album_of_mbid.first(session, mbid=tags.album_mbid)
        if known is not None:
            return known
    year = tags.year or (int(tags.release_date[:4]) if tags.release_date else None) or None
    identity = {
        "artists_key": ",".join(str(artist.id) for artist in album_artists),
        "title_key": folding.folded(tags.album) or tags.album,
        "year_key": year or 0,
    }
    found = _preferred(_albums_of_name.all(session, **identity))
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
    }
    row = _insert_album.first(session, **values, created_at=clock.now())
    if row is None:
        return album_for(session, tags, album_artists)
    album_id = row[0]
    credits = [{"album_id": album_id, "position": i, "artist_id": a.id} for i, a in enumerate(album_artists)]
    _insert_album_artists.run_many(session, credits)
    return session.get_one(Album, album_id)


def genre_keys(session: WriteSession, genres: Sequence[str]) -> list[str]:
    """The keys of genres, which are made where they are new."""
    names = {key: name for name in genres if (key := folding.folded(name))}
    if names:
        _insert_genre.run_many(session, [{"key": key, "name": name} for key, name in names.items()])
    return list(names)
