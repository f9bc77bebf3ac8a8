"""Idempotency-Key: the key is claimed in the transaction that does the work, so both happen or neither.

See https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid

KEPT_HOURS = 24
LONGEST_KEY = 255


class IdempotencyKey(Model):
    """The first answer to a request that its client marked as repeatable.

    At most one row for a caller, route and key (primary key); `fingerprint` is the hash of the request's body, and the
    stored answer never changes. Rows older than 24 hours are removed by a job."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int]
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class KeyReused(Conflict):
    """The same key came with another request."""


class _Raced(Conflict):
    """Another request with the key came first, and is not done yet or has just committed."""


def once(
    session: WriteSession, *, caller: str, route: str, key: str, body: bytes, work: Callable[[], tuple[int, bytes]]
) -> tuple[int, bytes, bool]:
    """Do `work` unless this caller already did under this key; give status, body, and whether it is a repetition.

    Raises Invalid for an unusable key, KeyReused when the key came with another request before."""
    if not key.isprintable() or not 1 <= len(key) <= LONGEST_KEY:
        raise Invalid(f"Idempotency-Key must have 1 to {LONGEST_KEY} printable characters.", field="Idempotency-Key")
    fingerprint = hashlib.sha256(body).hexdigest()
    known = session.get(IdempotencyKey, (caller, route, key))
    if known is not None and known.created_at > clock.ago(hours=KEPT_HOURS):
        if known.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key was used for another request.", field="Idempotency-Key")
        return known.status, known.body, True
    if known is not None:
        session.delete(known)
        session.flush()
    row = IdempotencyKey(
        caller=caller, route=route, key=key, fingerprint=fingerprint, status=0, body=b"", created_at=clock.now()
    )
    try:
        with claiming(session, IdempotencyKey, otherwise=_Raced("The same request is being worked on. Ask again.")):
            session.add(row)
    except _Raced:
        # PostgreSQL waited for the other one's commit, so its answer can be read now.
        won = session.get(IdempotencyKey, (caller, route, key), populate_existing=True)
        if won is None:
            raise
        if won.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key was used for another request.", field="Idempotency-Key") from None
        return won.status, won.body, True
    row.status, row.body = work()
    return row.status, row.body, False


def forget_old_keys(session: WriteSession) -> int:
    """Remove keys past their time; gives the number."""
    old = delete(IdempotencyKey).where(IdempotencyKey.created_at < clock.ago(hours=KEPT_HOURS))
    return int(getattr(session.execute(old), "rowcount", 0))
