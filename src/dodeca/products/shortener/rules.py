"""Redirect rules: other targets for some visitors. The vocabulary is Shlink's, so its clients can write ours.

A rule has a target and conditions, all of which must hold; the first rule that matches decides. Reading a
rule checks it and prepares its tests, so evaluating is a few comparisons.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.targets import Target, TargetPolicy, judge_target

MAX_RULES = 50
MAX_CONDITIONS = 20
MAX_TEXT = 255

DEVICES = frozenset({"android", "ios", "mobile", "windows", "macos", "linux", "chromeos", "desktop"})


class ConditionType(StrEnum):
    DEVICE = "device"
    BROWSER = "browser"
    LANGUAGE = "language"
    COUNTRY = "geolocation-country-code"
    CITY = "geolocation-city-name"
    ADDRESS = "ip-address"
    QUERY_PARAM = "query-param"
    ANY_VALUE_QUERY_PARAM = "any-value-query-param"
    VALUELESS_QUERY_PARAM = "valueless-query-param"
    BEFORE_DATE = "before-date"
    AFTER_DATE = "after-date"


_TESTS_QUERY = frozenset(
    {ConditionType.QUERY_PARAM, ConditionType.ANY_VALUE_QUERY_PARAM, ConditionType.VALUELESS_QUERY_PARAM}
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a rule may ask about a request. Empty text or tuple: not known."""

    at: datetime
    devices: frozenset[str] = frozenset()
    """Those of DEVICES that hold: an iPhone is `ios` and `mobile`."""
    browser: str = ""
    """Lower-case family without its mobile variants: `chrome`, `safari`, `firefox`, `edge` …"""
    languages: tuple[str, ...] = ()
    """Lower-case language tags that the visitor accepts."""
    country: str = ""
    """ISO 3166-1 alpha-2, upper case."""
    city: str = ""
    address: str = ""
    query: tuple[tuple[str, str], ...] = ()
    """Decoded parameters in order; one without `=` has the value ''."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One checked condition. `match_key` is used by query parameters only."""

    type: ConditionType
    match_value: str | None
    match_key: str | None
    holds: Callable[[Visit], bool]

    def as_json(self) -> dict[str, str | None]:
        return {"type": self.type.value, "match_key": self.match_key, "match_value": self.match_value}


@dataclass(frozen=True, slots=True)
class Rule:
    """One checked rule."""

    target: Target
    conditions: tuple[Condition, ...]

    def matches(self, visit: Visit) -> bool:
        return all(condition.holds(visit) for condition in self.conditions)

    def as_json(self) -> dict[str, object]:
        return {
            "long_url": self.target.long_url,
            "conditions": [condition.as_json() for condition in self.conditions],
        }


def first_match(rules: Sequence[Rule], visit: Visit) -> int | None:
    """The position of the first rule that matches, or None."""
    return next((position for position, rule in enumerate(rules) if rule.matches(visit)), None)


def read_rules(raw: object, policy: TargetPolicy, *, field: str = "rules") -> tuple[Rule, ...]:
    """Check rules as they came in JSON: `[{long_url, conditions: [{type, match_key, match_value}]}]`.

    Raises Invalid whose field is a path to the mistake, such as `rules[2].conditions[0].match_value`.
    """
    entries = _items(raw, field)
    if len(entries) > MAX_RULES:
        raise Invalid(f"A link has at most {MAX_RULES} rules.", field=field)
    return tuple(_read_rule(entry, policy, f"{field}[{at}]") for at, entry in enumerate(entries))


def read_condition(raw: object, field: str = "condition") -> Condition:
    """Check one condition. Raises Invalid naming the member at fault."""
    members = _mapping(raw, field)
    name = members.get("type")
    try:
        kind = ConditionType(name) if isinstance(name, str) else None
    except ValueError:
        kind = None
    if kind is None:
        known = ", ".join(kind.value for kind in ConditionType)
        raise Invalid(f"The type of a condition is one of: {known}.", field=f"{field}.type")
    key = _text(members, "match_key", field, required=kind in _TESTS_QUERY)
    needs_value = kind not in (ConditionType.ANY_VALUE_QUERY_PARAM, ConditionType.VALUELESS_QUERY_PARAM)
    value = _text(members, "match_value", field, required=needs_value, empty=kind is ConditionType.QUERY_PARAM)
    if kind in _TESTS_QUERY:
        return Condition(kind, value, key, _query_test(kind, key or "", value or ""))
    holds = _TESTS[kind](value or "", f"{field}.match_value")
    return Condition(kind, value, None, holds)


