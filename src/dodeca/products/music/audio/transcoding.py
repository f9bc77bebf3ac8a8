"""Other formats and bit rates of a song, sent while they are being made.

A transcode starts at once: its listeners follow a file that grows as fast as ffmpeg writes it, so a slow listener
holds nothing up, and several share one process. When it is complete, `finished` stores it, and from then on it is a
file like any other, with a length and ranges. When the last listener leaves before, the process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from dodeca.kernel.errors import DodecaError, Invalid, Unavailable
from dodeca.products.music.audio import ffmpeg

log = structlog.get_logger(__name__)

RAW: Final = "raw"
DEFAULT_FORMAT: Final = "mp3"
"""What everything plays, for listeners who limit the bit rate and name no format."""
DEFAULT_BIT_RATE: Final = 128
BIT_RATES: Final = (32, 48, 64, 96, 128, 160, 192, 256, 320)
MOST_AT_ONCE: Final = 32
"""Transcodes that one process makes at once."""
_LOSSLESS: Final = 0


class Format(NamedTuple):
    """A target format."""

    media_type: str
    suffix: str
    most: int
    """Highest bit rate in kbit/s; 0 for lossless."""
    arguments: tuple[str, ...]


FORMATS: Final = {
    # A header with the length could only be written at the end; players compute it from a constant rate.
    "mp3": Format(
        "audio/mpeg",
        "mp3",
        320,
        ("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    ),
    "opus": Format("audio/ogg", "opus", 256, ("-c:a", "libopus", "-vbr", "on", "-f", "opus")),
    "aac": Format("audio/aac", "aac", 320, ("-c:a", "aac", "-f", "adts")),
    "flac": Format("audio/flac", "flac", _LOSSLESS, ("-c:a", "flac", "-compression_level", "5", "-f", "flac")),
}


class Profile(NamedTuple):
    """A format at a bit rate (kbit/s; 0 for lossless). `radio` is cut into frames that stand alone."""

    format: str
    bit_rate: int
    radio: bool = False

    @property
    def name(self) -> str:
        """How a transcode is named where it is stored: mp3-128, flac-0, radio-mp3-128."""
        return f"{'radio-' if self.radio else ''}{self.format}-{self.bit_rate}"

    @property
    def media_type(self) -> str:
        """Of the result."""
        return FORMATS[self.format].media_type

    @property
    def suffix(self) -> str:
        """Of the result's name, without dot."""
        return FORMATS[self.format].suffix

    def estimated_bytes(self, duration_ms: int) -> int:
        """About how long the result is, before it exists."""
        return duration_ms * (self.bit_rate or 900) // 8


RADIO_PROFILES: Final = {
    "mp3": Profile("mp3", 128, radio=True),
    "aac": Profile("aac", 128, radio=True),
    "ogg": Profile("opus", 96, radio=True),
}
"""What a station sends, by the suffix of its address: all its songs in one format, so that they join."""


def choose(suffix: str, bit_rate: int, *, format: str = "", max_bit_rate: int = 0) -> Profile | None:
    """The profile for a listener's wishes, None where the file as it is fulfils them.

    `suffix` and `bit_rate` (kbit/s) are the file's. `max_bit_rate` 0 is no limit. Raises Invalid.
    """
    if format in ("", RAW):
        wanted = "" if format == "" else RAW
    elif format in FORMATS:
        wanted = format
    else:
        raise Invalid(f"The format is one of: {RAW}, {', '.join(FORMATS)}.", field="format")
    if max_bit_rate < 0 or max_bit_rate > 100_000:
        raise Invalid("The bit rate is a number of kbit/s from 0.", field="max_bit_rate")
    fits = not max_bit_rate or (0 < bit_rate <= max_bit_rate)
    if wanted == RAW or (fits and wanted in ("", suffix)):
        return None
    target = wanted or DEFAULT_FORMAT
    most = FORMATS[target].most
    if most == _LOSSLESS:
        return Profile(target, 0)
    limit = min(most, max_bit_rate or DEFAULT_BIT_RATE)
    return Profile(target, max((rate for rate in BIT_RATES if rate <= limit), default=BIT_RATES[0]))


def arguments(source: Path, profile: Profile, *, offset_seconds: float = 0.0, target: str = "pipe:1") -> list[str]:
    """ffmpeg's arguments for a profile. Tags stay behind: the result is the same for the same sound."""
    return [*ffmpeg.reading(source, offset_seconds=offset_seconds), *_encoding(profile), target]


def live_arguments(profile: Profile) -> list[str]:
    """The same for a source that is still speaking."""
    return [*ffmpeg.listening(), *_encoding(profile), "-flush_packets", "1", "pipe:1"]


