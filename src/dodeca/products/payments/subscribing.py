"""Subscriptions of other products, in their unit of work: part of `public`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from dodeca.kernel.clock import now as present
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.payments.models import Item, Plan, Subscription
from dodeca.products.payments.service import billing, catalog, subscriptions
from dodeca.products.payments.service.desk import Desk, desk_by_id, ensure_merchant, platform_desk

ENTITLED = ("active", "pending", "authenticated")
MOST_CYCLES = 1200


class Payee(NamedTuple):
    """Who is paid: an account and the name that payers see."""

    account_id: str
    name: str


class SubscriptionMade(NamedTuple):
    """A subscription and the path of its checkout page."""

    id: str
    checkout_url: str


def desk_of(session: WriteSession, payee: Payee | None, mode: str) -> Desk:
    """The till of a payee; the platform's for None."""
    if payee is None:
        return platform_desk(session, mode)
    return Desk(ensure_merchant(session, payee.account_id, payee.name), mode)


def subscribe(
    session: WriteSession,
    payee: Payee | None,
    payer_id: str,
    what: str,
    amount: int,
    currency: str,
    reference: str,
    *,
    period: str = "monthly",
    interval: int = 1,
    cycles: int = MOST_CYCLES,
    starts: datetime | None = None,
    quantity: int = 1,
    mode: str = "test",
) -> SubscriptionMade:
    """A payer's subscription, agreed to at its checkout. SubscriptionChanged follows each change. Raises Invalid."""
    desk = desk_of(session, payee, mode)
    known = session.scalar(desk.owned(Subscription).where(Subscription.reference == reference))
    if known is None:
        plan = _plan(session, desk, what, amount, currency, period, interval)
        values: dict[str, Any] = {
            "plan_id": plan.id,
            "total_count": cycles,
            "quantity": quantity,
            "payer_account_id": payer_id,
            "reference": reference,
            "start_at": int(starts.timestamp()) if starts is not None and starts > present() else None,
        }
        known = subscriptions.create(session, desk, values)
    return SubscriptionMade(known.id, f"/payments/s/{known.code}")


def _plan(session: WriteSession, desk: Desk, what: str, amount: int, currency: str, period: str, interval: int) -> Plan:
    """The plan of these terms, made when it is first wanted."""
    same = (
        select(Plan)
        .join(Item, Item.id == Plan.item_id)
        .where(Plan.merchant_id == desk.merchant.id, Plan.mode == desk.mode)
        .where(Plan.period == period, Plan.interval == interval)
        .where(Item.name == what, Item.amount == amount, Item.currency == currency)
    )
    known = session.scalar(same.limit(1))
    if known is not None:
        return known
    item = {"name": what, "amount": amount, "currency": currency}
    return catalog.create_plan(session, desk, {"period": period, "interval": interval, "item": item})


def change_subscription(
    session: WriteSession,
    subscription_id: str,
    what: str,
    amount: int,
    *,
    quantity: int = 1,
    at_cycle_end: bool = False,
) -> None:
    """Another price for the same rhythm and currency, counted by the day. Raises Conflict, NotFound."""
    row = subscriptions.locked(session, subscription_id)
    desk, terms = desk_by_id(session, row.merchant_id, row.mode), subscriptions.terms_of(session, row)
    plan = _plan(session, desk, what, amount, terms.item.currency, terms.plan.period, terms.plan.interval)
    when = "cycle_end" if at_cycle_end else "now"
    values = {"plan_id": plan.id, "quantity": quantity, "schedule_change_at": when}
    billing.change_now(session, desk, row, values)


def cancel_subscription(session: WriteSession, subscription_id: str, *, at_cycle_end: bool = True) -> None:
    """End a subscription: when what is paid for is over, or now. Raises Conflict, NotFound."""
    row = subscriptions.locked(session, subscription_id)
    running = row.status == "active" and row.current_end is not None
    desk = desk_by_id(session, row.merchant_id, row.mode)
    subscriptions.cancel(session, desk, row, at_cycle_end=at_cycle_end and running)


def entitlement(session: ReadSession, subscription_id: str) -> datetime | None:
    """Until when its payer may have what was subscribed to; None for not now. Raises NotFound.

    A failed charge takes nothing away while it is retried; a cancelled cycle runs to its end."""
    row = session.get(Subscription, subscription_id)
    if row is None:
        raise NotFound("There is no such subscription.")
    if row.status in ENTITLED:
        return row.charge_at if row.status == "pending" else row.current_end or row.start_at
    paid = row.status == "completed" and row.current_end is not None and row.current_end > present()
    return row.current_end if paid else None
