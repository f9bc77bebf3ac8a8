"""Splits: other merchants' shares of a payment, at once or after they were held for a while, and taken back with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.payments import ids
from dodeca.products.payments.models import Dispute, Order, Payment, Refund, Reversal, Split
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
    """Give what was held long enough, and was not taken back, to its merchants; gives how many splits."""
    due = select(Split).where(Split.released_at.is_(None), Split.hold_until <= clock.now()).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True)))
    back = _taken_back(session, [row.id for row in rows])
    for row in rows:
        held = place_of(row)
        row.released_at = row.unsettled_since = clock.now()
        left = row.amount - back.get(row.id, 0)
        if left:
            entry = Entry(held, place_of(row), left, "split_release")
            ledger.post(session, f"release:{row.id}", [entry], payment_id=row.payment_id)
    return len(rows)


# Taking back


def reverse(session: WriteSession, payment: Payment, refund: Refund) -> None:
    """Take from everybody who has a share of a refunded payment as much of it as goes back of the payment. Rounded
    down, but a payment that is refunded whole, in however many parts, leaves nothing of any share.

    The payment is locked, and what is refunded counted on it. Raises InsufficientFunds where somebody no longer has
    the money."""
    shares = _locked(session, payment.id)
    if not shares:
        return
    returned = refund.amount + _refunded(session, payment.id, refund.id)
    known, rows = _taken_back(session, [share.id for share in shares]), []
    entries: list[Entry] = []
    for share in shares:
        wanted = share.amount * returned // payment.amount - known.get(share.id, 0)
        if wanted > 0:
            rows.append(_reversal(share, payment, wanted, refund_id=refund.id))
            entries.append(_back(share, payment, wanted))
    if not entries:
        return
    try:
        ledger.post(session, f"reverse:{refund.id}", entries, payment_id=payment.id)
    except ledger.InsufficientFunds as error:
        text = "Somebody who has a share of this payment no longer has the money to give it back."
        raise ledger.InsufficientFunds(text, field="amount") from error
    session.store(refund)
    session.store(*rows)


def lose(session: WriteSession, payment: Payment, dispute: Dispute) -> None:
    """Take all that is left of everybody's share of a payment whose dispute was lost.

    A bank does not ask: where somebody no longer has all of it, what there is is taken, and the merchant that was paid
    bears the rest."""
    shares = _locked(session, payment.id)
    known, rows = _taken_back(session, [share.id for share in shares]), []
    for share in shares:
        left = share.amount - known.get(share.id, 0)
        able = ledger.spendable(session, place_of(share))
        amount = left if able is None else min(left, able)
        if amount > 0:
            key = f"reverse:{dispute.id}:{share.id}"
            ledger.post(session, key, [_back(share, payment, amount)], payment_id=payment.id)
            rows.append(_reversal(share, payment, amount, dispute_id=dispute.id))
    session.store(*rows)


def give_again(session: WriteSession, payment: Payment, refund: Refund) -> None:
    """Undo `reverse`: the refund failed."""
    shares = {share.id: share for share in _locked(session, payment.id)}
    rows = list(session.scalars(select(Reversal).where(Reversal.refund_id == refund.id))) if shares else []
    if not rows:
        return
    there = [_back(shares[row.split_id], payment, row.amount) for row in rows]
    again = [Entry(entry.credit, entry.debit, entry.amount, "split") for entry in there]
    ledger.post(session, f"unreverse:{refund.id}", again, payment_id=payment.id)
    for row in rows:
        session.delete(row)


def of_payment(session: ReadSession, payment_id: str) -> list[tuple[Split, int]]:
    """What others were given of a payment, and how much of each was taken back."""
    rows = list(session.scalars(select(Split).where(Split.payment_id == payment_id).order_by(Split.id)))
    back = _taken_back(session, [row.id for row in rows])
    return [(row, back.get(row.id, 0)) for row in rows]


def _locked(session: WriteSession, payment_id: str) -> list[Split]:
    mine = select(Split).where(Split.payment_id == payment_id).order_by(Split.id)
    return list(session.scalars(mine.with_for_update().execution_options(populate_existing=True)))


def _refunded(session: WriteSession, payment_id: str, but: str) -> int:
    """What other refunds, that take shares back too, give back of a payment."""
    others = select(func.sum(Refund.amount)).where(
        Refund.payment_id == payment_id, Refund.id != but, Refund.status != "failed", Refund.reverses
    )
    return int(session.scalar(others) or 0)


def _taken_back(session: ReadSession, split_ids: Sequence[str]) -> dict[str, int]:
    """What was taken back of each of these splits."""
    sums = select(Reversal.split_id, func.sum(Reversal.amount)).where(Reversal.split_id.in_(split_ids))
    return {row[0]: int(row[1]) for row in session.execute(sums.group_by(Reversal.split_id))} if split_ids else {}


def _reversal(
    share: Split, payment: Payment, amount: int, *, refund_id: str | None = None, dispute_id: str | None = None
) -> Reversal:
    return Reversal(
        id=ids.new("rvrsl"),
        refund_id=refund_id,
        dispute_id=dispute_id,
        split_id=share.id,
        payment_id=payment.id,
        merchant_id=share.merchant_id,
        to_merchant_id=payment.merchant_id,
        mode=payment.mode,
        currency=payment.currency,
        amount=amount,
        created_at=clock.now(),
    )


def _back(share: Split, payment: Payment, amount: int) -> Entry:
    """How the money goes back to the merchant that was paid."""
    there = entry_of(share, payment)
    return Entry(there.credit, there.debit, amount, "split_reversal")
