"""Errors as answers: application/problem+json (RFC 9457) for programs, a page for people.

Only this module knows status numbers.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from sqlalchemy.exc import DataError, StatementError

from dodeca.kernel import errors

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"

_STATUS: dict[type[errors.DodecaError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.PaymentRequired: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Unprocessable: 422,
    errors.TooMany: 429,
    errors.Upstream: 502,
    errors.Unavailable: 503,
}


def status_of(error: errors.DodecaError) -> int:
    """The status number of a meaning, the nearest base class deciding."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 400


def as_dodeca_error(exception: Exception) -> tuple[int, errors.DodecaError]:
    """The status and the error that any exception amounts to. Unknown ones are logged, and reveal nothing."""
    if isinstance(exception, errors.DodecaError):
        return status_of(exception), exception
    refused = _from_input(exception)
    if refused is not None:
        return 400, refused
    if isinstance(exception, HTTPException) and exception.status_code != HTTP_500_INTERNAL_SERVER_ERROR:
        return exception.status_code, _from_http(exception)
    log.error("http.unexpected_error", exc_info=exception)
    return 500, errors.DodecaError("Something went wrong on our side. It has been recorded.")


def _from_input(exception: Exception) -> errors.Invalid | None:
    """What is wrong with the input, where an exception of a library means that."""
    if isinstance(exception, ValidationException):
        return _from_validation(exception)
    if isinstance(exception, RecursionError) and "deserializing" in str(exception):
        return errors.Invalid("This is nested too deeply.")
    if isinstance(exception, msgspec.DecodeError):
        return errors.Invalid(_sentence(str(exception)))
    if _is_unstorable(exception):
        return errors.Invalid("A value is too large, or has characters that cannot be stored.")
    return None


def _is_unstorable(exception: BaseException | None) -> bool:
    """Whether a value of the request is one that the database's types cannot hold: an integer beyond 64 bits, text with
    a NUL (PostgreSQL) or with half a surrogate pair."""
    if isinstance(exception, DataError):
        return True
    if isinstance(exception, StatementError) and exception.orig is not None and exception.orig is not exception:
        return _is_unstorable(exception.orig)
    if isinstance(exception, UnicodeEncodeError):
        return "surrogates" in exception.reason
    if isinstance(exception, OverflowError):
        return "SQLite INTEGER" in str(exception)
    # Only where PostgreSQL is in use is its driver loaded: 7 MB that a server on SQLite has no use for.
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(exception, driver.DataError)


def _from_http(exception: HTTPException) -> errors.DodecaError:
    words = {
        404: "There is nothing here.",
        408: "The request's body did not come in time.",
        405: "This address does not take that method.",
        413: "The request is larger than this server takes.",
    }
    return errors.DodecaError(words.get(exception.status_code, _sentence(exception.detail)))


def _from_validation(exception: ValidationException) -> errors.Invalid:
    details = exception.extra if isinstance(exception.extra, list) else []
    named = [
        {"field": str(item.get("key", "")).split(".")[-1] or None, "message": _sentence(str(item.get("message", "")))}
        for item in details
        if isinstance(item, dict)
    ]
    if not named:
        return errors.Invalid(_sentence(exception.detail))
    first = named[0]
    text = f"{first['field']}: {first['message']}" if first["field"] else str(first["message"])
    return errors.Invalid(text, field=first["field"], details={"errors": named})


def _sentence(text: str) -> str:
    text = text.split("\n", maxsplit=1)[0].strip() or "The request cannot be understood"
    return text if text.endswith((".", "!", "?")) else text + "."


def problem(status: int, error: errors.DodecaError) -> dict[str, Any]:
    """The members of a problem document."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error": error.message,
        "message": error.message,
    }
    if error.field:
        body["field"] = error.field
    return body | error.details


def error_headers(status: int, error: errors.DodecaError) -> dict[str, str]:
    """Retry-After and WWW-Authenticate where they belong."""
    headers = {}
    if isinstance(error, (errors.TooMany, errors.Unavailable)):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def problem_response(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """The exception handler of all routes whose clients are programs."""
    status, error = as_dodeca_error(exception)
    headers = error_headers(status, error)
    if isinstance(exception, HTTPException) and exception.headers:
        headers |= dict(exception.headers)
    return Response(
        msgspec.json.encode(problem(status, error)), status_code=status, media_type=PROBLEM_JSON, headers=headers
    )
