"""Many listeners of one station, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dodeca.bench.harness import cpu_seconds

if TYPE_CHECKING:
    import subprocess

HEAD_BYTES: Final = 4096


class Heard:
    """What all listeners got, and what of the server's processor that took."""

    def __init__(self, bytes_each: float, cores: float, lost: int) -> None:
        self.bytes_each, self.cores, self.lost = bytes_each, cores, lost


async def listen(url: str, listeners: int, seconds: float, server: subprocess.Popen[bytes]) -> Heard:
    """Let so many listen for a while; counted is from when all are connected."""
    parts = urlsplit(url)
    got = [0] * listeners
    connected, all_there, stop = [0], asyncio.Event(), asyncio.Event()

    async def one(place: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        connected[0] += 1
        if connected[0] == listeners:
            all_there.set()
        with contextlib.closing(writer):
            while not stop.is_set() and (data := await reader.read(65536)):
                got[place] += len(data)

    tasks = []
    for place in range(listeners):
        tasks.append(asyncio.create_task(one(place)))
        if place % 50 == 49:
            await asyncio.sleep(0.05)
    await all_there.wait()
    await asyncio.sleep(5)  # the burst that everybody gets first
    before, spent, began = list(got), cpu_seconds(server.pid), time.perf_counter()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - began
    cores = (cpu_seconds(server.pid) - spent) / passed
    each = [now - then for now, then in zip(got, before, strict=True)]
    stop.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Heard(sum(each) / listeners / passed, cores, sum(1 for size in each if not size))
