"""The lines of settlements, as Razorpay's reconciliation report has them: credits minus debits are the amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, null, select

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import entities
from dodeca.products.payments.models import Card, Dispute, Order, Payment, Payout, Refund, Reversal, Settlement, Split
from dodeca.products.payments.service.desk import Desk

LONGEST_DAYS = 32


def lines(session: ReadSession, desk: Desk, start: datetime, end: datetime, skip: int, most: int) -> list[Any]:
    """At most so many lines of all settlements of a time, after the first `skip`. Raises Invalid."""
    if (end - start).days > LONGEST_DAYS:
        raise Invalid("Ask for a day or a month.", field="month")
    within = (
        Settlement.merchant_id == desk.merchant.id,
        Settlement.mode == desk.mode,
        Settlement.created_at >= start,
        Settlement.created_at < end,
    )
    return _page(session, within, skip, most)


def of_settlement(session: ReadSession, settlement: Settlement, most: int) -> list[Any]:
    """At most so many lines of one settlement."""
    return _page(session, (Settlement.id == settlement.id,), 0, most)


def _page(session: ReadSession, within: Sequence[ColumnElement[bool]], skip: int, most: int) -> list[Any]:
    found: list[Any] = []
    for rows in _kinds(within):
        count = session.scalar(select(func.count()).select_from(rows.subquery())) or 0
        if skip < count and len(found) < most:
            page = session.execute(rows.offset(skip).limit(most - len(found)))
            found += [_line(*row) for row in page]
        skip = max(0, skip - count)
    return found


def _kinds(within: Sequence[ColumnElement[bool]]) -> list[Select[Any]]:
    """Settlement, item, what is a credit of it, payment, card and order of each kind of line."""

    def of(item: Any, credit: Any, settled: Any) -> Select[Any]:
        rows = select(Settlement, item, credit, Payment, Card, Order).select_from(item)
        if item is not Payment:
            rows = rows.outerjoin(Payment, Payment.id == item.payment_id)
        rows = rows.join(Settlement, Settlement.id == settled)
        rows = rows.outerjoin(Card, Card.id == Payment.card_id).outerjoin(Order, Order.id == Payment.order_id)
        return rows.where(*within).order_by(Settlement.created_at, item.created_at, item.id)

    earned = Payment.amount - func.coalesce(Payment.fee, 0)
    nothing, none = literal(0), null()
    payouts = select(Settlement, Payout, nothing, none, none, none).select_from(Payout)
    payouts = payouts.join(Settlement, Settlement.id == Payout.settlement_id)
    return [
        of(Payment, earned, Payment.settlement_id),
        of(Split, Split.amount, Split.settlement_id),
        of(Split, nothing, Payment.settlement_id),
        of(Reversal, Reversal.amount, Reversal.credited_id),
        of(Reversal, nothing, Reversal.settlement_id),
        of(Refund, nothing, Refund.settlement_id),
        of(Dispute, nothing, Dispute.settlement_id),
        payouts.where(*within).order_by(Settlement.created_at, Payout.created_at, Payout.id),
    ]


_TYPES: Mapping[type, str] = {Payment: "payment", Refund: "refund", Split: "transfer", Reversal: "reversal"}
"""What is not here is an adjustment."""


def _line(
    settlement: Settlement, item: Any, credit: int, payment: Payment | None, card: Card | None, order: Order | None
) -> dict[str, Any]:
    is_payment = isinstance(item, Payment)
    fee, tax = (item.fee or 0, item.tax or 0) if is_payment else (0, 0)
    by_card = card if is_payment else None
    return {
        "entity_id": item.id,
        "type": _TYPES.get(type(item), "adjustment"),
        "debit": 0 if credit else item.amount,
        "credit": credit,
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
        "description": payment.description if payment is not None else None,
        "notes": entities.notes(item.notes if isinstance(item, (Payment, Refund)) else {}),
        "payment_id": None if is_payment or payment is None else payment.id,
        "settlement_utr": settlement.utr,
        "order_id": payment.order_id if payment is not None else None,
        "order_receipt": order.receipt if order is not None else None,
        "method": payment.method if payment is not None else None,
        "card_network": by_card.network if by_card is not None else None,
        "card_issuer": None,
        "card_type": by_card.type if by_card is not None else None,
        "dispute_id": item.id if isinstance(item, Dispute) else getattr(item, "dispute_id", None),
    }
