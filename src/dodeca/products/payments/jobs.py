"""Background work of payments."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
import structlog
from standardwebhooks.webhooks import Webhook as StandardWebhook

from dodeca.commons.accounts.public import EmailProven
from dodeca.kernel import clock, mail
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Upstream
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.products.payments import flows, outside
from dodeca.products.payments.models import Delivery, PaymentEvent, Webhook
from dodeca.products.payments.outside import AttemptDue, DeliveryDue, DisputeDue, PaymentDue, PayoutDue, RefundDue
from dodeca.products.payments.service import (
    attempts,
    captures,
    disputes,
    downtimes,
    events,
    guests,
    invoices,
    ledger,
    payment_links,
    purse,
    receivers,
    settlements,
    splits,
)

log = structlog.get_logger(__name__)
WEBHOOK_SECONDS = 5.0


@job("payments.deliver_webhook", payload=DeliveryDue)
async def deliver_webhook(context: JobContext, due: DeliveryDue) -> None:
    """Send an event to a webhook, signed in both ways, and note what came of it."""
    box = events.secret_box(context.platform.keyring)

    def load(session: ReadSession) -> tuple[str, str, bytes, bytes] | None:
        row = session.get(Delivery, due.delivery_id)
        if row is None or row.state != "waiting":
            return None
        hook, event = session.get_one(Webhook, row.webhook_id), session.get_one(PaymentEvent, row.event_id)
        if hook.disabled_at is not None:
            return None
        secret = box.open(hook.secret, hook.id) if hook.secret is not None else b""
        return event.id, hook.url, msgspec.json.encode(event.body), secret

    found = await context.platform.db.aread(load)
    if found is None:
        return
    event_id, url, body, secret = found
    status, error = None, None
    try:
        answer = await context.platform.outbound.post(
            url, body=body, headers=signatures(event_id, body, secret), seconds=WEBHOOK_SECONDS, truncate=True
        )
        status = answer.status
        error = None if 200 <= status < 300 else f"answered {status}"
    except DodecaError as refused:
        error = refused.message[:500]

    def note(session: WriteSession) -> None:
        alert = events.delivered(session, due.delivery_id, status, error)
        if alert:
            text = f"We could not reach {url} for 24 hours and send nothing there now. Turn it on again when it works."
            mail.send(session, to=alert, subject="Your webhook was turned off", text=text)

    await context.platform.db.awrite(note)


def signatures(event_id: str, body: bytes, secret: bytes) -> dict[str, str]:
    """Razorpay's header, and those of standardwebhooks.com, whose key is the same secret."""
    headers = {"content-type": "application/json", "x-razorpay-event-id": event_id, "webhook-id": event_id}
    if secret:
        headers["x-razorpay-signature"] = hmac.new(secret, body, hashlib.sha256).hexdigest()
        now = clock.now()
        headers["webhook-timestamp"] = str(int(now.timestamp()))
        headers["webhook-signature"] = StandardWebhook(secret).sign(event_id, now, body.decode())
    return headers


@job("payments.inquire", payload=AttemptDue)
async def inquire(context: JobContext, due: AttemptDue) -> None:
    """Ask what became of an attempt."""
    await flows.inquire(context.platform, due.attempt_id, due.number)


@job("payments.void", payload=PaymentDue)
async def void(context: JobContext, due: PaymentDue) -> None:
    """Tell an acquirer that an authorisation is not needed."""
    await flows.void(context.platform, due.payment_id)


@job("payments.refund", payload=RefundDue, attempts=40)
async def refund(context: JobContext, due: RefundDue) -> None:
    """Ask again for a refund that has no answer."""
    if not await flows.ask_refund(context.platform, due.refund_id):
        raise Upstream("The acquirer did not answer.")


@job("payments.pay_out", payload=PayoutDue)
def pay_out(session: WriteSession, context: JobContext, due: PayoutDue) -> None:
    """Hand a payout to the bank."""
    purse.hand_over(session, due.payout_id)


@job("payments.decide_dispute", payload=DisputeDue)
async def decide_dispute(context: JobContext, due: DisputeDue) -> None:
    """Ask how a dispute was decided."""
    await flows.decide_dispute(context.platform, due.dispute_id)


