"""The one way out for HTTP that the server sends on somebody's behalf: webhooks, page titles, sign-in providers.

A person who can name a URL must not be able to look into the network that the server stands in. So the address is
checked after the name is resolved and the connection goes to the very address that was checked: a name that resolves
to something else a moment later (DNS rebinding) gains nothing. Redirects are not followed unless asked for, and each
hop is checked. Everything is bounded: the time of the whole exchange, the size of the answer as sent and as unpacked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urljoin

import httpcore
import httpx
import msgspec

from dodeca.kernel.errors import Invalid, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]

DEFAULT_SECONDS: Final = 10.0
DEFAULT_MAX_BYTES: Final = 1_000_000
MAX_URL_CHARACTERS: Final = 8_000

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?")
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_TRANSLATED: Final = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")


class OutboundFailed(Unavailable):
    """The other side could not be asked, or its answer cannot be used. `reason` is one of refused, unreachable,
    timeout, too_large, protocol."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class AddressRefused(Invalid):
    """The URL leads to an address that the server does not talk to."""

    reason = "refused"


class Response(msgspec.Struct, frozen=True):
    """What the other side answered. Names in `headers` are lower-case; `truncated`: `body` is only a beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self, type: Any = Any) -> Any:
        """The body as JSON of `type`. Raises OutboundFailed."""
        try:
            return msgspec.json.decode(self.body, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OutboundFailed("The other side answered something that is no JSON.", "protocol") from error


def is_public(address: Address) -> bool:
    """Whether an address lies on the public Internet, looking through IPv6 forms that carry an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return is_public(carried)
        if address in _LOCAL_TRANSLATED or address.is_site_local:
            return False
    return (
        address.is_global
        and address not in _SHARED
        and not (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_reserved
            or address.is_unspecified
        )
    )


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.teredo is not None:
        return address.teredo[1]
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    if address in _TRANSLATED or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class Outbound:
    """Sends requests. One for the process; `close` it at the end.

    `allow_private` lifts the check of addresses (for tests, and for installations whose services are in-house).
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        user_agent: str = "Dodeca",
        max_connections: int = 100,
        resolve: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._transport = CheckedTransport(
            allow_private=allow_private,
            max_connections=max_connections,
            resolve=resolve or _resolve,
            ssl_context=ssl_context,
        )
        self._client = self.client()

    def client(self, **options: Any) -> httpx.AsyncClient:
        """An httpx client over the same checked connections, for libraries that want one. It keeps no cookies, follows
        no redirects and reads no proxy from the environment."""
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        headers = {"user-agent": self._user_agent, **options.pop("headers", {})}
        return httpx.AsyncClient(
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            headers=headers,
            cookies=no_cookies,
            **options,
        )

    async def get(self, url: str, **options: Any) -> Response:
        """`request("GET", url, …)`."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """`request("POST", url, …)`."""
        return await self.request("POST", url, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = DEFAULT_SECONDS,
        max_bytes: int = DEFAULT_MAX_BYTES,
        truncate: bool = False,
        redirects: int = 0,
    ) -> Response:
        """Send a request and read the answer, whatever its status.

        The whole exchange, redirects included, takes at most `seconds`. An answer of more than `max_bytes` (unpacked)
        is cut there with `truncate`, otherwise refused. Up to `redirects` hops are followed, as GET and without
        `authorization` on another origin; 307 and 308 keep the method. Raises Invalid (field "url") for a URL that
        cannot be used, AddressRefused, OutboundFailed.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(
                    method.upper(), _checked(url), dict(headers or {}), body, max_bytes, truncate, redirects
                )
        except TimeoutError as error:
            raise OutboundFailed(f"The other side did not answer within {seconds:g} seconds.", "timeout") from error

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        max_bytes: int,
        truncate: bool,
        redirects: int,
    ) -> Response:
        while True:
            response = await self._once(method, url, headers, body, max_bytes, truncate)
            target = response.headers.get("location")
            if redirects <= 0 or response.status not in (301, 302, 303, 307, 308) or target is None:
                return response
            redirects -= 1
            following = _checked(urljoin(url, target))
            if _origin(following) != _origin(url):
                headers = {k: v for k, v in headers.items() if k.lower() not in ("authorization", "cookie")}
            if response.status in (301, 302, 303) and method != "HEAD":
                method, body = "GET", None
                headers = {k: v for k, v in headers.items() if not k.lower().startswith("content-")}
            url = following

    async def _once(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, max_bytes: int, truncate: bool
    ) -> Response:
        try:
            # Unpacked answers are asked for, since a small packed one can unpack to gigabytes.
            sent = {"accept-encoding": "identity", **headers}
            async with self._client.stream(method, url, headers=sent, content=body, timeout=None) as answer:
                unpack = _unpacker(answer.headers.get("content-encoding", "identity"))
                data = bytearray()
                async for piece in answer.aiter_raw():
                    for part in unpack(piece, max_bytes + 1 - len(data)):
                        data += part
                    if len(data) > max_bytes:
                        break
        except httpx.InvalidURL as error:
            raise Invalid("This is not a usable web address.", field="url") from error
        except (UnicodeError, ValueError) as error:
            raise Invalid("This request cannot be sent as HTTP.", field="url") from error
        except httpx.HTTPError as error:
            raise _failure(error) from error
        if len(data) > max_bytes and not truncate:
            raise OutboundFailed(f"The answer has more than {max_bytes:,} bytes.", "too_large")
        return Response(
            answer.status_code,
            {name.lower(): value for name, value in answer.headers.items()},
            bytes(data[:max_bytes]),
            url,
            len(data) > max_bytes,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class _Refused(Exception):
    """An address that is not talked to."""


_FAILURES: Final = (
    _Refused,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


@lru_cache(maxsize=1)
def _trusting_the_system() -> ssl.SSLContext:
    """The system's certificates; reading them takes long, so once for the process."""
    return ssl.create_default_context()


class CheckedTransport(httpx.AsyncBaseTransport):
    """An httpx transport whose connections go only to addresses that were checked."""

    def __init__(
        self,
        *,
        allow_private: bool,
        max_connections: int,
        resolve: Resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or _trusting_the_system(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections // 4,
            keepalive_expiry=30.0,
            network_backend=_CheckedNetwork(allow_private, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        try:
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except _FAILURES as error:
            raise _as_httpx(error, request) from error
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Stream(answer.stream, request),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close the pool."""
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    """A response's body with httpx's errors."""

    def __init__(self, stream: Any, request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except _FAILURES as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to the address that was checked. TLS still verifies the name."""

    def __init__(self, allow_private: bool, resolve: Resolver) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Try the host's addresses in turn."""
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        allowed = [a for a in found if self._allow_private or is_public(ipaddress.ip_address(a.partition("%")[0]))]
        if not allowed:
            raise _Refused(f"{host} is not on the public Internet")
        last: Exception | None = None
        for address in allowed[:4]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout=5.0, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise httpcore.ConnectError(f"{host} does not answer") from last

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise _Refused("Local sockets are not on the public Internet")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _checked(url: str) -> str:
    """The URL in its normal form. Raises Invalid for what is no plain http(s) URL."""
    try:
        if len(url) > MAX_URL_CHARACTERS:
            raise Invalid(f"A web address has at most {MAX_URL_CHARACTERS:,} characters.", field="url")
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise Invalid("This is not a usable web address.", field="url") from error
    if parsed.scheme not in ("http", "https") or not _HOST.fullmatch(parsed.raw_host.decode("ascii", "replace")):
        raise Invalid("A web address starts with http:// or https:// and names a host.", field="url")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise Invalid("A port is a number from 1 to 65535.", field="url")
    if parsed.userinfo:
        raise Invalid("A web address must not hold a user name or password.", field="url")
    return str(parsed.copy_with(fragment=None))


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _unpacker(encoding: str) -> Callable[[bytes, int], Iterable[bytes]]:
    """Unpack at most so many bytes: some servers pack although they were asked not to."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda piece, room: (piece[:room],)
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise OutboundFailed(f"The answer is packed as {encoding}, which was not asked for.", "protocol")
    machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | (16 if "gzip" in encoding else 0))

    def unpack(piece: bytes, room: int) -> Iterable[bytes]:
        if machine.eof or room <= 0:
            return ()
        try:
            return (machine.decompress(machine.unconsumed_tail + piece, room),)
        except zlib.error as error:
            raise OutboundFailed("The answer is packed and damaged.", "protocol") from error

    return unpack


def _as_httpx(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """The same error in httpx's classes, for libraries that know those."""
    if isinstance(error, _Refused):
        return _RefusedByHttpx(str(error), request=request)
    for kind, twin in (
        (httpcore.ConnectTimeout, httpx.ConnectTimeout),
        (httpcore.TimeoutException, httpx.ReadTimeout),
        (httpcore.ConnectError, httpx.ConnectError),
        (httpcore.NetworkError, httpx.ReadError),
        (httpcore.ProtocolError, httpx.RemoteProtocolError),
        (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    ):
        if isinstance(error, kind):
            return twin(str(error), request=request)
    return httpx.TransportError(str(error), request=request)


class _RefusedByHttpx(httpx.ConnectError):
    """An address that is not talked to, as a connection that could not be made."""


def _failure(error: httpx.HTTPError) -> AddressRefused | OutboundFailed:
    if isinstance(error, _RefusedByHttpx):
        return AddressRefused("This address is not reachable from here: it is not on the public Internet.", field="url")
    if isinstance(error, httpx.TimeoutException):
        return OutboundFailed("The other side did not answer in time.", "timeout")
    if isinstance(error, httpx.ConnectError):
        certificate = "certificate" in str(error).lower()
        text = "Its certificate is not valid." if certificate else "It cannot be reached."
        return OutboundFailed(f"The other side was not asked. {text}", "unreachable")
    return OutboundFailed("The other side broke off or does not speak HTTP.", "protocol")
