"""Amounts, currencies, rounding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel import money
from dodeca.kernel.errors import Invalid


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1500, "KWD", "1.500"), (1500, "JPY", "1500"), (5, "EUR", "0.05"), (-5, "EUR", "-0.05"), (1, "IQD", "0.001")],
)
def test_an_amount_is_written_with_the_currencys_decimals(amount: int, currency: str, text: str) -> None:
    assert money.decimal_text(amount, currency) == text


@pytest.mark.parametrize("code", ["XXX", "EURO", "eur", "", "ABC"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(money.UnknownCurrency):
        money.check_currency(code)


def test_a_share_is_rounded_half_up() -> None:
    assert [money.share(amount, 200) for amount in (24, 25, 74, 75, 1999)] == [0, 1, 1, 2, 40]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD", "INR", "CLF"]))
def test_a_written_amount_reads_back(amount: int, currency: str) -> None:
    assert money.parse_decimal(money.decimal_text(amount, currency), currency) == amount


def test_more_decimals_than_the_currency_has_are_refused() -> None:
    with pytest.raises(Invalid, match="only 2 decimals"):
        money.parse_decimal("1.005", "EUR")


def test_people_read_amounts_with_symbol_and_groups() -> None:
    assert money.formatted(123456, "EUR") == "€1,234.56"
    assert money.formatted(123456, "JPY") == "¥123,456"
