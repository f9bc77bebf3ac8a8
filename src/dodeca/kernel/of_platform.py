"""What a process has once for each platform: caches, stations on the air, what is being made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.orm import object_session

from dodeca.kernel.db import WriteSession

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

T = TypeVar("T")


class OfPlatform(Generic[T]):
    """One thing a platform, made when it is first asked for, and gone with the platform. Safe from any thread."""

    def __init__(self, make: Callable[[Platform], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Platform, T] = WeakKeyDictionary()
        self._making = threading.Lock()

    def __call__(self, platform: Platform) -> T:
        """That of a platform."""
        found = self._made.get(platform)
        if found is None:
            with self._making:
                found = self._made.get(platform)
                if found is None:
                    found = self._made[platform] = self._make(platform)
        return found

    def after_change_of(self, row: object, do: Callable[[T], None]) -> None:
        """Do something with each, once the unit of work is committed that is changing a row: for what listens to the
        ORM's events, where only the row is known."""
        session = object_session(row)
        if isinstance(session, WriteSession):
            session.after_commit(lambda: self._do(do))

    def _do(self, do: Callable[[T], None]) -> None:
        for one in list(self._made.values()):
            do(one)
