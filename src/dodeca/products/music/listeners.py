"""How many listen to each station now: those of this process that follow it live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

_counts: WeakKeyDictionary[Platform, Counter[int]] = WeakKeyDictionary()


def count(platform: Platform, station_id: int) -> int:
    """How many listen to a station through this process."""
    return _counts.get(platform, Counter())[station_id]


@contextmanager
def listening(platform: Platform, station_id: int) -> Iterator[None]:
    """Somebody listens while the block runs."""
    counter = _counts.setdefault(platform, Counter())
    counter[station_id] += 1
    try:
        yield
    finally:
        counter[station_id] -= 1
