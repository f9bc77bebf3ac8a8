"""Pages: the purse, the checkout, the bank's simulated page, the merchant's dashboard. All work without JavaScript."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Response
from sqlalchemy import select

from dodeca.commons.accounts.public import Account, Actor, MaybeActor
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    page_of,
    post,
)
from dodeca.kernel.http.security import PAGE_HEADERS
from dodeca.kernel.money import formatted, parse_decimal
from dodeca.products.payments import flows, links, public
from dodeca.products.payments.acting import Till, desk_of, flow_desk
from dodeca.products.payments.compat.razorpay.pay import check_failed
from dodeca.products.payments.ids import new as new_id
from dodeca.products.payments.models import Attempt, Card, Merchant, Order, Payment, Refund, RoutingDecision
from dodeca.products.payments.service import keys, ledger, methods, paybody, paying, purse, refunds, reports
from dodeca.products.payments.service.desk import Desk, desk_by_id, merchant_of
from dodeca.products.payments.service.inputs import amount_of

TONES = {
    "captured": "good",
    "paid": "good",
    "processed": "good",
    "failed": "bad",
    "refunded": "info",
    "authorized": "warn",
}
CHECKOUT_METHODS = (("card", "Card"), ("upi", "UPI"), ("netbanking", "Netbanking"), ("wallet", "Wallet"))
CARD_FIELDS = ("number", "cvv")


def framed(extra_form_action: str = "") -> dict[str, str]:
    """Headers of the checkout: it may be framed by shops, and may send the payer's browser back to one."""
    policy = PAGE_HEADERS["Content-Security-Policy"].replace("frame-ancestors 'none'", "frame-ancestors *")
    if extra_form_action:
        policy = policy.replace("form-action 'self'", f"form-action 'self' {extra_form_action}")
    return {"Content-Security-Policy": policy, "X-Frame-Options": "ALLOWALL", "Referrer-Policy": "origin"}


# The purse


class DepositForm(ClosedRequest):
    """Money to pay into the purse, in major units."""

    amount: str
    currency: str = "INR"


def show_home(session: ReadSession, call: Call, state: FormState) -> Page:
    """One's purse, history and methods; for a visitor, what payments are."""
    if call.principal is None:
        return Page("payments/pitch.html")
    me = call.principal.account_id
    mine = select(Order, Merchant.name).join(Merchant).where(Order.payer_account_id == me)
    history = session.execute(mine.order_by(Order.created_at.desc(), Order.id.desc()).limit(20)).all()
    return Page(
        "payments/home.html",
        balances=[(c, formatted(b.available, c), b.held) for c, b in purse.balances(session, me, "test").items()],
        history=[
            {
                "what": order.description or f"Payment to {name}",
                "to": name,
                "amount": formatted(order.amount, order.currency),
                "status": order.status,
                "tone": TONES.get(order.status, "neutral"),
                "href": f"/payments/checkout/{order.id}",
                "at": order.created_at,
            }
            for order, name in history
        ],
        methods=methods.methods_of(session, me),
        merchant=merchant_of(session, me),
        form=state.form,
    )


@get("/", access=Access.PUBLIC)
def home(session: DbRead, account: MaybeActor, call: Calling) -> Page:
    """One's purse, or the pitch."""
    return show_home(session, call, FormState())


@post("/purse/deposits", access=Access.MEMBER, status=200, form=show_home)
def deposit(session: DbWrite, account: Actor, data: AnyBody[DepositForm]) -> Redirect:
    """Start paying into one's purse."""
    amount = amount_of(parse_decimal(data.amount, data.currency), data.currency)
    made = public.deposit_order(
        session, account.id, amount, data.currency, f"page:{new_id('dep')}", return_url="/payments/"
    )
    return Redirect(made.checkout_url)


# Checkout


def _order(session: ReadSession, order_id: str) -> tuple[Order, Desk]:
    order = session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order, desk_by_id(session, order.merchant_id, order.mode)


