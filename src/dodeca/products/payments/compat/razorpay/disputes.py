"""Disputes, documents, fund accounts and customers' bank accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import entities
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.pay import listed
from dodeca.products.payments.compat.razorpay.requests import Context, Upload
from dodeca.products.payments.models import Dispute, Document
from dodeca.products.payments.service import bank_accounts, disputes, documents
from dodeca.products.payments.service.inputs import text_of


@call("GET", "/disputes", "read")
def list_disputes(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Disputes."""
    return listed(session, ctx, Dispute, entities.dispute)


@call("GET", "/disputes/{}", "read")
def fetch_dispute(session: ReadSession, ctx: Context, dispute_id: str) -> dict[str, Any]:
    """One dispute."""
    return entities.dispute(ctx.desk.find(session, Dispute, dispute_id))


@call("POST", "/disputes/{}/accept", "write")
def accept_dispute(session: WriteSession, ctx: Context, dispute_id: str) -> dict[str, Any]:
    """Give the money back."""
    return entities.dispute(disputes.accept(session, ctx.desk, dispute_id))


@call("PATCH", "/disputes/{}/contest", "write")
def contest_dispute(session: WriteSession, ctx: Context, dispute_id: str) -> dict[str, Any]:
    """Write the answer down, or hand it in."""
    return entities.dispute(disputes.contest(session, ctx.desk, dispute_id, ctx.body))


@call("POST", "/documents", "flow")
async def create_document(ctx: Context) -> dict[str, Any]:
    """Keep a file: the part `file` of a form."""
    upload = ctx.body.get("file")
    if not isinstance(upload, Upload) or not upload.content:
        raise Invalid("The file is missing.", field="file")
    purpose = documents.checked_purpose(ctx.body.get("purpose"))
    blob = await documents.store(ctx.platform, upload.content)

    def add(session: WriteSession) -> dict[str, Any]:
        return entities.document(
            documents.add(session, ctx.till(session), blob, name=upload.name or None, purpose=purpose)
        )

    return await ctx.platform.db.awrite(add)


@call("GET", "/documents/{}", "read")
def fetch_document(session: ReadSession, ctx: Context, document_id: str) -> dict[str, Any]:
    """One document."""
    return entities.document(ctx.desk.find(session, Document, document_id))


@call("POST", "/fund_accounts", "write")
def create_fund_account(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Write down a customer's bank account as a fund account."""
    if str(ctx.body.get("account_type") or "bank_account") != "bank_account":
        raise Invalid("The account_type is bank_account.", field="account_type")
    given = ctx.body.get("bank_account")
    if not isinstance(given, Mapping):
        raise Invalid("The bank_account field is required.", field="bank_account")
    customer_id = text_of(ctx.body.get("customer_id"), "customer_id", 40) or ""
    return entities.fund_account(bank_accounts.add(session, ctx.desk, customer_id, given, funds=True))


@call("GET", "/fund_accounts", "read")
def list_fund_accounts(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Fund accounts, of one customer where it is named."""
    customer_id = text_of(ctx.query.get("customer_id"), "customer_id", 40)
    rows = bank_accounts.fund_accounts_of(session, ctx.desk, customer_id)
    return entities.collection([entities.fund_account(row) for row in rows])


@call("GET", "/fund_accounts/{}", "read")
def fetch_fund_account(session: ReadSession, ctx: Context, fund_account_id: str) -> dict[str, Any]:
    """One fund account."""
    return entities.fund_account(bank_accounts.fund_account(session, ctx.desk, fund_account_id))


@call("POST", "/customers/{}/bank_account", "write")
def add_bank_account(session: WriteSession, ctx: Context, customer_id: str) -> dict[str, Any]:
    """Write down a customer's bank account."""
    body = ctx.body
    values = {
        "ifsc": body.get("ifsc_code"),
        "account_number": body.get("account_number"),
        "name": body.get("beneficiary_name"),
    }
    return entities.bank_account(bank_accounts.add(session, ctx.desk, customer_id, values))


@call("DELETE", "/customers/{}/bank_account/{}", "write")
def delete_bank_account(session: WriteSession, ctx: Context, customer_id: str, account_id: str) -> dict[str, Any]:
    """Forget it."""
    bank_accounts.remove(session, ctx.desk, customer_id, account_id)
    return {"success": True}
