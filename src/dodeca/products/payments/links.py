"""Addresses that payers are sent to. A payment's own page needs its signature: knowing its id is not enough."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from dodeca.kernel.errors import NotFound

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def checkout(platform: Platform, order_id: str) -> str:
    """The checkout page of an order."""
    return platform.url(f"/payments/checkout/{order_id}")


def proof(platform: Platform, payment_id: str) -> str:
    """What shows that somebody was sent to a payment's page."""
    key = platform.keyring.key("payments.page")
    return hmac.digest(key, payment_id.encode(), "sha256").hex()[:32]


def check(platform: Platform, payment_id: str, given: str) -> None:
    """Raise NotFound unless `given` is the payment's proof."""
    if not hmac.compare_digest(proof(platform, payment_id).encode(), given.encode("utf-8", "replace")):
        raise NotFound("There is no such payment.")


def authenticate(platform: Platform, payment_id: str) -> str:
    """The page where the payer answers the bank."""
    return platform.url(f"/payments/authenticate/{payment_id}/{proof(platform, payment_id)}")