def show_checkout(session: ReadSession, call: Call, state: FormState) -> Page:
    """The checkout of an order, with what was typed, except the card."""
    order, desk = _order(session, call.request.path_params["order_id"])
    method = state.values.get("method") or call.request.query_params.get("method", "card")
    due = order.amount - order.amount_paid
    me = call.principal.account_id if call.principal is not None else None
    available = ledger.balance(session, purse.place(me, order.currency, order.mode)).available if me else 0
    own = order.payee_account_id == me and me is not None
    shown = FormState(
        state.values,
        {_control(name): text for name, text in state.errors.items()},
        state.message,
        state.status,
        {name: values for name, values in state.typed.items() if name not in CARD_FIELDS},
    )
    return Page(
        "payments/checkout.html",
        headers=framed(),
        order=order,
        shop=desk.merchant.name,
        total=formatted(due, order.currency),
        method=method if method in dict(CHECKOUT_METHODS) else "card",
        methods=CHECKOUT_METHODS,
        banks=list(paybody.BANKS.items()),
        wallets=[(name, name.title()) for name in paybody.WALLETS],
        purse=formatted(available, order.currency) if me and not own and available >= due else None,
        form=shown.form,
        paid=order.status == "paid",
        is_test=order.mode == "test",
        query=call.request.scope["query_string"].decode("latin-1"),
    )


def _control(field: str) -> str:
    """The form's control of a field as the service names it."""
    return {
        "card[number]": "number",
        "card[cvv]": "cvv",
        "card[name]": "name",
        "card[expiry_month]": "expiry",
        "card[expiry_year]": "expiry",
    }.get(field, field)


class CheckoutForm(ClosedRequest):
    """What a payer types."""

    method: str = "card"
    email: str = ""
    contact: str = ""
    number: str = ""
    expiry: str = ""
    cvv: str = ""
    name: str = ""
    vpa: str = ""
    bank: str = ""
    wallet: str = ""


@get("/checkout/{order_id:str}", access=Access.PUBLIC)
def checkout(session: DbRead, call: Calling, order_id: FromPath[str]) -> Page:
    """Pay an order."""
    return show_checkout(session, call, FormState())


@post("/checkout/{order_id:str}", access=Access.PUBLIC, status=200, form=show_checkout)
async def pay(call: Calling, order_id: FromPath[str], data: AnyBody[CheckoutForm]) -> Redirect:
    """Take the payment, then on to the bank or the receipt."""
    order, desk = await call.platform.db.aread(lambda session: _order(session, order_id))
    month, _, year = data.expiry.replace(" ", "").partition("/")
    by_purse = data.method == paying.PURSE
    body = {
        "amount": order.amount - order.amount_paid or order.amount,
        "currency": order.currency,
        "order_id": order.id,
        "method": "wallet" if by_purse else data.method,
        "wallet": paying.PURSE if by_purse else data.wallet,
        "bank": data.bank,
        "vpa": data.vpa,
        "email": data.email,
        "contact": data.contact,
        "name": data.name,
        "card": {
            "number": data.number,
            "cvv": data.cvv,
            "expiry_month": month,
            "expiry_year": year,
            "name": data.name,
        },
    }
    me = call.principal.account_id if call.principal is not None else None
    request, card = paybody.read(body, ip=call.address, payer_account_id=me, mail_receipt=True)
    payment_id = await flows.pay(call.platform, desk, request, card)
    return await _onwards(call, payment_id)


async def _onwards(call: Call, payment_id: str) -> Redirect:
    """To the bank's page or the receipt. Raises what a failed payment stands for."""
    payment = await call.platform.db.aread(lambda session: session.get_one(Payment, payment_id))
    check_failed(payment)
    place = "authenticate" if payment.status == "created" else "receipt"
    return Redirect(f"/payments/{place}/{payment_id}/{links.proof(call.platform, payment_id)}")


def show_bank(session: ReadSession, call: Call, state: FormState) -> Page:
    """The bank's simulated page."""
    payment_id = call.request.path_params["payment_id"]
    links.check(call.platform, payment_id, call.request.path_params["proof"])
    payment = session.get_one(Payment, payment_id)
    merchant = session.get_one(Merchant, payment.merchant_id)
    challenge = payment.challenge or {}
    return Page(
        "payments/bank.html",
        headers=framed(),
        payment=payment,
        shop=merchant.name,
        total=formatted(payment.amount, payment.currency),
        kind=challenge.get("kind", "poll"),
        left=paying.OTP_TRIES - int(challenge.get("tries", 0)),
        action=call.request.scope["path"],
        form=state.form,
    )


class BankForm(ClosedRequest):
    """An OTP, or one of the bank's buttons."""

    otp: str = ""
    answer: str = ""


