"""Rate limits that several processes share, in Redis or Valkey."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import structlog
from limits.aio.storage import RedisStorage as AsyncRedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter as AsyncSlidingWindow
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter as SlidingWindow
from redis import RedisError
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)
TIMEOUT: Final = 0.25
"""Seconds that a request waits for Redis."""
PAUSE: Final = 5.0
"""Seconds that Redis is left alone after it failed."""


class SharedLimits:
    """The counters in Redis or Valkey, for threads and for the event loop, and whether to try them now."""

    Error: Final = RedisError

    def __init__(self, url: str) -> None:
        url = re.sub("^valkey", "redis", url)
        # One try each: a request must not wait through redis-py's default of several retries.
        options: dict[str, Any] = {
            "key_prefix": "dodeca:limits",
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
        }
        once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0)}
        once_async: dict[str, Any] = {"retry": AsyncRetry(NoBackoff(), 0), "implementation": "redispy"}
        self.storage = RedisStorage(url, **options, **once)
        self.strategy = SlidingWindow(self.storage)
        self.async_storage = AsyncRedisStorage(f"async+{url}", **options, **once_async)
        self.async_strategy = AsyncSlidingWindow(self.async_storage)
        self._pause_until = 0.0

    def is_up(self) -> bool:
        """Whether the last failure is long enough ago."""
        return time.monotonic() >= self._pause_until

    def failed(self, error: RedisError) -> None:
        """Leave Redis alone for a while: each request would otherwise wait for the time-out."""
        self._pause_until = time.monotonic() + PAUSE
        log.warning("limits.redis_unreachable", error=str(error), counting="in this process")
