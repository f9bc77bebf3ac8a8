"""The dashboard: routing, risk, webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.db import ReadSession, WriteSession
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
from dodeca.kernel.web.forms import Form
from dodeca.products.payments import acquirers
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.models import AcquirerStat, Delivery, PaymentEvent, Webhook
from dodeca.products.payments.pages import rule_forms
from dodeca.products.payments.pages.common import TONES, NoForm, payment_line
from dodeca.products.payments.pages.rule_forms import RuleDraft
from dodeca.products.payments.service import events, risk, routing

SHOWN_ALERTS = 20
FormPage = Callable[[ReadSession, Call, FormState], Page]


def show_routing(session: ReadSession, call: Call, state: FormState) -> Page:
    """Acquirers with their health, and a merchant's rules."""
    desk, sent = desk_of(session, call), Form(state.typed)
    stats = list(session.scalars(select(AcquirerStat)))
    shown = []
    for name, (acquirer, enabled) in acquirers.installed(session, "test").items():
        good = sum(s.successes for s in stats if s.acquirer == name)
        bad = sum(s.failures for s in stats if s.acquirer == name)
        can = acquirer.capabilities
        shown.append(
            {
                "name": name,
                "takes": ", ".join(sorted(can.methods)).replace("_", " "),
                "currencies": ", ".join(sorted(can.currencies)) if can.currencies else "every currency",
                "fee": f"{can.fee_basis_points / 100:.2f} %",
                "success": f"{good / (good + bad):.0%}" if good + bad else "no data",
                "state": "on" if enabled else "off",
            }
        )
    kept = routing.rules_of(desk.merchant)
    return Page(
        "payments/routing.html",
        acquirers=shown,
        strategy=sent.value("strategy", kept["strategy"]),
        strategies=[(name, name.replace("_", " ")) for name in routing.STRATEGIES],
        names=[("", "as ranked"), *((name, name) for name in acquirers.SIMULATORS)],
        places=range(rule_forms.PLACES),
        rules=_editor(kept["rules"], state, kept),
    )


def _editor(kept: Sequence[Mapping[str, Any]], state: FormState, for_programs: Any) -> dict[str, Any]:
    """The rules that were sent, after the button that was pressed; else those that are kept."""
    if state.typed:
        drafts = rule_forms.edited(rule_forms.read_drafts(state.typed), state.values.get("do", rule_forms.SAVE))
    else:
        drafts = [RuleDraft.of(rule) for rule in kept]
    shown = rule_forms.shown(drafts, state.form.errors, changed=bool(state.typed))
    return {**shown, "as_json": msgspec.json.format(msgspec.json.encode(for_programs)).decode()}


@get("/dashboard/routing", access=Access.MEMBER)
def routing_page(session: DbRead, call: Calling, account: Actor) -> Page:
    """Smart routing."""
    return show_routing(session, call, FormState())


@post("/dashboard/routing", access=Access.MEMBER, status=200, form=show_routing)
async def save_routing(call: Calling) -> Page | Redirect:
    """Replace the rules, or show the form again with one more, fewer, or in another order."""
    form, button = await rule_forms.sent(call)
    if button != rule_forms.SAVE:
        return await _again(call, show_routing, form)
    made = rule_forms.routing_rules(rule_forms.read_drafts(form.typed))

    def unit(session: WriteSession) -> None:
        routing.set_rules(session, desk_of(session, call).merchant, made, form.value("strategy"))

    await call.platform.db.awrite(unit)
    return Redirect("/payments/dashboard/routing", toast="The rules are saved.")


async def _again(call: Call, show: FormPage, form: Form) -> Page:
    last = {name: values[-1] for name, values in form.typed.items() if values}
    return await call.platform.db.aread(lambda session: show(session, call, FormState(last, typed=form.typed)))


def show_risk(session: ReadSession, call: Call, state: FormState) -> Page:
    """Payments that were not simply allowed, and a merchant's rules."""
    desk = desk_of(session, call)
    kept = desk.merchant.fraud
    return Page(
        "payments/risk.html",
        alerts=[
            {
                **payment_line(p),
                "score": p.risk["score"],
                "outcome": p.risk["outcome"],
                "why": ", ".join(p.risk["reasons"]),
            }
            for p in risk.alerts(session, desk.merchant, desk.mode, SHOWN_ALERTS)
        ],
        actions=[(name, _ACTIONS[name]) for name in risk.ACTIONS],
        rules=_editor(kept, state, {"rules": kept}),
    )


