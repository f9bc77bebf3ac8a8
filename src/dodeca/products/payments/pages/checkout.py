"""The checkout: of an order, a payment link, an invoice, a subscription; the bank's simulated page; the receipt.

All of it works without JavaScript. Inside a shop's page (`checkout.js`) it runs in a frame, and the receipt tells that
page what came of it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.money import decimal_text, formatted, parse_decimal
from dodeca.products.payments import flows, links
from dodeca.products.payments.acting import maybe_acting
from dodeca.products.payments.banks import BANKS, WALLETS
from dodeca.products.payments.framing import framed, is_framed
from dodeca.products.payments.models import Card, Invoice, Merchant, Order, Payment
from dodeca.products.payments.pages.common import asked, carried
from dodeca.products.payments.service import (
    attempts,
    billing,
    invoices,
    ledger,
    merchants,
    orders,
    paybody,
    payment_links,
    purse,
    returning,
    subscriptions,
)
from dodeca.products.payments.service.billing import First
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.steps import PURSE

CHECKOUT_METHODS = (("card", "Card"), ("upi", "UPI"), ("netbanking", "Netbanking"), ("wallet", "Wallet"))
CARD_FIELDS = ("number", "cvv")
EXPIRY = re.compile(r"\s*(\d{1,2}?)\s*[/. -]?\s*(\d{2}|\d{4})\s*")
"""A month and a year. Telephones show digits alone for this field, so the stroke may be missing."""
CONTROLS = {
    "card[number]": "number",
    "card[cvv]": "cvv",
    "card[name]": "name",
    "card[expiry_month]": "expiry",
    "card[expiry_year]": "expiry",
}
"""The form's controls of fields as the service names them."""


class CheckoutForm(ClosedRequest):
    """What a payer types."""

    method: str = "card"
    amount: str = ""
    email: str = ""
    contact: str = ""
    number: str = ""
    expiry: str = ""
    cvv: str = ""
    name: str = ""
    vpa: str = ""
    bank: str = ""
    wallet: str = ""


def _order(session: ReadSession, order_id: str) -> tuple[Order, Desk]:
    order = session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order, desk_by_id(session, order.merchant_id, order.mode)


def _page(session: ReadSession, call: Call, state: FormState, desk: Desk, due: int, currency: str, **more: Any) -> Page:
    """The checkout page, with what was typed, except the card."""
    query, offered = call.request.query_params, more.pop("offered", CHECKOUT_METHODS)
    method = state.values.get("method") or query.get("method", "card")
    typed = {name: values for name, values in state.typed.items() if name not in CARD_FIELDS}
    for name in ("email", "contact", "name"):
        if name not in typed and asked(call, name):
            typed[name] = [asked(call, name) or ""]
    payer = None if "email" in typed else maybe_acting(session, call)
    if payer is not None and payer.email:
        typed["email"] = [payer.email]
    errors = {CONTROLS.get(name, name): text for name, text in state.errors.items()}
    shown = FormState(state.values, errors, state.message, state.status, typed)
    return Page(
        "payments/checkout.html",
        headers=framed(),
        **{
            "shop": desk.merchant.name,
            "total": formatted(due, currency),
            "due": decimal_text(due, currency),
            "currency": currency,
            "method": method if method in dict(offered) else "card",
            "banks": list(BANKS.items()),
            "wallets": [(name, name.title()) for name in WALLETS],
            "form": shown.form,
            "is_test": desk.mode == "test",
            "action": call.request.scope["path"] + carried(call, "method", "email", "contact", "name"),
            "tabs": [(n, text, carried(call, "method") + ("&" if carried(call, "method") else "?") + f"method={n}")
                     for n, text in offered],
            "agreement": None,
            "purse": None,
            "closed": None,
            "sign_in": _sign_in(call),
            "partial": None,
            "failed": _failure(session, state, more.get("order")),
            **more,
        },
    )  # fmt: skip


def _sign_in(call: Call) -> str | None:
    """Where somebody signs in and comes back; not inside a shop's page, where nobody should type a password."""
    if call.principal is not None or asked(call, "embedded"):
        return None
    return "/login?" + urlencode({"next": call.request.scope["path"] + carried(call)})


def _failure(session: ReadSession, state: FormState, order: Order | None) -> dict[str, Any] | None:
    """The payment that was just refused, for the shop's page around this one."""
    if state.status not in (402, 502) or order is None:
        return None
    tries = orders.payments_of(session, desk_by_id(session, order.merchant_id, order.mode), order)
    return None if not tries or tries[0].error is None else {**tries[0].error, "payment_id": tries[0].id}


