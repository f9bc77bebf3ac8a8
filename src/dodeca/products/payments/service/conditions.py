"""Conditions as people choose them, and the CEL expressions that rules are kept as.

An expression that is a conjunction of simple comparisons reads as conditions; any other stays one condition, its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from dodeca.kernel.errors import Invalid
from dodeca.products.payments.models.gateway import METHODS

EXPRESSION: Final = "expression"
"""The fact of a condition whose value is CEL itself."""
ALWAYS: Final = "true"
MOST_CONDITIONS: Final = 8
FACTS: Final[Mapping[str, str]] = {
    "amount": "Amount (minor units)",
    "currency": "Currency",
    "method": "Method",
    "card.network": "Card network",
    "card.bin": "Card's first six digits",
    "card.last4": "Card's last four digits",
    "card.type": "Card type",
    "customer.email": "Payer's mail address",
    "customer.contact": "Payer's telephone",
    "customer.id": "Customer",
    "country": "Payer's country",
    "ip": "Payer's IP address",
    "velocity.card_hour": "Payments of the card in an hour",
    "velocity.declines_hour": "Declines of the card in an hour",
    EXPRESSION: "CEL expression",
}
NUMBERS: Final = frozenset({"amount", "velocity.card_hour", "velocity.declines_hour"})
UPPER: Final = frozenset({"currency", "country"})
LARGEST: Final = 10**12
_COMPARED: Final[Mapping[str, str]] = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_CALLED: Final[Mapping[str, str]] = {"starts": "startsWith", "ends": "endsWith", "contains": "contains"}
COMPARISONS: Final[Mapping[str, str]] = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "gt": "is more than",
    "ge": "is at least",
    "lt": "is less than",
    "le": "is at most",
    "starts": "begins with",
    "ends": "ends with",
    "contains": "contains",
}
_NAMED: Final = {word: name for name, word in (*_COMPARED.items(), *_CALLED.items())} | {"in": "in", "not_in": "not_in"}
_ORDERED: Final = ("gt", "ge", "lt", "le")
_LITERAL: Final = r"""(?:-?\d+|"(?:[^"\\]|\\["\\])*"|'[^'"\\]*')"""
_FACT: Final = r"(?P<fact>[a-z0-9_.]+?)"
_LIST: Final = rf"\[\s*(?P<values>{_LITERAL}(?:\s*,\s*{_LITERAL})*)\s*\]"
_COMPARISON: Final = re.compile(rf"{_FACT}\s*(?P<word>==|!=|>=|<=|>|<)\s*(?P<values>{_LITERAL})")
_CALL: Final = re.compile(rf"{_FACT}\.(?P<word>startsWith|endsWith|contains)\(\s*(?P<values>{_LITERAL})\s*\)")
_AMONG: Final = re.compile(rf"{_FACT}\s+in\s+{_LIST}")
_NOT_AMONG: Final = re.compile(rf"!\s*\(\s*{_FACT}\s+in\s+{_LIST}\s*\)")
_PIECES: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|&&)""")


@dataclass(frozen=True, slots=True)
class Condition:
    """A fact of a payment (`FACTS`), how it is compared (`COMPARISONS`) and with what, as it was typed."""

    fact: str = "amount"
    comparison: str = "gt"
    value: str = ""


def fitting(fact: str) -> list[str]:
    """The comparisons that a fact has."""
    if fact in NUMBERS:
        return [name for name in COMPARISONS if name not in _CALLED]
    return [name for name in COMPARISONS if name not in _ORDERED]


def expression_of(conditions: Sequence[Condition], fields: Sequence[str]) -> str:
    """CEL that holds when all conditions do. Raises Invalid naming the condition's entry of `fields`."""
    parts = [_written(condition, field) for condition, field in zip(conditions, fields, strict=True)]
    if len(parts) > 1:  # an expression of one's own may hold an "or"
        parts = [f"({p})" if c.fact == EXPRESSION else p for p, c in zip(parts, conditions, strict=True)]
    return " && ".join(parts) or ALWAYS


def _written(condition: Condition, field: str) -> str:
    text, fact, comparison = condition.value.strip(), condition.fact, condition.comparison
    if fact not in FACTS:
        raise Invalid("Choose what the condition is about.", field=field)
    if not text:
        raise Invalid(f"{FACTS[fact]}: fill this in, or remove the condition.", field=field)
    if fact == EXPRESSION:
        return text
    possible = fitting(fact)
    if comparison not in possible:
        raise Invalid(f"{FACTS[fact]} {', '.join(COMPARISONS[c] for c in possible[:-1])} "
                      f"or {COMPARISONS[possible[-1]]} something.", field=field)  # fmt: skip
    if comparison in ("in", "not_in"):
        values = ", ".join(_literal(fact, one.strip(), field, whole=True) for one in text.split(",") if one.strip())
        if not values:
            raise Invalid("Separate values by commas.", field=field)
        return f"{fact} in [{values}]" if comparison == "in" else f"!({fact} in [{values}])"
    literal = _literal(fact, text, field, whole=comparison not in _CALLED)
    if comparison in _CALLED:
        return f"{fact}.{_CALLED[comparison]}({literal})"
    return f"{fact} {_COMPARED[comparison]} {literal}"


def _literal(fact: str, text: str, field: str, *, whole: bool) -> str:
    """A value in CEL; `whole` where it is all of the fact, not a part of it."""
    if fact in NUMBERS:
        if not re.fullmatch(r"\d{1,13}", text, re.ASCII) or int(text) > LARGEST:
            raise Invalid(f"{FACTS[fact]}: write a whole number up to {LARGEST:,}.", field=field)
        return str(int(text))
    if fact == "method" and whole:
        text = text.lower().replace(" ", "_")
        if text not in METHODS:
            raise Invalid(f"The method is one of {', '.join(METHODS)}.", field=field)
    if any(ord(character) < 32 for character in text):
        raise Invalid("This holds characters that cannot be used here.", field=field)
    text = text.upper() if fact in UPPER else text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def conditions_of(expression: str) -> list[Condition]:
    """An expression as conditions."""
    if expression.strip() == ALWAYS:
        return []
    parts = [""]
    for piece in _PIECES.split(expression):  # texts may hold what joins conditions
        if piece == "&&":
            parts.append("")
        else:
            parts[-1] += piece
    found = [condition for condition in (_read(part.strip()) for part in parts) if condition is not None]
    if len(found) == len(parts) <= MOST_CONDITIONS:
        return found
    return [Condition(EXPRESSION, "eq", expression)]


def _read(part: str) -> Condition | None:
    for pattern in (_COMPARISON, _CALL, _AMONG, _NOT_AMONG):
        match = pattern.fullmatch(part)
        if match is not None:
            said = match.groupdict()
            comparison = _NAMED[said.get("word") or ("not_in" if pattern is _NOT_AMONG else "in")]
            values = [_value(text) for text in re.findall(_LITERAL, said["values"])]
            condition = Condition(said["fact"], comparison, ", ".join(values))
            return condition if _means(condition, part) else None
    return None


def _value(literal: str) -> str:
    if literal.startswith('"'):
        return msgspec.json.decode(literal.encode(), type=str)
    return literal.strip("'")


def _means(condition: Condition, part: str) -> bool:
    """Whether a condition would be written as the part it was read from, but for spaces and quotes."""
    try:
        written = _written(condition, "")
    except Invalid:
        return False
    return condition.fact != EXPRESSION and _plain(written) == _plain(part)


def _plain(text: str) -> list[str]:
    return [f'"{token[1:-1]}"' if token.startswith("'") else token for token in re.findall(rf"{_LITERAL}|\S", text)]
