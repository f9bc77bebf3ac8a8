from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.products.shortener.queries import forward_query, holds_qr_mark, merge_utm, query_pairs
from dodeca.products.shortener.targets import TargetPolicy, judge_target


@pytest.mark.parametrize(
    ("location", "merged"),
    [
        ("https://e.org/", "https://e.org/?utm_source=mail&utm_term=a%20b%26c"),
        ("https://e.org/?x=1#top", "https://e.org/?x=1&utm_source=mail&utm_term=a%20b%26c#top"),
        ("https://e.org/?utm_source=old&y=%20&utm%5Fsource=o", "https://e.org/?y=%20&utm_source=mail&utm_term=a%20b%26c"),
        ("https://e.org/#?utm_source=x", "https://e.org/?utm_source=mail&utm_term=a%20b%26c#?utm_source=x"),
    ],
)  # fmt: skip
def test_utm_parameters_replace_those_of_the_target(location: str, merged: str) -> None:
    assert merge_utm(location, {"source": "mail", "medium": "", "term": "a b&c"}) == merged


def test_no_utm_leaves_the_target_alone() -> None:
    assert merge_utm("https://e.org/?a&&b", {"source": ""}) == "https://e.org/?a&&b"


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("", "https://e.org/?a=1&b=2#f"),
        ("qr", "https://e.org/?a=1&b=2#f"),
        ("qr=1&c=3", "https://e.org/?a=1&b=2&c=3#f"),
        ("a=9&a=8", "https://e.org/?b=2&a=9&a=8#f"),
        ("x=%0d%0a&y=\r\n#z\"<>'é", "https://e.org/?a=1&b=2&x=%0d%0a&y=%0D%0A%23z%22%3C%3E%27%C3%A9#f"),
        ("x=" + "y" * 9_000, "https://e.org/?a=1&b=2#f"),
    ],
)
def test_the_visitors_query_is_added_and_wins(query: str, location: str) -> None:
    assert forward_query("https://e.org/?a=1&b=2#f", query) == location


@given(st.text())
def test_a_forwarded_query_is_always_safe_in_a_header(query: str) -> None:
    location = forward_query("https://e.org/p#f", query)

    assert not set(location) & set(map(chr, range(0x21)))
    assert judge_target(location, TargetPolicy()).location == location


@pytest.mark.parametrize(
    ("query", "scanned"), [("qr", True), ("a=1&qr=", True), ("qrx=1", False), ("a=qr", False), ("", False)]
)
def test_a_scan_is_told_by_the_qr_parameter(query: str, scanned: bool) -> None:
    assert holds_qr_mark(query) is scanned


def test_pairs_are_decoded_in_order() -> None:
    assert query_pairs("a=1+2&&b&c=%C3%BC&a=") == (("a", "1 2"), ("b", ""), ("c", "ü"), ("a", ""))
