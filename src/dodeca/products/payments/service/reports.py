"""Reports and figures of a merchant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, false, func, literal_column, or_, select

from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.money import decimal_text
from dodeca.products.payments.models import (
    Card,
    Item,
    Order,
    Payment,
    Plan,
    Refund,
    RoutingDecision,
    Settlement,
    Subscription,
)
from dodeca.products.payments.service.desk import Desk

COLUMNS = (
    "transaction_id",
    "created_at",
    "type",
    "status",
    "amount",
    "currency",
    "fee",
    "tax",
    "net",
    "method",
    "order_id",
    "receipt",
    "settlement_id",
    "utr",
    "customer_email",
)
MOST_ROWS = 100_000
SEARCHED = 5000


def found(session: ReadSession, desk: Desk, words: str) -> Select[Payment]:
    """A merchant's payments by an id of theirs, their order, refund or settlement, or by the order's receipt; of the
    latest SEARCHED also by mail address, UPI address or a card's last four digits, which have no index.

    What an id names is looked up first and must be the merchant's: told of the merchant in the same statement, SQLite
    walks through all payments of that one, as these are in the order that a list wants."""
    mine = desk.owned(Payment)
    newest = mine.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(SEARCHED).subquery()
    latest = Payment.id.in_(select(newest.c.id))
    if "@" in words:
        return mine.where(latest, or_(Payment.email == words.lower(), Payment.vpa == words))
    prefix, underscore, _ = words.partition("_")
    kind = _NAMED.get(prefix) if underscore else None
    if kind is not None:
        return select(Payment).where(_of(session, desk, kind, words))
    receipts = desk.owned(Order).with_only_columns(Order.id).where(Order.receipt == words).limit(SEARCHED)
    by_receipt = Payment.order_id.in_(list(session.scalars(receipts)))
    if not (len(words) == 4 and words.isdecimal()):
        return select(Payment).where(by_receipt)
    of_card = select(Card.id).where(Card.id == Payment.card_id, Card.last4 == words).exists()
    return mine.where(or_(by_receipt, latest & of_card))


def in_status(payments: Select[Payment], status: str) -> Select[Payment]:
    """Those of a list that are in a status. Most are captured, so the index leaves these out, for which it would only
    be more to write; that the others are not must be said for it to be used."""
    found = payments.where(Payment.status == status)
    return found if status == "captured" else found.where(Payment.status != literal_column("'captured'"))


_NAMED: Mapping[str, type[Payment | Order | Settlement | Refund]] = {
    "pay": Payment,
    "order": Order,
    "setl": Settlement,
    "rfnd": Refund,
}


def _of(session: ReadSession, desk: Desk, kind: type[Payment | Order | Settlement | Refund], name: str) -> Any:
    """What is true of the payments that something of the merchant's is about."""
    try:
        row = desk.find(session, kind, name)
    except NotFound:
        return false()
    if isinstance(row, Order):
        return Payment.order_id == row.id
    if isinstance(row, Settlement):
        return Payment.settlement_id == row.id
    return Payment.id == (row.payment_id if isinstance(row, Refund) else row.id)


