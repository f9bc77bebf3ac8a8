"""Telling every process which cached keys are no longer true.

`Invalidation` serves one process. `FileInvalidation` serves the processes of one machine through a small shared file:
a reader notices a foreign entry by comparing one number in shared memory, so an edit acts on the very next request
everywhere, without another server. `redis_invalidation` serves many machines.

`publish` is synchronous and quick, because it runs after a commit and before the writer is answered.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Final, Protocol

import msgspec
import structlog

log = structlog.get_logger(__name__)


class Discarding(Protocol):
    """What a cache offers to the bus."""

    name: str

    def discard(self, keys: Sequence[str] | None) -> None:
        """Forget these keys; None means all."""

    def suspend(self) -> None:
        """Invalidations cannot arrive: take everything for stale."""

    def resume(self) -> None:
        """Invalidations arrive again."""


class Invalidation:
    """The bus of a single process; also what the others have in common.

    `word[0]` differs from `seen` when entries of other processes wait to be taken in by `catch_up`.
    """

    def __init__(self) -> None:
        self.word: MutableSequence[int] | memoryview = [0]
        self.seen = 0
        self._caches: dict[str, list[Discarding]] = {}

    def start(self) -> None:
        """Begin to hear of other processes, in the running event loop, where the bus needs one."""

    async def stop(self) -> None:
        """Undo `start`."""

    def attach(self, cache: Discarding) -> None:
        """Let a cache hear of what is published under its name."""
        self._caches.setdefault(cache.name, []).append(cache)

    def publish(self, cache: str, keys: Sequence[str] | None) -> None:
        """Make all processes forget `keys` (None: everything) of the caches of that name."""
        self._apply(cache, keys)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread publishes inside reaches other processes at the end at the latest: where telling them one by
        one is dear, all at once. This process forgets at once in any case."""
        yield

    def catch_up(self) -> None:
        """Take in what other processes published."""

    def close(self) -> None:
        """Release what the bus holds."""

    def _apply(self, cache: str, keys: Sequence[str] | None) -> None:
        for attached in self._caches.get(cache, ()):
            attached.discard(keys)

    def _every(self, action: Callable[[Discarding], None]) -> None:
        for caches in self._caches.values():
            for cache in caches:
                action(cache)


class FileInvalidation(Invalidation):
    """A ring of entries in a file that the processes of one machine map into memory.

    The file starts with the number of bytes ever written; the ring follows. Writers take turns by `flock`. A reader
    that was overtaken by a whole ring, or meets an entry whose checksum is wrong, forgets everything: always safe.
    """

    _RING: Final = 1 << 20
    _HEAD: Final = 64
    _head: Final = Struct("<III")  # length, checksum, process
    _ENTRY: Final = _head.size

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._me = secrets.randbits(32)
        self._lock = threading.Lock()
        self._gathering = threading.local()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        if os.fstat(self._descriptor).st_size != self._HEAD + self._RING:
            os.ftruncate(self._descriptor, self._HEAD + self._RING)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._map = mmap.mmap(self._descriptor, self._HEAD + self._RING)
        self._view = memoryview(self._map)
        self.word = self._view[:8].cast("Q")
        self.seen = self.word[0]

    def publish(self, cache: str, keys: Sequence[str] | None) -> None:
        """Forget here, then tell the other processes."""
        self._apply(cache, keys)
        gathered: dict[str, set[str] | None] | None = getattr(self._gathering, "keys", None)
        if gathered is None:
            self._tell([(cache, keys)])
            return
        known = gathered.setdefault(cache, set())
        if keys is None:
            gathered[cache] = None
        elif known is not None:
            known.update(keys)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread publishes inside is told at the end by one entry a cache: each would take the lock that the
        processes share, and say again what the last has said."""
        if getattr(self._gathering, "keys", None) is not None:
            yield
            return
        gathered: dict[str, set[str] | None] = {}
        self._gathering.keys = gathered
        try:
            yield
        finally:
            self._gathering.keys = None
            self._tell([(cache, keys if keys is None else list(keys)) for cache, keys in gathered.items()])

    def _tell(self, told: Sequence[tuple[str, Sequence[str] | None]]) -> None:
        entries = [self._entry(cache, keys) for cache, keys in told]
        with self._lock:
            if self._descriptor < 0 or not entries:
                return
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                for entry in entries:
                    self._append(entry)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _entry(self, cache: str, keys: Sequence[str] | None) -> bytes:
        entry = msgspec.msgpack.encode((cache, keys))
        if len(entry) > self._RING // 8:
            entry = msgspec.msgpack.encode((cache, None))
        return self._head.pack(len(entry), zlib.crc32(entry), self._sender()) + entry

    def _append(self, entry: bytes) -> None:
        position = self.word[0]
        size = len(entry) + (-len(entry)) % 4
        room = self._RING - position % self._RING
        if room < size:  # entries are not split: a zero length sends readers back to the start
            if room >= 4:
                self._write(position, bytes(4))
            position += room
        self._write(position, entry)
        # The number changes last: a reader that sees it finds the entry complete.
        self.word[0] = position + size

    def catch_up(self) -> None:
        """Take in what other processes published."""
        with self._lock:
            while (written := self.word[0]) != self.seen:
                entries = self._entries(self.seen, written)
                overtaken = self.word[0] - self.seen > self._RING
                if entries is None or overtaken:
                    self._every(lambda cache: cache.discard(None))
                else:
                    for cache, keys in entries:
                        self._apply(cache, keys)
                # Last, so that no other thread takes a value for fresh before it is discarded.
                self.seen = written

    def _entries(self, start: int, end: int) -> list[tuple[str, list[str] | None]] | None:
        """The foreign entries between two positions; None when they cannot be told."""
        if end < start or end - start > self._RING:
            return None
        found = []
        while start < end:
            room = self._RING - start % self._RING
            length = int.from_bytes(self._read(start, 4), "little") if room >= 4 else 0
            if length == 0:
                start += room
                continue
            if room < self._ENTRY + length:
                return None
            checksum = int.from_bytes(self._read(start + 4, 4), "little")
            sender = int.from_bytes(self._read(start + 8, 4), "little")
            entry = self._read(start + self._ENTRY, length)
            if zlib.crc32(entry) != checksum:
                return None
            if sender != self._sender():
                found.append(msgspec.msgpack.decode(entry, type=tuple[str, list[str] | None]))
            start += self._ENTRY + length + (-length) % 4
        return found

    def _sender(self) -> int:
        return (self._me + os.getpid()) & 0xFFFFFFFF  # a forked process is another

    def _read(self, position: int, length: int) -> bytes:
        offset = self._HEAD + position % self._RING
        return bytes(self._view[offset : offset + length])

    def _write(self, position: int, data: bytes) -> None:
        offset = self._HEAD + position % self._RING
        self._view[offset : offset + len(data)] = data

    def close(self) -> None:
        """Stop telling the others. What they published is still taken in: the mapping lives as long as a cache."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
