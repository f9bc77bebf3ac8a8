"""Firebase's REST protocol over Hacker News' data: reading, queries over keys and values, and streaming.

https://firebase.google.com/docs/reference/rest/database and https://github.com/HackerNews/API are the sources. Values
are computed from the rules of `values`; nothing can be written here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException
from litestar.response import ServerSentEvent, ServerSentEventMessage

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Access, Calling, FromPath, problems, route
from dodeca.products.news import live
from dodeca.products.news.compat.firebase_queries import applied
from dodeca.products.news.compat.values import LISTS, item, maxitem, updates, user

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

KEEP_ALIVE_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 0.2
"""Changes that come within this time are sent together."""
_HEADERS: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
_DENIED: Final = {"error": "Permission denied"}
_encoder = msgspec.json.Encoder(order="sorted")


class Refused(DodecaError):
    """An answer in Firebase's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def value_at(session: ReadSession, path: str) -> Any:
    """The value at a path below /v0. Raises Refused for what may not be read."""
    head, *rest = [part for part in path.split("/") if part]
    value: Any
    if head in LISTS:
        value = LISTS[head](session)
    elif head == "maxitem":
        value = maxitem(session)
    elif head == "updates":
        value = updates(session)
    elif head in ("item", "user") and rest:
        key = rest.pop(0)
        if head == "user":
            value = user(session, key)
        else:
            value = item(session, int(key)) if key.isascii() and key.isdigit() and len(key) < 17 else None
    else:
        raise Refused(401, _DENIED["error"])
    for part in rest:
        value = _child(value, part)
    return value


def _child(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 7:
        return value[int(name)] if int(name) < len(value) else None
    return None


@route(["GET", "HEAD"], "/v0/{path:path}", access=Access.PUBLIC, status=200)
async def read(call: Calling, path: FromPath[str]) -> Response[Any]:
    """A value, or a stream of it."""
    if not path.endswith(".json"):
        raise Refused(404, "Not found")
    inner = path.removesuffix(".json").strip("/")
    if not inner:
        raise Refused(401, _DENIED["error"])
    query = dict(call.request.query_params.items())
    platform = call.platform

    def unit(session: ReadSession) -> Any:
        return applied(value_at(session, inner), query)

    if "text/event-stream" in call.request.headers.get("accept", ""):
        first = await platform.db.aread(unit)
        return ServerSentEvent(_changes(platform, unit, first), headers={**_HEADERS, "X-Accel-Buffering": "no"})
    value = await platform.db.aread(unit)
    if query.get("print") == "silent":
        return Response(b"", status_code=204, headers=_HEADERS)
    content = _pretty(value).encode() if query.get("print") == "pretty" else _encoder.encode(value)
    return Response(content, media_type="application/json; charset=utf-8", headers=_HEADERS)


@route(["POST", "PUT", "PATCH", "DELETE"], "/v0/{path:path}", access=Access.PUBLIC, status=401)
async def write(path: FromPath[str]) -> Any:
    """Nothing is written here."""
    raise Refused(401, _DENIED["error"])


@route(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "/v0.json", access=Access.PUBLIC, status=401)
async def whole() -> Any:
    """The whole tree is not given out."""
    raise Refused(401, _DENIED["error"])


async def _changes(platform: Platform, unit: Any, first: Any) -> AsyncIterator[ServerSentEventMessage]:
    """The value, then what changes in it, as long as the reader stays."""
    with platform.realtime.listening([live.CHANGES]) as queue:
        yield _event("put", {"path": "/", "data": first})
        known = first
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await queue.get()
            except TimeoutError:
                yield ServerSentEventMessage(event="keep-alive", data="null")
                continue
            await asyncio.sleep(SETTLE_SECONDS)
            while not queue.empty():
                queue.get_nowait()
            present = await platform.db.aread(unit)
            if present != known:
                yield _difference(known, present)
                known = present


def _difference(before: Any, after: Any) -> ServerSentEventMessage:
    if isinstance(before, dict) and isinstance(after, dict):
        changed = {key: after.get(key) for key in sorted({*before, *after}) if before.get(key) != after.get(key)}
        return _event("patch", {"path": "/", "data": changed})
    return _event("put", {"path": "/", "data": after})


def _event(name: str, data: Mapping[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=name, data=_encoder.encode(data).decode())


def _pretty(value: Any, indent: int = 0) -> str:
    """Firebase's own way: two spaces a level, ` : ` behind keys, arrays in one line."""
    if isinstance(value, dict) and value:
        inner = ",\n".join(
            f"{'  ' * (indent + 1)}{_encoder.encode(key).decode()} : {_pretty(value[key], indent + 1)}"
            for key in sorted(value)
        )
        return f"{{\n{inner}\n{'  ' * indent}}}"
    if isinstance(value, list) and value:
        return "[ " + ", ".join(_pretty(part, indent + 1) for part in value) + " ]"
    return _encoder.encode(value).decode()


def firebase_error(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """The answer that an exception amounts to."""
    if isinstance(exception, Refused):
        status, message, headers = exception.status, exception.message, dict[str, str]()
    else:
        status, error = problems.as_dodeca_error(exception)
        message, headers = error.message, dict(problems.error_headers(status, error))
    content = _encoder.encode({"error": message})
    return Response(
        content, status_code=status, media_type="application/json; charset=utf-8", headers={**headers, **_HEADERS}
    )


router = Router(
    "/",
    route_handlers=[read, write, whole],
    exception_handlers={Exception: firebase_error, HTTPException: firebase_error, DodecaError: firebase_error},
)
