"""The click journal: one append to a local file before a redirect leaves, read by the job that folds clicks.

**Durability.** `append` stores into a shared mapping of the file, so what it has stored is the operating system's and
a killed process loses nothing; a flusher thread calls `fdatasync` within FLUSH_SECONDS, so a power cut loses at most
that. A system call for each click would cost three times as much as all the rest of a redirect: it lets go of the
interpreter's lock, and the server's other threads fight over it. Room is taken from the disk a segment at a time, so
a full disk shows there and not as a fault in the middle of a store. The flusher takes it before it is needed, and puts
away what is full: whoever answers visitors waits for neither.

**Layout.** Each process writes its own journal, named by the caller and locked against a second writer. A
journal is one endless sequence of bytes with ever-rising offsets, kept in segment files `<name>@<offset of
first byte>.journal`. A record is a frame: payload length and CRC-32 (two little-endian 32-bit numbers), then
the payload, a msgpack array. The payload is stored before the frame's head: whoever sees the head has it all. A
segment being written, or whose writer was killed, ends in zeros.

**Offsets never come back.** A reader stores the offset up to which it has folded, in the transaction of the
roll-ups. After a power cut the file may end before that offset. A journal therefore starts a new segment each
time it is opened, far beyond any offset that could have been read, and a reader skips such gaps.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import mmap
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from dodeca.kernel.errors import Unavailable

FLUSH_SECONDS = 0.05
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENT_SECONDS = 3_600.0
"""Segments hold addresses, so even a quiet journal moves on and lets its folded segments be deleted."""
MAX_RECORD_BYTES = 16 * 1024
MAX_WRITERS = 256
_TEXT_LIMITS = {
    "address": 64,
    "user_agent": 512,
    "referrer": 1_024,
    "language": 256,
    "source": 32,
    "detail": 1_024,
}
_MAX_FAST_BYTES = 600
"""A payload up to this size cannot break a text limit that matters; larger ones are measured field by
field."""
_GAP = 1 << 32
_READ_BYTES = 256 * 1024

_FRAME = struct.Struct("<II")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\Z")
_SEGMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,100})@(?P<base>\d{19})\.journal\Z")

_log = structlog.get_logger(__name__)


class Recorded(IntEnum):
    """What happened, as far as the redirect knew. Whether a VISIT was a person's is found out when
    folding."""

    VISIT = 0
    HEAD = 1
    PREFETCH = 2
    IMPRESSION = 3
    ORPHAN = 4
    """A request for a code that does not exist; `detail` is its path."""


class Click(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One recorded request. Fields may be appended, never moved: old segments must stay readable."""

    link_id: int
    at: int
    """Milliseconds since the Unix epoch."""
    kind: int
    address: str
    user_agent: str = ""
    referrer: str = ""
    language: str = ""
    """The `Accept-Language` header."""
    source: str = ""
    """`qr` for a scanned code."""
    rule_id: int = 0
    """The redirect rule that chose the target; 0 for the link's own."""
    private: bool = False
    """The request carried `Sec-GPC: 1`."""
    detail: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Click)


def encode(click: Click) -> bytes:
    """The frame of a click. Overlong texts are cut; text that is not Unicode is repaired."""
    try:
        payload = _encoder.encode(click)
    except UnicodeEncodeError:
        payload = _encoder.encode(_repaired(click))
    if len(payload) > _MAX_FAST_BYTES:
        payload = _encoder.encode(_repaired(click))
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _repaired(click: Click) -> Click:
    texts = {
        name: getattr(click, name)[:limit].encode(errors="replace").decode() for name, limit in _TEXT_LIMITS.items()
    }
    return msgspec.structs.replace(click, **texts)