def show_checkout(session: ReadSession, call: Call, state: FormState) -> Page:
    """The checkout of an order."""
    order, desk = _order(session, call.request.path_params["order_id"])
    due = order.amount - order.amount_paid
    me = call.principal.account_id if call.principal is not None else None
    available = ledger.balance(session, purse.place(me, order.currency, order.mode)).available if me else 0
    own = order.payee_account_id == me and me is not None
    least = order.first_payment_min_amount if order.amount_paid == 0 else None
    agrees = order.source == orders.REGISTRATION
    return _page(
        session,
        call,
        state,
        desk,
        due or order.amount,
        order.currency,
        order=order,
        offered=CHECKOUT_METHODS[:2] if agrees or order.source == "subscription" else CHECKOUT_METHODS,
        agreement=f"By paying you agree that {desk.merchant.name} may charge you here again." if agrees else None,
        what=order.description,
        number=order.id,
        lines=_lines(session, order),
        purse=formatted(available, order.currency) if me and not own and available >= due else None,
        closed=_closed(session, order),
        partial={"least": formatted(least, order.currency) if least else None} if order.partial_payment else None,
    )


def _lines(session: ReadSession, order: Order) -> list[dict[str, Any]]:
    """The lines of the invoice that an order is for."""
    if order.source not in ("invoice", "subscription", orders.REGISTRATION):
        return []
    invoice = session.get(Invoice, order.source_id)
    return [
        {"name": x["name"], "quantity": x["quantity"], "amount": formatted(x["amount"] * x["quantity"], x["currency"])}
        for x in (invoice.lines if invoice is not None else [])
    ]


def _closed(session: ReadSession, order: Order) -> tuple[str, str] | None:
    """Why nothing can be paid any more: a heading and a sentence."""
    if order.status == "paid":
        return "This is paid", "Nothing is left to pay."
    if not orders.is_over(order):
        return None
    link = payment_links.of_order(session, order)
    if link is not None and link.status == "cancelled":
        return "This link was cancelled", "Ask the shop for a new one."
    return "This has expired", "Ask the shop for a new link."


@get("/checkout/{order_id:str}", access=Access.PUBLIC)
def checkout(session: DbRead, call: Calling, order_id: FromPath[str]) -> Page:
    """Pay an order."""
    return show_checkout(session, call, FormState())


@post("/checkout/{order_id:str}", access=Access.PUBLIC, status=200, form=show_checkout)
async def pay(call: Calling, order_id: FromPath[str], data: AnyBody[CheckoutForm]) -> Redirect:
    """Take the payment, then on to the bank or the receipt."""

    def look(session: ReadSession) -> tuple[Order, Desk, Invoice | None]:
        order, desk = _order(session, order_id)
        return order, desk, session.get(Invoice, order.source_id) if order.source == "subscription" else None

    order, desk, invoice = await call.platform.db.aread(look)
    amount = order.amount - order.amount_paid or order.amount
    if order.partial_payment and data.amount.strip():
        amount = parse_decimal(data.amount, order.currency)
    more: dict[str, Any] = {}
    if invoice is not None:
        more = {"subscription_id": invoice.subscription_id, "invoice_id": invoice.id}
    return await _take(call, desk, data, amount, order.currency, order.id, more)


