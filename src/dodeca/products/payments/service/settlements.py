"""Settlements: two days after its capture, a payment's net goes to its merchant with all others of its currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, PaymentRequired
from dodeca.kernel.ids import random_base62
from dodeca.products.payments import entities, ids
from dodeca.products.payments.models import Card, Dispute, LedgerAccount, Merchant, Order, Payment, Refund, Settlement
from dodeca.products.payments.service import events, ledger, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.ledger import Entry, Place

AFTER_DAYS = 2
BATCH = 500


def due(session: ReadSession) -> list[tuple[str, str, str]]:
    """Merchant, mode and currency of all that may have something to settle: one look into an index for each account
    that ever earned, however many payments wait."""
    earned = LedgerAccount
    waits = (
        select(Payment.id)
        .where(
            Payment.merchant_id == earned.owner,
            Payment.mode == earned.mode,
            Payment.currency == earned.currency,
            Payment.settlement_id.is_(None),
            Payment.captured_at <= clock.ago(days=AFTER_DAYS),
        )
        .exists()
    )
    rows = select(earned.owner, earned.mode, earned.currency).where(earned.code == "merchant", waits)
    return [(row[0], row[1], row[2]) for row in session.execute(rows)]


def _settleable(until: datetime) -> tuple[Any, ...]:
    own = Order.payee_account_id.is_(None)
    return Payment.settlement_id.is_(None), Payment.captured_at <= until, own


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a settlement is made of: what was taken, what went back, and disputes that were lost."""

    payments: Sequence[Payment]
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]

    @property
    def amount(self) -> int:
        """Credits minus debits, in minor units."""
        credit = sum(p.amount - (p.fee or 0) for p in self.payments)
        return credit - sum(r.amount for r in self.refunds) - sum(d.amount for d in self.disputes)


