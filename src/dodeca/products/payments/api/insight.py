"""Routing and fraud rules, acquirers, reports, figures, notices to payers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response
from sqlalchemy import select

from dodeca.commons.accounts import public as accounts
from dodeca.commons.notifications.service import Notice, notify
from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    get,
    patch,
    post,
    put,
)
from dodeca.products.payments import acquirers
from dodeca.products.payments.acting import Till
from dodeca.products.payments.ids import new as new_id
from dodeca.products.payments.models import AcquirerStat, Payment
from dodeca.products.payments.service import reports, risk, routing

Text = Annotated[str, msgspec.Meta(max_length=600)]


class RoutingRule(ClosedRequest):
    """Acquirers to ask first when a condition holds."""

    when: Text
    then: list[Text]


class RoutingRules(ClosedRequest):
    """All rules of a merchant, and how the rest is ranked."""

    rules: list[RoutingRule]
    strategy: Text = "expected_value"


class FraudRule(ClosedRequest):
    """What to do when a condition holds."""

    name: Text
    when: Text
    action: Text


class FraudRules(ClosedRequest):
    """All rules of a merchant."""

    rules: list[FraudRule]


class AcquirerChange(ClosedRequest):
    """How a simulator behaves; only what is given changes."""

    success_rate: float | None = None
    latency_ms: int | None = None
    outage: bool | None = None
    timeout_rate: float | None = None
    duplicate_callbacks: bool | None = None
    seed: int | None = None
    enabled: bool | None = None


class Message(ClosedRequest):
    """A notice to somebody who paid the caller."""

    user_id: Text
    message: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


def _moments(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The first and the last moment; a last day counts whole. Raises Invalid."""
    first = _moment(start, "start_date") if start else clock.ago(days=30)
    last = _moment(end, "end_date") if end else clock.now()
    if end and len(end) == 10:
        last = min(last, datetime.max.replace(tzinfo=UTC) - timedelta(days=1)) + timedelta(days=1)
    if last < first:
        raise Invalid("The end lies before the start.", field="end_date")
    return first, last


def _moment(text: str, field: str) -> datetime:
    try:
        return clock.parse_rfc3339(text)
    except ValueError as error:
        raise Invalid("A date is written as 2026-01-31.", field=field) from error


@get("/routing/rules", access=Access.MEMBER)
def routing_rules(session: DbRead, desk: Till) -> dict[str, Any]:
    """A merchant's rules."""
    return routing.rules_of(desk.merchant)


@put("/routing/rules", access=Access.MEMBER)
def set_routing_rules(session: DbWrite, desk: Till, data: JSONBody[RoutingRules]) -> dict[str, Any]:
    """Replace them."""
    routing.set_rules(session, desk.merchant, msgspec.to_builtins(data.rules), data.strategy)
    return desk.merchant.routing


@get("/fraud/rules", access=Access.MEMBER)
def fraud_rules(session: DbRead, desk: Till) -> dict[str, Any]:
    """A merchant's rules."""
    return {"rules": desk.merchant.fraud}


@put("/fraud/rules", access=Access.MEMBER)
def set_fraud_rules(session: DbWrite, desk: Till, data: JSONBody[FraudRules]) -> dict[str, Any]:
    """Replace them."""
    risk.set_rules(session, desk.merchant, msgspec.to_builtins(data.rules))
    return {"rules": desk.merchant.fraud}


@get("/fraud/alerts", access=Access.MEMBER)
def alerts(session: DbRead, desk: Till) -> dict[str, Any]:
    """Payments that were not simply allowed, newest first."""
    rows = risk.alerts(session, desk.merchant, desk.mode)
    return {"alerts": [{"payment_id": p.id, **p.risk} for p in rows]}


@get("/acquirers", access=Access.MEMBER)
def list_acquirers(session: DbRead) -> dict[str, Any]:
    """All acquirers, how they behave and how they did lately."""
    stats = list(session.scalars(select(AcquirerStat)))
    found = []
    for name, (acquirer, enabled) in acquirers.installed(session, "test").items():
        mine = [s for s in stats if s.acquirer == name]
        good, bad = sum(s.successes for s in mine), sum(s.failures for s in mine)
        can = acquirer.capabilities
        found.append(
            {
                "name": name,
                "enabled": enabled,
                "simulator": can.is_simulator,
                "methods": sorted(can.methods),
                "currencies": sorted(can.currencies) if can.currencies is not None else None,
                "settings": msgspec.to_builtins(getattr(acquirer, "settings", {})),
                "health": {"success_rate": round(good / (good + bad), 4) if good + bad else None},
            }
        )
    return {"acquirers": found}


@patch("/acquirers/{name:str}", access=Access.ADMIN)
def change_acquirer(session: DbWrite, name: FromPath[str], data: JSONBody[AcquirerChange]) -> dict[str, Any]:
    """Tell a simulator how to behave."""
    changes = {k: v for k, v in msgspec.to_builtins(data).items() if v is not None and k != "enabled"}
    acquirers.configure(session, name, changes, data.enabled)
    session.flush()
    return {"name": name, "settings": msgspec.to_builtins(getattr(acquirers.acquirer(session, name), "settings", {}))}


@get("/reports/transactions", access=Access.MEMBER, produces=("application/json", "text/csv"))
def report(
    session: DbRead,
    desk: Till,
    start_date: FromQuery[str | None] = None,
    end_date: FromQuery[str | None] = None,
    format: FromQuery[str] = "json",
) -> Response[bytes]:
    """Payments and refunds of a time, as JSON or CSV."""
    rows = reports.transactions(session, desk, *_moments(start_date, end_date))
    if format == "csv":
        headers = {"content-disposition": 'attachment; filename="transactions.csv"'}
        return Response(reports.as_csv(rows).encode(), media_type="text/csv", headers=headers)
    if format != "json":
        raise Invalid("The format is json or csv.", field="format")
    return Response(msgspec.json.encode(list(rows)), media_type="application/json")


@get("/analytics/summary", access=Access.MEMBER)
def analytics(session: DbRead, desk: Till, call: Calling, to: FromQuery[str | None] = None) -> dict[str, Any]:
    """Figures of a time."""
    return reports.summary(session, desk, *_moments(call.request.query_params.get("from"), to))


@post("/notifications", access=Access.MEMBER)
def tell(session: DbWrite, desk: Till, data: JSONBody[Message]) -> dict[str, Any]:
    """Write to somebody who paid the caller."""
    person = accounts.account_by_id(session, data.user_id) or accounts.account_by_name(session, data.user_id)
    paid = (
        desk.owned(Payment).where(Payment.payer_account_id == person.id, Payment.captured_at.is_not(None)).limit(1)
        if person is not None
        else None
    )
    if person is None or paid is None or session.scalar(paid) is None:
        raise NotFound("Nobody of this id has paid you.", field="user_id")
    name = desk.merchant.name
    key = new_id("ntf")
    notice = Notice(
        product="payments", kind="merchant_message", title=f"Message from {name}", body=data.message, key=key
    )
    notify(session, person.id, notice)
    return {"notification_id": key, "status": "sent"}


routes = [
    routing_rules,
    set_routing_rules,
    fraud_rules,
    set_fraud_rules,
    alerts,
    list_acquirers,
    change_acquirer,
    report,
    analytics,
    tell,
]
