"""Answers for people: pages, redirects with a toast, and forms that keep what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dodeca.kernel.errors import DodecaError
from dodeca.kernel.web.forms import WHOLE_FORM, Form

NEVER_SHOWN_AGAIN = frozenset({"password", "new_password", "current_password", "otp", "csrf_token"})


class Page:
    """A template and its context; rendered inside the unit of work, with the shell around it."""

    __slots__ = ("context", "headers", "shell", "status", "template")

    def __init__(
        self,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        shell: Mapping[str, Any] | None = None,
        **context: object,
    ) -> None:
        """`shell` changes parts of the shell for this page, such as its direction."""
        self.template = template
        self.context = context
        self.status = status
        self.headers = dict(headers or {})
        self.shell = dict(shell or {})


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
    typed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """All values of each name: `values` has the last."""

    @classmethod
    def refused(cls, typed: Mapping[str, Sequence[str]], error: DodecaError, status: int) -> FormState:
        """The state after `error`: beside the field that it names, or above the form."""
        shown = {name: values for name, values in typed.items() if name not in NEVER_SHOWN_AGAIN}
        last = {name: values[-1] for name, values in shown.items() if values}
        if error.field:
            return cls(last, {error.field: error.message}, "", status, shown)
        return cls(last, {}, error.message, status, shown)

    @property
    def form(self) -> Form:
        """The same for the macros of `ui.html`."""
        above = {WHOLE_FORM: self.message} if self.message else {}
        return Form(self.typed, {**self.errors, **above})
