"""Lanes without a server: what they answer, and what they leave to the routes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

from dodeca.kernel.http.bridge import Lane


class Sent:
    """The server's side of a request, which keeps what is sent."""

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def __call__(self) -> bytes:
        """The request's body as it came: of a broken client's only a part."""
        return self._body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""
        self.status, self.headers, self.body = status, dict(headers), body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        self.response_bytes(status, headers, b"")


def posted(
    lane: Lane, path: str, body: bytes, *, host: str, token: str, headers: Mapping[str, str] | None = None
) -> Sent | None:
    """What a lane answers to a program's JSON; None where it leaves it to the routes."""
    return asyncio.run(aposted(lane, path, body, host=host, token=token, headers=headers))


async def aposted(
    lane: Lane, path: str, body: bytes, *, host: str, token: str, headers: Mapping[str, str] | None = None
) -> Sent | None:
    """The same for several at once."""
    given = {
        "host": host,
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    given |= headers or {}
    scope = SimpleNamespace(method="POST", path=path, query_string="", headers=given, client="127.0.0.1:50000")
    sent = Sent(body)
    answer = lane.handle(scope, sent)
    return sent if (answer if isinstance(answer, bool) else await answer) else None