def settle(
    session: WriteSession, merchant_id: str, mode: str, currency: str, *, until: datetime | None = None
) -> Settlement | None:
    """Settle one batch; None when nothing is left or debits exceed it. Items stay for the next time then."""
    merchant = session.get_one(Merchant, merchant_id, with_for_update=True)
    desk = Desk(merchant, mode)
    batch = _batch(session, desk, currency, until or clock.ago(days=AFTER_DAYS))
    if not batch.payments or batch.amount <= 0:
        return None
    row = Settlement(
        id=ids.new("setl"),
        merchant_id=merchant.id,
        mode=mode,
        currency=currency,
        amount=batch.amount,
        fees=sum(p.fee or 0 for p in batch.payments),
        tax=sum(p.tax or 0 for p in batch.payments),
        status="created",
        utr=random_base62(12).upper(),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    kinds: tuple[tuple[Any, Sequence[Any]], ...] = (
        (Payment, batch.payments),
        (Refund, batch.refunds),
        (Dispute, batch.disputes),
    )
    for kind, items in kinds:
        if items:
            session.execute(update(kind).where(kind.id.in_([i.id for i in items])).values(settlement_id=row.id))
    owed, bank = Place(merchant.id, "merchant", currency, mode), Place("bank", "bank", currency, mode)
    ledger.post(session, f"settle:{row.id}", [Entry(owed, bank, row.amount, "settlement")])
    states.move("settlement", row, "processed")
    row.processed_at = clock.now()
    session.flush()
    events.emit(session, desk, "settlement.processed", {"settlement": entities.settlement(row)})
    return row


def _batch(session: ReadSession, desk: Desk, currency: str, until: datetime) -> _Batch:
    """What was captured until then and is in no settlement yet, and all that is to be taken off it."""
    paid = (
        desk.owned(Payment)
        .join(Order, Order.id == Payment.order_id, isouter=True)
        .where(Payment.currency == currency, *_settleable(until))
        .order_by(Payment.captured_at)
        .limit(BATCH)
    )
    backs = (
        desk.owned(Refund)
        .join(Payment, Payment.id == Refund.payment_id)
        .join(Order, Order.id == Payment.order_id, isouter=True)
        .where(
            Refund.currency == currency,
            Refund.status == "processed",
            Refund.settlement_id.is_(None),
            Order.payee_account_id.is_(None),
        )
        .limit(BATCH)
    )
    lost = (
        desk.owned(Dispute)
        .join(Payment, Payment.id == Dispute.payment_id)
        .join(Order, Order.id == Payment.order_id, isouter=True)
        .where(
            Dispute.currency == currency,
            Dispute.status == "lost",
            Dispute.settlement_id.is_(None),
            Order.payee_account_id.is_(None),
        )
        .limit(BATCH)
    )
    return _Batch(session.scalars(paid).all(), session.scalars(backs).all(), session.scalars(lost).all())


def on_demand(session: WriteSession, desk: Desk, currency: str) -> Settlement:
    """Settle now all that is captured. Raises PaymentRequired when there is nothing."""
    row = settle(session, desk.merchant.id, desk.mode, currency, until=clock.now())
    if row is None:
        raise PaymentRequired("There is no balance to settle.", field="amount")
    row.ondemand_id = ids.new("setlod")
    return row


def balance(session: ReadSession, desk: Desk) -> list[dict[str, Any]]:
    """By currency: what is captured and not due yet, what can be paid out, what is reserved."""
    found = []
    for currency, money in ledger.balances_of(session, desk.merchant.id, "merchant", desk.mode).items():
        recent = select(func.sum(Payment.amount - func.coalesce(Payment.fee, 0) - Payment.amount_refunded)).where(
            Payment.merchant_id == desk.merchant.id,
            Payment.mode == desk.mode,
            Payment.currency == currency,
            Payment.captured_at > clock.ago(days=AFTER_DAYS),
            Payment.settlement_id.is_(None),
        )
        pending = min(max(int(session.scalar(recent) or 0), 0), max(money.available, 0))
        found.append(
            {
                "currency": currency,
                "pending": pending,
                "available": money.available - pending,
                "reserved": money.held,
            }
        )
    return found


def recon(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The lines of all settlements of a time: credits minus debits are their amounts."""
    if (end - start).days > 32:
        raise Invalid("Ask for a day or a month.", field="month")
    within = desk.owned(Settlement).where(Settlement.created_at >= start, Settlement.created_at < end)
    rows = {row.id: row for row in session.scalars(within)}
    paid = (
        select(Payment, Card, Order)
        .outerjoin(Card, Card.id == Payment.card_id)
        .outerjoin(Order, Order.id == Payment.order_id)
        .where(Payment.settlement_id.in_(rows))
        .order_by(Payment.captured_at)
    )
    lines = [_line(rows[p.settlement_id or ""], p, p, card, order) for p, card, order in session.execute(paid)]
    back = select(Refund, Payment).join(Payment, Payment.id == Refund.payment_id).where(Refund.settlement_id.in_(rows))
    lines += [_line(rows[r.settlement_id or ""], p, r, None, None) for r, p in session.execute(back)]
    lost = select(Dispute, Payment).join(Payment, Payment.id == Dispute.payment_id)
    lost = lost.where(Dispute.settlement_id.in_(rows))
    return lines + [_line(rows[d.settlement_id or ""], p, d, None, None) for d, p in session.execute(lost)]


_KINDS: Mapping[type, str] = {Payment: "payment", Refund: "refund", Dispute: "adjustment"}


def _line(
    settlement: Settlement, payment: Payment, item: Payment | Refund | Dispute, card: Card | None, order: Order | None
) -> dict[str, Any]:
    is_credit = isinstance(item, Payment)
    fee, tax = (payment.fee or 0, payment.tax or 0) if is_credit else (0, 0)
    return {
        "entity_id": item.id,
        "type": _KINDS[type(item)],
        "debit": 0 if is_credit else item.amount,
        "credit": item.amount - fee if is_credit else 0,
        "amount": item.amount,
        "currency": item.currency,
        "fee": fee,
        "tax": tax,
        "on_hold": False,
        "settled": True,
        "created_at": entities.unix(item.created_at),
        "settled_at": entities.unix(settlement.processed_at),
        "settlement_id": settlement.id,
        "posted_at": None,
        "credit_type": "default",
        "description": payment.description,
        "notes": entities.notes({} if isinstance(item, Dispute) else item.notes),
        "payment_id": None if is_credit else payment.id,
        "settlement_utr": settlement.utr,
        "order_id": payment.order_id,
        "order_receipt": order.receipt if order is not None else None,
        "method": payment.method,
        "card_network": card.network if card is not None else None,
        "card_issuer": None,
        "card_type": card.type if card is not None else None,
        "dispute_id": item.id if isinstance(item, Dispute) else None,
    }