@job("payments.finish_disputes", every=300)
async def finish_disputes(context: JobContext, _nothing: Nothing) -> None:
    """Decide what nobody answered in time, and ask again about what was not decided yet."""
    for dispute_id in await context.platform.db.aread(disputes.overdue):
        await flows.decide_dispute(context.platform, dispute_id)


@job("payments.finish_captures", every=15)
async def finish_captures(context: JobContext, _nothing: Nothing) -> None:
    """Repeat captures that were never answered."""
    for payment_id in await context.platform.db.aread(captures.stuck):
        await flows.repeat_capture(context.platform, payment_id)


@job("payments.finish_attempts", every=15)
async def finish_attempts(context: JobContext, _nothing: Nothing) -> None:
    """Ask what became of attempts whose process died before it had an answer."""
    for attempt_id in await context.platform.db.aread(attempts.forgotten):
        await flows.inquire(context.platform, attempt_id, 0)


@job("payments.give_up", every=300)
async def give_up(context: JobContext, _nothing: Nothing) -> None:
    """Fail what payers left at their bank's page."""
    await flows.exhaust(context.platform, attempts.give_up)


@job("payments.expire_authorisations", every=300)
async def expire_authorisations(context: JobContext, _nothing: Nothing) -> None:
    """Void what was not captured in time."""
    await flows.exhaust(context.platform, captures.expire)


@job("payments.settle", every=3600)
async def settle(context: JobContext, _nothing: Nothing) -> None:
    """Settle all that is due, a batch a unit."""
    for merchant_id, mode, currency in await context.platform.db.aread(settlements.due):

        def one(session: WriteSession, m: str = merchant_id, o: str = mode, c: str = currency) -> bool:
            return settlements.settle(session, m, o, c) is not None

        await flows.exhaust(context.platform, one)


@job("payments.review_downtimes", every=30)
async def review_downtimes(context: JobContext, _nothing: Nothing) -> None:
    """See which methods work again, and tell merchants."""
    await flows.exhaust(context.platform, downtimes.review)


@job("payments.release_splits", every=60)
async def release_splits(context: JobContext, _nothing: Nothing) -> None:
    """Give what was held long enough to its merchants."""
    await flows.exhaust(context.platform, splits.release)


@job("payments.fold_ledger", every=10)
async def fold_ledger(context: JobContext, _nothing: Nothing) -> None:
    """Add the tails of hot accounts up."""
    await flows.exhaust(context.platform, ledger.fold)


@job("payments.capture", payload=PaymentDue)
async def capture(context: JobContext, due: PaymentDue) -> None:
    """Ask for a capture whose intent another product's unit of work recorded."""
    await flows.repeat_capture(context.platform, due.payment_id)


@job("payments.charge", payload=outside.ChargeDue)
async def charge(context: JobContext, due: outside.ChargeDue) -> None:
    """Charge a saved method for another product's order."""
    await flows.charge(context.platform, due.order_id, due.account_id, due.method_id)


@job("payments.bill", every=60)
async def bill(context: JobContext, _nothing: Nothing) -> None:
    """Charge the subscriptions whose time has come, and write to those whose trial ends soon."""
    await flows.bill_all(context.platform)


@job("payments.claim", payload=EmailProven)
async def claim(context: JobContext, proven: EmailProven) -> None:
    """Find what somebody paid as a guest."""
    await flows.exhaust(context.platform, lambda session: guests.claim(session, proven.account_id))


@job("payments.expire_offers", every=60)
async def expire_offers(context: JobContext, _nothing: Nothing) -> None:
    """Close links, invoices, codes and accounts whose time is over; remind of links that end soon."""
    steps = (payment_links.remind, payment_links.expire, invoices.expire, receivers.expire)
    for step in steps:
        await flows.exhaust(context.platform, step)


outside.jobs.update(
    deliver=deliver_webhook,
    inquire=inquire,
    void=void,
    refund=refund,
    payout=pay_out,
    capture=capture,
    charge=charge,
    dispute=decide_dispute,
)
jobs: list[Job[Any]] = [
    capture,
    charge,
    claim,
    deliver_webhook,
    inquire,
    void,
    refund,
    pay_out,
    decide_dispute,
    finish_captures,
    finish_attempts,
    finish_disputes,
    give_up,
    expire_authorisations,
    settle,
    release_splits,
    review_downtimes,
    fold_ledger,
    bill,
    expire_offers,
]
