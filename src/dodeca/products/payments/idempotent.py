"""Idempotency keys for work that takes several units: the key is claimed first, the answer stored with it last.

A process that dies in between, or fails in a way that nobody foresaw, leaves the claim: the same request is then
refused until the key's day is over, for nobody can know what the client was charged; the payment itself is finished by
the jobs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession, claiming
from dodeca.kernel.errors import Conflict, DodecaError, Invalid
from dodeca.kernel.http.idempotency import KEPT_HOURS, LONGEST_KEY, IdempotencyKey, KeyReused

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

IN_FLIGHT = 0


async def once(
    platform: Platform,
    caller: str,
    route: str,
    key: str | None,
    body: bytes,
    work: Callable[[], Awaitable[tuple[int, bytes]]],
    refused: Callable[[DodecaError], tuple[int, bytes]],
) -> tuple[int, bytes]:
    """Do `work`, or give its first answer. Raises Invalid, KeyReused, Conflict while the first is being worked on.

    An error that names a payment came after something was done: `refused` makes the answer of it that is kept."""
    if key is None:
        return await work()
    if not key.isprintable() or not 1 <= len(key) <= LONGEST_KEY:
        raise Invalid(f"Idempotency-Key must have 1 to {LONGEST_KEY} printable characters.", field="Idempotency-Key")
    identity = (caller, route, key)
    first = await platform.db.awrite(lambda session: _claim(session, identity, hashlib.sha256(body).hexdigest()))
    if first is not None:
        return first
    try:
        status, answer = await work()
    except DodecaError as error:
        if "payment_id" not in error.details:
            await platform.db.awrite(lambda session: session.delete(session.get_one(IdempotencyKey, identity)))
            raise
        status, answer = refused(error)

    def store(session: WriteSession) -> None:
        row = session.get_one(IdempotencyKey, identity)
        row.status, row.body = status, answer

    await platform.db.awrite(store)
    return status, answer


def _claim(session: WriteSession, identity: tuple[str, str, str], fingerprint: str) -> tuple[int, bytes] | None:
    """Take the key; or the first answer, where it was taken and answered before."""
    known = session.get(IdempotencyKey, identity)
    if known is not None and known.created_at <= clock.ago(hours=KEPT_HOURS):
        session.delete(known)
        session.flush()
        known = None
    if known is not None:
        if known.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key was used for another request.", field="Idempotency-Key")
        if known.status == IN_FLIGHT:
            raise Conflict("The same request is being worked on. Ask again.")
        return known.status, known.body
    caller, route, key = identity
    row = IdempotencyKey(
        caller=caller,
        route=route,
        key=key,
        fingerprint=fingerprint,
        status=IN_FLIGHT,
        body=b"",
        created_at=clock.now(),
    )
    with claiming(session, IdempotencyKey, otherwise=Conflict("The same request is being worked on. Ask again.")):
        session.add(row)
    return None
