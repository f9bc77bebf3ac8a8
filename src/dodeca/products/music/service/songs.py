"""Songs: added, found, retagged with a history, given another file, withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.products.music.models import (
    Album,
    AlbumSong,
    Artist,
    LibraryFile,
    Listen,
    Preparation,
    Song,
    SongCredit,
    SongGenre,
    SongVersion,
)
from dodeca.products.music.service import catalogue, erasing, folding, releases, searching
from dodeca.products.music.service import tags as tagging
from dodeca.products.music.service.counting import Touched, recount
from dodeca.products.music.service.tags import LONGEST_DURATION_MS, Tags
from dodeca.products.music.service.viewers import Viewer, insert_for, may_edit_song, songs_for

MOST_VERSIONS_SHOWN = 100


class SameAudio(Conflict):
    """The library has this audio already; `details` name the song."""


class Audio(msgspec.Struct, kw_only=True, frozen=True):
    """A song's file: what it holds and where it lies. `bit_rate` in kbit/s, `sample_rate` in Hz, `size` in bytes.

    Either `media_key` (in the media store) or `library_id` and `path` (in a watched folder) say where."""

    audio_hash: str
    duration_ms: int
    codec: str
    suffix: str
    content_type: str
    size: int
    bit_rate: int = 0
    sample_rate: int = 0
    channels: int = 0
    bit_depth: int | None = None
    media_key: str | None = None
    library_id: int | None = None
    path: str | None = None
    lyrics: str | None = None
    cover_key: str | None = None
    track_gain: float | None = None
    track_peak: float | None = None
    tagged_album_gain: float | None = None
    tagged_album_peak: float | None = None


def find(session: ReadSession, viewer: Viewer, song_id: int) -> Song:
    """A song that the viewer sees. Raises NotFound."""
    found = session.scalar(select(Song).where(Song.id == song_id, songs_for(viewer)))
    if found is None:
        raise NotFound("There is no such song.")
    return found


def find_for_edit(session: WriteSession, viewer: Viewer, song_id: int) -> Song:
    """A song that the viewer may change, held until the unit is over. Raises NotFound, Forbidden."""
    find(session, viewer, song_id)
    song = session.get_locked(Song, song_id)
    if song is None:
        raise NotFound("There is no such song.")
    if not may_edit_song(viewer, song):
        raise Forbidden("Only whoever added this song can change it.")
    return song


def find_all(session: ReadSession, viewer: Viewer, song_ids: Sequence[int]) -> list[Song]:
    """Songs that the viewer sees, in the given order and as often; others are left out."""
    found = by_ids(session, viewer, song_ids)
    return [found[song_id] for song_id in song_ids if song_id in found]


def by_ids(session: ReadSession, viewer: Viewer, song_ids: Iterable[int]) -> dict[int, Song]:
    """Songs that the viewer sees, by id."""
    wanted = sorted(set(song_ids))
    found: dict[int, Song] = {}
    for start in range(0, len(wanted), 900):
        some = select(Song).where(Song.id.in_(wanted[start : start + 900]), songs_for(viewer))
        found.update((song.id, song) for song in session.scalars(some))
    return found


def require_all(session: ReadSession, viewer: Viewer, song_ids: Sequence[int]) -> list[Song]:
    """Songs in the given order. Raises NotFound when the viewer does not see one of them."""
    found = by_ids(session, viewer, song_ids)
    missing = next((song_id for song_id in song_ids if song_id not in found), None)
    if missing is not None:
        raise NotFound(f"There is no song {missing}.", field="songs")
    return [found[song_id] for song_id in song_ids]


def add(
    session: WriteSession,
    uploader_id: str | None,
    given: Tags,
    *,
    duration_ms: int = 0,
    visibility: str = "public",
    audio: Audio | None = None,
    published_at: datetime | None = None,
    approved: bool = True,
    touched: Touched | None = None,
) -> Song:
    """Add a song. One without `audio` is known and cannot be heard yet. Raises Invalid, SameAudio.

    Whoever adds many gives what is `touched`, and counts it after all of them."""
    tags = tagging.checked(given)
    if visibility not in ("public", "private"):
        raise Invalid("visibility is public or private.", field="visibility")
    length = audio.duration_ms if audio is not None and audio.duration_ms else duration_ms
    if not 0 <= length <= LONGEST_DURATION_MS:
        raise Invalid("duration is from 0 to 86400 seconds.", field="duration")
    library_key = _library_key(uploader_id, audio)
    if audio is not None:
        _refuse_same_audio(session, library_key, audio.audio_hash)
    artists = catalogue.artists_of(session, tags)
    song = Song(
        uploader_id=uploader_id,
        library_key=library_key,
        visibility=visibility,
        approved=approved,
        published_at=published_at or clock.now(),
        created_at=clock.now(),
        duration_ms=length,
    )
    _write_tags(song, tags, artists)
    if audio is not None:
        _write_audio(song, audio)
    song.listed = is_listed(song)
    same = SameAudio("You have added this audio already.", field="file")
    with claiming(session, Song, otherwise=same):
        session.add(song)
    _place(session, song, tags, artists)
    if song.lyrics is None and audio is not None and audio.lyrics:
        song.lyrics = audio.lyrics
    session.add(SongVersion(song_id=song.id, version=1, editor_id=uploader_id, tags=_plain(tags)))
    session.flush()
    with changing(session, within=touched) as change:
        change.new([song.id])
        join_listens(session, song)
    return song


@contextmanager
def changing(
    session: WriteSession, song_ids: Collection[int] = (), *, within: Touched | None = None
) -> Iterator[Touched]:
    """These songs change here. What they belong to is counted and found anew afterwards, unless that is left to whoever
    changes many and gives `within`."""
    touched = within or Touched()
    touched.before(session, song_ids)
    yield touched
    if within is None:
        recount(session, touched)
        searching.later(session, touched)


def _library_key(uploader_id: str | None, audio: Audio | None) -> str:
    if audio is not None and audio.library_id is not None:
        return f"l:{audio.library_id}"
    return f"u:{uploader_id or ''}"


def _refuse_same_audio(session: ReadSession, library_key: str, audio_hash: str, but: int | None = None) -> None:
    same = session.scalar(select(Song.id).where(Song.library_key == library_key, Song.audio_hash == audio_hash))
    if same is not None and same != but:
        raise SameAudio("You have added this audio already.", field="file", details={"song_id": str(same)})


def is_listed(song: Song) -> bool:
    """Whether everybody may see the song now."""
    return (
        song.visibility == "public"
        and song.approved is not False
        and song.missing_at is None
        and song.published_at <= clock.now()
    )


def tags_of(session: ReadSession, song: Song) -> Tags:
    """The tags as the newest version has them."""
    row = session.get(SongVersion, (song.id, song.version))
    return msgspec.convert(row.tags, Tags) if row is not None else Tags(title=song.title, artist=song.artist_name)


def retag(session: WriteSession, viewer: Viewer, song_id: int, changes: Mapping[str, Any]) -> Song:
    """Change tags; the earlier ones stay in the history. Raises NotFound, Forbidden, Invalid."""
    song = find_for_edit(session, viewer, song_id)
    before = tags_of(session, song)
    after = tagging.changed(before, changes)
    if after != before:
        write_version(session, song, after, viewer.account_id)
    return song


def revert(session: WriteSession, viewer: Viewer, song_id: int, version: int) -> Song:
    """Bring back the tags of an earlier version, as a new one. Raises NotFound, Forbidden."""
    song = find_for_edit(session, viewer, song_id)
    row = session.get(SongVersion, (song_id, version))
    if row is None:
        raise NotFound("This song has no such version.", field="version")
    write_version(session, song, msgspec.convert(row.tags, Tags), viewer.account_id)
    return song


def write_version(
    session: WriteSession, song: Song, tags: Tags, editor_id: str | None, *, touched: Touched | None = None
) -> None:
    """Give a song these tags as its next version. Whoever changes many gives what is `touched`, see `add`."""
    with changing(session, [song.id], within=touched):
        artists = catalogue.artists_of(session, tags)
        _write_tags(song, tags, artists)
        song.version += 1
        song.updated_at = clock.now()
        for table in (SongCredit, SongGenre):
            session.execute(delete(table).where(table.song_id == song.id))
        if song.album_id is not None:
            session.execute(delete(AlbumSong).where(AlbumSong.song_id == song.id, AlbumSong.album_id == song.album_id))
        song.album_id = None
        session.flush()
        _place(session, song, tags, artists)
        session.add(SongVersion(song_id=song.id, version=song.version, editor_id=editor_id, tags=_plain(tags)))
        session.flush()
        join_listens(session, song)


def versions(session: ReadSession, song: Song) -> Sequence[SongVersion]:
    """The history of a song's tags, newest first."""
    statement = select(SongVersion).where(SongVersion.song_id == song.id).order_by(SongVersion.version.desc())
    return session.scalars(statement.limit(MOST_VERSIONS_SHOWN)).all()


