"""Tables of the catalogue: artists, albums, songs, their files and what was made of them.

`*_key` columns hold names folded by `service.folding`: lower case, no accents, one space between words.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import MEDIA, Model


def partial(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """An index over the rows that `where` chooses."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def _of_listed(name: str, *columns: str, listed: bool = True) -> Index:
    """An index over the songs that everybody sees, or over the others, in the words in which queries ask for them."""
    sqlite, postgresql = ("listed = 1", "listed") if listed else ("listed = 0", "NOT listed")
    return Index(name, *columns, sqlite_where=text(sqlite), postgresql_where=text(postgresql))


class Artist(Model):
    """Somebody who makes music: one row a MusicBrainz id (unique), else one a folded name (partial unique index).

    `public_songs` counts the songs that everybody may see and that name the artist as its first; an artist with none is
    seen by those alone whose songs name it. `like_count` equals its likes."""

    __tablename__ = "music_artists"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str]
    name_key: Mapped[str]
    sort_key: Mapped[str]
    mbid: Mapped[str | None] = mapped_column(unique=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    about: Mapped[str] = mapped_column(default="")
    cover_key: Mapped[str | None] = mapped_column(info=MEDIA)
    public_songs: Mapped[int] = mapped_column(default=0)
    like_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        partial("uq_music_artists_name_key", "mbid IS NULL", "name_key", unique=True),
        Index("ix_music_artists_name_key", "name_key"),
        partial("ix_music_artists_public", "public_songs > 0", "sort_key", "id"),
    )


class Album(Model):
    """A release: one row a MusicBrainz id (unique), else one a set of album artists, folded title and year.

    `artists_key` is the ids of the album artists in order, joined by commas; `year_key` is the year, 0 where unknown
    (partial unique index). Counters (`public_songs`, `duration_ms`, `play_count`, `like_count`, `rating_sum`,
    `rating_count`) equal the rows they count; the first two take in only what everybody may see. `recent_at` is when
    a song of it was last heard by anybody."""

    __tablename__ = "music_albums"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    title: Mapped[str]
    title_key: Mapped[str]
    sort_key: Mapped[str]
    artist_name: Mapped[str]
    artist_key: Mapped[str]
    artist_id: Mapped[int | None] = mapped_column(ForeignKey("music_artists.id"), index=True)
    artists_key: Mapped[str]
    year: Mapped[int | None]
    year_key: Mapped[int] = mapped_column(default=0)
    release_date: Mapped[str | None]
    mbid: Mapped[str | None] = mapped_column(unique=True)
    genre_key: Mapped[str | None]
    cover_key: Mapped[str | None] = mapped_column(info=MEDIA)
    album_gain: Mapped[float | None]
    album_peak: Mapped[float | None]
    public_songs: Mapped[int] = mapped_column(default=0)
    duration_ms: Mapped[int] = mapped_column(default=0)
    play_count: Mapped[int] = mapped_column(default=0)
    like_count: Mapped[int] = mapped_column(default=0)
    rating_sum: Mapped[int] = mapped_column(default=0)
    rating_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    recent_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("year_key = coalesce(year, 0)", name="year"),
        partial("uq_music_albums_identity", "mbid IS NULL", "artists_key", "title_key", "year_key", unique=True),
        Index("ix_music_albums_title_key", "title_key"),
        # Each order of a list of albums has its own index over what everybody may see.
        partial("ix_music_albums_newest", "public_songs > 0", "created_at", "id"),
        partial("ix_music_albums_name", "public_songs > 0", "sort_key", "id"),
        partial("ix_music_albums_artist", "public_songs > 0", "artist_key", "sort_key", "id"),
        partial("ix_music_albums_year", "public_songs > 0", "year_key", "id"),
        partial("ix_music_albums_plays", "public_songs > 0", "play_count", "id"),
        partial("ix_music_albums_rating", "public_songs > 0 AND rating_count > 0", "rating_sum", "id"),
        partial("ix_music_albums_recent", "public_songs > 0 AND recent_at IS NOT NULL", "recent_at", "id"),
        partial("ix_music_albums_genre", "public_songs > 0", "genre_key", "id"),
    )


