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
_LOOPS = re.compile(r"\.\s*(map|filter|all|exists|exists_one)\s*\(|matches\s*\(|//")
"""What may take long, and comments, behind which it could hide: between a loop's name and its bracket."""


@lru_cache(maxsize=2048)
def _program(expression: str) -> Any:
    if _LOOPS.search(expression):
        raise ValueError("Loops, regular expressions and comments cannot be used in a condition.")
    import cel  # it brings its command line along, a fifth of what a start imports; few shops write rules

    return cel.compile(expression)


def check_rule(expression: object, field: str) -> str:
    """The expression, if it is a condition on what rules see. Raises Invalid.

    Loops, regular expressions and comments are refused, so that none can take long."""
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
