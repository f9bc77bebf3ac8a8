"""The bytes of songs: where they lie, how they are handed over, and transcodes of them.

Asynchronous, as files and ffmpeg are outside of any unit of work; the catalogue is asked in units of their own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from sqlalchemy import select

from dodeca.commons.pipeline.ffmpeg import Progress
from dodeca.commons.pipeline.growing import Transcoder, remove_leftovers
from dodeca.commons.pipeline.hls import MEDIA_TYPE
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.media import Answer, Delivery, answer
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.audio import hls
from dodeca.products.music.audio.transcoding import Profile, arguments, media_type_of
from dodeca.products.music.audio.transcoding import transcode as transcode_whole
from dodeca.products.music.models import LibraryFolder, Song, Transcode
from dodeca.products.music.service.viewers import insert_for

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PRIVATE: Final = "private, max-age=3600"
SIGNED: Final = "public, max-age=86400, immutable"
PIECE_BYTES: Final = 1 << 18
SIGNED_SECONDS: Final = 3600
WHOLE_AT_ONCE: Final = 4
"""Whole songs that one process converts at a time: threads are left for everything else."""
LOCK_SECONDS: Final = 0.1
"""How often it is asked whether another process is done."""
_COPIES: Final = "sources"
_GROWING: Final = "growing"
T = TypeVar("T")


class Where(msgspec.Struct, frozen=True):
    """Where a song's file lies, and what it is: read in a unit of work, used after it.

    `path` is absolute and inside its folder; else `media_key` names the file in the media store."""

    song_id: int
    title: str
    audio_hash: str
    suffix: str
    content_type: str
    bit_rate: int
    duration_ms: int
    size: int
    media_key: str | None
    path: str | None


def where(session: ReadSession, song: Song) -> Where:
    """Where a song's file lies. Raises NotFound where it has none now."""
    if song.audio_hash is None or song.missing_at is not None:
        raise NotFound("This song cannot be heard: its file is not here.")
    folder = session.get_one(LibraryFolder, song.library_id).path if song.library_id is not None else None
    return whereabouts(
        song.id,
        f"{song.artist_name} - {song.title}",
        song.audio_hash,
        song.suffix,
        song.content_type,
        song.bit_rate,
        song.duration_ms,
        song.size,
        song.media_key,
        folder,
        song.path,
    )


def whereabouts(
    song_id: int,
    title: str,
    audio_hash: str,
    suffix: str | None,
    content_type: str | None,
    bit_rate: int | None,
    duration_ms: int,
    size: int | None,
    media_key: str | None,
    folder: str | None,
    inside: str | None,
) -> Where:
    """The same of a row's columns: a file lies at `inside` of its folder, or in the media store."""
    path = os.path.join(folder, inside) if folder is not None and inside is not None else None
    content_type = content_type or "application/octet-stream"
    return Where(
        song_id, title, audio_hash, suffix or "", content_type, bit_rate or 0, duration_ms, size or 0, media_key, path
    )


def located(platform: Platform, found: Where) -> Path | None:
    """The file of a song, where it lies on this machine."""
    if found.path is not None:
        return Path(found.path)
    return platform.media.local_path(found.media_key) if found.media_key is not None else None


async def source(platform: Platform, found: Where) -> Path:
    """A file on this machine with the song's sound: a copy where the store is elsewhere. Raises NotFound."""
    path = located(platform, found)
    if path is not None:
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("This song cannot be heard: its file is not here.")
        return path
    assert found.media_key is not None
    key = found.media_key
    return await _once(platform, f"source {key}", lambda: _copied(platform, key))


async def _copied(platform: Platform, key: str) -> Path:
    """A copy of a file of the media store, made where there is none; `forget_copies` removes those in disuse."""
    folder = _folder(platform, _COPIES)
    kept = folder / key
    if await asyncio.to_thread(kept.is_file):
        await asyncio.to_thread(os.utime, kept)
        return kept
    partial = folder / f"{key}.{os.urandom(4).hex()}"
    try:
        with await asyncio.to_thread(partial.open, "wb") as file:
            async for piece in platform.media.stream(key):
                await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(partial.replace, kept)
    finally:
        await asyncio.to_thread(partial.unlink, missing_ok=True)
    return kept


