"""Attempts: what acquirers are asked, and what becomes of a payment by what they answer.

Each function runs in a unit of work and gives the next Step. All of them may be repeated: an attempt that has its
outcome is not given another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, literal_column, select

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import Finding, Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.payments import acquirers, entities, hooks, ids, outside
from dodeca.products.payments.acquirers.protocol import (
    Acquirer,
    Approved,
    Ask,
    Challenge,
    Declined,
    Result,
    Unavailable,
    Unknown,
)
from dodeca.products.payments.models import Attempt, Payment, RoutingDecision
from dodeca.products.payments.service import captures, downtimes, events, orders, routing, states, tokens
from dodeca.products.payments.service.steps import Step, Work, card_of, locked

MOST_ATTEMPTS = 3
OTP_TRIES = 3
EXPIRY = timedelta(days=5)
"""How long an authorisation waits for its capture."""
INQUIRE_AFTER = (10, 30, 60, 300, 900, 3600, 21_600, 86_400)
"""Pauses in seconds before each inquiry about an attempt whose answer did not come."""
FORGOTTEN_SECONDS = 60
"""After so long an attempt that is still being asked belongs to a process that died."""
POLL_SECONDS = 3
UNANSWERED_SECONDS = 3600
"""How long a payer may take for an OTP or at the bank's page; who approves in an app is inquired about."""
REASONS: Mapping[str, tuple[str, str]] = {
    "payment_declined": ("Your payment was declined by the bank. Try another card or method.", "bank"),
    "insufficient_funds": ("Your payment could not be completed due to insufficient account balance.", "customer"),
    "card_expired": ("Your payment could not be completed because the card has expired.", "customer"),
    "incorrect_cvv": ("You entered an incorrect CVV. Try again.", "customer"),
    "incorrect_otp": ("You entered an incorrect OTP too often.", "customer"),
    "payment_cancelled": ("You cancelled the payment at the bank.", "customer"),
    "payment_timed_out": ("The payment was not completed on time.", "customer"),
    "risk_blocked": ("The payment was blocked because it looks fraudulent.", "business"),
    "no_acquirer": ("No acquirer can take this payment now.", "gateway"),
    "issuer_unavailable": ("The bank could not be reached. Try again.", "bank"),
}
_tried = Prepared(select(Attempt.acquirer).where(Attempt.payment_id == bindparam("payment_id")))


class Answer(NamedTuple):
    """An acquirer's answer, with its reference of a card that was put into its vault on the way."""

    result: Result
    vault: str | None = None
    latency_ms: int | None = None


def ask(session: WriteSession, work: Work, acquirer: Acquirer, number: int, propensity: float) -> Step:
    """Intend to ask an acquirer. Whoever gets the step stores its work before it asks."""
    work.attempt = session.fresh(
        Attempt,
        id=ids.new("atm"),
        payment_id=work.payment.id,
        number=number,
        acquirer=acquirer.name,
        vault=work.card.vault.get(acquirer.name) if work.card is not None else None,
        outcome="asked",
        propensity=propensity,
        created_at=clock.now(),
    )
    return Step("ask", work.payment.id, work, acquirer, ask_of(work.payment, work.attempt))


def ask_of(payment: Payment, attempt: Attempt) -> Ask:
    """The question as the acquirer gets it."""
    return Ask(
        key=attempt.id,
        number=attempt.number,
        amount=payment.amount,
        currency=payment.currency,
        method=payment.method,
        vault=attempt.vault,
        vpa=payment.vpa,
        bank=payment.bank,
        wallet=payment.wallet,
        recurring=payment.recurring,
        asked_at=attempt.created_at,
        challenge=payment.risk.get("outcome") == "challenge",
    )


def take(session: WriteSession, step: Step, answer: Answer) -> Step:
    """Record the answer to a step's question, asked in this unit or in an earlier one."""
    if step.kind == "capture":
        return captures.finish(session, step.work or locked(session, step.payment_id), answer.result)
    if step.ask is None:
        raise TypeError("A step that asks says what.")
    return _record(session, step.work, answer) if step.work else record(session, step.ask.key, answer)


def record(session: WriteSession, attempt_id: str, answer: Answer) -> Step:
    """What an acquirer answered to an attempt. A late or repeated answer changes nothing."""
    attempt = session.get(Attempt, attempt_id)
    if attempt is None:
        raise NotFound("There is no such attempt.")
    work = locked(session, attempt.payment_id)
    work.attempt = session.get_locked(Attempt, attempt_id)
    card_of(session, work)
    return _record(session, work, answer)


