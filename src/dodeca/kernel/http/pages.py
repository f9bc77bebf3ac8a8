"""Answers for people: pages, redirects with a toast, and forms that keep what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dodeca.kernel.errors import DodecaError

NEVER_SHOWN_AGAIN = frozenset({"password", "new_password", "current_password", "otp", "csrf_token"})


class Page:
    """A template and its context; rendered inside the unit of work, with the shell around it."""

    __slots__ = ("context", "headers", "status", "template")

    def __init__(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: object
    ) -> None:
        self.template = template
        self.context = context
        self.status = status
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Redirect:
    """See Other: after a form was handled. `to` is a path on this host; `toast` is shown there once.

    `kind` of a toast is success, warning, error or info."""

    to: str
    toast: str = ""
    kind: str = "success"
    status: int = 303
    cookies: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class FormState:
    """What was typed into a form and what is wrong with it. Empty for a fresh form."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    status: int = 200

    @classmethod
    def refused(cls, values: Mapping[str, str], error: DodecaError, status: int) -> FormState:
        """The state after `error`: beside the field that it names, or above the form."""
        shown = {name: value for name, value in values.items() if name not in NEVER_SHOWN_AGAIN}
        if error.field:
            return cls(shown, {error.field: error.message}, "", status)
        return cls(shown, {}, error.message, status)
