"""Who asks ListenBrainz' API, how often, and what of a request is read alike everywhere."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import msgspec
from litestar import Request, Response
from litestar.types import ASGIApp, Receive, Scope, Send

from dodeca.commons.accounts.public import Account, WrongCredentials, account_by_name
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound, TooMany, Unauthenticated
from dodeca.kernel.http import Call
from dodeca.kernel.limits import network
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.signing_in import Identity
from dodeca.products.music.formats import entries
from dodeca.products.music.service import members
from dodeca.products.music.service.folding import work_key
from dodeca.products.music.service.viewers import VISITOR, Viewer

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

REQUESTS: Final = 300
WINDOW_SECONDS: Final = 10
_MSIDS: Final = uuid.UUID("5a7c4f0e-8f1b-5d53-9a55-0d6f6c6f7264")
_STATE: Final = "music_listenbrainz_token"
Json = dict[str, Any]


def msid(artist: str, title: str) -> str:
    """The id that stands for a recording of this artist and title."""
    return str(uuid.uuid5(_MSIDS, work_key(artist, title)))


class _Window:
    """Requests of each caller in the present ten seconds, which clients are told and wait for."""

    def __init__(self) -> None:
        self._start = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def hit(self, key: str) -> dict[str, str]:
        """Count a request; gives what the caller is told. Raises TooMany."""
        now = clock.timestamp()
        start = int(now // WINDOW_SECONDS) * WINDOW_SECONDS
        if start != self._start:
            self._start = start
            self._counts.clear()
        count = self._counts[key] = self._counts.get(key, 0) + 1
        left = start + WINDOW_SECONDS - now
        if count > REQUESTS:
            raise TooMany("Too many requests. Wait a little.", retry_after=left)
        while len(self._counts) > 100_000:
            self._counts.popitem(last=False)
        return {
            "X-RateLimit-Limit": str(REQUESTS),
            "X-RateLimit-Remaining": str(REQUESTS - count),
            "X-RateLimit-Reset-In": str(max(1, round(left))),
        }


_windows: WeakKeyDictionary[Platform, _Window] = WeakKeyDictionary()


def own_sign_in(app: ASGIApp) -> ASGIApp:
    """Take the token out of the request's headers before the platform judges it by its own rules."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        kept = []
        for name, value in scope["headers"]:
            if name == b"authorization" and value[:6].lower() == b"token ":
                scope["state"][_STATE] = value[6:].decode("latin-1").strip()
            else:
                kept.append((name, value))
        scope["headers"] = kept
        await app(scope, receive, send)

    return middleware


def token(request: Request[Any, Any, Any]) -> str:
    """The token of a request, empty where there is none."""
    return str(request.scope["state"].get(_STATE, ""))


async def identity(call: Call) -> Identity:
    """The caller. Raises Unauthenticated."""
    given = token(call.request)
    if not given:
        raise Unauthenticated("You need to provide an Authorization header.")
    try:
        return await signing_in.with_key(call, given)
    except WrongCredentials as error:
        raise Unauthenticated("Invalid authorization token.") from error


async def viewer(call: Call) -> Viewer:
    """Who looks: the caller where there is a token, else a visitor."""
    return (await identity(call)).viewer if token(call.request) else VISITOR


def answered(call: Call, body: object, status: int = 200) -> Response[Any]:
    window = _windows.setdefault(call.platform, _Window())
    headers = window.hit(token(call.request) or network(call.address))
    headers |= {"Cache-Control": "private, no-store"}
    if body is None:
        return Response(b"", status_code=204, headers=headers)
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)


def owner(session: ReadSession, viewer: Viewer, name: str) -> Account:
    """Somebody whose listens the viewer may see. Raises NotFound, whichever is the reason."""
    account = account_by_name(session, name)
    if account is None or not account.is_active or not members.history_visible(session, viewer, account.id):
        raise NotFound(f"Cannot find user: {name[:100]}")
    return account


async def shown(call: Call, name: str, read: Callable[[ReadSession, Viewer, Account], object]) -> Response[Any]:
    looking = await viewer(call)

    def unit(session: ReadSession) -> object:
        return read(session, looking, owner(session, looking, name))

    return answered(call, await call.platform.db.aread(unit))


async def body(call: Call) -> Json:
    """The body, whatever type it says it is: clients forget that."""
    try:
        data = msgspec.json.decode(await call.request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("Cannot parse JSON document.") from error
    if not isinstance(data, dict):
        raise Invalid("JSON document must be an object.")
    return data


def is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.request.query_params.get(name, "")
    found = entries.number(text, -(1 << 45), 1 << 45) if text else default
    if found is None or (text and found < least):
        raise Invalid(f"{name} should be a whole number from {least} on.")
    return min(found, most)
