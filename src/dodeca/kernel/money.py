"""Money: whole minor units of an ISO 4217 currency. Never a float.

The number of decimals of a currency comes from ISO's own list (package iso4217), not from Unicode's, which rounds some
currencies to what is customary in cash (IQD, MGA).
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import msgspec
from babel.numbers import format_currency
from iso4217 import Currency

from dodeca.kernel.errors import Invalid

MOST_MINOR_UNITS = 10**12
"""The largest single amount that is taken: 10^12 minor units."""


class UnknownCurrency(Invalid):
    """No active ISO 4217 code with a number of decimals."""


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units (1999 EUR is 19.99 €) and its currency. May be negative: a balance can be."""

    amount: int
    currency: str

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, with all the currency's decimals."""
        return Decimal(self.amount).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return f"{decimal_text(self.amount, self.currency)} {self.currency}"


@lru_cache(maxsize=1024)
def exponent(currency: str) -> int:
    """The number of decimals of a currency: 2 for EUR, 0 for JPY, 3 for KWD. Raises UnknownCurrency."""
    try:
        found = Currency(currency)
    except ValueError:
        raise UnknownCurrency(f"{currency[:10]!r} is not an ISO 4217 currency.", field="currency") from None
    if found.exponent is None:
        raise UnknownCurrency(f"{currency} has no minor units and cannot be paid in.", field="currency")
    return int(found.exponent)


def check_currency(currency: str) -> str:
    """The code itself, if it is one. Raises UnknownCurrency."""
    exponent(currency)
    return currency


def half_up(numerator: int, denominator: int) -> int:
    """numerator ÷ denominator for non-negative integers, rounded to the nearest, halves up."""
    if numerator < 0 or denominator <= 0:
        raise ValueError("half_up is for shares of amounts, which are not negative.")
    return (2 * numerator + denominator) // (2 * denominator)


def share(amount: int, basis_points: int) -> int:
    """So many hundredths of a percent of `amount`, halves up: share(1999, 200) is 40."""
    return half_up(amount * basis_points, 10_000)


def decimal_text(amount: int, currency: str) -> str:
    """The amount in major units, with exactly the currency's decimals: "1.500" for 1500 KWD, "1500" for 1500 JPY."""
    places = exponent(currency)
    sign, digits = ("-" if amount < 0 else ""), str(abs(amount)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def parse_decimal(text: str, currency: str) -> int:
    """Minor units of a decimal in major units ("19.99"). Raises Invalid for more decimals than the currency has."""
    try:
        scaled = Decimal(text).scaleb(exponent(currency))
        whole = int(scaled)
    except (ArithmeticError, ValueError):
        raise Invalid(f"{text[:40]!r} is not an amount.", field="amount") from None
    if scaled != whole:
        raise Invalid(f"{currency} has only {exponent(currency)} decimals.", field="amount")
    return whole


def formatted(amount: int, currency: str, locale: str = "en") -> str:
    """The amount as people write it: "€19.99"."""
    places = exponent(currency)
    pattern = "¤#,##0" + ("." + "0" * places if places else "")
    value = Decimal(amount).scaleb(-places)
    return str(format_currency(value, currency, format=pattern, locale=locale, currency_digits=False))
