"""Paying: from a request to an authorisation, through as many acquirers as it takes, at most three.

Each function is one unit of work and gives the next Step; `flows` calls the outside between them. All of them may be
repeated: an attempt that has its outcome is not given another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import func, select

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession
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
from dodeca.products.payments.models import Attempt, Card, Customer, Order, Payment, RoutingDecision, Token
from dodeca.products.payments.service import cards, events, ledger, orders, risk, routing, states, tokens
from dodeca.products.payments.service.cards import CardFacts
from dodeca.products.payments.service.desk import Desk, desk_by_id

MOST_ATTEMPTS = 3
OTP_TRIES = 3
EXPIRY = timedelta(days=5)
"""How long an authorisation waits for its capture."""
INQUIRE_AFTER = (10, 30, 60, 300, 900, 3600, 21_600, 86_400)
PURSE, BANK = "purse", "bank"
OWN = (PURSE, BANK)
"""What stands for an acquirer where money needs none: a purse's, and a transfer that reached the bank account."""
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


@dataclass(frozen=True, slots=True)
class PayRequest:
    """A payment to be; values are checked already. `card` holds what may be kept of a typed card."""

    amount: int
    currency: str
    method: str
    order_id: str | None = None
    customer_id: str | None = None
    token_id: str | None = None
    email: str = ""
    contact: str = ""
    name: str = ""
    description: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    card: CardFacts | None = None
    kept_card_id: str | None = None
    vpa: str | None = None
    bank: str | None = None
    wallet: str | None = None
    save: bool = False
    recurring: bool = False
    capture: bool | None = None
    payer_account_id: str | None = None
    invoice_id: str | None = None
    subscription_id: str | None = None
    mail_receipt: bool = False
    callback_url: str | None = None
    ip: str | None = None
    vaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What `flows` does next: ask an acquirer, capture at one, or nothing more."""

    kind: Literal["ask", "capture", "done"]
    payment_id: str
    acquirer: Acquirer | None = None
    ask: Ask | None = None
    reference: str = ""
    amount: int = 0
    currency: str = ""


def begin(session: WriteSession, desk: Desk, request: PayRequest) -> Step:
    """Record the intent, judge its risk, choose an acquirer. Raises Invalid, NotFound, Conflict."""
    again = request.method in ("card", "upi") or request.wallet == PURSE
    if request.subscription_id is not None and not again:
        raise Invalid("A subscription is paid by card, UPI or purse: it is charged again.", field="method")
    order = _order_to_pay(session, desk, request)
    card = _card(session, desk, request)
    facts = _facts(session, desk, request, card)
    payment = Payment(
        id=ids.new("pay"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        order_id=order.id if order else None,
        customer_id=request.customer_id or (order.customer_id if order else None),
        token_id=request.token_id,
        card_id=card.id if card else None,
        payer_account_id=request.payer_account_id,
        invoice_id=request.invoice_id,
        subscription_id=request.subscription_id,
        amount=request.amount,
        amount_refunded=0,
        currency=request.currency,
        method=request.method,
        status="created",
        bank=request.bank,
        wallet=request.wallet,
        vpa=request.vpa,
        email=request.email,
        contact=request.contact,
        name=request.name,
        description=request.description or (order.description if order else None),
        notes=dict(request.notes),
        risk=risk.assess(session, desk.merchant, desk.mode, facts),
        fingerprint=card.fingerprint if card else None,
        auto_capture=request.capture if request.capture is not None else _captures(order, desk),
        save=request.save,
        recurring=request.recurring,
        mail_receipt=request.mail_receipt,
        callback_url=request.callback_url,
        ip=request.ip,
        created_at=clock.now(),
    )
    if payment.risk["outcome"] == "review" and not request.recurring:
        payment.auto_capture = False  # somebody looks at it, and captures or lets it expire
    session.add(payment)
    if order is not None:
        order.attempts += 1
        if order.status == "created":
            states.move("order", order, "attempted")
    session.flush()
    if payment.risk["outcome"] == "block":
        return _fail(session, desk, payment, "risk_blocked")
    if request.method == "wallet" and request.wallet == PURSE:
        return _from_purse(session, desk, payment, order)
    holding = frozenset(card.vault) if card is not None and card.vault else None
    decision = routing.decide(session, desk.merchant, desk.mode, facts, holding=holding)
    session.add(
        RoutingDecision(
            payment_id=payment.id,
            chosen=decision.order[0] if decision.order else None,
            strategy=decision.strategy,
            rule=decision.rule,
            explored=decision.explored,
            candidates=[c.shown() for c in decision.candidates],
        )
    )
    if not decision.order:
        return _fail(session, desk, payment, "no_acquirer")
    return _ask(session, payment, card, decision.order[0], 1, decision.propensity)


def _captures(order: Order | None, desk: Desk) -> bool:
    return (order.capture if order is not None else desk.merchant.capture) == "automatic"


def _order_to_pay(session: WriteSession, desk: Desk, request: PayRequest) -> Order | None:
    if request.order_id is None:
        return None
    order = desk.find(session, Order, request.order_id, lock=True)
    if order.status == "paid":
        raise Conflict("This order has already been paid.", field="order_id")
    if orders.is_over(order):
        raise Conflict("This order has expired.", field="order_id")
    if order.currency != request.currency:
        raise Invalid("The currency is not the order's.", field="currency")
    due = order.amount - order.amount_paid
    if not order.partial_payment and request.amount != due:
        raise Invalid("Your payment amount is different from your order amount.", field="amount")
    if request.amount > due:
        raise Invalid("The payment exceeds the amount due.", field="amount")
    least = order.first_payment_min_amount or 0
    if order.partial_payment and order.amount_paid == 0 and request.amount < min(least, due):
        raise Invalid(f"The first payment must be at least {least}.", field="amount")
    return order


def _card(session: WriteSession, desk: Desk, request: PayRequest) -> Card | None:
    if request.method != "card":
        return None
    if request.kept_card_id is not None:
        kept = session.get(Card, request.kept_card_id)
        if kept is None:
            raise NotFound("The id provided does not exist", field="payment_method_id")
        return kept
    if request.card is None:
        raise Invalid("The card details are missing.", field="card[number]")
    card = cards.keep(session, desk.merchant.id, request.card)
    card.vault = dict(request.vaults)
    session.flush()
    return card


def _facts(session: ReadSession, desk: Desk, request: PayRequest, card: Card | None) -> dict[str, Any]:
    pace = risk.velocity(session, desk.merchant.id, card.fingerprint if card else None)
    return {
        "amount": request.amount,
        "currency": request.currency,
        "method": request.method,
        "card": {
            "network": card.network if card else "",
            "type": card.type if card else "",
            "bin": card.bin if card else "",
            "last4": card.last4 if card else "",
            "country": card.country if card else "",
        },
        "customer": {"email": request.email, "contact": request.contact, "id": request.customer_id or ""},
        "ip": request.ip or "",
        "country": "",
        "velocity": pace,
    }


def _ask(session: WriteSession, payment: Payment, card: Card | None, name: str, number: int, propensity: float) -> Step:
    vault = card.vault.get(name) if card is not None else None
    attempt = Attempt(
        id=ids.new("atm"),
        payment_id=payment.id,
        number=number,
        acquirer=name,
        vault=vault,
        outcome="asked",
        propensity=propensity,
        created_at=clock.now(),
    )
    session.add(attempt)
    session.flush()
    outside.inquire_later(session, attempt.id, clock.ahead(seconds=60))
    return Step("ask", payment.id, acquirers.acquirer(session, name), ask_of(payment, attempt))


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


def _from_purse(session: WriteSession, desk: Desk, payment: Payment, order: Order | None) -> Step:
    """Reserve the sum in the payer's purse. Raises Invalid, InsufficientFunds."""
    if payment.payer_account_id is None:
        raise Invalid("Sign in to pay from your purse.", field="wallet")
    purse = ledger.Place(payment.payer_account_id, "purse", payment.currency, payment.mode)
    credit = ledger.Place(desk.merchant.id, "merchant", payment.currency, payment.mode)
    if order is not None and order.payee_account_id is not None:
        credit = ledger.Place(order.payee_account_id, "purse", payment.currency, payment.mode)
    if purse == credit:
        raise Invalid("A purse cannot pay itself.", field="wallet")
    entry = ledger.Entry(purse, credit, payment.amount, "payment")
    payment.hold_id = ledger.hold(session, f"hold:{payment.id}", entry, payment_id=payment.id)
    return authorise(session, desk, payment, order, PURSE, payment.hold_id)


