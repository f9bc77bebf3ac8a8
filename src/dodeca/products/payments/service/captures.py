"""Capturing what is authorised, and voiding what will not be.

A capture is an intent first (`begin`), then the acquirer's answer (`finish`). The order counts what is being captured
beside what is paid, so two authorisations of one order cannot both be taken; the row is locked, and the database would
refuse the second too (check).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import literal_column, select

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, Upstream
from dodeca.kernel.money import half_up, share
from dodeca.products.payments import acquirers, entities, hooks, outside
from dodeca.products.payments.acquirers.protocol import Approved, Declined, Result, Unavailable
from dodeca.products.payments.models import Payment, Split
from dodeca.products.payments.service import disputes, events, guests, ledger, notices, orders, splits, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.ledger import Entry, Place
from dodeca.products.payments.service.steps import BANK, OWN, Step, Work, card_of, earned_by, locked

FEE_BASIS_POINTS = 200
TAX_PERCENT = {"INR": 18}
REPEAT_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Fee:
    """The platform's share of a capture, in minor units."""

    base: int
    tax: int

    @property
    def total(self) -> int:
        """Fee with its tax."""
        return self.base + self.tax


def fee_of(amount: int, currency: str) -> Fee:
    """2 % of the amount, halves up, and the tax on that."""
    base = share(amount, FEE_BASIS_POINTS)
    return Fee(base, half_up(base * TAX_PERCENT.get(currency, 0), 100))


def request(session: WriteSession, desk: Desk, payment_id: str, amount: int | None, currency: str | None) -> Step:
    """A merchant wants to capture. Whole or not at all. Raises Invalid, Conflict, NotFound."""
    work = locked(session, payment_id, desk)
    payment = work.payment
    if payment.status == "captured":
        raise Conflict("This payment has already been captured")
    states.check("payment", payment.status, "captured")
    if amount is not None and amount != payment.amount:
        raise Invalid("Capture amount must be equal to the amount authorized", field="amount")
    if currency is not None and currency != payment.currency:
        raise Invalid("The currency is not the payment's.", field="currency")
    if payment.capturing_at is not None:
        raise Conflict("This payment is being captured")
    return begin(session, work)


def begin(session: WriteSession, work: Work) -> Step:
    """Intend to capture. The loser of a race for an order, or for what it is for, is voided."""
    payment, order = work.payment, work.order
    if order is not None and (payment.amount > orders.left(order) or not hooks.takes(session, order, payment)):
        void(session, payment)
        return Step("done", payment.id, work)
    if order is not None:
        order.amount_capturing += payment.amount
    payment.capturing_at = clock.now()
    if payment.acquirer in OWN:
        return finish(session, work, Approved(payment.acquirer_reference or ""))
    return step_of(session, work)


def step_of(session: ReadSession, work: Work) -> Step:
    """The question to the acquirer; asking it twice has one effect. Whoever gets the step stores its work first."""
    payment = work.payment
    return Step(
        "capture",
        payment.id,
        work,
        acquirers.acquirer(session, payment.acquirer or ""),
        reference=payment.acquirer_reference or "",
        amount=payment.amount,
        currency=payment.currency,
    )


def finish(session: WriteSession, work: Work, result: Result) -> Step:
    """The acquirer's answer to a capture. Unknown leaves the intent, which a job repeats under the same key."""
    payment, order = work.payment, work.order
    if payment.status != "authorized" or payment.capturing_at is None:
        return Step("done", payment.id, work)
    if isinstance(result, (Unavailable, Declined)):
        payment.capturing_at = None
        if order is not None:
            order.amount_capturing -= payment.amount
        refused = "The acquirer could not capture the payment. Try again."
        return Step("done", payment.id, work, refused=refused)
    if isinstance(result, Approved):
        shares = _book(session, work)
        guests.claim_captured(session, work.payment)
        work.store(session)
        _tell(session, work, shares)
        if result.dispute:
            disputes.begin(session, work)
    return Step("done", payment.id, work)


