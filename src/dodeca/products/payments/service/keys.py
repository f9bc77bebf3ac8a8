"""A merchant's API keys: `rzp_test_…` and `rzp_live_…`, whose secrets sign what payers bring back."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from dodeca.commons.accounts import public as accounts
from dodeca.commons.accounts.public import Account, ApiKey, Scope
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.limits import Rate
from dodeca.products.payments.models import Merchant

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

TEST = accounts.declare_scope(
    Scope("payments", key_prefix="rzp_test_", secret_prefix="", key_length=14, length=24, sealed=True)
)
LIVE = accounts.declare_scope(
    Scope("payments-live", key_prefix="rzp_live_", secret_prefix="", key_length=14, length=24, sealed=True)
)
KEY_RATE = Rate(100, 1)
"""How often one key may ask, of both APIs together. A program without a key counts by its session or account."""


def mode_of(key_id: str) -> str:
    """The mode that a key's id names; test for everything else."""
    return "live" if key_id.startswith(LIVE.key_prefix) else "test"


def make(session: WriteSession, platform: Platform, account: Account, mode: str) -> tuple[ApiKey, str]:
    """A new key of a mode; gives it and its secret, which is shown once."""
    style = LIVE if mode == "live" else TEST
    return accounts.create_key(session, platform, account, f"Payments ({mode})", [style.name], style=style)


def signing_key(session: ReadSession, merchant: Merchant, mode: str, key_id: str | None = None) -> ApiKey | None:
    """The merchant's key that signs: the named one, else the newest of the mode."""
    if key_id is not None:
        named = accounts.key_by_id(session, key_id, scope="payments")
        mine_only = named is not None and named.account_id == merchant.account_id and mode_of(named.id) == mode
        return named if mine_only and named is not None and named.sealed is not None else None
    account = accounts.account_by_id(session, merchant.account_id) if merchant.account_id else None
    if account is None:
        return None
    mine = [key for key in accounts.keys_with_scope(session, account, "payments") if mode_of(key.id) == mode]
    return max(mine, key=lambda key: (key.created_at, key.id), default=None)


def sign(secret: str, text: str) -> str:
    """Razorpay's signature: HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def payment_signature(
    session: ReadSession,
    platform: Platform,
    merchant: Merchant,
    mode: str,
    text: str,
    key_id: str | None = None,
    secret: str | None = None,
) -> str | None:
    """The signature of what a payer brings back to the merchant; None where the merchant has no key.

    `secret`: that of the merchant's own key, where the caller has just shown it."""
    if secret is not None:
        return sign(secret, text)
    key = signing_key(session, merchant, mode, key_id)
    return None if key is None else sign(accounts.open_secret(platform, key), text)
