"""Firebase's `orderBy` queries over a value: https://firebase.google.com/docs/database/rest/retrieve-data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dodeca.kernel.errors import Invalid

_RANGE: Final = ("startAt", "endAt", "equalTo")
_LIMITS: Final = ("limitToFirst", "limitToLast")
_ORDER_MISSING: Final = "orderBy must be defined when other query parameters are defined"
_ORDER_BROKEN: Final = "orderBy must be a valid JSON encoded path"
Pair = tuple[str, Any]


def applied(value: Any, query: Mapping[str, str]) -> Any:
    """The value as the query wants it. Raises Invalid in Firebase's words."""
    if "orderBy" not in query:
        if any(name in query for name in (*_RANGE, *_LIMITS)):
            raise Invalid(_ORDER_MISSING)
        return value
    order = _json(query["orderBy"], _ORDER_BROKEN)
    if not isinstance(order, str) or not order:
        raise Invalid(_ORDER_BROKEN)
    if order not in ("$key", "$value"):
        raise Invalid(f'Index not defined, add ".indexOn": "{order}", for path "/v0", to the rules')
    limits = {name: _limit(name, query[name]) for name in _LIMITS if name in query}
    if len(limits) == 2:
        raise Invalid("Only one of limitToFirst and limitToLast may be specified")
    bounds = {name: _json(query[name], f"{name} must be a valid JSON value") for name in _RANGE if name in query}
    if not isinstance(value, (list, dict)):
        return value
    rank = _key_rank if order == "$key" else _value_rank
    pairs = sorted(_pairs(value), key=rank)
    pairs = [pair for pair in pairs if _within(pair, bounds, by_key=order == "$key")]
    if "limitToFirst" in limits:
        pairs = pairs[: limits["limitToFirst"]]
    if "limitToLast" in limits:
        pairs = pairs[-limits["limitToLast"] :]
    return _gathered(pairs)


def _json(text: str, message: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Invalid(message) from error


def _limit(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]) > 0:
        raise Invalid(f"{name} must be a positive integer")
    return int(text[:9])


def _pairs(value: list[Any] | dict[str, Any]) -> list[Pair]:
    if isinstance(value, dict):
        return list(value.items())
    return [(str(index), part) for index, part in enumerate(value) if part is not None]


def _key_order(key: str) -> tuple[int, int, str]:
    number = key.isascii() and key.isdigit() and len(key) < 11 and str(int(key)) == key
    return (0, int(key), "") if number else (1, 0, key)


def _key_rank(pair: Pair) -> Any:
    return _key_order(pair[0])


def _value_order(value: Any) -> tuple[int, Any]:
    """null, false, true, numbers, strings, then objects."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (2, 0) if value else (1, 0)
    if isinstance(value, (int, float)):
        return (3, value)
    return (4, value) if isinstance(value, str) else (5, 0)


def _value_rank(pair: Pair) -> Any:
    return (_value_order(pair[1]), _key_order(pair[0]))


def _within(pair: Pair, bounds: Mapping[str, Any], *, by_key: bool) -> bool:
    for name, bound in bounds.items():
        at: Any = _key_order(pair[0]) if by_key else _value_order(pair[1])
        edge: Any = _key_order(str(bound)) if by_key else _value_order(bound)
        if (name == "startAt" and at < edge) or (name == "endAt" and at > edge) or (name == "equalTo" and at != edge):
            return False
    return True


def _gathered(pairs: list[Pair]) -> Any:
    """An array if over half of the indices up to the greatest remain, else an object; null for nothing."""
    if not pairs:
        return None
    if all(_key_order(key)[0] == 0 for key, _value in pairs):
        greatest = max(int(key) for key, _value in pairs)
        if len(pairs) * 2 > greatest + 1:
            found = {int(key): value for key, value in pairs}
            return [found.get(index) for index in range(greatest + 1)]
    return dict(pairs)