def transactions(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Payments and refunds of a time, oldest first, with all columns. Amounts in minor units."""
    paid = (
        select(Payment, Order.receipt, Settlement.utr)
        .outerjoin(Order, Order.id == Payment.order_id)
        .outerjoin(Settlement, Settlement.id == Payment.settlement_id)
        .where(Payment.merchant_id == desk.merchant.id, Payment.mode == desk.mode)
        .where(Payment.created_at >= start, Payment.created_at < end)
        .order_by(Payment.created_at, Payment.id)
        .limit(MOST_ROWS)
    )
    for payment, receipt, utr in session.execute(paid):
        fee = payment.fee or 0
        net = payment.amount - fee if payment.captured_at is not None else 0
        yield _row(
            payment, payment.id, "payment", payment.status, payment.amount, fee, payment.tax or 0, net, receipt, utr
        )
    back = (
        select(Refund, Payment, Settlement.utr)
        .join(Payment, Payment.id == Refund.payment_id)
        .outerjoin(Settlement, Settlement.id == Refund.settlement_id)
        .where(Refund.merchant_id == desk.merchant.id, Refund.mode == desk.mode)
        .where(Refund.created_at >= start, Refund.created_at < end)
        .order_by(Refund.created_at, Refund.id)
        .limit(MOST_ROWS)
    )
    for refund, payment, utr in session.execute(back):
        row = _row(
            payment, refund.id, "refund", refund.status, refund.amount, 0, 0, -refund.amount, refund.receipt, utr
        )
        yield {**row, "created_at": rfc3339(refund.created_at), "settlement_id": refund.settlement_id}


def _row(
    payment: Payment,
    name: str,
    kind: str,
    status: str,
    amount: int,
    fee: int,
    tax: int,
    net: int,
    receipt: str | None,
    utr: str | None,
) -> dict[str, Any]:
    values = (
        name,
        rfc3339(payment.created_at),
        kind,
        status,
        amount,
        payment.currency,
        fee,
        tax,
        net,
        payment.method,
        payment.order_id,
        receipt,
        payment.settlement_id,
        utr,
        payment.email or None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def as_csv(rows: Iterator[dict[str, Any]]) -> str:
    """The rows as CSV; cells that a spreadsheet would take for a formula are quoted. Amounts in major units."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        shown = {**row, **{n: decimal_text(row[n], row["currency"]) for n in ("amount", "fee", "tax", "net")}}
        writer.writerow([safe_cell(shown[column], column) for column in COLUMNS])
    return out.getvalue()


def safe_cell(value: object, column: str = "") -> str:
    """A cell that no spreadsheet executes (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    risky = text[:1] in ("=", "+", "-", "@", "\t", "\r") and column not in ("amount", "fee", "tax", "net")
    return "'" + text if risky else text


def summary(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> dict[str, Any]:
    """Volume, success, refunds and fees of a time, by day, method and acquirer; reasons of failures.

    What no acquirer took counts for the one that was asked first."""
    mine = (
        Payment.merchant_id == desk.merchant.id,
        Payment.mode == desk.mode,
        Payment.created_at >= start,
        Payment.created_at < end,
    )
    good = case((Payment.status.in_(("authorized", "captured", "refunded")), 1), else_=0)
    taken = case((Payment.captured_at.is_not(None), Payment.amount), else_=0)
    asked = func.coalesce(Payment.acquirer, RoutingDecision.chosen)
    by = (func.date(Payment.created_at), Payment.method, asked, Payment.currency)
    sums = (
        func.count(),
        func.sum(good),
        func.sum(taken),
        func.sum(case((Payment.captured_at.is_not(None), Payment.amount_refunded), else_=0)),
        func.sum(func.coalesce(Payment.fee, 0)),
    )
    tries = select(*by, *sums).select_from(Payment)
    tries = tries.outerjoin(RoutingDecision, and_(RoutingDecision.payment_id == Payment.id, Payment.acquirer.is_(None)))
    rows = session.execute(tries.where(*mine).group_by(*by)).all()

    def grouped(name: str, place: int) -> list[dict[str, Any]]:
        """Added up here: of a busy month the database reads each payment once."""
        found: dict[tuple[str | None, str], list[int]] = {}
        for row in rows:
            value = None if row[place] is None else str(row[place])
            before = found.setdefault((value, row[3]), [0] * len(sums))
            found[value, row[3]] = [a + int(b or 0) for a, b in zip(before, row[len(by) :], strict=True)]
        return [
            {
                name: value,
                "currency": currency,
                "payments": count,
                "success_rate": round(succeeded / count, 4),
                "volume": volume,
                "refunds": back,
                "fees": fees,
            }
            for (value, currency), (count, succeeded, volume, back, fees) in sorted(
                found.items(), key=lambda item: (item[0][0] or "", item[0][1])
            )
        ]

    reason = Payment.error["reason"].as_string()
    why = select(reason, func.count()).where(*mine, Payment.status == "failed").group_by(reason)
    return {
        "by_day": grouped("day", 0),
        "by_method": grouped("method", 1),
        "by_acquirer": grouped("acquirer", 2),
        "reasons": [{"reason": row[0], "payments": int(row[1])} for row in session.execute(why)],
        "recurring": recurring(session, desk),
    }


MONTHS = {"daily": 365.25 / 12, "weekly": 365.25 / 7 / 12, "monthly": 1.0, "yearly": 1 / 12}
"""How many cycles of a period a month has."""


def recurring(session: ReadSession, desk: Desk) -> list[dict[str, Any]]:
    """Monthly recurring revenue, churn of thirty days and trial conversion, by currency.

    Churn: of those that were active thirty days ago, the share that ended since. Conversion: of the subscriptions with
    a later start whose start has passed, the share that paid once."""
    rows = (
        select(Subscription, Plan, Item)
        .join(Plan, Plan.id == Subscription.plan_id)
        .join(Item, Item.id == Plan.item_id)
        .where(Subscription.merchant_id == desk.merchant.id, Subscription.mode == desk.mode)
    )
    sums: dict[str, dict[str, float]] = {}
    now, before = clock.now(), clock.ago(days=30)
    for sub, plan, item in session.execute(rows):
        s = sums.setdefault(item.currency, dict.fromkeys(("mrr", "active", "base", "ended", "trials", "converted"), 0))
        if sub.status in ("active", "pending"):
            s["active"] += 1
            s["mrr"] += item.amount * sub.quantity * MONTHS[plan.period] / plan.interval
        if sub.paid_count and sub.created_at <= before and (sub.ended_at is None or sub.ended_at > before):
            s["base"] += 1
            s["ended"] += sub.status == "cancelled"
        if sub.start_at is not None and sub.start_at > sub.created_at and sub.start_at <= now:
            s["trials"] += 1
            s["converted"] += sub.paid_count > 0
    return [
        {
            "currency": currency,
            "mrr": round(s["mrr"]),
            "active": int(s["active"]),
            "churn": round(s["ended"] / s["base"], 4) if s["base"] else None,
            "trial_conversion": round(s["converted"] / s["trials"], 4) if s["trials"] else None,
        }
        for currency, s in sorted(sums.items())
    ]
