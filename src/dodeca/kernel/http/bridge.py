"""RSGI in front, ASGI behind: granian speaks RSGI natively, so lanes answer hot paths without the framework.

Lanes are asked first: those that wait for nothing in the server's own thread (see `granian_workers`), then the others
in the event loop. What they leave goes to the Litestar application.
RSGI: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote_to_bytes

import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # its public name, not in __all__
from litestar.exceptions import HTTPException

log = structlog.get_logger(__name__)
ANSWER = "dodeca.answer"
"""An extension of the ASGI scope: a function that takes status, headers (texts) and body of a whole answer at once."""
BODY_SECONDS = 30.0
"""How long the next piece of a request's body may take: slow clients do not hold a place for ever."""
SMALL_BODY = 16 * 1024
"""Bytes up to which a body is read in one piece."""


class SlowClient(HTTPException):
    """The body did not come in time."""

    status_code = 408
    detail = "The request's body did not come in time."


class CutShort(HTTPException):
    """The client went away, or sent less than it had announced: what came must not be taken for the whole."""

    status_code = 400
    detail = "The request's body is shorter than announced."


AsgiApp = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Lane(Protocol):
    """A raw handler for hot paths."""

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool | None] | bool:
        """Answer at once and give True, or give False to pass the request on; or give an awaitable of either."""
        ...


@runtime_checkable
class EarlyLane(Protocol):
    """A lane that needs no event loop for most of what it answers."""

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer and give True, or leave it to `Lane.handle`. The server's thread calls it, beside the loop's: it may
        neither wait nor touch the loop, and what it shares with the loop's thread must bear two."""
        ...


class RsgiApplication:
    """What granian calls: `at_once` in its thread, `later` in the loop; or, elsewhere, `__rsgi__` for both."""

    def __init__(
        self,
        asgi: AsgiApp,
        lanes: Sequence[Lane],
        started: Callable[[], Awaitable[None]] | None = None,
        *,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._asgi = asgi
        self._lanes = tuple(lanes)
        self._early = tuple(lane.answer_at_once for lane in lanes if isinstance(lane, EarlyLane))
        self._started = started
        self._body_seconds = body_seconds

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._started is not None:
            loop.run_until_complete(self._started())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if not self.at_once(scope, protocol):
            await self.later(scope, protocol)

    def at_once(self, scope: Any, protocol: Any) -> bool:
        """Let a lane answer that needs no event loop; False where none does."""
        if scope.proto == "http":
            try:
                for answer in self._early:
                    if answer(scope, protocol):
                        return True
            except Exception:  # said by the route, which meets the same error or does without the lane
                log.exception("http.lane_failed", path=scope.path)
        return False

    async def later(self, scope: Any, protocol: Any) -> None:
        """Answer what `at_once` has left."""
        if scope.proto == "http":
            for lane in self._lanes:
                answer = lane.handle(scope, protocol)
                if answer is True:
                    return
                if answer is not False and await answer is not False:
                    return
            await _Exchange(scope, protocol, self._body_seconds).run(self._asgi)
        else:
            await _Socket(scope, protocol).run(self._asgi)


async def whole_body(protocol: Any, length: int, seconds: float) -> bytes:
    """A small body of `length` bytes: at once it costs half of what it does in pieces. Raises CutShort, SlowClient."""
    try:
        async with asyncio.timeout(seconds):
            body: bytes = await protocol()
    except TimeoutError as error:
        raise SlowClient from error
    except RuntimeError as error:  # granian's word for a client that went away
        raise CutShort from error
    if len(body) < length:
        raise CutShort
    return body


def _asgi_scope(scope: Any, kind: str) -> dict[str, Any]:
    host, _, port = scope.client.rpartition(":")
    server_host, _, server_port = scope.server.rpartition(":")
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in scope.headers.items()]
    if scope.authority and not any(name == b"host" for name, _ in headers):
        headers.append((b"host", scope.authority.encode("latin-1")))
    path = scope.path
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "server": (server_host, int(server_port or 0)),
        "client": (host.strip("[]"), int(port or 0)),
        "scheme": scope.scheme,
        "path": unquote_to_bytes(path).decode("utf-8", "replace") if "%" in path else path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": scope.query_string.encode("latin-1", "replace"),
        "root_path": "",
        "headers": headers,
        "state": {},
    }