def replace_audio(session: WriteSession, viewer: Viewer, song_id: int, audio: Audio) -> Song:
    """Give a song another file; everything else of it stays. Raises NotFound, Forbidden, SameAudio."""
    song = find_for_edit(session, viewer, song_id)
    _refuse_same_audio(session, song.library_key, audio.audio_hash, but=song.id)
    set_audio(session, song, audio)
    return song


def set_audio(session: WriteSession, song: Song, audio: Audio, *, touched: Touched | None = None) -> None:
    """The same, whoever asks; what was measured of the old sound is forgotten. For `touched` see `add`."""
    with changing(session, [song.id], within=touched):
        if song.audio_hash != audio.audio_hash:
            song.waveform = song.timbre = song.loudness = song.analysed_at = song.fingerprint = None
            song.track_gain = song.track_peak = None
        _write_audio(song, audio)
        song.missing_at = None
        song.listed = is_listed(song)
        song.updated_at = clock.now()
        session.flush()


def publish(
    session: WriteSession,
    viewer: Viewer,
    song_id: int,
    *,
    visibility: str | None = None,
    published_at: datetime | None = None,
) -> Song:
    """Change who sees a song, and from when on. Raises NotFound, Forbidden, Invalid."""
    song = find_for_edit(session, viewer, song_id)
    if visibility is not None:
        if visibility not in ("public", "private"):
            raise Invalid("visibility is public or private.", field="visibility")
        if visibility == "public" and song.visibility != "public" and _cannot_be_played(session, song):
            raise Invalid(f"{song.title} cannot be played: upload another file for it.", field="visibility")
        song.visibility = visibility
    if published_at is not None:
        song.published_at = published_at
    relist(session, song)
    return song


