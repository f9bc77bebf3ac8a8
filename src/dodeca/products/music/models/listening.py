"""Tables of what members hear: listens, what plays now, queues, and the passwords of their apps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model
from dodeca.products.music.models.catalogue import partial


class Member(Model):
    """What music knows of an account: its choices (one row, primary key), made at its first act.

    Whoever records a listen of the account holds this row, so that one listen over two protocols at once is one.
    `listen_count` counts its listens. `max_bit_rate` in kbit/s, 0 for as it is. `taste_at` is when something that
    recommendations depend on last changed."""

    __tablename__ = "music_members"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    history_visibility: Mapped[str] = mapped_column(default="private")
    explicit: Mapped[bool] = mapped_column(default=True)
    max_bit_rate: Mapped[int] = mapped_column(default=0)
    listen_count: Mapped[int] = mapped_column(default=0)
    curator: Mapped[bool] = mapped_column(default=False)
    taste_at: Mapped[datetime | None]
    joined_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("history_visibility IN ('private', 'followers', 'public')", name="history"),
        CheckConstraint("max_bit_rate BETWEEN 0 AND 10000", name="bit_rate"),
        Index("ix_music_members_taste", "taste_at"),
    )


class Listen(Model):
    """One time that somebody heard something, whatever programs told of it.

    Two reports are one listen where account and song (or folded artist and title) are the same and their starts lie
    within 30 s or half the length, whichever is less. `dedupe_key` is that identity and the start (unique with the
    account). `counted` says that it moved the counters: half of the song or 4 minutes were heard, or the program that
    told says so. A song that is not here has its names only, and is joined when it arrives. `ms_played` in
    milliseconds."""

    __tablename__ = "music_listens"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    listened_at: Mapped[datetime]
    song_id: Mapped[int | None] = mapped_column(ForeignKey("music_songs.id"))
    artist_name: Mapped[str]
    track_name: Mapped[str]
    release_name: Mapped[str] = mapped_column(default="")
    work_key: Mapped[str]
    ms_played: Mapped[int | None]
    counted: Mapped[bool] = mapped_column(default=True)
    device: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="web")
    dedupe_key: Mapped[str]
    play_id: Mapped[str | None]
    info: Mapped[dict[str, Any] | None]
    inserted_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("user_id", "dedupe_key"),
        Index("ix_music_listens_user", "user_id", "listened_at", "id"),
        Index("ix_music_listens_song", "song_id", "listened_at"),
        partial("ix_music_listens_unknown", "song_id IS NULL", "work_key"),
        partial("ix_music_listens_play", "play_id IS NOT NULL", "user_id", "play_id"),
    )


class NowPlaying(Model):
    """What a member's device plays at the moment (primary key), until `expires_at`.

    `state` is starting, playing, paused or stopped; `position_ms` was true at `updated_at`."""

    __tablename__ = "music_now_playing"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    song_id: Mapped[int | None] = mapped_column(ForeignKey("music_songs.id"), index=True)
    artist_name: Mapped[str]
    track_name: Mapped[str]
    release_name: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="playing")
    position_ms: Mapped[int] = mapped_column(default=0)
    rate: Mapped[float] = mapped_column(default=1.0)
    info: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_music_now_playing_expires", "expires_at"),)


class PlayQueue(Model):
    """What a member will hear next, handed from device to device (one row, primary key).

    `revision` grows with each change: who changes an older one is refused. `current_index` is None for an empty
    queue; `position_ms` is the place in the current song."""

    __tablename__ = "music_queues"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    song_ids: Mapped[list[Any]] = mapped_column(default=list)
    current_index: Mapped[int | None]
    position_ms: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0)
    device: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)


class Bookmark(Model):
    """A place in a song that a member wants to come back to (primary key), in milliseconds."""

    __tablename__ = "music_bookmarks"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    position_ms: Mapped[int]
    comment: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_music_bookmarks_song", "song_id"),)


class Exclusion(Model):
    """What shall not count for a member's recommendations: a song, a device, or a span of time (check: one of them)."""

    __tablename__ = "music_exclusions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    song_id: Mapped[int | None] = mapped_column(ForeignKey("music_songs.id"), index=True)
    device: Mapped[str | None]
    from_at: Mapped[datetime | None]
    to_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint(
            "(CASE WHEN song_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN device IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN from_at IS NULL THEN 0 ELSE 1 END) = 1",
            name="one_kind",
        ),
        CheckConstraint("(from_at IS NULL) = (to_at IS NULL)", name="span"),
    )


class AppPassword(Model):
    """A password for an app that speaks a protocol which computes with it; it opens music only.

    `sealed` is the password, encrypted, as MD5 schemes need its text; `digest` (unique) finds it where it comes as a
    key. It is shown once."""

    __tablename__ = "music_app_passwords"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    sealed: Mapped[str]
    digest: Mapped[bytes] = mapped_column(unique=True)
    used_at: Mapped[datetime | None]
    used_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
