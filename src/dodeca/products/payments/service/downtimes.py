"""Downtimes: methods that no acquirer takes for a while, found by payments that nobody would take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.payments import entities, ids
from dodeca.products.payments.models import Attempt, Downtime, Payment, RoutingDecision, Webhook
from dodeca.products.payments.service import events
from dodeca.products.payments.service.desk import desk_by_id

SHOWN = timedelta(days=1)
"""How long one that is over is still listed."""
# Written alike in both dialects; SQLAlchemy renders PostgreSQL's for SQLite too.
_begin = Prepared(postgresql.insert(cast(Table, Downtime.__table__)).on_conflict_do_nothing())


def note(session: WriteSession, payment: Payment, decision: RoutingDecision | None) -> None:
    """No acquirer took a payment. A downtime, unless none takes such payments at all."""
    candidates = decision.candidates if decision is not None else ()
    if any(c["eligible"] or c["reason"] == "switched off" for c in candidates):
        now = clock.now()
        _begin.run(
            session,
            id=ids.new("down"),
            mode=payment.mode,
            method=payment.method,
            began_at=now,
            ended_at=None,
            told="none",
            updated_at=now,
        )


def review(session: WriteSession) -> int:
    """End those whose method works again, and tell merchants what changed; gives how many downtimes did."""
    going_on = session.scalars(select(Downtime).where(Downtime.ended_at.is_(None))).all()
    for row in going_on:
        if _works_again(session, row):
            row.ended_at = row.updated_at = clock.now()
    session.flush()
    changed = or_(Downtime.told == "none", (Downtime.told == "started") & Downtime.ended_at.is_not(None))
    rows = session.scalars(select(Downtime).where(changed).order_by(Downtime.began_at).limit(20)).all()
    for row in rows:
        row.told = "started" if row.told == "none" else "resolved"
        _tell(session, row, row.told)
    return len(rows)


def _works_again(session: ReadSession, row: Downtime) -> bool:
    """Whether an acquirer has taken a payment by this method since. Attempts' ids begin with their time."""
    since = ids.earliest("atm", row.began_at)
    taken = select(Attempt.id).join(Payment, Payment.id == Attempt.payment_id)
    taken = taken.where(Attempt.id > since, Attempt.outcome.in_(("approved", "challenge")))
    return session.scalar(taken.where(Payment.mode == row.mode, Payment.method == row.method).limit(1)) is not None


def _tell(session: WriteSession, row: Downtime, state: str) -> None:
    """Emit payment.downtime.`state` at every merchant that has a webhook for it."""
    kind = f"payment.downtime.{state}"
    hooks = select(Webhook.merchant_id, Webhook.events).where(Webhook.mode == row.mode, Webhook.disabled_at.is_(None))
    wanting = {merchant_id for merchant_id, kinds in session.execute(hooks) if kind in kinds}
    shown = {**entities.downtime(row), "status": state}
    for merchant_id in sorted(wanting):
        events.emit(session, desk_by_id(session, merchant_id, row.mode), kind, {"payment.downtime": shown})


def listed(session: ReadSession, mode: str) -> Sequence[Downtime]:
    """Those that go on or ended within a day, newest first."""
    recent: ColumnElement[bool] = or_(Downtime.ended_at.is_(None), Downtime.ended_at > clock.now() - SHOWN)
    mine = select(Downtime).where(Downtime.mode == mode, recent)
    return session.scalars(mine.order_by(Downtime.began_at.desc(), Downtime.id.desc()).limit(100)).all()


def downtime(session: ReadSession, mode: str, downtime_id: str) -> Downtime:
    """One of a mode. Raises NotFound."""
    row = session.get(Downtime, downtime_id)
    if row is None or row.mode != mode:
        raise NotFound("The id provided does not exist", field="id")
    return row
