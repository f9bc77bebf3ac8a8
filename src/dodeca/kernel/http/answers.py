"""From what a handler returns to an answer, inside the unit of work: later nothing can be read any more."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http.context import Call
from dodeca.kernel.http.pages import Page, Redirect
from dodeca.kernel.http.security import PAGE_HEADERS

_encode = msgspec.json.Encoder().encode
_JSON_HEADERS = {"X-Content-Type-Options": "nosniff"}


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
    headers = dict(_JSON_HEADERS)
    following = getattr(result, "next_cursor", None)
    if following:
        url = call.request.url.with_replacements(
            query=(call.request.query_params.dict() and _with_cursor(call, following)) or f"cursor={following}"
        )
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Response(_encode(result), status_code=status, media_type="application/json", headers=headers)


def _with_cursor(call: Call, cursor: str) -> str:
    from urllib.parse import urlencode

    pairs = [(k, v) for k, v in call.request.query_params.multi_items() if k != "cursor"]
    return urlencode([*pairs, ("cursor", cursor)])


def render(page: Page, call: Call, session: ReadSession) -> Response[Any]:
    """Render a page with the shell around it."""
    shell, cookies = call.platform.shell_for(session, call)
    html = call.platform.renderer.render(page.template, {"shell": shell, "request": call.request, **page.context})
    headers = {**PAGE_HEADERS, "Cache-Control": "private, no-store", **page.headers}
    return Response(
        html.encode(), status_code=page.status, media_type="text/html; charset=utf-8", headers=headers, cookies=cookies
    )


def redirect(result: Redirect, call: Call) -> Response[Any]:
    """See Other, with the toast in a signed cookie that the next page shows once."""
    cookies: list[Cookie] = list(result.cookies)
    if result.toast:
        cookies.append(call.platform.toast_cookie(result.kind, result.toast))
    headers = {"Location": result.to, "Cache-Control": "no-store"}
    return Response(b"", status_code=result.status, headers=headers, cookies=cookies)
