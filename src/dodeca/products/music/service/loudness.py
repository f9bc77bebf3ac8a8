"""How loud an album is as a whole: as its files say, else by what was measured of its songs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, job
from dodeca.products.music.models import Album, AlbumSong, Song


class AlbumRef(msgspec.Struct):
    """Which album."""

    album_id: int


@job("music.level_album", payload=AlbumRef)
def level_album(session: WriteSession, _job: JobContext, payload: AlbumRef) -> None:
    """Bring an album's ReplayGain up to its songs."""
    level(session, payload.album_id)


def level_later(session: WriteSession, album_id: int) -> None:
    """The same after the commit: once for all songs that change before it runs."""
    level_album.enqueue(session, AlbumRef(album_id), key=str(album_id))


def level(session: WriteSession, album_id: int) -> None:
    """Set an album's gain and peak. Of an album that is not measured whole they are unknown, unless its files say.

    What has no sound that can be measured, such as a song without a file, does not keep the others from it."""
    album = session.get_locked(Album, album_id)
    if album is None:
        return
    held = select(Song).join(AlbumSong, AlbumSong.song_id == Song.id).where(AlbumSong.album_id == album_id)
    here = held.where(Song.listed, Song.audio_hash.is_not(None)).order_by(AlbumSong.disc, AlbumSong.track, Song.id)
    songs = session.scalars(here).all()
    tagged = next((song for song in songs if song.tagged_album_gain is not None), None)
    if tagged is not None:
        album.album_gain, album.album_peak = tagged.tagged_album_gain, tagged.tagged_album_peak
    else:
        album.album_gain, album.album_peak = _measured(songs)
    session.flush()


def _measured(songs: Sequence[Song]) -> tuple[float | None, float | None]:
    from dodeca.products.music.audio.measuring import Loudness  # it loads numpy

    if any(song.analysed_at is None for song in songs):
        return None, None
    whole = sum((Loudness.from_bytes(song.loudness) for song in songs if song.loudness), Loudness())
    peaks = [song.track_peak for song in songs if song.track_peak is not None]
    return whole.gain(), max(peaks, default=None)
