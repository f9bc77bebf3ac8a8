"""A bounded read-through cache of ready-to-send values, with explicit invalidation.

Reading is one dictionary look-up, safe from any thread. The second-chance clock decides what goes when room is needed.
A value is *fresh* until its time is over, it is invalidated, or this process loses touch with the others that could
invalidate it; what was fresh once stays at hand as *stale*, for callers that prefer it to nothing while the database is
away. An invalidated value is gone altogether.

Loading beside an invalidation is the classic mistake: a reader loads the old row, a writer commits and invalidates,
the reader stores what it loaded, and the old row lives on. Hence `mark` before loading and `put(..., mark)` after:
the value is stored only if nothing invalidated its key in between. `read` does all of it, once for all that ask at
the same time.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from dodeca.kernel import clock
from dodeca.kernel.invalidation import Invalidation

V = TypeVar("V")

ENTRY_OVERHEAD_BYTES: Final = 300
_REMEMBERED_DISCARDS: Final = 8192
_RETRY_SECONDS: Final = 1.0


class _Entry(msgspec.Struct, gc=False):
    """A value. There may be a million, so the garbage collector does not look at each again and again; no value holds
    its own cache."""

    value: Any
    fresh_until: float
    size: int
    used: bool = False


class Cache(Generic[V]):
    """Values by text key. `hits` and `misses` count `get`; `entries` and `bytes` say what is held."""

    def __init__(
        self,
        name: str,
        *,
        max_bytes: int,
        max_entries: int = 1_000_000,
        seconds: float = math.inf,
        size: Callable[[V], int] | None = None,
        invalidation: Invalidation | None = None,
        now: Callable[[], float] = clock.elapsed,
    ) -> None:
        """`seconds` is how long a value is fresh by default. `size` measures a value in bytes (default: its length);
        key and bookkeeping are added. `name` is what `invalidation` knows the cache by, in every process."""
        self.name = name
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._seconds = seconds
        self._size = size or _length
        self._now = now
        self._lock = threading.Lock()
        # Plain dicts look for their first key past all that went before it: the oldest would cost more each time.
        self._fresh: OrderedDict[str, _Entry] = OrderedDict()
        self._stale: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._suspended = False
        self._discards = 0
        self._discarded: dict[str, int] = {}
        self._all_discarded = 0
        self._flights: dict[str, asyncio.Task[V | None]] = {}
        self._no_load_before = -math.inf
        self._bus = invalidation or Invalidation()
        self._bus.attach(self)
        self._word = self._bus.word

    # Reading

    def get(self, key: str) -> V | None:
        """The fresh value, or None."""
        if self._word[0] != self._bus.seen:
            self._bus.catch_up()
        entry = self._fresh.get(key)
        if entry is None or entry.fresh_until <= self._now():
            self.misses += 1
            return None
        if not entry.used:
            entry.used = True
        self.hits += 1
        value: V = entry.value
        return value

    def stale(self, key: str) -> V | None:
        """The last known value, fresh or not; never one that was invalidated."""
        entry = self._fresh.get(key) or self._stale.get(key)
        return None if entry is None else entry.value

    async def read(
        self,
        key: str,
        load: Callable[[], Awaitable[V | None]],
        *,
        seconds: float | None = None,
        stale_on: tuple[type[Exception], ...] = (),
    ) -> V | None:
        """The fresh value; otherwise what `load` gives, loaded once for all who ask meanwhile.

        A None from `load` is answered and not stored. When `load` raises one of `stale_on` (a database outage) and a
        stale value is at hand, that is the answer, and loading is not tried again for a second.
        """
        value = self.get(key)
        if value is not None:
            return value
        if stale_on and self._now() < self._no_load_before:
            value = self.stale(key)
            if value is not None:
                return value
        flight = self._flights.get(key)
        if flight is None or flight.get_loop() is not asyncio.get_running_loop():
            # Its own task: when the first who asked goes away, the others still get their answer.
            flight = asyncio.ensure_future(self._load(key, load, seconds))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        try:
            return await asyncio.shield(flight)
        except stale_on:
            value = self.stale(key)
            if value is None:
                raise
            self._no_load_before = self._now() + _RETRY_SECONDS
            return value

    async def _load(self, key: str, load: Callable[[], Awaitable[V | None]], seconds: float | None) -> V | None:
        mark = self.mark()
        value = await load()
        if value is not None:
            self.put(key, value, mark, seconds=seconds)
        return value

    def _landed(self, key: str, flight: asyncio.Task[V | None]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # all who asked may be gone: mark it as seen

    # Storing

    def mark(self) -> int:
        """The present point in the order of invalidations. Take it before loading."""
        if self._word[0] != self._bus.seen:
            self._bus.catch_up()
        return self._discards

    def put(self, key: str, value: V, mark: int, *, seconds: float | None = None) -> bool:
        """Store what was loaded after `mark`, unless its key was invalidated since. Says whether it was stored."""
        if self._word[0] != self._bus.seen:
            self._bus.catch_up()
        size = self._size(value) + len(key) + ENTRY_OVERHEAD_BYTES
        seconds = self._seconds if seconds is None else seconds
        # One object for all that never end: a million of their own are a million more places to look up.
        fresh_until = math.inf if seconds == math.inf else self._now() + seconds
        with self._lock:
            if self._discarded_since(key, mark) or size > self._max_bytes // 4:
                return False
            self._drop(key)
            self._bytes += size
            # While invalidations cannot reach this process nothing is fresh.
            target = self._stale if self._suspended else self._fresh
            target[key] = _Entry(value, fresh_until, size)
            self._make_room()
        return True

    def _discarded_since(self, key: str, mark: int) -> bool:
        if self._all_discarded > mark or self._discarded.get(key, 0) > mark:
            return True
        # Discards older than those remembered may have been of this key: then it is not stored, to be safe.
        return self._discards - mark > _REMEMBERED_DISCARDS

    def _make_room(self) -> None:
        while self._bytes > self._max_bytes or len(self._fresh) + len(self._stale) > self._max_entries:
            self.evictions += 1
            if self._stale:
                self._bytes -= self._stale.popitem(last=False)[1].size
                continue
            key, entry = self._fresh.popitem(last=False)
            if entry.used:  # second chance: to the end of the queue
                entry.used = False
                self._fresh[key] = entry
                self.evictions -= 1
            else:
                self._bytes -= entry.size

    def _drop(self, key: str) -> None:
        for entries in (self._fresh, self._stale):
            entry = entries.pop(key, None)
            if entry is not None:
                self._bytes -= entry.size

    # Invalidating

    def invalidate(self, *keys: str) -> None:
        """Forget these keys in every process. Call it from `WriteSession.after_commit`."""
        self._bus.publish(self.name, keys)

    def invalidate_all(self) -> None:
        """Forget everything in every process."""
        self._bus.publish(self.name, None)

    def discard(self, keys: Sequence[str] | None) -> None:
        """Forget these keys (None: all) in this process. Called by the invalidation bus."""
        with self._lock:
            self._discards += 1
            if keys is None:
                self._all_discarded = self._discards
                self._fresh, self._stale, self._bytes = OrderedDict(), OrderedDict(), 0
                self._flights = {}
                return
            for key in keys:
                self._drop(key)
                self._flights.pop(key, None)  # who asks from now on must not get what that one loaded before
                self._discarded.pop(key, None)
                self._discarded[key] = self._discards
            while len(self._discarded) > _REMEMBERED_DISCARDS:
                del self._discarded[next(iter(self._discarded))]

    def suspend(self) -> None:
        """Take everything for stale until `resume`: invalidations from other processes cannot arrive."""
        with self._lock:
            self._suspended = True
            self._discards += 1
            self._stale.update(self._fresh)
            self._fresh = OrderedDict()

    def resume(self) -> None:
        """Invalidations arrive again. What was missed is unknown, so what is held stays stale."""
        with self._lock:
            self._suspended = False
            self._discards += 1
            self._all_discarded = self._discards

    @property
    def entries(self) -> int:
        """How many values are held, stale ones included."""
        return len(self._fresh) + len(self._stale)

    @property
    def bytes(self) -> int:
        """What is held, in bytes, keys and bookkeeping included."""
        return self._bytes


def _length(value: Any) -> int:
    return len(cast(Sized, value))
