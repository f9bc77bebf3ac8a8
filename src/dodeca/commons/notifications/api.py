"""`/api/notifications`: the inbox for programs and for the bell."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar.response import ServerSentEvent

from dodeca.commons.notifications import delivery, service
from dodeca.commons.notifications.models import Notification
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    page_of,
    post,
    put,
)


class NotificationView(msgspec.Struct):
    """One notification."""

    id: str
    product: str
    kind: str
    title: str
    body: str
    href: str
    created_at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, row: Notification) -> NotificationView:
        """The public form of a row."""
        return cls(row.id, row.product, row.kind, row.title, row.body, row.href, row.created_at, row.read_at)


class NotificationList(msgspec.Struct):
    """Newest first; `unread` counts all, up to 100."""

    notifications: list[NotificationView]
    unread: int
    next_cursor: str | None


class ReadRequest(ClosedRequest):
    """Which to mark as read; without `ids`, all."""

    ids: list[str] | None = None


class Marked(msgspec.Struct):
    """How many became read."""

    marked: int


class PushKeys(ClosedRequest):
    """The browser's keys, in URL-safe base64."""

    p256dh: str
    auth: str


class SubscribeRequest(msgspec.Struct):
    """What `PushSubscription.toJSON()` gives in a browser."""

    endpoint: str
    keys: PushKeys


class UnsubscribeRequest(ClosedRequest):
    """The endpoint to forget."""

    endpoint: str


class PushKey(msgspec.Struct):
    """The key that browsers subscribe with."""

    public_key: str


class ChoiceView(ClosedRequest):
    """What one product may send beside the inbox."""

    mail: bool
    push: bool


@get("/", access=Access.MEMBER)
def list_notifications(
    session: DbRead,
    call: Calling,
    unread: FromQuery[bool] = False,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> NotificationList:
    """The caller's inbox."""
    me = call.member()
    statement = service.visible_to(me)
    if unread:
        statement = statement.where(Notification.read_at.is_(None))
    page = page_of(session, statement, order=[Notification.created_at, Notification.id], limit=limit, cursor=cursor)
    rows = [NotificationView.of(row) for row in page.items]
    return NotificationList(rows, service.unread(session, me.account_id), page.next_cursor)


@post("/read", access=Access.MEMBER, status=200)
def mark_read(session: DbWrite, call: Calling, data: JSONBody[ReadRequest]) -> Marked:
    """Mark some or all as read."""
    return Marked(service.mark_read(session, call.member(), data.ids))


@get("/stream", access=Access.MEMBER)
async def stream(call: Calling) -> ServerSentEvent:
    """Server-sent events: `notification` with `title`, `body`, `href`, `unread`."""
    me = call.member()
    last = call.request.headers.get("last-event-id")
    return call.platform.realtime.stream([delivery.channel(me.account_id)], last_id=last)


@get("/push-key", access=Access.PUBLIC)
async def push_key(call: Calling) -> PushKey:
    """The application server key for `pushManager.subscribe`."""
    return PushKey(delivery.vapid_public(call.platform.keyring))


@post("/subscriptions", access=Access.MEMBER)
def subscribe(session: DbWrite, call: Calling, data: JSONBody[SubscribeRequest]) -> None:
    """Let this browser show notifications."""
    keys = data.keys
    service.subscribe(session, call.member().account_id, endpoint=data.endpoint, p256dh=keys.p256dh, auth=keys.auth)


@delete("/subscriptions", access=Access.MEMBER)
def unsubscribe(session: DbWrite, call: Calling, data: JSONBody[UnsubscribeRequest]) -> None:
    """Stop showing notifications in this browser."""
    service.unsubscribe(session, call.member().account_id, data.endpoint)


@get("/choices/{product:str}", access=Access.MEMBER)
def read_choice(session: DbRead, call: Calling, product: FromPath[str]) -> ChoiceView:
    """What one product may send."""
    wants_mail, wants_push = service.choice(session, call.member().account_id, product)
    return ChoiceView(mail=wants_mail, push=wants_push)


@put("/choices/{product:str}", access=Access.MEMBER)
def choose(session: DbWrite, call: Calling, product: FromPath[str], data: JSONBody[ChoiceView]) -> ChoiceView:
    """Choose what one product may send. 404 for a product that is not installed."""
    call.platform.require_product(product)
    service.choose(session, call.member().account_id, product, mail=data.mail, push=data.push)
    return data


routes = [list_notifications, mark_read, stream, push_key, subscribe, unsubscribe, read_choice, choose]
