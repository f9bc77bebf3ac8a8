"""Background work of music."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
import structlog
from sqlalchemy import delete, select

from dodeca.commons import recommendations
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, NotFound, Unavailable, UnsupportedMedia
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.products.music.demo import make_demo
from dodeca.products.music.models import AlbumSong, LibraryFolder, NowPlaying, Preparation, Song, Transcode
from dodeca.products.music.packaging import QUEUED, package_songs
from dodeca.products.music.service import folders, loudness, preparing, releases, songs, taste_data
from dodeca.products.music.service.searching import index_things, join_lists
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.settings import MusicSettings

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
RELEASED_AT_ONCE = 100
ANALYSED_AT_ONCE = 4
COPY_SECONDS = 2 * 86_400
"""How long a local copy of a file of S3 stays after its last use."""
NOT_AGAIN_SECONDS = 3600
"""How long a song whose file could not be read stands back behind others that wait to be measured."""


_put_off: WeakKeyDictionary[Platform, dict[int, float]] = WeakKeyDictionary()
"""Songs that cannot be measured now, and until when they wait."""


class SongRef(msgspec.Struct):
    """Which song."""

    song_id: int


@job("music.analyse_song", payload=SongRef, attempts=5)
async def analyse_song(context: JobContext, payload: SongRef) -> None:
    """Measure a song: its waveform, loudness and length."""
    await analyse(context.platform, payload.song_id)


async def analyse(platform: Platform, song_id: int) -> None:
    """The same. A file that cannot be decoded is not tried again until it changes."""
    from dodeca.products.music import sound
    from dodeca.products.music.audio import measuring

    uploader_id: str | None = None

    def find(session: ReadSession) -> sound.Where | None:
        nonlocal uploader_id
        song = session.get(Song, song_id)
        if song is None or song.analysed_at is not None:
            return None
        if session.get(Preparation, song_id) is not None:
            uploader_id = song.uploader_id
        return sound.where(session, song)

    def told(decoded_ms: int) -> None:
        if uploader_id is not None and found is not None:
            share = preparing.MEASURING_SHARE * min(1.0, decoded_ms / max(1, found.duration_ms))
            preparing.tell_share(platform.realtime, uploader_id, song_id, "measuring", share)

    try:
        found = await platform.db.aread(find)
        if found is None:
            return
        measured = await asyncio.to_thread(measuring.measure, await sound.source(platform, found), told)
    except (NotFound, Unavailable) as error:
        _put_off.setdefault(platform, {})[song_id] = clock.timestamp() + NOT_AGAIN_SECONDS
        log.info("music.song_measured_later", song=song_id, reason=error.message)
        return
    except UnsupportedMedia as error:
        log.warning("music.song_not_measured", song=song_id, reason=error.message)
        await platform.db.awrite(lambda s: _measured(s, platform, song_id, found.audio_hash if found else "", {}))
        return
    values = {
        "waveform": measured.peaks,
        "timbre": measured.timbre,
        "loudness": measured.loudness,
        "track_gain": measured.track_gain,
        "track_peak": measured.track_peak,
        "duration_ms": measured.duration_ms,
    }
    await platform.db.awrite(lambda s: _measured(s, platform, song_id, found.audio_hash, values))


def _measured(session: WriteSession, platform: Platform, song_id: int, audio_hash: str, values: dict[str, Any]) -> None:
    song = session.get_locked(Song, song_id)
    if song is None or song.audio_hash != audio_hash:
        return  # it has another file by now
    song.analysed_at = clock.now()
    song.waveform, song.timbre, song.loudness = (values.get(name) for name in ("waveform", "timbre", "loudness"))
    if song.track_gain is None:
        song.track_gain, song.track_peak = values.get("track_gain"), values.get("track_peak")
    if not song.duration_ms and values.get("duration_ms"):
        song.duration_ms = values["duration_ms"]
    session.flush()
    _prepared(session, platform, song, measured=bool(values))
    for album_id in session.scalars(select(AlbumSong.album_id).where(AlbumSong.song_id == song_id)).all():
        loudness.level_later(session, album_id)


def _prepared(session: WriteSession, platform: Platform, song: Song, *, measured: bool) -> None:
    """An uploaded song goes on to be packaged; one that cannot be decoded does not."""
    where = (session, platform.realtime, song.id, song.audio_hash or "")
    if not measured:
        preparing.move(*where, "failed", 0.0, "The file cannot be played.")
    elif preparing.move(*where, "packaging", preparing.MEASURING_SHARE):
        package_songs.enqueue(session, key=QUEUED)


@job("music.analyse_more", every=20)
async def analyse_more(context: JobContext, _payload: Nothing) -> None:
    """Measure some of the songs that scans found, a few at a time, so that they do not crowd out listeners."""
    now = clock.timestamp()
    later = {song_id: until for song_id, until in _put_off.get(context.platform, {}).items() if until > now}
    _put_off[context.platform] = later
    waiting = select(Song.id).where(Song.analysed_at.is_(None), Song.audio_hash.is_not(None), Song.missing_at.is_(None))
    some = waiting.order_by(Song.id).limit(ANALYSED_AT_ONCE + len(later))
    found = await context.platform.db.aread(lambda s: list(s.scalars(some)))
    for song_id in [song_id for song_id in found if song_id not in later][:ANALYSED_AT_ONCE]:
        await analyse(context.platform, song_id)


@job("music.release", every=30)
def release(session: WriteSession, _context: JobContext, _payload: Nothing) -> None:
    """List songs whose day of release has come, and tell those who follow their artists."""
    due = select(Song).where(
        ~Song.listed,
        Song.visibility == "public",
        Song.approved,
        Song.missing_at.is_(None),
        Song.published_at <= clock.now(),
    )
    for song in session.scalars(due.order_by(Song.published_at).limit(RELEASED_AT_ONCE)).all():
        songs.relist(session, song)


@job(folders.SCAN_JOB, attempts=3)
async def scan_folders(context: JobContext, _payload: Nothing) -> None:
    """Look through all folders."""
    from dodeca.products.music import scanning

    await scanning.scan(context.platform)


@job("music.scan_again", every=60)
def scan_again(session: WriteSession, context: JobContext, _payload: Nothing) -> None:
    """Take in the folder of the settings, and scan all folders every so often."""
    settings = context.platform.config.group(MusicSettings)
    known = session.scalars(select(LibraryFolder.path)).all()
    if settings.folder and not known:
        try:
            folders.add(session, settings.folder)
        except DodecaError as error:
            log.warning("music.folder_not_added", reason=error.message)
            return
        scan_folders.enqueue(session, key="scan")
        return
    last = folders.last_scan(session)
    if not known or not settings.scan_minutes:
        return
    if last is None or last.started_at <= clock.ago(minutes=settings.scan_minutes):
        scan_folders.enqueue(session, key="scan")


_watchers: WeakKeyDictionary[Platform, asyncio.Task[None]] = WeakKeyDictionary()


@job("music.watch", every=30)
async def watch_folders(context: JobContext, _payload: Nothing) -> None:
    """See that this process watches the folders: a change starts a scan within seconds."""
    platform = context.platform
    paths = await platform.db.aread(
        lambda s: tuple(sorted(s.scalars(select(LibraryFolder.path).where(LibraryFolder.watched))))
    )
    running = _watchers.get(platform)
    if running is not None and not running.done() and running.get_name() == repr(paths):
        return
    if running is not None:
        running.cancel()
        _watchers.pop(platform, None)
    if paths:
        _watchers[platform] = asyncio.create_task(_watch(platform, paths), name=repr(paths))


async def _watch(platform: Platform, paths: tuple[str, ...]) -> None:
    from watchfiles import awatch

    try:
        async for _changes in awatch(*paths, step=500, debounce=2000, ignore_permission_denied=True):
            await platform.db.awrite(lambda s: scan_folders.enqueue(s, key="scan"))
    except OSError as error:  # the folder went away: the next turn watches what is there
        log.warning("music.watching_ended", reason=str(error))


@job("music.learn_taste", every=30)
async def learn_taste(context: JobContext, _payload: Nothing) -> None:
    """Learn the factors of recommendations anew, soon after something changed."""
    await _learn(context.platform)


@job("music.learn_taste_nightly", cron="23 3 * * *")
async def learn_taste_nightly(context: JobContext, _payload: Nothing) -> None:
    """The same where there is too much to do it at every change; old factors go."""
    await _learn(context.platform, nightly=True)


async def _learn(platform: Platform, *, nightly: bool = False) -> None:
    def is_due(session: ReadSession) -> bool:
        return recommendations.is_due(session, PRODUCT, taste_data.changed_at(session), nightly=nightly)

    if await platform.db.aread(is_due):
        await recommendations.train(platform, PRODUCT, taste_data.gather)


@job("music.tidy", cron="41 3 * * *")
async def tidy(context: JobContext, _payload: Nothing) -> None:
    """Remove transcodes and copies that nobody used lately, old factors, and what nobody plays any more."""
    from dodeca.products.music import sound

    days = context.platform.config.group(MusicSettings).transcode_days
    await asyncio.to_thread(sound.forget_copies, context.platform, older_than_seconds=COPY_SECONDS)
    await asyncio.to_thread(sound.forget_unfinished, context.platform)

    def unit(session: WriteSession) -> list[str]:
        old = Transcode.used_at < clock.now() - timedelta(days=days)
        keys = list(session.scalars(delete(Transcode).where(old).returning(Transcode.media_key)))
        keys += recommendations.forget_old(session, PRODUCT)
        session.execute(delete(NowPlaying).where(NowPlaying.expires_at < clock.now()))
        still = set(session.scalars(select(Transcode.media_key).where(Transcode.media_key.in_(keys))))
        still |= set(session.scalars(select(Song.media_key).where(Song.media_key.in_(keys))))
        return [key for key in keys if key not in still]

    for key in await context.platform.db.awrite(unit):
        await context.platform.media.delete(key)


jobs: list[Job[Any]] = [
    make_demo,
    index_things,
    join_lists,
    loudness.level_album,
    analyse_song,
    analyse_more,
    package_songs,
    release,
    releases.tell_some,
    scan_folders,
    scan_again,
    watch_folders,
    learn_taste,
    learn_taste_nightly,
    tidy,
]
