"""Merchants' own rules in CEL (Common Expression Language), for routing and against fraud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dodeca.kernel.errors import Invalid

LONGEST = 500
MOST_RULES = 50
SAMPLE: Mapping[str, Any] = {
    "amount": 1000,
    "currency": "INR",
    "method": "card",
    "card": {"network": "Visa", "type": "credit", "bin": "424242", "last4": "4242", "country": ""},
    "customer": {"email": "a@example.org", "contact": "", "id": ""},
    "ip": "",
    "country": "",
    "velocity": {"card_hour": 0, "declines_hour": 0},
}
CALLED = ("has", "size", "contains", "startsWith", "endsWith", "string", "int", "uint", "double", "in")
"""What a condition may name before a bracket. Loops and regular expressions may take seconds: the engine knows more
names of them than its documentation."""
_TEXTS_AND_COMMENTS = re.compile(
    r"""(?xs)
    (?P<comment> // )
    | (?<!\w) [bB]?[rR] (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\r\n]*" | '[^'\r\n]*' )
    | \"{3} (?:\\.|[^\\])*? \"{3} | '{3} (?:\\.|[^\\])*? '{3}
    | " (?:\\.|[^"\\\r\n])* " | ' (?:\\.|[^'\\\r\n])* '
    """
)
"""CEL's texts, as its grammar has them (raw ones know no escapes), and where a comment begins outside them.
https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax"""
_CALL = re.compile(r"(\w+)\s*\(")


def _check_quick(expression: str) -> None:
    """Raises ValueError for what may take long, and for comments, behind which that could hide."""
    if any(found["comment"] for found in _TEXTS_AND_COMMENTS.finditer(expression)):
        raise ValueError("Comments cannot be used in a condition.")
    code = _TEXTS_AND_COMMENTS.sub("0", expression)
    if '"' in code or "'" in code:
        raise ValueError("A text in quotes is not closed.")
    for name in _CALL.findall(code):
        if name not in CALLED:
            raise ValueError(f"Loops and regular expressions cannot be used; {name} is none of {', '.join(CALLED)}.")


@lru_cache(maxsize=2048)
def _program(expression: str) -> Any:
    _check_quick(expression)
    import cel  # it brings its command line along, a fifth of what a start imports; few shops write rules

    return cel.compile(expression)


def check_rule(expression: object, field: str) -> str:
    """The expression, if it is a condition on what rules see. Raises Invalid.

    What is called is one of `CALLED`, and there are no comments, so that none can take long."""
    if not isinstance(expression, str) or not 0 < len(expression) <= LONGEST:
        raise Invalid(f"A condition has 1 to {LONGEST} characters.", field=field)
    try:
        result = _program(expression).execute(dict(SAMPLE))
    except (ValueError, RuntimeError, TypeError) as error:
        first = str(error).split("\n")[0][:200]
        raise Invalid(f"This condition does not work: {first}", field=field) from error
    if not isinstance(result, bool):
        raise Invalid("A condition is true or false.", field=field)
    return expression


def holds(expression: str, facts: Mapping[str, Any]) -> bool:
    """Whether a checked condition is true of a payment. One that fails on it is not."""
    try:
        return _program(expression).execute({**SAMPLE, **facts}) is True
    except (ValueError, RuntimeError, TypeError):
        return False