def locked(session: WriteSession, payment_id: str) -> tuple[Desk, Order | None, Payment]:
    """A payment and its order, both locked, the order first."""
    order_id = session.scalar(select(Payment.order_id).where(Payment.id == payment_id))
    order = _fresh(session, Order, order_id) if order_id is not None else None
    payment = _fresh(session, Payment, payment_id)
    if payment is None:
        raise NotFound("The id provided does not exist", field="id")
    return desk_by_id(session, payment.merchant_id, payment.mode), order, payment


def _fresh(session: WriteSession, model: Any, row_id: str) -> Any:
    return session.get(model, row_id, with_for_update=True, populate_existing=True)


def record(
    session: WriteSession, attempt_id: str, result: Result, *, vault: str | None = None, latency_ms: int | None = None
) -> Step:
    """What an acquirer answered. A late or repeated answer changes nothing."""
    attempt = session.get(Attempt, attempt_id)
    if attempt is None:
        raise NotFound("There is no such attempt.")
    desk, order, payment = locked(session, attempt.payment_id)
    attempt = _fresh(session, Attempt, attempt_id)
    if attempt.outcome not in ("asked", "challenge", "unknown"):
        return Step("done", payment.id)
    attempt.latency_ms = latency_ms if latency_ms is not None else attempt.latency_ms
    card = session.get(Card, payment.card_id) if payment.card_id else None
    if vault is not None and card is not None:
        attempt.vault = vault
        card.vault = {**card.vault, attempt.acquirer: vault}
    step = _outcome(session, desk, order, payment, card, attempt, result)
    if not isinstance(result, (Challenge, Unknown)) and not (isinstance(result, Declined) and result.hard):
        network = card.network if card else ""
        good = isinstance(result, Approved)
        routing.observe(session, attempt.acquirer, payment.method, network, payment.currency, success=good)
    return step


