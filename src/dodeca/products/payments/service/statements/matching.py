"""Keeping the lines of statements once, and matching them with settlements, payouts, orders and virtual accounts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from stdnum.iso11649 import is_valid as is_creditor_reference

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, NotFound, Unprocessable
from dodeca.products.payments import ids
from dodeca.products.payments.models import (
    BankReference,
    Order,
    Payment,
    Payout,
    Settlement,
    StatementImport,
    StatementLine,
    VirtualAccount,
)
from dodeca.products.payments.service import receivers
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.statements.comparing import midnight
from dodeca.products.payments.service.statements.parsed import Line, Statement

CHUNK = 500
"""Lines a unit of work, each of which may pay an order: other writers get their turn in between."""
NEAR = timedelta(days=5)
"""How far a booking may lie from what it is suggested for."""
_TOKEN = re.compile(r"[A-Za-z0-9_]{8,40}")
_OURS = re.compile(r"[A-Z0-9]{12}|(pout|order)_[A-Za-z0-9]{14}|2223330\d{9}")
"""A settlement's number, a payout, an order, a virtual account."""
_lines = cast(Table, StatementLine.__table__)
_settling = Prepared(select(_lines.c.id).where(_lines.c.settles == bindparam("settles")), autoflush=False)
_found = Prepared(
    update(_lines)
    .where(_lines.c.id == bindparam("line_id"))
    .values({name: bindparam(f"new_{name}") for name in ("status", "matched_to", "settles", "suggested")}),
    autoflush=False,
)


@dataclass(slots=True)
class Counts:
    """What came of an import."""

    lines: int = 0
    matched: int = 0
    unmatched: int = 0
    duplicates: int = 0


def check(statements: Sequence[Statement]) -> None:
    """Raise Unprocessable where a statement does not add up: a part of it is missing, or was changed."""
    for statement in statements:
        if statement.balanced is False:
            raise Unprocessable(
                f"The statement of {statement.account or 'the account'} does not add up: opening balance plus lines "
                "is not the closing balance.",
                field="file",
            )


