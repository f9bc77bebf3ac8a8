"""Telling people what happened: one inbox for all products, by mail and Web Push where they want it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import msgspec
from sqlalchemy import Select, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.commons.notifications.models import Notification, NotificationChoice, PushSubscription
from dodeca.kernel import clock, ids
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http.access import Principal
from dodeca.kernel.jobs import JobContext, Nothing, job
from dodeca.kernel.outbox import Event, add

KEPT_DAYS = 180
SUBSCRIPTIONS_AN_ACCOUNT = 20
LONGEST_TITLE = 200
LONGEST_BODY = 2000


_notifications = cast(Table, Notification.__table__)
_GIVEN = ("id", "account_id", "product", "kind", "key", "title", "body", "href", "created_at")
_add = {
    dialect: Prepared(insert(_notifications).on_conflict_do_nothing(), columns=_GIVEN)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


class Notice(msgspec.Struct, kw_only=True, frozen=True):
    """What to tell. `key` makes it once: a second notice with the same product and key is absorbed.

    `href` is a path of this platform. `mail=False` keeps it out of the mailbox whatever the account chose."""

    product: str
    kind: str
    title: str
    body: str = ""
    href: str = "/inbox"
    key: str | None = None
    mail: bool = True


class Notified(Event):
    """An account was told something; mail and push follow."""

    account_id: str
    notification_id: str
    mail: bool


def notify(session: WriteSession, account_id: str, notice: Notice) -> None:
    """Put `notice` into the account's inbox, and on to mail and push as the account chose."""
    notification_id = ids.new_id()
    made = _add[session.dialect].run(
        session,
        id=notification_id,
        account_id=account_id,
        product=notice.product,
        kind=notice.kind,
        key=notice.key,
        title=notice.title[:LONGEST_TITLE],
        body=notice.body[:LONGEST_BODY],
        href=notice.href,
        created_at=clock.now(),
    )
    if made:
        add(session, Notified(account_id=account_id, notification_id=notification_id, mail=notice.mail))


def visible_to(actor: Principal) -> Select[Notification]:
    """The caller's own notifications; for an API key of some products, those of these."""
    mine = select(Notification).where(Notification.account_id == actor.account_id)
    return mine if actor.scopes is None else mine.where(Notification.product.in_(actor.scopes))


def unread(session: ReadSession, account_id: str) -> int:
    """How many are unread, counted up to 100: the bell shows 99+."""
    row = _unread.first(session, account_id=account_id)
    return int(row[0]) if row is not None else 0


_waiting = select(Notification.id).where(
    Notification.account_id == bindparam("account_id"), Notification.read_at.is_(None)
)
_unread = Prepared(select(func.count()).select_from(_waiting.limit(100).subquery()))


def mark_read(session: WriteSession, actor: Principal, notification_ids: Sequence[str] | None) -> int:
    """Mark the named ones (all when None) of the caller as read; gives how many were unread."""
    statement = update(Notification).where(Notification.account_id == actor.account_id, Notification.read_at.is_(None))
    if notification_ids is not None:
        statement = statement.where(Notification.id.in_(notification_ids))
    return int(getattr(session.execute(statement.values(read_at=clock.now())), "rowcount", 0))


def open_notification(session: WriteSession, actor: Principal, notification_id: str) -> Notification:
    """The notification, marked as read. Raises NotFound."""
    row = session.scalar(visible_to(actor).where(Notification.id == notification_id))
    if row is None:
        raise NotFound("There is no such notification.")
    row.read_at = row.read_at or clock.now()
    return row


def choice(session: ReadSession, account_id: str, product: str) -> tuple[bool, bool]:
    """Whether the account wants mail and push of `product`."""
    row = session.get(NotificationChoice, (account_id, product))
    return (row.mail, row.push) if row is not None else (True, True)


def choose(session: WriteSession, account_id: str, product: str, *, mail: bool, push: bool) -> None:
    """Remember what the account wants of `product`."""
    row = session.get(NotificationChoice, (account_id, product))
    if row is None:
        session.add(NotificationChoice(account_id=account_id, product=product, mail=mail, push=push))
    else:
        row.mail, row.push = mail, push


def subscribe(session: WriteSession, account_id: str, *, endpoint: str, p256dh: str, auth: str) -> PushSubscription:
    """Let a browser show notifications. The same endpoint moves to whoever signed in there last. Raises Invalid."""
    if not endpoint.startswith("https://") or len(endpoint) > 1000:
        raise Invalid("A push endpoint is an https address.", field="endpoint")
    if not (80 <= len(p256dh) <= 120 and 16 <= len(auth) <= 40):
        raise Invalid("These are not the keys of a push subscription.", field="keys")
    row = session.scalar(select(PushSubscription).where(PushSubscription.endpoint == endpoint))
    if row is None:
        held = select(func.count()).select_from(PushSubscription).where(PushSubscription.account_id == account_id)
        if (session.scalar(held) or 0) >= SUBSCRIPTIONS_AN_ACCOUNT:
            raise Invalid("Too many browsers are subscribed. Remove one first.", field="endpoint")
        row = PushSubscription(account_id=account_id, endpoint=endpoint, p256dh=p256dh, auth=auth)
        session.add(row)
    row.account_id, row.p256dh, row.auth = account_id, p256dh, auth
    session.flush()
    return row


def unsubscribe(session: WriteSession, account_id: str, endpoint: str) -> None:
    """Stop push to one browser of the account. Raises NotFound."""
    mine = delete(PushSubscription).where(
        PushSubscription.account_id == account_id, PushSubscription.endpoint == endpoint
    )
    if not getattr(session.execute(mine), "rowcount", 0):
        raise NotFound("This browser is not subscribed.")


@job("notifications.forget_old", every=86400)
def forget_old(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove what was read long ago."""
    session.execute(delete(Notification).where(Notification.created_at < clock.now() - timedelta(days=KEPT_DAYS)))
