"""Paying: from a request to the first question to an acquirer.

`begin` is one unit of work; `flows` asks the outside and `attempts` records what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from dodeca.kernel import clock
from dodeca.kernel.db import Asked, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.payments import acquirers, ids, outside
from dodeca.products.payments.models import Card, Customer, Merchant, Order, Payment, RoutingDecision
from dodeca.products.payments.service import attempts, cards, ledger, orders, risk, routing, states
from dodeca.products.payments.service.cards import CardFacts
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.steps import PURSE, Step, Work


class PayRequest(msgspec.Struct, frozen=True):
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
    notes: Mapping[str, str] = msgspec.field(default_factory=dict)
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
    vaults: Mapping[str, str] = msgspec.field(default_factory=dict)


def begin(session: WriteSession, desk: Desk, request: PayRequest) -> Step:
    """Record the intent, judge its risk, choose an acquirer. Raises Invalid, NotFound, Conflict."""
    again = request.method in ("card", "upi") or request.wallet == PURSE
    if request.subscription_id is not None and not again:
        raise Invalid("A subscription is paid by card, UPI or purse: it is charged again.", field="method")
    if request.customer_id is not None:
        desk.find(session, Customer, request.customer_id)
    order = _order_to_pay(session, desk, request)
    card = _card(session, desk, request)
    facts, seen = _facts(session, desk, request, card)
    work = Work(desk, _payment(session, desk, request, order, card), order, card)
    payment = work.payment
    payment.risk = risk.assess(session, desk.merchant, desk.mode, facts)
    if payment.risk["outcome"] == "review" and not request.recurring:
        payment.auto_capture = False  # somebody looks at it, and captures or lets it expire
    if order is not None:
        order.attempts += 1
        if order.status == "created":
            states.move("order", order, "attempted")
    if payment.risk["outcome"] == "block":
        return attempts.fail(session, work, "risk_blocked")
    if request.method == "wallet" and request.wallet == PURSE:
        return _from_purse(session, work)
    return _route(session, work, facts, seen)


def _payment(session: WriteSession, desk: Desk, request: PayRequest, order: Order | None, card: Card | None) -> Payment:
    return session.fresh(
        Payment,
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
        currency=request.currency,
        method=request.method,
        amount_refunded=0,
        status="created",
        bank=request.bank,
        wallet=request.wallet,
        vpa=request.vpa,
        email=request.email,
        contact=request.contact,
        name=request.name,
        description=request.description or (order.description if order else None),
        notes=dict(request.notes),
        fingerprint=card.fingerprint if card else None,
        auto_capture=request.capture if request.capture is not None else _captures(order, desk),
        save=request.save or (order is not None and order.source == orders.REGISTRATION),
        recurring=request.recurring,
        mail_receipt=request.mail_receipt,
        callback_url=request.callback_url,
        ip=request.ip,
        created_at=clock.now(),
    )


def _route(session: WriteSession, work: Work, facts: Mapping[str, Any], seen: Asked) -> Step:
    """Choose whom to ask, and keep why."""
    desk, card = work.desk, work.card
    installed = acquirers.installed(session, desk.mode)
    holding = frozenset(card.vault) if card is not None and card.vault else None
    decision = routing.decide(desk.merchant, installed, facts, routing.seen(seen), holding=holding)
    chosen = decision.order[0] if decision.order else None
    work.decision = session.fresh(
        RoutingDecision,
        payment_id=work.payment.id,
        chosen=chosen,
        strategy=decision.strategy,
        rule=decision.rule,
        explored=decision.explored,
        candidates=[c.shown() for c in decision.candidates],
    )
    if chosen is None:
        return attempts.fail(session, work, "no_acquirer")
    return attempts.ask(session, work, installed[chosen][0], 1, decision.propensity)


def _captures(order: Order | None, desk: Desk) -> bool:
    return (order.capture if order is not None else desk.merchant.capture) == "automatic"


def _order_to_pay(session: WriteSession, desk: Desk, request: PayRequest) -> Order | None:
    if request.order_id is None:
        return None
    order = desk.lock(session, Order, request.order_id)
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
    return cards.kept(session, desk, request.card, request.vaults)


class _Lately(NamedTuple):
    """Questions that are asked in one trip: what the card did at this merchant, and how acquirers did."""

    request: PayRequest
    pace: Asked | None
    seen: Asked


def ask_ahead(session: WriteSession, request: PayRequest, merchant: Merchant) -> None:
    """Ask what `begin` of this request will look at, where the request says enough."""
    if request.method != "card" or request.card is not None:
        session.info["lately"] = _ask(session, request, merchant, request.card)


def _ask(session: ReadSession, request: PayRequest, merchant: Merchant, card: Card | CardFacts | None) -> _Lately:
    pace = risk.ask_velocity(session, merchant.id, card.fingerprint if card else None)
    return _Lately(
        request, pace, routing.ask_seen(session, request.method, card.network if card else "", request.currency)
    )


def _facts(session: ReadSession, desk: Desk, request: PayRequest, card: Card | None) -> tuple[dict[str, Any], Asked]:
    """What rules may look at, and the question how acquirers did lately."""
    ahead: _Lately | None = session.info.pop("lately", None)
    lately = ahead if ahead is not None and ahead.request is request else _ask(session, request, desk.merchant, card)
    facts = {
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
        "country": outside.country(request.ip),
        "velocity": risk.velocity(lately.pace),
    }
    return facts, lately.seen


def _from_purse(session: WriteSession, work: Work) -> Step:
    """Reserve the sum in the payer's purse. Raises Invalid, InsufficientFunds."""
    payment, order = work.payment, work.order
    if payment.payer_account_id is None:
        raise Invalid("Sign in to pay from your purse.", field="wallet")
    purse = ledger.Place(payment.payer_account_id, "purse", payment.currency, payment.mode)
    credit = ledger.Place(payment.merchant_id, "merchant", payment.currency, payment.mode)
    if order is not None and order.payee_account_id is not None:
        credit = ledger.Place(order.payee_account_id, "purse", payment.currency, payment.mode)
    if purse == credit:
        raise Invalid("A purse cannot pay itself.", field="wallet")
    entry = ledger.Entry(purse, credit, payment.amount, "payment")
    payment.hold_id = ledger.hold(session, f"hold:{payment.id}", entry, payment_id=payment.id)
    return attempts.authorise(session, work, PURSE, payment.hold_id)
