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
from dodeca.products.payments.models import Payout, Settlement
from dodeca.products.payments.service import recon, settlements
from dodeca.products.payments.service.inputs import amount_of, flag_of, notes_of, number_of, text_of

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
    count = ctx.count(MOST_LINES, MOST_LINES)
    return entities.collection(recon.lines(session, ctx.desk, start, end, ctx.skip(), count))


def _on_demand(row: Settlement | Payout) -> dict[str, Any]:
    """Settlements.RazorpaySettlementOndemand: all of a balance is a settlement, a part of it a payout."""
    settled = row.amount if row.status == "processed" else 0
    asked = row.asked
    return {
        "id": _name(row),
        "entity": "settlement.ondemand",
        "amount": row.amount,
        "amount_requested": asked.get("amount") or row.amount,
        "amount_settled": settled,
        "amount_pending": 0,
        "amount_reversed": row.amount - settled,
        "fees": 0,
        "tax": 0,
        "currency": row.currency,
        "settle_full_balance": isinstance(row, Settlement),
        "status": "processed" if settled else "reversed",
        "description": asked.get("description"),
        "notes": entities.notes(asked.get("notes") or {}),
        "created_at": entities.unix(row.created_at),
        "scheduled": False,
        "ondemand_payouts": entities.collection([_payout(row)]),
    }


def _name(row: Settlement | Payout) -> str:
    return row.id if isinstance(row, Payout) else row.ondemand_id or ""


def _payout(row: Settlement | Payout) -> dict[str, Any]:
    """The one transfer to the bank that a settlement on demand is."""
    done = row.status == "processed"
    at = entities.unix(row.processed_at)
    return {
        "id": "setlodp_" + _name(row).partition("_")[2],
        "entity": "settlement.ondemand_payout",
        "initiated_at": entities.unix(row.created_at),
        "processed_at": at if done else None,
        "reversed_at": None if done else at,
        "amount": row.amount,
        "amount_settled": row.amount if done else None,
        "fees": 0,
        "tax": 0,
        "utr": row.utr if isinstance(row, Settlement) else None,
        "status": "processed" if done else "reversed",
        "created_at": entities.unix(row.created_at),
    }


@call("POST", "/settlements/ondemand", "write")
def settle_now(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Settle an amount now, or all that is captured."""
    currency, body = str(ctx.body.get("currency") or "INR"), ctx.body
    asked = {
        "description": text_of(body.get("description"), "description", 2048),
        "notes": notes_of(body.get("notes")),
    }
    if flag_of(body.get("settle_full_balance"), "settle_full_balance"):
        return _on_demand(settlements.on_demand(session, ctx.desk, currency, asked))
    amount = amount_of(body.get("amount"), currency)
    return _on_demand(settlements.advance(session, ctx.desk, amount, currency, {**asked, "amount": amount}))


@call("GET", "/settlements/ondemand", "read")
def list_on_demand(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Settlements that were asked for, whole ones and parts, newest first."""
    count, skip, start, end = ctx.page()
    whole = ctx.desk.owned(Settlement).where(Settlement.ondemand_id.is_not(None))
    found: list[Settlement | Payout] = []
    for rows, kind in ((whole, Settlement), (settlements.advances(ctx.desk), Payout)):
        within = rows if start is None else rows.where(kind.created_at >= start)
        within = within if end is None else within.where(kind.created_at <= end)
        found += session.scalars(within.order_by(kind.created_at.desc(), kind.id.desc()).limit(skip + count))
    found.sort(key=lambda row: (row.created_at, row.id), reverse=True)
    return entities.collection([_on_demand(row) for row in found[skip : skip + count]])


@call("GET", "/settlements/ondemand/{}", "read")
def fetch_on_demand(session: ReadSession, ctx: Context, wanted: str) -> dict[str, Any]:
    """One of them."""
    whole = session.scalar(ctx.desk.owned(Settlement).where(Settlement.ondemand_id == wanted))
    row = whole or session.scalar(settlements.advances(ctx.desk).where(Payout.id == wanted))
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