def _record(session: WriteSession, work: Work, answer: Answer) -> Step:
    attempt, payment, card, result = work.attempt, work.payment, work.card, answer.result
    if attempt is None or attempt.outcome not in ("asked", "challenge", "unknown"):
        return Step("done", payment.id, work)
    if answer.latency_ms is not None:
        attempt.latency_ms = answer.latency_ms
    if answer.vault is not None and card is not None:
        attempt.vault = answer.vault
        card.vault = {**card.vault, attempt.acquirer: answer.vault}
    step = _outcome(session, work, attempt, result)
    if not isinstance(result, (Challenge, Unknown)) and not (isinstance(result, Declined) and result.hard):
        network = card.network if card else ""
        routing.observe(
            session,
            attempt.acquirer,
            payment.method,
            network,
            payment.currency,
            success=isinstance(result, Approved),
        )
    return step


def _outcome(session: WriteSession, work: Work, attempt: Attempt, result: Result) -> Step:
    payment = work.payment
    if isinstance(result, Approved):
        attempt.outcome = "approved"
        return authorise(session, work, attempt.acquirer, result.reference)
    if isinstance(result, Challenge):
        attempt.outcome = "challenge"
        payment.challenge = {"kind": result.kind, "reference": result.reference, "attempt_id": attempt.id, "tries": 0}
        if result.kind == "poll":
            outside.inquire_later(session, attempt.id, clock.ahead(seconds=1), 100)
        return Step("done", payment.id, work)
    attempt.reason = result.reason
    if isinstance(result, Unknown):
        attempt.outcome = "unknown"
        outside.inquire_later(session, attempt.id, clock.ahead(seconds=INQUIRE_AFTER[0]), 1)
        return Step("done", payment.id, work)
    attempt.outcome = "declined" if isinstance(result, Declined) else "unavailable"
    work.store(session)
    following = None if isinstance(result, Declined) and result.hard else _next_acquirer(session, payment)
    if following is not None:
        payment.challenge = None
        return ask(session, work, following, attempt.number + 1, 1.0)
    return fail(session, work, result.reason if isinstance(result, Declined) else "no_acquirer")


def _next_acquirer(session: ReadSession, payment: Payment) -> Acquirer | None:
    """The best that was not asked yet; None when there is none or enough were."""
    if payment.status != "created":
        return None
    tried = {name for (name,) in _tried.rows(session, payment_id=payment.id)}
    decision = session.get(RoutingDecision, payment.id)
    if decision is None or len(tried) >= MOST_ATTEMPTS:
        return None
    left = (c["acquirer"] for c in decision.candidates if c["eligible"] and c["acquirer"] not in tried)
    name = next(left, None)
    return None if name is None else acquirers.acquirer(session, name)


def authorise(session: WriteSession, work: Work, acquirer: str, reference: str) -> Step:
    """The money is reserved. Captures at once where that is wanted; voids where the order is paid already."""
    payment, order = work.payment, work.order
    states.move("payment", payment, "authorized")
    now = clock.now()
    wait = timedelta(minutes=order.manual_expiry_period) if order is not None and order.manual_expiry_period else EXPIRY
    session.change(
        payment,
        acquirer=acquirer,
        acquirer_reference=reference,
        challenge=None,
        error=None,
        authorized_at=now,
        expires_at=now + wait,
    )
    card = card_of(session, work)
    if payment.save and payment.customer_id is not None:
        work.store(session)
        payment.token_id = tokens.remember(session, work.desk, payment, card)
    work.store(session)
    events.emit(session, work.desk, "payment.authorized", {"payment": entities.payment(payment, card)})
    agrees_only = payment.subscription_id is not None and order is None
    if agrees_only and "subscription" in hooks.on_authorised:
        hooks.on_authorised["subscription"](session, work.desk, payment)
    if agrees_only or (order is not None and not orders.takes(order, payment.amount)):
        captures.void(session, payment)
    elif payment.auto_capture:
        return captures.begin(session, work)
    return Step("done", payment.id, work)


def fail(session: WriteSession, work: Work, reason: str) -> Step:
    """The payment will not be: `reason` is one of REASONS or an acquirer's own."""
    payment, order = work.payment, work.order
    if payment.status != "created":
        return Step("done", payment.id, work)
    states.move("payment", payment, "failed")
    text, source = REASONS.get(reason, ("Your payment could not be completed.", "gateway"))
    code = "GATEWAY_ERROR" if reason in ("no_acquirer", "issuer_unavailable") else "BAD_REQUEST_ERROR"
    step = "payment_authentication" if reason in ("incorrect_otp", "payment_cancelled") else "payment_authorization"
    payment.error = {"code": code, "description": text, "source": source, "step": step, "reason": reason}
    payment.challenge = None
    work.store(session)
    if reason == "no_acquirer":
        downtimes.note(session, payment, work.decision or session.get(RoutingDecision, payment.id))
    events.emit(session, work.desk, "payment.failed", {"payment": entities.payment(payment)})
    if order is not None and order.source in hooks.on_failed:
        hooks.on_failed[order.source](session, work.desk, order, payment)
    if order is not None and order.reference is not None:
        outbox.add(session, outside.PaymentFailed(payment_id=payment.id, order_id=order.id, reference=order.reference))
    return Step("done", payment.id, work)


