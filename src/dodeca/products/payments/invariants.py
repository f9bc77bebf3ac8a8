"""What must always be true of the books, recomputed from the transfers alone. Each function gives what breaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, literal, select, union_all
from sqlalchemy.orm import aliased

from dodeca.kernel.db import ReadSession
from dodeca.kernel.manifest import Invariant
from dodeca.products.payments.models import LedgerAccount, LedgerTail, Transfer
from dodeca.products.payments.models.ledger import COUNTERS


def counters_follow_from_transfers(session: ReadSession) -> Sequence[object]:
    """Accounts whose counters, with their tail, are not the sum of their transfers."""
    pending = aliased(Transfer)
    signed = (
        select(
            Transfer.debit_account_id,
            Transfer.credit_account_id,
            case((Transfer.state == "posted", Transfer.amount), else_=0).label("posted"),
            case((Transfer.state == "pending", Transfer.amount), else_=-func.coalesce(pending.amount, 0)).label("held"),
        )
        .outerjoin(pending, pending.id == Transfer.pending_id)
        .subquery()
    )
    zero = literal(0)
    sides = union_all(
        select(
            signed.c.debit_account_id.label("account"),
            signed.c.posted.label("dp"),
            zero.label("cp"),
            signed.c.held.label("dn"),
            zero.label("cn"),
        ),
        select(signed.c.credit_account_id, zero, signed.c.posted, zero, signed.c.held),
    ).subquery()
    sums = (func.sum(sides.c.dp), func.sum(sides.c.cp), func.sum(sides.c.dn), func.sum(sides.c.cn))
    computed = {
        row[0]: tuple(int(v) for v in row[1:])
        for row in session.execute(select(sides.c.account, *sums).group_by(sides.c.account))
    }
    tails = select(LedgerTail.account_id, *(func.sum(getattr(LedgerTail, c)) for c in COUNTERS))
    tail = {row[0]: row[1:] for row in session.execute(tails.group_by(LedgerTail.account_id))}
    stored = select(LedgerAccount.id, *(getattr(LedgerAccount, c) for c in COUNTERS))
    wrong = []
    for row in session.execute(stored):
        said = tuple(int(a) + int(b) for a, b in zip(row[1:], tail.get(row[0], (0, 0, 0, 0)), strict=True))
        if said != computed.get(row[0], (0, 0, 0, 0)):
            wrong.append(row[0])
    return wrong


def every_currency_sums_to_zero(session: ReadSession) -> Sequence[object]:
    """Currencies (and modes) whose balances do not cancel out."""
    sums: dict[str, int] = {}
    rows = select(LedgerAccount.mode, LedgerAccount.currency, LedgerAccount.credits_posted, LedgerAccount.debits_posted)
    for mode, currency, credits, debits in session.execute(rows):
        name = f"{mode}.{currency}"
        sums[name] = sums.get(name, 0) + int(credits) - int(debits)
    tails = select(
        LedgerAccount.mode, LedgerAccount.currency, func.sum(LedgerTail.credits_posted - LedgerTail.debits_posted)
    ).join(LedgerTail, LedgerTail.account_id == LedgerAccount.id)
    for mode, currency, change in session.execute(tails.group_by(LedgerAccount.mode, LedgerAccount.currency)):
        sums[f"{mode}.{currency}"] += int(change)
    return [name for name, total in sums.items() if total != 0]


def reservations_resolve_within_themselves(session: ReadSession) -> Sequence[object]:
    """Resolutions that differ from their reservation in accounts, or exceed it."""
    pending = aliased(Transfer)
    wrong = (
        select(Transfer.id)
        .join(pending, pending.id == Transfer.pending_id)
        .where(
            (pending.debit_account_id != Transfer.debit_account_id)
            | (pending.credit_account_id != Transfer.credit_account_id)
            | (pending.state != "pending")
            | (pending.amount < Transfer.amount)
        )
    )
    return session.scalars(wrong).all()


invariants: Mapping[str, Invariant] = {
    "counters follow from transfers": counters_follow_from_transfers,
    "every currency sums to zero": every_currency_sums_to_zero,
    "reservations resolve within themselves": reservations_resolve_within_themselves,
}


def audit(session: ReadSession) -> dict[str, list[str]]:
    """All violations, by invariant; empty when the books are right."""
    found = {name: [str(item) for item in check(session)] for name, check in invariants.items()}
    return {name: items for name, items in found.items() if items}
