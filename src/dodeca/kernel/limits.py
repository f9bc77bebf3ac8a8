"""Rate limits: `hit` counts and decides in one step. There is no asking first, because the answer would be stale.

The library `limits` counts in a sliding window, in Redis when several processes share the limits, otherwise
in memory. Its own memory storage walks all keys a hundred times a second and never forgets one early, so a
bounded one stands here. When Redis cannot be reached each process counts for itself until it can.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address
from math import floor
from typing import TYPE_CHECKING, Final, Self

import msgspec
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage.base import SlidingWindowCounterSupport, Storage
from limits.strategies import SlidingWindowCounterRateLimiter as SlidingWindow

from dodeca.kernel import clock
from dodeca.kernel.errors import TooMany

if TYPE_CHECKING:
    from dodeca.kernel.shared_limits import SharedLimits

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_MAX_KEY: Final = 128


class Rate(msgspec.Struct, frozen=True):
    """So many hits in so many seconds: `Rate(30, 60)`, or `Rate.parse("30/minute")`."""

    amount: int
    seconds: int

    def __post_init__(self) -> None:
        if self.amount < 1 or self.seconds < 1:
            raise ValueError("A rate has at least one hit in at least one second.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "30/minute", "5 per 2 hours", "100/90s". Raises ValueError."""
        found = re.fullmatch(r"\s*(\d+)\s*(?:/|per)\s*(\d+)?\s*(s|second|minute|hour|day)s?\s*", text.lower())
        if found is None:
            raise ValueError(f"Not a rate: {text!r}. Write for example 30/minute.")
        unit = "second" if found[3] == "s" else found[3]
        return cls(int(found[1]), int(found[2] or 1) * _UNITS[unit])


