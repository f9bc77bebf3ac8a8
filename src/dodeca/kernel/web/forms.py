"""Forms that work without JavaScript: read what was typed, or show the page again with it and say what is wrong.

A handler reads the typed values into a closed msgspec Struct; when that or the service refuses, the same page is
rendered again, with status 400, every value kept and each message at its field:

    form = Form.of(await request.form())
    try:
        link = service.shorten(session, account, read(NewLink, form))
    except (FormErrors, Invalid) as error:
        return shown_again(renderer, "shortener/new.html", {"shell": shell}, form, error)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin

import msgspec
from litestar import MediaType, Response

from dodeca.kernel.errors import DodecaError
from dodeca.kernel.web.templates import Renderer

T = TypeVar("T", bound=msgspec.Struct)
WHOLE_FORM = ""
"""The key of a message that concerns no single field."""

_ON = {"on", "true", "1", "yes"}
_OFF = {"", "off", "false", "0", "no"}


class FormErrors(Exception):
    """What is wrong with a form: one message a field, for the person who filled it in."""

    def __init__(self, errors: Mapping[str, str] | None = None) -> None:
        super().__init__("The form has errors.")
        self.errors = dict(errors or {})

    @classmethod
    def of(cls, error: DodecaError | FormErrors) -> FormErrors:
        """The errors of a refusal by a service: at its field, or for the whole form."""
        return error if isinstance(error, FormErrors) else cls({error.field or WHOLE_FORM: error.message})

    def add(self, name: str, message: str) -> None:
        """Add a message; a field's first message stays."""
        self.errors.setdefault(name, message)

    def check(self) -> None:
        """Raise itself when there is any message."""
        if self.errors:
            raise self


class MultiDict(Protocol):
    """The part of a framework's form data that is used here."""

    def multi_items(self) -> Iterable[tuple[str, Any]]:
        """All pairs, a field with several values several times."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form's typed values and messages, as the macros of `ui.html` read them. Empty for a new form."""

    typed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: MultiDict | Mapping[str, Any]) -> Form:
        """The form that was sent. Uploaded files are left out: a browser never shows them again."""
        pairs = data.items() if isinstance(data, Mapping) else data.multi_items()
        typed: dict[str, list[str]] = {}
        for name, value in pairs:
            for one in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(one, (str, int, float)):
                    typed.setdefault(name, []).append(str(one))
        return cls(typed)

    def value(self, name: str, default: object = None) -> str:
        """What was typed into a field; before anything was sent, `default`."""
        if name in self.typed:
            return self.typed[name][-1] if self.typed[name] else ""
        return "" if default is None else str(default)

    def chosen(self, name: str, option: object, default: bool = False) -> bool:
        """Whether an option is ticked. A form that was sent without the field has nothing ticked."""
        return str(option) in self.typed.get(name, ()) if self.typed else default

    def error(self, name: str) -> str | None:
        """The message at a field."""
        return self.errors.get(name)

    def with_errors(self, errors: Mapping[str, str]) -> Form:
        """The same values with these messages."""
        return Form(self.typed, errors)


def shown_again(
    renderer: Renderer,
    template: str,
    context: Mapping[str, object],
    form: Form,
    error: FormErrors | DodecaError,
    *,
    status: int = 400,
) -> Response[str]:
    """Render a page again with what was typed and the messages. The template finds both in `form`."""
    shown = form.with_errors(FormErrors.of(error).errors)
    body = renderer.render(template, {**context, "form": shown})
    return Response(body, status_code=status, media_type=MediaType.HTML)


def read(kind: type[T], form: Form) -> T:
    """The typed values as a `kind`. Raises FormErrors with a message for every field that is wrong.

    Text is trimmed, except in fields whose name holds "password". An empty field counts as not filled in; a missing
    checkbox is false; a field of a list type takes all its values.
    """
    errors, values = FormErrors(), {}
    for spec in msgspec.structs.fields(kind):
        raw = _raw(spec.encode_name, spec.type, form)
        if raw is None:
            if spec.required:
                errors.add(spec.encode_name, "Fill this in.")
            continue
        try:
            values[spec.name] = msgspec.convert(raw, spec.type, strict=False)
        except msgspec.ValidationError as error:
            errors.add(spec.encode_name, message_for_people(str(error)))
    errors.check()
    try:
        return kind(**values)
    except ValueError as error:  # a Struct's own __post_init__ check
        raise FormErrors({WHOLE_FORM: str(error)}) from error


def _raw(name: str, kind: Any, form: Form) -> object:
    """The value to convert; None where nothing was filled in."""
    kinds = _plain_kinds(kind)
    if bool in kinds:
        value = form.value(name).strip().lower()
        return True if value in _ON else False if value in _OFF else value
    typed = [value if "password" in name else value.strip() for value in form.typed.get(name, ())]
    if kinds & {list, tuple, set, frozenset}:
        return [value for value in typed if value] or None
    return typed[-1] or None if typed else None


def _plain_kinds(kind: Any) -> set[Any]:
    """The classes in a type, without None, `Annotated` and parameters: `Annotated[list[str], …] | None` is {list}."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return {plain for part in get_args(kind) for plain in _plain_kinds(part)} - {NoneType}
    if hasattr(kind, "__metadata__"):
        return _plain_kinds(kind.__origin__)
    return {origin or kind}


# msgspec's messages are for programmers; each pattern gives the sentence for the person at the form.
_MESSAGES: Sequence[tuple[str, str]] = (
    (r"Expected `str` of length >= 1\b(?!\d)", "Fill this in."),
    (r"Expected `str` of length >= (\d+)", r"Use at least \1 characters."),
    (r"Expected `str` of length <= (\d+)", r"Use at most \1 characters."),
    (r"Expected `str` matching regex", "This has characters or a form that cannot be used here."),
    (r"Expected `array` of length >= (\d+)", r"Choose at least \1."),
    (r"Expected `array` of length <= (\d+)", r"Choose at most \1."),
    (r"Expected `(?:int|float|decimal)` >= (\S+)", r"The smallest possible value is \1."),
    (r"Expected `(?:int|float|decimal)` <= (\S+)", r"The largest possible value is \1."),
    (r"Expected `(?:int|float|decimal)` > (\S+)", r"This must be more than \1."),
    (r"Expected `(?:int|float|decimal)` < (\S+)", r"This must be less than \1."),
    (r"Expected `int", "Enter a whole number."),
    (r"Expected `(?:float|decimal)|Invalid decimal", "Enter a number."),
    (r"Expected `date|Invalid RFC3339|Invalid date|Invalid time", "Enter a date or time in the form shown."),
    (r"Invalid enum value", "Choose one of the options."),
)


def message_for_people(message: str) -> str:
    """A sentence for the person at the form, from a message of msgspec."""
    for pattern, sentence in _MESSAGES:
        match = re.match(pattern, message)
        if match:
            return match.expand(sentence)
    return "This value cannot be used here."