def _cannot_be_played(session: ReadSession, song: Song) -> bool:
    """Whether its file turned out to be broken."""
    prepared = session.get(Preparation, song.id)
    return prepared is not None and prepared.state == "failed"


def waiting(session: ReadSession, limit: int = 100) -> Sequence[Song]:
    """Songs that are to be public and wait for a moderator's look, the oldest first."""
    statement = select(Song).where(~Song.approved, Song.visibility == "public").order_by(Song.id)
    return session.scalars(statement.limit(limit)).all()


def approve(session: WriteSession, viewer: Viewer, song_id: int) -> Song:
    """Let a song in that waits for a moderator's look. Raises Forbidden, NotFound."""
    if not viewer.is_moderator:
        raise Forbidden("Moderators let songs in.")
    song = session.get_locked(Song, song_id)
    if song is None or song.visibility != "public":
        raise NotFound("There is no such song.")
    song.approved = True
    relist(session, song)
    return song


def relist(session: WriteSession, song: Song) -> bool:
    """Bring `listed` up to date; gives whether it has just become true, which the artists' followers are told."""
    listed = is_listed(song)
    appeared = listed and not song.listed
    with changing(session, [song.id]):
        song.listed = listed
        song.updated_at = clock.now()
        session.flush()
    if appeared:
        releases.tell(session, song)
    return appeared