def _outcome(
    session: WriteSession,
    desk: Desk,
    order: Order | None,
    payment: Payment,
    card: Card | None,
    attempt: Attempt,
    result: Result,
) -> Step:
    if isinstance(result, Approved):
        attempt.outcome = "approved"
        return authorise(session, desk, payment, order, attempt.acquirer, result.reference)
    if isinstance(result, Challenge):
        attempt.outcome = "challenge"
        payment.challenge = {"kind": result.kind, "reference": result.reference, "attempt_id": attempt.id, "tries": 0}
        if result.kind == "poll":
            outside.inquire_later(session, attempt.id, clock.ahead(seconds=1), 100)
        return Step("done", payment.id)
    if isinstance(result, Unknown):
        attempt.outcome, attempt.reason = "unknown", result.reason
        outside.inquire_later(session, attempt.id, clock.ahead(seconds=INQUIRE_AFTER[0]), 1)
        return Step("done", payment.id)
    attempt.reason = result.reason
    if isinstance(result, Declined):
        attempt.outcome = "declined"
        if result.hard:
            return _fail(session, desk, payment, result.reason)
    else:
        attempt.outcome = "unavailable"
    following = _next_acquirer(session, payment) if payment.status == "created" else None
    if following is None:
        reason = result.reason if isinstance(result, Declined) else "no_acquirer"
        return _fail(session, desk, payment, reason)
    payment.challenge = None
    return _ask(session, payment, card, following, attempt.number + 1, 1.0)


def _next_acquirer(session: ReadSession, payment: Payment) -> str | None:
    tried = set(session.scalars(select(Attempt.acquirer).where(Attempt.payment_id == payment.id)))
    decision = session.get(RoutingDecision, payment.id)
    if decision is None or len(tried) >= MOST_ATTEMPTS:
        return None
    left = (c["acquirer"] for c in decision.candidates if c["eligible"] and c["acquirer"] not in tried)
    return next(left, None)


def authorise(
    session: WriteSession, desk: Desk, payment: Payment, order: Order | None, acquirer: str, reference: str
) -> Step:
    """The money is reserved. Captures at once where that is wanted; voids where the order is paid already."""
    from dodeca.products.payments.service import captures

    states.move("payment", payment, "authorized")
    payment.acquirer, payment.acquirer_reference = acquirer, reference
    payment.challenge, payment.error = None, None
    payment.authorized_at = clock.now()
    wait = timedelta(minutes=order.manual_expiry_period) if order is not None and order.manual_expiry_period else EXPIRY
    payment.expires_at = clock.now() + wait
    card = session.get(Card, payment.card_id) if payment.card_id else None
    if payment.save and payment.customer_id is not None:
        payment.token_id = tokens.remember(session, desk, payment, card)
    session.flush()
    events.emit(session, desk, "payment.authorized", {"payment": entities.payment(payment, card)})
    if payment.subscription_id is not None and order is None:
        if "subscription" in hooks.on_authorised:
            hooks.on_authorised["subscription"](session, desk, payment)
        captures.void(session, desk, payment)
        return Step("done", payment.id)
    if order is not None and (
        order.status == "paid" or orders.is_over(order) or payment.amount > order.amount - order.amount_paid
    ):
        captures.void(session, desk, payment)
        return Step("done", payment.id)
    if payment.auto_capture:
        return captures.begin(session, desk, order, payment)
    return Step("done", payment.id)


