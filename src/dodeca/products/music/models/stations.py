"""Tables of radio: a station's loops and shows say what plays when (see `radio.timeline`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import MEDIA, Model
from dodeca.products.music.models.catalogue import partial


class Station(Model):
    """One timeline that everybody hears alike, under an address of its own (`slug`, unique). A party is one too.

    A private one is heard by its owner and by whoever has its `key` (unique)."""

    __tablename__ = "music_stations"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    slug: Mapped[str] = mapped_column(unique=True)
    key: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    visibility: Mapped[str] = mapped_column(default="private")
    kind: Mapped[str] = mapped_column(default="station")
    playlist_id: Mapped[int | None] = mapped_column(ForeignKey("music_playlists.id"), index=True)
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("visibility IN ('private', 'public')", name="visibility"),
        CheckConstraint("kind IN ('station', 'party')", name="kind"),
        partial("ix_music_stations_public", "visibility = 'public' AND ended_at IS NULL", "created_at", "id"),
    )


class StationListeners(Model):
    """How many listen to a station through a process (primary key); the row counts until `until`. No foreign key: a
    station that is erased while somebody listens leaves a row that ends by itself."""

    __tablename__ = "music_station_listeners"

    station_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    process: Mapped[str] = mapped_column(primary_key=True)
    listeners: Mapped[int]
    until: Mapped[datetime] = mapped_column(index=True)


class StationLoop(Model):
    """The songs that a station repeats from a moment on (primary key, in milliseconds of Unix time), beginning with
    the first. A later row replaces it; a row whose time has come never changes.

    `songs` is a list of [song id, duration in milliseconds]."""

    __tablename__ = "music_station_loops"

    station_id: Mapped[int] = mapped_column(ForeignKey("music_stations.id"), primary_key=True)
    starts_at_ms: Mapped[int] = mapped_column(primary_key=True)
    songs: Mapped[list[Any]]


class Show(Model):
    """A part of a station's time that belongs to something else than its loop: songs, or somebody live.

    Shows of a station never overlap: whoever adds one holds the station's row. One that has begun never changes, so
    that the past stays as everybody heard it. `songs` is a list of [song id, duration in milliseconds]. `media_key`
    names the recording of a finished live show. `source_id` is the connection that speaks in a live show; it has the
    air until `source_until` and says so again before, so that a process that dies leaves it to the next one."""

    __tablename__ = "music_shows"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station_id: Mapped[int] = mapped_column(ForeignKey("music_stations.id"))
    title: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    songs: Mapped[list[Any]] = mapped_column(default=list)
    live: Mapped[bool] = mapped_column(default=False)
    media_key: Mapped[str | None] = mapped_column(info=MEDIA)
    media_type: Mapped[str | None]
    media_size: Mapped[int | None]
    source_id: Mapped[str | None]
    source_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="span"),
        Index("ix_music_shows_station", "station_id", "starts_at"),
    )
