"""The payer's own pages: purse, history, methods, subscriptions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

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
from dodeca.products.payments.models import Merchant, Order, Payment, Subscription
from dodeca.products.payments.pages.common import TONES, NoForm
from dodeca.products.payments.service import methods, purse, subscriptions
from dodeca.products.payments.service.desk import desk_by_id, merchant_of
from dodeca.products.payments.service.inputs import amount_of

LATEST = 20


class DepositForm(ClosedRequest):
    """Money to pay into the purse, in major units."""

    amount: str
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
    """Orders of other products and what was paid at checkouts while signed in, newest first."""
    paid = select(Payment.order_id).where(Payment.payer_account_id == me, Payment.order_id.is_not(None))
    mine = (
        select(Order, Merchant.name)
        .join(Merchant)
        .where((Order.payer_account_id == me) | Order.id.in_(paid))
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


routes = [home, deposit, ask_cancel, cancel]