_ACTIONS = {
    "allow": "allow, and ask no more rules",
    "challenge": "challenge: the payer authenticates",
    "review": "review: captured by hand",
    "block": "block",
}


@get("/dashboard/risk", access=Access.MEMBER)
def risk_page(session: DbRead, call: Calling, account: Actor) -> Page:
    """Risk."""
    return show_risk(session, call, FormState())


@post("/dashboard/risk", access=Access.MEMBER, status=200, form=show_risk)
async def save_risk(call: Calling) -> Page | Redirect:
    """Replace the rules, or show the form again with one more, fewer, or in another order."""
    form, button = await rule_forms.sent(call)
    if button != rule_forms.SAVE:
        return await _again(call, show_risk, form)
    made = rule_forms.fraud_rules(rule_forms.read_drafts(form.typed))
    await call.platform.db.awrite(lambda session: risk.set_rules(session, desk_of(session, call).merchant, made))
    return Redirect("/payments/dashboard/risk", toast="The rules are saved.")


# Webhooks


class HookForm(ClosedRequest):
    """An address to be told; the secret signs what is sent."""

    url: str
    secret: str = ""
    alert_email: str = ""


def show_hooks(session: ReadSession, call: Call, state: FormState) -> Page:
    """Webhooks, what was sent to them lately, and the event log."""
    desk = desk_of(session, call)
    order = [PaymentEvent.created_at, PaymentEvent.id]
    page = page_of(session, events.log(desk), order=order, cursor=call.request.query_params.get("cursor"))
    names = [event.id for event in page.items]
    sent: dict[str, list[Delivery]] = {}
    for delivery in session.scalars(select(Delivery).where(Delivery.event_id.in_(names))):
        sent.setdefault(delivery.event_id, []).append(delivery)
    hooks = session.scalars(desk.owned(Webhook).order_by(Webhook.created_at.desc())).all()
    places = {hook.id: urlsplit(hook.url).netloc for hook in hooks}
    return Page(
        "payments/webhooks.html",
        hooks=hooks,
        events=[
            {
                "id": event.id,
                "type": event.type,
                "at": event.created_at,
                "sent": [
                    {
                        "state": d.state.replace("_", " "),
                        "tone": TONES.get(d.state, "neutral"),
                        "note": d.last_error,
                        "to": places.get(d.webhook_id, "removed") if len(hooks) > 1 else "",
                    }
                    for d in sent.get(event.id, [])
                ],
            }
            for event in page.items
        ],
        next_cursor=page.next_cursor,
        base=call.platform.url(""),
        reaches_all=call.platform.settings.outbound_allow_private,
        form=state.form,
    )


@get("/dashboard/webhooks", access=Access.MEMBER)
def hooks_page(session: DbRead, call: Calling, account: Actor, cursor: FromQuery[str | None] = None) -> Page:
    """Webhooks and the event log."""
    return show_hooks(session, call, FormState())


@post("/dashboard/webhooks", access=Access.MEMBER, status=200, form=show_hooks)
def add_hook(session: DbWrite, call: Calling, desk: Till, data: AnyBody[HookForm]) -> Redirect:
    """Add a webhook for all events."""
    values = {"url": data.url, "secret": data.secret, "events": list(events.TYPES), "alert_email": data.alert_email}
    events.set_webhook(session, desk, events.secret_box(call.platform.keyring), values)
    return Redirect("/payments/dashboard/webhooks", toast="The webhook is added.")


@post("/dashboard/webhooks/{hook_id:str}/removal", access=Access.MEMBER, status=200)
def remove_hook(session: DbWrite, desk: Till, hook_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """Remove a webhook."""
    session.delete(desk.lock(session, Webhook, hook_id))
    return Redirect("/payments/dashboard/webhooks", toast="Removed.")


@post("/dashboard/events/{event_id:str}/replay", access=Access.MEMBER, status=200)
def replay(session: DbWrite, desk: Till, event_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """Send an event again."""
    count = events.replay(session, desk, event_id)
    return Redirect("/payments/dashboard/webhooks", toast=f"Sent again to {count} webhooks.")


routes = [routing_page, save_routing, risk_page, save_risk, hooks_page, add_hook, remove_hook, replay]
