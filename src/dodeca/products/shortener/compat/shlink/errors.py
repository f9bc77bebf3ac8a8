"""Errors as Shlink's clients parse them: problem documents with Shlink's types."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request, Response

from dodeca.kernel import errors
from dodeca.kernel.http import problems
from dodeca.products.shortener.compat.calls import UnknownCall
from dodeca.products.shortener.service.aliases import AliasTaken
from dodeca.products.shortener.service.labels import NameTaken

TYPES = "https://shlink.io/api/error/"
KEY_HEADER = "X-Api-Key"


class ShortUrlNotFound(errors.NotFound):
    """The caller has no such short URL."""

    def __init__(self, short_code: str, domain: str | None) -> None:
        super().__init__(f'No URL found with short code "{short_code[:100]}"')
        self.details = {"shortCode": short_code[:100]}
        if domain:
            self.details["domain"] = domain[:255]


class TagNotFound(errors.NotFound):
    """The caller has no such tag."""

    def __init__(self, tag: str) -> None:
        super().__init__(f'Tag with name "{tag[:100]}" could not be found')
        self.details = {"tag": tag[:100]}


class DomainNotFound(errors.NotFound):
    """The caller has no such domain."""

    def __init__(self, domain: str) -> None:
        super().__init__(f'Domain "{domain[:255]}" could not be found')
        self.details = {"authority": domain[:255]}


class MercureNotConfigured(errors.DodecaError):
    """Live updates are not sent through Mercure here."""


_KINDS: dict[type[errors.DodecaError], tuple[int, str, str]] = {
    ShortUrlNotFound: (404, "short-url-not-found", "Short URL not found"),
    TagNotFound: (404, "tag-not-found", "Tag not found"),
    DomainNotFound: (404, "domain-not-found", "Domain not found"),
    MercureNotConfigured: (501, "mercure-not-configured", "Mercure integration not configured"),
    AliasTaken: (400, "non-unique-slug", "Invalid custom slug"),
    NameTaken: (409, "tag-conflict", "Tag conflict"),
    UnknownCall: (404, "not-found", "Not found"),
    errors.Invalid: (400, "invalid-data", "Invalid data"),
    errors.NotFound: (404, "not-found", "Not found"),
    errors.Forbidden: (403, "forbidden-operation", "Forbidden operation"),
    errors.TooMany: (429, "too-many-requests", "Too many requests"),
}
_NAMES = {
    "long_url": "longUrl",
    "url": "longUrl",
    "alias": "customSlug",
    "starts_at": "validSince",
    "expires_at": "validUntil",
    "max_visits": "maxVisits",
    "forward_query": "forwardQuery",
    "home_url": "baseUrlRedirect",
    "not_found_url": "invalidShortUrlRedirect",
    "match_key": "matchKey",
    "match_value": "matchValue",
    "rules": "redirectRules",
}


def named(field: str) -> str:
    """The path to a member as Shlink calls it: `rules[0].long_url` is `redirectRules[0].longUrl`."""
    return re.sub(r"[A-Za-z_]+", lambda match: _NAMES.get(match[0], match[0]), field)


def shlink_error(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """The answer that an exception amounts to."""
    status, error = problems.as_dodeca_error(exception)
    status, kind, title = _kind(request, status, error)
    details: dict[str, Any] = dict(error.details)
    if isinstance(error, AliasTaken):
        details = {"customSlug": getattr(request.state, "custom_slug", None) or "", **details}
    elif isinstance(error, errors.Invalid):
        details = {"invalidElements": [named(error.field)] if error.field else []}
    body = {"type": TYPES + kind, "title": title, "detail": error.message, "status": status, **details}
    if isinstance(error, errors.Unauthenticated) and kind == "missing-authentication":
        body["detail"] = f'Expected the authentication header "{KEY_HEADER}", but it was not provided'
        body["expectedHeaders"] = [KEY_HEADER]
    headers = problems.error_headers(status, error) | dict(getattr(exception, "headers", None) or {})
    content = msgspec.json.encode(body)
    return Response(content, status_code=status, media_type=problems.PROBLEM_JSON, headers=headers)


def _kind(request: Request[Any, Any, Any], status: int, error: errors.DodecaError) -> tuple[int, str, str]:
    if isinstance(error, errors.Unauthenticated):
        given = request.headers.get(KEY_HEADER) or request.headers.get("authorization")
        word = "invalid-api-key" if given else "missing-authentication"
        return 401, word, "Invalid API key" if given else "Invalid authorization"
    for kind in type(error).__mro__:
        if kind in _KINDS:
            return _KINDS[kind]
    words = {405: ("method-not-allowed", "Method not allowed"), 500: ("internal-server-error", "Unexpected error")}
    return status, *words.get(status, ("invalid-request", "Invalid request"))
