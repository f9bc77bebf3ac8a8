"""Settlements: two days after its capture, a payment's net goes to its merchant with all others of its currency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, PaymentRequired
from dodeca.kernel.ids import random_base62
from dodeca.kernel.money import formatted
from dodeca.products.payments import entities, ids
from dodeca.products.payments.models import (
    Dispute,
    LedgerAccount,
    Merchant,
    Order,
    Payment,
    Payout,
    Refund,
    Reversal,
    Settlement,
    Split,
)
from dodeca.products.payments.service import events, ledger, merchants, purse, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.ledger import Entry, Place

AFTER_DAYS = 2
ON_DEMAND = "setlod"
BATCHES = (500, 5000, 50_000)
"""Items of a kind in one settlement: more where debits would eat up a smaller one."""
CHUNK = 5000
"""Keys in one statement."""


def due(session: ReadSession) -> list[tuple[str, str, str]]:
    """Merchant, mode and currency of all that may have something to settle: one look into an index for each account
    that ever earned, however many payments wait."""
    earned = LedgerAccount

    def waits(kind: type[Payment | Split]) -> ColumnElement[bool]:
        return (
            select(kind.id)
            .where(
                kind.merchant_id == earned.owner,
                kind.mode == earned.mode,
                kind.currency == earned.currency,
                kind.unsettled_since <= clock.ago(days=AFTER_DAYS),
            )
            .exists()
        )

    accounts = select(earned.owner, earned.mode, earned.currency).where(earned.code == "merchant")
    return [(row[0], row[1], row[2]) for row in session.execute(accounts.where(waits(Payment) | waits(Split)))]


class _Item(NamedTuple):
    """What a settlement needs of one row, in minor units: thousands are in one, so no more is read."""

    id: str
    amount: int
    fee: int = 0
    tax: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a settlement is made of: what was taken or shared by others, what others were given of that (`given`) and
    gave back (`returned`), what went back to payers and to others (`reversed`), disputes that were lost, and what was
    paid out before."""

    payments: Sequence[_Item]
    shares: Sequence[_Item]
    given: int
    returned: Sequence[_Item]
    refunds: Sequence[_Item]
    disputes: Sequence[_Item]
    payouts: Sequence[_Item]
    reversed: Sequence[_Item]

    @property
    def amount(self) -> int:
        """Credits minus debits, in minor units."""
        credit = sum(item.amount - item.fee for item in (*self.payments, *self.shares, *self.returned))
        debits = (*self.refunds, *self.disputes, *self.payouts, *self.reversed)
        return credit - self.given - sum(item.amount for item in debits)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was earned."""
        return not self.payments and not self.shares


def settle(
    session: WriteSession, merchant_id: str, mode: str, currency: str, *, until: datetime | None = None
) -> Settlement | None:
    """Settle one batch; None when nothing is left, debits exceed it, or the account does not have it (a refund may be
    under way). Items stay for the next time then."""
    merchant = session.get_locked(Merchant, merchant_id)
    if merchant is None:
        raise LookupError("There is no such merchant.")
    desk = Desk(merchant, mode)
    batch = _fitting(session, desk, currency, until or clock.ago(days=AFTER_DAYS))
    if batch is None:
        return None
    row = Settlement(
        id=ids.new("setl"),
        merchant_id=merchant.id,
        mode=mode,
        currency=currency,
        amount=batch.amount,
        fees=sum(item.fee for item in batch.payments),
        tax=sum(item.tax for item in batch.payments),
        status="created",
        utr=random_base62(12).upper(),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    _mark(session, batch, row)
    owed, bank = Place(merchant.id, "merchant", currency, mode), Place("bank", "bank", currency, mode)
    ledger.post(session, f"settle:{row.id}", [Entry(owed, bank, row.amount, "settlement")])
    states.move("settlement", row, "processed")
    row.processed_at = clock.now()
    session.flush()
    events.emit(session, desk, "settlement.processed", {"settlement": entities.settlement(row)})
    title = f"Settled: {formatted(row.amount, currency)}"
    text = f"It is on its way to your bank account with the reference {row.utr}."
    merchants.tell(session, merchant, "settlements", title, text, href="/payments/dashboard/settlements", key=row.id)
    return row


def _mark(session: WriteSession, batch: _Batch, row: Settlement) -> None:
    """Let all items name the settlement."""
    named = {"settlement_id": row.id}
    earned = named | {"unsettled_since": None}
    marked: tuple[tuple[Any, Sequence[_Item], Mapping[str, Any]], ...] = (
        (Payment, batch.payments, earned),
        (Split, batch.shares, earned),
        (Reversal, batch.returned, {"credited_id": row.id}),
        (Refund, batch.refunds, named),
        (Dispute, batch.disputes, named),
        (Payout, batch.payouts, named),
        (Reversal, batch.reversed, named),
    )
    for table, items, values in marked:
        for some in _chunks([item.id for item in items]):
            session.execute(update(table).where(table.id.in_(some)).values(**values))


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


def _fitting(session: ReadSession, desk: Desk, currency: str, until: datetime) -> _Batch | None:
    """A batch that pays something out and that the account has; a larger one where a smaller is eaten up by debits."""
    able = ledger.balance(session, Place(desk.merchant.id, "merchant", currency, desk.mode)).available
    for most in BATCHES:
        batch = _batch(session, desk, currency, until, most)
        if 0 < batch.amount <= able and not batch.is_empty:
            return batch
        if len(batch.payments) < most and len(batch.shares) < most:
            return None
    return None


def _batch(session: ReadSession, desk: Desk, currency: str, until: datetime, most: int) -> _Batch:
    """What was earned until then and is in no settlement yet, and all that is to be taken off it."""

    def items(rows: Select[Any], kind: Any, *fees: ColumnElement[int]) -> list[_Item]:
        wanted = rows.with_only_columns(kind.id, kind.amount, *fees).select_from(kind).limit(most)
        return [_Item(*row) for row in session.execute(wanted)]

    def earned(kind: Any, *fees: ColumnElement[int]) -> list[_Item]:
        mine = desk.owned(kind).where(kind.currency == currency, kind.unsettled_since <= until)
        return items(mine.order_by(kind.unsettled_since), kind, *fees)

    def owed(table: Any, *where: ColumnElement[bool]) -> list[_Item]:
        """Refunds and disputes of payments that did not go into a purse."""
        mine = (
            desk.owned(table)
            .join(Payment, Payment.id == table.payment_id)
            .join(Order, Order.id == Payment.order_id, isouter=True)
            .where(table.currency == currency, table.settlement_id.is_(None), Order.payee_account_id.is_(None))
        )
        return items(mine.where(*where), table)

    def taken_back(whose: Any, settled: Any, *where: ColumnElement[bool]) -> list[_Item]:
        """Shares that a lost dispute took back, or a refund, once that is sure."""
        is_sure = or_(Reversal.refund_id.is_(None), Refund.status == literal_column("'processed'"))
        mine = (
            select(Reversal)
            .outerjoin(Refund, Refund.id == Reversal.refund_id)
            .join(Split, Split.id == Reversal.split_id)
            .where(whose == desk.merchant.id, Reversal.mode == desk.mode, Reversal.currency == currency)
            .where(settled.is_(None), is_sure, *where)
        )
        return items(mine, Reversal)

    paid_out = select(Payout).where(
        Payout.owner == desk.merchant.id,
        Payout.mode == desk.mode,
        Payout.currency == currency,
        Payout.code == literal_column("'merchant'"),
        Payout.status == literal_column("'processed'"),
        Payout.settlement_id.is_(None),
    )
    payments = earned(Payment, func.coalesce(Payment.fee, 0), func.coalesce(Payment.tax, 0))
    return _Batch(
        payments,
        earned(Split),
        sum(_given(session, some) for some in _chunks([payment.id for payment in payments])),
        taken_back(Reversal.to_merchant_id, Reversal.credited_id),
        owed(Refund, Refund.status == literal_column("'processed'")),
        owed(Dispute, Dispute.status == "lost"),
        items(paid_out, Payout),
        taken_back(Reversal.merchant_id, Reversal.settlement_id, Split.released_at.is_not(None)),
    )


def _given(session: ReadSession, payment_ids: Sequence[str]) -> int:
    """What others have of these payments."""
    return int(session.scalar(select(func.sum(Split.amount)).where(Split.payment_id.in_(payment_ids))) or 0)


def on_demand(session: WriteSession, desk: Desk, currency: str, asked: Mapping[str, Any] | None = None) -> Settlement:
    """Settle now all that is captured. Raises PaymentRequired when there is nothing."""
    row = settle(session, desk.merchant.id, desk.mode, currency, until=clock.now())
    if row is None:
        raise PaymentRequired("There is no balance to settle.", field="amount")
    row.ondemand_id, row.asked = ids.new(ON_DEMAND), dict(asked or {})
    return row


def advance(session: WriteSession, desk: Desk, amount: int, currency: str, asked: Mapping[str, Any]) -> Payout:
    """Send a part of what is captured, due or not, to where settlements go; the next settlement takes it off.

    Raises InsufficientFunds."""
    session.get_locked(Merchant, desk.merchant.id)
    able = ledger.balance(session, Place(desk.merchant.id, "merchant", currency, desk.mode)).available
    if amount > able:  # in test mode the account itself has no limit
        raise ledger.InsufficientFunds(f"Only {max(able, 0)} can be settled now.", field="amount")
    payout = Payout(
        id=ids.new(ON_DEMAND),
        owner=desk.merchant.id,
        code="merchant",
        mode=desk.mode,
        currency=currency,
        amount=amount,
        destination=desk.merchant.bank_account or {"name": desk.merchant.name, "kind": "settlement"},
        status="created",
        asked=dict(asked),
        created_at=clock.now(),
    )
    purse.begin(session, payout)
    purse.hand_over(session, payout.id)
    return payout


def advances(desk: Desk) -> Select[Payout]:
    """What was sent ahead of a merchant's settlements."""
    mine = (Payout.owner == desk.merchant.id, Payout.mode == desk.mode)
    return select(Payout).where(*mine, Payout.id.startswith(f"{ON_DEMAND}_", autoescape=True))