def _write_tags(song: Song, tags: Tags, artists: Sequence[Artist]) -> None:
    song.title, song.title_key = tags.title, folding.folded(tags.title)
    song.artist_name, song.artist_id = tags.artist, artists[0].id
    song.work_key = folding.work_key(tags.artist, tags.title)
    song.track, song.disc, song.year = tags.track, tags.disc, tags.year
    song.genres, song.explicit, song.isrc, song.mbid = list(tags.genres), tags.explicit, tags.isrc, tags.mbid


def _write_audio(song: Song, audio: Audio) -> None:
    for name in ("codec", "suffix", "content_type", "bit_rate", "sample_rate", "channels", "bit_depth", "size"):
        setattr(song, name, getattr(audio, name))
    song.audio_hash, song.media_key = audio.audio_hash, audio.media_key
    song.library_id, song.path = audio.library_id, audio.path
    song.duration_ms = audio.duration_ms or song.duration_ms
    if audio.track_gain is not None:
        song.track_gain, song.track_peak = audio.track_gain, audio.track_peak
    song.tagged_album_gain, song.tagged_album_peak = audio.tagged_album_gain, audio.tagged_album_peak
    if audio.cover_key is not None and song.cover_key is None:
        song.cover_key = audio.cover_key


def _place(session: WriteSession, song: Song, tags: Tags, artists: Sequence[Artist]) -> None:
    """Credits, album and genres of a song that has none."""
    album_artists = catalogue.album_artists_of(session, tags, artists)
    composers = [catalogue.artist_for(session, name) for name in tags.composers]
    credits = {
        (role, artist.id): {"song_id": song.id, "role": role, "position": i, "artist_id": artist.id}
        for role, people in (("artist", artists), ("album_artist", album_artists), ("composer", composers))
        for i, artist in enumerate(people)
    }
    session.execute(insert_for(session)(SongCredit), list(credits.values()))
    album = catalogue.album_for(session, tags, album_artists)
    song.album_id = album.id if album is not None else None
    if album is not None:
        place = {"album_id": album.id, "song_id": song.id, "disc": tags.disc or 1, "track": tags.track or 0}
        session.execute(insert_for(session)(AlbumSong).on_conflict_do_nothing(), [place])
    keys = catalogue.genre_keys(session, tags.genres)
    if keys:
        rows = [{"song_id": song.id, "genre_key": key} for key in keys]
        session.execute(insert_for(session)(SongGenre).on_conflict_do_nothing(), rows)


def _plain(tags: Tags) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(tags)
    return plain


def join_listens(session: WriteSession, song: Song) -> None:
    """Listens that came before the song did are listens of it, where everybody may see it."""
    if not song.listed:
        return
    waiting = (Listen.song_id.is_(None)) & (Listen.work_key == song.work_key)
    joined = session.scalar(select(func.count()).select_from(Listen).where(waiting, Listen.counted)) or 0
    session.execute(update(Listen).where(waiting).values(song_id=song.id))
    if joined:
        song.play_count += joined
        session.execute(update(Album).where(Album.id == song.album_id).values(play_count=Album.play_count + joined))


def remove(session: WriteSession, viewer: Viewer, song_id: int) -> None:
    """Withdraw a song; listens keep its names. Raises NotFound, Forbidden."""
    erase(session, [find_for_edit(session, viewer, song_id)])


def erase(session: WriteSession, songs: Sequence[Song]) -> None:
    """Remove songs with all that belongs to them."""
    song_ids = [song.id for song in songs]
    with changing(session, song_ids):
        session.execute(update(LibraryFile).where(LibraryFile.song_id.in_(song_ids)).values(song_id=None))
        for song in songs:
            erasing.forget_song(session, song.id)
            session.delete(song)
        session.flush()
