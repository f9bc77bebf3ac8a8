"""Clients for programs that use a Dodeca installation."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 10.0


class DodecaApiError(Exception):
    """The installation refused a request. `status` is the HTTP status; `field` the input at fault, if one is."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field


class URLShortenerClient:
    """The shortener, for programs. Without `api_key` only shortening and following work.

    Use it as a context manager, or call `close`."""

    def __init__(self, base_url: str, api_key: str | None = None, *, transport: httpx.BaseTransport | None = None):
        """`base_url` is that of the installation, such as https://example.org."""
        headers = {"X-Api-Key": api_key} if api_key else {}
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"), headers=headers, timeout=TIMEOUT_SECONDS, transport=transport
        )

    def shorten_url(self, long_url: str, alias: str | None = None, domain: str | None = None) -> dict[str, Any]:
        """The short link of a target: `short_url`, `short_code`, `long_url`, `id`. Raises DodecaApiError."""
        body = {"long_url": long_url, "alias": alias, "domain": domain}
        given = {name: value for name, value in body.items() if value is not None}
        return self._json(self._http.post("/api/shortener/shorten", json=given))

    def get_link_analytics(self, short_url: str, **options: str) -> dict[str, Any]:
        """The numbers of an own link; `options` are from, to, unit and tz. Raises DodecaApiError."""
        return self._json(self._http.get("/api/shortener/analytics", params={"short_url": short_url, **options}))

    def redirect_url(self, short_url: str) -> str:
        """Where a short link leads now. Counts like a visit. Raises DodecaApiError."""
        code = short_url.rstrip("/").rpartition("/")[2]
        answer = self._http.get(f"/api/shortener/redirect/{code}", follow_redirects=False)
        if not answer.is_redirect:
            self._json(answer)
            raise DodecaApiError(answer.status_code, "This link shows a page instead of leading on.")
        return answer.headers["location"]

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.is_error:
            raise DodecaApiError(answer.status_code, body.get("message") or answer.reason_phrase, body.get("field"))
        return dict(body)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
