"""Stations on the air: the chunks of sound that their listeners share.

Which bytes a chunk has is arithmetic (`radio.assembling`); here the songs' frames are fetched, ahead of time, and each
chunk is put together once a process, however many listen."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music import live, sound
from dodeca.products.music.audio.transcoding import RADIO_PROFILES
from dodeca.products.music.models import Song, Station
from dodeca.products.music.radio import assembling, frames, live_hls
from dodeca.products.music.radio.assembling import chunk_number
from dodeca.products.music.radio.frames import CHUNK_MS, KINDS
from dodeca.products.music.radio.timeline import Slot, Timeline
from dodeca.products.music.service import stations
from dodeca.products.music.sound import Where

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
BURST_CHUNKS: Final = 4
"""What a new listener gets at once: 3.84 s, so that a short stutter of the network is not heard."""
FURTHEST_BEHIND: Final = 10
"""Chunks that a slow listener may be late before some are left out."""
AHEAD_MS: Final = 45_000
"""How long before it is heard a song is fetched; converting one takes some seconds."""
PATIENCE_SECONDS: Final = 20.0
"""How long the first listener of a station waits for a song that has to be converted."""
MOST_HELD_BYTES: Final = 256 << 20
"""How much of songs a process keeps at hand; what was not heard for longest goes first."""
SILENT_SECONDS: Final = 30.0
"""How long a song that could not be fetched is silent before it is tried again."""
_CHUNKS_KEPT: Final = 40
_TIMELINE_SECONDS: Final = 1.0
_UNHEARD_SECONDS: Final = 120.0
_BEHIND_MS: Final = 300_000
"""How far back a chunk may lie that somebody still asks for: segments of HLS are named for some minutes."""


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a station's sound, and what it plays as `Artist - Title`."""

    data: bytes
    title: str


class _Programme(msgspec.Struct):
    """A station's timeline as it was a moment ago, and the songs around that moment."""

    timeline: Timeline
    heard: Timeline
    """What is heard where nobody is live."""
    songs: dict[int, tuple[Where, str]]
    until: float


class _Held(msgspec.Struct):
    """A song's frames; without any, it cannot be heard, and is tried again after a while."""

    frames: Sequence[bytes]
    size: int
    until: float = math.inf


