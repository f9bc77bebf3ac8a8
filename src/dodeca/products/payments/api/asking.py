"""Asking for money: payment links, subscriptions, test clocks, and the simulated bank that transfers come from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from dodeca.commons.accounts.public import Actor
from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    JSONBody,
    delete,
    get,
    patch,
    post,
)
from dodeca.products.payments import billing_entities as entities
from dodeca.products.payments import flows
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.ids import new as new_id
from dodeca.products.payments.models import BankReference, Customer, Merchant, Order, Subscription, TestClock
from dodeca.products.payments.service import billing, payment_links, receivers, subscriptions
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import amount_of

Text = Annotated[str, msgspec.Meta(max_length=256)]
Number = int | float | str
MOST_CYCLES = 1200
LONGEST_ADVANCE = timedelta(days=3660)


class NewLink(ClosedRequest):
    """Money that somebody is to pay at an address."""

    amount: Number
    currency: Text
    customer_email: Text | None = None
    description: Text | None = None
    accept_partial: bool = False
    first_min_partial_amount: Number | None = None
    reference_id: Text | None = None


class NewSubscription(ClosedRequest):
    """A customer's agreement. With `trial_days` or `start_date` the first charge comes later."""

    plan_id: Text
    customer_id: Text | None = None
    start_date: Text | None = None
    trial_days: int | None = None
    total_count: int = MOST_CYCLES
    quantity: int = 1


class SubscriptionChange(ClosedRequest):
    """Another plan or quantity, now or at the end of the cycle."""

    new_plan_id: Text | None = None
    quantity: int | None = None
    at_cycle_end: bool = False


class NewClock(ClosedRequest):
    """A moment."""

    now: Text
    customers: list[Text] = msgspec.field(default_factory=list)


class Advance(ClosedRequest):
    """How far to move a clock."""

    seconds: int


class BankTransfer(ClosedRequest):
    """A transfer that reaches the simulated bank: to a virtual account's number, or by UPI to its `vpa`, or with an
    order's RF reference."""

    amount: Number
    currency: Text
    reference: Text
    account_number: Text | None = None
    vpa: Text | None = None
    from_vpa: Text = "success@razorpay"
    order_reference: Text | None = None
    name: Text = ""
    from_account: Text = ""


@post("/payment_links", access=Access.MEMBER, idempotent=True)
def create_link(session: DbWrite, call: Calling, desk: Till, data: JSONBody[NewLink]) -> dict[str, Any]:
    """Make a payment link, mailed to the customer where an address is given."""
    values: dict[str, Any] = {k: v for k, v in msgspec.to_builtins(data).items() if v is not None}
    mail = values.pop("customer_email", None)
    if mail:
        values |= {"customer": {"email": mail}, "notify": {"email": True}}
    row = payment_links.create(session, desk, values)
    return {
        "id": row.id,
        "payment_link": call.platform.url(f"/payments/l/{row.code}"),
        "status": row.status,
        "order_id": row.order_id,
        "expire_by": rfc3339(row.expire_by),
    }


def _start(data: NewSubscription, now: datetime) -> int | None:
    """`start_date` and `trial_days` add up, as seconds since the epoch."""
    try:
        begins = clock.parse_rfc3339(data.start_date) if data.start_date else now
    except ValueError as error:
        raise Invalid("start_date is a date, or a moment as in RFC 3339.", field="start_date") from error
    if data.trial_days is not None and not 0 <= data.trial_days <= 3650:
        raise Invalid("trial_days is from 0 to 3650.", field="trial_days")
    begins += timedelta(days=data.trial_days or 0)
    return int(begins.timestamp()) if begins > now else None


@post("/subscriptions", access=Access.MEMBER, idempotent=True)
def create_subscription(session: DbWrite, call: Calling, desk: Till, data: JSONBody[NewSubscription]) -> dict[str, Any]:
    """Make a subscription; its payer agrees at `checkout_url`."""
    customer = desk.find(session, Customer, data.customer_id) if data.customer_id else None
    own = session.get(TestClock, customer.test_clock_id) if customer and customer.test_clock_id else None
    values: dict[str, Any] = {
        "plan_id": data.plan_id,
        "customer_id": data.customer_id,
        "total_count": data.total_count,
        "quantity": data.quantity,
        "start_at": _start(data, own.now if own else clock.now()),
    }
    row = subscriptions.create(session, desk, values)
    return {**entities.subscription(session, row), "checkout_url": call.platform.url(f"/payments/s/{row.code}")}


def _payers(session: DbRead, account: Actor, subscription_id: str) -> Subscription | None:
    row = session.get(Subscription, subscription_id)
    return row if row is not None and row.payer_account_id == account.id else None


@get("/subscriptions/mine", access=Access.MEMBER)
def my_subscriptions(session: DbRead, account: Actor) -> list[dict[str, Any]]:
    """What the caller pays, to all merchants and products."""
    found = []
    for row in subscriptions.mine(session, account.id):
        shop = session.get_one(Merchant, row.merchant_id).name
        found.append(
            {**entities.subscription(session, row), "merchant": shop, "preview": subscriptions.preview(session, row)}
        )
    return found


