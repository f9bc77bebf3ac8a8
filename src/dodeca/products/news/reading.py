"""What anonymous readers were answered, ready to be sent again; what changed is forgotten in every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from dodeca.kernel.cache import Cache
from dodeca.kernel.of_platform import OfPlatform

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

MAX_BYTES: Final = 64 * 1024 * 1024
V0: Final = "/news/v0/"


class Kept(msgspec.Struct, frozen=True):
    """An answer: headers, body, entity tag."""

    headers: list[tuple[str, str]]
    body: bytes
    tag: str
    is_told: bool = False
    """Whether `forget` is told of all that changes it, but for what time changes."""


cache_of: Final = OfPlatform[Cache[Kept]](
    lambda platform: Cache(
        "news-reading",
        max_bytes=MAX_BYTES,
        size=lambda kept: len(kept.body),
        invalidation=platform.invalidation,
    )
)
"""The cache of a platform."""


def forget(platform: Platform, *item_ids: int | None) -> None:
    """Items say something else now, or what is below them. Call it after the commit."""
    known = {item_id for item_id in item_ids if item_id is not None}
    keys = [f"{V0}item/{item_id}.json" for item_id in known]
    cache_of(platform).invalidate(*keys, *(unchanged(thread_key(item_id)) for item_id in known))


def thread_key(item_id: int) -> str:
    """The first page of a thread."""
    return f"/news/item?id={item_id}"


def unchanged(key: str) -> str:
    """Where a page is kept for as long as nothing it shows has changed, beside its key, where it is kept for a moment
    whatever happens: a thread that everybody votes on is not made anew with every vote."""
    return f"unchanged:{key}"
