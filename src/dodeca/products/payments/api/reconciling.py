"""Reconciliation: statements in, lines matched, three sides compared."""

from __future__ import annotations

import io
from datetime import date
from typing import Annotated, Any

import msgspec
import segno
from litestar.datastructures import UploadFile
from segno import helpers

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.http import (
    Access,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    get,
    page_of,
    post,
)
from dodeca.kernel.money import Money, decimal_text
from dodeca.products.payments.acting import Till, flow_desk
from dodeca.products.payments.models import Order, StatementImport, StatementLine
from dodeca.products.payments.service import bankrefs, statements
from dodeca.products.payments.service.statements import comparing, matching
from dodeca.products.payments.service.statements.parsed import Statement

Text = Annotated[str, msgspec.Meta(max_length=256)]
MOST_BYTES = 20 * 1024 * 1024


class Match(ClosedRequest):
    """What a line belongs to."""

    entity_id: Text


async def file_of(call: Call) -> bytes:
    """The file: the body itself, or the part `file` of a form. Raises Invalid."""
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await call.request.form()
        upload: Any = form.get("file")
        if not isinstance(upload, UploadFile):
            raise Invalid("The file is missing.", field="file")
        return await upload.read()
    return await call.request.body()


def line_view(row: StatementLine) -> dict[str, Any]:
    """A line as JSON."""
    return {
        "line_id": row.id,
        "import_id": row.import_id,
        "account": row.account,
        "date": row.booked_on.isoformat(),
        "amount": row.amount,
        "currency": row.currency,
        "reference": row.reference or None,
        "text": row.text or None,
        "counterparty": row.counterparty or None,
        "status": row.status,
        "matched_to": row.matched_to,
        "suggested": row.suggested,
    }


@post("/reconciliation/parse", access=Access.MEMBER, status=200, request_max_body_size=MOST_BYTES + 100_000)
async def parse(call: Calling) -> dict[str, Any]:
    """Read a file of statements without keeping anything of it."""
    name, found = statements.read(await file_of(call))
    return {"format": name, "statements": [statement.shown() for statement in found]}


async def take(call: Call, raw: bytes) -> dict[str, Any]:
    """Keep a file's lines and match them. Raises Unreadable, Unprocessable."""
    desk = await flow_desk(call)
    name, found = statements.read(raw)
    matching.check(found)
    import_id = await call.platform.db.awrite(lambda session: matching.start(session, desk, name))
    counts = matching.Counts()
    for statement in found:
        await _take(call, import_id, statement, counts)
    return {"import_id": import_id, "format": name, **msgspec.to_builtins(counts)}


async def _take(call: Call, import_id: str, statement: Statement, counts: matching.Counts) -> None:
    desk = await flow_desk(call)
    lines = matching.identified(statement)
    for first in range(0, len(lines), matching.CHUNK):
        some = lines[first : first + matching.CHUNK]

        def unit(session: WriteSession, some: Any = some) -> matching.Counts:
            after = matching.Counts(counts.lines, counts.matched, counts.unmatched, counts.duplicates)
            matching.add(session, desk, import_id, statement.account, some, after)
            return after

        after = await call.platform.db.awrite(unit)
        counts.lines, counts.matched = after.lines, after.matched
        counts.unmatched, counts.duplicates = after.unmatched, after.duplicates


@post("/reconciliation/imports", access=Access.MEMBER, request_max_body_size=MOST_BYTES + 100_000)
async def import_statements(call: Calling) -> dict[str, Any]:
    """Import a file of statements. Importing it again changes nothing."""
    return await take(call, await file_of(call))


@get("/reconciliation/imports/{import_id:str}/lines", access=Access.MEMBER)
def import_lines(
    session: DbRead,
    desk: Till,
    import_id: FromPath[str],
    status: FromQuery[str | None] = None,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """The lines that an import brought."""
    row = desk.find(session, StatementImport, import_id)
    mine = desk.owned(StatementLine).where(StatementLine.import_id == row.id)
    if status:
        mine = mine.where(StatementLine.status == status)
    page = page_of(session, mine, order=[StatementLine.created_at, StatementLine.id], cursor=cursor, limit=limit)
    return {"lines": [line_view(line) for line in page.items], "next_cursor": page.next_cursor}


@post("/reconciliation/lines/{line_id:str}/match", access=Access.MEMBER, status=200)
def match(session: DbWrite, desk: Till, line_id: FromPath[str], data: JSONBody[Match]) -> dict[str, Any]:
    """Say what a line belongs to."""
    return line_view(matching.match_by_hand(session, desk, line_id, data.entity_id))


@get("/reconciliation/report", access=Access.MEMBER)
def report(session: DbRead, desk: Till, call: Calling) -> dict[str, Any]:
    """Ledger, acquirers and bank of a day."""
    given = call.request.query_params.get("date")
    try:
        day = date.fromisoformat(given) if given else clock.now().date()
    except ValueError as error:
        raise Invalid("A date is written as 2026-01-31.", field="date") from error
    return comparing.report(session, desk, day)


@get("/orders/{order_id:str}/bank_transfer", access=Access.MEMBER)
def bank_transfer(session: DbWrite, desk: Till, order_id: FromPath[str]) -> dict[str, Any]:
    """How an order is paid by transfer to the merchant's own account: the reference, and a QR code for banking apps."""
    order = desk.lock(session, Order, order_id)
    account = desk.merchant.bank_account or {}
    if not account:
        raise Conflict("Set your bank account first: PATCH /api/payments/merchant.", field="bank_account")
    reference = bankrefs.reference_of(session, order)
    due = order.amount - order.amount_paid
    return {
        "reference": reference,
        "name": account.get("name"),
        "iban": account.get("iban"),
        "account_number": account.get("account_number"),
        "ifsc": account.get("ifsc"),
        "amount": due,
        "currency": order.currency,
        "qr_svg": _qr(account, reference, due, order.currency),
    }


def _qr(account: dict[str, Any], reference: str, due: int, currency: str) -> str:
    """An EPC QR code for euros (EPC069-12), else a plain text that says the same."""
    out = io.BytesIO()
    iban = str(account.get("iban") or "")
    if currency == "EUR" and iban and "…" not in iban and due:
        code = helpers.make_epc_qr(str(account["name"])[:70], iban, Money(due, currency).decimal, reference=reference)
    else:
        code = segno.make(f"{account.get('name')} {reference} {currency} {decimal_text(due, currency)}", error="m")
    code.save(out, kind="svg", scale=4, xmldecl=False)
    return out.getvalue().decode()


routes = [parse, import_statements, import_lines, match, report, bank_transfer]
