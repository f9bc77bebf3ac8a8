"""Invalidation between the processes of many machines, over pub/sub of Redis or Valkey.

While it is disconnected the caches of this process take what they hold for stale.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
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

log = structlog.get_logger(__name__)


class RedisInvalidation(Invalidation):
    """Pub/sub between processes on many machines. Call `start` in the event loop and `stop` at its end."""

    _CHANNEL: Final = "dodeca:invalidation"
    _PING_SECONDS: Final = 2.0
    _TIMEOUT: Final = 0.5

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
        self._publishing_paused_until = 0.0
        self._listener: asyncio.Task[None] | None = None
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
        if time.monotonic() < self._publishing_paused_until:
            return
        try:
            self._client.publish(self._CHANNEL, msgspec.msgpack.encode((self._me, cache, keys)))
        except redis.RedisError as error:
            self._publishing_paused_until = time.monotonic() + self._TIMEOUT
            log.warning("invalidation.not_published", cache=cache, error=str(error))

    def start(self) -> None:
        """Begin to listen, in the running event loop."""
        if self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(self._listen(), name="invalidation")

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        self._client.close()

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            client = redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=self._TIMEOUT)
            try:
                async with client, client.pubsub() as pubsub:
                    await pubsub.subscribe(self._CHANNEL)
                    await self._receive(pubsub)
            except (redis.RedisError, OSError, TimeoutError) as error:
                if self.connected.is_set():
                    log.warning("invalidation.disconnected", error=str(error))
            finally:
                if self.connected.is_set():
                    pause = 0.1
                    self.connected.clear()
                    self._every(lambda cache: cache.suspend())
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _receive(self, pubsub: Any) -> None:
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
            if message["type"] == "subscribe":
                self.connected.set()
                self._every(lambda cache: cache.resume())
            elif message["type"] == "message":
                self._take_in(message["data"])

    def _take_in(self, data: bytes) -> None:
        try:
            sender, cache, keys = msgspec.msgpack.decode(data, type=tuple[str, str, list[str] | None])
        except msgspec.DecodeError as error:
            log.warning("invalidation.unreadable", error=str(error))
            self._every(lambda attached: attached.discard(None))
            return
        if sender != self._me:
            self._apply(cache, keys)
