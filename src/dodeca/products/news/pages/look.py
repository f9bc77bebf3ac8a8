"""A member's own colour of the line at the top, as a style sheet: pages allow no styles in their HTML."""

from __future__ import annotations

import re

from litestar import Response

from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Access, FromPath, get

_COLOUR = re.compile(r"([0-9a-f]{6})\.css")


@get("/colour/{name:str}", access=Access.PUBLIC)
def colour(name: FromPath[str]) -> Response[bytes]:
    """The style sheet of `ff6600.css`."""
    match = _COLOUR.fullmatch(name)
    if match is None:
        raise NotFound()
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    content = f":root {{ --topcolor: #{match[1]}; }}\n".encode()
    return Response(content, media_type="text/css", headers=headers)


routes = [colour]