def _book(session: WriteSession, work: Work) -> list[Split]:
    """Move the money and the states; gives what others have of it."""
    payment, order = work.payment, work.order
    states.move("payment", payment, "captured")
    payment.captured_at, payment.capturing_at = clock.now(), None
    to_purse = order is not None and order.payee_account_id is not None
    shares = [] if to_purse else splits.of_order(order, payment)
    also = [splits.entry_of(share, payment) for share in shares]
    fee, key = Fee(0, 0), f"capture:{payment.id}"
    if payment.hold_id is not None:
        ledger.post_pending(session, key, payment.hold_id, also=also)
    elif to_purse:
        ledger.post_first(
            session, key, [Entry(_owed(payment), earned_by(work), payment.amount, "deposit")], payment_id=payment.id
        )
    else:
        fee = Fee(0, 0) if _is_to_own_bank(work) else fee_of(payment.amount, payment.currency)
        ledger.post_first(session, key, [*_earned(work, fee), *also], payment_id=payment.id)
    payment.fee, payment.tax = fee.total, fee.tax
    if not to_purse and not _is_to_own_bank(work):
        payment.unsettled_since = payment.captured_at
    session.store(*shares)
    if order is not None:
        order.amount_capturing -= payment.amount
        order.amount_paid += payment.amount
        if order.amount_paid == order.amount:
            states.move("order", order, "paid")
    return shares


def _is_to_own_bank(work: Work) -> bool:
    """Whether the payer's transfer reached the merchant's own bank account, so that there is nothing to pay out."""
    return work.payment.acquirer == BANK and work.order is not None and work.order.source != "virtual_account"


def _owed(payment: Payment) -> Place:
    """What the acquirer owes for captures."""
    return Place(payment.acquirer or "", "receivable", payment.currency, payment.mode)


def _earned(work: Work, fee: Fee) -> list[Entry]:
    """The merchant gets the amount and pays the fee and its tax."""
    payment = work.payment
    merchant = earned_by(work)
    entries = [Entry(_owed(payment), merchant, payment.amount, "capture")]
    if _is_to_own_bank(work):
        bank = Place("bank", "bank", payment.currency, payment.mode)
        entries.append(Entry(merchant, bank, payment.amount, "own_bank"))
    for code, amount in (("fees", fee.base), ("tax", fee.tax)):
        if amount:
            entries.append(Entry(merchant, Place(ledger.PLATFORM, code, payment.currency, payment.mode), amount, code))
    return entries


def _tell(session: WriteSession, work: Work, shares: Sequence[Split]) -> None:
    desk, payment, order = work.desk, work.payment, work.order
    shown = entities.payment(payment, card_of(session, work))
    happened = [("payment.captured", {"payment": shown})]
    if order is not None and order.status == "paid":
        happened.append(("order.paid", {"payment": shown, "order": entities.order(order)}))
    happened += (("transfer.processed", {"transfer": entities.transfer(part)}) for part in shares)
    events.emit_all(session, desk, happened)
    if order is not None:
        hook = hooks.on_captured.get(order.source)
        if hook is not None:
            hook(session, desk, order, payment)
        if order.reference is not None:
            told = outside.PaymentCaptured(payment_id=payment.id, order_id=order.id, reference=order.reference)
            outbox.add(session, told)
    notices.paid(session, desk, payment)


def void(session: WriteSession, payment: Payment) -> None:
    """Set an authorisation free; the row is locked. The acquirer is told by a job."""
    if payment.capturing_at is not None:
        raise Conflict("This payment is being captured")
    states.move("payment", payment, "refunded")
    payment.amount_refunded = payment.amount
    if payment.hold_id is not None:
        ledger.void(session, f"void:{payment.id}", payment.hold_id)
    else:
        outside.void_later(session, payment.id)
    session.store(payment)


def expire(session: WriteSession, limit: int = 100) -> int:
    """Void authorisations whose time is over; gives how many."""
    due = (
        select(Payment.id)
        .where(
            Payment.status == literal_column("'authorized'"),
            Payment.expires_at <= clock.now(),
            Payment.capturing_at.is_(None),
        )
        .limit(limit)
    )
    names = list(session.scalars(due))
    for payment_id in sorted(names):
        payment = locked(session, payment_id).payment
        if payment.status == "authorized" and payment.capturing_at is None:
            void(session, payment)
    return len(names)


def stuck(session: ReadSession) -> list[str]:
    """Payments whose capture was asked for and never answered."""
    since = clock.ago(seconds=REPEAT_AFTER_SECONDS)
    return list(session.scalars(select(Payment.id).where(Payment.capturing_at <= since).limit(100)))


def refused(step: Step) -> Upstream | None:
    """The error that a step stands for, if it stands for one."""
    return Upstream(step.refused) if step.refused else None