def start(session: WriteSession, desk: Desk, format_name: str) -> str:
    """Begin an import; gives its id."""
    row = StatementImport(
        id=ids.new("imp"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        format=format_name,
        lines=0,
        matched=0,
        unmatched=0,
        duplicates=0,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row.id


def identified(statement: Statement) -> list[tuple[str, Line]]:
    """Each line with what makes it one booking and no other, the same however often the statement comes."""
    seen: Counter[str] = Counter()
    found = []
    for line in statement.lines:
        key = "r:" + line.reference if line.reference else "h:" + _digest(line)
        found.append((f"{key}#{seen[key]}", line))
        seen[key] += 1
    return found


def _digest(line: Line) -> str:
    parts = (line.booked_on.isoformat(), str(line.amount), line.currency, line.text, line.counterparty)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def add(
    session: WriteSession, desk: Desk, import_id: str, account: str, lines: Sequence[tuple[str, Line]], counts: Counts
) -> None:
    """Keep the lines that are new, and match them. One unit of work, at most CHUNK lines."""
    rows = [
        {
            "id": ids.new("line"),
            "merchant_id": desk.merchant.id,
            "mode": desk.mode,
            "import_id": import_id,
            "account": account[:64],
            "identity": identity[:200],
            "booked_on": line.booked_on,
            "amount": line.amount,
            "currency": line.currency,
            "reference": line.reference,
            "text": line.text,
            "counterparty": line.counterparty,
            "status": "unmatched",
            "created_at": clock.now(),
        }
        for identity, line in lines
    ]
    chosen = sqlite.insert if session.dialect == "sqlite" else postgresql.insert
    table = cast(Table, StatementLine.__table__)
    session.execute(chosen(table).on_conflict_do_nothing(), rows)
    kept = select(StatementLine.id).where(StatementLine.import_id == import_id)
    fresh: set[str] = set()
    for some in (rows[i : i + 500] for i in range(0, len(rows), 500)):
        fresh |= set(session.scalars(kept.where(StatementLine.id.in_([row["id"] for row in some]))))
    new = [row for row in rows if row["id"] in fresh]
    matched = match(session, desk, new)
    counts.lines += len(rows)
    counts.duplicates += len(rows) - len(new)
    counts.matched += matched
    counts.unmatched += len(new) - matched
    session.execute(
        update(StatementImport)
        .where(StatementImport.id == import_id)
        .values(lines=counts.lines, matched=counts.matched, unmatched=counts.unmatched, duplicates=counts.duplicates)
    )


def match(session: WriteSession, desk: Desk, rows: Sequence[dict[str, Any]]) -> int:
    """Match lines by what they name, suggest the rest by amount and date; gives how many were matched."""
    tokens = {row["id"]: _tokens(row) for row in rows}
    everything = set().union(*tokens.values()) if tokens else set()
    known = _named(session, desk, everything)
    settled = _near(session, desk, rows)
    matched = 0
    for row in rows:
        target = next((known[t] for t in sorted(tokens[row["id"]]) if t in known), None)
        if target is not None and _take(session, desk, row, target):
            matched += 1
        else:
            _suggest(session, row, settled)
    return matched


def _tokens(row: dict[str, Any]) -> set[str]:
    """What in a line could be a name of ours."""
    text = f"{row['reference']} {row['text']}"
    found = {token for token in _TOKEN.findall(text) if _OURS.fullmatch(token)}
    if "RF" in text.upper():  # people write it with spaces
        squeezed = re.sub(r"[^A-Z0-9]", "", text.upper())
        for start_at in (m.start() for m in re.finditer("RF", squeezed)):
            pieces = (squeezed[start_at : start_at + length] for length in range(5, 26))
            found |= {piece for piece in pieces if is_creditor_reference(piece)}
    return found


def _named(session: ReadSession, desk: Desk, tokens: Iterable[str]) -> dict[str, Any]:
    """What tokens name: settlements by number or id, payouts, orders by reference or id, virtual accounts."""
    wanted = sorted(tokens)
    found: dict[str, Any] = {}
    for some in (wanted[i : i + 500] for i in range(0, len(wanted), 500)):
        for settlement in session.scalars(desk.owned(Settlement).where(Settlement.utr.in_(some))):
            found[settlement.utr] = settlement
        own = Payout.owner == desk.merchant.id
        for payout in session.scalars(select(Payout).where(own, Payout.mode == desk.mode, Payout.id.in_(some))):
            found[payout.id] = payout
        refs = select(BankReference.reference, Order).join(Order, Order.id == BankReference.order_id)
        mine = refs.where(Order.merchant_id == desk.merchant.id, Order.mode == desk.mode)
        found |= {row[0]: row[1] for row in session.execute(mine.where(BankReference.reference.in_(some)))}
        for order in session.scalars(desk.owned(Order).where(Order.id.in_(some))):
            found[order.id] = order
        for account in session.scalars(desk.owned(VirtualAccount).where(VirtualAccount.account_number.in_(some))):
            found[account.account_number] = account
    return found


def _take(session: WriteSession, desk: Desk, row: dict[str, Any], target: Any) -> bool:
    """Match a line with what it names; false where the amount or the state does not allow it."""
    settles = None
    try:
        if isinstance(target, (Settlement, Payout)):
            fits = abs(row["amount"]) == target.amount and row["currency"] == target.currency
            if not fits or _is_taken(session, target.id):
                return False
            matched = settles = target.id
        elif row["amount"] <= 0:
            return False
        else:
            matched = _credit(session, desk, row, target)
    except DodecaError:
        return False
    _set(session, row["id"], status="matched", matched_to=matched, settles=settles)
    return True


def _is_taken(session: ReadSession, target_id: str) -> bool:
    return _settling.first(session, settles=target_id) is not None


def _credit(session: WriteSession, desk: Desk, row: dict[str, Any], target: Any) -> str:
    """Money that came for an order or a virtual account; gives the payment. Raises Conflict, Invalid."""
    payment = receivers.credit(
        session,
        desk,
        row["amount"],
        row["currency"],
        reference=f"statement:{row['id']}",
        payer=row["counterparty"],
        order=target if isinstance(target, Order) else None,
        account=target if isinstance(target, VirtualAccount) else None,
    )
    return payment.id


def _near(session: ReadSession, desk: Desk, rows: Sequence[dict[str, Any]]) -> dict[tuple[int, str], list[Settlement]]:
    """Settlements that no line has yet, around the lines' days, by amount and currency."""
    if not rows:
        return {}
    first, last = min(r["booked_on"] for r in rows), max(r["booked_on"] for r in rows)
    taken = select(StatementLine.settles).where(StatementLine.settles.is_not(None))
    wanted = desk.owned(Settlement).where(
        Settlement.created_at >= midnight(first) - NEAR,
        Settlement.created_at < midnight(last) + NEAR,
        Settlement.id.not_in(taken),
    )
    found: dict[tuple[int, str], list[Settlement]] = {}
    for settlement in session.scalars(wanted.order_by(Settlement.created_at).limit(5000)):
        found.setdefault((settlement.amount, settlement.currency), []).append(settlement)
    return found


def _suggest(session: WriteSession, row: dict[str, Any], settled: dict[tuple[int, str], list[Settlement]]) -> None:
    for settlement in settled.get((row["amount"], row["currency"]), ()):
        if abs(settlement.created_at.date() - row["booked_on"]) <= NEAR:
            _set(session, row["id"], status="suggested", suggested=settlement.id)
            return


def _set(
    session: WriteSession,
    line_id: str,
    *,
    status: str,
    matched_to: str | None = None,
    settles: str | None = None,
    suggested: str | None = None,
) -> None:
    found = {"matched_to": matched_to, "settles": settles, "suggested": suggested}
    _found.put(session, {"line_id": line_id, "new_status": status, **{f"new_{k}": v for k, v in found.items()}})


def match_by_hand(session: WriteSession, desk: Desk, line_id: str, entity_id: str) -> StatementLine:
    """What a person says a line belongs to: a settlement, payout, order, payment or virtual account.

    Raises NotFound, Conflict."""
    line = desk.lock(session, StatementLine, line_id)
    if line.status == "matched":
        raise Conflict("This line is matched already.", field="line_id")
    row = {c.name: getattr(line, c.name) for c in cast(Table, StatementLine.__table__).columns}
    target = _entity(session, desk, entity_id)
    if isinstance(target, Payment):
        _set(session, line.id, status="matched", matched_to=target.id)
    elif not _take(session, desk, row, target):
        raise Conflict("The amount or the state of this does not fit the line.", field="entity_id")
    session.flush()
    session.refresh(line)
    return line


def _entity(session: ReadSession, desk: Desk, entity_id: str) -> Any:
    kinds = {"setl": Settlement, "order": Order, "pay": Payment, "va": VirtualAccount}
    prefix = entity_id.partition("_")[0]
    if prefix == "pout":
        payout = session.get(Payout, entity_id)
        if payout is not None and (payout.owner, payout.mode) == (desk.merchant.id, desk.mode):
            return payout
    if prefix not in kinds:
        raise NotFound("There is no such settlement, payout, order, payment or account.", field="entity_id")
    return desk.find(session, cast(Any, kinds[prefix]), entity_id)
