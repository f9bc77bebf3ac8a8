"""Entities of links, invoices, plans, subscriptions, QR codes and virtual accounts, as Razorpay's clients know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from babel.numbers import get_currency_symbol

from dodeca.products.payments import outside
from dodeca.products.payments.entities import Shape, notes, unix
from dodeca.products.payments.models import (
    Addon,
    Invoice,
    Item,
    Order,
    Payment,
    PaymentLink,
    Plan,
    QrCode,
    Subscription,
    VirtualAccount,
)

if TYPE_CHECKING:
    from dodeca.kernel.db import ReadSession


_LINK = Shape(
    "payment_link",
    "amount currency customer order_id reminder_enable status upi_link",
    moments="created_at expire_by updated_at",
    source=None,
    source_id=None,
    user_id="",
    whatsapp_link=False,
)
_NO_TAX: dict[str, Any] = {
    "hsn_code": None,
    "sac_code": None,
    "tax_rate": None,
    "tax_id": None,
    "tax_group_id": None,
    "tax_inclusive": False,
    "unit": None,
}
_ITEM = Shape("item", "active name description amount currency type", moments="created_at updated_at")
_PLAN = Shape("plan", "interval period", notes=True)
_ADDON = Shape("addon", "quantity subscription_id invoice_id")
_SUBSCRIPTION = Shape(
    "subscription",
    "plan_id customer_id status quantity total_count paid_count customer_notify",
    moments="current_start current_end ended_at charge_at created_at expire_by",
    notes=True,
    source="api",
    offer_id=None,
)
_INVOICE = Shape(
    "invoice",
    "type receipt customer_id order_id subscription_id payment_id status terms partial_payment amount currency "
    "description comment",
    moments="expire_by issued_at paid_at cancelled_at expired_at billing_start billing_end created_at",
    notes=True,
    sms_status=None,
    tax_amount=0,
    view_less=True,
    group_taxes_discounts=False,
    idempotency_key=None,
    ref_num=None,
)
_QR_CODE = Shape(
    "qr_code",
    "name usage type payment_amount status description fixed_amount customer_id close_reason",
    moments="created_at close_by closed_at",
    notes=True,
)
_VIRTUAL_ACCOUNT = Shape(
    "virtual_account",
    "name description amount_expected amount_paid customer_id receivers allowed_payers status",
    moments="close_by closed_at created_at",
    notes=True,
)


def payment_link(row: PaymentLink, order: Order, paid: Sequence[Payment]) -> dict[str, Any]:
    """PaymentLinks.RazorpayPaymentLink, and order_id"""
    reminded = {"status": "in_progress" if row.reminder_enable and row.reminded_at is None else ""}
    return _LINK.of(
        row,
        accept_partial=order.partial_payment,
        amount_paid=order.amount_paid,
        callback_method=row.callback_method or "",
        callback_url=row.callback_url or "",
        cancelled_at=unix(row.cancelled_at) or 0,
        description=row.description or "",
        expired_at=unix(row.expired_at) or 0,
        first_min_partial_amount=order.first_payment_min_amount or 0,
        notes=notes(row.notes),
        notify={"email": False, "sms": False, "whatsapp": False, **row.notify},
        payments=[_paid_by(row, payment) for payment in paid] or None,
        reference_id=row.reference_id or "",
        reminders=reminded,
        short_url=outside.address(f"/payments/l/{row.code}"),
    )


def _paid_by(row: PaymentLink, payment: Payment) -> dict[str, Any]:
    return {
        "amount": payment.amount,
        "created_at": unix(payment.created_at),
        "method": payment.method,
        "payment_id": payment.id,
        "plink_id": row.id,
        "status": "captured",
        "updated_at": unix(payment.captured_at),
    }


def item(row: Item) -> dict[str, Any]:
    """Items.RazorpayItem"""
    return _ITEM.of(row, unit_amount=row.amount, **_NO_TAX)


def plan(row: Plan, its_item: Item) -> dict[str, Any]:
    """Plans.RazorPayPlans"""
    return _PLAN.of(row, item=item(its_item))


def addon(row: Addon, its_item: Item) -> dict[str, Any]:
    """Addons.RazorpayAddon"""
    return _ADDON.of(row, item=item(its_item))


def subscription(session: ReadSession, row: Subscription) -> dict[str, Any]:
    """Subscriptions.RazorpaySubscription"""
    from dodeca.products.payments.service import cycles

    its_plan = session.get_one(Plan, row.plan_id)
    anchor = row.anchor_at or row.start_at
    end = None
    if anchor is not None:
        left = row.cycle + row.total_count - row.paid_count
        end = cycles.boundary(anchor, its_plan.period, its_plan.interval, left, row.zone)
    changes = row.scheduled is not None
    return _SUBSCRIPTION.of(
        row,
        start_at=unix(anchor),
        end_at=unix(end),
        auth_attempts=row.failures or row.auth_attempts,
        short_url=outside.address(f"/payments/s/{row.code}"),
        has_scheduled_changes=changes,
        change_scheduled_at=unix(row.current_end) if changes else None,
        schedule_change_at="cycle_end" if changes else "now",
        remaining_count=row.total_count - row.paid_count,
        payment_method=row.method,
        addons=[],
    )


def invoice(row: Invoice, order: Order | None) -> dict[str, Any]:
    """Invoices.RazorpayInvoice"""
    paid = order.amount_paid if order is not None else row.amount if row.status == "paid" else 0
    return _INVOICE.of(
        row,
        invoice_number=row.receipt,
        customer_details=_billed_to(row),
        line_items=[_line(x) for x in row.lines],
        email_status="sent" if row.issued_at and row.email_notify and row.customer.get("email") else None,
        date=unix(row.date or row.issued_at),
        gross_amount=row.amount,
        taxable_amount=row.amount,
        amount_paid=paid,
        amount_due=row.amount - paid,
        currency_symbol=get_currency_symbol(row.currency, locale="en"),
        short_url=outside.address(f"/payments/i/{row.code}") if row.order_id else None,
    )


def _billed_to(row: Invoice) -> dict[str, Any]:
    name, email, contact = (row.customer.get(part) or None for part in ("name", "email", "contact"))
    return {
        "id": row.customer_id,
        "name": name,
        "email": email,
        "contact": contact,
        "gstin": row.customer.get("gstin"),
        "billing_address": row.customer.get("billing_address"),
        "shipping_address": row.customer.get("shipping_address"),
        "customer_name": name,
        "customer_email": email,
        "customer_contact": contact,
    }


def _line(line: dict[str, Any]) -> dict[str, Any]:
    total = line["amount"] * line["quantity"]
    return {
        **line,
        **_NO_TAX,
        "ref_id": None,
        "ref_type": None,
        "unit_amount": line["amount"],
        "gross_amount": total,
        "tax_amount": 0,
        "taxable_amount": total,
        "net_amount": total,
        "type": "invoice",
        "taxes": [],
    }


def qr_code(row: QrCode) -> dict[str, Any]:
    """QrCode.RazorpayQrCode"""
    return _QR_CODE.of(
        row,
        image_url=outside.address(f"/payments/q/{row.code}/image.png"),
        payments_amount_received=row.received_amount,
        payments_count_received=row.received_count,
        tax_invoice=row.tax_invoice or [],
    )


def virtual_account(row: VirtualAccount) -> dict[str, Any]:
    """VirtualAccounts.RazorpayVirtualAccount"""
    return _VIRTUAL_ACCOUNT.of(row)
