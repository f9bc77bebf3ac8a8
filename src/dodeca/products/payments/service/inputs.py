"""What may come in: amounts, texts and notes, checked once for all APIs and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stdnum import luhn

from dodeca.kernel.errors import Invalid
from dodeca.kernel.money import MOST_MINOR_UNITS, check_currency

LEAST = {"INR": 100}
"""The smallest amount of a currency, where it is not 1 minor unit."""
MOST_NOTES = 15
LONGEST_NOTE = 256
LONGEST_RECEIPT = 40
FORBIDDEN_NOTES = frozenset({"cvv", "cvc", "cvv2", "pan", "card_number", "cardnumber"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")
"""All but tabulators and line feeds."""
_WHOLE = re.compile(r"(-?[0-9]{1,20})(?:\.0{1,4})?")
_CARD_LIKE = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")


def amount_of(raw: object, currency: str, *, field: str = "amount", least: int | None = None) -> int:
    """A positive whole number of minor units. 1000, 1000.0, "1000" and "1000.0" (a form's) pass; 10.5, true, NaN and
    "1_000" do not."""
    check_currency(currency)
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise Invalid("The amount must be an integer.", field=field)
    try:
        value = int(raw if not isinstance(raw, str) else _whole(raw))
    except (ValueError, OverflowError):
        raise Invalid("The amount must be an integer.", field=field) from None
    if isinstance(raw, float) and raw != value:
        raise Invalid("The amount must be an integer: it counts the currency's smallest unit.", field=field)
    smallest = least if least is not None else LEAST.get(currency, 1)
    if value < smallest:
        raise Invalid(f"The amount must be at least {currency} {smallest} (minor units).", field=field)
    if value > MOST_MINOR_UNITS:
        raise Invalid("The amount exceeds the maximum amount allowed.", field=field)
    return value


def _whole(text: str) -> str:
    """The digits of a whole number. Raises ValueError."""
    found = _WHOLE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text[:20])
    return found[1]


def text_of(raw: object, field: str, longest: int = 255) -> str | None:
    """A short text without control characters and without anything that looks like a card's number."""
    if raw is None:
        return None
    value = str(raw).strip() if isinstance(raw, (str, int)) and not isinstance(raw, bool) else None
    if value is None or len(value) > longest:
        raise Invalid(f"The {field} must be a text of at most {longest} characters.", field=field)
    if _CONTROLS.search(value):
        raise Invalid(f"The {field} contains characters that cannot be used.", field=field)
    if looks_like_card(value):
        raise Invalid(f"The {field} contains what looks like a card number. It must not be stored.", field=field)
    return value or None


def looks_like_card(text: str) -> bool:
    """Whether a text holds 13 to 19 digits that pass the card check digit."""
    for found in _CARD_LIKE.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if digits.strip("0") and luhn.is_valid(digits):
            return True
    return False


def notes_of(raw: object) -> dict[str, str]:
    """At most 15 notes of at most 256 characters. Card data is refused."""
    if raw is None or raw in ([], ""):
        return {}
    if not isinstance(raw, Mapping):
        raise Invalid("The notes must be an object.", field="notes")
    if len(raw) > MOST_NOTES:
        raise Invalid(f"The notes have more than {MOST_NOTES} keys.", field="notes")
    found: dict[str, str] = {}
    for key, value in raw.items():
        name = str(key)
        if name.lower().replace(" ", "_").replace("-", "_") in FORBIDDEN_NOTES:
            raise Invalid("Card data must not be stored in notes.", field="notes")
        if isinstance(value, (dict, list)):
            raise Invalid("A note is a text.", field="notes")
        found[text_of(name, "notes", LONGEST_NOTE) or ""] = text_of(_plain(value), "notes", LONGEST_NOTE) or ""
    return found


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def flag_of(raw: object, field: str, default: bool = False) -> bool:
    """true, 1, "1", "true" and their opposites."""
    if raw is None or raw == "":
        return default
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    found = known.get(str(raw).lower())
    if found is None:
        raise Invalid(f"The {field} must be true or false.", field=field)
    return found


def number_of(raw: object, field: str, least: int = 0, most: int = 2**40) -> int | None:
    """A whole number, also as text."""
    if raw is None or raw == "":
        return None
    try:
        value = int(str(raw)) if not isinstance(raw, bool) else -1
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Invalid(f"The {field} must be a whole number from {least} to {most}.", field=field)
    return value


def account_number_of(raw: object, field: str = "account_number") -> str:
    """A bank account's number, of whatever country."""
    value = str(raw).strip() if isinstance(raw, (str, int)) and not isinstance(raw, bool) else ""
    if not (value.isascii() and value.isalnum() and 5 <= len(value) <= 35):
        raise Invalid("The account number has 5 to 35 letters and digits.", field=field)
    return value


def ifsc_of(raw: object, field: str = "ifsc") -> str:
    """An Indian bank branch's code: four letters, a zero, six letters or digits (Reserve Bank of India)."""
    value = raw.strip().upper() if isinstance(raw, str) else ""
    if not re.fullmatch(r"[A-Z]{4}0[A-Z0-9]{6}", value):
        raise Invalid("This is not a valid IFSC.", field=field)
    return value


def email_of(raw: object, field: str = "email") -> str:
    """A mail address, or nothing."""
    value = text_of(raw, field, 254) or ""
    if value and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.?[^@\s<>]*", value):
        raise Invalid("The email must be a valid email address.", field=field)
    return value.lower()


def contact_of(raw: object, field: str = "contact") -> str:
    """A telephone number, or nothing."""
    value = str(raw).strip() if raw is not None else ""
    if value and not re.fullmatch(r"\+?[0-9][0-9 ()-]{4,18}", value):
        raise Invalid("The contact must be a telephone number.", field=field)
    return re.sub(r"[ ()-]", "", value)
