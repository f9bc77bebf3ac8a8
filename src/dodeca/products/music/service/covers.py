"""Covers: where the picture of a thing comes from, and a drawn one where there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from sqlalchemy import select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, NotFound
from dodeca.products.music.models import Album, AlbumSong, Artist, Playlist, PlaylistItem, Song, SongCredit
from dodeca.products.music.service import catalogue, playlists, songs
from dodeca.products.music.service.viewers import Viewer, albums_for, may_edit_song, songs_for

KINDS: Mapping[str, str] = {"songs": "song", "albums": "album", "artists": "artist", "playlists": "playlist"}


@dataclass(frozen=True)
class Cover:
    """A picture in the media store, or the words from which one is drawn."""

    key: str | None
    words: str


def find(session: ReadSession, viewer: Viewer, kind: str, number: int) -> Cover:
    """The cover of a thing that the viewer sees. Raises NotFound."""
    if kind == "song":
        return of_song(session, viewer, songs.find(session, viewer, number))
    if kind == "album":
        return of_album(session, viewer, catalogue.find_album(session, viewer, number))
    if kind == "artist":
        artist = catalogue.find_artist(session, viewer, number)
        newest = select(Album).where(Album.artist_id == artist.id, albums_for(viewer))
        album = session.scalar(newest.order_by(Album.year_key.desc(), Album.id).limit(1))
        found = of_album(session, viewer, album).key if album is not None else None
        return Cover(artist.cover_key or found, artist.name)
    playlist = playlists.find(session, viewer, number)
    first = (
        select(Song)
        .join(PlaylistItem, PlaylistItem.song_id == Song.id)
        .where(PlaylistItem.playlist_id == playlist.id, songs_for(viewer))
        .order_by(PlaylistItem.rank)
        .limit(1)
    )
    song = session.scalar(first) if playlist.cover_key is None else None
    key = playlist.cover_key or (of_song(session, viewer, song).key if song is not None else None)
    return Cover(key, playlist.title)


def of_song(session: ReadSession, viewer: Viewer, song: Song) -> Cover:
    """A song's own picture, else its album's."""
    if song.cover_key is not None or song.album_id is None:
        return Cover(song.cover_key, song.title)
    return of_album(session, viewer, session.get_one(Album, song.album_id))


def of_album(session: ReadSession, viewer: Viewer, album: Album) -> Cover:
    """An album's own picture, else that of its first song that the viewer sees: a private song's stays its own."""
    if album.cover_key is not None:
        return Cover(album.cover_key, album.title)
    first = (
        select(Song.cover_key)
        .join(AlbumSong, AlbumSong.song_id == Song.id)
        .where(AlbumSong.album_id == album.id, Song.cover_key.is_not(None), songs_for(viewer))
        .order_by(AlbumSong.disc, AlbumSong.track, Song.id)
        .limit(1)
    )
    return Cover(session.scalar(first), album.title)


def require(session: ReadSession, viewer: Viewer, kind: str, number: int) -> None:
    """Raises NotFound for what the viewer does not see, Forbidden for what is not theirs to change."""
    if kind == "song":
        if not may_edit_song(viewer, songs.find(session, viewer, number)):
            raise Forbidden("Only whoever added this song can change it.")
    elif kind == "album":
        album = catalogue.find_album(session, viewer, number)
        held = select(Song).join(AlbumSong, AlbumSong.song_id == Song.id).where(AlbumSong.album_id == album.id)
        if not all(may_edit_song(viewer, song) for song in session.scalars(held)):
            raise Forbidden("Only whoever added all songs of this album can change it.")
    elif kind == "artist":
        artist = catalogue.find_artist(session, viewer, number)
        held = select(Song).join(SongCredit, SongCredit.song_id == Song.id).where(SongCredit.artist_id == artist.id)
        if artist.account_id != viewer.account_id and not all(
            may_edit_song(viewer, song) for song in session.scalars(held.limit(1000))
        ):
            raise Forbidden("Only whoever added all songs of this artist can change it.")
    elif not playlists.may_edit(session, viewer, playlists.find(session, viewer, number)):
        raise Forbidden("This playlist is somebody else's.")


def write(session: WriteSession, viewer: Viewer, kind: str, number: int, key: str | None) -> None:
    """Give a thing another picture, or none. Raises NotFound, Forbidden."""
    require(session, viewer, kind, number)
    tables = {"song": Song, "album": Album, "artist": Artist, "playlist": Playlist}
    row = session.get_locked(tables[kind], number)
    if row is None:
        raise NotFound(f"There is no such {kind}.")
    row.cover_key = key  # type: ignore[attr-defined]
    session.flush()


def drawn(words: str) -> bytes:
    """A drawing in SVG for what has no picture: its hue comes from its name, and its first letters stand on it."""
    digest = hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=4).digest()
    hue, turn = int.from_bytes(digest[:2], "big") % 360, digest[2] % 90
    letters = escape("".join(word[0] for word in words.split()[:2] if word).upper())
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<defs><linearGradient id="g" gradientTransform="rotate({turn})">'
        f'<stop stop-color="hsl({hue} 55% 38%)"/><stop offset="1" stop-color="hsl({(hue + 50) % 360} 60% 24%)"/>'
        '</linearGradient></defs><rect width="100" height="100" fill="url(#g)"/>'
        f'<circle cx="{20 + digest[3] % 60}" cy="{digest[0] % 100}" r="34" fill="hsl({hue} 70% 70% / .18)"/>'
        '<text x="50" y="62" font-family="system-ui,sans-serif" font-size="34" font-weight="600" fill="#fff"'
        f' text-anchor="middle">{letters}</text></svg>'
    ).encode()
