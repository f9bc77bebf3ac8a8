"""Items, plans, add-ons, subscriptions, invoices."""

from __future__ import annotations

from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import billing_entities as entities
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.pay import listed
from dodeca.products.payments.compat.razorpay.requests import Context
from dodeca.products.payments.models import Addon, Invoice, Item, Plan, Subscription
from dodeca.products.payments.service import billing, catalog, invoices, registrations, subscriptions
from dodeca.products.payments.service.inputs import flag_of

# Items


@call("POST", "/items", "write")
def create_item(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make an item."""
    return entities.item(catalog.create_item(session, ctx.desk, ctx.body))


@call("GET", "/items", "read")
def list_items(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Items that invoices name."""
    where = [Item.type == "invoice"]
    if ctx.query.get("active") not in (None, ""):
        where.append(Item.active.is_(flag_of(ctx.query["active"], "active")))
    return listed(session, ctx, Item, entities.item, *where)


@call("GET", "/items/{}", "read")
def fetch_item(session: ReadSession, ctx: Context, item_id: str) -> dict[str, Any]:
    """One item."""
    return entities.item(ctx.desk.find(session, Item, item_id))


@call("PATCH", "/items/{}", "write")
def edit_item(session: WriteSession, ctx: Context, item_id: str) -> dict[str, Any]:
    """Change an item."""
    return entities.item(catalog.edit_item(session, ctx.desk.lock(session, Item, item_id), ctx.body))


@call("DELETE", "/items/{}", "write")
def delete_item(session: WriteSession, ctx: Context, item_id: str) -> list[Any]:
    """Remove an item."""
    catalog.delete_item(session, ctx.desk.lock(session, Item, item_id))
    return []


# Plans


def _plan(session: ReadSession, row: Plan) -> dict[str, Any]:
    return entities.plan(row, catalog.price_of(session, row))


@call("POST", "/plans", "write")
def create_plan(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a plan."""
    return _plan(session, catalog.create_plan(session, ctx.desk, ctx.body))


@call("GET", "/plans", "read")
def list_plans(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Plans."""
    return listed(session, ctx, Plan, lambda row: _plan(session, row))


@call("GET", "/plans/{}", "read")
def fetch_plan(session: ReadSession, ctx: Context, plan_id: str) -> dict[str, Any]:
    """One plan."""
    return _plan(session, ctx.desk.find(session, Plan, plan_id))


# Add-ons


def _addon(session: ReadSession, row: Addon) -> dict[str, Any]:
    return entities.addon(row, session.get_one(Item, row.item_id))


@call("GET", "/addons", "read")
def list_addons(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Add-ons."""
    return listed(session, ctx, Addon, lambda row: _addon(session, row))


@call("GET", "/addons/{}", "read")
def fetch_addon(session: ReadSession, ctx: Context, addon_id: str) -> dict[str, Any]:
    """One add-on."""
    return _addon(session, ctx.desk.find(session, Addon, addon_id))


@call("DELETE", "/addons/{}", "write")
def delete_addon(session: WriteSession, ctx: Context, addon_id: str) -> list[Any]:
    """Take an add-on back."""
    subscriptions.delete_addon(session, ctx.desk.lock(session, Addon, addon_id))
    return []


# Subscriptions


def _found(session: WriteSession, ctx: Context, subscription_id: str) -> Subscription:
    return ctx.desk.lock(session, Subscription, subscription_id)


@call("POST", "/subscriptions", "write")
def create_subscription(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a subscription."""
    allowed = {k: v for k, v in ctx.body.items() if k not in ("payer_account_id", "reference")}
    return entities.subscription(session, subscriptions.create(session, ctx.desk, allowed))


@call("GET", "/subscriptions", "read")
def list_subscriptions(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Subscriptions, of a plan where one is given."""
    where = [Subscription.plan_id == str(ctx.query["plan_id"])] if ctx.query.get("plan_id") else []
    return listed(session, ctx, Subscription, lambda row: entities.subscription(session, row), *where)


@call("GET", "/subscriptions/{}", "read")
def fetch_subscription(session: ReadSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """One subscription."""
    return entities.subscription(session, ctx.desk.find(session, Subscription, subscription_id))


@call("PATCH", "/subscriptions/{}", "write")
def edit_subscription(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """Change a subscription."""
    row = _found(session, ctx, subscription_id)
    billing.change_now(session, ctx.desk, row, ctx.body)
    return entities.subscription(session, row)


@call("GET", "/subscriptions/{}/retrieve_scheduled_changes", "read")
def scheduled_changes(session: ReadSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """The subscription as it will be."""
    row = ctx.desk.find(session, Subscription, subscription_id)
    if row.scheduled is None:
        raise Invalid("No scheduled changes exist for this subscription.", field="id")
    return {**entities.subscription(session, row), **row.scheduled}


@call("POST", "/subscriptions/{}/cancel_scheduled_changes", "write")
def drop_changes(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """Leave it as it is."""
    row = _found(session, ctx, subscription_id)
    row.scheduled = None
    session.flush()
    return entities.subscription(session, row)


@call("POST", "/subscriptions/{}/cancel", "write")
def cancel_subscription(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """End it, now or at the end of the cycle."""
    row = _found(session, ctx, subscription_id)
    at_end = flag_of(ctx.body.get("cancel_at_cycle_end"), "cancel_at_cycle_end")
    return entities.subscription(session, subscriptions.cancel(session, ctx.desk, row, at_cycle_end=at_end))


@call("POST", "/subscriptions/{}/pause", "write")
def pause_subscription(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """Take no money until it is resumed."""
    row = _found(session, ctx, subscription_id)
    return entities.subscription(session, subscriptions.pause(session, ctx.desk, row))


@call("POST", "/subscriptions/{}/resume", "write")
def resume_subscription(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """Go on."""
    row = _found(session, ctx, subscription_id)
    return entities.subscription(session, subscriptions.resume(session, ctx.desk, row))


@call("POST", "/subscriptions/{}/addons", "write")
def create_addon(session: WriteSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """Charge something with the next invoice."""
    row = _found(session, ctx, subscription_id)
    return _addon(session, subscriptions.add_addon(session, ctx.desk, row, ctx.body))


@call("DELETE", "/subscriptions/{}/{}", "write")
def delete_offer(session: WriteSession, ctx: Context, subscription_id: str, offer_id: str) -> dict[str, Any]:
    """There are no offers, so none is linked."""
    _found(session, ctx, subscription_id)
    raise Invalid("The offer is not linked to this subscription.", field="offer_id")


# Invoices


def _invoice(session: ReadSession, row: Invoice) -> dict[str, Any]:
    return invoices.shown(session, row)


@call("POST", "/invoices", "write")
def create_invoice(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make an invoice."""
    return _invoice(session, invoices.create(session, ctx.desk, ctx.body))


@call("POST", "/subscription_registration/auth_links", "write")
def create_registration_link(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a registration link: Subscriptions.RazorpayRegistrationLink is an invoice."""
    return _invoice(session, registrations.create(session, ctx.desk, ctx.body))


@call("GET", "/invoices", "read")
def list_invoices(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Invoices, by type, payment, receipt, customer or subscription where one is given."""
    columns = ("type", "payment_id", "receipt", "customer_id", "subscription_id")
    where = [getattr(Invoice, c) == str(ctx.query[c]) for c in columns if ctx.query.get(c)]
    return listed(session, ctx, Invoice, lambda row: _invoice(session, row), *where)


@call("GET", "/invoices/{}", "read")
def fetch_invoice(session: ReadSession, ctx: Context, invoice_id: str) -> dict[str, Any]:
    """One invoice."""
    return _invoice(session, ctx.desk.find(session, Invoice, invoice_id))


@call("PATCH", "/invoices/{}", "write")
def edit_invoice(session: WriteSession, ctx: Context, invoice_id: str) -> dict[str, Any]:
    """Change an invoice."""
    row = ctx.desk.lock(session, Invoice, invoice_id)
    return _invoice(session, invoices.edit(session, ctx.desk, row, ctx.body))


@call("DELETE", "/invoices/{}", "write")
def delete_invoice(session: WriteSession, ctx: Context, invoice_id: str) -> list[Any]:
    """Remove a draft."""
    invoices.delete(session, ctx.desk.lock(session, Invoice, invoice_id))
    return []


@call("POST", "/invoices/{}/issue", "write")
def issue_invoice(session: WriteSession, ctx: Context, invoice_id: str) -> dict[str, Any]:
    """Make a draft payable."""
    row = ctx.desk.lock(session, Invoice, invoice_id)
    invoices.issue(session, ctx.desk, row)
    return _invoice(session, row)


@call("POST", "/invoices/{}/cancel", "write")
def cancel_invoice(session: WriteSession, ctx: Context, invoice_id: str) -> dict[str, Any]:
    """End an invoice."""
    row = ctx.desk.lock(session, Invoice, invoice_id)
    return _invoice(session, invoices.cancel(session, ctx.desk, row))


@call("POST", "/invoices/{}/notify_by/{}", "write")
def notify_invoice(session: WriteSession, ctx: Context, invoice_id: str, medium: str) -> dict[str, Any]:
    """Send an invoice."""
    row = ctx.desk.find(session, Invoice, invoice_id)
    if row.status not in invoices.OPEN:
        raise Invalid("Only an issued invoice can be sent.", field="id")
    if medium not in ("email", "sms"):
        raise Invalid("The medium is email or sms.", field="medium")
    if medium == "email":
        invoices.send(session, ctx.desk, row)
    return {"success": True}


@call("GET", "/subscriptions/{}/invoices", "read")
def subscription_invoices(session: ReadSession, ctx: Context, subscription_id: str) -> dict[str, Any]:
    """The bills of a subscription."""
    ctx.desk.find(session, Subscription, subscription_id)
    return listed(session, ctx, Invoice, lambda row: _invoice(session, row), Invoice.subscription_id == subscription_id)
