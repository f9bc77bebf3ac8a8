"""Short codes for new links: ranges leased from the database (or ZooKeeper), drawn before the unit of work begins.

A lease is a committed unit of its own. Inside a unit of work none can be opened (on SQLite it would wait for itself),
so callers reserve codes first and hand back what they did not use.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from dodeca.kernel.db import Database, ReadSession, WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.telemetry import gauge
from dodeca.products.shortener import keys
from dodeca.products.shortener.keys import Lease, Leases
from dodeca.products.shortener.models import KeyRange, KeySecret

if TYPE_CHECKING:
    from dodeca.products.shortener.zookeeper import ZooKeeperRanges

SPARE = 4
"""Codes reserved beyond what is asked for: one may equal an alias."""
_keys_left = gauge("shortener_keys_left", "Share of the six-letter codes that are left before codes grow.")


class Codes:
    """Codes reserved for one unit of work."""

    def __init__(self, plain: list[str], readable: list[str]) -> None:
        self._plain = deque(plain)
        self._readable = deque(readable)

    def take(self, style: str = "") -> str:
        """A fresh code. Raises Unavailable when more are taken than were reserved."""
        codes = self._readable if style == "readable" else self._plain
        if not codes:
            raise Unavailable("No short code is ready. Try again.")
        return codes.popleft()

    def rest(self) -> tuple[list[str], list[str]]:
        """What was not taken."""
        return list(self._plain), list(self._readable)


class DatabaseRanges:
    """A RangeSource on the database: one row a length, advanced under its lock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(self, at_least: int) -> Lease:
        """Take the next range, in a unit of work of its own."""
        return self._database.write(lambda session: _advance(session, at_least))


def _advance(session: WriteSession, at_least: int) -> Lease:
    counters = next_counters(session)
    length = keys.growing_length(counters, at_least)
    insert = postgresql.insert(KeyRange).values(length=length, next_counter=0).on_conflict_do_nothing()
    session.execute(insert)
    row = session.execute(select(KeyRange).where(KeyRange.length == length).with_for_update()).scalar_one()
    session.refresh(row)
    start = row.next_counter
    row.next_counter = start + keys.RANGE_SIZE
    _keys_left.set(keys.keys_left(row.next_counter, length))
    return Lease(length, start)


def next_counters(session: ReadSession) -> dict[int, int]:
    """How far the codes of each length are leased."""
    return {row[0]: row[1] for row in session.execute(select(KeyRange.length, KeyRange.next_counter))}


def bijection_key(session: WriteSession) -> bytes:
    """The key that turns counters into codes, made once for ever."""
    insert = postgresql.insert(KeySecret).values(id=1, key=secrets.token_bytes(32)).on_conflict_do_nothing()
    session.execute(insert)
    return session.execute(select(KeySecret.key).where(KeySecret.id == 1)).scalar_one()


class CodePool:
    """The codes of one process. Thread-safe."""

    def __init__(self, database: Database, zookeeper: str = "") -> None:
        self._database = database
        self._zookeeper = zookeeper
        self._source: ZooKeeperRanges | None = None
        self._leases: Leases | None = None
        self._lock = threading.Lock()
        self._returned: dict[str, deque[str]] = {"": deque(maxlen=10_000), "readable": deque(maxlen=10_000)}

    @contextmanager
    def reserved(self, count: int = 1, *, readable: int = 0) -> Iterator[Codes]:
        """Codes for one unit of work (or several in a row). Not from the writer's thread, nor the event loop."""
        codes = self.reserve(count, readable)
        yield codes
        # Only when the unit ended well is it known which codes are in the database.
        self._give_back(codes)

    @asynccontextmanager
    async def areserved(self, count: int = 1, *, readable: int = 0) -> AsyncIterator[Codes]:
        """The same for the event loop, which does not wait for a lease."""
        codes = self._at_hand(count + SPARE if count else 0, readable + SPARE if readable else 0)
        if codes is None:
            codes = await asyncio.to_thread(self.reserve, count, readable)
        yield codes
        self._give_back(codes)

    def reserve(self, count: int = 1, readable: int = 0) -> Codes:
        """Draw codes, leasing ranges as needed. Raises Unavailable."""
        plain = count + SPARE if count else 0
        easy = readable + SPARE if readable else 0
        found = self._at_hand(plain, easy)
        if found is not None:
            return found
        with self._lock:
            leases = self._leases or self._open()
            return Codes(
                _drawn(self._returned[""], plain, leases.next_code, ahead=keys.RANGE_SIZE // 2),
                _drawn(self._returned["readable"], easy, leases.next_readable, ahead=50),
            )

    def _at_hand(self, plain: int, easy: int) -> Codes | None:
        taken = Codes([], [])
        codes, easy_codes = self._returned[""], self._returned["readable"]
        if len(codes) < plain or len(easy_codes) < easy:
            return None
        try:
            taken = Codes([codes.popleft() for _ in range(plain)], [easy_codes.popleft() for _ in range(easy)])
        except IndexError:  # another thread was faster: what was taken here is wasted, not repeated
            return None
        return taken

    def _give_back(self, codes: Codes) -> None:
        plain, readable = codes.rest()
        self._returned[""].extendleft(plain)
        self._returned["readable"].extendleft(readable)

    def _open(self) -> Leases:
        key = self._database.write(bijection_key)
        if self._zookeeper:
            from dodeca.products.shortener.zookeeper import ZooKeeperRanges  # kazoo: only where it is in use

            self._source = ZooKeeperRanges(self._zookeeper)
            self._source.start()
            self._leases = Leases(self._source, key)
        else:
            self._leases = Leases(DatabaseRanges(self._database), key)
        return self._leases

    def next_counters(self) -> dict[int, int]:
        """How far the codes of each length are leased, wherever ranges come from."""
        if self._zookeeper:
            with self._lock:
                if self._leases is None:
                    self._open()
            assert self._source is not None
            return self._source.next_counters()
        return self._database.read(next_counters)

    def close(self) -> None:
        """End the session with ZooKeeper."""
        if self._source is not None:
            self._source.close()
            self._source = None


def _drawn(at_hand: deque[str], count: int, draw: Callable[[], str], *, ahead: int) -> list[str]:
    """`count` codes, first those at hand. Where any are wanted, `ahead` more are drawn at once: later requests find
    theirs at hand, without a lock or a thread."""
    taken: list[str] = []
    while len(taken) < count:
        try:
            taken.append(at_hand.popleft())
        except IndexError:
            taken.append(draw())
    while count and len(at_hand) < ahead:
        at_hand.append(draw())
    return taken
