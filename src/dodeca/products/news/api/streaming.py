"""Live updates as server-sent events, and the same over a WebSocket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.response import ServerSentEvent

from dodeca.kernel.errors import DodecaError, Invalid, Unauthenticated
from dodeca.kernel.http import Access, Call, Calling, FromQuery, Principal, get
from dodeca.kernel.http.security import is_same_origin
from dodeca.kernel.realtime import Message
from dodeca.kernel.tasks import end
from dodeca.products.news import live

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

MOST_TOPICS = 20
POLICY_VIOLATION = 1008
GOING_AWAY = 1001
"""RFC 6455, section 7.4.1."""
KEEP_ALIVE_SECONDS = 20.0


class Frame(msgspec.Struct, omit_defaults=True):
    """What a WebSocket is sent: the name and the data of an event, and the id with which a later one resumes."""

    event: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    id: str = ""


def channels_of(topics: str, principal: Principal | None) -> list[str]:
    """The channels of `top,new,item:1,inbox`. Raises Invalid, Unauthenticated."""
    wanted = [topic.strip() for topic in topics.split(",") if topic.strip()]
    if not wanted or len(wanted) > MOST_TOPICS:
        raise Invalid(f"Name 1 to {MOST_TOPICS} topics.", field="topics")
    channels = []
    for topic in wanted:
        kind, _, number = topic.partition(":")
        if topic == "inbox":
            if principal is None:
                raise Unauthenticated()
            channels.append(f"inbox:{principal.account_id}")
        elif topic in ("top", "new") or (kind == "item" and number.isascii() and number.isdigit()):
            channels.append(live.topic(topic))
        else:
            raise Invalid("Topics are top, new, item:ID and inbox.", field="topics")
    return channels


@get("/stream", access=Access.PUBLIC)
async def stream(call: Calling, topics: FromQuery[str] = "top,new") -> ServerSentEvent:
    """Server-sent events of `topics`: top, new, item:ID, inbox; Last-Event-ID resumes within five minutes."""
    channels = channels_of(topics, call.principal)
    return call.platform.realtime.stream(channels, last_id=call.request.headers.get("last-event-id"))


@websocket("/ws", access=Access.PUBLIC)
async def socket(
    socket: WebSocket[Any, Any, Any], topics: FromQuery[str] = "top,new", last_id: FromQuery[str] = ""
) -> None:
    """The same events as JSON frames `{"event", "data", "id"}`; `last_id` resumes. What a client sends is not read."""
    platform: Platform = socket.app.state.platform
    await socket.accept()
    try:
        principal = await _caller(platform, socket)
        channels = channels_of(topics, principal)
    except DodecaError as error:
        refusal = msgspec.json.encode({"message": error.message})
        await socket.send_text(msgspec.json.encode(Frame("error", msgspec.Raw(refusal))).decode())
        await socket.close(POLICY_VIOLATION, error.message[:100])
        return
    sending = asyncio.create_task(_send(platform, socket, channels, last_id))
    receiving = asyncio.create_task(_receive(socket))
    try:
        await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
        if sending.cancelled():  # the server is about to stop
            await socket.close(GOING_AWAY)
    finally:
        await end(sending, receiving)


async def _caller(platform: Platform, socket: WebSocket[Any, Any, Any]) -> Principal | None:
    """Who opens the socket. A browser sends its cookie along from other sites' pages too: there it names nobody."""
    principal = await platform.authenticator.identify(socket)
    if principal is not None and principal.via == "session" and not is_same_origin(socket, platform.own_hosts):
        principal = None
    platform.limit(Call(cast(Any, socket), platform, principal, "news"), None)
    return principal


async def _receive(socket: WebSocket[Any, Any, Any]) -> None:
    """Wait until the client goes."""
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data("text")


async def _send(platform: Platform, socket: WebSocket[Any, Any, Any], channels: list[str], last_id: str) -> None:
    realtime = platform.realtime
    with realtime.listening(channels) as queue:
        missed = realtime.since(channels, last_id) if last_id else []
        await socket.send_text(msgspec.json.encode(Frame("open")).decode())
        sent = {message.id for message in missed}
        for message in missed:
            await _send_one(socket, message)
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    message = await queue.get()
            except TimeoutError:
                await socket.send_text(msgspec.json.encode(Frame("keep-alive")).decode())
                continue
            if message.id not in sent:
                await _send_one(socket, message)


async def _send_one(socket: WebSocket[Any, Any, Any], message: Message) -> None:
    frame = Frame(message.kind, msgspec.Raw(message.data.encode()), message.id)
    await socket.send_text(msgspec.json.encode(frame).decode())


routes = [stream, socket]