def _read_rule(raw: object, policy: TargetPolicy, field: str) -> Rule:
    members = _mapping(raw, field)
    long_url = members.get("long_url")
    if not isinstance(long_url, str):
        raise Invalid("A rule needs a target URL.", field=f"{field}.long_url")
    target = judge_target(long_url, policy, field=f"{field}.long_url")
    entries = _items(members.get("conditions"), f"{field}.conditions")
    if not 1 <= len(entries) <= MAX_CONDITIONS:
        raise Invalid(f"A rule has 1 to {MAX_CONDITIONS} conditions.", field=f"{field}.conditions")
    conditions = tuple(
        read_condition(entry, f"{field}.conditions[{position}]") for position, entry in enumerate(entries)
    )
    return Rule(target, conditions)


def _items(raw: object, field: str) -> Sequence[object]:
    if not isinstance(raw, list | tuple):
        raise Invalid("A list is expected here.", field=field)
    return raw


def _mapping(raw: object, field: str) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise Invalid("An object is expected here.", field=field)
    return raw


def _text(members: Mapping[str, object], name: str, field: str, *, required: bool, empty: bool = False) -> str | None:
    value = members.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise Invalid(f"A text of at most {MAX_TEXT} characters is expected.", field=f"{field}.{name}")
    text = value.strip()
    if required and not text and not empty:
        raise Invalid("This condition needs a value.", field=f"{field}.{name}")
    return text


def _device_test(value: str, field: str) -> Callable[[Visit], bool]:
    device = value.lower()
    if device not in DEVICES:
        raise Invalid(f"A device is one of: {', '.join(sorted(DEVICES))}.", field=field)
    return lambda visit: device in visit.devices


def _browser_test(value: str, field: str) -> Callable[[Visit], bool]:
    browser = value.lower()
    return lambda visit: visit.browser == browser


_LANGUAGE = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*\Z")


def _language_test(value: str, field: str) -> Callable[[Visit], bool]:
    tag = value.lower().replace("_", "-")
    if not _LANGUAGE.match(tag):
        raise Invalid("A language is a tag such as en or en-GB.", field=field)
    prefix = f"{tag}-"  # a range matches longer tags, RFC 4647 section 3.3.1
    return lambda visit: any(spoken == tag or spoken.startswith(prefix) for spoken in visit.languages)


def _country_test(value: str, field: str) -> Callable[[Visit], bool]:
    country = value.upper()
    if not re.fullmatch("[A-Z]{2}", country):
        raise Invalid("A country is an ISO code of two letters such as DE.", field=field)
    return lambda visit: visit.country == country


def _city_test(value: str, field: str) -> Callable[[Visit], bool]:
    city = value.casefold()
    return lambda visit: visit.city.casefold() == city


def _address_test(value: str, field: str) -> Callable[[Visit], bool]:
    try:
        network = ipaddress.ip_network(_without_wildcards(value), strict=False)
    except ValueError as error:
        raise Invalid(
            "An address is written as 203.0.113.7, 203.0.113.0/24, 203.0.113.* or an IPv6 network.",
            field=field,
        ) from error

    def holds(visit: Visit) -> bool:
        try:
            address = ipaddress.ip_address(visit.address)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address) in network

    return holds


def _without_wildcards(value: str) -> str:
    """Shlink also writes `192.168.*.*`; stars at the end are a network of the octets before them."""
    octets = value.split(".")
    fixed = [octet for octet in octets if octet != "*"]
    if len(octets) != 4 or len(fixed) == 4 or octets[: len(fixed)] != fixed:
        return value
    return ".".join([*fixed, *["0"] * (4 - len(fixed))]) + f"/{8 * len(fixed)}"


def _moment(value: str, field: str) -> datetime:
    try:
        return clock.parse_rfc3339(value)
    except (ValueError, OverflowError) as error:
        raise Invalid("A time is written as 2031-05-01T18:00:00Z.", field=field) from error


def _before_test(value: str, field: str) -> Callable[[Visit], bool]:
    moment = _moment(value, field)
    return lambda visit: visit.at < moment


def _after_test(value: str, field: str) -> Callable[[Visit], bool]:
    moment = _moment(value, field)
    return lambda visit: visit.at >= moment


def _query_test(kind: ConditionType, key: str, value: str) -> Callable[[Visit], bool]:
    if kind is ConditionType.QUERY_PARAM:
        return lambda visit: (key, value) in visit.query
    if kind is ConditionType.VALUELESS_QUERY_PARAM:
        return lambda visit: (key, "") in visit.query
    return lambda visit: any(name == key and bool(given) for name, given in visit.query)


_TESTS: Mapping[ConditionType, Callable[[str, str], Callable[[Visit], bool]]] = {
    ConditionType.DEVICE: _device_test,
    ConditionType.BROWSER: _browser_test,
    ConditionType.LANGUAGE: _language_test,
    ConditionType.COUNTRY: _country_test,
    ConditionType.CITY: _city_test,
    ConditionType.ADDRESS: _address_test,
    ConditionType.BEFORE_DATE: _before_test,
    ConditionType.AFTER_DATE: _after_test,
}
