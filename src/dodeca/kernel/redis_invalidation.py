"""Invalidation between the processes of many machines, over pub/sub of Redis or Valkey.

While it is disconnected the caches of this process take what they hold for stale. A publisher waits until the others
have said that they heard, so that an edit that was answered acts on the next request at any of them.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import redis
import redis.asyncio
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from dodeca.kernel.invalidation import Discarding, Invalidation
from dodeca.kernel.tasks import being_cancelled, end

log = structlog.get_logger(__name__)


class RedisInvalidation(Invalidation):
    """Pub/sub between processes on many machines. Call `start` in the event loop and `stop` at its end."""

    _CHANNEL: Final = "dodeca:invalidation"
    _PING_SECONDS: Final = 2.0
    _TIMEOUT: Final = 0.5
    _HEARD_SECONDS: Final = 0.25
    """How long a publisher waits for the others. One that is silent may have died: Redis will notice."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._me = secrets.token_hex(8)
        self._url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._client = redis.Redis.from_url(
            self._url,
            socket_timeout=self._TIMEOUT,
            socket_connect_timeout=self._TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )
        self._own_channel = f"{self._CHANNEL}:{self._me}"
        self._receipts = itertools.count()
        self._awaited: dict[int, threading.Semaphore] = {}
        self._publishing_paused_until = 0.0
        self._waiting_paused_until = 0.0
        self._listener: asyncio.Task[None] | None = None
        self._closed = False
        self.connected = asyncio.Event()

    def attach(self, cache: Discarding) -> None:
        """Let a cache hear of what is published; it holds nothing fresh before the bus is connected."""
        super().attach(cache)
        if not self.connected.is_set():
            cache.suspend()

    def publish(self, cache: str, keys: Sequence[str] | None) -> None:
        """Forget here, then tell the other processes.

        When Redis does not answer, the others have lost it too and hold nothing fresh, or hear of it after their
        values' time is over; the commit stands either way.
        """
        self._apply(cache, keys)
        if self._closed or time.monotonic() < self._publishing_paused_until:
            return
        receipt = next(self._receipts)
        heard = self._awaited[receipt] = threading.Semaphore(0)
        try:
            told: Any = self._client.publish(self._CHANNEL, msgspec.msgpack.encode((self._me, receipt, cache, keys)))
            self._wait(heard, int(told) - self.connected.is_set())
        except redis.RedisError as error:
            self._publishing_paused_until = time.monotonic() + self._TIMEOUT
            log.warning("invalidation.not_published", cache=cache, error=str(error))
        finally:
            del self._awaited[receipt]

    def _wait(self, heard: threading.Semaphore, others: int) -> None:
        """Until `others` have heard; not in the thread of the event loop, which takes in what they say, nor where
        nothing takes it in: a process that only publishes, such as an import."""
        until = time.monotonic() + self._HEARD_SECONDS
        if until - self._HEARD_SECONDS < self._waiting_paused_until or not self.connected.is_set() or _in_event_loop():
            return
        for _ in range(others):
            if not heard.acquire(timeout=max(0.0, until - time.monotonic())):
                self._waiting_paused_until = time.monotonic() + 1.0
                log.warning("invalidation.not_heard_in_time", others=others)
                return

    def start(self) -> None:
        """Begin to listen, in the running event loop."""
        if self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(self._listen(), name="invalidation")

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await end(self._listener)
            self._listener = None
        self._client.close()

    def close(self) -> None:
        """Stop telling the others: a cache may outlive its platform, and another platform of the process tells them."""
        self._closed = True

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            client = redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=self._TIMEOUT)
            try:
                async with client, client.pubsub() as pubsub:
                    await pubsub.subscribe(self._own_channel, self._CHANNEL)
                    await self._receive(client, pubsub)
            except (redis.RedisError, OSError, TimeoutError) as error:
                if being_cancelled():
                    return
                if self.connected.is_set():
                    log.warning("invalidation.disconnected", error=str(error))
            finally:
                if self.connected.is_set():
                    pause = 0.1
                    self.connected.clear()
                    self._every(lambda cache: cache.suspend())
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _receive(self, client: redis.asyncio.Redis, pubsub: Any) -> None:
        """Take in messages until the connection is lost or silent."""
        waiting_for_pong = False
        while True:
            message = await pubsub.get_message(timeout=self._PING_SECONDS)
            if message is None:
                if waiting_for_pong:
                    raise TimeoutError("Redis is silent")
                await pubsub.ping()
                waiting_for_pong = True
                continue
            waiting_for_pong = False
            kind, channel = message["type"], message["channel"]  # None with a pong
            if kind == "subscribe" and channel == self._CHANNEL.encode():
                self.connected.set()
                self._every(lambda cache: cache.resume())
            elif kind == "message" and channel == self._own_channel.encode():
                heard = self._awaited.get(int(message["data"]))
                if heard is not None:
                    heard.release()
            elif kind == "message":
                await self._take_in(client, message["data"])

    async def _take_in(self, client: redis.asyncio.Redis, data: bytes) -> None:
        try:
            sender, receipt, cache, keys = msgspec.msgpack.decode(data, type=tuple[str, int, str, list[str] | None])
        except msgspec.DecodeError as error:
            log.warning("invalidation.unreadable", error=str(error))
            self._every(lambda attached: attached.discard(None))
            return
        if sender != self._me:
            self._apply(cache, keys)
            await client.publish(f"{self._CHANNEL}:{sender}", receipt)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
