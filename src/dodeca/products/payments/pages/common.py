"""What several pages need."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from dodeca.kernel.http import Call, ClosedRequest
from dodeca.kernel.money import formatted
from dodeca.products.payments.models import Payment

TONES = {
    "captured": "good",
    "paid": "good",
    "processed": "good",
    "active": "good",
    "matched": "good",
    "delivered": "good",
    "failed": "bad",
    "halted": "bad",
    "given_up": "bad",
    "unmatched": "bad",
    "refunded": "info",
    "issued": "info",
    "suggested": "warn",
    "authorized": "warn",
    "pending": "warn",
    "waiting": "warn",
    "partially_paid": "warn",
}
CARRIED = ("key", "embedded", "callback_url", "email", "contact", "name", "method")


class NoForm(ClosedRequest):
    """A button."""


def carried(call: Call, *without: str) -> str:
    """The part of the query that goes with the payer from page to page, with its question mark; or nothing."""
    pairs = parse_qsl(call.request.scope["query_string"].decode("latin-1"))
    kept = [(name, value) for name, value in pairs if name in CARRIED and name not in without]
    return "?" + urlencode(kept) if kept else ""


def asked(call: Call, name: str) -> str | None:
    """A parameter of the query, at most 2,000 characters of it."""
    value = call.request.query_params.get(name)
    return value[:2000] if value else None


def payment_line(payment: Payment) -> dict[str, Any]:
    """A payment in a list."""
    partly = payment.status == "captured" and payment.amount_refunded > 0
    return {
        "id": payment.id,
        "amount": formatted(payment.amount, payment.currency),
        "status": "partly refunded" if partly else payment.status,
        "tone": "info" if partly else TONES.get(payment.status, "neutral"),
        "method": payment.method.replace("_", " "),
        "email": payment.email,
        "at": payment.created_at,
    }
