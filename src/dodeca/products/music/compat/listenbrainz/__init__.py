"""ListenBrainz' API at `/music/1/…` and, as clients drop the path of a base address, at the host's `/1/…`.

https://listenbrainz.readthedocs.io/en/latest/users/api/. `Authorization: Token` is an app password, or a platform key
of the scope music. Errors are `{code, error}`. A `recording_msid` is computed from a recording's artist and title."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import open_to_all, problems
from dodeca.products.music.compat.listenbrainz.asking import own_sign_in
from dodeca.products.music.compat.listenbrainz.feedback import get_feedback, give_feedback
from dodeca.products.music.compat.listenbrainz.reading import (
    user_listen_count,
    user_listens,
    user_playing_now,
    user_recommendations,
    user_stats,
    validate_token,
)
from dodeca.products.music.compat.listenbrainz.submitting import delete_listen, submit_listens

__all__ = ["router"]


def _failed(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """An error as ListenBrainz words it."""
    status, error = problems.as_dodeca_error(exception)
    headers = problems.error_headers(status, error)
    if status == 429:
        headers |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-In": headers.get("Retry-After", "1")}
    body = msgspec.json.encode({"code": status, "error": error.message})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


_errors: Any = {Exception: _failed, HTTPException: _failed, DodecaError: _failed}
router = Router(
    "/1",
    route_handlers=[
        submit_listens,
        delete_listen,
        validate_token,
        user_listens,
        user_playing_now,
        user_listen_count,
        user_stats,
        user_recommendations,
        give_feedback,
        get_feedback,
    ],
    exception_handlers=_errors,
    middleware=[
        open_to_all(("GET", "POST"), headers="Authorization, Content-Type", exposed="X-RateLimit-Remaining"),
        own_sign_in,
    ],
)
"""Below /music, and at the root."""
