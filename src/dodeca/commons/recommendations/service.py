"""Learning a product's factors by a job, and having the newest at hand for its lists."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from sqlalchemy import delete, select

from dodeca.commons.recommendations.factors import Interactions, Model, learn
from dodeca.commons.recommendations.models import LearnedFactors
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

SMALL: Final = 100_000
"""Up to so many interactions the factors are learned anew soon after a change, beyond it every night."""
KEPT: Final = 3
"""Learned factors that `forget_old` leaves of a product: a process may still be reading the ones before the newest."""


class _Held:
    """The newest factors of a product in this process."""

    def __init__(self) -> None:
        self.key = ""
        self.model: Model | None = None
        self.lock = threading.Lock()


_held: WeakKeyDictionary[Platform, dict[str, _Held]] = WeakKeyDictionary()


def current(session: ReadSession, platform: Platform, product: str) -> Model | None:
    """A product's newest factors, loaded once a process; None where none were learned yet."""
    newest = select(LearnedFactors.media_key).where(LearnedFactors.product == product)
    key = session.scalar(newest.order_by(LearnedFactors.id.desc()).limit(1))
    if key is None:
        return None
    held = _held.setdefault(platform, {}).setdefault(product, _Held())
    with held.lock:
        if held.key != key:
            try:
                held.model = Model.from_bytes(platform.media.read(key))
            except NotFound:
                return held.model
            held.key = key
        return held.model


def is_due(session: ReadSession, product: str, changed_at: datetime | None, *, nightly: bool = False) -> bool:
    """Whether factors are to be learned now. `changed_at` is when something changed that they depend on."""
    of_product = select(LearnedFactors).where(LearnedFactors.product == product)
    newest = session.scalar(of_product.order_by(LearnedFactors.id.desc()).limit(1))
    if changed_at is None or (newest is not None and newest.trained_at >= changed_at):
        return False
    return nightly or newest is None or newest.interactions < SMALL


async def train(platform: Platform, product: str, gather: Callable[[ReadSession], Interactions]) -> bool:
    """Learn from all that `gather` finds now, and use it from now on; gives whether there was enough to learn from."""
    began, started = clock.now(), time.monotonic()
    found = await asyncio.to_thread(platform.db.read, gather)
    model = await asyncio.to_thread(learn, found)
    if model is None:
        return False
    blob = await asyncio.to_thread(platform.media.save_bytes, model.to_bytes())

    def unit(session: WriteSession) -> None:
        row = LearnedFactors(
            product=product,
            media_key=blob.key,
            interactions=len(found.weights),
            items=len(found.items),
            seconds=time.monotonic() - started,
            trained_at=began,
        )
        session.add(row)

    await platform.db.awrite(unit)
    return True


def forget_old(session: WriteSession, product: str) -> Sequence[str]:
    """Remove a product's old factors; gives the keys of their files, which nothing here names any more."""
    of_product = select(LearnedFactors.id).where(LearnedFactors.product == product)
    kept = of_product.order_by(LearnedFactors.id.desc()).limit(KEPT)
    old = delete(LearnedFactors).where(LearnedFactors.product == product, LearnedFactors.id.not_in(kept))
    keys = set(session.scalars(old.returning(LearnedFactors.media_key)))
    # The same interactions make the same file: a newer row may name it too.
    keys -= set(session.scalars(select(LearnedFactors.media_key).where(LearnedFactors.media_key.in_(keys))))
    return sorted(keys)
