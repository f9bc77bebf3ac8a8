"""Entities of links, invoices, plans, subscriptions, QR codes and virtual accounts, as Razorpay's clients know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from babel.numbers import get_currency_symbol

from dodeca.products.payments import outside
from dodeca.products.payments.entities import notes, unix
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


def payment_link(row: PaymentLink, order: Order, paid: Sequence[Payment]) -> dict[str, Any]:
    """PaymentLinks.RazorpayPaymentLink, and order_id"""
    return {
        "id": row.id,
        "entity": "payment_link",
        "accept_partial": order.partial_payment,
        "amount": row.amount,
        "amount_paid": order.amount_paid,
        "callback_method": row.callback_method or "",
        "callback_url": row.callback_url or "",
        "cancelled_at": unix(row.cancelled_at) or 0,
        "created_at": unix(row.created_at),
        "currency": row.currency,
        "customer": row.customer,
        "description": row.description or "",
        "expire_by": unix(row.expire_by),
        "expired_at": unix(row.expired_at) or 0,
        "first_min_partial_amount": order.first_payment_min_amount or 0,
        "notes": notes(row.notes) or None,
        "notify": {"email": False, "sms": False, "whatsapp": False, **row.notify},
        "order_id": row.order_id,
        "payments": [
            {
                "amount": p.amount,
                "created_at": unix(p.created_at),
                "method": p.method,
                "payment_id": p.id,
                "plink_id": row.id,
                "status": "captured",
                "updated_at": unix(p.captured_at),
            }
            for p in paid
        ]
        or None,
        "reference_id": row.reference_id or "",
        "reminder_enable": row.reminder_enable,
        "reminders": {"status": "in_progress" if row.reminder_enable and row.reminded_at is None else ""},
        "short_url": outside.address(f"/payments/l/{row.code}"),
        "source": None,
        "source_id": None,
        "status": row.status,
        "updated_at": unix(row.updated_at),
        "upi_link": row.upi_link,
        "user_id": "",
        "whatsapp_link": False,
    }


def item(row: Item) -> dict[str, Any]:
    """Items.RazorpayItem"""
    return {
        "id": row.id,
        "entity": "item",
        "active": row.active,
        "name": row.name,
        "description": row.description,
        "amount": row.amount,
        "unit_amount": row.amount,
        "currency": row.currency,
        "type": row.type,
        "unit": None,
        "tax_inclusive": False,
        "hsn_code": None,
        "sac_code": None,
        "tax_rate": None,
        "tax_id": None,
        "tax_group_id": None,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }


def plan(row: Plan, its_item: Item) -> dict[str, Any]:
    """Plans.RazorPayPlans"""
    return {
        "id": row.id,
        "entity": "plan",
        "interval": row.interval,
        "period": row.period,
        "item": item(its_item),
        "notes": notes(row.notes),
        "created_at": unix(row.created_at),
    }


def addon(row: Addon, its_item: Item) -> dict[str, Any]:
    """Addons.RazorpayAddon"""
    return {
        "id": row.id,
        "entity": "addon",
        "item": item(its_item),
        "quantity": row.quantity,
        "created_at": unix(row.created_at),
        "subscription_id": row.subscription_id,
        "invoice_id": row.invoice_id,
    }


def subscription(session: ReadSession, row: Subscription) -> dict[str, Any]:
    """Subscriptions.RazorpaySubscription"""
    from dodeca.products.payments.service import cycles

    its_plan = session.get_one(Plan, row.plan_id)
    anchor = row.anchor_at or row.start_at
    end = None
    if anchor is not None:
        left = row.cycle + row.total_count - row.paid_count
        end = cycles.boundary(anchor, its_plan.period, its_plan.interval, left, row.zone)
    return {
        "id": row.id,
        "entity": "subscription",
        "plan_id": row.plan_id,
        "customer_id": row.customer_id,
        "status": row.status,
        "current_start": unix(row.current_start),
        "current_end": unix(row.current_end),
        "ended_at": unix(row.ended_at),
        "quantity": row.quantity,
        "notes": notes(row.notes),
        "charge_at": unix(row.charge_at),
        "start_at": unix(anchor),
        "end_at": unix(end),
        "auth_attempts": row.failures or row.auth_attempts,
        "total_count": row.total_count,
        "paid_count": row.paid_count,
        "customer_notify": row.customer_notify,
        "created_at": unix(row.created_at),
        "expire_by": unix(row.expire_by),
        "short_url": outside.address(f"/payments/s/{row.code}"),
        "has_scheduled_changes": row.scheduled is not None,
        "change_scheduled_at": unix(row.current_end) if row.scheduled is not None else None,
        "schedule_change_at": "cycle_end" if row.scheduled is not None else "now",
        "source": "api",
        "offer_id": None,
        "remaining_count": row.total_count - row.paid_count,
        "payment_method": row.method,
        "addons": [],
    }


def invoice(row: Invoice, order: Order | None) -> dict[str, Any]:
    """Invoices.RazorpayInvoice"""
    paid = order.amount_paid if order is not None else row.amount if row.status == "paid" else 0
    return {
        "id": row.id,
        "entity": "invoice",
        "type": row.type,
        "receipt": row.receipt,
        "invoice_number": row.receipt,
        "customer_id": row.customer_id,
        "customer_details": _billed_to(row),
        "order_id": row.order_id,
        "subscription_id": row.subscription_id,
        "line_items": [_line(x) for x in row.lines],
        "payment_id": row.payment_id,
        "status": row.status,
        "expire_by": unix(row.expire_by),
        "issued_at": unix(row.issued_at),
        "paid_at": unix(row.paid_at),
        "cancelled_at": unix(row.cancelled_at),
        "expired_at": unix(row.expired_at),
        "sms_status": None,
        "email_status": "sent" if row.issued_at and row.email_notify and row.customer.get("email") else None,
        "date": unix(row.date or row.issued_at),
        "terms": row.terms,
        "partial_payment": row.partial_payment,
        "gross_amount": row.amount,
        "tax_amount": 0,
        "taxable_amount": row.amount,
        "amount": row.amount,
        "amount_paid": paid,
        "amount_due": row.amount - paid,
        "currency": row.currency,
        "currency_symbol": get_currency_symbol(row.currency, locale="en"),
        "description": row.description,
        "notes": notes(row.notes),
        "comment": row.comment,
        "short_url": outside.address(f"/payments/i/{row.code}") if row.order_id else None,
        "view_less": True,
        "billing_start": unix(row.billing_start),
        "billing_end": unix(row.billing_end),
        "group_taxes_discounts": False,
        "created_at": unix(row.created_at),
        "idempotency_key": None,
        "ref_num": None,
    }


def _billed_to(row: Invoice) -> dict[str, Any]:
    name, email, contact = (row.customer.get(part) or None for part in ("name", "email", "contact"))
    return {
        "id": row.customer_id,
        "name": name,
        "email": email,
        "contact": contact,
        "gstin": None,
        "billing_address": None,
        "shipping_address": None,
        "customer_name": name,
        "customer_email": email,
        "customer_contact": contact,
    }


def _line(line: dict[str, Any]) -> dict[str, Any]:
    total = line["amount"] * line["quantity"]
    return {
        **line,
        "ref_id": None,
        "ref_type": None,
        "unit_amount": line["amount"],
        "gross_amount": total,
        "tax_amount": 0,
        "taxable_amount": total,
        "net_amount": total,
        "type": "invoice",
        "tax_inclusive": False,
        "hsn_code": None,
        "sac_code": None,
        "tax_rate": None,
        "tax_id": None,
        "tax_group_id": None,
        "unit": None,
        "taxes": [],
    }


def qr_code(row: QrCode) -> dict[str, Any]:
    """QrCode.RazorpayQrCode"""
    return {
        "id": row.id,
        "entity": "qr_code",
        "created_at": unix(row.created_at),
        "name": row.name,
        "usage": row.usage,
        "type": row.type,
        "image_url": outside.address(f"/payments/q/{row.code}/image.png"),
        "payment_amount": row.payment_amount,
        "status": row.status,
        "description": row.description,
        "fixed_amount": row.fixed_amount,
        "payments_amount_received": row.received_amount,
        "payments_count_received": row.received_count,
        "notes": notes(row.notes),
        "customer_id": row.customer_id,
        "close_by": unix(row.close_by),
        "closed_at": unix(row.closed_at),
        "close_reason": row.close_reason,
        "tax_invoice": row.tax_invoice or [],
    }


def virtual_account(row: VirtualAccount) -> dict[str, Any]:
    """VirtualAccounts.RazorpayVirtualAccount"""
    return {
        "id": row.id,
        "entity": "virtual_account",
        "name": row.name,
        "description": row.description,
        "amount_expected": row.amount_expected,
        "amount_paid": row.amount_paid,
        "customer_id": row.customer_id,
        "receivers": row.receivers,
        "allowed_payers": row.allowed_payers,
        "close_by": unix(row.close_by),
        "closed_at": unix(row.closed_at),
        "created_at": unix(row.created_at),
        "status": row.status,
        "notes": notes(row.notes),
    }
