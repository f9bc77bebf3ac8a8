"""Settlements, and what methods there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.payments import entities
from dodeca.products.payments.banks import BANKS, WALLETS
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.pay import listed
from dodeca.products.payments.compat.razorpay.requests import Context
from dodeca.products.payments.models import Settlement
from dodeca.products.payments.service import recon, settlements
from dodeca.products.payments.service.inputs import number_of

MOST_LINES = 1000


@call("GET", "/settlements", "read")
def list_settlements(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Settlements."""
    return listed(session, ctx, Settlement, entities.settlement)


@call("GET", "/settlements/recon/combined", "read")
def combined(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """The lines of a day's or month's settlements."""
    year = number_of(ctx.query.get("year"), "year", 2000, 2999)
    month = number_of(ctx.query.get("month"), "month", 1, 12)
    day = number_of(ctx.query.get("day"), "day", 1, 31)
    if year is None or month is None:
        raise Invalid("The year and month are required.", field="year")
    try:
        start = datetime(year, month, day or 1, tzinfo=UTC)
    except ValueError as error:
        raise Invalid("There is no such day.", field="day") from error
    end = start + timedelta(days=1) if day else (start + timedelta(days=32)).replace(day=1)
    count = number_of(ctx.query.get("count"), "count", 0, 10**9)
    skip = number_of(ctx.query.get("skip"), "skip", 0, 10**9) or 0
    most = min(MOST_LINES if count is None else count, MOST_LINES)
    return entities.collection(recon.lines(session, ctx.desk, start, end, skip, most))


def _on_demand(row: Settlement) -> dict[str, Any]:
    return {
        "id": row.ondemand_id,
        "entity": "settlement.ondemand",
        "amount": row.amount,
        "amount_requested": row.amount,
        "amount_settled": row.amount,
        "amount_pending": 0,
        "amount_reversed": 0,
        "fees": 0,
        "tax": 0,
        "currency": row.currency,
        "settle_full_balance": True,
        "status": row.status,
        "description": None,
        "notes": [],
        "created_at": entities.unix(row.created_at),
        "scheduled": False,
        "ondemand_payouts": entities.collection([]),
    }


@call("POST", "/settlements/ondemand", "write")
def settle_now(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Settle all that is captured, now."""
    currency = str(ctx.body.get("currency") or "INR")
    return _on_demand(settlements.on_demand(session, ctx.desk, currency))


@call("GET", "/settlements/ondemand", "read")
def list_on_demand(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Settlements that were asked for."""
    return listed(session, ctx, Settlement, _on_demand, Settlement.ondemand_id.is_not(None))


@call("GET", "/settlements/ondemand/{}", "read")
def fetch_on_demand(session: ReadSession, ctx: Context, wanted: str) -> dict[str, Any]:
    """One of them."""
    row = session.scalar(ctx.desk.owned(Settlement).where(Settlement.ondemand_id == wanted))
    if row is None:
        raise NotFound("The id provided does not exist", field="id")
    return _on_demand(row)


@call("GET", "/settlements/{}", "read")
def fetch_settlement(session: ReadSession, ctx: Context, settlement_id: str) -> dict[str, Any]:
    """One settlement."""
    return entities.settlement(ctx.desk.find(session, Settlement, settlement_id))


@call("GET", "/methods", "read", public=True)
def methods(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """What can be paid with."""
    return {
        "entity": "methods",
        "card": True,
        "debit_card": True,
        "credit_card": True,
        "prepaid_card": True,
        "card_networks": {"AMEX": 1, "DICL": 1, "MC": 1, "MAES": 1, "VISA": 1, "RUPAY": 1},
        "amex": True,
        "netbanking": dict(BANKS),
        "wallet": dict.fromkeys(WALLETS, True),
        "emi": False,
        "upi": True,
        "upi_intent": True,
        "cardless_emi": [],
        "paylater": [],
        "recurring": {"card": {"credit": ["Visa", "MasterCard"]}},
    }