class _Exchange:
    """One HTTP request and its answer."""

    __slots__ = (
        "_body",
        "_body_read",
        "_ended",
        "_headers",
        "_is_bounded",
        "_missing",
        "_protocol",
        "_scope",
        "_seconds",
        "_status",
        "_transport",
    )

    def __init__(self, scope: Any, protocol: Any, seconds: float) -> None:
        self._scope = scope
        self._protocol = protocol
        self._seconds = seconds
        self._body: Any = None
        self._body_read = False
        self._is_bounded = False
        self._missing = 0
        self._ended = False
        self._status = 500
        self._headers: list[tuple[str, str]] = []
        self._transport: Any = None

    async def run(self, asgi: AsgiApp) -> None:
        scope = _asgi_scope(self._scope, "http")
        scope["method"] = self._scope.method
        scope["extensions"] = {ANSWER: self.answer}
        if self._scope.method in ("GET", "HEAD") and "content-length" not in self._scope.headers:
            self._body_read = "transfer-encoding" not in self._scope.headers
        try:
            await asgi(scope, self.receive, self.send)
        except Exception:  # granian would drop the connection without an answer, and say nothing
            log.exception("http.application_failed", path=self._scope.path)
            if self._transport is None and not self._ended:
                self._protocol.response_str(500, [("content-type", "text/plain")], "Internal Server Error")
        finally:
            self._end_stream()

    async def receive(self) -> dict[str, Any]:
        if self._body_read:
            if self._body is None:  # the first call of a request without body
                self._body = b""
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._protocol.client_disconnect()
            return {"type": "http.disconnect"}
        if self._body is None:
            length = self._scope.headers.get("content-length", "")
            self._is_bounded = length.isdecimal()
            self._missing = int(length) if self._is_bounded else 0
            if self._is_bounded and self._missing <= SMALL_BODY:
                self._body, self._body_read = b"", True
                body = await whole_body(self._protocol, self._missing, self._seconds)
                return {"type": "http.request", "body": body, "more_body": False}
            self._body = self._protocol.__aiter__()
        try:
            async with asyncio.timeout(self._seconds):
                chunk = await anext(self._body)
        except StopAsyncIteration:
            self._body_read = True
            if self._missing > 0:
                raise CutShort() from None
            return {"type": "http.request", "body": b"", "more_body": False}
        except TimeoutError:
            self._body_read = True
            raise SlowClient() from None
        self._missing -= len(chunk)
        self._body_read = self._is_bounded and self._missing <= 0
        return {"type": "http.request", "body": chunk, "more_body": not self._body_read}

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """The whole answer at once, see `ANSWER`."""
        self._ended = True
        if body:
            self._protocol.response_bytes(status, headers, body)
        else:
            self._protocol.response_empty(status, headers)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
            return
        if self._ended:
            return
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self._transport is None:
            if not more:
                self._ended = True
                if body:
                    self._protocol.response_bytes(self._status, self._headers, bytes(body))
                else:
                    self._protocol.response_empty(self._status, self._headers)
                return
            self._transport = self._protocol.response_stream(self._status, self._headers)
        try:
            if body:
                await self._transport.send_bytes(bytes(body))
        except ProtocolClosed:  # the client has left, as `receive` tells whoever asks
            more = False
        if not more:
            self._end_stream()

    def _end_stream(self) -> None:
        """Granian ends a streamed answer when its transport is gone; the exchange itself may live on for a while in
        a cycle with the application's request."""
        if self._transport is not None:
            self._transport = None
            self._ended = True


class _Socket:
    """One WebSocket."""

    def __init__(self, scope: Any, protocol: Any) -> None:
        self._scope = scope
        self._protocol = protocol
        self._transport: Any = None
        self._connected = False
        self._closed = False

    async def run(self, asgi: AsgiApp) -> None:
        scope = _asgi_scope(self._scope, "websocket")
        scope["scheme"] = "wss" if self._scope.scheme == "https" else "ws"
        wanted = self._scope.headers.get("sec-websocket-protocol", "")
        scope["subprotocols"] = [part.strip() for part in wanted.split(",") if part.strip()]
        try:
            await asgi(scope, self.receive, self.send)
        except Exception:  # the socket is closed below; granian would lose the reason
            log.exception("websocket.application_failed", path=self._scope.path)
        finally:
            if not self._closed:
                self._protocol.close(None if self._transport else 403)

    async def receive(self) -> dict[str, Any]:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        message = await self._transport.receive()
        if message.kind == 1:
            return {"type": "websocket.receive", "bytes": message.data, "text": None}
        if message.kind == 2:
            return {"type": "websocket.receive", "text": message.data, "bytes": None}
        self._closed = True
        return {"type": "websocket.disconnect", "code": 1005}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self._transport = await self._protocol.accept()
        elif message["type"] == "websocket.close":
            self._closed = True
            self._protocol.close(None if self._transport else 403)
        elif message.get("bytes") is not None:
            await self._transport.send_bytes(message["bytes"])
        else:
            await self._transport.send_str(message["text"])
