"""A product's most frequent writes by programs, without the framework's layers, which take as long as the write does.

A `PostingLane` takes small JSON bodies that come with an Authorization header, as SDKs send them, and answers by the
same function as the route of that path. Whoever is not let in is left to the route before the body is read, and is told
there; once it is read, what is wrong with it is answered here, in the same words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from litestar import Request

from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import problems
from dodeca.kernel.http.access import Access, check_access, check_permissions
from dodeca.kernel.http.answers import JSON_HEADERS
from dodeca.kernel.http.bridge import whole_body
from dodeca.kernel.http.context import Call
from dodeca.kernel.http.metrics import count_answer
from dodeca.kernel.http.plan import converted

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

LONGEST_BODY: Final = 9_999
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Post:
    """What a path takes (a msgspec struct), and how it is answered: `status`, and what `answer` gives as JSON."""

    kind: type[Any]
    answer: Callable[[Call, Any], Awaitable[object]]
    status: int
    access: Access = Access.MEMBER


class PostingLane:
    """See the module's text. `posts` by path; for `dodeca.kernel.http.bridge.Lane.handle`."""

    def __init__(self, platform: Platform, product: str, posts: Mapping[str, Post]) -> None:
        self._platform = platform
        self._product = product
        self._posts = dict(posts)
        self._shares_paths = bool(platform.hostnames) or any(m.hosts is not None for m in platform.manifests)

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Answer and give True, or leave it."""
        post = self._posts.get(scope.path)
        if post is None or scope.method != "POST" or scope.query_string:
            return False
        get = scope.headers.get
        length, credentials = get("content-length"), get("authorization")
        plain = get("content-type") == "application/json" and get("x-api-key") is None and get("expect") is None
        if not plain or credentials is None or length is None or not length.isdecimal() or int(length) > LONGEST_BODY:
            return False
        if self._shares_paths and (get("host") or scope.authority) not in self._platform.own_hosts:
            return False  # the path may mean something else on a host of a product's own
        return self._answer(post, credentials, int(length), scope, protocol)

    async def _answer(self, post: Post, credentials: str, length: int, scope: Any, protocol: Any) -> bool:
        platform = self._platform
        try:
            principal = await platform.authenticator.by_authorization(credentials)
            check_access(post.access, principal, self._product)
            check_permissions(principal, writes=True)
            call = Call(_request(scope), platform, principal, self._product)
            platform.limit(call, None)
        except DodecaError:
            return False
        status, headers = post.status, JSON_HEADERS
        try:
            given = await whole_body(protocol, length, platform.settings.body_seconds) or b"{}"
            body = _encode(await post.answer(call, converted(msgspec.json.decode(given), post.kind)))
        except Exception as error:  # noqa: BLE001 - what the application does at its end: answered, unknown ones logged
            status, refusal = problems.as_dodeca_error(error)
            body = _encode(problems.problem(status, refusal))
            told = {"content-type": problems.PROBLEM_JSON, **problems.error_headers(status, refusal)}
            headers = [(name.lower(), value) for name, value in told.items()]
        count_answer(self._product, status)
        protocol.response_bytes(status, headers, body)
        return True


def _request(scope: Any) -> Request[Any, Any, Any]:
    """What a call tells of its caller: the address, and the proxies in between."""
    host, _, port = scope.client.rpartition(":")
    forwarded = scope.headers.get("x-forwarded-for")
    headers = [(b"x-forwarded-for", forwarded.encode("latin-1", "replace"))] if forwarded is not None else []
    asgi = {"type": "http", "client": (host.strip("[]"), int(port or 0)), "headers": headers}
    return Request(cast(Any, asgi))
