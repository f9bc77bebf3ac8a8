"""Who looks, and the one rule of who sees which song, album, artist and playlist."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import Album, AlbumSong, Artist, Collaborator, Playlist, Song, SongCredit

PRODUCT = "music"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. Without `account_id` a visitor."""

    account_id: str | None = None
    is_moderator: bool = False
    is_admin: bool = False


VISITOR = Viewer()


def insert_for(session: ReadSession) -> type[sqlite.Insert] | type[postgresql.Insert]:
    """The engine's own INSERT, which knows ON CONFLICT."""
    return sqlite.Insert if session.dialect == "sqlite" else postgresql.Insert


def songs_for(viewer: Viewer) -> ColumnElement[bool]:
    """Songs that somebody sees: listed ones, their own, and for moderators what waits for its approval or release."""
    if viewer.account_id is None:
        return Song.listed.expression
    seen = or_(Song.listed, Song.uploader_id == viewer.account_id)
    return or_(seen, Song.visibility == "public") if viewer.is_moderator else seen


def albums_for(viewer: Viewer) -> ColumnElement[bool]:
    """Albums that hold a song that somebody sees."""
    return Album.public_songs > 0 if viewer.account_id is None else or_(Album.public_songs > 0, own_albums(viewer))


def artists_for(viewer: Viewer) -> ColumnElement[bool]:
    """Artists that a song names which somebody sees."""
    return Artist.public_songs > 0 if viewer.account_id is None else or_(Artist.public_songs > 0, own_artists(viewer))


def own_songs(viewer: Viewer) -> ColumnElement[bool]:
    """Songs that a member sees and not everybody."""
    mine = Song.uploader_id == viewer.account_id
    return and_(~Song.listed, or_(mine, Song.visibility == "public") if viewer.is_moderator else mine)


def own_albums(viewer: Viewer) -> ColumnElement[bool]:
    """Albums that hold such a song."""
    held = select(AlbumSong.album_id).join(Song, Song.id == AlbumSong.song_id)
    return Album.id.in_(held.where(own_songs(viewer)))


def own_artists(viewer: Viewer) -> ColumnElement[bool]:
    """Artists that such a song names."""
    named = select(SongCredit.artist_id).join(Song, Song.id == SongCredit.song_id)
    return Artist.id.in_(named.where(own_songs(viewer)))


def playlists_for(viewer: Viewer, *, by_address: bool = False) -> ColumnElement[bool]:
    """Playlists that somebody sees; `by_address` takes in unlisted ones, which whoever has their id may see."""
    open_ = Playlist.visibility.in_(["public", "unlisted"]) if by_address else Playlist.visibility == "public"
    if viewer.account_id is None:
        return open_
    shared = exists().where(Collaborator.playlist_id == Playlist.id, Collaborator.user_id == viewer.account_id)
    return or_(open_, Playlist.owner_id == viewer.account_id, shared)


def may_edit_song(viewer: Viewer, song: Song) -> bool:
    """Whether somebody may change a song that they see: its uploader, moderators; a folder's songs, admins."""
    if viewer.account_id is None:
        return False
    return song.uploader_id == viewer.account_id or viewer.is_admin or (viewer.is_moderator and song.listed)
