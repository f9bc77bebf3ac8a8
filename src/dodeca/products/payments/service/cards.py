"""Cards: checking what was typed, and what of it may be kept."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from stdnum import luhn

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import ids
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.acquirers.simulators import SCENARIOS
from dodeca.products.payments.models import Card
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import text_of

_NETWORKS = (
    (r"4", "Visa"),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", "MasterCard"),
    (r"3[47]", "American Express"),
    (r"36|38|30[0-5]", "Diners Club"),
    (r"60|65|81|82|508", "RuPay"),
    (r"50|5[6-9]|6", "Maestro"),
)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What of a card may enter the database."""

    last4: str
    bin: str
    network: str
    expiry_month: int
    expiry_year: int
    name: str
    fingerprint: str


def read_card(number: object, cvv: object, month: object, year: object, name: object) -> CardData:
    """A card as typed. Raises Invalid naming the field, never the value."""
    digits = digits_of(number)
    code = str(cvv) if isinstance(cvv, (str, int)) and not isinstance(cvv, bool) else ""
    if not re.fullmatch(r"[0-9]{3,4}", code):
        raise Invalid("The CVV has 3 or 4 digits.", field="card[cvv]")
    holder = text_of(name, "card[name]", 100) or ""
    expiry_month, expiry_year = read_expiry(month, year)
    return CardData(digits, code, expiry_month, expiry_year, holder)


def digits_of(number: object) -> str:
    """The digits of a card's number. Raises Invalid naming the field, never the value."""
    digits = re.sub(r"[ -]", "", str(number)) if isinstance(number, (str, int)) else ""
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19):
        raise Invalid("The card number is not valid.", field="card[number]")
    if not luhn.is_valid(digits) and digits not in SCENARIOS:
        raise Invalid("The card number is not valid: check its digits.", field="card[number]")
    return digits


def fingerprint(digits: str, key: bytes) -> str:
    """What tells a card from others, of no use without the installation's key."""
    return hmac.digest(key, digits.encode(), "sha256").hex()[:40]


def read_expiry(month: object, year: object) -> tuple[int, int]:
    """Month and four-digit year, in the future. Raises Invalid."""
    try:
        m, y = int(str(month)), int(str(year))
    except ValueError:
        raise Invalid("The expiry date is not valid.", field="card[expiry_month]") from None
    y += 2000 if 0 <= y < 100 else 0
    now = clock.now()
    if not 1 <= m <= 12 or not 2000 <= y <= 2099:
        raise Invalid("The expiry date is not valid.", field="card[expiry_month]")
    if (y, m) < (now.year, now.month):
        raise Invalid("The card has expired.", field="card[expiry_year]")
    return m, y


def facts(card: CardData, key: bytes) -> CardFacts:
    """What may be kept; `key` is the installation's for fingerprints."""
    return CardFacts(
        card.number[-4:],
        card.number[:6],
        network(card.number),
        card.expiry_month,
        card.expiry_year,
        card.name,
        fingerprint(card.number, key),
    )


def network(number: str) -> str:
    """The card network by the number's first digits."""
    return next((name for pattern, name in _NETWORKS if re.match(pattern, number)), "Unknown")


def keep(session: WriteSession, desk: Desk | None, card: CardFacts, vault: Mapping[str, str] | None = None) -> Card:
    """Store what may be stored, for a merchant or for a person; `vault` maps acquirers to their references for it."""
    row = kept(session, desk, card, vault)
    session.store(row)
    return row


def kept(session: WriteSession, desk: Desk | None, card: CardFacts, vault: Mapping[str, str] | None = None) -> Card:
    """A card that is still to be stored."""
    return session.fresh(
        Card,
        id=ids.new("card"),
        merchant_id=desk.merchant.id if desk is not None else None,
        mode=desk.mode if desk is not None else None,
        name=card.name,
        last4=card.last4,
        bin=card.bin,
        network=card.network,
        type="credit",
        expiry_month=card.expiry_month,
        expiry_year=card.expiry_year,
        country="",
        fingerprint=card.fingerprint,
        vault=dict(vault or {}),
        created_at=clock.now(),
    )
