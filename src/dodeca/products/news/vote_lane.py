"""The raw lane of voting by a program: the most frequent write, by the same functions as the routes of `api.voting`.

It takes a small JSON body with an Authorization header, as SDKs send it. Whoever is not let in is left to the route
before the body is read, and is told there; once it is read, what is wrong with it is answered here in the same words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from litestar import Request

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Access, Call, problems
from dodeca.kernel.http.access import check_access, check_permissions
from dodeca.kernel.http.bridge import BODY_SECONDS, CutShort, SlowClient
from dodeca.kernel.http.metrics import count_answer
from dodeca.kernel.http.plan import converted
from dodeca.products.news.api.voting import NamedVote, NewVote, record, record_by_name
from dodeca.products.news.service.rules import PRODUCT

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

LONGEST_BODY: Final = 9_999
Recording = Callable[[WriteSession, Call, Any], object]
_VOTES: Final[dict[str, tuple[type[Any], Recording, int]]] = {
    "/api/news/votes": (NewVote, record, 201),
    "/api/news/vote": (NamedVote, record_by_name, 200),
}
_encode = msgspec.json.Encoder().encode


class VotingLane:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Record a vote and give True, or leave it."""
        vote = _VOTES.get(scope.path)
        if vote is None or scope.query_string or self._platform.hostnames:
            return False
        get = scope.headers.get
        length, credentials = get("content-length"), get("authorization")
        plain = get("content-type") == "application/json" and get("x-api-key") is None and get("expect") is None
        if not plain or credentials is None or length is None or not length.isdecimal() or int(length) > LONGEST_BODY:
            return False
        return self._answer(vote, credentials, int(length), scope, protocol)

    async def _answer(
        self, vote: tuple[type[Any], Recording, int], credentials: str, length: int, scope: Any, protocol: Any
    ) -> bool:
        platform = self._platform
        try:
            principal = await platform.authenticator.by_authorization(credentials)
            check_access(Access.MEMBER, principal, PRODUCT)
            check_permissions(principal, writes=True)
            call = Call(_request(scope), platform, principal, PRODUCT)
            platform.limit(call, None)
        except DodecaError:
            return False
        kind, recording, status = vote
        headers = [("content-type", "application/json"), ("x-content-type-options", "nosniff")]
        try:
            data = converted(msgspec.json.decode(await _body(protocol, length)), kind)
            body = _encode(await platform.db.awrite(lambda session: recording(session, call, data)))
        except Exception as error:  # noqa: BLE001 - what the application does at its end: answered, unknown ones logged
            status, refusal = problems.as_dodeca_error(error)
            body = _encode(problems.problem(status, refusal))
            told = {"content-type": problems.PROBLEM_JSON, **problems.error_headers(status, refusal)}
            headers = [(name.lower(), value) for name, value in told.items()]
        count_answer(PRODUCT, status)
        protocol.response_bytes(status, headers, body)
        return True


async def _body(protocol: Any, length: int) -> bytes:
    """The whole body. Raises CutShort, SlowClient."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body: bytes = await protocol()
    except TimeoutError as error:
        raise SlowClient from error
    if len(body) < length:
        raise CutShort
    return body or b"{}"


def _request(scope: Any) -> Request[Any, Any, Any]:
    """What a call tells of its caller: the address, and the proxies in between."""
    host, _, port = scope.client.rpartition(":")
    forwarded = scope.headers.get("x-forwarded-for")
    headers = [(b"x-forwarded-for", forwarded.encode("latin-1", "replace"))] if forwarded is not None else []
    asgi = {"type": "http", "client": (host.strip("[]"), int(port or 0)), "headers": headers}
    return Request(cast(Any, asgi))
