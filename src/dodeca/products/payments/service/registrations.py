"""Registration links: an invoice whose payer agrees, by paying it, that the merchant may charge the same card or UPI
address again. What the merchant then charges is the customer's token.

See https://razorpay.com/docs/api/payments/recurring-payments/cards/create-authorization-transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments.models import Invoice
from dodeca.products.payments.service import invoices, orders, tokens
from dodeca.products.payments.service.desk import Desk

METHODS = ("card", "upi")
_TAKEN = (
    "amount",
    "currency",
    "description",
    "receipt",
    "expire_by",
    "email_notify",
    "sms_notify",
    "notes",
)


def create(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> Invoice:
    """Make the customer where there is none, and the link. Raises Invalid."""
    wanted, customer = values.get("subscription_registration"), values.get("customer")
    if not isinstance(customer, Mapping) or not (customer.get("email") or customer.get("contact")):
        raise Invalid("The customer's email or contact is required.", field="customer")
    if not isinstance(wanted, Mapping) or str(wanted.get("method") or "card") not in METHODS:
        raise Invalid(f"The method is {' or '.join(METHODS)}.", field="subscription_registration[method]")
    known = tokens.create_customer(session, desk, {**customer, "fail_existing": "0"})
    given = {name: values[name] for name in _TAKEN if name in values}
    given |= {"type": "link", "customer_id": known.id}
    return invoices.create(session, desk, given, source=orders.REGISTRATION)