@get("/authenticate/{payment_id:str}/{proof:str}", access=Access.PUBLIC)
def bank(session: DbRead, call: Calling, payment_id: FromPath[str], proof: FromPath[str]) -> Page | Redirect:
    """Where the payer answers the bank; on to the receipt when that is done."""
    page = show_bank(session, call, FormState())
    payment = session.get_one(Payment, payment_id)
    if payment.status != "created":
        return Redirect(f"/payments/receipt/{payment_id}/{proof}", status=302)
    return page


@post("/authenticate/{payment_id:str}/{proof:str}", access=Access.PUBLIC, status=200, form=show_bank)
async def answer_bank(
    call: Calling, payment_id: FromPath[str], proof: FromPath[str], data: AnyBody[BankForm]
) -> Redirect:
    """The payer's answer."""
    links.check(call.platform, payment_id, proof)
    await flows.answer(call.platform, payment_id, data.otp or data.answer)
    return Redirect(f"/payments/receipt/{payment_id}/{proof}")


@get("/receipt/{payment_id:str}/{proof:str}", access=Access.PUBLIC)
def receipt(session: DbRead, call: Calling, payment_id: FromPath[str], proof: FromPath[str]) -> Page:
    """What came of a payment, and the way back to the shop."""
    links.check(call.platform, payment_id, proof)
    payment = session.get_one(Payment, payment_id)
    order = session.get(Order, payment.order_id) if payment.order_id else None
    merchant = session.get_one(Merchant, payment.merchant_id)
    back = payment.callback_url or (order.return_url if order else None)
    fields: dict[str, str] = {}
    if payment.status != "failed" and order is not None:
        fields = {"razorpay_payment_id": payment.id, "razorpay_order_id": order.id}
        signed = keys.payment_signature(session, call.platform, merchant, payment.mode, f"{order.id}|{payment.id}")
        if signed is not None:
            fields["razorpay_signature"] = signed
    outside = urlsplit(back) if back and not back.startswith("/") else None
    origin = f"{outside.scheme}://{outside.netloc}" if outside is not None else ""
    return Page(
        "payments/receipt.html",
        headers=framed(origin),
        payment=payment,
        order=order,
        shop=merchant.name,
        total=formatted(payment.amount, payment.currency),
        back=back,
        fields=fields,
        is_outside=outside is not None,
        card=session.get(Card, payment.card_id) if payment.card_id else None,
    )


# The dashboard


def _line(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "amount": formatted(payment.amount, payment.currency),
        "status": payment.status,
        "tone": TONES.get(payment.status, "neutral"),
        "method": payment.method,
        "email": payment.email,
        "at": payment.created_at,
    }


@get("/dashboard", access=Access.MEMBER)
def dashboard(
    session: DbRead,
    desk: Till,
    account: Actor,
    cursor: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
) -> Page:
    """A merchant's payments, newest first, with the figures of thirty days."""
    statement = desk.owned(Payment)
    if status in TONES:
        statement = statement.where(Payment.status == status)
    page = page_of(session, statement, order=[Payment.created_at, Payment.id], cursor=cursor)
    figures = reports.summary(session, desk, clock.ago(days=30), clock.now())
    totals: dict[str, int] = {}
    for row in figures["by_method"]:
        totals[row["currency"]] = totals.get(row["currency"], 0) + row["volume"]
    tried = sum(row["payments"] for row in figures["by_method"])
    good = sum(row["payments"] * row["success_rate"] for row in figures["by_method"])
    volume = ", ".join(formatted(amount, currency) for currency, amount in totals.items()) or "nothing yet"
    return Page(
        "payments/dashboard.html",
        lines=[_line(p) for p in page.items],
        next_cursor=page.next_cursor,
        chosen=status or "",
        volume=volume,
        success=f"{good / tried:.0%}" if tried else "none yet",
        tried=tried,
        days=[(row["day"], row["volume"] / 100) for row in figures["by_day"] if row["currency"] == "INR"],
        reasons=figures["reasons"],
        mode=desk.mode,
    )


