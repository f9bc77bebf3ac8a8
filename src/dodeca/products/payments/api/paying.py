"""Payments of a merchant: taking, capturing, refunding, and why they went where they went."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import Access, Calling, ClosedRequest, DbRead, FromPath, JSONBody, get, post, problems
from dodeca.kernel.money import decimal_text
from dodeca.products.payments import acquirers, entities, flows, idempotent, links
from dodeca.products.payments.acting import Till, flow_desk
from dodeca.products.payments.models import Card, Payment, Refund, RoutingDecision
from dodeca.products.payments.service import attempts, methods, paybody, refunds, returning, routing
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import amount_of
from dodeca.products.payments.service.steps import PURSE

Text = Annotated[str, msgspec.Meta(max_length=256)]
Number = int | float | str


class CardBody(ClosedRequest):
    """A card as typed; it is passed on and never stored."""

    number: Text
    expiry_month: Number
    expiry_year: Number
    cvv: Text
    name: Text = ""


class CustomerDetails(ClosedRequest):
    """Who pays."""

    name: Text | None = None
    email: Text | None = None
    contact: Text | None = None


class NewPayment(ClosedRequest):
    """A payment to be. `payment_method_id`: one of the caller's own, in place of the card or address; then `method` is
    not read."""

    amount: Number
    currency: Text
    method: Text
    customer_details: CustomerDetails | None = None
    order_id: Text | None = None
    card: CardBody | None = None
    vpa: Text | None = None
    bank: Text | None = None
    wallet: Text | None = None
    description: Text | None = None
    payment_method_id: Text | None = None
    notes: dict[str, Text] | None = None
    capture: bool | None = None


class AmountBody(ClosedRequest):
    """An amount in minor units."""

    amount: Number | None = None


class DryRun(ClosedRequest):
    """A payment to route without making it; `success_rate` replaces what was observed, by acquirer."""

    amount: Number
    currency: Text
    method: Text
    success_rate: dict[str, float] | None = None


def _view(session: ReadSession, payment: Payment) -> dict[str, Any]:
    card = session.get(Card, payment.card_id) if payment.card_id else None
    amount = decimal_text(payment.amount, payment.currency)
    return {**entities.payment(payment, card), "amount_decimal": amount, "risk": payment.risk}


@post("/payments", access=Access.MEMBER, status=200)
async def create_payment(call: Calling, data: JSONBody[NewPayment]) -> Response[bytes]:
    """Take a payment. 402 when it is declined, 502 when no acquirer can take it; both with the payment's id."""
    desk = await flow_desk(call)
    body, me = msgspec.to_builtins(data), call.member().account_id
    more: dict[str, Any] = {"payer_account_id": me if data.wallet == PURSE else None}
    if data.payment_method_id is not None:
        wanted = data.payment_method_id
        saved = await call.platform.db.aread(lambda session: methods.chargeable(session, me, wanted))
        body |= {"method": saved.method_type, "vpa": saved.vpa}
        more = {"payer_account_id": me, "kept_card_id": saved.card_id}
    request, card = paybody.read(body, ip=call.address, capture=data.capture, **more)

    async def work() -> tuple[int, bytes]:
        payment_id = await flows.pay(call.platform, desk, request, card)
        payment = await call.platform.db.aread(lambda session: session.get_one(Payment, payment_id))
        returning.check_failed(payment)
        waits = payment.status == "created" and payment.challenge is not None
        url = links.authenticate(call.platform, payment.id) if waits else None
        at = call.platform.url(f"/api/payments/payments/{payment.id}")
        polled = [{"action": "poll", "url": at}] if (payment.challenge or {}).get("kind") == "poll" else []
        found = {
            "payment_id": payment.id,
            "id": payment.id,
            "status": payment.status,
            "checkout_url": url or (links.checkout(call.platform, payment.order_id) if payment.order_id else None),
            "next": [{"action": "redirect", "url": url}, *polled] if waits else [],
        }
        return 200, msgspec.json.encode(found)

    return await _once(call, "POST /payments", work)


async def _once(call: Any, route: str, work: Any) -> Response[bytes]:
    key = call.request.headers.get("idempotency-key")
    raw = await call.request.body()
    caller = call.member().account_id
    status, answer = await idempotent.once(call.platform, caller, f"api {route}", key, raw, work, _refused)
    kind = "application/json" if status < 400 else "application/problem+json"
    return Response(answer, status_code=status, media_type=kind)


