"""Transcodes that are sent while they are being made.

A transcode starts at once: its listeners follow a file that grows as fast as ffmpeg writes it, so a slow listener
holds nothing up, and several share one process. When it is complete, `finished` stores it, and from then on it is a
file like any other, with a length and ranges. When the last listener leaves before, the process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from dodeca.commons.pipeline import ffmpeg
from dodeca.kernel.errors import DodecaError, Unavailable

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 32
"""Transcodes that one process makes at once."""

Finished = Callable[[str, str, Path], Awaitable[None]]


class Transcoder:
    """The transcodes that one process is making, each of a source at a profile, both named by the product."""

    def __init__(self, folder: Path, finished: Finished) -> None:
        """`folder` holds what is growing. `finished(key, profile, path)` stores a complete one."""
        self._folder = folder
        self._finished = finished
        self._growing: dict[tuple[str, str], _Growing] = {}
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)

    async def stream(self, key: str, profile: str, arguments: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """What ffmpeg makes with `arguments` of the source that `key` names, from its beginning. Closing the
        iterator leaves it; when it ends by itself, the transcode is stored.

        Raises Unavailable when too many are being made, NotDecodable."""
        growing = self._growing.get((key, profile))
        if growing is None:
            if len(self._growing) >= MOST_AT_ONCE:
                raise Unavailable("Too many files are being converted. Try again shortly.", retry_after=5)
            growing = self._growing[key, profile] = _Growing(self._folder)
            growing.task = asyncio.create_task(self._make(growing, key, profile, arguments))
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

    def _forget(self, key: str, profile: str, growing: _Growing) -> None:
        if self._growing.get((key, profile)) is growing:
            del self._growing[key, profile]

    async def _make(self, growing: _Growing, key: str, profile: str, arguments: Sequence[str]) -> None:
        problem: DodecaError | None = Unavailable("This file could not be converted to its end.")
        try:
            async with contextlib.aclosing(ffmpeg.stream(arguments)) as chunks:
                async for chunk in chunks:
                    growing.add(chunk)
            growing.complete, problem = True, None
            await self._store(key, profile, growing.path)
        except DodecaError as error:
            problem = error
        except OSError as error:  # no room on the disk, say
            log.warning("pipeline.transcode_failed", profile=profile, reason=error.strerror)
        finally:
            self._forget(key, profile, growing)
            growing.end(problem)
            if not growing.listeners:
                growing.remove()

    async def _store(self, key: str, profile: str, path: Path) -> None:
        """Listeners have all of it already; a store that fails costs them nothing but the next request's ranges."""
        try:
            await self._finished(key, profile, path)
        except (DodecaError, OSError) as error:
            log.warning("pipeline.transcode_not_stored", profile=profile, reason=str(error))


def remove_leftovers(folder: Path) -> None:
    """Remove the files and folders that a crash left behind; what other processes are making is younger."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= time.time() - 2 * ffmpeg.WALL_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
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