def _fail(session: WriteSession, desk: Desk, payment: Payment, reason: str) -> Step:
    if payment.status != "created":
        return Step("done", payment.id)
    states.move("payment", payment, "failed")
    text, source = REASONS.get(reason, ("Your payment could not be completed.", "gateway"))
    code = "GATEWAY_ERROR" if reason in ("no_acquirer", "issuer_unavailable") else "BAD_REQUEST_ERROR"
    step = "payment_authentication" if reason in ("incorrect_otp", "payment_cancelled") else "payment_authorization"
    payment.error = {"code": code, "description": text, "source": source, "step": step, "reason": reason}
    payment.challenge = None
    session.flush()
    events.emit(session, desk, "payment.failed", {"payment": entities.payment(payment)})
    order = session.get(Order, payment.order_id) if payment.order_id else None
    if order is not None and order.source in hooks.on_failed:
        hooks.on_failed[order.source](session, desk, order, payment)
    if order is not None and order.reference is not None:
        outbox.add(session, outside.PaymentFailed(payment_id=payment.id, order_id=order.id, reference=order.reference))
    return Step("done", payment.id)


def answer(session: WriteSession, payment_id: str, reply: str) -> Step:
    """The payer's answer to a challenge: the step asks the acquirer. Raises Conflict when nothing is to answer."""
    _desk, _order, payment = locked(session, payment_id)
    challenge = payment.challenge
    if payment.status != "created" or challenge is None or challenge["kind"] == "poll":
        raise Conflict("This payment does not wait for an answer.")
    if len(reply) > 20:
        raise Invalid("The OTP has 4 to 10 digits.", field="otp")
    attempt = session.get_one(Attempt, challenge["attempt_id"])
    found = acquirers.acquirer(session, attempt.acquirer)
    return Step("ask", payment.id, found, ask_of(payment, attempt), reference=challenge["reference"])


def answered(session: WriteSession, attempt_id: str, result: Result) -> Step:
    """What came of the payer's answer: a wrong OTP may be typed three times."""
    attempt = session.get_one(Attempt, attempt_id)
    _desk, _order, payment = locked(session, attempt.payment_id)
    wrong = isinstance(result, Declined) and result.reason == "incorrect_otp"
    if wrong and payment.challenge is not None:
        tries = int(payment.challenge["tries"]) + 1
        payment.challenge = {**payment.challenge, "tries": tries}
        if tries < OTP_TRIES:
            raise_after = Invalid("The OTP is not right. Try again.", field="otp")
            session.flush()
            return Step("done", payment.id, reference=raise_after.message)
        return record(session, attempt_id, Declined("incorrect_otp"))
    if isinstance(result, (Unavailable, Unknown)):
        return Step("done", payment.id, reference="The bank did not answer. Try again.")
    return record(session, attempt_id, result)


def to_inquire(session: ReadSession, attempt_id: str) -> tuple[Acquirer, Ask, bool] | None:
    """What to ask about an attempt that has no outcome; None when it has. The flag: it is a payer's poll."""
    attempt = session.get(Attempt, attempt_id)
    if attempt is None or attempt.outcome not in ("asked", "unknown", "challenge"):
        return None
    payment = session.get_one(Payment, attempt.payment_id)
    poll = payment.challenge is not None and payment.challenge.get("kind") == "poll"
    if attempt.outcome == "challenge" and not poll:
        return None
    return acquirers.acquirer(session, attempt.acquirer), ask_of(payment, attempt), poll


def attempts_of(session: ReadSession, payment: Payment) -> list[Attempt]:
    """All attempts, in order."""
    return list(session.scalars(select(Attempt).where(Attempt.payment_id == payment.id).order_by(Attempt.number)))


def tries_of(session: ReadSession, payment: Payment) -> int:
    """How many acquirers were asked."""
    return session.scalar(select(func.count()).select_from(Attempt).where(Attempt.payment_id == payment.id)) or 0


__all__ = ["Customer", "PayRequest", "Step", "Token", "answer", "answered", "authorise", "begin", "locked", "record"]
