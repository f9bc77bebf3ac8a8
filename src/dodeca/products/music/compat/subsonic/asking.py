"""One request: its parameters, as they come in the query and in a form, and who makes it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call
from dodeca.products.music.service.viewers import Viewer

MALFORMED: Final = 0
MISSING: Final = 10
CLIENT_TOO_OLD: Final = 20
SERVER_TOO_OLD: Final = 30
WRONG: Final = 40
NO_TOKENS: Final = 41
CONFLICTING: Final = 43
BAD_KEY: Final = 44
NOT_ALLOWED: Final = 50
NOT_FOUND: Final = 70
KINDS: Final = {"al": "album", "ar": "artist", "pl": "playlist", "ep": "episode", "pc": "channel", "st": "station"}
PREFIXES: Final = {kind: prefix for prefix, kind in KINDS.items()}
_ID: Final = re.compile(r"(?:([a-z]{2})-)?(\d{1,18})", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,15}", re.ASCII)
MOST_VALUES: Final = 10_000


class Refused(DodecaError):
    """An error in Subsonic's own numbers."""

    def __init__(self, code: int, message: str, *, help_url: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help_url = help_url


@dataclass(slots=True)
class Parameters:
    """What a request says; a parameter may stand several times."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A parameter's first value."""
        found = self.values.get(name)
        return found[0] if found else default

    def has(self, name: str) -> bool:
        """Whether it is given, if only empty."""
        return name in self.values

    def required(self, name: str) -> str:
        """A parameter that has to be there. Raises Refused."""
        value = self.text(name)
        if not value:
            raise Refused(MISSING, f"Required parameter is missing: {name}")
        return value

    def texts(self, name: str) -> list[str]:
        """All values. Raises Refused for too many."""
        found = self.values.get(name, [])
        if len(found) > MOST_VALUES:
            raise Refused(MALFORMED, f"{name} stands too often.")
        return found

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number; one out of bounds becomes the bound. Raises Refused."""
        text = self.text(name).strip()
        if not text:
            return default
        if not _NUMBER.fullmatch(text):
            raise Refused(MALFORMED, f"{name} is a whole number.")
        return max(least, min(int(text), most))

    def maybe_number(self, name: str, least: int, most: int) -> int | None:
        """The same, None where it is not given."""
        return self.number(name, 0, least, most) if self.text(name).strip() else None

    def flag(self, name: str, default: bool = False) -> bool:
        """A parameter that says yes or no. Raises Refused."""
        text = self.text(name).strip().lower()
        if not text:
            return default
        if text not in ("true", "false", "1", "0"):
            raise Refused(MALFORMED, f"{name} is true or false.")
        return text in ("true", "1")

    def thing(self, name: str) -> tuple[str, int]:
        """The kind and number of an id that has to be there. Raises Refused."""
        return thing(self.required(name))

    def things(self, name: str) -> list[tuple[str, int]]:
        """Kinds and numbers of all ids of a parameter. Raises Refused."""
        return [thing(value) for value in self.texts(name)]

    def songs(self, name: str) -> list[int]:
        """Numbers of songs. Raises Refused."""
        return [of_kind("song", value) for value in self.texts(name)]

    def song(self, name: str) -> int:
        """The number of a song that has to be there. Raises Refused."""
        return of_kind("song", self.required(name))


def thing(text: str) -> tuple[str, int]:
    """Kind and number of an id: `12` is a song, `al-12` an album. Raises Refused."""
    match = _ID.fullmatch(text)
    kind = "song" if match is not None and match[1] is None else KINDS.get(match[1] if match is not None else "")
    if match is None or kind is None:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return kind, int(match[2])


def of_kind(kind: str, text: str) -> int:
    """The number of an id of this kind. Raises Refused."""
    found, number = thing(text)
    if found != kind:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return number


def id_of(kind: str, number: int | None) -> str | None:
    """An id as clients see it."""
    if number is None:
        return None
    return str(number) if kind == "song" else f"{PREFIXES[kind]}-{number}"


@dataclass(slots=True)
class Asked(Parameters):
    """A request and who makes it."""

    call: Call = field(kw_only=True)
    viewer: Viewer = field(kw_only=True)
    account_id: str = field(kw_only=True)
    username: str = field(kw_only=True)
    client: str = field(kw_only=True, default="")

    def url(self, path: str) -> str:
        """A path of this platform as an address."""
        return self.call.platform.url(path)

    def require_admin(self) -> None:
        """Raises Refused for everybody else."""
        if not self.viewer.is_admin:
            raise Refused(NOT_ALLOWED, "User is not authorized for the given operation.")


How = Literal["read", "write", "work"]
Reading = Callable[[ReadSession, Asked], Any]
Writing = Callable[[WriteSession, Asked], Any]
Working = Callable[[Asked], Awaitable[Any]]
METHODS: dict[str, tuple[How, Callable[..., Any]]] = {}
"""Name → how it runs, and what."""


def reading(*names: str) -> Callable[[Reading], Reading]:
    """A method that reads, in a unit of work."""
    return _adding("read", names)


def writing(*names: str) -> Callable[[Writing], Writing]:
    """A method that writes, in a unit of work."""
    return _adding("write", names)


def working(*names: str) -> Callable[[Working], Working]:
    """A method that opens its own units of work."""
    return _adding("work", names)


def _adding(how: How, names: tuple[str, ...]) -> Callable[[Any], Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            METHODS[name] = (how, function)
        return function

    return add
