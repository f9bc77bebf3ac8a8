"""A merchant's settings: what payers see of it, how it takes money, where that goes, and what it is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dodeca.commons.accounts import public as accounts
from dodeca.commons.notifications.service import Notice, notify
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments.models import Merchant
from dodeca.products.payments.models.merchants import TOLD_OF
from dodeca.products.payments.service import purse
from dodeca.products.payments.service.inputs import contact_of, email_of, text_of

CAPTURES = ("manual", "automatic")
LONGEST_WEBSITE = 200


def change(merchant: Merchant, values: Mapping[str, Any]) -> None:
    """Change what `values` has of name, email, contact, website, capture, zone, bank_account (None removes it) and
    told_of. Raises Invalid naming the field."""
    if "name" in values:
        name = text_of(values["name"], "name", 100)
        if name is None:
            raise Invalid("Payers are to see a name.", field="name")
        merchant.name = name
    shown = {part: _PROFILE[part](values[part]) for part in _PROFILE if part in values}
    if shown:
        merchant.profile = {part: value for part, value in {**merchant.profile, **shown}.items() if value}
    if "capture" in values:
        if values["capture"] not in CAPTURES:
            raise Invalid("capture is manual or automatic.", field="capture")
        merchant.capture = values["capture"]
    if "zone" in values:
        merchant.zone = _zone(values["zone"])
    if "bank_account" in values:
        account = values["bank_account"]
        merchant.bank_account = None if account is None else purse.destination_of(account, whole=True)
    if "told_of" in values:
        merchant.told_of = _kinds(values["told_of"])


def _website(raw: object) -> str | None:
    value = text_of(raw, "website", LONGEST_WEBSITE)
    parts = urlsplit(value or "")
    if value is not None and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise Invalid("The website is an http or https address.", field="website")
    return value


_PROFILE: Mapping[str, Any] = {"email": email_of, "contact": contact_of, "website": _website}
REACHED = tuple(_PROFILE)
"""How a payer reaches the merchant."""


def _zone(raw: object) -> str:
    try:
        return ZoneInfo(str(raw)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid("There is no such time zone.", field="zone") from error


def _kinds(raw: object) -> list[str]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or any(kind not in TOLD_OF for kind in raw):
        raise Invalid(f"told_of lists some of {', '.join(TOLD_OF)}.", field="told_of")
    return [kind for kind in TOLD_OF if kind in raw]


def shown(merchant: Merchant, mode: str) -> dict[str, Any]:
    """The settings as the API shows them."""
    return {
        "merchant_id": merchant.id,
        "name": merchant.name,
        "mode": mode,
        **{part: merchant.profile.get(part) for part in _PROFILE},
        "capture": merchant.capture,
        "zone": merchant.zone,
        "bank_account": merchant.bank_account,
        "told_of": list(merchant.told_of),
    }


def tell(session: WriteSession, merchant: Merchant, kind: str, title: str, text: str, *, href: str, key: str) -> None:
    """Tell a merchant of something, once a `key`, where it wants to hear of this `kind`: one of TOLD_OF."""
    if kind not in merchant.told_of or merchant.account_id is None:
        return
    if accounts.account_by_id(session, merchant.account_id) is None:  # a shop whose account is gone
        return
    notice = Notice(product="payments", kind=kind, title=title[:150], body=text, href=href, key=f"{kind}:{key}")
    notify(session, merchant.account_id, notice)