def _refused(error: DodecaError) -> tuple[int, bytes]:
    status = problems.status_of(error)
    return status, msgspec.json.encode(problems.problem(status, error))


@get("/payments/{payment_id:str}", access=Access.MEMBER)
def payment(session: DbRead, desk: Till, payment_id: FromPath[str]) -> dict[str, Any]:
    """One payment."""
    return _view(session, desk.find(session, Payment, payment_id))


async def _amount(call: Any, data: AmountBody | None, desk: Desk, payment_id: str) -> int | None:
    raw: Any = call.request.query_params.get("amount")
    if data is not None and data.amount is not None:
        raw = data.amount
    if raw is None:
        return None
    currency = await call.platform.db.aread(lambda session: desk.find(session, Payment, payment_id).currency)
    return amount_of(raw, currency, least=1)


async def _optional(call: Any) -> AmountBody:
    raw = await call.request.body()
    if not raw.strip():
        return AmountBody()
    try:
        return msgspec.json.decode(raw, type=AmountBody)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("The body must be an object with an amount.", field="amount") from error


@post("/payments/{payment_id:str}/capture", access=Access.MEMBER, status=200)
async def capture(call: Calling, payment_id: FromPath[str]) -> Response[bytes]:
    """Capture an authorised payment, whole."""
    desk = await flow_desk(call)
    amount = await _amount(call, await _optional(call), desk, payment_id)

    async def work() -> tuple[int, bytes]:
        await flows.capture(call.platform, desk, payment_id, amount, None)
        return 200, msgspec.json.encode({"status": "captured", "payment_id": payment_id})

    return await _once(call, f"capture {payment_id}", work)


@post("/payments/{payment_id:str}/refund", access=Access.MEMBER, status=200)
async def refund(call: Calling, payment_id: FromPath[str]) -> Response[bytes]:
    """Refund a captured payment, the rest of it where no amount is given."""
    desk = await flow_desk(call)
    amount = await _amount(call, await _optional(call), desk, payment_id)

    async def work() -> tuple[int, bytes]:
        def begin(session: WriteSession) -> Refund:
            return refunds.begin(session, desk, payment_id, amount)

        row = await flows.refund(call.platform, begin)
        return 200, msgspec.json.encode({"status": row.status, "refund_id": row.id, "amount": row.amount})

    return await _once(call, f"refund {payment_id}", work)


@get("/payments/{payment_id:str}/routing", access=Access.MEMBER)
def why(session: DbRead, desk: Till, payment_id: FromPath[str]) -> dict[str, Any]:
    """Why a payment went where it went."""
    row = desk.find(session, Payment, payment_id)
    decision = session.get(RoutingDecision, row.id)
    return {
        "chosen": decision.chosen if decision else row.acquirer,
        "strategy": decision.strategy if decision else None,
        "rule": decision.rule if decision else None,
        "explored": decision.explored if decision else False,
        "candidates": decision.candidates if decision else [],
        "attempts": [
            {
                "acquirer": a.acquirer,
                "outcome": a.outcome,
                "reason": a.reason,
                "latency_ms": a.latency_ms,
                "propensity": a.propensity,
            }
            for a in attempts.attempts_of(session, row)
        ],
    }


@post("/routing/route", access=Access.MEMBER, status=200)
def dry_run(session: DbRead, desk: Till, data: JSONBody[DryRun]) -> dict[str, Any]:
    """Where a payment would go."""
    facts = {"amount": amount_of(data.amount, data.currency), "currency": data.currency, "method": data.method}
    if any(not 0 <= rate <= 1 for rate in (data.success_rate or {}).values()):
        raise Invalid("A success rate is from 0 to 1.", field="success_rate")
    seen = routing.seen(routing.ask_seen(session, data.method, "", data.currency))
    found = routing.decide(
        desk.merchant,
        acquirers.installed(session, desk.mode),
        facts,
        seen,
        explore=False,
        assumed=data.success_rate,
    )
    chosen = found.order[0] if found.order else None
    return {"chosen": chosen, "rule": found.rule, "candidates": [c.shown() for c in found.candidates], "attempts": []}


routes = [create_payment, payment, capture, refund, why, dry_run]