# Answers of payers


def answer(session: WriteSession, payment_id: str, reply: str) -> Step:
    """The payer's answer to a challenge: the step asks the acquirer. Raises Conflict when nothing is to answer."""
    payment = locked(session, payment_id).payment
    challenge = payment.challenge
    if payment.status != "created" or challenge is None or challenge["kind"] == "poll":
        raise Conflict("This payment does not wait for an answer.")
    if len(reply) > 20:
        raise Invalid("The OTP has 4 to 10 digits.", field="otp")
    attempt = session.get_one(Attempt, challenge["attempt_id"])
    found = acquirers.acquirer(session, attempt.acquirer)
    return Step("ask", payment.id, acquirer=found, ask=ask_of(payment, attempt), reference=challenge["reference"])


def answered(session: WriteSession, attempt_id: str, result: Result) -> Step:
    """What came of the payer's answer: a wrong OTP may be typed three times."""
    attempt = session.get_one(Attempt, attempt_id)
    payment = locked(session, attempt.payment_id).payment
    wrong = isinstance(result, Declined) and result.reason == "incorrect_otp"
    if wrong and payment.challenge is not None:
        tries = int(payment.challenge["tries"]) + 1
        payment.challenge = {**payment.challenge, "tries": tries}
        session.store(payment)
        if tries < OTP_TRIES:
            return Step("done", payment.id, refused="The OTP is not right. Try again.")
        return record(session, attempt_id, Answer(Declined("incorrect_otp")))
    if isinstance(result, (Unavailable, Unknown)):
        return Step("done", payment.id, refused="The bank did not answer. Try again.")
    return record(session, attempt_id, Answer(result))


# Inquiries


def to_inquire(session: ReadSession, attempt_id: str) -> tuple[Acquirer, Ask] | None:
    """What to ask about an attempt that has no outcome; None when it has."""
    attempt = session.get(Attempt, attempt_id)
    if attempt is None or attempt.outcome not in ("asked", "unknown", "challenge"):
        return None
    payment = session.get_one(Payment, attempt.payment_id)
    if attempt.outcome == "challenge" and not _is_polled(payment):
        return None
    return acquirers.acquirer(session, attempt.acquirer), ask_of(payment, attempt)


def _is_polled(payment: Payment) -> bool:
    return payment.challenge is not None and payment.challenge.get("kind") == "poll"


def inquire_again(session: WriteSession, attempt_id: str, number: int) -> None:
    """Nobody knows yet: plan inquiry `number` + 1."""
    attempt = session.get_locked(Attempt, attempt_id)
    if attempt is None or attempt.outcome not in ("asked", "unknown", "challenge"):
        return
    if attempt.outcome == "asked":
        attempt.outcome = "unknown"
        session.store(attempt)
    polled = _is_polled(session.get_one(Payment, attempt.payment_id))
    pause = POLL_SECONDS if polled else INQUIRE_AFTER[min(number, len(INQUIRE_AFTER) - 1)]
    outside.inquire_later(session, attempt_id, clock.ahead(seconds=pause), number + 1)


def forgotten(session: ReadSession) -> Sequence[str]:
    """Attempts that were asked and never got an answer: their process died."""
    since = clock.ago(seconds=FORGOTTEN_SECONDS)
    return session.scalars(
        select(Attempt.id).where(Attempt.outcome == literal_column("'asked'"), Attempt.created_at <= since).limit(100)
    ).all()


def give_up(session: WriteSession, limit: int = 100) -> int:
    """Fail payments whose payer never answered; gives how many. What the bank says of one that was just answered still
    counts."""
    due = select(Payment.id).where(
        Payment.status == literal_column("'created'"),
        Payment.challenge.is_not(None),
        Payment.created_at <= clock.ago(seconds=UNANSWERED_SECONDS),
    )
    ended = 0
    for payment_id in sorted(session.scalars(due.limit(limit))):
        work = locked(session, payment_id)
        if work.payment.status == "created" and not _is_polled(work.payment):
            fail(session, work, "payment_timed_out")
            work.store(session)
            ended += 1
    return ended


_of_payment = Finding(Attempt, Attempt.payment_id == bindparam("payment_id"))


def attempts_of(session: ReadSession, payment: Payment) -> list[Attempt]:
    """All attempts, in order."""
    return sorted(_of_payment.all(session, payment_id=payment.id), key=lambda attempt: attempt.number)