class OnAir:
    """The stations that are heard through one process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._held: OrderedDict[tuple[str, int, str], _Held] = OrderedDict()
        self._held_bytes = 0
        self._fetching: dict[tuple[str, int, str], asyncio.Task[None]] = {}
        self._programmes: dict[int, _Programme] = {}
        self._chunks: OrderedDict[tuple[int, str, int], asyncio.Future[Chunk]] = OrderedDict()

    async def listen(self, station: Station, kind: str) -> AsyncIterator[Chunk]:
        """Chunks as they fall due, for ever; the last few seconds at once. Ends when the station does."""
        number = chunk_number(stations.now_ms())
        await self.chunk(station.id, kind, number)  # whoever is first waits here until the song is converted
        number = chunk_number(stations.now_ms()) - BURST_CHUNKS
        while True:
            present = chunk_number(stations.now_ms())
            if number > present:
                await asyncio.sleep(max(0.001, number * CHUNK_MS / 1000 - clock.timestamp()))
                continue
            if number < present - FURTHEST_BEHIND:
                number = present
            yield await self.chunk(station.id, kind, number)
            number += 1

    async def segment(self, station: Station, number: int) -> bytes:
        """A segment of live HLS."""
        parts = [await self.chunk(station.id, "aac", chunk) for chunk in live_hls.chunks_of(number)]
        return live_hls.timestamp_tag(number) + b"".join(part.data for part in parts)

    async def chunk(self, station_id: int, kind: str, number: int) -> Chunk:
        """One chunk, made once. Raises NotFound when the station has ended."""
        key = (station_id, kind, number)
        made = self._chunks.get(key)
        if made is None:
            made = self._chunks[key] = asyncio.ensure_future(self._make(station_id, kind, number))
            while len(self._chunks) > _CHUNKS_KEPT * max(1, len(self._programmes)):
                self._chunks.popitem(last=False)
        try:
            return await asyncio.shield(made)
        except BaseException:
            if made.done() and (made.cancelled() or made.exception() is not None):
                self._chunks.pop(key, None)  # the next listener tries again
            raise

    async def _make(self, station_id: int, kind: str, number: int) -> Chunk:
        begin = number * CHUNK_MS
        programme = await self._programme(station_id, begin)
        serial = zlib.crc32(f"station {station_id}".encode())
        source = live.heard(self._platform, station_id) if programme.timeline.at(begin).live else None
        if source is not None and source.is_heard(kind, number):
            first = number * KINDS[kind].per_chunk
            places = range(first, first + KINDS[kind].per_chunk)
            spoken = [source.frame(kind, place) or frames.silence(kind) for place in places]
            return Chunk(assembling.joined(kind, spoken, number, serial), source.title)
        for slot in programme.heard.between(begin, begin + CHUNK_MS):
            await self._fetch(kind, programme, slot, PATIENCE_SECONDS)
        self._fetch_later(kind, programme, programme.heard.at(begin + AHEAD_MS))

        def frames_of(slot: Slot) -> Sequence[bytes] | None:
            known = programme.songs.get(slot.song_id) if slot.song_id is not None else None
            held = self._held.get((kind, known[0].song_id, known[0].audio_hash)) if known is not None else None
            return held.frames if held is not None else None

        data = assembling.chunk_bytes(programme.heard, kind, number, frames_of, serial=serial)
        now = programme.heard.at(begin)
        title = programme.songs[now.song_id][1] if now.song_id in programme.songs else ""
        return Chunk(data, title)

    async def _programme(self, station_id: int, moment_ms: int) -> _Programme:
        """The timeline, read anew each second: changes are heard at once where they may be."""
        known = self._programmes.get(station_id)
        now = clock.timestamp()
        if known is not None and now < known.until:
            around = _around(known.heard, moment_ms)
            if all(slot.song_id is None or slot.song_id in known.songs for slot in around):
                return known

        def read(session: ReadSession) -> _Programme:
            station = stations.running(session, station_id)
            present = stations.now_ms()
            timeline = stations.timeline(
                session, station, since_ms=present - _BEHIND_MS, until_ms=present + AHEAD_MS + CHUNK_MS
            )
            heard = timeline.without_live()
            songs = stations.songs_of(session, _around(heard, moment_ms))
            return _Programme(timeline, heard, _located(session, songs), now + _TIMELINE_SECONDS)

        made = await self._platform.db.aread(read)
        for other in [key for key, one in self._programmes.items() if one.until < now - _UNHEARD_SECONDS]:
            del self._programmes[other]
        self._programmes[station_id] = made
        return made

    async def _fetch(self, kind: str, programme: _Programme, slot: Slot, patience: float) -> None:
        """Have a slot's frames at hand, or give up after a while: then there is silence until they are."""
        task = self._fetch_later(kind, programme, slot)
        if task is not None:
            await asyncio.wait([task], timeout=patience)

    def _fetch_later(self, kind: str, programme: _Programme, slot: Slot) -> asyncio.Task[None] | None:
        known = programme.songs.get(slot.song_id) if slot.song_id is not None else None
        if known is None:
            return None
        key = (kind, known[0].song_id, known[0].audio_hash)
        held = self._held.get(key)
        if held is not None and held.until > time.monotonic():
            self._held.move_to_end(key)
            return None
        task = self._fetching.get(key)
        if task is None:
            task = self._fetching[key] = asyncio.create_task(self._load(key, known[0]))
        return task

    async def _load(self, key: tuple[str, int, str], found: Where) -> None:
        try:
            made = await sound.finished_transcode(self._platform, found, RADIO_PROFILES[key[0]])
            data = await self._platform.media.aread(made.media_key)
            self._hold(key, _Held(await asyncio.to_thread(frames.split, key[0], data), len(data)))
        except (DodecaError, OSError) as error:
            log.warning("music.song_not_on_air", song=found.song_id, reason=str(error))
            self._hold(key, _Held((), 0, time.monotonic() + SILENT_SECONDS))
        finally:
            self._fetching.pop(key, None)

    def _hold(self, key: tuple[str, int, str], held: _Held) -> None:
        before = self._held.pop(key, None)
        self._held[key] = held
        self._held_bytes += held.size - (before.size if before is not None else 0)
        while self._held_bytes > MOST_HELD_BYTES and len(self._held) > 1:
            self._held_bytes -= self._held.popitem(last=False)[1].size


def _around(timeline: Timeline, moment_ms: int) -> list[Slot]:
    """The slots of the chunk that begins at a moment, and the one that is soon heard."""
    return [*timeline.between(moment_ms, moment_ms + CHUNK_MS), timeline.at(moment_ms + AHEAD_MS)]


def _located(session: ReadSession, songs: dict[int, Song]) -> dict[int, tuple[Where, str]]:
    """Where the songs' files lie; those whose file is gone are silent."""
    found: dict[int, tuple[Where, str]] = {}
    for song in songs.values():
        if song.audio_hash is not None and song.missing_at is None:
            found[song.id] = (sound.where(session, song), f"{song.artist_name} - {song.title}")
    return found


of: Final = OfPlatform(OnAir)
"""The stations of this process."""
