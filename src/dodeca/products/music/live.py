"""Somebody live on a station: their sound is converted into the station's formats as it comes, and recorded.

Frames are laid on the station's grid of time a little ahead of now; where they fail to come for five seconds, the loop
is heard until they do again. The process that takes a source tells the others of its frames (`kernel.realtime`), so
listeners hear the same whichever process they are connected to. The show's row says who speaks: one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import update

from dodeca.commons.pipeline import ffmpeg
from dodeca.kernel import clock, ids
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, NotFound, Unavailable
from dodeca.kernel.tasks import end
from dodeca.products.music.audio.transcoding import RADIO_PROFILES, live_arguments
from dodeca.products.music.models import Show, Station
from dodeca.products.music.radio.frames import KINDS, Splitter
from dodeca.products.music.service import stations
from dodeca.products.music.service.viewers import Viewer

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

DELAY_MS: Final = 3_000
"""How far ahead of now arriving sound is laid: it has to be there, in all processes, when its chunk is put together."""
TOLD_SECONDS: Final = 0.8
"""How often the other processes are told of what has come."""
HELD_SECONDS: Final = 20.0
"""How long a source has the air without saying so again: so long a process that died keeps others from speaking."""
RENEWED_SECONDS: Final = 5.0
STORED_SECONDS: Final = 300.0
"""How long storing a recording may take; the next source goes on from it."""
FOLLOWED_SECONDS: Final = 30.0
"""How long another process' source is followed after somebody here last heard it."""
SILENT_SECONDS: Final = 5.0
FURTHEST_AHEAD_MS: Final = 8_000
"""A source that sends faster than time goes is made to wait."""
KEPT_MS: Final = 60_000
LARGEST_RECORDING: Final = 2_000_000_000
_RECORDED: Final = "mp3"


class NotLive(Conflict):
    """Nobody is to be live on the station now, or somebody is already."""


class Run(msgspec.Struct, frozen=True):
    """Frames of a kind that follow each other on the grid from `at` on."""

    kind: str
    at: int
    frames: list[bytes]


class Told(msgspec.Struct, frozen=True):
    """What the process of a source tells the others: frames, or that it is over."""

    source_id: str
    title: str
    runs: list[Run] = []
    over: bool = False


class Source:
    """One connection's sound, by kind and place on the grid."""

    def __init__(self, source_id: str, title: str) -> None:
        self.source_id = source_id
        self.title = title
        self._laid: dict[str, dict[int, bytes]] = {kind: {} for kind in KINDS}
        self._next: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._arrived: dict[str, float] = {}

    def lay(self, kind: str, frames: list[bytes]) -> Run:
        """Put frames after those that are there, or a little ahead of now where there was a gap."""
        grid = KINDS[kind]
        now = stations.now_ms()
        after, late = self._next[kind], self._next[kind] <= grid.frame_at(now)
        run = Run(kind, max(after, grid.frame_at(now + DELAY_MS) if late else 0), frames)
        self.put(run)
        return run

    def put(self, run: Run) -> None:
        """Put frames where they belong."""
        laid = self._laid[run.kind]
        laid.update(enumerate(run.frames, run.at))
        self._next[run.kind] = max(self._next[run.kind], run.at + len(run.frames))
        if run.frames:
            self._arrived[run.kind] = time.monotonic()
        oldest = KINDS[run.kind].frame_at(stations.now_ms() - KEPT_MS)
        for old in [number for number in laid if number < oldest]:
            del laid[old]

    def is_heard(self, kind: str, number: int) -> bool:
        """Whether sound has come for a chunk, or may still come."""
        first = number * KINDS[kind].per_chunk
        if any(first + place in self._laid[kind] for place in range(KINDS[kind].per_chunk)):
            return True
        return time.monotonic() - self._arrived.get(kind, -SILENT_SECONDS) < SILENT_SECONDS

    def frame(self, kind: str, number: int) -> bytes | None:
        """The frame at a place of the grid."""
        return self._laid[kind].get(number)

    def ahead_ms(self) -> int:
        """How much sound waits to be heard."""
        return KINDS[_RECORDED].moment_of(self._next[_RECORDED]) - stations.now_ms()


