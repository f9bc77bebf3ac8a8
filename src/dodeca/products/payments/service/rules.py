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
_FAILURES = (ValueError, RuntimeError, TypeError, ArithmeticError, LookupError)
"""What a condition can end in: a name that is not there, numbers of two kinds, a division by zero."""
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
    except _FAILURES as error:
        first = str(error).split("\n")[0][:200]
        raise Invalid(f"This condition does not work: {first}", field=field) from error
    if not isinstance(result, bool):
        raise Invalid("A condition is true or false.", field=field)
    return expression


class Facts:
    """What is known of a payment, for conditions: made ready once for all of a merchant's, which takes a hundred times
    what one of them does. Made ready by the first, as few merchants have any."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self._ready: Any = None

    def fulfil(self, expression: str) -> bool:
        """Whether a checked condition is true of the payment. One that fails on it is not."""
        try:
            program = _program(expression)
            if self._ready is None:
                import cel

                self._ready = cel.Context({**SAMPLE, **self._facts})
            return program.execute(self._ready) is True
        except _FAILURES:
            return False
