"""The raw lane of Razorpay's API: the same answers as its routes, without the framework, which takes as long as half a
payment does. Uploads, long bodies and whatever else is out of the ordinary are left to the routes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from dodeca.kernel.errors import Invalid
from dodeca.kernel.http.bridge import CutShort, SlowClient, whole_body
from dodeca.kernel.http.metrics import count_answer
from dodeca.products.payments.compat.razorpay.handler import METHODS, Asked, answer, headers_of, refused

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

LONGEST_BODY: Final = 65_536
_PATHS: Final = ("/payments/v1/", "/payments/v2/")
_CHECKOUT: Final = "/payments/v1/checkout"
_METHODS: Final = frozenset(METHODS)


class RazorpayLane:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._shares_paths = bool(platform.hostnames) or any(m.hosts is not None for m in platform.manifests)
        self._headers = {
            status: [("content-type", "application/json"), *headers_of(status).items()] for status in (200, 401, 429)
        }

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Answer a call, or leave it and give False."""
        path: str = scope.path
        if not path.startswith(_PATHS) or scope.method not in _METHODS:
            return False
        if "%" in path or path.startswith(_CHECKOUT) or self._is_elsewhere(scope):
            return False
        headers = scope.headers
        length = headers.get("content-length")
        if length is None:
            if headers.get("transfer-encoding") is not None:
                return False
            size = 0
        elif length.isdecimal() and int(length) <= min(LONGEST_BODY, self._platform.settings.max_body_bytes):
            size = int(length)
        else:
            return False
        return self._answer(scope, protocol, size)

    def _is_elsewhere(self, scope: Any) -> bool:
        """Whether the path may mean something else on the host that was asked."""
        if not self._shares_paths:
            return False
        return (scope.headers.get("host") or scope.authority or "") not in self._platform.own_hosts

    async def _answer(self, scope: Any, protocol: Any, size: int) -> bool:
        try:
            body = await whole_body(protocol, size, self._platform.settings.body_seconds) if size else b""
        except (CutShort, SlowClient) as error:
            status, content = refused(Invalid(error.detail))
        else:
            peer = scope.client
            address = peer[: peer.rfind(":")].strip("[]")
            asked = Asked(
                platform=self._platform,
                method=scope.method,
                path=scope.path[len("/payments/") :],
                query=scope.query_string,
                headers=scope.headers,
                body=body,
                address=self._platform.proxies.address_behind(address, scope.headers.get("x-forwarded-for")),
            )
            status, content = await answer(asked)
        protocol.response_bytes(status, self._headers.get(status) or self._headers[200], content)
        count_answer("payments", status)
        return True


def make_lane(platform: Platform) -> RazorpayLane:
    """The lane of one process."""
    return RazorpayLane(platform)