async def _take(
    call: Call, desk: Desk, data: CheckoutForm, amount: int, currency: str, order_id: str | None, more: dict[str, Any]
) -> Redirect:
    expiry = EXPIRY.fullmatch(data.expiry)
    month, year = expiry.groups() if expiry is not None else (data.expiry, "")
    by_purse = data.method == PURSE
    body = {
        "amount": amount,
        "currency": currency,
        "order_id": order_id,
        "method": "wallet" if by_purse else data.method,
        "wallet": PURSE if by_purse else data.wallet,
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
    back = orders.return_url(asked(call, "callback_url"))
    request, card = paybody.read(
        body, ip=call.address, payer_account_id=me, mail_receipt=True, callback_url=back, **more
    )
    payment_id = await flows.pay(call.platform, desk, request, card)
    payment = await call.platform.db.aread(lambda session: session.get_one(Payment, payment_id))
    returning.check_failed(payment)
    place = "authenticate" if payment.status == "created" else "receipt"
    rest = carried(call, "method", "email", "contact", "name", "callback_url")
    return Redirect(f"/payments/{place}/{payment_id}/{links.proof(call.platform, payment_id)}{rest}")


# Short addresses


@get("/l/{code:str}", access=Access.PUBLIC)
def link(session: DbRead, call: Calling, code: FromPath[str]) -> Redirect:
    """A payment link: on to its checkout."""
    row = payment_links.by_code(session, code)
    return Redirect(f"/payments/checkout/{row.order_id}{carried(call)}", status=302)


@get("/i/{code:str}", access=Access.PUBLIC)
def invoice(session: DbRead, call: Calling, code: FromPath[str]) -> Redirect:
    """An invoice: on to its checkout."""
    row = invoices.by_code(session, code)
    return Redirect(f"/payments/checkout/{row.order_id}{carried(call)}", status=302)


def show_subscription(session: ReadSession, call: Call, state: FormState) -> Page:
    """The checkout of a subscription."""
    row = subscriptions.by_code(session, call.request.path_params["code"])
    desk = desk_by_id(session, row.merchant_id, row.mode)
    terms = subscriptions.terms_of(session, row)
    amount, currency = billing.first_amount(session, row)
    is_open = row.status in ("created", "pending", "halted")
    every = terms.plan.period if terms.plan.interval == 1 else f"every {terms.plan.interval} × {terms.plan.period}"
    price = f"{formatted(terms.total, terms.item.currency)} {every}, {row.total_count} times"
    if row.start_at is not None and row.status == "created":
        price += f", from {row.start_at:%d %B %Y}"
    return _page(
        session,
        call,
        state,
        desk,
        amount,
        currency,
        order=None,
        what=terms.item.name,
        number=row.id,
        lines=[],
        agreement=price,
        offered=CHECKOUT_METHODS[:2],
        closed=None if is_open else ("Nothing to do", f"This subscription is {row.status}."),
    )


@get("/s/{code:str}", access=Access.PUBLIC)
def subscription(session: DbRead, call: Calling, code: FromPath[str]) -> Page:
    """Agree to a subscription."""
    return show_subscription(session, call, FormState())


@post("/s/{code:str}", access=Access.PUBLIC, status=200, form=show_subscription)
async def agree(call: Calling, code: FromPath[str], data: AnyBody[CheckoutForm]) -> Redirect:
    """Take a subscription's first payment."""

    def prepare(session: WriteSession) -> tuple[First, Desk]:
        row = subscriptions.by_code(session, code)
        return billing.prepare_first(session, row.id), desk_by_id(session, row.merchant_id, row.mode)

    first, desk = await call.platform.db.awrite(prepare)
    more: dict[str, Any] = {"subscription_id": first.subscription_id, "invoice_id": first.invoice_id}
    more["capture"] = first.order_id is not None
    return await _take(call, desk, data, first.amount, first.currency, first.order_id, more)


# The bank


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
        is_framed=is_framed(call),
        payment=payment,
        shop=merchant.name,
        total=formatted(payment.amount, payment.currency),
        kind=challenge.get("kind", "poll"),
        left=attempts.OTP_TRIES - int(challenge.get("tries", 0)),
        action=call.request.scope["path"] + carried(call),
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
        return Redirect(f"/payments/receipt/{payment_id}/{proof}{carried(call)}", status=302)
    return page


@post("/authenticate/{payment_id:str}/{proof:str}", access=Access.PUBLIC, status=200, form=show_bank)
async def answer_bank(
    call: Calling, payment_id: FromPath[str], proof: FromPath[str], data: AnyBody[BankForm]
) -> Redirect:
    """The payer's answer."""
    links.check(call.platform, payment_id, proof)
    await flows.answer(call.platform, payment_id, data.otp or data.answer)
    return Redirect(f"/payments/receipt/{payment_id}/{proof}{carried(call)}")


@get("/receipt/{payment_id:str}/{proof:str}", access=Access.PUBLIC)
def receipt(session: DbRead, call: Calling, payment_id: FromPath[str], proof: FromPath[str]) -> Page:
    """What came of a payment, and the way back to the shop."""
    links.check(call.platform, payment_id, proof)
    payment = session.get_one(Payment, payment_id)
    order = session.get(Order, payment.order_id) if payment.order_id else None
    merchant = session.get_one(Merchant, payment.merchant_id)
    agreed = returning.subscription_of(session, payment)
    back, method = returning.place_of(session, payment)
    outside = urlsplit(back) if back and not back.startswith("/") else None
    again = f"/payments/checkout/{order.id}" if order else f"/payments/s/{agreed.code}" if agreed else None
    return Page(
        "payments/receipt.html",
        headers=framed(f"{outside.scheme}://{outside.netloc}" if outside is not None else ""),
        payment=payment,
        order=order,
        shop=merchant.name,
        reached={way: merchant.profile.get(way) for way in merchants.REACHED} if merchant.profile else None,
        total=formatted(payment.amount, payment.currency),
        back=back,
        back_method=method,
        fields=returning.fields_of(session, call.platform, payment, asked(call, "key")),
        is_outside=outside is not None,
        file=f"/payments/receipt/{payment.id}/{proof}/pdf" if payment.captured_at is not None else None,
        agreed=agreed,
        framed=asked(call, "embedded"),
        again=again + carried(call) if again else None,
        card=session.get(Card, payment.card_id) if payment.card_id else None,
    )


routes = [checkout, pay, link, invoice, subscription, agree, bank, answer_bank, receipt]