def _encoding(profile: Profile) -> list[str]:
    chosen = FORMATS[profile.format]
    rate = ["-b:a", f"{profile.bit_rate}k"] if profile.bit_rate else []
    radio: list[str] = []
    if profile.radio:
        # At 48 kHz, MP3 of 128 kbit/s has frames of exactly 384 bytes; without reservoir none needs an earlier one.
        radio = ["-ar", "48000", "-ac", "2"] + (["-reservoir", "0"] if profile.format == "mp3" else [])
        if profile.format == "opus":
            radio += ["-page_duration", "200000"]
    tidy = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    return ["-map", "0:a:0", *tidy, *rate, *radio, *chosen.arguments]


def transcode(source: Path, profile: Profile, target: Path) -> None:
    """Make a whole transcode as a file, from a thread: for downloads, radio and offline. Raises NotDecodable."""
    ffmpeg.run(["-loglevel", "error", *arguments(source, profile, target=f"file:{target.absolute()}")])


def from_offset(source: Path, profile: Profile, offset_seconds: float) -> AsyncGenerator[bytes, None]:
    """A stream that begins later in the song; it is not stored."""
    return ffmpeg.stream(arguments(source, profile, offset_seconds=offset_seconds))


Finished = Callable[[str, Profile, Path], Awaitable[None]]


class Transcoder:
    """The transcodes that one process is making."""

    def __init__(self, folder: Path, finished: Finished) -> None:
        """`folder` holds what is growing. `finished(key, profile, path)` stores a complete one."""
        self._folder = folder
        self._finished = finished
        self._growing: dict[tuple[str, Profile], _Growing] = {}
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)

    async def stream(self, key: str, source: Path, profile: Profile) -> AsyncGenerator[bytes, None]:
        """The transcode of the sound that `key` names, from its beginning. Closing the iterator leaves it; when it
        ends by itself, the transcode is stored.

        Raises Unavailable when too many are being made, NotDecodable."""
        growing = self._growing.get((key, profile))
        if growing is None:
            if len(self._growing) >= MOST_AT_ONCE:
                raise Unavailable("Too many songs are being converted. Try again shortly.", retry_after=5)
            growing = self._growing[key, profile] = _Growing(self._folder)
            growing.task = asyncio.create_task(self._make(growing, key, source, profile))
        growing.listeners += 1
        try:
            async for chunk in growing.follow():
                yield chunk
        finally:
            growing.listeners -= 1
            if not growing.listeners:
                if not growing.complete and growing.task is not None:
                    self._forget(key, profile, growing)  # at once: whoever comes now begins a new one
                    growing.task.cancel()
                if growing.ended:
                    growing.remove()

    def _forget(self, key: str, profile: Profile, growing: _Growing) -> None:
        if self._growing.get((key, profile)) is growing:
            del self._growing[key, profile]

    async def _make(self, growing: _Growing, key: str, source: Path, profile: Profile) -> None:
        problem: DodecaError | None = Unavailable("This song could not be converted to its end.")
        try:
            async with contextlib.aclosing(ffmpeg.stream(arguments(source, profile))) as chunks:
                async for chunk in chunks:
                    growing.add(chunk)
            growing.complete, problem = True, None
            await self._store(key, profile, growing.path)
        except DodecaError as error:
            problem = error
        except OSError as error:  # no room on the disk, say
            log.warning("music.transcode_failed", profile=profile.name, reason=error.strerror)
        finally:
            self._forget(key, profile, growing)
            growing.end(problem)
            if not growing.listeners:
                growing.remove()

    async def _store(self, key: str, profile: Profile, path: Path) -> None:
        """Listeners have all of it already; a store that fails costs them nothing but the next request's ranges."""
        try:
            await self._finished(key, profile, path)
        except (DodecaError, OSError) as error:
            log.warning("music.transcode_not_stored", profile=profile.name, reason=str(error))


def _remove_leftovers(folder: Path) -> None:
    """What a crash left behind; what other processes are making is younger."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - 2 * ffmpeg.WALL_SECONDS:
                path.unlink()


class _Growing:
    """A file that one task writes and any number of listeners follow."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix="transcode-")
        self.path = Path(name)
        self.listeners = 0
        self.complete = False
        """All is written."""
        self.ended = False
        """And stored, or given up."""
        self.task: asyncio.Task[None] | None = None
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._size = 0
        self._error: DodecaError | None = None
        self._grown = asyncio.Event()

    def add(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._size += len(chunk)
        self._wake()

    def end(self, error: DodecaError | None) -> None:
        self.ended = True
        self._error = error
        self._file.close()
        self._wake()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        at = 0
        with self.path.open("rb", buffering=0) as file:
            while True:
                grown = self._grown
                while at < self._size:
                    chunk = file.read(ffmpeg.CHUNK_BYTES)
                    at += len(chunk)
                    yield chunk
                if self.ended:
                    break
                await grown.wait()
        if self._error is not None:
            raise self._error

    def remove(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
