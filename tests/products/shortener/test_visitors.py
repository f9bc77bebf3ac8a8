from __future__ import annotations

from datetime import date

import pytest

from dodeca.products.shortener import visitors

SALT = b"s" * visitors.SALT_BYTES


def test_a_visitor_is_the_same_within_a_day_and_link() -> None:
    first = visitors.visitor_hash(SALT, 7, "203.0.113.7", "Firefox")

    assert first == visitors.visitor_hash(SALT, 7, "203.0.113.7", "Firefox")
    assert 0 <= first < 2**63


@pytest.mark.parametrize(
    ("salt", "link", "address", "agent"),
    [
        (b"t" * 32, 7, "203.0.113.7", "Firefox"),
        (SALT, 8, "203.0.113.7", "Firefox"),
        (SALT, 7, "203.0.113.8", "Firefox"),
        (SALT, 7, "203.0.113.7", "Firefo"),
        (SALT, 7, "203.0.113.7F", "irefox"),
    ],
)
def test_another_day_link_address_or_agent_is_another_visitor(salt: bytes, link: int, address: str, agent: str) -> None:
    assert visitors.visitor_hash(salt, link, address, agent) != visitors.visitor_hash(SALT, 7, "203.0.113.7", "Firefox")


def test_salts_are_fresh() -> None:
    assert visitors.new_salt() != visitors.new_salt()


def test_the_day_is_that_of_utc() -> None:
    assert visitors.day_of(1_759_363_199_999) == date(2025, 10, 1)
    assert visitors.day_of(1_759_363_200_000) == date(2025, 10, 2)


@pytest.mark.parametrize(("header", "out"), [("1", True), (" 1 ", True), ("0", False), ("", False), (None, False)])
def test_global_privacy_control_is_respected(header: str | None, out: bool) -> None:
    assert visitors.opts_out(header) is out