@get("/subscriptions/{subscription_id:str}", access=Access.MEMBER)
def subscription(session: DbRead, desk: Till, account: Actor, subscription_id: FromPath[str]) -> dict[str, Any]:
    """One subscription, of the caller's customers or the caller's own."""
    row = _payers(session, account, subscription_id) or desk.find(session, Subscription, subscription_id)
    return entities.subscription(session, row)


@get("/subscriptions/{subscription_id:str}/preview", access=Access.MEMBER)
def preview(session: DbRead, desk: Till, account: Actor, subscription_id: FromPath[str]) -> dict[str, Any]:
    """The next invoice as it stands now."""
    row = _payers(session, account, subscription_id) or desk.find(session, Subscription, subscription_id)
    found = subscriptions.preview(session, row)
    if found is None:
        raise NotFound("No invoice will follow.")
    return found


@patch("/subscriptions/{subscription_id:str}", access=Access.MEMBER)
def change_subscription(
    session: DbWrite, desk: Till, subscription_id: FromPath[str], data: JSONBody[SubscriptionChange]
) -> dict[str, Any]:
    """Change plan or quantity."""
    row = desk.lock(session, Subscription, subscription_id)
    when = "cycle_end" if data.at_cycle_end else "now"
    values = {"plan_id": data.new_plan_id, "quantity": data.quantity, "schedule_change_at": when}
    billing.change_now(session, desk, row, values)
    return entities.subscription(session, row)


@delete("/subscriptions/{subscription_id:str}", access=Access.MEMBER, status=200)
def end_subscription(session: DbWrite, desk: Till, account: Actor, subscription_id: FromPath[str]) -> dict[str, Any]:
    """End a subscription now, as its merchant or its payer."""
    own = _payers(session, account, subscription_id)
    row = subscriptions.locked(session, own.id) if own else desk.lock(session, Subscription, subscription_id)
    subscriptions.cancel(session, desk_by_id(session, row.merchant_id, row.mode), row)
    return entities.subscription(session, row)


# Test clocks


def _in_test(desk: Desk) -> None:
    if desk.mode != "test":
        raise Forbidden("Test clocks and simulators are for test keys.")


@post("/test_clocks", access=Access.MEMBER)
def create_clock(session: DbWrite, desk: Till, data: JSONBody[NewClock]) -> dict[str, Any]:
    """Make a clock; the named customers (and those made with `test_clock`) live by it from now on."""
    _in_test(desk)
    try:
        now = clock.parse_rfc3339(data.now)
    except ValueError as error:
        raise Invalid("now is a moment as in RFC 3339.", field="now") from error
    row = TestClock(id=new_id("clock"), merchant_id=desk.merchant.id, now=now.astimezone(UTC))
    session.add(row)
    session.flush()
    for customer_id in data.customers:
        desk.lock(session, Customer, customer_id).test_clock_id = row.id
    return {"id": row.id, "now": rfc3339(row.now)}


@post("/test_clocks/{clock_id:str}/advance", access=Access.MEMBER, status=200)
async def advance_clock(call: Calling, clock_id: FromPath[str], data: JSONBody[Advance]) -> dict[str, Any]:
    """Move a clock forward and do all that falls due for its customers."""

    def move(session: WriteSession) -> datetime:
        desk = desk_of(session, call)
        _in_test(desk)
        row = session.get_locked(TestClock, clock_id)
        if row is None or row.merchant_id != desk.merchant.id:
            raise NotFound("There is no such clock.")
        if not 0 <= data.seconds <= LONGEST_ADVANCE.total_seconds():
            raise Invalid("seconds is from 0 to ten years.", field="seconds")
        row.now += timedelta(seconds=data.seconds)
        return row.now

    now = await call.platform.db.awrite(move)
    charges = await flows.bill_all(call.platform, clock_id)
    return {"id": clock_id, "now": rfc3339(now), "charges": charges}


# The simulated bank


@post("/simulator/bank_transfers", access=Access.MEMBER)
def bank_transfer(session: DbWrite, desk: Till, data: JSONBody[BankTransfer]) -> dict[str, Any]:
    """What the simulated bank reports: a transfer to one of the caller's virtual accounts or orders. Test only."""
    _in_test(desk)
    amount = amount_of(data.amount, data.currency, least=1)
    options: dict[str, Any] = {}
    if data.account_number is not None:
        account = receivers.account_by_number(session, data.account_number)
        if account.merchant_id != desk.merchant.id or account.mode != desk.mode:
            raise NotFound("There is no such account.", field="account_number")
        options = {"account": account, "from_account": data.from_account}
    elif data.vpa is not None:
        options = {"account": receivers.account_by_vpa(session, desk, data.vpa), "from_vpa": data.from_vpa}
    elif data.order_reference is not None:
        known = session.get(BankReference, data.order_reference.replace(" ", "").upper())
        if known is None:
            raise NotFound("There is no such reference.", field="order_reference")
        options = {"order": desk.find(session, Order, known.order_id)}
    payment = receivers.credit(
        session, desk, amount, data.currency, reference=data.reference, payer=data.name, **options
    )
    return {"payment_id": payment.id, "status": payment.status}


routes = [
    create_link,
    create_subscription,
    my_subscriptions,
    subscription,
    preview,
    change_subscription,
    end_subscription,
    create_clock,
    advance_clock,
    bank_transfer,
]
