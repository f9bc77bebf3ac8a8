"""Items and plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.products.payments import ids
from dodeca.products.payments.models import Addon, Item, Plan
from dodeca.products.payments.models.billing import PERIODS
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import amount_of, flag_of, notes_of, number_of, text_of

LONGEST_INTERVAL = {"daily": 4000, "weekly": 520, "monthly": 120, "yearly": 10}


def create_item(session: WriteSession, desk: Desk, values: Mapping[str, Any], kind: str = "invoice") -> Item:
    """Make an item. Raises Invalid naming the field."""
    name = text_of(values.get("name"), "name", 512)
    if name is None:
        raise Invalid("The name field is required.", field="name")
    currency = str(values.get("currency") or "INR")
    raw = values.get("amount", values.get("unit_amount"))
    row = Item(
        id=ids.new("item"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        name=name,
        description=text_of(values.get("description"), "description", 2048),
        amount=amount_of(raw, currency),
        currency=currency,
        type=kind,
        active=True,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def edit_item(session: WriteSession, row: Item, values: Mapping[str, Any]) -> Item:
    """Change an item of invoices; those that were issued keep what they say. Raises Conflict for a plan's."""
    if row.type == "plan" and session.scalar(select(Plan.id).where(Plan.item_id == row.id).limit(1)):
        raise Conflict("A plan's item cannot be changed: subscriptions rely on it.", field="id")
    if "currency" in values:
        row.currency = str(values["currency"])
    if "amount" in values or "currency" in values:
        row.amount = amount_of(values.get("amount", row.amount), row.currency)
    if "name" in values:
        row.name = text_of(values["name"], "name", 512) or row.name
    if "description" in values:
        row.description = text_of(values["description"], "description", 2048)
    if "active" in values:
        row.active = flag_of(values["active"], "active")
    row.updated_at = clock.now()
    return row


def delete_item(session: WriteSession, row: Item) -> None:
    """Remove an item. Raises Conflict when plans or add-ons use it."""
    used = session.scalar(select(Plan.id).where(Plan.item_id == row.id).limit(1))
    if used or session.scalar(select(Addon.id).where(Addon.item_id == row.id).limit(1)):
        raise Conflict("This item is used, so it cannot be deleted.", field="id")
    session.delete(row)


def create_plan(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> Plan:
    """Make a plan with its item. Raises Invalid naming the field."""
    period = str(values.get("period") or "")
    if period not in PERIODS:
        raise Invalid(f"The period is one of {', '.join(PERIODS)}.", field="period")
    interval = number_of(values.get("interval") or 1, "interval", 1, LONGEST_INTERVAL[period])
    given = values.get("item")
    if not isinstance(given, Mapping):
        raise Invalid("The item field is required.", field="item")
    item = create_item(session, desk, given, "plan")
    row = Plan(
        id=ids.new("plan"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        item_id=item.id,
        period=period,
        interval=interval or 1,
        notes=notes_of(values.get("notes")),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def price_of(session: ReadSession, plan: Plan) -> Item:
    """The item that says what a plan costs."""
    return session.get_one(Item, plan.item_id)
