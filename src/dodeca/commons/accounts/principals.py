"""Who is calling, kept in memory for seconds, so that a request with known credentials costs a dictionary look-up.

What takes somebody's access away calls `forget_principal` in its unit of work; after the commit all processes forget
what they keep of that account, through the platform's invalidation bus.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from weakref import WeakSet

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.http import Principal
from dodeca.kernel.invalidation import Invalidation

PRINCIPALS = "accounts.principals"
"""Caches of this name are told the ids of accounts that are to be looked up again."""
KEPT_SECONDS = 15.0
MOST_ENTRIES = 50_000

_caches: WeakSet[PrincipalCache] = WeakSet()


class PrincipalCache:
    """Principals by raw credential. Safe from any thread; bounded, the oldest go first."""

    name = PRINCIPALS

    def __init__(self, bus: Invalidation) -> None:
        self.bus = bus
        self._word = bus.word
        self._lock = threading.Lock()
        self._kept: dict[bytes, tuple[Principal, float, float]] = {}
        self._of_account: dict[str, set[bytes]] = {}
        self._suspended = False
        self._discards = 0
        bus.attach(self)
        _caches.add(self)

    def get(self, credential: bytes) -> Principal | None:
        """The principal, while it is fresh and its credential has not expired."""
        if self._word[0] != self.bus.seen:
            self.bus.catch_up()
        kept = self._kept.get(credential)
        if kept is None or kept[1] < time.monotonic() or kept[2] <= clock.timestamp():
            return None
        return kept[0]

    def mark(self) -> int:
        """The present point in the order of invalidations. Take it before reading the database."""
        return self._discards

    def put(self, credential: bytes, principal: Principal, mark: int, *, expires_at: float) -> None:
        """Keep what was read after `mark`, unless anything was forgotten meanwhile. `expires_at` is a timestamp."""
        with self._lock:
            if self._suspended or self._discards != mark:
                return
            while len(self._kept) >= MOST_ENTRIES:
                self._drop(next(iter(self._kept)))
            self._drop(credential)
            # By the platform's clock too, so that a moved test clock ends what is kept.
            until = min(expires_at, clock.timestamp() + KEPT_SECONDS)
            self._kept[credential] = (principal, time.monotonic() + KEPT_SECONDS, until)
            self._of_account.setdefault(principal.account_id, set()).add(credential)

    def _drop(self, credential: bytes) -> None:
        kept = self._kept.pop(credential, None)
        if kept is None:
            return
        account_id = kept[0].account_id
        of_account = self._of_account.get(account_id)
        if of_account is not None:
            of_account.discard(credential)
            if not of_account:
                del self._of_account[account_id]

    def discard(self, keys: Sequence[str] | None) -> None:
        """Forget these accounts (None: all). Called by the bus."""
        with self._lock:
            self._discards += 1
            if keys is None:
                self._kept, self._of_account = {}, {}
                return
            for account_id in keys:
                for credential in list(self._of_account.get(account_id, ())):
                    self._drop(credential)

    def suspend(self) -> None:
        """Keep nothing while other processes cannot tell of revocations."""
        self._suspended = True
        self.discard(None)

    def resume(self) -> None:
        """Keep again."""
        self._suspended = False
        self.discard(None)

    def __len__(self) -> int:
        return len(self._kept)


def forget_principal(session: WriteSession, account_id: str) -> None:
    """Make every process look the account up again, once the caller's unit of work is committed."""
    session.after_commit(lambda: _forget(account_id))


def _forget(account_id: str) -> None:
    for cache in list(_caches):
        cache.bus.publish(PrincipalCache.name, [account_id])
