"""Errors as Bitly's clients parse them: `message` is a constant, `description` is for people."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request, Response

from dodeca.kernel import errors
from dodeca.kernel.http import problems


class AlreadyShort(errors.Invalid):
    """The target is a short link of this installation."""


_MESSAGES: dict[type[errors.DodecaError], tuple[int, str]] = {
    AlreadyShort: (400, "ALREADY_A_BITLY_LINK"),
    errors.Unauthenticated: (403, "FORBIDDEN"),
    errors.Forbidden: (403, "FORBIDDEN"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.Conflict: (409, "ALREADY_EXISTS"),
    errors.Gone: (410, "GONE"),
    errors.TooLarge: (413, "REQUEST_TOO_LARGE"),
    errors.TooMany: (429, "RATE_LIMIT_EXCEEDED"),
    errors.Unavailable: (503, "TEMPORARILY_UNAVAILABLE"),
}
_FIELDS = {"url": "long_url", "alias": "custom_bitlink", "domain": "domain"}
_STATUSES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "REQUEST_TOO_LARGE", 500: "INTERNAL_ERROR"}


def bitly_error(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """The answer that an exception amounts to."""
    status, error = problems.as_dodeca_error(exception)
    field = _FIELDS.get(error.field or "", error.field or "")
    status, message = _worded(status, error, field)
    body: dict[str, Any] = {
        "message": message,
        "resource": _resource(request.scope["path"]),
        "description": error.message,
    }
    if isinstance(error, errors.Invalid):
        code = "invalid" if field else "malformed"
        body["errors"] = [{"field": field, "message": error.message, "error_code": code}]
    headers = problems.error_headers(status, error) | dict(getattr(exception, "headers", None) or {})
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)


def _worded(status: int, error: errors.DodecaError, field: str) -> tuple[int, str]:
    for kind in type(error).__mro__:
        if kind in _MESSAGES:
            return _MESSAGES[kind]
    if isinstance(error, errors.Invalid):
        name = re.sub(r"\W+", "_", field).strip("_").upper()
        return 400, f"INVALID_ARG_{name}" if name else "INVALID_REQUEST"
    return status, _STATUSES.get(status, "INVALID_REQUEST")


def _resource(path: str) -> str:
    """The first word of the path below the version: `bitlinks`, `groups` …"""
    return path.partition("/v4/")[2].partition("/")[0][:40]
