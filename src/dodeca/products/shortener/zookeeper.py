"""Leasing key ranges from ZooKeeper, for installations whose processes share no database writer.

One persistent node a length, `<root>/<length>`, holds the next counter in decimal. A range is taken by a
conditional write on the node's version, so of two processes that read the same counter one succeeds and the
other reads again. When the connection breaks between the write and its answer, the write may have happened:
the counter is then read anew and the unanswered range is left unused. Ranges are wasted, never repeated.
"""

from __future__ import annotations

from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener.keys import MAX_LENGTH, RANGE_SIZE, Lease, growing_length


class ZooKeeperRanges:
    """A RangeSource on ZooKeeper. One instance a process; thread-safe, as kazoo's client is."""

    def __init__(self, hosts: str, *, root: str = "/dodeca/shortener/ranges", timeout: float = 10.0) -> None:
        """`hosts` is a comma-separated list of host:port, optionally with a chroot. `timeout` is in
        seconds."""
        self._root = root
        self._retry = KazooRetry(max_tries=5, max_delay=2, deadline=timeout, ignore_expire=True)
        self._client: Any = KazooClient(hosts=hosts, timeout=timeout)
        self._timeout = timeout

    def start(self) -> None:
        """Connect. Raises Unavailable when no server answers in time."""
        try:
            self._client.start(timeout=self._timeout)
            self._client.ensure_path(self._root)
        except (KazooException, KazooTimeoutError) as error:
            raise Unavailable("The key service (ZooKeeper) does not answer.") from error

    def close(self) -> None:
        """End the session."""
        self._client.stop()
        self._client.close()

    def lease(self, at_least: int) -> Lease:
        """Take the next range. Raises Unavailable when ZooKeeper cannot be reached within the timeout."""
        try:
            lease = self._retry.copy()(self._lease_once, at_least)
        except (KazooException, KazooTimeoutError) as error:
            raise Unavailable("No short codes can be made: the key service does not answer.") from error
        return Lease(*lease)

    def next_counters(self) -> dict[int, int]:
        """The next counter of each length that was ever leased from."""
        found = {}
        for length in range(1, MAX_LENGTH + 1):
            counter, _ = self._read(length)
            if counter:
                found[length] = counter
        return found

    def _lease_once(self, at_least: int) -> Lease:
        while True:
            length = at_least
            counter, version = self._read(length)
            while growing_length({length: counter}, length) != length:
                length += 1
                counter, version = self._read(length)
            if self._advance(length, counter + RANGE_SIZE, version):
                return Lease(length, counter)

    def _read(self, length: int) -> tuple[int, int | None]:
        try:
            data, stat = self._client.get(f"{self._root}/{length}")
        except NoNodeError:
            return 0, None
        return int(data), stat.version

    def _advance(self, length: int, counter: int, version: int | None) -> bool:
        """Write the counter if nobody did since it was read; tell whether this succeeded."""
        path, data = f"{self._root}/{length}", b"%d" % counter
        try:
            if version is None:
                self._client.create(path, data, makepath=True)
            else:
                self._client.set(path, data, version=version)
        except (BadVersionError, NodeExistsError):
            return False
        return True
