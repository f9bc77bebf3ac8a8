"""Entities as Razorpay's clients and webhooks know them: every member is there, null where it is unset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dodeca.products.payments.banks import bank_name
from dodeca.products.payments.models import (
    BankAccount,
    Card,
    Customer,
    Dispute,
    Document,
    Order,
    Payment,
    Refund,
    Settlement,
    Token,
    Webhook,
)
from dodeca.products.payments.models.disputes import PROOFS


def unix(moment: datetime | None) -> int | None:
    """Seconds since the epoch."""
    return None if moment is None else int(moment.timestamp())


def notes(values: Mapping[str, Any]) -> Any:
    """Razorpay writes no notes as a list."""
    return dict(values) or []


def collection(items: Sequence[Any]) -> dict[str, Any]:
    """A list."""
    return {"entity": "collection", "count": len(items), "items": list(items)}


def order(row: Order) -> dict[str, Any]:
    """Orders.RazorpayOrder"""
    return {
        "id": row.id,
        "entity": "order",
        "amount": row.amount,
        "amount_paid": row.amount_paid,
        "amount_due": row.amount - row.amount_paid,
        "currency": row.currency,
        "receipt": row.receipt,
        "offer_id": None,
        "status": row.status,
        "attempts": row.attempts,
        "partial_payment": row.partial_payment,
        "first_payment_min_amount": row.first_payment_min_amount,
        "description": row.description,
        "token": None,
        "notes": notes(row.notes),
        "created_at": unix(row.created_at),
    }


def card(row: Card) -> dict[str, Any]:
    """Payments.RazorpayCard, without what is never kept."""
    return {
        "id": row.id,
        "entity": "card",
        "name": row.name,
        "last4": row.last4,
        "network": row.network,
        "type": row.type,
        "issuer": None,
        "international": False,
        "emi": False,
        "sub_type": "customer",
        "token_iin": None,
        "number": f"**** **** **** {row.last4}",
        "expiry_month": f"{row.expiry_month:02}",
        "expiry_year": str(row.expiry_year),
        "cvv": None,
        "flows": {"otp": True, "recurring": True},
        "cobranding_partner": None,
    }


def payment(row: Payment, its_card: Card | None = None) -> dict[str, Any]:
    """Payments.RazorpayPayment"""
    refunded = "full" if row.amount_refunded == row.amount else "partial" if row.amount_refunded else None
    error = row.error or {}
    found: dict[str, Any] = {
        "id": row.id,
        "entity": "payment",
        "amount": row.amount,
        "currency": row.currency,
        "status": row.status,
        "order_id": row.order_id,
        "invoice_id": row.invoice_id,
        "subscription_id": row.subscription_id,
        "international": False,
        "method": row.method,
        "amount_refunded": row.amount_refunded,
        "refund_status": refunded,
        "captured": row.captured_at is not None,
        "description": row.description,
        "card_id": row.card_id,
        "bank": row.bank,
        "wallet": row.wallet,
        "vpa": row.vpa,
        "email": row.email or None,
        "contact": row.contact or None,
        "customer_id": row.customer_id,
        "token_id": row.token_id,
        "notes": notes(row.notes),
        "fee": row.fee,
        "tax": row.tax,
        "error_code": error.get("code"),
        "error_description": error.get("description"),
        "error_source": error.get("source"),
        "error_step": error.get("step"),
        "error_reason": error.get("reason"),
        "acquirer_data": _acquirer_data(row),
        "offers": collection([]),
        "created_at": unix(row.created_at),
    }
    if its_card is not None:
        found["card"] = card(its_card)
    return found


def _acquirer_data(row: Payment) -> dict[str, Any]:
    reference = (row.acquirer_reference or "").rsplit(":", 1)[-1] or None
    name = {"card": "auth_code", "netbanking": "bank_transaction_id", "upi": "rrn"}.get(row.method, "transaction_id")
    return {name: reference}


def refund(row: Refund) -> dict[str, Any]:
    """Refunds.RazorpayRefund"""
    return {
        "id": row.id,
        "entity": "refund",
        "amount": row.amount,
        "currency": row.currency,
        "payment_id": row.payment_id,
        "notes": notes(row.notes),
        "receipt": row.receipt,
        "acquirer_data": {"arn": (row.acquirer_reference or "").rsplit(":", 1)[-1] or None},
        "batch_id": None,
        "status": row.status,
        "speed_processed": "normal",
        "speed_requested": row.speed,
        "created_at": unix(row.created_at),
    }


def dispute(row: Dispute) -> dict[str, Any]:
    """Disputes.RazorpayDispute"""
    return {
        "id": row.id,
        "entity": "dispute",
        "payment_id": row.payment_id,
        "amount": row.amount,
        "currency": row.currency,
        "amount_deducted": row.amount if row.status == "lost" else 0,
        "reason_code": row.reason_code,
        "respond_by": unix(row.respond_by),
        "status": row.status,
        "phase": row.phase,
        "created_at": unix(row.created_at),
        "evidence": {
            "amount": row.evidence.get("amount", row.amount),
            "summary": row.evidence.get("summary"),
            **{name: row.evidence.get(name) or None for name in PROOFS},
            "others": row.evidence.get("others") or None,
            "submitted_at": unix(row.submitted_at),
        },
    }


def document(row: Document) -> dict[str, Any]:
    """Documents.RazorpayDocument"""
    return {
        "id": row.id,
        "entity": "document",
        "purpose": row.purpose,
        "name": row.name,
        "mime_type": row.mime_type,
        "size": row.size,
        "created_at": unix(row.created_at),
    }


def bank_account(row: BankAccount) -> dict[str, Any]:
    """Customers.RazorpayCustomerBankAccount"""
    return {
        "id": row.id,
        "entity": "bank_account",
        "ifsc": row.ifsc,
        "bank_name": bank_name(row.ifsc),
        "name": row.name,
        "account_number": row.account_number,
        "notes": notes(row.notes),
    }


def fund_account(row: BankAccount) -> dict[str, Any]:
    """FundAccounts.RazorpayFundAccount"""
    return {
        "id": row.fund_account_id,
        "entity": "fund_account",
        "customer_id": row.customer_id,
        "account_type": "bank_account",
        "bank_account": bank_account(row),
        "batch_id": None,
        "active": True,
        "created_at": unix(row.created_at),
    }


def customer(row: Customer) -> dict[str, Any]:
    """Customers.RazorpayCustomer"""
    return {
        "id": row.id,
        "entity": "customer",
        "name": row.name,
        "email": row.email or None,
        "contact": row.contact or None,
        "gstin": row.gstin,
        "notes": notes(row.notes),
        "shipping_address": [],
        "created_at": unix(row.created_at),
    }


def token(row: Token, its_card: Card | None, its_customer: Customer | None) -> dict[str, Any]:
    """Tokens.RazorpayToken"""
    vpa = row.vpa.partition("@") if row.vpa else None
    return {
        "id": row.id,
        "entity": "token",
        "token": row.id.removeprefix("token_"),
        "bank": None,
        "wallet": None,
        "method": row.method,
        "card": card(its_card) if its_card is not None else None,
        "vpa": {"username": vpa[0], "handle": vpa[2], "name": None} if vpa else None,
        "recurring": True,
        "recurring_details": {"status": "confirmed", "failure_reason": None},
        "auth_type": None,
        "mrn": None,
        "used_at": unix(row.used_at),
        "start_time": unix(row.created_at),
        "created_at": unix(row.created_at),
        "expired_at": None,
        "dcc_enabled": False,
        "status": "active" if row.status == "active" else "suspended",
        "source": None,
        "notes": [],
        "customer_id": row.customer_id,
        "customer": customer(its_customer) if its_customer is not None else None,
        "billing_address": None,
        "compliant_with_tokenisation_guidelines": True,
    }


def settlement(row: Settlement) -> dict[str, Any]:
    """Settlements.RazorpaySettlement"""
    return {
        "id": row.id,
        "entity": "settlement",
        "amount": row.amount,
        "currency": row.currency,
        "status": row.status,
        "fees": row.fees,
        "tax": row.tax,
        "utr": row.utr,
        "initiated_at": unix(row.created_at),
        "processed_at": unix(row.processed_at),
        "reversed_at": None,
        "amount_settled": row.amount if row.status == "processed" else None,
        "created_at": unix(row.created_at),
    }


def webhook(row: Webhook) -> dict[str, Any]:
    """Webhooks.RazorpayWebhook"""
    return {
        "id": row.id,
        "entity": "webhook",
        "owner_id": row.merchant_id,
        "owner_type": "merchant",
        "url": row.url,
        "alert_email": row.alert_email,
        "secret_exists": row.secret is not None,
        "secret": None,
        "events": dict.fromkeys(row.events, True),
        "active": row.disabled_at is None,
        "disabled_at": unix(row.disabled_at),
        "context": [],
        "service": False,
        "created_by": row.merchant_id,
        "created_by_email": None,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }
