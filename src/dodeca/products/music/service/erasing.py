"""What goes with a song, a playlist or a comment that goes."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.products.music.models import (
    AlbumSong,
    Bookmark,
    Collaborator,
    Comment,
    Exclusion,
    Like,
    Listen,
    NowPlaying,
    Playlist,
    PlaylistItem,
    Preparation,
    Rating,
    ShareItem,
    Song,
    SongCredit,
    SongGenre,
    SongVersion,
    Station,
    Transcode,
)


def forget_song(session: WriteSession, song_id: int) -> None:
    """All rows that name a song but its own; listens keep the names."""
    comments = select(Comment.id).where(Comment.song_id == song_id)
    session.execute(delete(Like).where(Like.kind == "comment", Like.target_id.in_(comments)))
    session.execute(update(Comment).where(Comment.song_id == song_id).values(parent_id=None))
    session.execute(delete(Comment).where(Comment.song_id == song_id))
    lists = list(session.scalars(select(PlaylistItem.playlist_id).where(PlaylistItem.song_id == song_id).distinct()))
    session.execute(delete(PlaylistItem).where(PlaylistItem.song_id == song_id))
    for playlist_id in lists:
        recount_playlist(session, playlist_id)
    made = (Preparation, SongVersion, Transcode)
    for table in (AlbumSong, Bookmark, Exclusion, NowPlaying, SongCredit, SongGenre, *made):
        session.execute(delete(table).where(table.song_id == song_id))
    forget_target(session, "song", song_id)
    session.execute(update(Listen).where(Listen.song_id == song_id).values(song_id=None))


def forget_target(session: WriteSession, kind: str, target_id: int) -> None:
    """Likes, ratings and shares of a thing."""
    for table in (Like, Rating, ShareItem):
        session.execute(delete(table).where(table.kind == kind, table.target_id == target_id))


def forget_playlist(session: WriteSession, playlist: Playlist) -> None:
    """A playlist and what names it."""
    session.execute(delete(PlaylistItem).where(PlaylistItem.playlist_id == playlist.id))
    session.execute(delete(Collaborator).where(Collaborator.playlist_id == playlist.id))
    session.execute(update(Station).where(Station.playlist_id == playlist.id).values(playlist_id=None))
    forget_target(session, "playlist", playlist.id)
    session.delete(playlist)
    session.flush()


def recount_playlist(session: WriteSession, playlist_id: int) -> None:
    """Bring a playlist's counters up to its items, as its next version."""
    items = select(func.count(), func.coalesce(func.sum(Song.duration_ms), 0))
    items = items.select_from(PlaylistItem).join(Song, Song.id == PlaylistItem.song_id)
    count, duration_ms = session.execute(items.where(PlaylistItem.playlist_id == playlist_id)).one()
    playlist = session.get_one(Playlist, playlist_id)
    playlist.song_count, playlist.duration_ms = count, int(duration_ms)
    playlist.version += 1
    playlist.updated_at = clock.now()
    session.flush()