def show_payment(session: ReadSession, call: Call, state: FormState) -> Page:
    """One payment: what happened, where the money went, why that acquirer."""
    desk = desk_of(session, call)
    payment = desk.find(session, Payment, call.request.path_params["payment_id"])
    decision = session.get(RoutingDecision, payment.id)
    rest = payment.amount - payment.amount_refunded
    return Page(
        "payments/payment.html",
        payment=payment,
        line=_line(payment),
        card=session.get(Card, payment.card_id) if payment.card_id else None,
        attempts=_attempts(session, payment),
        decision=decision,
        transfers=[
            {
                "debit": ledger.place_of(t.debit_account_id).code,
                "credit": ledger.place_of(t.credit_account_id).code,
                "amount": formatted(t.amount, t.currency),
                "code": t.code,
                "state": t.state,
            }
            for t in ledger.transfers_of(session, payment.id)
        ],
        refunds=[(r, formatted(r.amount, r.currency)) for r in refunds.refunds_of(session, desk, payment)],
        fee=formatted(payment.fee, payment.currency) if payment.fee is not None else None,
        rest=formatted(rest, payment.currency),
        can_refund=payment.status == "captured" and rest > 0,
        form=state.form,
    )


def _attempts(session: ReadSession, payment: Payment) -> list[Attempt]:
    return paying.attempts_of(session, payment)


class RefundForm(ClosedRequest):
    """An amount in major units; empty for the rest."""

    amount: str = ""


class NoForm(ClosedRequest):
    """A button."""


@get("/dashboard/payments/{payment_id:str}", access=Access.MEMBER)
def payment_page(session: DbRead, call: Calling, account: Actor, payment_id: FromPath[str]) -> Page:
    """One payment."""
    return show_payment(session, call, FormState())


@post("/dashboard/payments/{payment_id:str}/capture", access=Access.MEMBER, status=200, form=show_payment)
async def capture_page(call: Calling, payment_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """Capture."""
    await flows.capture(call.platform, await flow_desk(call), payment_id, None, None)
    return Redirect(f"/payments/dashboard/payments/{payment_id}", toast="Captured.")


@post("/dashboard/payments/{payment_id:str}/refund", access=Access.MEMBER, status=200, form=show_payment)
async def refund_page(call: Calling, payment_id: FromPath[str], data: AnyBody[RefundForm]) -> Redirect:
    """Refund."""
    desk = await flow_desk(call)

    def begin(session: WriteSession) -> Refund:
        currency = desk.find(session, Payment, payment_id).currency
        amount = amount_of(parse_decimal(data.amount, currency), currency, least=1) if data.amount.strip() else None
        return refunds.begin(session, desk, payment_id, amount)

    await flows.refund(call.platform, begin)
    return Redirect(f"/payments/dashboard/payments/{payment_id}", toast="Refund made.")


def show_developers(session: ReadSession, call: Call, state: FormState, made: tuple[str, str] | None = None) -> Page:
    """Keys, a snippet for a website, and where the API is."""
    desk = desk_of(session, call)
    key = keys.signing_key(session, desk.merchant, "test") if desk.merchant.id != "acc_none" else None
    return Page(
        "payments/developers.html",
        made=made,
        key_id=made[0] if made else key.id if key else None,
        base=call.platform.url("/payments"),
        form=state.form,
        merchant=desk.merchant,
    )


@get("/dashboard/developers", access=Access.MEMBER)
def developers(session: DbRead, call: Calling, account: Actor) -> Page:
    """For those who build with it."""
    return show_developers(session, call, FormState())


def _form_developers(session: ReadSession, call: Call, state: FormState) -> Page:
    return show_developers(session, call, state)


@post("/dashboard/developers/keys", access=Access.MEMBER, status=200, form=_form_developers)
def make_key(session: DbWrite, call: Calling, account: Actor, data: AnyBody[NoForm]) -> Page:
    """Make a test key; its secret is shown this once."""
    if call.member().via == "key":
        raise Invalid("A key cannot make keys.")
    desk_of(session, call)
    key, secret = keys.make(session, call.platform, account, "test")
    return show_developers(session, call, FormState(), (key.id, secret))


@get("/v1/checkout.js", access=Access.PUBLIC)
async def checkout_js(call: Calling) -> Response[bytes]:
    """The script that shops include: it opens the checkout over their page."""
    asset = call.platform.assets.asset("payments/checkout.js")
    headers = {"Cache-Control": "public, max-age=300", "Content-Type": "text/javascript; charset=utf-8"}
    return Response(asset.body, headers=headers)


routes = [
    home,
    deposit,
    checkout,
    pay,
    bank,
    answer_bank,
    receipt,
    dashboard,
    payment_page,
    capture_page,
    refund_page,
    developers,
    make_key,
    checkout_js,
]
__all__ = ["Account", "routes"]
