"""What other products may call: take money, pay from the purse, pay out. All of it in the caller's unit of work.

Each call that moves money has a `reference`, the caller's own name for it; repeating one gives the first result. What
needs the outside (an acquirer, a bank) is recorded here and done by a job after the commit; the caller subscribes to
the events PaymentCaptured, PaymentFailed, PaymentRefunded, SubscriptionChanged and PayoutDone, each of which arrives
once by its id. Subscriptions are in `subscribing`, and named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.products.payments import outside
from dodeca.products.payments.models import LedgerAccount, Order, Payment, Payout, Refund, Transfer
from dodeca.products.payments.outside import (
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PayoutDone,
    SubscriptionChanged,
)
from dodeca.products.payments.service import captures, ledger, methods, orders, paying, purse, refunds
from dodeca.products.payments.service.desk import desk_by_id, ensure_merchant, platform_desk
from dodeca.products.payments.service.inputs import amount_of
from dodeca.products.payments.service.ledger import Balance, Entry, InsufficientFunds, Place
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.paying import PayRequest
from dodeca.products.payments.service.steps import PURSE, locked
from dodeca.products.payments.subscribing import (
    Payee,
    SubscriptionMade,
    cancel_subscription,
    change_subscription,
    desk_of,
    entitlement,
    subscribe,
)

__all__ = [
    "Balance",
    "InsufficientFunds",
    "OrderMade",
    "Payee",
    "PaymentCaptured",
    "PaymentFailed",
    "PaymentRefunded",
    "PayoutDone",
    "SubscriptionChanged",
    "SubscriptionMade",
    "cancel_subscription",
    "capture",
    "change_subscription",
    "charge",
    "create_order",
    "deposit_order",
    "entitlement",
    "payment_of",
    "payout",
    "refund",
    "statement",
    "subscribe",
    "void",
    "wallet_balance",
    "wallet_hold",
    "wallet_post",
    "wallet_release",
    "wallet_transfer",
    "withdraw",
]


class OrderMade(NamedTuple):
    """An order and the path of its checkout page."""

    id: str
    checkout_url: str


def create_order(
    session: WriteSession,
    payee: Payee | None,
    amount: int,
    currency: str,
    reference: str,
    *,
    description: str | None = None,
    lines: Sequence[Mapping[str, Any]] = (),
    capture: bool = True,
    splits: Sequence[tuple[Payee, int, datetime | None]] = (),
    return_url: str | None = None,
    expires: datetime | None = None,
    payer_id: str | None = None,
    mode: str = "test",
) -> OrderMade:
    """An order to be paid at its checkout. `payee` None: the platform. `splits`: payee, amount, held until.

    Raises Invalid."""
    desk = desk_of(session, payee, mode)
    known = session.scalar(desk.owned(Order).where(Order.reference == reference))
    if known is None:
        shares = []
        for other, share, hold_until in splits:
            merchant = ensure_merchant(session, other.account_id, other.name)
            held = hold_until.isoformat() if hold_until is not None else None
            shares.append(
                {"merchant_id": merchant.id, "amount": amount_of(share, currency, least=1), "hold_until": held}
            )
        request = OrderRequest(
            amount=amount_of(amount, currency),
            currency=currency,
            description=description,
            capture="automatic" if capture else "manual",
            reference=reference,
            return_url=return_url,
            lines=tuple(dict(line) for line in lines),
            splits=tuple(shares),
            expires_at=expires,
            payer_account_id=payer_id,
        )
        known = orders.create(session, desk, request)
    return OrderMade(known.id, f"/payments/checkout/{known.id}")


def charge(session: WriteSession, order_id: str, payer_id: str, method_id: str | None = None) -> str | None:
    """Pay an order at once from the payer's purse; gives the payment's id. With a saved method a job charges it.

    Raises InsufficientFunds, Conflict where it is paid already, Invalid for a method not to be charged, NotFound."""
    order = session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    if method_id is not None:
        methods.chargeable(session, payer_id, method_id)
        outside.charge_later(session, order_id, payer_id, method_id)
        return None
    request = PayRequest(
        amount=order.amount - order.amount_paid,
        currency=order.currency,
        method="wallet",
        wallet=PURSE,
        order_id=order.id,
        payer_account_id=payer_id,
    )
    return paying.begin(session, desk_by_id(session, order.merchant_id, order.mode), request).payment_id


def payment_of(session: ReadSession, order_id: str) -> Payment | None:
    """The payment that was authorised or captured for an order, if there is one."""
    good = select(Payment).where(
        Payment.order_id == order_id, Payment.status.in_(("authorized", "captured", "refunded"))
    )
    return session.scalar(good.order_by(Payment.captured_at.is_(None), Payment.created_at).limit(1))


def capture(session: WriteSession, order_id: str) -> None:
    """Take what is authorised for an order. PaymentCaptured follows. Raises Conflict, NotFound."""
    payment = _good(session, order_id)
    desk = desk_by_id(session, payment.merchant_id, payment.mode)
    if captures.request(session, desk, payment.id, None, None).kind == "capture":
        outside.capture_later(session, payment.id)


def void(session: WriteSession, order_id: str) -> None:
    """Set free what is authorised for an order. Raises Conflict, NotFound."""
    payment = _good(session, order_id)
    captures.void(session, locked(session, payment.id).payment)


def refund(session: WriteSession, order_id: str, reference: str, amount: int | None = None) -> str:
    """Give back a captured payment, or `amount` of it; gives the refund's id. PaymentRefunded follows. Who has a share
    of it (`splits`) gives it back in proportion.

    Raises Invalid, Conflict, NotFound, InsufficientFunds."""
    payment = locked(
        session, _good(session, order_id).id
    ).payment  # before anything is looked up: who repeats waits here
    desk = desk_by_id(session, payment.merchant_id, payment.mode)
    known = session.scalar(desk.owned(Refund).where(Refund.payment_id == payment.id, Refund.receipt == reference))
    if known is None:
        known = refunds.begin(session, desk, payment.id, amount, receipt=reference)
    return known.id


def _good(session: ReadSession, order_id: str) -> Payment:
    payment = payment_of(session, order_id)
    if payment is None:
        raise NotFound("This order is not paid.")
    return payment


def wallet_balance(session: ReadSession, account_id: str, currency: str, mode: str = "test") -> Balance:
    """What is in somebody's purse."""
    return ledger.balance(session, purse.place(account_id, currency, mode))