class _Room:
    """A file with room for a segment, mapped."""

    def __init__(self, path: Path, file: int, mapped: mmap.mmap) -> None:
        self.path = path
        self.file = file
        self.map = mapped

    @classmethod
    def taken(cls, path: Path, size: int) -> _Room:
        """Room taken from the disk. Raises OSError, and leaves nothing."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, size)
            return cls(path, file, mmap.mmap(file, size))
        except OSError:
            path.unlink()
            os.close(file)
            raise

    def finish(self, size: int) -> None:
        """Give back what was not needed; what is there survives a power cut. Raises OSError."""
        self.map.close()
        os.ftruncate(self.file, size)
        os.fdatasync(self.file)

    def rename(self, path: Path) -> None:
        """Give the file its name. Raises OSError."""
        self.path = self.path.rename(path)

    def remove(self) -> None:
        """Give all of it back."""
        self.map.close()
        os.close(self.file)
        self.path.unlink(missing_ok=True)


class Journal:
    """The writing end. Thread-safe; one per process and name."""

    _room: _Room
    _map: mmap.mmap
    _base: int
    _size: int
    _opened_at: float

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        """Open for appending. Raises Unavailable when another process writes this journal, ValueError for the
        name."""
        if not _NAME.match(name):
            raise ValueError(f"{name!r} cannot name a journal")
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._lock_file = _locked(directory, name)
        self._lock = threading.Lock()
        self._retired: list[tuple[_Room, int]] = []
        self._spare: _Room | None = None
        self._dirty = self._is_renamed = False
        self._closed = threading.Event()
        self.sync_failures = 0
        self._open_segment(_first_base(directory, name))
        self._flusher = threading.Thread(target=self._flush_until_closed, name=f"journal {name}", daemon=True)
        self._flusher.start()

    @classmethod
    def claim(cls, directory: Path, prefix: str) -> Journal:
        """Open the first journal `<prefix>-0`, `<prefix>-1` … that no process is writing.

        The prefix tells machines apart, so names stay few while processes come and go.
        """
        for number in range(MAX_WRITERS):
            with contextlib.suppress(Unavailable):
                return cls(directory, f"{prefix}-{number}")
        raise Unavailable(f"More than {MAX_WRITERS} processes write click journals in {directory}.")

    @property
    def offset(self) -> int:
        """The offset after the last record."""
        return self._base + self._size

    def append(self, click: Click) -> None:
        """Record a click; when this returns, the operating system has it. Raises Unavailable when the disk is
        full."""
        self._store(encode(click))

    def _store(self, frame: bytes) -> None:
        with self._lock:
            start = self._size
            if start + len(frame) > self._segment_bytes and start:
                self._rotate()
                start = 0
            end = start + len(frame)
            self._map[start + _FRAME.size : end] = frame[_FRAME.size :]
            self._map[start : start + _FRAME.size] = frame[: _FRAME.size]
            self._size = end
            self._dirty = True

    def flush(self) -> None:
        """Make everything appended so far survive a power cut. Raises OSError."""
        with self._lock:
            retired, self._retired = self._retired, []
            is_renamed, self._is_renamed = self._is_renamed, False
            current = os.dup(self._room.file) if self._dirty else None
            self._dirty = False
        try:
            for room, size in retired:
                room.finish(size)
            if current is not None:
                os.fdatasync(current)
            if is_renamed:
                _sync_directory(self._directory)
        except OSError:
            self._dirty, self._is_renamed = True, self._is_renamed or is_renamed
            raise
        finally:
            for room, _ in retired:
                os.close(room.file)
            if current is not None:
                os.close(current)

    def close(self) -> None:
        """Flush, stop the flusher and give the name free."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._flusher.join()
        with self._lock:
            self._retired.append((self._room, self._size))
            self._dirty = False
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.remove()
        self.flush()
        os.close(self._lock_file)

    def _open_segment(self, base: int) -> None:
        """Begin a segment, in the room that is ready where there is one. Raises OSError."""
        room, self._spare = self._spare or self._taken("room"), None
        try:
            room.rename(self._directory / f"{self.name}@{base:019d}.journal")
        except OSError:
            room.remove()
            raise
        self._is_renamed = True
        self._room, self._map = room, room.map
        self._base, self._size, self._opened_at = base, 0, time.monotonic()

    def _taken(self, suffix: str) -> _Room:
        path = self._directory / f"{self.name}.{suffix}"
        return _Room.taken(path, self._segment_bytes + _FRAME.size + MAX_RECORD_BYTES)

    def _rotate(self) -> None:
        """Continue in a new segment; the flusher puts the old one away. The lock is held."""
        finished = self._room, self._size
        try:
            self._open_segment(self._base + self._size)
        except OSError as error:
            raise Unavailable("The click could not be recorded: there is no room for a new journal.") from error
        self._retired.append(finished)

    def _take_spare(self) -> None:
        """Have room ready for the next segment, once this one is half full. Only the flusher does."""
        if self._spare is None and self._size > self._segment_bytes // 2:
            with contextlib.suppress(OSError):  # a full disk: `_rotate` tries for itself, and tells who asks
                self._spare = self._taken("spare")

    def _flush_until_closed(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            try:
                if self._dirty or self._retired:
                    self.flush()
                self._take_spare()
                self._rotate_if_old()
            except (OSError, Unavailable) as error:
                self.sync_failures += 1
                _log.error("journal.sync_failed", journal=self.name, reason=str(error), times=self.sync_failures)

    def _rotate_if_old(self) -> None:
        if self._size and time.monotonic() - self._opened_at > self._segment_seconds:
            with self._lock:
                self._rotate()


class Segment(NamedTuple):
    base: int
    path: Path


class Damage(NamedTuple):
    """Bytes of a finished segment that are no record: the tail torn by a power cut, or a bad disk."""

    offset: int
    length: int


class JournalReader:
    """The reading end; may run in another process while the journal is written."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self.name = name
        self.damage: list[Damage] = []
        """What `read` had to skip so far."""

    def read(self, offset: int = 0, limit: int = 10_000) -> Iterator[tuple[int, Click]]:
        """Yield (offset after the record, click) for up to `limit` records from an offset that was yielded,
        or 0."""
        segments = list_segments(self._directory, self.name)
        start = max((at for at, segment in enumerate(segments) if segment.base <= offset), default=0)
        remaining = limit
        for position in range(start, len(segments)):
            finished = position + 1 < len(segments)
            for item in self._read_segment(segments[position], offset, finished=finished):
                yield item
                remaining -= 1
                if not remaining:
                    return

    def remove_folded(self, offset: int) -> int:
        """Delete segments that lie wholly before an offset, and of a journal nobody writes also the last.

        Returns how many were deleted. Call it only once the offset is committed.
        """
        segments = list_segments(self._directory, self.name)
        done = [segment for segment, following in itertools.pairwise(segments) if following.base <= offset]
        if segments and len(done) == len(segments) - 1 and self._is_abandoned(segments[-1], offset):
            done.append(segments[-1])
        for segment in done:
            segment.path.unlink(missing_ok=True)
        return len(done)

    def end(self) -> int:
        """The offset after the last record; 0 when there is no segment."""
        segments = list_segments(self._directory, self.name)
        return self._end_of(segments[-1]) if segments else 0

    def _end_of(self, segment: Segment) -> int:
        return max((end for end, _ in self._frames(segment, segment.base, finished=False)), default=segment.base)

    def _is_abandoned(self, last: Segment, offset: int) -> bool:
        """Nobody writes the last segment any more, and nothing in it lies beyond the offset."""
        try:
            lock = _locked(self._directory, self.name)
        except Unavailable:
            return False
        try:
            return offset >= self._end_of(last)
        finally:
            os.close(lock)

    def _read_segment(self, segment: Segment, offset: int, *, finished: bool) -> Iterator[tuple[int, Click]]:
        for end, payload in self._frames(segment, offset, finished=finished):
            try:
                click = _decoder.decode(payload)
            except msgspec.MsgspecError:  # whole, so written by another version: one record is lost, not all after it
                length = _FRAME.size + len(payload)
                self._note(Damage(end - length, length))
            else:
                yield end, click

    def _frames(self, segment: Segment, offset: int, *, finished: bool) -> Iterator[tuple[int, bytes]]:
        """Yield (offset after the frame, payload). In a finished segment what is no frame is damage."""
        at = max(offset, segment.base)
        try:
            file = segment.path.open("rb", buffering=_READ_BYTES)
        except FileNotFoundError:  # folded and removed by another reader meanwhile
            return
        with file:
            file.seek(at - segment.base)
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                length, checksum = _FRAME.unpack(head)
                if not 0 < length <= MAX_RECORD_BYTES:
                    break
                payload = file.read(length)
                if len(payload) < length or zlib.crc32(payload) != checksum:
                    break
                at += _FRAME.size + length
                yield at, payload
            if finished:
                file.seek(at - segment.base)
                rest = file.read().rstrip(b"\0")
                if rest:
                    self._note(Damage(at, len(rest)))

    def _note(self, found: Damage) -> None:
        if found not in self.damage:
            self.damage.append(found)


def list_journals(directory: Path) -> list[str]:
    """The names of all journals that have a segment, whoever wrote them."""
    found = {match["name"] for path in directory.glob("*.journal") if (match := _SEGMENT.match(path.name))}
    return sorted(found)


def list_segments(directory: Path, name: str) -> list[Segment]:
    """The segments of a journal in order."""
    found = []
    for path in directory.glob(f"{name}@*.journal"):
        match = _SEGMENT.match(path.name)
        if match and match["name"] == name:
            found.append(Segment(int(match["base"]), path))
    return sorted(found)


def _first_base(directory: Path, name: str) -> int:
    """An offset above all that were ever given out under this name.

    Above the last segment by a gap larger than anything unsynced; and above the clock's value in the scale of
    offsets (65,536 a millisecond, more than is ever written), for when all segments were folded and deleted.
    That is the machine's clock, not the platform's, whose test offset ends with the process.
    """
    segments = list_segments(directory, name)
    last_end = segments[-1].base + segments[-1].path.stat().st_size if segments else 0
    return max(last_end + _GAP, time.time_ns() // 1_000_000 << 16)


def _locked(directory: Path, name: str) -> int:
    file = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise Unavailable(f"Another process writes the journal {name}.") from error
    return file


def _sync_directory(directory: Path) -> None:
    """Make a new file's name survive a power cut."""
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