class AlbumArtist(Model):
    """An artist that an album is by, in order (primary key)."""

    __tablename__ = "music_album_artists"

    album_id: Mapped[int] = mapped_column(ForeignKey("music_albums.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    artist_id: Mapped[int] = mapped_column(ForeignKey("music_artists.id"), index=True)


class AlbumGenre(Model):
    """A genre of a song that everybody may see on an album (primary key). `sort_key` is the album's: the index holds
    the albums of a genre in the order of their names."""

    __tablename__ = "music_album_genres"

    album_id: Mapped[int] = mapped_column(ForeignKey("music_albums.id"), primary_key=True)
    genre_key: Mapped[str] = mapped_column(ForeignKey("music_genres.key"), primary_key=True)
    sort_key: Mapped[str]

    __table_args__ = (Index("ix_music_album_genres_name", "genre_key", "sort_key", "album_id"),)


class Song(Model):
    """A recording: its tags, its file and its counters.

    Its identity is its own: tags, file and place may change and likes, plays, comments and places in playlists stay.
    One library (`l:` and the folder's id, or `u:` and the uploader's) has each audio once (unique with `audio_hash`,
    the digest of the audio packets without tags). `listed` says that everybody may see it: public, its release is
    past, approved, and its file there (check for the first). `media_key` names an uploaded file in the media store;
    `library_id` and `path` name one in a watched folder. `version` counts changes of tags. Counters equal their rows.
    `waveform` is 1000 peaks of 0 to 255, a byte each, `timbre` 32 numbers
    of how it sounds (`audio.measuring`). `rating_*` take in ratings from 1 to 5. Durations are in
    milliseconds, `bit_rate` in kbit/s, `sample_rate` in Hz, gains in dB, `video_key` names an MP4 or WebM."""

    __tablename__ = "music_songs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    title: Mapped[str]
    title_key: Mapped[str]
    artist_name: Mapped[str]
    artist_id: Mapped[int] = mapped_column(ForeignKey("music_artists.id"))
    album_id: Mapped[int | None] = mapped_column(ForeignKey("music_albums.id"))
    work_key: Mapped[str]
    duration_ms: Mapped[int] = mapped_column(default=0)
    track: Mapped[int | None]
    disc: Mapped[int | None]
    year: Mapped[int | None]
    genres: Mapped[list[str]] = mapped_column(default=list)
    explicit: Mapped[bool] = mapped_column(default=False)
    isrc: Mapped[str | None]
    mbid: Mapped[str | None]
    codec: Mapped[str | None]
    suffix: Mapped[str | None]
    content_type: Mapped[str | None]
    bit_rate: Mapped[int | None]
    sample_rate: Mapped[int | None]
    channels: Mapped[int | None]
    bit_depth: Mapped[int | None]
    size: Mapped[int | None]
    audio_hash: Mapped[str | None]
    fingerprint: Mapped[str | None]
    library_key: Mapped[str]
    library_id: Mapped[int | None] = mapped_column(ForeignKey("music_folders.id"))
    path: Mapped[str | None]
    media_key: Mapped[str | None] = mapped_column(info=MEDIA)
    video_key: Mapped[str | None] = mapped_column(info=MEDIA)
    video_type: Mapped[str | None]
    cover_key: Mapped[str | None] = mapped_column(info=MEDIA)
    lyrics: Mapped[str | None]
    waveform: Mapped[bytes | None]
    timbre: Mapped[bytes | None]
    track_gain: Mapped[float | None]
    track_peak: Mapped[float | None]
    tagged_album_gain: Mapped[float | None]
    tagged_album_peak: Mapped[float | None]
    loudness: Mapped[bytes | None]
    analysed_at: Mapped[datetime | None]
    uploader_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    visibility: Mapped[str] = mapped_column(default="public")
    listed: Mapped[bool] = mapped_column(default=True)
    approved: Mapped[bool] = mapped_column(default=True)
    missing_at: Mapped[datetime | None]
    published_at: Mapped[datetime] = mapped_column(default=clock.now)
    version: Mapped[int] = mapped_column(default=1)
    play_count: Mapped[int] = mapped_column(default=0)
    like_count: Mapped[int] = mapped_column(default=0)
    comment_count: Mapped[int] = mapped_column(default=0)
    rating_sum: Mapped[int] = mapped_column(default=0)
    rating_count: Mapped[int] = mapped_column(default=0)
    recent_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("library_key", "audio_hash"),
        CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
        CheckConstraint("NOT listed OR (visibility = 'public' AND approved AND missing_at IS NULL)", name="listed"),
        CheckConstraint("duration_ms >= 0", name="duration"),
        Index("ix_music_songs_uploader", "uploader_id", "id"),
        Index("ix_music_songs_artist", "artist_id", "id"),
        Index("ix_music_songs_album", "album_id"),
        Index("ix_music_songs_work", "work_key"),
        Index("ix_music_songs_media", "media_key"),
        partial("ix_music_songs_mbid", "mbid IS NOT NULL", "mbid"),
        partial("ix_music_songs_isrc", "isrc IS NOT NULL", "isrc"),
        partial("ix_music_songs_audio", "audio_hash IS NOT NULL", "audio_hash"),
        _of_listed("ix_music_songs_newest", "created_at", "id"),
        _of_listed("ix_music_songs_popular", "play_count", "id"),
        _of_listed("ix_music_songs_title", "title_key", "id"),
        _of_listed("ix_music_songs_waiting", "visibility", "published_at", listed=False),
        _of_listed("ix_music_songs_hidden", "uploader_id", listed=False),
        partial("ix_music_songs_unanalysed", "analysed_at IS NULL AND audio_hash IS NOT NULL", "id"),
    )


class SongCredit(Model):
    """An artist's part in a song (primary key): `artist`, `composer`, `remixer`, `producer` … in order."""

    __tablename__ = "music_song_credits"

    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    artist_id: Mapped[int] = mapped_column(ForeignKey("music_artists.id"))

    __table_args__ = (Index("ix_music_song_credits_artist", "artist_id", "song_id"),)


class AlbumSong(Model):
    """A song's place on an album; a song is on an album once (primary key), and may be on many."""

    __tablename__ = "music_album_songs"

    album_id: Mapped[int] = mapped_column(ForeignKey("music_albums.id"), primary_key=True)
    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    disc: Mapped[int] = mapped_column(default=1)
    track: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index("ix_music_album_songs_order", "album_id", "disc", "track", "song_id"),
        Index("ix_music_album_songs_song", "song_id"),
    )


