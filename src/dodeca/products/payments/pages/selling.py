"""The dashboard: payment links and subscriptions."""

from __future__ import annotations

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.db import ReadSession
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
from dodeca.kernel.money import formatted, parse_decimal
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.models import Order, PaymentLink, Plan, Subscription
from dodeca.products.payments.pages.common import TONES, NoForm
from dodeca.products.payments.service import catalog, payment_links, subscriptions

SHOWN_PLANS = 50


class LinkForm(ClosedRequest):
    """A link to be; the amount in major units."""

    amount: str
    currency: str = "INR"
    description: str = ""
    email: str = ""
    accept_partial: str = ""


def show_links(session: ReadSession, call: Call, state: FormState) -> Page:
    """A merchant's payment links, newest first, and a form for another."""
    desk = desk_of(session, call)
    mine = desk.owned(PaymentLink)
    order = [PaymentLink.created_at, PaymentLink.id]
    page = page_of(session, mine, order=order, cursor=call.request.query_params.get("cursor"))
    rows = [
        {
            "id": row.id,
            "what": row.description or row.reference_id or row.id,
            "url": call.platform.url(f"/payments/l/{row.code}"),
            "picture": f"/payments/l/{row.code}/image.png",
            "amount": formatted(row.amount, row.currency),
            "paid": formatted(session.get_one(Order, row.order_id).amount_paid, row.currency),
            "status": row.status,
            "tone": TONES.get(row.status, "neutral"),
            "to": row.customer.get("email") or "",
            "is_open": row.status in payment_links.OPEN,
            "at": row.created_at,
        }
        for row in page.items
    ]
    return Page("payments/links.html", links=rows, next_cursor=page.next_cursor, form=state.form)


@get("/dashboard/links", access=Access.MEMBER)
def links(session: DbRead, call: Calling, account: Actor, cursor: FromQuery[str | None] = None) -> Page:
    """Payment links."""
    return show_links(session, call, FormState())


@post("/dashboard/links", access=Access.MEMBER, status=200, form=show_links)
def make_link(session: DbWrite, call: Calling, account: Actor, data: AnyBody[LinkForm]) -> Redirect:
    """Make a link; mailed where an address is given."""
    values = {
        "amount": parse_decimal(data.amount, data.currency),
        "currency": data.currency,
        "description": data.description or None,
        "accept_partial": bool(data.accept_partial),
        "customer": {"email": data.email},
        "notify": {"email": bool(data.email)},
    }
    payment_links.create(session, desk_of(session, call), values)
    return Redirect("/payments/dashboard/links", toast="The link is made.")


@post("/dashboard/links/{link_id:str}/cancellation", access=Access.MEMBER, status=200)
def cancel_link(session: DbWrite, desk: Till, link_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """End a link."""
    payment_links.cancel(session, desk, desk.lock(session, PaymentLink, link_id))
    return Redirect("/payments/dashboard/links", toast="The link is cancelled.")


class PlanForm(ClosedRequest):
    """A plan to be."""

    name: str
    amount: str
    period: str = "monthly"
    interval: str = "1"
    currency: str = "INR"


def show_subscriptions(session: ReadSession, call: Call, state: FormState) -> Page:
    """A merchant's plans and subscriptions."""
    desk = desk_of(session, call)
    order = [Subscription.created_at, Subscription.id]
    page = page_of(session, desk.owned(Subscription), order=order, cursor=call.request.query_params.get("cursor"))
    rows = []
    for row in page.items:
        terms = subscriptions.terms_of(session, row)
        rows.append(
            {
                "id": row.id,
                "what": terms.item.name,
                "price": f"{formatted(terms.total, terms.item.currency)} {terms.plan.period}",
                "status": row.status,
                "tone": TONES.get(row.status, "neutral"),
                "paid": f"{row.paid_count} of {row.total_count}",
                "next": row.charge_at,
                "email": row.email,
            }
        )
    plans = session.scalars(desk.owned(Plan).order_by(Plan.created_at.desc()).limit(SHOWN_PLANS)).all()
    priced = [(plan, catalog.price_of(session, plan)) for plan in plans]
    return Page(
        "payments/subscriptions.html",
        subscriptions=rows,
        plans=[
            {"id": p.id, "name": i.name, "price": f"{formatted(i.amount, i.currency)} {p.period}", "every": p.interval}
            for p, i in priced
        ],
        next_cursor=page.next_cursor,
        form=state.form,
    )


@get("/dashboard/subscriptions", access=Access.MEMBER)
def subscriptions_page(session: DbRead, call: Calling, account: Actor, cursor: FromQuery[str | None] = None) -> Page:
    """Subscriptions."""
    return show_subscriptions(session, call, FormState())


@post("/dashboard/plans", access=Access.MEMBER, status=200, form=show_subscriptions)
def make_plan(session: DbWrite, call: Calling, account: Actor, data: AnyBody[PlanForm]) -> Redirect:
    """Make a plan."""
    item = {"name": data.name, "amount": parse_decimal(data.amount, data.currency), "currency": data.currency}
    values = {"period": data.period, "interval": data.interval, "item": item}
    catalog.create_plan(session, desk_of(session, call), values)
    return Redirect("/payments/dashboard/subscriptions", toast="The plan is made.")


class SubscriptionForm(ClosedRequest):
    """Somebody to be asked for a plan."""

    plan_id: str
    total_count: str = "12"
    email: str = ""


@post("/dashboard/subscriptions", access=Access.MEMBER, status=200, form=show_subscriptions)
def make_subscription(session: DbWrite, call: Calling, account: Actor, data: AnyBody[SubscriptionForm]) -> Redirect:
    """Make a subscription, whose address the payer is given."""
    values = {"plan_id": data.plan_id, "total_count": data.total_count, "notify_info": {"notify_email": data.email}}
    row = subscriptions.create(session, desk_of(session, call), values)
    return Redirect(f"/payments/s/{row.code}")


routes = [links, make_link, cancel_link, subscriptions_page, make_plan, make_subscription]
