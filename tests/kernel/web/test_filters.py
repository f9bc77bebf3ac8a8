"""How times, numbers, money and sizes are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from dodeca.kernel.clock import now
from dodeca.kernel.web import filters


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1204, "1.2k"),
        (12_345, "12.3k"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (4_560_000_000, "4.5B"),
        (-1204, "-1.2k"),
        (3.5, "3.5"),
        (2.0, "2"),
    ],
)
def test_a_number_is_short(value: float, text: str) -> None:
    assert filters.number(value) == text


def test_a_number_can_be_exact() -> None:
    assert filters.number(1_234_567, exact=True) == "1,234,567"


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "text"),
    [
        (1999, "EUR", 2, "€19.99"),
        (199_900, "USD", 2, "$1,999.00"),
        (500, "JPY", 0, "¥500"),
        (-5, "GBP", 2, "−£0.05"),
        (12_345, "KWD", 3, "KWD\u00a012.345"),
        (10**18, "EUR", 2, "€10,000,000,000,000,000.00"),
    ],
)
def test_money_is_exact(minor: int, currency: str, exponent: int, text: str) -> None:
    assert filters.money(minor, currency, exponent) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1, "1\u00a0byte"),
        (999, "999\u00a0bytes"),
        (1000, "1\u00a0kB"),
        (1_400_000, "1.4\u00a0MB"),
        (999_990, "1\u00a0MB"),
    ],
)
def test_a_size_is_in_decimal_units(size: int, text: str) -> None:
    assert filters.filesize(size) == text


def test_a_count_has_its_noun() -> None:
    assert filters.plural(1, "click") == "1\u00a0click"
    assert filters.plural(1204, "click") == "1,204\u00a0clicks"
    assert filters.plural(2, "reply", "replies") == "2\u00a0replies"


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=50), "a minute ago"),
        (timedelta(minutes=5), "5\u00a0minutes ago"),
        (timedelta(hours=1), "1\u00a0hour ago"),
        (timedelta(days=3), "3\u00a0days ago"),
        (timedelta(minutes=-10), "in 10\u00a0minutes"),
    ],
)
def test_a_recent_moment_is_told_from_now(ago: timedelta, text: str) -> None:
    assert filters.relative(now() - ago) == text


def test_an_old_moment_is_a_date() -> None:
    assert filters.relative(datetime(2020, 5, 1, tzinfo=UTC)) == "1 May 2020"


def test_a_time_element_carries_the_exact_moment() -> None:
    html = filters.time(datetime(2031, 5, 1, 12, 0, tzinfo=UTC), "datetime")

    assert html == '<time datetime="2031-05-01T12:00:00Z" title="1 May 2031, 12:00 UTC">1 May 2031, 12:00 UTC</time>'


def test_a_plain_date_has_no_time() -> None:
    assert filters.time(date(2031, 5, 1)) == '<time datetime="2031-05-01">1 May 2031</time>'


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        filters.time(datetime(2031, 5, 1))  # noqa: DTZ001