def wallet_hold(
    session: WriteSession, account_id: str, amount: int, currency: str, reference: str, mode: str = "test"
) -> str:
    """Put money of a purse aside; gives `reference`. Raises InsufficientFunds."""
    entry = Entry(purse.place(account_id, currency, mode), Place(account_id, "hold", currency, mode), amount, "hold")
    ledger.post(session, f"put_aside:{reference}", [entry])
    return reference


def wallet_post(session: WriteSession, reference: str, to_account_id: str) -> None:
    """Give what was put aside to somebody's purse. Raises NotFound, Conflict when it was released."""
    _resolve(session, reference, "given", to_account_id)


def wallet_release(session: WriteSession, reference: str) -> None:
    """Put back what was put aside. Raises NotFound, Conflict when it was given away."""
    _resolve(session, reference, "released", None)


def _resolve(session: WriteSession, reference: str, how: str, to_account_id: str | None) -> None:
    journal = ledger.journal_of(session, f"put_aside:{reference}")
    if journal is None:
        raise NotFound("Nothing was put aside under this reference.")
    (transfer,) = session.scalars(select(Transfer).where(Transfer.journal_id == journal.id))
    kept = ledger.place_of(transfer.credit_account_id)
    other = "released" if how == "given" else "given"
    session.scalar(select(LedgerAccount.id).where(LedgerAccount.id == kept.id).with_for_update())
    if ledger.journal_of(session, f"{other}:{reference}") is not None:
        raise Conflict(f"This was {other} before.")
    target = purse.place(to_account_id or kept.owner, kept.currency, kept.mode)
    ledger.post(session, f"{how}:{reference}", [Entry(kept, target, transfer.amount, how)])


def wallet_transfer(
    session: WriteSession, giver: str, taker: str, amount: int, currency: str, reference: str, mode: str = "test"
) -> str:
    """Move money between purses; gives the journal's id. Raises Invalid, InsufficientFunds."""
    return purse.give(session, giver, taker, amount, currency, mode, key=reference)


def deposit_order(
    session: WriteSession,
    account_id: str,
    amount: int,
    currency: str,
    reference: str,
    *,
    return_url: str | None = None,
    mode: str = "test",
) -> OrderMade:
    """An order whose payment lands in the account's own purse; the same one for the same reference.

    Raises Invalid, Conflict where the reference was used for another sum."""
    desk = platform_desk(session, mode)
    known = session.scalar(desk.owned(Order).where(Order.reference == reference))
    if known is not None and (known.amount, known.currency) != (amount, currency):
        raise Conflict("This key was used for a deposit of another sum.", field="Idempotency-Key")
    if known is None:
        request = OrderRequest(
            amount=amount_of(amount, currency),
            currency=currency,
            description="Payment into your purse",
            capture="automatic",
            reference=reference,
            return_url=return_url,
            payer_account_id=account_id,
            payee_account_id=account_id,
        )
        known = orders.create(session, desk, request)
    return OrderMade(known.id, f"/payments/checkout/{known.id}")


def withdraw(
    session: WriteSession,
    account_id: str,
    amount: int,
    currency: str,
    destination: Mapping[str, Any],
    reference: str,
    mode: str = "test",
) -> str:
    """Pay out of a purse to a bank account; gives the payout's id. PayoutDone follows. Raises InsufficientFunds."""
    return _pay_out(session, account_id, "purse", amount, currency, destination, reference, mode)


def payout(
    session: WriteSession,
    payee: Payee,
    amount: int,
    currency: str,
    destination: Mapping[str, Any],
    reference: str,
    mode: str = "test",
) -> str:
    """Pay out of what a merchant has earned; gives the payout's id. PayoutDone follows. Raises InsufficientFunds."""
    merchant = ensure_merchant(session, payee.account_id, payee.name)
    return _pay_out(session, merchant.id, "merchant", amount, currency, destination, reference, mode)


def _pay_out(
    session: WriteSession,
    owner: str,
    code: str,
    amount: int,
    currency: str,
    destination: Mapping[str, Any],
    reference: str,
    mode: str,
) -> str:
    mine = select(Payout).where(Payout.owner == owner, Payout.mode == mode, Payout.reference == reference)
    known = session.scalar(mine)
    if known is None:
        known = purse.withdraw(session, owner, code, amount, currency, mode, destination, reference=reference)
    return known.id


def statement(session: ReadSession, account_id: str, currency: str, limit: int = 50, mode: str = "test") -> list[Any]:
    """The latest movements of a purse, newest first: (moment, code, signed amount, state)."""
    mine = purse.place(account_id, currency, mode).id
    rows = (
        select(Transfer)
        .where((Transfer.debit_account_id == mine) | (Transfer.credit_account_id == mine))
        .order_by(Transfer.id.desc())
        .limit(limit)
    )
    return [
        (t.created_at, t.code, t.amount if t.credit_account_id == mine else -t.amount, t.state)
        for t in session.scalars(rows)
    ]
