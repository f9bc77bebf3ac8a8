"""The three sides of a day: what the ledger moved, what the acquirers say, what the bank booked.

The ledger's side is read from its transfers. A simulated acquirer keeps no books of its own: what it said yes to
stands, as it was then, in the log of events, which the ledger neither writes nor reads. The bank's side are
the lines of imported statements.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from ulid import ULID

from dodeca.kernel.db import ReadSession
from dodeca.products.payments.models import (
    LedgerAccount,
    Payment,
    PaymentEvent,
    Settlement,
    StatementLine,
    Transfer,
)
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.steps import BANK, OWN

EMPTY: dict[str, int] = dict.fromkeys(
    (
        "ledger_captured",
        "ledger_refunded",
        "acquirer_captured",
        "acquirer_refunded",
        "acquirer_reported",
        "difference",
        "ledger_settled",
        "settlements",
        "bank",
        "bank_matched",
        "bank_open",
        "lines_open",
    ),
    0,
)
Sums = Iterable[tuple[str, str, int]]
"""Currency, column and amount in minor units."""


def midnight(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def report(session: ReadSession, desk: Desk, day: date) -> dict[str, Any]:
    """All sides by currency. `difference`: by how much the ledger's captures and refunds exceed the acquirers'."""
    start, end = midnight(day), midnight(day) + timedelta(days=1)
    sides: dict[str, dict[str, int]] = {}
    for sums in (
        _moved(session, desk, start, end),
        _reported(session, desk, start, end),
        _settled(session, desk, start, end),
        _booked(session, desk, day),
    ):
        for currency, column, amount in sums:
            sides.setdefault(currency, dict(EMPTY))[column] += amount
    for side in sides.values():
        side["acquirer_reported"] = side["acquirer_captured"] - side["acquirer_refunded"]
        side["difference"] = side["ledger_captured"] - side["ledger_refunded"] - side["acquirer_reported"]
    return {"date": day.isoformat(), "currencies": [{"currency": c, **sides[c]} for c in sorted(sides)]}


def _moved(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> Sums:
    """What the ledger moved from and to acquirers. Transfers' ids begin with their time, and are indexed by account."""
    names = (
        LedgerAccount.owner == desk.merchant.id,
        LedgerAccount.code == "merchant",
        LedgerAccount.mode == desk.mode,
    )
    mine = list(session.scalars(select(LedgerAccount.id).where(*names)))
    within = (Transfer.id >= _prefix(start), Transfer.id < _prefix(end), Transfer.state == "posted")
    acquirers = f"{desk.mode}.receivable.%"

    def sums(account: Any, other: Any, code: str, column: str) -> Sums:
        rows = (
            select(Transfer.currency, func.sum(Transfer.amount))
            .where(account.in_(mine), *within, Transfer.code == code, other.like(acquirers))
            .where(other.not_like(f"{acquirers}.{BANK}"))
            .group_by(Transfer.currency)
        )
        return [(row[0], column, int(row[1])) for row in session.execute(rows)]

    captured = sums(Transfer.credit_account_id, Transfer.debit_account_id, "capture", "ledger_captured")
    refunded = sums(Transfer.debit_account_id, Transfer.credit_account_id, "refund", "ledger_refunded")
    return [*captured, *refunded]


def _prefix(moment: datetime) -> str:
    """What ids of this moment and later are not before."""
    return str(ULID.from_datetime(moment)).lower()[:10]


def _reported(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> Sums:
    """What acquirers said yes to, by the snapshots of that moment."""
    found: list[tuple[str, str, int]] = []
    for kind, name, column in (
        ("payment.captured", "payment", "acquirer_captured"),
        ("refund.processed", "refund", "acquirer_refunded"),
    ):
        entity: Any = PaymentEvent.body["payload"][name]["entity"]
        currency, amount = entity["currency"].as_string(), entity["amount"].as_integer()
        payment_id = entity["id" if name == "payment" else "payment_id"].as_string()
        rows = (
            select(currency, func.sum(amount))
            .join(Payment, Payment.id == payment_id)
            .where(*_within(desk, PaymentEvent, start, end), PaymentEvent.type == kind, Payment.acquirer.not_in(OWN))
            .group_by(currency)
        )
        found += [(row[0], column, int(row[1])) for row in session.execute(rows)]
    return found


def _within(desk: Desk, kind: Any, start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    mine = kind.merchant_id == desk.merchant.id, kind.mode == desk.mode
    return *mine, kind.created_at >= start, kind.created_at < end


def _settled(session: ReadSession, desk: Desk, start: datetime, end: datetime) -> Sums:
    rows = (
        select(Settlement.currency, func.sum(Settlement.amount), func.count())
        .where(*_within(desk, Settlement, start, end))
        .group_by(Settlement.currency)
    )
    for currency, amount, count in session.execute(rows):
        yield currency, "ledger_settled", int(amount)
        yield currency, "settlements", int(count)


def _booked(session: ReadSession, desk: Desk, day: date) -> Sums:
    mine = desk.owned(StatementLine).where(StatementLine.booked_on == day).subquery()
    columns = mine.c.currency, mine.c.status, func.sum(mine.c.amount), func.count()
    for currency, status, amount, count in session.execute(select(*columns).group_by(mine.c.currency, mine.c.status)):
        yield currency, "bank", int(amount)
        yield currency, "bank_matched" if status == "matched" else "bank_open", int(amount)
        yield currency, "lines_open", 0 if status == "matched" else int(count)
