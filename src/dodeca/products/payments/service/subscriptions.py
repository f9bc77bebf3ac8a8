"""Subscriptions: agreeing, changing, pausing, ending. Taking the money is in `billing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.ids import random_base62
from dodeca.products.payments import billing_entities, ids, outside
from dodeca.products.payments.models import Addon, Customer, Item, Plan, Subscription, TestClock
from dodeca.products.payments.service import catalog, cycles, events, states
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import email_of, flag_of, notes_of, number_of, text_of

MOST_CYCLES = 1200
LIVE = ("authenticated", "active", "pending", "halted", "paused")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription costs a cycle."""

    plan: Plan
    item: Item
    quantity: int

    @property
    def total(self) -> int:
        """The price of one cycle in minor units."""
        return self.item.amount * self.quantity


def terms_of(session: ReadSession, row: Subscription) -> Terms:
    """Its present plan, price and quantity."""
    plan = session.get_one(Plan, row.plan_id)
    return Terms(plan, catalog.price_of(session, plan), row.quantity)


def _next_terms(session: ReadSession, row: Subscription) -> Terms:
    """The terms of the next cycle: those that a change at the end of this one brings, unless a bill is open still."""
    change = (row.scheduled or {}) if row.open_invoice_id is None else {}
    plan = session.get_one(Plan, change.get("plan_id", row.plan_id))
    return Terms(plan, catalog.price_of(session, plan), change.get("quantity", row.quantity))


def now_of(session: ReadSession, row: Subscription) -> datetime:
    """The present for a subscription: its test clock's, where it has one."""
    if row.test_clock_id is None:
        return clock.now()
    return session.get_one(TestClock, row.test_clock_id).now


