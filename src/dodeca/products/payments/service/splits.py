"""Splits: other merchants' shares of a payment, at once or after they were held for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.products.payments import ids
from dodeca.products.payments.models import Order, Payment, Split
from dodeca.products.payments.service import ledger
from dodeca.products.payments.service.ledger import Entry, Place


def of_order(order: Order | None, payment: Payment) -> list[Split]:
    """The shares of others in a whole payment of an order, still to be stored."""
    if order is None or payment.amount != order.amount:
        return []
    now, found = clock.now(), []
    for wanted in order.splits:
        held = wanted.get("hold_until")
        if wanted["merchant_id"] != payment.merchant_id:
            split = Split(
                id=ids.new("trf"),
                payment_id=payment.id,
                merchant_id=wanted["merchant_id"],
                mode=payment.mode,
                currency=payment.currency,
                amount=int(wanted["amount"]),
                hold_until=datetime.fromisoformat(held) if held else None,
                released_at=None if held else now,
                unsettled_since=None if held else now,
                created_at=now,
            )
            found.append(split)
    return found


def place_of(split: Split) -> Place:
    """Where a split's money is: with its merchant, or in the merchant's reserve while it is held."""
    code = "merchant" if split.released_at is not None else "reserve"
    return Place(split.merchant_id, code, split.currency, split.mode)


def entry_of(split: Split, payment: Payment) -> Entry:
    """How the money gets there from the merchant that was paid."""
    paid = Place(payment.merchant_id, "merchant", payment.currency, payment.mode)
    return Entry(paid, place_of(split), split.amount, "split")


def release(session: WriteSession, limit: int = 100) -> int:
    """Give what was held long enough to its merchants; gives how many splits."""
    due = select(Split).where(Split.released_at.is_(None), Split.hold_until <= clock.now()).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True)))
    for row in rows:
        held = place_of(row)
        row.released_at = row.unsettled_since = clock.now()
        entry = Entry(held, place_of(row), row.amount, "split_release")
        ledger.post(session, f"release:{row.id}", [entry], payment_id=row.payment_id)
    return len(rows)
