"""Orders, payments, refunds."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.money import decimal_text
from dodeca.products.payments import entities, flows, links
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.requests import Context
from dodeca.products.payments.models import Card, Order, Payment, Refund, Subscription, Token
from dodeca.products.payments.service import billing, downtimes, orders, paybody, refunds, returning, splits
from dodeca.products.payments.service.inputs import LONGEST_RECEIPT, amount_of, flag_of, notes_of, number_of, text_of
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.paying import PayRequest


def listed(session: ReadSession, ctx: Context, model: Any, show: Any, *where: Any) -> dict[str, Any]:
    """A page of a merchant's rows, newest first."""
    count, skip, start, end = ctx.page()
    statement = ctx.desk.owned(model).where(*where)
    if start is not None:
        statement = statement.where(model.created_at >= start)
    if end is not None:
        statement = statement.where(model.created_at <= end)
    statement = statement.order_by(model.created_at.desc(), model.id.desc()).offset(skip).limit(count)
    return entities.collection([show(row) for row in session.scalars(statement)])


# Orders


@call("POST", "/orders", "write")
def create_order(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make an order."""
    body = ctx.body
    currency = str(body.get("currency") or "INR")
    payment = body.get("payment")
    capture, expiry = None, None
    if isinstance(payment, dict):
        capture = text_of(payment.get("capture"), "payment[capture]", 10)
        if capture not in (None, "automatic", "manual"):
            raise Invalid("payment.capture is automatic or manual.", field="payment[capture]")
        options = payment.get("capture_options")
        if isinstance(options, dict):
            expiry = number_of(options.get("manual_expiry_period"), "manual_expiry_period", 1, 7200)
    if "payment_capture" in body:
        capture = "automatic" if flag_of(body["payment_capture"], "payment_capture") else "manual"
    least = body.get("first_payment_min_amount")
    request = OrderRequest(
        amount=amount_of(body.get("amount"), currency),
        currency=currency,
        receipt=text_of(body.get("receipt"), "receipt", LONGEST_RECEIPT),
        notes=notes_of(body.get("notes")),
        capture=capture,
        manual_expiry_period=expiry,
        partial_payment=flag_of(body.get("partial_payment"), "partial_payment"),
        first_payment_min_amount=amount_of(least, currency, field="first_payment_min_amount") if least else None,
        customer_id=text_of(body.get("customer_id"), "customer_id", 40),
    )
    return entities.order(orders.create(session, ctx.desk, request))


@call("GET", "/orders", "read")
def list_orders(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Orders, by receipt where one is given, with their payments where they are asked for."""
    where = []
    if ctx.query.get("receipt"):
        where.append(Order.receipt == str(ctx.query["receipt"]))
    if ctx.query.get("authorized") not in (None, ""):
        paid = select(Payment.order_id).where(Payment.authorized_at.is_not(None), Payment.order_id == Order.id).exists()
        where.append(paid if flag_of(ctx.query["authorized"], "authorized") else ~paid)
    found = listed(session, ctx, Order, entities.order, *where)
    if ctx.expands("payments") or ctx.expands("payments.card"):
        tries = orders.payments_of_all(session, ctx.desk, [order["id"] for order in found["items"]])
        for order in found["items"]:
            order["payments"] = entities.collection([shown(session, p) for p in tries.get(order["id"], ())])
    return found


@call("GET", "/orders/{}", "read")
def fetch_order(session: ReadSession, ctx: Context, order_id: str) -> dict[str, Any]:
    """One order, with its payments where they are asked for."""
    order = ctx.desk.find(session, Order, order_id)
    found = entities.order(order)
    if ctx.expands("payments") or ctx.expands("payments.card"):
        tries = orders.payments_of(session, ctx.desk, order)
        found["payments"] = entities.collection([shown(session, p) for p in tries])
    return found


@call("PATCH", "/orders/{}", "write")
def edit_order(session: WriteSession, ctx: Context, order_id: str) -> dict[str, Any]:
    """Replace the notes."""
    order = ctx.desk.lock(session, Order, order_id)
    order.notes = notes_of(ctx.body.get("notes"))
    return entities.order(order)


@call("GET", "/orders/{}/payments", "read")
def order_payments(session: ReadSession, ctx: Context, order_id: str) -> dict[str, Any]:
    """All tries to pay an order."""
    order = ctx.desk.find(session, Order, order_id)
    return entities.collection([shown(session, p) for p in orders.payments_of(session, ctx.desk, order)])


def shown(session: ReadSession, row: Payment) -> dict[str, Any]:
    """A payment with its card."""
    return entities.payment(row, session.get(Card, row.card_id) if row.card_id else None)


# Payments


@call("GET", "/payments", "read")
def list_payments(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Payments."""
    with_card = ctx.expands("card")
    return listed(session, ctx, Payment, lambda p: shown(session, p) if with_card else entities.payment(p))


@call("GET", "/payments/downtimes", "read")
def list_downtimes(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Methods that no acquirer takes now, or took lately."""
    return entities.collection([entities.downtime(row) for row in downtimes.listed(session, ctx.mode)])


@call("GET", "/payments/downtimes/{}", "read")
def fetch_downtime(session: ReadSession, ctx: Context, downtime_id: str) -> dict[str, Any]:
    """One of them."""
    return entities.downtime(downtimes.downtime(session, ctx.mode, downtime_id))


@call("POST", "/payments/create/json", "flow")
async def create_json(ctx: Context) -> dict[str, Any]:
    """Server to server: the card goes through the merchant's server."""
    return await _pay(ctx)


@call("POST", "/payments/create/ajax", "flow", public=True)
async def create_ajax(ctx: Context) -> dict[str, Any]:
    """From the payer's browser, with the key's id alone."""
    return await _pay(ctx)


@call("POST", "/payments/create/upi", "flow")
async def create_upi(ctx: Context) -> dict[str, Any]:
    """A UPI payment: collect asks the address, intent gives a link to open in the payer's app."""
    ctx.body["method"] = "upi"
    upi = ctx.body.get("upi")
    flow = upi if isinstance(upi, dict) else {}
    intent = flow.get("flow") == "intent"
    if intent and not (flow.get("vpa") or ctx.body.get("vpa")):
        ctx.body["vpa"] = "success@razorpay"
    made = await _pay(ctx)
    found: dict[str, Any] = {"razorpay_payment_id": made["razorpay_payment_id"]}
    if intent:
        found["link"] = await ctx.platform.db.aread(partial(_upi_link, ctx, found["razorpay_payment_id"]))
    return found


def _upi_link(ctx: Context, payment_id: str, session: ReadSession) -> str:
    """What opens a payer's UPI app: NPCI's "UPI Linking Specifications"."""
    desk = ctx.till(session)
    payment = desk.find(session, Payment, payment_id)
    sum_of = {"am": decimal_text(payment.amount, payment.currency), "cu": payment.currency}
    to = {"pa": "dodeca@razorpay", "pn": desk.merchant.name, "tr": payment.id}
    return f"upi://pay?{urlencode(to | sum_of, quote_via=quote, safe='@')}"


@call("POST", "/payments/create/recurring", "flow")
async def create_recurring(ctx: Context) -> dict[str, Any]:
    """Charge a customer's token without the customer."""
    customer_id = text_of(ctx.body.get("customer_id"), "customer_id", 40)
    token_id = text_of(ctx.body.get("token"), "token", 40)

    def find(session: ReadSession) -> Token:
        token = ctx.till(session).find(session, Token, token_id or "")
        if token.customer_id != customer_id or token.status != "active":
            raise NotFound("The id provided does not exist", field="token")
        return token

    token = await ctx.platform.db.aread(find)
    body = {**ctx.body, "method": token.method, "vpa": token.vpa}
    more = {"kept_card_id": token.card_id, "token_id": token.id, "recurring": True, "capture": True}
    request, _card = paybody.read(body, ip=ctx.address, **more)
    return await _paid(ctx, request)


async def _pay(ctx: Context) -> dict[str, Any]:
    wanted = text_of(ctx.body.get("subscription_id"), "subscription_id", 40)
    more: dict[str, Any] = {}
    if wanted is not None:

        def prepare(session: WriteSession) -> billing.First:
            ctx.till(session).find(session, Subscription, wanted)
            return billing.prepare_first(session, wanted)

        first = await ctx.platform.db.awrite(prepare)
        ctx.body |= {"order_id": first.order_id}
        more = {"subscription_id": wanted, "invoice_id": first.invoice_id, "capture": first.order_id is not None}
    request, card = paybody.read(ctx.body, ip=ctx.address, **more)
    return await _paid(ctx, request, card)


async def _paid(ctx: Context, request: PayRequest, card: CardData | None = None) -> dict[str, Any]:
    """The three fields of a success, or what to do next. Raises PaymentRequired or Upstream for a failed payment."""
    payment, found = await flows.paid(
        ctx.platform,
        partial(ctx.till, order_id=request.order_id),
        ctx.mode,
        request,
        card,
        show=lambda session, payment: (payment, _came_of(session, ctx, payment)),
    )
    returning.check_failed(payment)
    return found


def _came_of(session: ReadSession, ctx: Context, payment: Payment) -> dict[str, Any]:
    if payment.status == "created":
        action = "redirect"
        kind = (payment.challenge or {}).get("kind")
        steps = [{"action": "redirect", "url": links.authenticate(ctx.platform, payment.id)}]
        if kind == "otp":
            url = ctx.platform.url(f"/payments/v1/payments/{payment.id}/otp_generate")
            steps.insert(0, {"action": "otp_generate", "url": url})
        elif kind != action:
            url = ctx.platform.url(f"/payments/v1/payments/{payment.id}")
            steps = [{"action": "poll", "url": url}]
        card = session.get(Card, payment.card_id) if payment.card_id else None
        metadata = {} if card is None else {"network": card.network, "last4": card.last4, "iin": card.bin}
        return {"razorpay_payment_id": payment.id, "next": steps, "metadata": metadata}
    return three_fields(session, ctx, payment)


def three_fields(session: ReadSession, ctx: Context, payment: Payment) -> dict[str, Any]:
    """What the payer's browser brings back to the merchant, signed."""
    return returning.fields_of(session, ctx.platform, payment, ctx.key_id, ctx.secret)


@call("POST", "/payments/validate/vpa", "read", public=True)
def validate_vpa(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Whether a UPI address could be one."""
    vpa = text_of(ctx.body.get("vpa"), "vpa", 100) or ""
    name, at, handle = vpa.partition("@")
    if not (name and at and handle.isalnum()):
        raise Invalid("Invalid VPA. Please enter a valid Virtual Payment Address", field="vpa")
    return {"vpa": vpa, "success": True, "customer_name": None}


@call("POST", "/payments/{}/otp_generate", "read", public=True)
@call("POST", "/payments/{}/otp/resend", "read", public=True)
def otp_generate(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """The bank sends an OTP (it is simulated: any of 4 to 10 digits)."""
    payment = ctx.desk.find(session, Payment, payment_id)
    if payment.status != "created" or (payment.challenge or {}).get("kind") != "otp":
        raise Conflict("This payment does not wait for an OTP.")
    url = ctx.platform.url(f"/payments/v1/payments/{payment.id}/otp/submit")
    return {
        "next": ["otp_submit", "otp_resend"],
        "razorpay_payment_id": payment.id,
        "metadata": {"submit_url": url},
    }


@call("POST", "/payments/{}/otp/submit", "flow", public=True)
async def otp_submit(ctx: Context, payment_id: str) -> dict[str, Any]:
    """The payer's OTP."""
    await ctx.platform.db.aread(lambda session: ctx.till(session).find(session, Payment, payment_id))
    await flows.answer(ctx.platform, payment_id, str(ctx.body.get("otp", "")))

    def answered(session: ReadSession) -> tuple[Payment, dict[str, Any]]:
        payment = ctx.till(session).find(session, Payment, payment_id)
        return payment, _came_of(session, ctx, payment)

    payment, found = await ctx.platform.db.aread(answered)
    returning.check_failed(payment)
    return found


@call("POST", "/payments", "flow")
async def create_payment(ctx: Context) -> dict[str, Any]:
    """The brief's body; answers the payment's id and what is next."""
    made = await _pay(ctx)
    payment_id = made["razorpay_payment_id"]
    status = await ctx.platform.db.aread(lambda s: s.get_one(Payment, payment_id).status)
    return {"id": payment_id, "payment_id": payment_id, "status": status, "next": made.get("next", [])}


@call("GET", "/payments/{}", "read")
def fetch_payment(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """One payment."""
    return shown(session, ctx.desk.find(session, Payment, payment_id))


@call("PATCH", "/payments/{}", "write")
def edit_payment(session: WriteSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """Replace the notes."""
    payment = ctx.desk.lock(session, Payment, payment_id)
    payment.notes = notes_of(ctx.body.get("notes"))
    return shown(session, payment)


@call("GET", "/payments/{}/card", "read")
def payment_card(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """The card of a payment."""
    payment = ctx.desk.find(session, Payment, payment_id)
    if payment.card_id is None:
        raise Invalid("The payment was not made with a card.", field="id")
    return entities.card(session.get_one(Card, payment.card_id))


@call("GET", "/payments/{}/refunds", "read")
def payment_refunds(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """A payment's refunds."""
    payment = ctx.desk.find(session, Payment, payment_id)
    return listed(session, ctx, Refund, entities.refund, Refund.payment_id == payment.id)


@call("GET", "/payments/{}/transfers", "read")
def payment_transfers(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """What others were given of a payment: shops sell through other products of this installation."""
    payment = ctx.desk.find(session, Payment, payment_id)
    return entities.collection([entities.transfer(*share) for share in splits.of_payment(session, payment.id)])


@call("GET", "/payments/{}/refunds/{}", "read")
def payment_refund(session: ReadSession, ctx: Context, payment_id: str, refund_id: str) -> dict[str, Any]:
    """One refund of a payment."""
    refund = ctx.desk.find(session, Refund, refund_id)
    if refund.payment_id != payment_id:
        raise NotFound("The id provided does not exist", field="id")
    return entities.refund(refund)


@call("POST", "/payments/{}/capture", "flow")
async def capture_payment(ctx: Context, payment_id: str) -> dict[str, Any]:
    """Capture, whole. `amount` may be an object of amount and currency."""
    amount, currency = ctx.body.get("amount"), ctx.body.get("currency")
    given = amount if isinstance(amount, dict) else {}
    if given:
        amount, currency = given.get("amount"), given.get("currency", currency)
    wanted = str(currency or "INR")
    whole = amount_of(amount, wanted, least=1) if amount is not None else None
    named = str(currency) if currency else None
    till = partial(ctx.till, payment_id=payment_id)
    return await flows.captured(ctx.platform, till, payment_id, whole, named, show=shown)


@call("POST", "/payments/{}/refund", "flow")
async def refund_payment(ctx: Context, payment_id: str) -> dict[str, Any]:
    """Refund a payment, or a part."""
    return await _refund(ctx, payment_id)


@call("POST", "/refunds", "flow")
async def create_refund(ctx: Context) -> dict[str, Any]:
    """The same, with the payment in the body."""
    return await _refund(ctx, str(ctx.body.get("payment_id") or ""))


async def _refund(ctx: Context, payment_id: str) -> dict[str, Any]:
    body = ctx.body
    raw = body.get("amount")
    speed = str(body.get("speed") or "normal")
    if speed not in ("normal", "optimum", "instant"):
        raise Invalid("The speed is normal or optimum.", field="speed")
    receipt, notes = text_of(body.get("receipt"), "receipt", LONGEST_RECEIPT), notes_of(body.get("notes"))
    reverses = flag_of(body.get("reverse_all", True), "reverse_all")

    def begin(session: WriteSession) -> Refund:
        payment = ctx.till(session, payment_id=payment_id).find(session, Payment, payment_id)
        amount = amount_of(raw, payment.currency, least=1) if raw not in (None, "") else None
        more: dict[str, Any] = {"notes": notes, "receipt": receipt, "speed": speed, "reverses": reverses}
        return refunds.begin(session, ctx.desk, payment_id, amount, **more)

    return entities.refund(await flows.refund(ctx.platform, begin))


@call("GET", "/refunds", "read")
def list_refunds(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Refunds."""
    return listed(session, ctx, Refund, entities.refund)


@call("GET", "/refunds/{}", "read")
def fetch_refund(session: ReadSession, ctx: Context, refund_id: str) -> dict[str, Any]:
    """One refund."""
    return entities.refund(ctx.desk.find(session, Refund, refund_id))


@call("PATCH", "/refunds/{}", "write")
def edit_refund(session: WriteSession, ctx: Context, refund_id: str) -> dict[str, Any]:
    """Replace the notes."""
    refund = ctx.desk.lock(session, Refund, refund_id)
    refund.notes = notes_of(ctx.body.get("notes"))
    return entities.refund(refund)
