from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.rules import MAX_RULES, Visit, first_match, read_condition, read_rules
from dodeca.products.shortener.targets import TargetPolicy

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)
VISIT = Visit(
    at=NOON,
    devices=frozenset({"ios", "mobile"}),
    browser="safari",
    languages=("en-gb", "de"),
    country="AT",
    city="Wien",
    address="203.0.113.77",
    query=(("ref", "mail"), ("flag", ""), ("n", "1")),
)


def condition(kind: str, value: str | None = None, key: str | None = None) -> Mapping[str, object]:
    return {"type": kind, "match_value": value, "match_key": key}


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (condition("device", "ios"), True),
        (condition("device", "Mobile"), True),
        (condition("device", "android"), False),
        (condition("browser", "Safari"), True),
        (condition("browser", "chrome"), False),
        (condition("language", "en"), True),
        (condition("language", "en_GB"), True),
        (condition("language", "en-US"), False),
        (condition("language", "e"[:1] + "s"), False),
        (condition("geolocation-country-code", "at"), True),
        (condition("geolocation-country-code", "DE"), False),
        (condition("geolocation-city-name", "wien"), True),
        (condition("geolocation-city-name", "Graz"), False),
        (condition("ip-address", "203.0.113.77"), True),
        (condition("ip-address", "203.0.113.0/24"), True),
        (condition("ip-address", "203.0.113.*"), True),
        (condition("ip-address", "203.0.*.*"), True),
        (condition("ip-address", "203.0.112.0/24"), False),
        (condition("ip-address", "2001:db8::/32"), False),
        (condition("query-param", "mail", "ref"), True),
        (condition("query-param", "", "flag"), True),
        (condition("query-param", "post", "ref"), False),
        (condition("any-value-query-param", None, "ref"), True),
        (condition("any-value-query-param", None, "flag"), False),
        (condition("valueless-query-param", None, "flag"), True),
        (condition("valueless-query-param", None, "ref"), False),
        (condition("before-date", "2031-05-01T12:00:01Z"), True),
        (condition("before-date", "2031-05-01T12:00:00Z"), False),
        (condition("after-date", "2031-05-01T14:00:00+02:00"), True),
        (condition("after-date", "2031-05-02"), False),
    ],
)
def test_a_condition_holds_for_what_it_names(raw: Mapping[str, object], holds: bool) -> None:
    assert read_condition(raw).holds(VISIT) is holds


def test_a_mapped_ipv4_address_is_in_its_ipv4_network() -> None:
    visit = Visit(at=NOON, address="::ffff:203.0.113.77")

    assert read_condition(condition("ip-address", "203.0.113.0/24")).holds(visit)


def test_nothing_is_known_of_a_bare_visit_so_no_such_condition_holds() -> None:
    for kind, value in [
        ("device", "ios"),
        ("language", "en"),
        ("ip-address", "0.0.0.0/0"),
        ("browser", "safari"),
    ]:
        assert not read_condition(condition(kind, value)).holds(Visit(at=NOON))


def test_all_conditions_must_hold_and_the_first_rule_wins() -> None:
    rules = read_rules(
        [
            {
                "long_url": "https://a.example",
                "conditions": [condition("device", "ios"), condition("language", "fr")],
            },
            {"long_url": "https://b.example", "conditions": [condition("language", "de")]},
            {"long_url": "https://c.example", "conditions": [condition("device", "ios")]},
        ],
        TargetPolicy(),
    )

    assert first_match(rules, VISIT) == 1
    assert rules[1].target.location == "https://b.example/"
    assert first_match(rules, Visit(at=NOON)) is None


def test_rules_are_given_back_as_they_came() -> None:
    raw = [{"long_url": "https://a.example", "conditions": [condition("query-param", "1", "n")]}]

    assert [rule.as_json() for rule in read_rules(raw, TargetPolicy())] == raw


IOS = [condition("device", "ios")]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("x", "rules"),
        ([{"long_url": "https://a.example", "conditions": IOS}] * (MAX_RULES + 1), "rules"),
        ([3], "rules[0]"),
        ([{"conditions": IOS}], "rules[0].long_url"),
        ([{"long_url": "http://10.0.0.1", "conditions": IOS}], "rules[0].long_url"),
        ([{"long_url": "https://a.example"}], "rules[0].conditions"),
        ([{"long_url": "https://a.example", "conditions": []}], "rules[0].conditions"),
        ([{"long_url": "https://a.example", "conditions": [*IOS, 1]}], "rules[0].conditions[1]"),
        (
            [{"long_url": "https://a.example", "conditions": [{"type": "moon"}]}],
            "rules[0].conditions[0].type",
        ),
        (
            [{"long_url": "https://a.example", "conditions": [{"type": ["device"]}]}],
            "rules[0].conditions[0].type",
        ),
        (
            [{"long_url": "https://a.example", "conditions": [condition("device", "toaster")]}],
            "rules[0].conditions[0].match_value",
        ),
        (
            [{"long_url": "https://a.example", "conditions": [condition("query-param", "1")]}],
            "rules[0].conditions[0].match_key",
        ),
    ],
)
def test_a_mistake_in_rules_is_named_by_its_path(raw: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_rules(raw, TargetPolicy())
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("language", "x"),
        ("language", "en GB"),
        ("geolocation-country-code", "AUT"),
        ("geolocation-city-name", " "),
        ("ip-address", "300.1.1.1"),
        ("ip-address", "1.*.3.4"),
        ("ip-address", "1.2.3.0/33"),
        ("before-date", "tomorrow"),
        ("after-date", None),
        ("browser", "x" * 300),
    ],
)
def test_a_value_that_can_never_match_is_refused(kind: str, value: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        read_condition(condition(kind, value))
    assert caught.value.field == "condition.match_value"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_read_or_refused(raw: object) -> None:
    try:
        read_rules(raw, TargetPolicy())
    except Invalid as error:
        field = error.field
    else:
        return
    assert field is not None
