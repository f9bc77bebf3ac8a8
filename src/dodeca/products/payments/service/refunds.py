"""Refunds: reserved on the merchant's account, asked of the acquirer, then booked or set free."""

from __future__ import annotations

from collections.abc import Mapping

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.products.payments import acquirers, entities, ids, outside
from dodeca.products.payments.acquirers.protocol import Acquirer, Approved, Declined, Result
from dodeca.products.payments.models import Payment, Refund
from dodeca.products.payments.service import disputes, events, ledger, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.ledger import Entry, Place
from dodeca.products.payments.service.steps import OWN, PURSE, earned_by, locked

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
) -> Refund:
    """Reserve a refund, of the rest where no amount is given. Raises Invalid, Conflict, NotFound, InsufficientFunds."""
    work = locked(session, payment_id, desk)
    payment = work.payment
    if disputes.keeps_money(disputes.of_payment(session, payment)):
        raise Conflict("The payment is disputed, so its money does not go back a second time.")
    wanted = _claimed(session, payment, amount)
    refund = Refund(
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
        created_at=clock.now(),
    )
    session.add(refund)
    session.flush()
    refund.hold_id = ledger.hold(
        session,
        f"refund:{refund.id}",
        Entry(earned_by(work), _goes_to(payment), wanted, "refund"),
        payment_id=payment.id,
    )
    session.flush()
    shown = {"refund": entities.refund(refund), "payment": entities.payment(payment)}
    events.emit(session, desk, "refund.created", shown)
    if payment.acquirer in OWN:
        finish(session, refund.id, Approved(refund.hold_id))
    else:
        outside.refund_later(session, refund.id, clock.ahead(seconds=REPEAT_SECONDS))
    return refund


def _claimed(session: WriteSession, payment: Payment, amount: int | None) -> int:
    """Count what is to be refunded on the payment, so that nobody refunds it too; gives how much that is."""
    if payment.status == "refunded":
        raise Conflict("The payment has been fully refunded already")
    if payment.status != "captured":
        raise Conflict("The payment status should be captured for action to be taken")
    left = payment.amount - payment.amount_refunded
    over = Invalid("The refund amount provided is greater than amount captured", field="amount")
    wanted = amount if amount is not None else left
    if wanted > left:
        raise over
    with claiming(session, Payment, otherwise=over):
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
    desk, order, payment = work.desk, work.order, work.payment
    refund = session.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)
    if refund.status != "pending" or refund.hold_id is None:
        return True
    if isinstance(result, Approved):
        states.move("refund", refund, "processed")
        refund.acquirer_reference, refund.processed_at = result.reference, clock.now()
        ledger.post_pending(session, f"refunded:{refund.id}", refund.hold_id)
        if payment.amount_refunded == payment.amount and payment.status == "captured":
            states.move("payment", payment, "refunded")
    elif isinstance(result, Declined):
        states.move("refund", refund, "failed")
        ledger.void(session, f"unrefunded:{refund.id}", refund.hold_id)
        payment.amount_refunded -= refund.amount
    else:
        return False
    session.flush()
    shown = {"refund": entities.refund(refund), "payment": entities.payment(payment)}
    events.emit(session, desk, f"refund.{refund.status}", shown)
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
    return True


def refunds_of(session: ReadSession, desk: Desk, payment: Payment) -> list[Refund]:
    """A payment's refunds, newest first."""
    mine = desk.owned(Refund).where(Refund.payment_id == payment.id)
    return list(session.scalars(mine.order_by(Refund.created_at.desc(), Refund.id.desc())))