@lru_cache(maxsize=8_192)  # the same few ask again and again
def network(address: str) -> str:
    """The key under which an address is limited: IPv4 as it is, IPv6 by its /64, which one customer holds."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket has no address: all that comes through it counts as one
        return "local"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


class Limits:
    """Counts hits, in Redis or Valkey when `redis_url` is given, otherwise in this process."""

    def __init__(
        self,
        redis_url: str = "",
        *,
        max_keys: int = 100_000,
        now: Callable[[], float] = clock.timestamp,
    ) -> None:
        """`max_keys` bounds what is remembered of each name, in memory; the longest idle go first."""
        self._memory_storage = _Memory(max_keys, now)
        self._memory = SlidingWindow(self._memory_storage)
        self._shared: SharedLimits | None = None
        if redis_url:
            from dodeca.kernel.shared_limits import SharedLimits  # Redis' client is a tenth of a start's imports

            self._shared = SharedLimits(redis_url)

    def hit(
        self, name: str, key: str, rate: Rate, *, cost: int = 1, message: str = "", field: str | None = None
    ) -> None:
        """Count `cost` hits of `key` (an account, an address) on the limit `name`. Raises TooMany.

        A refused hit is not counted. `message` is for the person; without one there is a general text.
        """
        item = _item(rate)
        key = _short(key)
        if self._shared is not None and self._shared.is_up():
            try:
                if self._shared.strategy.hit(item, name, key, cost=cost):
                    return
                window = self._shared.storage.get_sliding_window(item.key_for(name, key), rate.seconds)
                raise _too_many(rate, cost, window, message, field)
            except self._shared.Error as error:
                self._shared.failed(error)
        self._hit_in_memory(name, key, item, rate, cost, message, field)

    async def hit_async(
        self, name: str, key: str, rate: Rate, *, cost: int = 1, message: str = "", field: str | None = None
    ) -> None:
        """As `hit`, without holding up the event loop where Redis counts."""
        item = _item(rate)
        key = _short(key)
        if self._shared is not None and self._shared.is_up():
            try:
                if await self._shared.async_strategy.hit(item, name, key, cost=cost):
                    return
                window = await self._shared.async_storage.get_sliding_window(item.key_for(name, key), rate.seconds)
                raise _too_many(rate, cost, window, message, field)
            except self._shared.Error as error:
                self._shared.failed(error)
        self._hit_in_memory(name, key, item, rate, cost, message, field)

    def forget(self, name: str, key: str, rate: Rate) -> None:
        """Start the count of `key` anew, as after the right password at last. What other hits are counted meanwhile
        by another process may be forgotten too."""
        item = _item(rate)
        key = _short(key)
        self._memory.clear(item, name, key)
        if self._shared is not None and self._shared.is_up():
            try:
                self._shared.strategy.clear(item, name, key)
            except self._shared.Error as error:
                self._shared.failed(error)

    def _hit_in_memory(
        self, name: str, key: str, item: RateLimitItem, rate: Rate, cost: int, message: str, field: str | None
    ) -> None:
        if not self._memory.hit(item, name, key, cost=cost):
            window = self._memory_storage.get_sliding_window(item.key_for(name, key), rate.seconds)
            raise _too_many(rate, cost, window, message, field)


def _short(key: str) -> str:
    """Keys may come from input (a user name that is being tried): long ones are hashed, so memory is bounded."""
    if len(key) <= _MAX_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _item(rate: Rate) -> RateLimitItem:
    return RateLimitItemPerSecond(rate.amount, rate.seconds, namespace="d")


def _too_many(rate: Rate, cost: int, window: tuple[int, float, int, float], message: str, field: str | None) -> TooMany:
    text = message or "Too many requests. Wait a little."
    return TooMany(text, retry_after=_wait(rate, cost, window), field=field)


def _wait(rate: Rate, cost: int, window: tuple[int, float, int, float]) -> float:
    """Seconds until the same hit would be allowed if nobody else hits meanwhile.

    `window` is (hits in the previous window, its remaining weight in seconds, hits in this window, seconds
    until this window's count is forgotten, which is one window after it ends).
    """
    previous, previous_left, current, current_left = window
    seconds = float(rate.seconds)
    # Allowed while floor(weighted count) + cost <= amount, that is while weighted count < room.
    room = rate.amount - cost + 1
    if room <= 0:
        return seconds
    if current < room and previous:
        return max(0.001, previous_left - (room - current) * seconds / previous + 0.001)
    until_next_window = max(0.0, current_left - seconds)
    return until_next_window + max(0.001, seconds * (1 - room / max(current, 1)) + 0.001)


class _Count:
    """The hits of one key in the window that began at `start`, a multiple of its length, and before it."""

    __slots__ = ("current", "previous", "start")

    def __init__(self, start: float) -> None:
        self.start = start
        self.current = 0
        self.previous = 0

    def roll(self, start: float, seconds: float) -> None:
        """Move on to the window that begins at `start`."""
        if start != self.start:
            self.previous = self.current if start - self.start <= seconds * 1.5 else 0
            self.current = 0
            self.start = start


class _Memory(Storage, SlidingWindowCounterSupport):
    """Counts in this process. Each limit has its own bounded table; the longest idle key goes first."""

    STORAGE_SCHEME: list[str] | None = None

    def __init__(self, max_keys: int, now: Callable[[], float]) -> None:
        super().__init__()
        self._max_keys = max_keys
        self._now = now
        self._lock = threading.Lock()
        self._tables: dict[str, dict[str, _Count]] = {}

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count if it stays within the limit."""
        with self._lock:
            now = self._now()
            count = self._count(key, expiry, now)
            left = count.start + expiry - now
            weighted = count.previous * left / expiry + count.current
            if floor(weighted) + amount > limit:
                return False
            count.current += amount
            return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Previous hits, their remaining weight (s), present hits, time until they are forgotten (s)."""
        with self._lock:
            now = self._now()
            count = self._count(key, expiry, now)
            left = count.start + expiry - now
            return count.previous, left, count.current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a key."""
        self.clear(key)

    def _count(self, key: str, expiry: int, now: float) -> _Count:
        # Keys come from RateLimitItem.key_for: namespace/name/key/amount/multiples/granularity.
        name = key.split("/", 2)[1]
        table = self._tables.setdefault(name, {})
        start = now - now % expiry
        count = table.pop(key, None)
        if count is None:
            count = _Count(start)
            while len(table) >= self._max_keys:
                del table[next(iter(table))]
        else:
            count.roll(start, expiry)
        table[key] = count  # last in the dictionary's order: the most recently used
        return count

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may go wrong here: nothing that the library would have to wrap."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count without a limit."""
        with self._lock:
            count = self._count(key, expiry, self._now())
            count.current += amount
            return count.current

    def get(self, key: str) -> int:
        """The hits in the present window."""
        with self._lock:
            count = self._tables.get(key.split("/", 2)[1], {}).get(key)
            return count.current if count else 0

    def get_expiry(self, key: str) -> float:
        """The present: windows are aligned to the clock, so nothing else is known of a key alone."""
        return self._now()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything and say how many keys that were."""
        with self._lock:
            keys = sum(map(len, self._tables.values()))
            self._tables.clear()
            return keys

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._tables.get(key.split("/", 2)[1], {}).pop(key, None)
