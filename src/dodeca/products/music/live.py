"""Somebody live on a station: their sound is converted into the station's formats as it comes, and recorded.

A source is heard by the listeners of the process that it is connected to. Frames are laid on the station's grid of time
a little ahead of now; where they fail to come for five seconds, the loop is heard until they do again."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.products.music.audio import ffmpeg
from dodeca.products.music.audio.transcoding import RADIO_PROFILES, live_arguments
from dodeca.products.music.models import Show, Station
from dodeca.products.music.radio.frames import KINDS, Splitter
from dodeca.products.music.service import stations
from dodeca.products.music.service.viewers import Viewer

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

DELAY_MS: Final = 2_000
"""How far ahead of now arriving sound is laid: it has to be there when its chunk is put together."""
SILENT_SECONDS: Final = 5.0
FURTHEST_AHEAD_MS: Final = 8_000
"""A source that sends faster than time goes is made to wait."""
KEPT_MS: Final = 60_000
LARGEST_RECORDING: Final = 2_000_000_000
_RECORDED: Final = "mp3"


class NotLive(Conflict):
    """Nobody is to be live on the station now, or somebody is already."""


class Source:
    """One connection's sound, by kind and place on the grid."""

    def __init__(self, show_id: int, title: str, ends_at_ms: int) -> None:
        self.show_id = show_id
        self.title = title
        self.ends_at_ms = ends_at_ms
        self._laid: dict[str, dict[int, bytes]] = {kind: {} for kind in KINDS}
        self._next: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._arrived: dict[str, float] = {}

    def lay(self, kind: str, frames: list[bytes]) -> None:
        """Put frames after those that are there, or a little ahead of now where there was a gap."""
        grid = KINDS[kind]
        now = stations.now_ms()
        laid = self._laid[kind]
        place = max(self._next[kind], grid.frame_at(now + DELAY_MS) if self._next[kind] <= grid.frame_at(now) else 0)
        for frame in frames:
            laid[place] = frame
            place += 1
        self._next[kind] = place
        if frames:
            self._arrived[kind] = time.monotonic()
        oldest = grid.frame_at(now - KEPT_MS)
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


_sources: WeakKeyDictionary[Platform, dict[int, Source]] = WeakKeyDictionary()


def source_of(platform: Platform, station_id: int) -> Source | None:
    """Who is live on a station through this process."""
    return _sources.get(platform, {}).get(station_id)


async def broadcast(platform: Platform, viewer: Viewer, station_id: int, body: AsyncIterator[bytes]) -> Show:
    """Put a source on the air until it or its show ends; the recording is kept with the show.

    Raises NotFound, Forbidden, NotLive."""
    source = await platform.db.aread(lambda session: _admitted(session, viewer, station_id))
    connected = _sources.setdefault(platform, {})
    if station_id in connected:
        raise NotLive("Somebody is live on this station.")
    connected[station_id] = source
    try:
        with tempfile.TemporaryFile() as recording:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await _convert(stack, source, body, recording)
            finally:
                show = await asyncio.shield(_keep(platform, source, recording))
    finally:
        del connected[station_id]
    return show


def _admitted(session: ReadSession, viewer: Viewer, station_id: int) -> Source:
    station: Station = stations.find_own(session, viewer, station_id)
    slot = stations.timeline(session, station).at(stations.now_ms())
    show = session.get(Show, slot.show_id) if slot.live and slot.show_id is not None else None
    if show is None:
        raise NotLive("No live show is on the air now: plan one first.")
    return Source(show.id, f"{station.title} - {show.title}", slot.ends_at_ms)


async def _convert(
    stack: contextlib.AsyncExitStack, source: Source, body: AsyncIterator[bytes], recording: IO[bytes]
) -> None:
    """Feed what arrives to one converter for each kind, until the source or the show is over."""
    processes = {
        kind: await stack.enter_async_context(ffmpeg.converting(live_arguments(profile)))
        for kind, profile in RADIO_PROFILES.items()
    }
    readers = [
        asyncio.create_task(_take(source, kind, process, recording if kind == _RECORDED else None))
        for kind, process in processes.items()
    ]
    try:
        with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            async with asyncio.timeout(max(0.0, source.ends_at_ms / 1000 - clock.timestamp())):
                async for piece in body:
                    for process in processes.values():
                        assert process.stdin is not None
                        process.stdin.write(piece)
                        await process.stdin.drain()
                    await asyncio.sleep(max(0, source.ahead_ms() - FURTHEST_AHEAD_MS) / 1000)
        for process in processes.values():
            if process.stdin is not None:
                process.stdin.close()
        await asyncio.wait(readers, timeout=10)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _take(source: Source, kind: str, process: asyncio.subprocess.Process, recording: IO[bytes] | None) -> None:
    splitter = Splitter(kind)
    assert process.stdout is not None
    while data := await process.stdout.read(ffmpeg.CHUNK_BYTES):
        frames = splitter.add(data)
        source.lay(kind, frames)
        if recording is not None and recording.tell() < LARGEST_RECORDING:
            recording.write(b"".join(frames))


async def _keep(platform: Platform, source: Source, recording: IO[bytes]) -> Show:
    """Store what was heard, after what an earlier source of the same show left."""
    size = recording.tell()
    show = await platform.db.aread(lambda session: session.get(Show, source.show_id))
    if show is None:
        raise NotFound("The show is gone.")
    if not size:
        return show
    earlier = show.media_key

    async def pieces() -> AsyncIterator[bytes]:
        if earlier is not None:
            async for piece in platform.media.stream(earlier):
                yield piece
        recording.seek(0)
        while piece := recording.read(1 << 20):
            yield piece

    blob = await platform.media.save(pieces(), max_bytes=2 * LARGEST_RECORDING)

    def unit(session: WriteSession) -> Show:
        row = session.get_locked(Show, source.show_id)
        if row is None:
            raise NotFound("The show is gone.")
        row.media_key, row.media_type, row.media_size = blob.key, "audio/mpeg", blob.size
        session.flush()
        return row

    return await platform.db.awrite(unit)
