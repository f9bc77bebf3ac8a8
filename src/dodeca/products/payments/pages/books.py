"""The dashboard: settlements, the inbox of reconciliation, figures."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from dodeca.commons.accounts.public import Actor
from dodeca.kernel import clock
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
from dodeca.kernel.money import formatted
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.api import reconciling
from dodeca.products.payments.models import Settlement, StatementImport, StatementLine
from dodeca.products.payments.pages.common import TONES
from dodeca.products.payments.service import recon, reports, settlements
from dodeca.products.payments.service.statements import matching

OPEN = ("unmatched", "suggested")
DAYS = (7, 30, 90)
MOST_LINES = 100
"""Of a settlement on its page; the report has all."""


class CurrencyForm(ClosedRequest):
    """A currency."""

    currency: str


def show_settlements(session: ReadSession, call: Call, state: FormState) -> Page:
    """What was paid out, and what will be."""
    desk = desk_of(session, call)
    order = [Settlement.created_at, Settlement.id]
    page = page_of(session, desk.owned(Settlement), order=order, cursor=call.request.query_params.get("cursor"))
    return Page(
        "payments/settlements.html",
        balances=[
            {
                "currency": b["currency"],
                "available": formatted(b["available"], b["currency"]),
                "pending": formatted(b["pending"], b["currency"]),
                "can": b["available"] + b["pending"] > 0,
            }
            for b in settlements.balance(session, desk)
        ],
        settlements=[
            {
                "id": row.id,
                "utr": row.utr,
                "amount": formatted(row.amount, row.currency),
                "fees": formatted(row.fees, row.currency),
                "status": row.status,
                "tone": TONES.get(row.status, "neutral"),
                "at": row.created_at,
            }
            for row in page.items
        ],
        next_cursor=page.next_cursor,
        form=state.form,
    )


@get("/dashboard/settlements/{settlement_id:str}", access=Access.MEMBER)
def settlement_page(session: DbRead, desk: Till, account: Actor, settlement_id: FromPath[str]) -> Page:
    """What a settlement is made of."""
    row = desk.find(session, Settlement, settlement_id)
    lines = recon.of_settlement(session, row, MOST_LINES)
    return Page(
        "payments/settlement.html",
        settlement=row,
        amount=formatted(row.amount, row.currency),
        tone=TONES.get(row.status, "neutral"),
        lines=[
            {
                "id": line["entity_id"],
                "type": line["type"],
                "payment_id": line["payment_id"] or (line["entity_id"] if line["type"] == "payment" else None),
                "amount": formatted(line["credit"] - line["debit"], row.currency),
                "fee": formatted(line["fee"], row.currency) if line["fee"] else None,
            }
            for line in lines
        ],
        most=MOST_LINES if len(lines) == MOST_LINES else None,
    )


@get("/dashboard/settlements", access=Access.MEMBER)
def settlements_page(session: DbRead, call: Calling, account: Actor, cursor: FromQuery[str | None] = None) -> Page:
    """Settlements."""
    return show_settlements(session, call, FormState())


@post("/dashboard/settlements", access=Access.MEMBER, status=200, form=show_settlements)
def settle_now(session: DbWrite, call: Calling, account: Actor, data: AnyBody[CurrencyForm]) -> Redirect:
    """Settle what is captured, now."""
    settlements.on_demand(session, desk_of(session, call), data.currency)
    return Redirect("/payments/dashboard/settlements", toast="Settled.")


# Reconciliation


def show_inbox(session: ReadSession, call: Call, state: FormState) -> Page:
    """Lines that nobody has explained, and a place for another file."""
    desk = desk_of(session, call)
    mine = desk.owned(StatementLine).where(StatementLine.status.in_(OPEN))
    order = [StatementLine.booked_on, StatementLine.id]
    page = page_of(session, mine, order=order, cursor=call.request.query_params.get("cursor"))
    latest = desk.owned(StatementImport).order_by(StatementImport.created_at.desc()).limit(5)
    counts = (
        select(StatementLine.status, func.count())
        .where(StatementLine.merchant_id == desk.merchant.id, StatementLine.mode == desk.mode)
        .group_by(StatementLine.status)
    )
    return Page(
        "payments/reconciliation.html",
        lines=[
            {
                "id": row.id,
                "on": f"{row.booked_on:%d %b %Y}",
                "amount": formatted(row.amount, row.currency),
                "text": row.text or row.reference,
                "who": row.counterparty,
                "status": row.status,
                "tone": TONES.get(row.status, "neutral"),
                "suggested": row.suggested,
            }
            for row in page.items
        ],
        imports=list(session.scalars(latest)),
        counts={row[0]: int(row[1]) for row in session.execute(counts)},
        next_cursor=page.next_cursor,
        form=state.form,
    )


@get("/dashboard/reconciliation", access=Access.MEMBER)
def inbox(session: DbRead, call: Calling, account: Actor, cursor: FromQuery[str | None] = None) -> Page:
    """Reconciliation."""
    return show_inbox(session, call, FormState())


@post(
    "/dashboard/reconciliation",
    access=Access.MEMBER,
    status=200,
    form=show_inbox,
    request_max_body_size=reconciling.MOST_BYTES + 100_000,
)
async def take_file(call: Calling) -> Redirect:
    """Import a statement."""
    counts = await reconciling.take(call, await reconciling.file_of(call))
    text = "{lines} lines: {matched} matched, {unmatched} open, {duplicates} known before.".format_map(counts)
    return Redirect("/payments/dashboard/reconciliation", toast=text)


class MatchForm(ClosedRequest):
    """What a line belongs to."""

    entity_id: str


@post("/dashboard/reconciliation/{line_id:str}", access=Access.MEMBER, status=200, form=show_inbox)
def match_line(
    session: DbWrite, call: Calling, account: Actor, line_id: FromPath[str], data: AnyBody[MatchForm]
) -> Redirect:
    """Say what a line belongs to."""
    matching.match_by_hand(session, desk_of(session, call), line_id, data.entity_id.strip())
    return Redirect("/payments/dashboard/reconciliation", toast="Matched.")


# Figures


@get("/dashboard/analytics", access=Access.MEMBER)
def analytics(session: DbRead, desk: Till, account: Actor, days: FromQuery[int] = 30) -> Page:
    """Volume, success, refunds and fees by day, method and acquirer; reasons of failures; recurring revenue."""
    chosen = days if days in DAYS else 30
    found = reports.summary(session, desk, clock.ago(days=chosen), clock.now())
    currencies = sorted({row["currency"] for row in found["by_day"]})
    return Page(
        "payments/analytics.html",
        days=chosen,
        choices=[(str(n), f"{n} days", f"?days={n}") for n in DAYS],
        charts=[_charts(found, currency) for currency in currencies],
        reasons=[(row["reason"].replace("_", " "), row["payments"]) for row in found["reasons"] if row["reason"]],
        recurring=[{**row, "mrr": formatted(row["mrr"], row["currency"])} for row in reports.recurring(session, desk)],
    )


def _charts(found: dict[str, Any], currency: str) -> dict[str, Any]:
    def of(name: str) -> list[dict[str, Any]]:
        return [row for row in found[name] if row["currency"] == currency]

    days = of("by_day")
    return {
        "currency": currency,
        "volume": [(row["day"], row["volume"] / 100) for row in days],
        "success": [(row["day"], round(row["success_rate"] * 100, 1)) for row in days],
        "total": formatted(sum(row["volume"] for row in days), currency),
        "tables": [
            (
                title,
                [
                    {
                        "name": (row[key] or "none").replace("_", " "),
                        "payments": row["payments"],
                        "success": f"{row['success_rate']:.0%}",
                        "volume": formatted(row["volume"], currency),
                        "refunds": formatted(row["refunds"], currency),
                        "fees": formatted(row["fees"], currency),
                    }
                    for row in of(name)
                ],
            )
            for title, name, key in (("By method", "by_method", "method"), ("By acquirer", "by_acquirer", "acquirer"))
        ],
    }


routes = [settlements_page, settlement_page, settle_now, inbox, take_file, match_line, analytics]
