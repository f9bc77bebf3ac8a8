"""The handbook at `/docs`, as `make setup` built it."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from litestar import Response

from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Access, FromPath, Redirect, get

FOLDER = Path(__file__).parent / "handbook"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The documentation tool writes inline scripts; nothing of a visitor's ever stands on these pages."""


@get(["/docs", "/docs/"], access=Access.PUBLIC)
def handbook_home() -> Redirect:
    """The way to the first page. Its links are relative: under this address itself they would lead elsewhere."""
    return Redirect("/docs/index.html", status=308)


@get("/docs/{path:path}", access=Access.PUBLIC)
def handbook(path: FromPath[Path]) -> Response[bytes]:
    """A page or file of the handbook."""
    return _answer(str(path).lstrip("/"))


def _answer(name: str) -> Response[bytes]:
    file = (FOLDER / name).resolve()
    if not file.is_relative_to(FOLDER.resolve()) or not file.is_file():
        raise NotFound("The handbook has no such page.")
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {"Content-Security-Policy": POLICY, "Content-Type": kind, "Cache-Control": "no-cache"}
    return Response(file.read_bytes(), headers=headers | {"X-Content-Type-Options": "nosniff"})


routes = [handbook_home, handbook]
