"""Many songs of a folder at once: the same as `songs.add` one by one, in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Insert, Table, bindparam, insert, select

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, PreparedIn, WriteSession
from dodeca.products.music.models import AlbumSong, Listen, Song, SongCredit, SongGenre, SongVersion
from dodeca.products.music.service import catalogue, folding, songs
from dodeca.products.music.service.songs import Audio
from dodeca.products.music.service.tags import Tags


class _Credited(NamedTuple):
    """The ids of a song's artists, its album's, its composers, and its album's own."""

    artists: list[int]
    album_artists: list[int]
    composers: list[int]
    album_id: int | None


class _Names:
    """Artists, albums and genres of a batch: each is looked for once."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._artists: dict[tuple[Any, ...], list[Any]] = {}
        self._albums: dict[tuple[Any, ...], int | None] = {}
        self._genres: dict[str, list[str]] = {}

    def credited(self, tags: Tags) -> _Credited:
        """Whom a song is by, and on which album."""
        key = (*tags.artists, *tags.artist_mbids)
        artists = self._artists.get(("artist", *key))
        if artists is None:
            artists = self._artists["artist", *key] = catalogue.artists_of(self._session, tags)
        by = (tags.album_artist, tags.compilation, *tags.album_artist_mbids, artists[0].id)
        album_artists = self._artists.get(("album", *by))
        if album_artists is None:
            album_artists = catalogue.album_artists_of(self._session, tags, artists)
            self._artists["album", *by] = album_artists
        album_key = (tags.album, tags.year, tags.release_date, tags.album_mbid, *(one.id for one in album_artists))
        if album_key not in self._albums:
            album = catalogue.album_for(self._session, tags, album_artists)
            self._albums[album_key] = album.id if album is not None else None
        composers = [self._composer(name).id for name in tags.composers]
        return _Credited([a.id for a in artists], [a.id for a in album_artists], composers, self._albums[album_key])

    def _composer(self, name: str) -> Any:
        if ("composer", name) not in self._artists:
            self._artists["composer", name] = [catalogue.artist_for(self._session, name)]
        return self._artists["composer", name][0]

    def genres(self, tags: Tags) -> list[str]:
        """The keys of a song's genres."""
        key = "\t".join(tags.genres)
        if key not in self._genres:
            self._genres[key] = catalogue.genre_keys(self._session, tags.genres)
        return self._genres[key]


def add_many(session: WriteSession, found: Sequence[tuple[Tags, Audio]]) -> list[int]:
    """Add songs of a watched folder whose audio it does not have yet; gives their ids. The caller recounts.

    Raises IntegrityError where it has one."""
    if not found:
        return []
    names, now = _Names(session), clock.now()
    credited = [names.credited(tags) for tags, _audio in found]
    rows = [
        _song_row(tags, audio, credits.artists[0], credits.album_id, now)
        for (tags, audio), credits in zip(found, credited, strict=True)
    ]
    ids = [cast(tuple[int], _insert_song.first(session, **row))[0] for row in rows]
    _link(session, names, ids, found, credited)
    _insert_versions.run_many(
        session,
        [
            {"song_id": song_id, "version": 1, "editor_id": None, "tags": msgspec.to_builtins(tags), "created_at": now}
            for song_id, (tags, _audio) in zip(ids, found, strict=True)
        ],
    )
    _join_waiting(session, ids, [row["work_key"] for row in rows])
    return ids


def _link(
    session: WriteSession,
    names: _Names,
    ids: Sequence[int],
    found: Sequence[tuple[Tags, Audio]],
    credited: Sequence[_Credited],
) -> None:
    """Credits, places on albums and genres of new songs."""
    credits: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []
    genres: list[dict[str, Any]] = []
    for song_id, (tags, _audio), (artists, album_artists, composers, album_id) in zip(
        ids, found, credited, strict=True
    ):
        for role, people in (("artist", artists), ("album_artist", album_artists), ("composer", composers)):
            credits += [
                {"song_id": song_id, "role": role, "position": place, "artist_id": artist_id}
                for place, artist_id in enumerate(dict.fromkeys(people))
            ]
        if album_id is not None:
            places.append({"album_id": album_id, "song_id": song_id, "disc": tags.disc or 1, "track": tags.track or 0})
        genres += [{"song_id": song_id, "genre_key": key} for key in names.genres(tags)]
    _insert_credits.run_many(session, credits)
    _insert_places.run_many(session, places)
    _insert_genres.run_many(session, genres)


_OF_AUDIO = (
    "codec", "suffix", "content_type", "bit_rate", "sample_rate", "channels", "bit_depth", "size", "duration_ms",
    "audio_hash", "media_key", "library_id", "path", "lyrics", "cover_key", "track_gain", "track_peak",
    "tagged_album_gain", "tagged_album_peak",
)  # fmt: skip


_OF_TAGS = (
    "title", "title_key", "artist_name", "artist_id", "album_id", "work_key", "library_key", "track", "disc", "year",
    "genres", "explicit", "isrc", "mbid", "published_at", "created_at", "updated_at",
)  # fmt: skip
_AT_FIRST: dict[str, Any] = {
    "visibility": "public",
    "listed": True,
    "approved": True,
    "version": 1,
    **dict.fromkeys(("play_count", "like_count", "comment_count", "rating_sum", "rating_count"), 0),
}


def _inserting(kind: Any, names: Sequence[str]) -> Insert:
    table = cast(Table, kind.__table__)
    return insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names})


_insert_song = Prepared(_inserting(Song, (*_OF_AUDIO, *_OF_TAGS)).values(_AT_FIRST).returning(Song.__table__.c.id))
_insert_credits = Prepared(_inserting(SongCredit, ("song_id", "role", "position", "artist_id")))
_insert_places = Prepared(_inserting(AlbumSong, ("album_id", "song_id", "disc", "track")))
_insert_genres = Prepared(_inserting(SongGenre, ("song_id", "genre_key")))
_insert_versions = Prepared(_inserting(SongVersion, ("song_id", "version", "editor_id", "tags", "created_at")))


def _song_row(tags: Tags, audio: Audio, artist_id: int, album_id: int | None, now: Any) -> dict[str, Any]:
    return {
        **{name: getattr(audio, name) for name in _OF_AUDIO},
        "title": tags.title,
        "title_key": folding.folded(tags.title),
        "artist_name": tags.artist,
        "artist_id": artist_id,
        "album_id": album_id,
        "work_key": folding.work_key(tags.artist, tags.title),
        "library_key": f"l:{audio.library_id}",
        "track": tags.track,
        "disc": tags.disc,
        "year": tags.year,
        "genres": list(tags.genres),
        "explicit": tags.explicit,
        "isrc": tags.isrc,
        "mbid": tags.mbid,
        "published_at": now,
        "created_at": now,
        "updated_at": now,
    }


_waiting = PreparedIn(select(Listen.work_key).where(Listen.song_id.is_(None)).distinct(), Listen.work_key.expression)


def _join_waiting(session: WriteSession, ids: Sequence[int], work_keys: Sequence[str]) -> None:
    """Listens that came before these songs did are listens of them."""
    wanted = {row[0] for row in _waiting.rows(session, set(work_keys))}
    for song_id, key in zip(ids, work_keys, strict=True):
        if key in wanted:
            songs.join_listens(session, session.get_one(Song, song_id))