class Genre(Model):
    """A genre under its folded name (primary key), written as it was first seen. `songs` and `albums` count what
    everybody may see."""

    __tablename__ = "music_genres"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    songs: Mapped[int] = mapped_column(default=0)
    albums: Mapped[int] = mapped_column(default=0)


class SongGenre(Model):
    """A genre that a song is of (primary key); a song may be of several."""

    __tablename__ = "music_song_genres"

    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    genre_key: Mapped[str] = mapped_column(ForeignKey("music_genres.key"), primary_key=True)

    __table_args__ = (Index("ix_music_song_genres_genre", "genre_key", "song_id"),)


class SongVersion(Model):
    """The tags of a song as they were from a version on (primary key). Rows are only added."""

    __tablename__ = "music_song_versions"

    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    tags: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Catalogue(Model):
    """The one row (check) whose `version` grows with every change of what is in lists, or of their order by name."""

    __tablename__ = "music_catalogue"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=0)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class LibraryFolder(Model):
    """A folder of the server's files that is scanned and, where `watched`, watched: each path once (unique)."""

    __tablename__ = "music_folders"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str]
    path: Mapped[str] = mapped_column(unique=True)
    watched: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class LibraryFile(Model):
    """A file of a watched folder under its path there (unique), as the last scan found it.

    `size` in bytes and `mtime_ns` tell whether it has to be read again. `song_id` is the song it holds, or None where
    `error` says why it holds none. `seen` is the number of the scan that last saw it."""

    __tablename__ = "music_files"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("music_folders.id"))
    path: Mapped[str]
    size: Mapped[int]
    mtime_ns: Mapped[int]
    song_id: Mapped[int | None] = mapped_column(ForeignKey("music_songs.id"), index=True)
    error: Mapped[str | None]
    seen: Mapped[int] = mapped_column(default=0)

    __table_args__ = (UniqueConstraint("folder_id", "path"), Index("ix_music_files_seen", "folder_id", "seen"))


class Scan(Model):
    """A pass over all folders: what it found. At most one is running (partial unique index)."""

    __tablename__ = "music_scans"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    state: Mapped[str] = mapped_column(default="running")
    count: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    missing: Mapped[int] = mapped_column(default=0)
    errors: Mapped[list[Any]] = mapped_column(default=list)
    error_count: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    beat_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('running', 'done', 'failed')", name="state"),
        partial("uq_music_scans_running", "state = 'running'", "state", unique=True),
    )


class Transcode(Model):
    """A finished transcode of a song (primary key with `profile`), made from the audio `source`.

    `profile` is format and kbit/s, such as `mp3-192`; `media_key` names the file in the media store. One that was
    made from another audio than the song has now is not used any more. `segments` of HLS are [milliseconds, offset,
    length] each."""

    __tablename__ = "music_transcodes"

    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    profile: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    media_key: Mapped[str] = mapped_column(info=MEDIA)
    content_type: Mapped[str]
    size: Mapped[int]
    segments: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    used_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_music_transcodes_used", "used_at"),)


class Preparation(Model):
    """How far an uploaded song is (one row a song): its sound `source` is measured, then packaged for HLS.

    `share` of the whole work is done, from 0 to 1 (check). `reason` says why it failed. What could not be packaged is
    due again at `due_at`, after `tries` in vain."""

    __tablename__ = "music_preparations"

    song_id: Mapped[int] = mapped_column(ForeignKey("music_songs.id"), primary_key=True)
    source: Mapped[str]
    state: Mapped[str]
    share: Mapped[float] = mapped_column(default=0.0)
    reason: Mapped[str] = mapped_column(default="")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("state IN ('measuring', 'packaging', 'ready', 'failed')", name="state"),
        CheckConstraint("share >= 0 AND share <= 1", name="share"),
        partial("ix_music_preparations_waiting", "state = 'packaging'", "due_at", "song_id"),
    )
