"""Refunds: reserved on the merchant's account, asked of the acquirer, then booked or set free; booked at once where the
acquirer answers out of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.money import formatted
from dodeca.products.payments import acquirers, entities, ids, outside
from dodeca.products.payments.acquirers.protocol import Acquirer, Approved, Declined, Result, at_once, guarded
from dodeca.products.payments.models import Payment, Refund
from dodeca.products.payments.service import disputes, events, ledger, merchants, notices, splits, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.events import Happened
from dodeca.products.payments.service.ledger import Entry, Place
from dodeca.products.payments.service.steps import BANK, OWN, PURSE, Work, earned_by, locked

REPEAT_SECONDS = 30


def begin(
    session: WriteSession,
    desk: Desk,
    payment_id: str,
    amount: int | None,
    *,
    notes: Mapping[str, str] | None = None,
    receipt: str | None = None,
    speed: str = "normal",
    reverses: bool = True,
) -> Refund:
    """Refund a payment, the rest of it where no amount is given: at once where nobody outside is to be asked, else
    reserved, to be asked for. Others' shares of the payment go back in proportion, unless they are to keep them
    (`reverses` false). Raises Invalid, Conflict, NotFound, InsufficientFunds."""
    work = locked(session, payment_id, desk)
    payment = work.payment
    if disputes.keeps_money(disputes.of_payment(session, payment)):
        raise Conflict("The payment is disputed, so its money does not go back a second time.")
    if payment.acquirer == BANK and payment.unsettled_since is None and payment.settlement_id is None:
        raise Conflict("This payment reached your own bank account. Send it back from there.")
    wanted = _claimed(payment, amount)
    refund = session.fresh(
        Refund,
        id=ids.new("rfnd"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        payment_id=payment.id,
        amount=wanted,
        currency=payment.currency,
        status="pending",
        speed=speed,
        receipt=receipt,
        notes=dict(notes or {}),
        reverses=reverses,
        hold_id=None,
        acquirer_reference=None,
        created_at=clock.now(),
    )
    created = ("refund.created", _told(refund, payment))
    result = _answered_at_once(session, refund, payment)
    if reverses and not isinstance(result, Declined):
        splits.reverse(session, payment, refund)
    if isinstance(result, (Approved, Declined)):
        _conclude(session, work, refund, result, [created])
        return refund
    refund.hold_id = ledger.hold(session, f"refund:{refund.id}", _entry(work, refund), payment_id=payment.id)
    session.store(payment, refund)
    events.emit_all(session, desk, [created])
    outside.refund_later(session, refund.id, clock.ahead(seconds=REPEAT_SECONDS))
    return refund


def _answered_at_once(session: ReadSession, refund: Refund, payment: Payment) -> Result | None:
    """What there is to say without asking anybody outside; None where somebody is to be asked."""
    if payment.acquirer in OWN:
        return Approved(refund.id)
    acquirer = acquirers.acquirer(session, payment.acquirer or "")
    if not acquirer.is_immediate:
        return None
    reference = payment.acquirer_reference or ""
    return at_once(guarded(acquirer.refund(refund.id, reference, refund.amount, refund.currency)))


def _told(refund: Refund, payment: Payment) -> dict[str, Any]:
    return {"refund": entities.refund(refund), "payment": entities.payment(payment)}


def _entry(work: Work, refund: Refund) -> Entry:
    return Entry(earned_by(work), _goes_to(work.payment), refund.amount, "refund")


def _claimed(payment: Payment, amount: int | None) -> int:
    """Count what is to be refunded on the payment, whose row is locked, so that nobody refunds it too; gives how much
    that is."""
    if payment.status == "refunded":
        raise Conflict("The payment has been fully refunded already")
    if payment.status != "captured":
        raise Conflict("The payment status should be captured for action to be taken")
    left = payment.amount - payment.amount_refunded
    wanted = amount if amount is not None else left
    if not 0 < wanted <= left:
        raise Invalid("The refund amount provided is greater than amount captured", field="amount")
    payment.amount_refunded += wanted
    return wanted


def _goes_to(payment: Payment) -> Place:
    if payment.acquirer == PURSE and payment.payer_account_id is not None:
        return Place(payment.payer_account_id, "purse", payment.currency, payment.mode)
    return Place(payment.acquirer or "", "receivable", payment.currency, payment.mode)


def to_ask(session: ReadSession, refund_id: str) -> tuple[Acquirer, str, int, str] | None:
    """The acquirer, its reference, amount and currency of a refund that is pending; None when it is not."""
    refund = session.get(Refund, refund_id)
    if refund is None or refund.status != "pending":
        return None
    payment = session.get_one(Payment, refund.payment_id)
    if payment.acquirer in (None, *OWN):
        return None
    found = acquirers.acquirer(session, payment.acquirer or "")
    return found, payment.acquirer_reference or "", refund.amount, refund.currency


def finish(session: WriteSession, refund_id: str, result: Result) -> bool:
    """The acquirer's answer; false where it is to be asked again. A repeated answer changes nothing."""
    work = locked(session, session.get_one(Refund, refund_id).payment_id)
    refund = session.get_locked(Refund, refund_id)
    if refund is None or refund.status != "pending":
        return True
    if not isinstance(result, (Approved, Declined)):
        return False
    _conclude(session, work, refund, result, [])
    return True


def _conclude(
    session: WriteSession, work: Work, refund: Refund, result: Approved | Declined, before: list[Happened]
) -> None:
    """Book what the acquirer answered, and tell it after what happened `before`."""
    order, payment = work.order, work.payment
    if isinstance(result, Approved):
        states.move("refund", refund, "processed")
        refund.acquirer_reference, refund.processed_at = result.reference, clock.now()
        if refund.hold_id is not None:
            ledger.post_pending(session, f"refunded:{refund.id}", refund.hold_id)
        else:
            ledger.post(session, f"refunded:{refund.id}", [_entry(work, refund)], payment_id=payment.id)
        if payment.amount_refunded == payment.amount and payment.status == "captured":
            states.move("payment", payment, "refunded")
    else:
        states.move("refund", refund, "failed")
        if refund.hold_id is not None:
            ledger.void(session, f"unrefunded:{refund.id}", refund.hold_id)
            splits.give_again(session, payment, refund)
        payment.amount_refunded -= refund.amount
    session.store(payment, refund)
    events.emit_all(session, work.desk, [*before, (f"refund.{refund.status}", _told(refund, payment))])
    if refund.status == "failed":
        title = f"Refund failed: {formatted(refund.amount, refund.currency)}"
        text = f"The payer's bank refused it. Payment {payment.id} is as it was before."
        href = f"/payments/dashboard/payments/{payment.id}"
        merchants.tell(session, work.desk.merchant, "failures", title, text, href=href, key=refund.id)
    if refund.status == "processed":
        notices.refunded(session, work.desk, payment, refund)
    if refund.status == "processed" and order is not None and order.reference is not None:
        outbox.add(
            session,
            outside.PaymentRefunded(
                refund_id=refund.id,
                payment_id=payment.id,
                order_id=order.id,
                reference=order.reference,
                amount=refund.amount,
            ),
        )


def refunds_of(session: ReadSession, desk: Desk, payment: Payment) -> list[Refund]:
    """A payment's refunds, newest first."""
    mine = desk.owned(Refund).where(Refund.payment_id == payment.id)
    return list(session.scalars(mine.order_by(Refund.created_at.desc(), Refund.id.desc())))
