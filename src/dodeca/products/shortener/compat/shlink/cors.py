"""Cross-origin requests: allowed from everywhere, without credentials of the browser."""

from __future__ import annotations

import re
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from dodeca.products.shortener.compat.calls import METHODS

_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_DEFAULT_HEADERS = b"X-Api-Key, Content-Type"
_ORIGIN = (b"access-control-allow-origin", b"*")
_DAY = b"86400"


def open_to_all(app: ASGIApp) -> ASGIApp:
    """Answer preflights, and let scripts of all origins read the answers."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
            asked = next((v for k, v in scope["headers"] if k == b"access-control-request-headers"), b"")
            allowed = asked if _HEADER_NAMES.fullmatch(asked) else _DEFAULT_HEADERS
            headers = [
                _ORIGIN,
                (b"access-control-allow-methods", ", ".join((*METHODS, "OPTIONS")).encode()),
                (b"access-control-allow-headers", allowed),
                (b"access-control-max-age", _DAY),
                (b"vary", b"Access-Control-Request-Headers"),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _ORIGIN]}
            await send(message)

        await app(scope, receive, sending)

    return middleware
