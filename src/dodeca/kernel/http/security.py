"""Cross-site request forgery, security headers, and whom to believe about addresses."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection

from dodeca.kernel.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "X-Content-Type-Options": "nosniff",
}


class Proxies:
    """The networks whose forwarding headers are believed."""

    def __init__(self, networks: str) -> None:
        self._networks = [ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()]
        self._known: dict[str, bool] = {}

    def trusts(self, address: str) -> bool:
        """Whether `address` is a trusted proxy."""
        known = self._known.get(address)
        if known is None:
            try:
                parsed = ipaddress.ip_address(address)
            except ValueError:
                return False
            known = any(parsed in network for network in self._networks if network.version == parsed.version)
            if len(self._known) < 10_000:
                self._known[address] = known
        return known

    def client_address(self, scope: Any) -> str:
        """The address of the caller of an ASGI scope: the last hop that is not a trusted proxy."""
        client = scope.get("client")
        peer = client[0] if client else ""
        forwarded = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-forwarded-for"), None)
        return self.address_behind(peer, forwarded)

    def address_behind(self, peer: str, forwarded: str | None) -> str:
        """The same from the peer's address and the X-Forwarded-For header."""
        if not forwarded or not self.trusts(peer):
            return peer
        for hop in reversed([part.strip() for part in forwarded.split(",")]):
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                return peer
            if not self.trusts(hop):
                return hop
            peer = hop
        return peer


def is_same_origin(request: ASGIConnection[Any, Any, Any, Any], own_hosts: frozenset[str]) -> bool:
    """Whether the browser says that the request comes from our own page (Fetch Metadata, else Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False
    host = urlsplit(origin).netloc
    return bool(host) and (host == request.headers.get("host") or host in own_hosts)


async def check_csrf(request: Request[Any, Any, Any], own_hosts: frozenset[str], expected: str) -> None:
    """Refuse an unsafe request that a foreign page may have made with the visitor's cookies. Raises Forbidden.

    Browsers of today prove the origin by header; for all others the form carries the session's token.
    """
    if request.method in SAFE_METHODS or is_same_origin(request, own_hosts):
        return
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type[0] in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        given = (await request.form()).get(CSRF_FIELD)
    if not isinstance(given, str) or not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("This form has expired. Reload the page and send it again.")