class _Connection:
    """A source that this process takes, its show, and what the other processes are still to be told."""

    def __init__(self, show: Show, station: Station, ends_at_ms: int) -> None:
        self.show_id, self.channel, self.ends_at_ms = show.id, _channel(station.id), ends_at_ms
        self.source = Source(ids.new_id(), f"{station.title} - {show.title}")
        self._untold: list[Run] = []

    def take(self, kind: str, frames: list[bytes]) -> None:
        """Frames that have come."""
        self._untold.append(self.source.lay(kind, frames))

    def tell(self, platform: Platform, *, over: bool = False) -> None:
        """Tell the other processes, where there may be any."""
        runs, self._untold = self._untold, []
        if (runs or over) and platform.realtime.is_heard(self.channel):
            platform.realtime.publish(self.channel, "live", Told(self.source.source_id, self.source.title, runs, over))


def _channel(station_id: int) -> str:
    return f"music:live:{station_id}"


_connections: WeakKeyDictionary[Platform, dict[int, _Connection]] = WeakKeyDictionary()


# Sources of other processes


class _Followed:
    """What another process tells of its source on a station, while somebody here listens."""

    def __init__(self, platform: Platform, station_id: int) -> None:
        self.source: Source | None = None
        self.asked = time.monotonic()
        self.task = asyncio.create_task(self._follow(platform, _channel(station_id)))

    async def _follow(self, platform: Platform, channel: str) -> None:
        with platform.realtime.listening([channel]) as queue:
            for message in platform.realtime.since([channel], ""):
                self._take(message.data)
            while time.monotonic() - self.asked < FOLLOWED_SECONDS:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FOLLOWED_SECONDS):
                        message = await queue.get()
                    self._take(message.data)

    def _take(self, data: str) -> None:
        told = msgspec.json.decode(data, type=Told)
        if self.source is None or self.source.source_id != told.source_id:
            self.source = Source(told.source_id, told.title)
        for run in told.runs:
            self.source.put(run)
        if told.over:
            self.source = None


_followed: WeakKeyDictionary[Platform, dict[int, _Followed]] = WeakKeyDictionary()


def heard(platform: Platform, station_id: int) -> Source | None:
    """Who is live on a station, in whatever process; another process' source is followed from the first call on."""
    connection = _connections.get(platform, {}).get(station_id)
    if connection is not None:
        return connection.source
    followed = _followed.setdefault(platform, {})
    one = followed.get(station_id)
    if one is None or one.task.done():
        for ended in [key for key, other in followed.items() if other.task.done()]:
            del followed[ended]
        one = followed[station_id] = _Followed(platform, station_id)
    one.asked = time.monotonic()
    return one.source


# A source of this process


async def broadcast(platform: Platform, viewer: Viewer, station_id: int, body: AsyncIterator[bytes]) -> Show:
    """Put a source on the air until it or its show ends; the recording is kept with the show.

    Raises NotFound, Forbidden, NotLive."""
    connection = await platform.db.awrite(lambda session: _admitted(session, viewer, station_id))
    connected = _connections.setdefault(platform, {})
    connected[station_id] = connection
    try:
        with tempfile.TemporaryFile() as recording:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await _convert(stack, platform, connection, body, recording)
            finally:
                show = await asyncio.shield(_keep(platform, connection, recording))
    finally:
        connection.tell(platform, over=True)
        if connected.get(station_id) is connection:
            del connected[station_id]
    return show


def _admitted(session: WriteSession, viewer: Viewer, station_id: int) -> _Connection:
    station: Station = stations.find_own(session, viewer, station_id)
    slot = stations.timeline(session, station).at(stations.now_ms())
    show = session.get_locked(Show, slot.show_id) if slot.live and slot.show_id is not None else None
    if show is None:
        raise NotLive("No live show is on the air now: plan one first.")
    if show.source_until is not None and show.source_until > clock.now():
        raise NotLive("Somebody is live on this station.")
    connection = _Connection(show, station, slot.ends_at_ms)
    show.source_id = connection.source.source_id
    show.source_until = clock.now() + timedelta(seconds=HELD_SECONDS)
    session.flush()
    return connection


