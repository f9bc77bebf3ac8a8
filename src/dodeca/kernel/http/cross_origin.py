"""Routes that scripts of any origin may call: APIs that browser apps of others speak.

Without credentials of the browser: who calls says so in the request itself, with a key or a token. See
https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_ORIGIN: Final = b"access-control-allow-origin"
_DAY: Final = b"86400"


def open_to_all(
    methods: Sequence[str], *, headers: str = "Content-Type", exposed: str = ""
) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware that answers preflights, and lets scripts of all origins read the answers.

    `headers` are those that a preflight that names none may send; `exposed` those of answers that scripts may read
    beside the ones that they always may."""
    allowed_methods = ", ".join((*methods, "OPTIONS")).encode()
    added = [(_ORIGIN, b"*")]
    if exposed:
        added.append((b"access-control-expose-headers", exposed.encode()))

    def middleware(app: ASGIApp) -> ASGIApp:
        async def called(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
                await _preflight(scope, send, allowed_methods, headers.encode())
                return

            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    # Twice the same header is none to a browser, and some answers bring their own.
                    sent = [pair for pair in message.get("headers", ()) if pair[0].lower() != _ORIGIN]
                    message = {**message, "headers": [*sent, *added]}
                await send(message)

            await app(scope, receive, sending)

        return called

    return middleware


async def _preflight(scope: Scope, send: Send, methods: bytes, default: bytes) -> None:
    asked = next((v for k, v in scope["headers"] if k == b"access-control-request-headers"), b"")
    headers = [
        (_ORIGIN, b"*"),
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", asked if _HEADER_NAMES.fullmatch(asked) else default),
        (b"access-control-max-age", _DAY),
        (b"vary", b"Access-Control-Request-Headers"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
