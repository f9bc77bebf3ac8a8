"""From what a handler returns to an answer, inside the unit of work: later nothing can be read any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http.context import Call
from dodeca.kernel.http.pages import Page, Redirect
from dodeca.kernel.http.security import PAGE_HEADERS

_encode = msgspec.json.Encoder().encode
JSON_HEADERS = [("content-type", "application/json"), ("x-content-type-options", "nosniff")]


class JsonAnswer(Response[bytes]):
    """Ready JSON. Litestar's own response costs as much as reading the row did: this one only sends what it holds."""

    def __init__(self, body: bytes, status: int, link: str = "") -> None:  # the base's work is what is avoided
        self.content = body
        self.status_code: int = status
        self.link = link
        self.cookies: list[Cookie] = []
        self.background = None

    def to_asgi_response(self, *_arguments: Any, **_options: Any) -> Any:
        """The sending side, as Litestar asks for it."""

        async def answer(scope: Any, _receive: Any, send: Any) -> None:
            await self.send(scope, send)

        return answer

    async def send(self, scope: Any, send: Any, at_once: Any = None) -> None:
        """Send the answer: in one piece by `at_once` (`bridge.ANSWER`) where that is given, else in ASGI's messages,
        which middleware sees."""
        body = b"" if scope["method"] == "HEAD" else self.content
        headers = [*JSON_HEADERS, ("content-length", str(len(self.content)))]
        if self.link:
            headers.append(("link", self.link.encode("latin-1", "replace").decode("latin-1")))
        for cookie in self.cookies:
            name, value = cookie.to_encoded_header()
            headers.append((name.decode("latin-1"), value.decode("latin-1")))
        if at_once is not None:
            at_once(self.status_code, headers, body)
            return
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status_code, "headers": encoded})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def as_response(result: object, call: Call, status: int, session: ReadSession | None) -> Response[Any]:
    """Pages are rendered, redirects made, responses passed on, everything else becomes JSON."""
    if isinstance(result, Response):
        return result
    if isinstance(result, Page):
        if session is None:
            raise TypeError("A page is rendered inside a unit of work.")
        return render(result, call, session)
    if isinstance(result, Redirect):
        return redirect(result, call)
    if result is None:
        return Response(b"", status_code=204 if status == 200 else status)
    following = getattr(result, "next_cursor", None)
    return JsonAnswer(_encode(result), status, _next_link(call, following) if following else "")


def _next_link(call: Call, cursor: str) -> str:
    """The `Link` header (RFC 8288) of the next page: this request with another cursor."""
    pairs = [(k, v) for k, v in call.request.query_params.multi_items() if k != "cursor"]
    return f'<{call.request.url.path}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'


def render(page: Page, call: Call, session: ReadSession) -> Response[Any]:
    """Render a page with the shell around it."""
    shell, cookies = call.platform.shell_for(session, call)
    if page.shell:
        shell = replace(shell, **page.shell)
    html = call.platform.renderer.render(page.template, {"shell": shell, "request": call.request, **page.context})
    headers = {**PAGE_HEADERS, "Cache-Control": "private, no-store", **page.headers}
    return Response(html.encode(), status_code=page.status, media_type="text/html", headers=headers, cookies=cookies)


def redirect(result: Redirect, call: Call) -> Response[Any]:
    """See Other, with the toast in a signed cookie that the next page shows once."""
    cookies: list[Cookie] = list(result.cookies)
    if result.toast:
        cookies.append(call.platform.toast_cookie(result.kind, result.toast))
    headers = {"Location": result.to, "Cache-Control": "no-store"}
    return Response(b"", status_code=result.status, headers=headers, cookies=cookies)