def balance(session: ReadSession, desk: Desk) -> list[dict[str, Any]]:
    """By currency: what is captured and not due yet, what can be paid out, what is reserved."""
    found = []
    for currency, money in ledger.balances_of(session, desk.merchant.id, "merchant", desk.mode).items():
        pending = min(max(_recent(session, desk, currency), 0), max(money.available, 0))
        found.append(
            {
                "currency": currency,
                "pending": pending,
                "available": money.available - pending,
                "reserved": money.held,
            }
        )
    return found


def next_due(session: ReadSession, desk: Desk) -> dict[str, datetime]:
    """By currency, from when on what waits longest can be settled."""
    first = desk.owned(Payment).where(Payment.unsettled_since.is_not(None)).group_by(Payment.currency)
    rows = session.execute(first.with_only_columns(Payment.currency, func.min(Payment.unsettled_since)))
    return {currency: since + timedelta(days=AFTER_DAYS) for currency, since in rows if since is not None}


def _recent(session: ReadSession, desk: Desk, currency: str) -> int:
    """What was earned and is not due yet."""

    def total(kind: type[Payment | Split], what: Any, *joined: Any) -> int:
        mine = desk.owned(kind).with_only_columns(func.sum(what)).select_from(kind)
        for join in joined:
            mine = mine.join(*join)
        since = kind.unsettled_since > clock.ago(days=AFTER_DAYS)
        return int(session.scalar(mine.where(kind.currency == currency, since)) or 0)

    kept = Payment.amount - func.coalesce(Payment.fee, 0) - Payment.amount_refunded
    lost = and_(Dispute.payment_id == Payment.id, Dispute.status == "lost")
    disputed = total(Payment, Dispute.amount, (Dispute, lost))
    given = total(Payment, Split.amount, (Split, Split.payment_id == Payment.id))
    returned = total(Payment, Reversal.amount, (Reversal, Reversal.payment_id == Payment.id))
    shared = total(Split, Split.amount) - total(Split, Reversal.amount, (Reversal, Reversal.split_id == Split.id))
    return total(Payment, kept) - disputed - given + returned + shared


def pay_out(session: WriteSession, desk: Desk, amount: int, currency: str, target: Mapping[str, Any] | None) -> Payout:
    """Send what a merchant has earned, and what is due, to a bank account, the merchant's own where none is given.

    Raises Invalid, InsufficientFunds."""
    session.get_locked(Merchant, desk.merchant.id)
    able = next((b["available"] for b in balance(session, desk) if b["currency"] == currency), 0)
    if amount > able:
        raise ledger.InsufficientFunds(f"Only {max(able, 0)} can be paid out now.", field="amount")
    account = target or desk.merchant.bank_account
    if account is None:
        raise Invalid("Give a bank account, or set your own: PATCH /api/payments/merchant.", field="bank_account")
    return purse.withdraw(session, desk.merchant.id, "merchant", amount, currency, desk.mode, account)