def forget_copies(platform: Platform, *, older_than_seconds: float) -> int:
    """Remove local copies of the store's files that nobody used for a while; gives how many. From a thread."""
    removed = 0
    for path in _folder(platform, _COPIES).iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - older_than_seconds:
                path.unlink()
                removed += 1
    return removed


def forget_unfinished(platform: Platform) -> None:
    """Remove what crashes left half made. From a thread."""
    remove_leftovers(_folder(platform, _GROWING))


_running: Final = OfPlatform[dict[str, asyncio.Task[Any]]](lambda _platform: {})


async def _once(platform: Platform, what: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do work that several want at the same time once. It goes on when whoever began it leaves."""
    running = _running(platform)
    task: asyncio.Task[T] | None = running.get(what)
    if task is None:
        task = running[what] = asyncio.create_task(work())

        def over(done: asyncio.Task[T]) -> None:
            running.pop(what, None)
            if not done.cancelled():
                done.exception()  # whoever waits is told; nobody may wait any more

        task.add_done_callback(over)
    return await asyncio.shield(task)


def _folder(platform: Platform, name: str) -> Path:
    folder = platform.data / "music" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Handed(msgspec.Struct):
    """An answer to a request for bytes: `body` is None where there is none to send."""

    status: int
    headers: dict[str, str]
    body: AsyncIterator[bytes] | None
    path: Path | None = None
    key: str = ""
    """Of the media store, where the file lies there."""


async def hand_over(
    platform: Platform,
    found: Where,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    cache_control: str = PRIVATE,
    filename: str = "",
) -> Handed:
    """The file as it is, in the range that is asked for. Raises NotFound."""
    path = located(platform, found)
    if path is None and found.media_key is not None:
        delivery = Delivery(found.size, found.media_key, found.content_type, None, filename, cache_control)
        return _handed(answer(delivery, headers, method=method), platform, found.media_key, None)
    assert path is not None
    delivery = await asyncio.to_thread(delivery_of, path, found, cache_control, filename)
    return _handed(answer(delivery, headers, method=method), platform, found.media_key or "", path)


def delivery_of(path: Path, found: Where, cache_control: str, filename: str = "") -> Delivery:
    """How a file on this machine is delivered. Raises NotFound."""
    try:
        stat = path.stat()
    except OSError as error:
        raise NotFound("This song cannot be heard: its file is not here.") from error
    tag = found.media_key or f"{found.audio_hash[:32]}-{stat.st_size:x}-{stat.st_mtime_ns:x}"
    modified = datetime.fromtimestamp(int(stat.st_mtime), UTC)
    return Delivery(stat.st_size, tag, found.content_type, modified, filename, cache_control)


async def hand_over_stored(
    platform: Platform,
    key: str,
    size: int,
    content_type: str,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    cache_control: str = PRIVATE,
    filename: str = "",
) -> Handed:
    """A file of the media store that was made of a song."""
    delivery = Delivery(size, key, content_type, None, filename, cache_control)
    return _handed(answer(delivery, headers, method=method), platform, key, platform.media.local_path(key))


def _handed(found: Answer, platform: Platform, key: str, path: Path | None) -> Handed:
    headers = dict(found.headers)
    if found.status not in (200, 206) or found.end <= found.start:
        return Handed(found.status, headers, None)
    stream = platform.media.stream
    body = _pieces(path, found.start, found.end) if path is not None else stream(key, found.start, found.end)
    return Handed(found.status, headers, body, path, key)


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `start` up to, not including, `end`."""
    with await asyncio.to_thread(path.open, "rb") as file:
        file.seek(start)
        left = end - start
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
            if not piece:
                return
            left -= len(piece)
            yield piece


# Transcodes


def _transcoder(platform: Platform) -> Transcoder:
    async def finished(key: str, profile: str, path: Path) -> None:
        song_id, _, audio_hash = key.partition(":")
        await _keep(platform, int(song_id), audio_hash, profile, media_type_of(profile), path)

    return Transcoder(_folder(platform, _GROWING), finished)


transcoder: Final = OfPlatform(_transcoder)
"""The transcodes that this process is making; what is complete is kept in the media store."""


def transcoded(platform: Platform, found: Where, path: Path, profile: Profile) -> AsyncGenerator[bytes, None]:
    """A song's file at `path` in another format, as it is being made. Raises Unavailable, NotDecodable."""
    return transcoder(platform).stream(growing_key(found), profile.name, arguments(path, profile))


def growing_key(found: Where) -> str:
    """What the transcoder knows a song's sound by."""
    return f"{found.song_id}:{found.audio_hash}"


async def _keep(
    platform: Platform,
    song_id: int,
    audio_hash: str,
    profile: str,
    content_type: str,
    path: Path,
    segments: list[list[int]] | None = None,
) -> Transcode:
    size = (await asyncio.to_thread(path.stat)).st_size
    blob = await platform.media.save(_pieces(path, 0, size), max_bytes=size)
    now = clock.now()
    values = {
        "source": audio_hash,
        "media_key": blob.key,
        "content_type": content_type,
        "size": blob.size,
        "segments": segments,
        "created_at": now,
        "used_at": now,
    }

    def unit(session: WriteSession) -> Transcode:
        if session.scalar(select(Song.id).where(Song.id == song_id)) is None:
            raise NotFound("There is no such song.")
        row = {"song_id": song_id, "profile": profile, **values}
        insert = insert_for(session)(Transcode).values(row)
        session.execute(insert.on_conflict_do_update(index_elements=["song_id", "profile"], set_=values))
        session.expire_all()
        return session.get_one(Transcode, (song_id, profile))

    return await platform.db.awrite(unit)


def stored(session: ReadSession, song_id: int, audio_hash: str, profile: str) -> Transcode | None:
    """A finished transcode of the song's present sound."""
    row = session.get(Transcode, (song_id, profile))
    return row if row is not None and row.source == audio_hash else None


async def finished_transcode(platform: Platform, found: Where, profile: Profile) -> Transcode:
    """A whole transcode, made now where there is none: for downloads, radio and offline. Raises NotDecodable, …"""

    async def convert(path: Path, target: Path) -> None:
        await asyncio.to_thread(transcode_whole, path, profile, target)

    return await _finished(platform, found, profile.name, profile.media_type, convert)


async def _unheard(_share: float) -> None:
    """Nobody asks how far it is."""


async def hls_variant(platform: Platform, found: Where, bit_rate: int, progress: Progress = _unheard) -> Transcode:
    """A song as HLS at a bit rate (kbit/s), made now where there is none. `progress` is told where it is made for this
    call: not where it is stored, or is being made for somebody who came before."""

    async def convert(path: Path, target: Path) -> list[list[int]]:
        segments = await hls.package(path, bit_rate, target, found.duration_ms, progress)
        return [list(segment) for segment in segments]

    return await _finished(platform, found, f"hls-{bit_rate}", MEDIA_TYPE, convert)


Convert = Callable[[Path, Path], Awaitable[list[list[int]] | None]]
_slots: Final = OfPlatform(lambda _platform: asyncio.Semaphore(WHOLE_AT_ONCE))


async def _finished(platform: Platform, found: Where, name: str, content_type: str, convert: Convert) -> Transcode:
    """What is kept under a name, or is made now: once for all who ask, and not too many at a time."""
    ready = await platform.db.aread(lambda s: stored(s, found.song_id, found.audio_hash, name))
    if ready is not None:
        return ready
    slots = _slots(platform)

    async def make() -> Transcode:
        async with _alone(_folder(platform, _GROWING) / f"{found.song_id}-{name}.lock"), slots:
            ready = await platform.db.aread(lambda s: stored(s, found.song_id, found.audio_hash, name))
            if ready is not None:
                return ready  # another process has made it
            path = await source(platform, found)
            target = _folder(platform, _GROWING) / f"{found.song_id}-{name}-{os.urandom(6).hex()}"
            try:
                segments = await convert(path, target)
                return await _keep(platform, found.song_id, found.audio_hash, name, content_type, target, segments)
            finally:
                await asyncio.to_thread(target.unlink, missing_ok=True)

    return await _once(platform, f"{growing_key(found)} {name}", make)


@contextlib.asynccontextmanager
async def _alone(lock: Path) -> AsyncGenerator[None, None]:
    """Of the processes of this machine that want the same, one at a time: the job's, and those that answer. The lock
    ends with its process; its file goes with what is left over."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def digest_of(platform: Platform, found: Where) -> str:
    """The SHA-256 of a song's file, in hexadecimal; a file of the media store is named by it."""
    if found.media_key is not None:
        return found.media_key
    path = await source(platform, found)

    def read() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await asyncio.to_thread(read)
