"""From the many shapes of a payment request to one: used by both APIs and the checkout page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.kernel.errors import Invalid
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.models.gateway import METHODS
from dodeca.products.payments.service import cards
from dodeca.products.payments.service.inputs import amount_of, contact_of, email_of, flag_of, notes_of, text_of
from dodeca.products.payments.service.paying import PayRequest


def read(body: Mapping[str, Any], **more: Any) -> tuple[PayRequest, CardData | None]:
    """The request and, for a card, the card as typed. Raises Invalid naming the field."""
    currency = str(body.get("currency") or "INR")
    method = str(body.get("method") or "card")
    if method not in METHODS:
        raise Invalid(f"The method is one of {', '.join(METHODS)}.", field="method")
    card: CardData | None = None
    given = body.get("card")
    if method == "card" and not more.get("kept_card_id"):
        given = given if isinstance(given, Mapping) else {}
        card = cards.read_card(
            given.get("number"),
            given.get("cvv"),
            given.get("expiry_month"),
            given.get("expiry_year"),
            given.get("name"),
        )
    upi = body.get("upi")
    vpa = body.get("vpa") or (upi.get("vpa") if isinstance(upi, Mapping) else None)
    vpa = text_of(vpa, "vpa", 100)
    if method == "upi" and (vpa is None or "@" not in vpa):
        raise Invalid("The UPI address (vpa) is missing or invalid.", field="vpa")
    bank, wallet = text_of(body.get("bank"), "bank", 20), text_of(body.get("wallet"), "wallet", 30)
    if method == "netbanking" and bank is None:
        raise Invalid("The bank is missing.", field="bank")
    if method == "wallet" and wallet is None:
        raise Invalid("The wallet is missing.", field="wallet")
    if method == "bank_transfer":
        raise Invalid("A bank transfer is started at the bank, not here.", field="method")
    details = body.get("customer_details")
    customer: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    request = PayRequest(
        amount=amount_of(body.get("amount"), currency),
        currency=currency,
        method=method,
        order_id=text_of(body.get("order_id"), "order_id", 40),
        customer_id=text_of(body.get("customer_id"), "customer_id", 40),
        email=email_of(body.get("email") or customer.get("email")),
        contact=contact_of(body.get("contact") or customer.get("contact")),
        name=text_of(body.get("name") or customer.get("name"), "name", 100) or "",
        description=text_of(body.get("description"), "description", 2048),
        notes=notes_of(body.get("notes")),
        vpa=vpa if method == "upi" else None,
        bank=bank if method == "netbanking" else None,
        wallet=wallet if method == "wallet" else None,
        save=flag_of(body.get("save"), "save"),
        **more,
    )
    return request, card
