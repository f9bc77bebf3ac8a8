"""Identifiers as Razorpay's clients know them: a prefix and 14 base62 characters.

The first eight are the time in milliseconds, so that keys append to their index; the last six are random.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from dodeca.kernel import clock
from dodeca.kernel.ids import base62, random_base62


def earliest(prefix: str, moment: datetime) -> str:
    """What no id of this prefix that was made after the moment is smaller than."""
    return f"{prefix}_{base62(int(moment.timestamp() * 1000), 8)}"


def new(prefix: str) -> str:
    """A new id such as pay_0Vq3kX1aBcDe5F."""
    return f"{prefix}_{_moment(int(clock.timestamp() * 1000))}{random_base62(6)}"


@lru_cache(maxsize=8)  # a unit of work makes several within a millisecond
def _moment(milliseconds: int) -> str:
    return base62(milliseconds, 8)
