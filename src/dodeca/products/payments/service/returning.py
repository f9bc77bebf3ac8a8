"""What a payer's browser brings back to the merchant, signed so that the merchant can believe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, PaymentRequired, Upstream
from dodeca.products.payments.models import Merchant, Order, Payment, Subscription
from dodeca.products.payments.service import keys, payment_links

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def fields_of(
    session: ReadSession, platform: Platform, payment: Payment, key_id: str | None = None, secret: str | None = None
) -> dict[str, str]:
    """The three fields of a payment that succeeded (five for a payment link); nothing for one that failed.

    Signed by the merchant's key of that id, or by the `secret` of a key that the caller has shown."""
    if payment.status in ("created", "failed"):
        return {}
    found = {"razorpay_payment_id": payment.id}
    order = session.get(Order, payment.order_id) if payment.order_id else None
    link = payment_links.of_order(session, order) if order is not None else None
    if link is not None:
        reference = link.reference_id or ""
        found["razorpay_payment_link_id"] = link.id
        found["razorpay_payment_link_reference_id"] = reference
        found["razorpay_payment_link_status"] = link.status
        text = f"{link.id}|{reference}|{link.status}|{payment.id}"
    elif payment.subscription_id is not None:
        found["razorpay_subscription_id"] = payment.subscription_id
        text = f"{payment.id}|{payment.subscription_id}"
    elif order is not None:
        found["razorpay_order_id"] = order.id
        text = f"{order.id}|{payment.id}"
    else:
        return found
    merchant = session.get_one(Merchant, payment.merchant_id)
    signed = keys.payment_signature(session, platform, merchant, payment.mode, text, key_id, secret)
    if signed is not None:
        found["razorpay_signature"] = signed
    return found


def check_failed(payment: Payment) -> None:
    """Raise the error that a failed payment stands for."""
    if payment.status != "failed":
        return
    error = payment.error or {}
    details = {**error, "payment_id": payment.id, "order_id": payment.order_id}
    details.pop("description", None)
    kind: type[DodecaError] = Upstream if error.get("code") == "GATEWAY_ERROR" else PaymentRequired
    raise kind(str(error.get("description", "Your payment failed.")), details=details)


def place_of(session: ReadSession, payment: Payment) -> tuple[str | None, str]:
    """Where the payer goes back to, and how (get or post)."""
    order = session.get(Order, payment.order_id) if payment.order_id else None
    link = payment_links.of_order(session, order) if order is not None else None
    if link is not None and link.callback_url:
        return link.callback_url, "get"
    return payment.callback_url or (order.return_url if order else None), "post"


def subscription_of(session: ReadSession, payment: Payment) -> Subscription | None:
    """The subscription that a payment is for."""
    return session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
