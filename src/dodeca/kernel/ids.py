"""Identifiers.

`new_id` gives time-ordered text ids (ULID, https://github.com/ulid/spec): they sort by creation, so primary keys
append, and they tell nothing about how many there are. Products whose established API dictates another form
(integers, prefixed base62) make their own from the helpers here.
"""

from __future__ import annotations

import os

from ulid import ULID

from dodeca.kernel import clock

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in BASE62 for second in BASE62]


def new_id() -> str:
    """A new 26-character lower-case ULID stamped with the platform's clock."""
    return str(ULID.from_timestamp(clock.timestamp())).lower()


def base62(number: int, width: int = 0) -> str:
    """Write a natural number in base 62, padded with zeros to `width` digits."""
    digits = ""
    while number:
        number, rest = divmod(number, 3844)
        digits = _PAIRS[rest] + digits
    return digits.lstrip("0").rjust(width, "0")


def random_base62(length: int) -> str:
    """`length` unguessable base62 characters."""
    most = 62**length
    size = (most.bit_length() + 71) // 8
    return base62(int.from_bytes(os.urandom(size)) % most, length)  # 64 bits more than needed: nothing is likelier
