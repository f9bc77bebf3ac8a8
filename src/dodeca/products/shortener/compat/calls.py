"""A foreign API's calls below one prefix.

Such an API answers every path and method below its prefix in its own shape, unknown ones too, and some have ids with
slashes in their paths. So one route takes the whole prefix, and a table here finds the call:

    calls = Calls("/v4")

    @calls.reading("GET", "groups/{group}")
    def one_group(session: ReadSession, asked: Asked) -> object: ...

`{name}` is one segment of a path, `{name*}` any number. The first call that fits decides, in the order of the file.
`reading` and `writing` run in a unit of work; `working` is for calls that open their own (creating a link does)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.types import Middleware

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Invalid, NotFound, Unauthenticated
from dodeca.kernel.http import Access, Call, Calling, Principal, converted, route
from dodeca.kernel.http.access import check_access
from dodeca.products.shortener.service import Shortener, of

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
How = Literal["read", "write", "work"]
Answering = Callable[[Request[Any, Any, Any], Exception], Response[Any]]
Reading = Callable[[ReadSession, "Asked"], object]
Writing = Callable[[WriteSession, "Asked"], object]
Working = Callable[["Asked"], Awaitable[object]]
METHODS: tuple[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], ...] = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
)


class UnknownCall(NotFound):
    """There is no call at this path."""


class Answer(msgspec.Struct):
    """An answer with a status of its own."""

    body: object
    status: int = 200


@dataclass
class Asked:
    """One request: who asks for what."""

    call: Call
    shortener: Shortener
    parts: Mapping[str, str]
    content: bytes

    @property
    def actor(self) -> Principal:
        """The caller. Raises Unauthenticated."""
        return caller(self.call)

    @property
    def address(self) -> str:
        """The caller's address."""
        return self.call.address

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.parts[name]

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        value = self.call.request.query_params.get(name)
        return value if isinstance(value, str) else default

    def texts(self, *names: str) -> list[str]:
        """All values of a parameter that may be repeated, under any of its names; empty ones left out."""
        pairs = self.call.request.query_params.multi_items()
        return [str(value) for name, value in pairs if name in names and str(value).strip()]

    def flag(self, name: str) -> bool:
        """A parameter that says yes."""
        return self.text(name).lower() in ("true", "1", "yes", "on")

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number in the query. Raises Invalid."""
        text = self.text(name).strip()
        if not text:
            return default
        if not re.fullmatch(r"-?\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise Invalid(f"{name} is a whole number from {lowest} to {highest}.", field=name)
        return int(text)

    def body(self, kind: type[T]) -> T:
        """The body as `kind`, whatever the content type says: clients forget it. Raises Invalid naming the field."""
        try:
            raw = msgspec.json.decode(self.content) if self.content.strip() else {}
        except (msgspec.DecodeError, RecursionError) as error:
            raise Invalid("The body is not JSON.") from error
        if not isinstance(raw, dict):
            raise Invalid("The body must be a JSON object.")
        return converted(raw, kind)


def caller(call: Call) -> Principal:
    """Who calls with a key or a token. A browser's cookie is no sign-in here. Raises Unauthenticated."""
    principal = call.member()
    if principal.via == "session":
        raise Unauthenticated()
    return principal


@dataclass(frozen=True)
class _Call:
    method: Method
    path: re.Pattern[str]
    access: Access
    how: How
    function: Callable[..., Any]


@dataclass
class Calls:
    """The table of an API's calls."""

    prefix: str
    versions: str = ""
    """What every path begins with, as a regular expression; what it matches is not looked at."""
    _calls: list[_Call] = field(default_factory=list)

    def reading(self, method: Method, path: str, *, access: Access = Access.MEMBER) -> Callable[[Reading], Reading]:
        """A call that reads, in a unit of work."""

        def add(function: Reading) -> Reading:
            self._add(method, path, access, "read", function)
            return function

        return add

    def writing(self, method: Method, path: str, *, access: Access = Access.MEMBER) -> Callable[[Writing], Writing]:
        """A call that writes, in a unit of work."""

        def add(function: Writing) -> Writing:
            self._add(method, path, access, "write", function)
            return function

        return add

    def working(self, method: Method, path: str, *, access: Access = Access.MEMBER) -> Callable[[Working], Working]:
        """A call that opens its own units of work."""

        def add(function: Working) -> Working:
            self._add(method, path, access, "work", function)
            return function

        return add

    def _add(self, method: Method, path: str, access: Access, how: How, function: Callable[..., Any]) -> None:
        self._calls.append(_Call(method, _pattern(path, self.versions), access, how, function))

    def router(self, errors: Answering, *, middleware: list[Middleware] | None = None) -> Router:
        """The router that answers everything below the prefix; `errors` words its errors."""

        @route(METHODS, ["/", "/{path:path}"], access=Access.PUBLIC, status=200)
        async def answer(call: Calling) -> Response[Any]:
            """Find the call in the table; its own access is checked there."""
            return await self._answer(call)

        handlers: Any = {Exception: errors, HTTPException: errors, DodecaError: errors}
        return Router(self.prefix, route_handlers=[answer], exception_handlers=handlers, middleware=middleware or [])

    async def _answer(self, call: Call) -> Response[Any]:
        found, parts = self._find(call.request.method, self._path(call))
        check_access(found.access, call.principal, call.product)
        if found.access != Access.PUBLIC:
            caller(call)
        asked = Asked(call, of(call.platform), parts, await call.request.body())
        if found.how == "work":
            result = await found.function(asked)
        elif found.how == "write":
            result = await call.platform.db.awrite(lambda session: found.function(session, asked))
        else:
            result = await call.platform.db.aread(lambda session: found.function(session, asked))
        return _response(result)

    def _path(self, call: Call) -> str:
        path: str = call.request.scope["path"]
        return path.partition(self.prefix)[2].strip("/")

    def _find(self, method: str, path: str) -> tuple[_Call, dict[str, str]]:
        wanted = "GET" if method == "HEAD" else method
        allowed = set()
        for entry in self._calls:
            match = entry.path.fullmatch(path)
            if match is None:
                continue
            if entry.method == wanted:
                return entry, match.groupdict()
            allowed.add(entry.method)
        if allowed:
            raise MethodNotAllowedException(headers={"Allow": ", ".join(sorted(allowed))})
        raise UnknownCall("There is no such call.")


def _pattern(path: str, versions: str) -> re.Pattern[str]:
    expression = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", path)
    return re.compile(versions + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression), re.DOTALL)


def _response(result: object) -> Response[Any]:
    answer = result if isinstance(result, Answer) else Answer(result, 204 if result is None else 200)
    if answer.body is None:
        return Response(b"", status_code=answer.status)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
    content = msgspec.json.encode(answer.body)
    return Response(content, status_code=answer.status, media_type="application/json", headers=headers)
