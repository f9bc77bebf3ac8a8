"""What music holds of an account: given out in its export, removed when the account goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, or_, select, update

from dodeca.commons.following import Follow
from dodeca.commons.moderation.models import Report
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.music.formats import listens as listen_lines
from dodeca.products.music.models import (
    AppPassword,
    Artist,
    Bookmark,
    ChatMessage,
    Collaborator,
    Comment,
    Exclusion,
    Like,
    Listen,
    Member,
    NowPlaying,
    Playlist,
    PlaylistItem,
    PlayQueue,
    Rating,
    Share,
    ShareItem,
    Song,
    SongVersion,
    Station,
)
from dodeca.products.music.service import comments, erasing, likes, listens, searching, songs
from dodeca.products.music.service.viewers import PRODUCT, Viewer


def export(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
    """Listens as ListenBrainz' lines; everything else as JSON."""
    rows = session.scalars(select(Listen).where(Listen.user_id == account_id).order_by(Listen.listened_at, Listen.id))
    held: dict[str, Any] = {
        "likes": _rows(session, Like, Like.user_id == account_id, "kind", "target_id", "created_at"),
        "ratings": _rows(session, Rating, Rating.user_id == account_id, "kind", "target_id", "rating"),
        "comments": _rows(session, Comment, Comment.user_id == account_id, "song_id", "text", "at_ms", "created_at"),
        "songs": _rows(session, Song, Song.uploader_id == account_id, "id", "title", "artist_name", "visibility"),
        "bookmarks": _rows(session, Bookmark, Bookmark.user_id == account_id, "song_id", "position_ms", "comment"),
        "chat": _rows(session, ChatMessage, ChatMessage.user_id == account_id, "text", "created_at"),
        "struck_out": _rows(
            session, Exclusion, Exclusion.user_id == account_id, "song_id", "device", "from_at", "to_at"
        ),
        "shares": _rows(session, Share, Share.owner_id == account_id, "description", "created_at", "expires_at"),
        "apps": _rows(session, AppPassword, AppPassword.user_id == account_id, "name", "created_at", "used_at"),
        "choices": _rows(
            session, Member, Member.user_id == account_id, "history_visibility", "explicit", "max_bit_rate"
        ),
        "playlists": [
            {
                "title": playlist.title,
                "description": playlist.description,
                "visibility": playlist.visibility,
                "rules": playlist.rules,
                "songs": list(
                    session.scalars(
                        select(PlaylistItem.song_id)
                        .where(PlaylistItem.playlist_id == playlist.id)
                        .order_by(PlaylistItem.rank)
                    )
                ),
            }
            for playlist in session.scalars(select(Playlist).where(Playlist.owner_id == account_id))
        ],
    }
    lines = b"".join(listen_lines.write(listen_row(row) for row in rows))
    return {"music.json": msgspec.json.encode(held), "music-listens.jsonl": lines}


def _rows(session: ReadSession, table: Any, rule: Any, *names: str) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in names} for row in session.scalars(select(table).where(rule))]


def listen_row(row: Listen) -> listen_lines.ListenRow:
    """A listen as files have it."""
    return listen_lines.ListenRow(
        0,
        row.listened_at,
        row.artist_name,
        row.track_name,
        row.release_name,
        ms_played=row.ms_played,
        device=row.device,
    )


def delete_account(session: WriteSession, account_id: str) -> None:
    """What the account alone sees goes, and its comments; songs that it added go from everybody's lists."""
    for song in session.scalars(select(Song).where(Song.uploader_id == account_id)).all():
        songs.erase(session, [song])
    for row in session.scalars(select(Comment).where(Comment.user_id == account_id, Comment.state == "live")).all():
        comments.remove(session, Viewer(account_id, is_moderator=True), row.id)
    for kind, target_id in session.execute(select(Like.kind, Like.target_id).where(Like.user_id == account_id)).all():
        likes.unlike(session, account_id, kind, target_id)
    rated = session.execute(select(Rating.kind, Rating.target_id).where(Rating.user_id == account_id)).all()
    for kind, target_id in rated:
        likes.forget_rating(session, account_id, kind, target_id)
    listens.forget_all(session, account_id)
    for playlist in session.scalars(select(Playlist).where(Playlist.owner_id == account_id)).all():
        erasing.forget_playlist(session, playlist)
    own = select(Share.id).where(Share.owner_id == account_id)
    session.execute(delete(ShareItem).where(ShareItem.share_id.in_(own)))
    session.execute(delete(Share).where(Share.owner_id == account_id))
    for table in (AppPassword, Bookmark, ChatMessage, Collaborator, Exclusion, NowPlaying, PlayQueue):
        session.execute(delete(table).where(table.user_id == account_id))
    session.execute(update(PlaylistItem).where(PlaylistItem.added_by == account_id).values(added_by=None))
    session.execute(update(SongVersion).where(SongVersion.editor_id == account_id).values(editor_id=None))
    session.execute(update(Artist).where(Artist.account_id == account_id).values(account_id=None))
    open_ = (Station.owner_id == account_id) & Station.ended_at.is_(None)
    ended = session.scalars(update(Station).where(open_).values(ended_at=clock.now()).returning(Station.id)).all()
    searching.name_later(session, [f"station:{station_id}" for station_id in ended])
    target = (Follow.target_type == "user") & (Follow.target_id == account_id)
    session.execute(delete(Follow).where(Follow.product == PRODUCT, or_(Follow.follower_id == account_id, target)))
    session.execute(delete(Report).where(Report.product == PRODUCT, Report.reporter_id == account_id))
    session.execute(delete(Member).where(Member.user_id == account_id))