async def _report(platform: Platform, connection: _Connection) -> None:
    """Tell the other processes of what has come, and keep the air."""
    renewed = time.monotonic()
    while True:
        await asyncio.sleep(TOLD_SECONDS)
        connection.tell(platform)
        if time.monotonic() - renewed > RENEWED_SECONDS:
            renewed = time.monotonic()
            with contextlib.suppress(Unavailable):  # a database that is busy has until the next time
                await platform.db.awrite(lambda session: _hold_air(session, connection, HELD_SECONDS))


def _hold_air(session: WriteSession, connection: _Connection, seconds: float) -> None:
    """Have the air for some seconds from now on, if it is still this connection's."""
    mine = (Show.id == connection.show_id) & (Show.source_id == connection.source.source_id)
    until = clock.now() + timedelta(seconds=seconds)
    session.execute(update(Show).where(mine).values(source_until=until))


async def _convert(
    stack: contextlib.AsyncExitStack,
    platform: Platform,
    connection: _Connection,
    body: AsyncIterator[bytes],
    recording: IO[bytes],
) -> None:
    """Feed what arrives to one converter for each kind, until the source or the show is over."""
    processes = {
        kind: await stack.enter_async_context(ffmpeg.converting(live_arguments(profile)))
        for kind, profile in RADIO_PROFILES.items()
    }
    readers = [
        asyncio.create_task(_take(connection, kind, process, recording if kind == _RECORDED else None))
        for kind, process in processes.items()
    ]
    reporter = asyncio.create_task(_report(platform, connection))
    try:
        with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            async with asyncio.timeout(max(0.0, connection.ends_at_ms / 1000 - clock.timestamp())):
                async for piece in body:
                    for process in processes.values():
                        assert process.stdin is not None
                        process.stdin.write(piece)
                        await process.stdin.drain()
                    await asyncio.sleep(max(0, connection.source.ahead_ms() - FURTHEST_AHEAD_MS) / 1000)
        for process in processes.values():
            if process.stdin is not None:
                process.stdin.close()
        await asyncio.wait(readers, timeout=10)
    finally:
        await end(reporter, *readers)


async def _take(
    connection: _Connection, kind: str, process: asyncio.subprocess.Process, recording: IO[bytes] | None
) -> None:
    splitter = Splitter(kind)
    assert process.stdout is not None
    while data := await process.stdout.read(ffmpeg.CHUNK_BYTES):
        frames = splitter.add(data)
        connection.take(kind, frames)
        if recording is not None and recording.tell() < LARGEST_RECORDING:
            recording.write(b"".join(frames))


async def _keep(platform: Platform, connection: _Connection, recording: IO[bytes]) -> Show:
    """Store what was heard after what an earlier source of the same show left, and leave the air to the next one."""
    await platform.db.awrite(lambda session: _hold_air(session, connection, STORED_SECONDS))
    show = await platform.db.aread(lambda session: session.get(Show, connection.show_id))
    if show is None:
        raise NotFound("The show is gone.")
    earlier = show.media_key

    async def pieces() -> AsyncIterator[bytes]:
        if earlier is not None:
            async for piece in platform.media.stream(earlier):
                yield piece
        recording.seek(0)
        while piece := recording.read(1 << 20):
            yield piece

    blob = await platform.media.save(pieces(), max_bytes=2 * LARGEST_RECORDING) if recording.tell() else None

    def unit(session: WriteSession) -> Show:
        row = session.get_locked(Show, connection.show_id)
        if row is None:
            raise NotFound("The show is gone.")
        if blob is not None:
            row.media_key, row.media_type, row.media_size = blob.key, "audio/mpeg", blob.size
        _hold_air(session, connection, 0)
        session.flush()
        return row

    return await platform.db.awrite(unit)
