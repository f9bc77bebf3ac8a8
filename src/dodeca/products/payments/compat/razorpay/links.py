"""Payment links, QR codes, virtual accounts."""

from __future__ import annotations

from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.products.payments import billing_entities as entities
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.pay import listed, shown
from dodeca.products.payments.compat.razorpay.requests import Context
from dodeca.products.payments.entities import collection
from dodeca.products.payments.models import Order, PaymentLink, QrCode, VirtualAccount
from dodeca.products.payments.models import Payment as PaymentRow
from dodeca.products.payments.service import payment_links, receivers

# Payment links


def _link(session: ReadSession, row: PaymentLink) -> dict[str, Any]:
    order = session.get_one(Order, row.order_id)
    return entities.payment_link(row, order, payment_links.paid_by(session, row))


@call("POST", "/payment_links", "write")
def create_link(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a link."""
    return _link(session, payment_links.create(session, ctx.desk, ctx.body))


@call("GET", "/payment_links", "read")
def list_links(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Links, by reference or payment where one is given."""
    where = []
    if ctx.query.get("reference_id"):
        where.append(PaymentLink.reference_id == str(ctx.query["reference_id"]))
    if ctx.query.get("payment_id"):
        payment = ctx.desk.find(session, PaymentRow, str(ctx.query["payment_id"]))
        where.append(PaymentLink.order_id == payment.order_id)
    found = listed(session, ctx, PaymentLink, lambda row: _link(session, row), *where)
    return {"payment_links": found["items"]}


@call("GET", "/payment_links/{}", "read")
def fetch_link(session: ReadSession, ctx: Context, link_id: str) -> dict[str, Any]:
    """One link."""
    return _link(session, ctx.desk.find(session, PaymentLink, link_id))


@call("PATCH", "/payment_links/{}", "write")
def edit_link(session: WriteSession, ctx: Context, link_id: str) -> dict[str, Any]:
    """Change a link."""
    row = ctx.desk.lock(session, PaymentLink, link_id)
    return _link(session, payment_links.edit(session, ctx.desk, row, ctx.body))


@call("POST", "/payment_links/{}/cancel", "write")
def cancel_link(session: WriteSession, ctx: Context, link_id: str) -> dict[str, Any]:
    """End a link."""
    row = ctx.desk.lock(session, PaymentLink, link_id)
    return _link(session, payment_links.cancel(session, ctx.desk, row))


@call("POST", "/payment_links/{}/notify_by/{}", "write")
def notify_link(session: WriteSession, ctx: Context, link_id: str, medium: str) -> dict[str, Any]:
    """Send a link."""
    payment_links.send(session, ctx.desk, ctx.desk.lock(session, PaymentLink, link_id), medium)
    return {"success": True}


# QR codes. The SDKs put them below /payments.


@call("POST", "/payments/qr_codes", "write")
def create_qr(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a QR code."""
    return entities.qr_code(receivers.create_qr(session, ctx.desk, ctx.body))


@call("GET", "/payments/qr_codes", "read")
def list_qr(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """QR codes, by customer or payment where one is given."""
    where = []
    if ctx.query.get("customer_id"):
        where.append(QrCode.customer_id == str(ctx.query["customer_id"]))
    if ctx.query.get("payment_id"):
        payment = ctx.desk.find(session, PaymentRow, str(ctx.query["payment_id"]))
        order = session.get(Order, payment.order_id) if payment.order_id else None
        where.append(QrCode.id == (order.source_id if order is not None and order.source == "qr_code" else ""))
    return listed(session, ctx, QrCode, entities.qr_code, *where)


@call("GET", "/payments/qr_codes/{}", "read")
def fetch_qr(session: ReadSession, ctx: Context, qr_id: str) -> dict[str, Any]:
    """One QR code."""
    return entities.qr_code(ctx.desk.find(session, QrCode, qr_id))


@call("GET", "/payments/qr_codes/{}/payments", "read")
def qr_payments(session: ReadSession, ctx: Context, qr_id: str) -> dict[str, Any]:
    """What was paid with it."""
    return _paid(session, ctx, "qr_code", ctx.desk.find(session, QrCode, qr_id).id)


def _paid(session: ReadSession, ctx: Context, source: str, row_id: str) -> dict[str, Any]:
    count, skip, _start, _end = ctx.page()
    statement = receivers.payments_of(session, ctx.desk, source, row_id)
    newest = statement.order_by(PaymentRow.created_at.desc(), PaymentRow.id.desc()).offset(skip).limit(count)
    return collection([shown(session, row) for row in session.scalars(newest)])


@call("POST", "/payments/qr_codes/{}/close", "write")
def close_qr(session: WriteSession, ctx: Context, qr_id: str) -> dict[str, Any]:
    """Close a QR code."""
    return entities.qr_code(receivers.close_qr(session, ctx.desk.lock(session, QrCode, qr_id)))


# Virtual accounts


@call("POST", "/virtual_accounts", "write")
def create_account(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a virtual account."""
    return entities.virtual_account(receivers.create_account(session, ctx.desk, ctx.body))


@call("GET", "/virtual_accounts", "read")
def list_accounts(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Virtual accounts."""
    return listed(session, ctx, VirtualAccount, entities.virtual_account)


@call("GET", "/virtual_accounts/{}", "read")
def fetch_account(session: ReadSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """One virtual account."""
    return entities.virtual_account(ctx.desk.find(session, VirtualAccount, account_id))


@call("GET", "/virtual_accounts/{}/payments", "read")
def account_payments(session: ReadSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """What was paid into it."""
    return _paid(session, ctx, "virtual_account", ctx.desk.find(session, VirtualAccount, account_id).id)


@call("POST", "/virtual_accounts/{}/close", "write")
@call("PATCH", "/virtual_accounts/{}", "write")
def close_account(session: WriteSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """Close a virtual account."""
    row = ctx.desk.lock(session, VirtualAccount, account_id)
    return entities.virtual_account(receivers.close_account(session, row))


def _active(session: WriteSession, ctx: Context, account_id: str) -> VirtualAccount:
    row = ctx.desk.lock(session, VirtualAccount, account_id)
    if row.status != "active":
        raise Conflict("This virtual account is closed.", field="id")
    return row


@call("POST", "/virtual_accounts/{}/receivers", "write")
def add_receiver(session: WriteSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """Another way to pay into it."""
    row = _active(session, ctx, account_id)
    types = ctx.body.get("types")
    kinds = list(types.values()) if isinstance(types, dict) else types
    if not isinstance(kinds, list) or any(kind not in ("bank_account", "vpa") for kind in kinds):
        raise Invalid("A receiver is a bank_account or a vpa.", field="types")
    for kind in kinds:
        receivers.add_receiver(row, kind, ctx.body)
    return entities.virtual_account(row)


@call("POST", "/virtual_accounts/{}/allowed_payers", "write")
def add_payer(session: WriteSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """Take transfers from one bank account only."""
    row = _active(session, ctx, account_id)
    receivers.add_payer(row, ctx.body)
    return entities.virtual_account(row)


@call("DELETE", "/virtual_accounts/{}/allowed_payers/{}", "write")
def remove_payer(session: WriteSession, ctx: Context, account_id: str, payer_id: str) -> None:
    """Undo that."""
    receivers.remove_payer(_active(session, ctx, account_id), payer_id)


def _credited(session: ReadSession, payment: PaymentRow) -> VirtualAccount | None:
    """The virtual account that a payment went into."""
    order = session.get(Order, payment.order_id) if payment.order_id else None
    return session.get(VirtualAccount, order.source_id) if order and order.source == "virtual_account" else None


@call("GET", "/payments/{}/bank_transfer", "read")
def bank_transfer(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """The transfer that a payment came by."""
    payment = ctx.desk.find(session, PaymentRow, payment_id)
    if payment.method != "bank_transfer":
        raise Invalid("The payment was not made by bank transfer.", field="id")
    account = _credited(session, payment)
    return {
        "id": "bt_" + payment.id.partition("_")[2],
        "entity": "bank_transfer",
        "payment_id": payment.id,
        "mode": "NEFT",
        "bank_reference": payment.acquirer_reference,
        "amount": payment.amount,
        "payer_bank_account": {"id": None, "entity": "bank_account", "name": payment.name or None, "notes": []},
        "virtual_account_id": account.id if account else None,
        "virtual_account": entities.virtual_account(account) if account else None,
    }


@call("GET", "/payments/{}/upi_transfer", "read")
def upi_transfer(session: ReadSession, ctx: Context, payment_id: str) -> dict[str, Any]:
    """The UPI transfer to a virtual account that a payment came by."""
    payment = ctx.desk.find(session, PaymentRow, payment_id)
    account = _credited(session, payment)
    if payment.method != "upi" or account is None:
        raise Invalid("The payment was not made by UPI to a virtual account.", field="id")
    return {
        "id": "ut_" + payment.id.partition("_")[2],
        "entity": "upi_transfer",
        "amount": payment.amount,
        "payer_vpa": payment.vpa,
        "payer_bank": None,
        "payer_account": None,
        "payer_ifsc": None,
        "payment_id": payment.id,
        "npci_reference_id": payment.acquirer_reference,
        "rrn": payment.acquirer_reference,
        "tr": None,
        "virtual_account_id": account.id,
        "virtual_account": entities.virtual_account(account),
    }
