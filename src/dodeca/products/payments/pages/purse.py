"""The payer's own pages: purse, history, methods, subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from dodeca.commons.accounts import public as accounts
from dodeca.commons.accounts.public import Actor, MaybeActor
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound
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
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.money import formatted, parse_decimal
from dodeca.products.payments import public
from dodeca.products.payments.ids import new as new_id
from dodeca.products.payments.models import Merchant, Order, Subscription
from dodeca.products.payments.pages.common import TONES, NoForm
from dodeca.products.payments.service import guests, methods, purse, subscriptions
from dodeca.products.payments.service.desk import desk_by_id, merchant_of
from dodeca.products.payments.service.inputs import amount_of

LATEST = 20


class DepositForm(ClosedRequest):
    """Money to pay into the purse, in major units."""

    amount: str
    currency: str = "INR"


class GiftForm(ClosedRequest):
    """Money of the purse for somebody, in major units."""

    to: str
    amount: str
    currency: str = "INR"


class WithdrawalForm(ClosedRequest):
    """Money of the purse for a bank account: an IBAN, or a number and IFSC."""

    amount: str
    name: str
    account_number: str
    ifsc: str = ""
    currency: str = "INR"


def show_home(session: ReadSession, call: Call, state: FormState) -> Page:
    """One's purse, history, subscriptions and methods; for a visitor, what payments are."""
    if call.principal is None:
        return Page("payments/pitch.html")
    me = call.principal.account_id
    return Page(
        "payments/home.html",
        balances=[(c, formatted(b.available, c), b.held) for c, b in purse.balances(session, me, "test").items()],
        history=_history(session, me),
        subscriptions=[_subscription(session, row) for row in subscriptions.mine(session, me)[:LATEST]],
        methods=methods.methods_of(session, me),
        merchant=merchant_of(session, me),
        form=state.form,
    )


def _history(session: ReadSession, me: str) -> list[dict[str, Any]]:
    """Orders of other products and what was paid at checkouts, newest first."""
    mine = (
        select(Order, Merchant.name)
        .join(Merchant)
        .where((Order.payer_account_id == me) | Order.id.in_(guests.orders_paid_by(me)))
        .order_by(Order.created_at.desc(), Order.id.desc())
        .limit(LATEST)
    )
    return [
        {
            "what": order.description or f"Payment to {name}",
            "to": name,
            "amount": formatted(order.amount, order.currency),
            "status": order.status,
            "tone": TONES.get(order.status, "neutral"),
            "href": f"/payments/checkout/{order.id}",
            "at": order.created_at,
        }
        for order, name in session.execute(mine)
    ]


def _subscription(session: ReadSession, row: Subscription) -> dict[str, Any]:
    terms = subscriptions.terms_of(session, row)
    every = f"every {terms.plan.interval} " if terms.plan.interval > 1 else ""
    return {
        "id": row.id,
        "what": terms.item.name,
        "to": session.get_one(Merchant, row.merchant_id).name,
        "price": f"{formatted(terms.total, terms.item.currency)} {every}{terms.plan.period}",
        "status": row.status,
        "tone": TONES.get(row.status, "neutral"),
        "next": row.charge_at,
        "can_cancel": row.status in ("created", *subscriptions.LIVE) and not row.cancel_at_cycle_end,
        "ends": row.cancel_at_cycle_end,
    }


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


def _purse_form(*, withdraws: bool) -> Callable[[ReadSession, Call, FormState], Page]:
    """The page of a form that takes money out of the purse."""

    def show(session: ReadSession, call: Call, state: FormState) -> Page:
        found = purse.balances(session, call.member().account_id, "test")
        balances = [formatted(balance.available, currency) for currency, balance in found.items()]
        return Page("payments/purse.html", withdraws=withdraws, balances=balances, form=state.form)

    return show


_show_transfer, _show_withdrawal = _purse_form(withdraws=False), _purse_form(withdraws=True)


@get("/purse/transfers", access=Access.MEMBER)
def transfer_form(session: DbRead, call: Calling, account: Actor) -> Page:
    """Whom to send money to."""
    return _show_transfer(session, call, FormState())


@get("/purse/withdrawals", access=Access.MEMBER)
def withdrawal_form(session: DbRead, call: Calling, account: Actor) -> Page:
    """Which bank account to send money to."""
    return _show_withdrawal(session, call, FormState())


@post("/purse/transfers", access=Access.MEMBER, status=200, form=_show_transfer)
def give(session: DbWrite, account: Actor, data: AnyBody[GiftForm]) -> Redirect:
    """Send money of one's purse to somebody's."""
    amount = amount_of(parse_decimal(data.amount, data.currency), data.currency, least=1)
    taker = accounts.account_by_name(session, data.to.strip().removeprefix("@"))
    if taker is None or not taker.is_active:
        raise NotFound("There is nobody of this name.", field="to")
    purse.give(session, account.id, taker.id, amount, data.currency, "test")
    return Redirect("/payments/", toast=f"Sent {formatted(amount, data.currency)} to {taker.name}.")


@post("/purse/withdrawals", access=Access.MEMBER, status=200, form=_show_withdrawal)
def withdraw(session: DbWrite, account: Actor, data: AnyBody[WithdrawalForm]) -> Redirect:
    """Send money of one's purse to a bank account."""
    amount = amount_of(parse_decimal(data.amount, data.currency), data.currency, least=1)
    with_ifsc = {"account_number": data.account_number, "ifsc": data.ifsc}
    number = with_ifsc if data.ifsc.strip() else {"iban": data.account_number}
    purse.withdraw(session, account.id, "purse", amount, data.currency, "test", {"name": data.name, **number})
    return Redirect("/payments/", toast=f"{formatted(amount, data.currency)} is on its way to the bank.")


@get("/purse/subscriptions/{subscription_id:str}/cancellation", access=Access.MEMBER)
def ask_cancel(session: DbRead, account: Actor, subscription_id: FromPath[str]) -> Page:
    """Whether to end a subscription."""
    row = _mine(session, account.id, subscription_id)
    return Page("payments/cancel.html", subscription=_subscription(session, row))


@post("/purse/subscriptions/{subscription_id:str}/cancellation", access=Access.MEMBER, status=200)
def cancel(session: DbWrite, account: Actor, subscription_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """End a subscription: when what is paid for is over, or now where nothing is."""
    row = subscriptions.locked(session, _mine(session, account.id, subscription_id).id)
    running = row.current_end is not None and row.current_end > subscriptions.now_of(session, row)
    desk = desk_by_id(session, row.merchant_id, row.mode)
    subscriptions.cancel(session, desk, row, at_cycle_end=running and row.status == "active")
    return Redirect("/payments/", toast="The subscription ends.")


def _mine(session: ReadSession, account_id: str, subscription_id: str) -> Subscription:
    row = session.get(Subscription, subscription_id)
    if row is None or row.payer_account_id != account_id:
        raise NotFound("There is no such subscription.")
    return row


routes = [home, deposit, transfer_form, give, withdrawal_form, withdraw, ask_cancel, cancel]
