"""The table of all calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from dodeca.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Call:
    """A call: `read` and `write` are functions of a Session in one unit; `flow` is a coroutine that opens its own."""

    method: str
    pattern: re.Pattern[str]
    kind: Literal["read", "write", "flow"]
    handler: Callable[..., Any]
    public: bool = False


_fixed: dict[tuple[str, str], Call] = {}
_with_ids: dict[tuple[str, int], list[Call]] = {}
"""By method and number of slashes."""


def call(
    method: str, path: str, kind: Literal["read", "write", "flow"], *, public: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a call; `{}` in the path is an id."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        pattern = re.compile("^" + path.replace("{}", "([A-Za-z0-9_.@-]{1,60})") + "$")
        known = Call(method, pattern, kind, handler, public)
        if "{}" in path:
            _with_ids.setdefault((method, path.count("/")), []).append(known)
        else:
            _fixed[method, path] = known
        return handler

    return declare


NOT_OFFERED = {
    "transfers": "Transfers between linked accounts are not offered by this gateway.",
    "accounts": "Linked accounts are not offered by this gateway, but for the webhooks of one's own.",
}
"""What Razorpay's clients know and this gateway does not do, by a part of the path."""


def _why_not(path: str) -> str:
    known = (NOT_OFFERED[part] for part in path.split("/") if part in NOT_OFFERED)
    return next(known, "The requested URL was not found on the server.")


def find(method: str, path: str) -> tuple[Call, tuple[str, ...]]:
    """The call of a path without version and slash at its end. Raises Invalid, as Razorpay does."""
    from dodeca.products.payments.compat.razorpay import modules  # noqa: F401 - they declare their calls

    wanted = "GET" if method == "HEAD" else method
    fixed = _fixed.get((wanted, path))
    if fixed is not None:
        return fixed, ()
    candidates = _with_ids.get((wanted, path.count("/")), ())
    matches = [(known, found) for known in candidates if (found := known.pattern.match(path))]
    if not matches:
        raise Invalid(_why_not(path), field="url")
    known, found = min(matches, key=lambda match: len(match[1].groups()))  # the one with more fixed parts
    return known, found.groups()