def create(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> Subscription:
    """Make a subscription; its payer agrees at its checkout. Raises Invalid, NotFound."""
    plan = desk.find(session, Plan, text_of(values.get("plan_id"), "plan_id", 40) or "")
    customer_id = text_of(values.get("customer_id"), "customer_id", 40)
    customer = desk.find(session, Customer, customer_id) if customer_id else None
    clock_id = customer.test_clock_id if customer is not None else None
    now = session.get_one(TestClock, clock_id).now if clock_id else clock.now()
    begins = _moment(values, "start_at")
    if begins is not None and begins < now:
        raise Invalid("start_at cannot be lesser than the current time.", field="start_at")
    total = number_of(values.get("total_count"), "total_count", 1, MOST_CYCLES)
    if total is None:
        raise Invalid("The total_count field is required.", field="total_count")
    told = values.get("notify_info")
    notify = told if isinstance(told, Mapping) else {}
    row = Subscription(
        id=ids.new("sub"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        plan_id=plan.id,
        customer_id=customer_id,
        payer_account_id=values.get("payer_account_id") or (customer.account_id if customer else None),
        test_clock_id=clock_id,
        reference=text_of(values.get("reference"), "reference", 200),
        code=random_base62(10),
        status="created",
        quantity=number_of(values.get("quantity") or 1, "quantity", 1, 10**6) or 1,
        total_count=total,
        paid_count=0,
        cycle=0,
        failures=0,
        auth_attempts=0,
        credit=0,
        zone=cycles.zone_of((customer.zone if customer else None) or desk.merchant.zone),
        email=email_of(notify.get("notify_email")) or (customer.email if customer else ""),
        contact=customer.contact if customer else "",
        start_at=begins,
        charge_at=begins,
        customer_notify=flag_of(values.get("customer_notify"), "customer_notify", default=True),
        notes=notes_of(values.get("notes")),
        expire_by=_moment(values, "expire_by"),
        created_at=now,
    )
    session.store(row)
    wanted = values.get("addons") or []
    for raw in wanted.values() if isinstance(wanted, Mapping) else wanted:
        add_addon(session, desk, row, raw)
    return row


def _moment(values: Mapping[str, Any], name: str) -> datetime | None:
    """A Unix time; zero and nothing are none."""
    seconds = number_of(values.get(name), name, 0, 2**33)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def add_addon(session: WriteSession, desk: Desk, row: Subscription, raw: Any) -> Addon:
    """Charge something with the next invoice. Raises Invalid, Conflict."""
    if row.status in ("cancelled", "completed", "expired"):
        raise Conflict(f"This subscription is {row.status}.", field="id")
    if not isinstance(raw, Mapping) or not isinstance(raw.get("item"), Mapping):
        raise Invalid("The item field is required.", field="item")
    item = catalog.create_item(session, desk, raw["item"], "addon")
    if item.currency != terms_of(session, row).item.currency:
        raise Invalid("The add-on's currency is not the plan's.", field="currency")
    addon = Addon(
        id=ids.new("ao"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        subscription_id=row.id,
        item_id=item.id,
        quantity=number_of(raw.get("quantity") or 1, "quantity", 1, 10**6) or 1,
        created_at=clock.now(),
    )
    session.add(addon)
    session.flush()
    return addon


def waiting_addons(session: ReadSession, row: Subscription) -> list[tuple[Addon, Item]]:
    """Add-ons that no invoice names yet, oldest first."""
    wanted = (
        select(Addon, Item)
        .join(Item, Item.id == Addon.item_id)
        .where(Addon.subscription_id == row.id, Addon.invoice_id.is_(None))
        .order_by(Addon.created_at, Addon.id)
    )
    return [(found[0], found[1]) for found in session.execute(wanted)]


def delete_addon(session: WriteSession, addon: Addon) -> None:
    """Take an add-on back that was not charged yet. Raises Conflict."""
    if addon.invoice_id is not None:
        raise Conflict("This add-on is on an invoice already.", field="id")
    session.delete(addon)


def locked(session: WriteSession, subscription_id: str) -> Subscription:
    """The row, locked and fresh. Raises NotFound."""
    row = session.get_locked(Subscription, subscription_id)
    if row is None:
        raise NotFound("The id provided does not exist", field="id")
    return row


def tell(session: WriteSession, desk: Desk, row: Subscription, what: str, **more: Any) -> None:
    """Emit subscription.`what`."""
    session.flush()
    told = {"subscription": billing_entities.subscription(session, row), **more}
    events.emit(session, desk, f"subscription.{what}", told)
    if row.reference is not None:
        changed = outside.SubscriptionChanged(subscription_id=row.id, reference=row.reference, what=what)
        outbox.add(session, changed)


def pause(session: WriteSession, desk: Desk, row: Subscription) -> Subscription:
    """Take no money until it is resumed. Raises Conflict."""
    if row.charging_invoice_id is not None:
        raise Conflict("This subscription is being charged. Try again in a minute.", field="id")
    states.move("subscription", row, "paused")
    row.paused_at, row.charge_at = now_of(session, row), None
    tell(session, desk, row, "paused")
    return row


def resume(session: WriteSession, desk: Desk, row: Subscription) -> Subscription:
    """Go on with the next cycle that begins from now. Raises Conflict."""
    if row.status != "paused":
        raise Conflict("Only a paused subscription can be resumed.", field="id")
    states.move("subscription", row, "active")
    row.paused_at = None
    schedule_next(session, row, skip=True)
    tell(session, desk, row, "resumed")
    return row


def schedule_next(session: WriteSession, row: Subscription, *, skip: bool = False) -> None:
    """Set the next charge: the next cycle or, with `skip`, the first that begins from now."""
    plan = terms_of(session, row).plan
    anchor = row.anchor_at or row.start_at or now_of(session, row)
    row.anchor_at = anchor
    if skip:
        now = now_of(session, row)
        row.cycle = max(row.cycle, cycles.cycle_at(anchor, plan.period, plan.interval, now, row.zone))
    row.charge_at = cycles.boundary(anchor, plan.period, plan.interval, row.cycle, row.zone)


def cancel(session: WriteSession, desk: Desk, row: Subscription, *, at_cycle_end: bool = False) -> Subscription:
    """End it, now or when what is paid for is over. Raises Conflict."""
    states.check("subscription", row.status, "cancelled")
    if at_cycle_end:
        if row.current_end is None:
            raise Conflict("Subscription cannot be cancelled at the end of a cycle: none is going on.", field="id")
        row.cancel_at_cycle_end, row.charge_at = True, row.current_end
        session.flush()
        return row
    states.move("subscription", row, "cancelled")
    row.ended_at, row.charge_at, row.scheduled = now_of(session, row), None, None
    tell(session, desk, row, "cancelled")
    return row


def edit(session: WriteSession, desk: Desk, row: Subscription, values: Mapping[str, Any]) -> Subscription:
    """Change plan, quantity, count or start; now, or at the end of the cycle. Raises Invalid, Conflict, NotFound."""
    if row.status not in ("authenticated", "active"):
        raise Conflict("Only an authenticated or active subscription can be changed.", field="id")
    when = str(values.get("schedule_change_at") or "now")
    if when not in ("now", "cycle_end"):
        raise Invalid("schedule_change_at is now or cycle_end.", field="schedule_change_at")
    change = change_of(session, desk, row, values)
    if "customer_notify" in values:
        row.customer_notify = flag_of(values["customer_notify"], "customer_notify", default=True)
    if not change:
        return row
    if when == "cycle_end" and row.status == "active":
        row.scheduled = change
        session.flush()
        return row
    apply_change(session, row, change, now_of(session, row))
    tell(session, desk, row, "updated")
    return row


def change_of(session: ReadSession, desk: Desk, row: Subscription, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request changes the subscription, checked; empty where nothing does. Raises Invalid, NotFound."""
    change: dict[str, Any] = {}
    if values.get("plan_id"):
        plan = desk.find(session, Plan, str(values["plan_id"]))
        if catalog.price_of(session, plan).currency != terms_of(session, row).item.currency:
            raise Invalid("The new plan has another currency.", field="plan_id")
        change["plan_id"] = plan.id
    if values.get("quantity"):
        change["quantity"] = number_of(values["quantity"], "quantity", 1, 10**6)
    if values.get("remaining_count"):
        left = number_of(values["remaining_count"], "remaining_count", 1, MOST_CYCLES)
        change["total_count"] = row.paid_count + (left or 1)
    if values.get("start_at"):
        if row.status != "authenticated":
            raise Invalid("The start of a running subscription cannot be changed.", field="start_at")
        change["start_at"] = number_of(values["start_at"], "start_at", 0, 2**33)
    return change


def apply_change(session: WriteSession, row: Subscription, change: Mapping[str, Any], now: datetime) -> int:
    """Make a change. In a running cycle the unused days of the old price count for the new; gives what is due for it.

    What the old price leaves over becomes credit, so that nothing is lost: due − credit = new part − old part."""
    old = terms_of(session, row)
    row.plan_id = change.get("plan_id", row.plan_id)
    row.quantity = change.get("quantity", row.quantity)
    row.total_count = change.get("total_count", row.total_count)
    if change.get("start_at"):
        row.start_at = datetime.fromtimestamp(change["start_at"], UTC)
        row.charge_at = row.start_at
    row.scheduled = None
    session.flush()
    new = terms_of(session, row)
    if row.current_start is None or row.current_end is None or now >= row.current_end or new == old:
        return 0
    unused = cycles.left_of(old.total, row.current_start, row.current_end, now, row.zone)
    if (old.plan.period, old.plan.interval) == (new.plan.period, new.plan.interval):
        wanted = cycles.left_of(new.total, row.current_start, row.current_end, now, row.zone)
        difference = wanted - unused
        row.credit += max(0, -difference)
        return max(0, difference)
    # Another rhythm: a new cycle begins now, and what the old one leaves over pays for a part of it.
    row.credit += unused
    row.anchor_at, row.cycle, row.charge_at = now, 0, now
    return 0


def mine(session: ReadSession, account_id: str) -> list[Subscription]:
    """A payer's subscriptions of all merchants and products, newest first."""
    wanted = select(Subscription).where(Subscription.payer_account_id == account_id)
    return list(session.scalars(wanted.order_by(Subscription.created_at.desc(), Subscription.id.desc())))


def by_code(session: ReadSession, code: str) -> Subscription:
    """The subscription of a checkout address. Raises NotFound."""
    row = session.scalar(select(Subscription).where(Subscription.code == code))
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def preview(session: ReadSession, row: Subscription) -> dict[str, Any] | None:
    """The next invoice as it stands now; None where none will come."""
    charge_at = row.charge_at
    if charge_at is None and row.status == "created":
        charge_at = row.start_at or now_of(session, row)  # when its payer agrees
    if charge_at is None or row.status not in ("created", "authenticated", "active", "pending"):
        return None
    terms = _next_terms(session, row)
    lines = [(terms.item.name, terms.item.amount, terms.quantity)]
    lines += [(item.name, item.amount, addon.quantity) for addon, item in waiting_addons(session, row)]
    total = sum(amount * quantity for _name, amount, quantity in lines)
    used = min(row.credit, total)
    return {
        "charge_at": clock.rfc3339(charge_at),
        "currency": terms.item.currency,
        "lines": [{"name": n, "amount": a, "quantity": q} for n, a, q in lines],
        "credit": used,
        "amount": total - used,
    }
