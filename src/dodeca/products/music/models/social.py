"""Tables of what people make and say: playlists, likes, ratings, comments, shares. Following is `commons.following`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import MEDIA, Model
from dodeca.products.music.models.catalogue import partial

LIKED = "kind IN ('song', 'album', 'artist', 'playlist', 'comment')"
RATED = "kind IN ('song', 'album', 'artist', 'playlist')"


class Playlist(Model):
    """A list of songs that one account owns; `rules` make it a smart one, whose songs are found when it is read.

    `version` grows with every change of its songs, so that a writer who has seen an older one is refused.
    `song_count` and `duration_ms` equal its items. An unlisted one is seen by whoever has its address."""

    __tablename__ = "music_playlists"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    visibility: Mapped[str] = mapped_column(default="private")
    collaborative: Mapped[bool] = mapped_column(default=False)
    curated: Mapped[bool] = mapped_column(default=False)
    rules: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(default=1)
    song_count: Mapped[int] = mapped_column(default=0)
    duration_ms: Mapped[int] = mapped_column(default=0)
    like_count: Mapped[int] = mapped_column(default=0)
    cover_key: Mapped[str | None] = mapped_column(info=MEDIA)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("visibility IN ('private', 'unlisted', 'public')", name="visibility"),
        CheckConstraint("rules IS NULL OR song_count = 0", name="smart"),
        Index("ix_music_playlists_owner", "owner_id", "updated_at", "id"),
        partial("ix_music_playlists_public", "visibility = 'public'", "updated_at", "id"),
    )


class PlaylistItem(Model):
    """A song's place in a playlist; a song may stand there often. Places differ (unique), and leave gaps between."""

    __tablename__ = "music_playlist_items"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    playlist_id: Mapped[int] = mapped_column(ForeignKey("music_playlists.id"))
    rank: Mapped[int]
    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), index=True)
    added_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("playlist_id", "rank"),)


class Collaborator(Model):
    """Somebody beside the owner who may change the songs of a playlist (primary key)."""

    __tablename__ = "music_collaborators"

    playlist_id: Mapped[int] = mapped_column(ForeignKey("music_playlists.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_music_collaborators_user", "user_id"),)


class Like(Model):
    """What somebody likes, once (unique): a song, an album, an artist, a playlist or a comment.

    Committed together with the target's `like_count`."""

    __tablename__ = "music_likes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    kind: Mapped[str]
    target_id: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint(LIKED, name="kind"),
        UniqueConstraint("user_id", "kind", "target_id"),
        Index("ix_music_likes_target", "kind", "target_id", "id"),
        Index("ix_music_likes_newest", "user_id", "kind", "created_at", "id"),
    )


class Rating(Model):
    """What somebody thinks of a thing (primary key): 1 to 5, or -1 for a dislike. No row means no opinion.

    Committed together with the sums of the song or album that is rated, which take in 1 to 5."""

    __tablename__ = "music_ratings"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    target_id: Mapped[int] = mapped_column(primary_key=True)
    rating: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint(RATED, name="kind"),
        CheckConstraint("rating = -1 OR rating BETWEEN 1 AND 5", name="rating"),
        Index("ix_music_ratings_target", "kind", "target_id"),
    )


class Comment(Model):
    """What somebody says about a song, at a moment of it where `at_ms` is given; a reply names the comment it answers.

    Deleting keeps the row without its text where somebody answered. `like_count` equals its likes; the song's
    `comment_count` counts the live ones."""

    __tablename__ = "music_comments"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("music_comments.id"), index=True)
    text: Mapped[str]
    at_ms: Mapped[int | None]
    state: Mapped[str] = mapped_column(default="live")
    like_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    edited_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('live', 'deleted', 'hidden')", name="state"),
        CheckConstraint("at_ms IS NULL OR at_ms >= 0", name="at_ms"),
        Index("ix_music_comments_song", "song_id", "created_at", "id"),
        Index("ix_music_comments_user", "user_id", "created_at"),
    )


class Share(Model):
    """A link under which somebody without an account hears some things, until `expires_at` where that is set.

    `token` in its address is unguessable (unique). What the owner may see no longer is shown no longer."""

    __tablename__ = "music_shares"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    token: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    description: Mapped[str] = mapped_column(default="")
    download: Mapped[bool] = mapped_column(default=False)
    visit_count: Mapped[int] = mapped_column(default=0)
    visited_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class ShareItem(Model):
    """One thing of a share, in order (primary key): a song, an album, an artist or a playlist."""

    __tablename__ = "music_share_items"

    share_id: Mapped[int] = mapped_column(ForeignKey("music_shares.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    target_id: Mapped[int]

    __table_args__ = (CheckConstraint(RATED, name="kind"), Index("ix_music_share_items_target", "kind", "target_id"))
