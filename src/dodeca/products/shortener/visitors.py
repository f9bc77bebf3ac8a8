"""Counting unique visitors without keeping who they are.

A visitor is a keyed hash of link, address and user agent. The key (salt) is new each UTC day and is destroyed
after it, so hashes of two days, or of two links, cannot be matched, and none can be reversed once the day is
over.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, date, datetime

SALT_BYTES = 32


def new_salt() -> bytes:
    """A fresh salt for one day."""
    return secrets.token_bytes(SALT_BYTES)


def day_of(at_milliseconds: int) -> date:
    """The UTC day whose salt a click at this time (milliseconds since the epoch) belongs to."""
    return datetime.fromtimestamp(at_milliseconds / 1000, UTC).date()


def opts_out(sec_gpc: str | None) -> bool:
    """Whether the browser sends Global Privacy Control (header `Sec-GPC: 1`): such a visitor is not told
    apart."""
    return sec_gpc is not None and sec_gpc.strip() == "1"


def visitor_hash(salt: bytes, link_id: int, address: str, user_agent: str) -> int:
    """A 63-bit hash that is the same for one visitor of one link on one day.

    The parts are separated by NUL, which none of them can hold, so no two triples run into one another.
    """
    message = f"{link_id}\0{address}\0{user_agent}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(message, key=salt, digest_size=8).digest()) >> 1
