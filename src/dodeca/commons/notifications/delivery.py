"""Carrying a notification out of the inbox: to open pages, to the mailbox, to browsers."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select

from dodeca.commons.accounts.models import Account
from dodeca.commons.notifications import service
from dodeca.commons.notifications.models import Notification, PushSubscription
from dodeca.kernel import mail
from dodeca.kernel.crypto import Keyring
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, job

log = structlog.get_logger(__name__)
VAPID_SECONDS = 12 * 3600
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def channel(account_id: str) -> str:
    """The live channel of an account's inbox."""
    return f"inbox:{account_id}"


class PushTo(msgspec.Struct):
    """One push: which notification to which browser."""

    subscription_id: str
    notification_id: str


@job("notifications.deliver", payload=service.Notified)
def deliver(session: WriteSession, context: JobContext, event: service.Notified) -> None:
    """Tell open pages, queue mail and push."""
    row = session.get(Notification, event.notification_id)
    account = session.get(Account, event.account_id)
    if row is None or account is None or not account.is_active:
        return
    count = service.unread(session, row.account_id)
    data = {"id": row.id, "title": row.title, "body": row.body, "href": f"/inbox/{row.id}", "unread": count}
    realtime, to = context.platform.realtime, channel(row.account_id)
    session.after_commit(lambda: realtime.publish(to, "notification", data))
    wants_mail, wants_push = service.choice(session, row.account_id, row.product)
    if event.mail and wants_mail and account.verified_email:
        link, choices = (context.platform.url(path) for path in (f"/inbox/{row.id}", "/inbox/choices"))
        said = [row.title, row.body, link] if row.body else [row.title, link]
        text = "\n\n".join([*said, f"-- \nChoose what reaches you: {choices}\n"])
        mail.send(session, to=account.verified_email, subject=row.title, text=text, key=row.id)
    if wants_push:
        mine = select(PushSubscription.id).where(PushSubscription.account_id == row.account_id)
        for subscription_id in session.scalars(mine):
            push.enqueue(session, PushTo(subscription_id, row.id), key=f"{row.id}:{subscription_id}")


@job("notifications.push", payload=PushTo, attempts=6)
async def push(context: JobContext, payload: PushTo) -> None:
    """Send one encrypted push message (RFC 8291) with our VAPID signature (RFC 8292)."""
    platform = context.platform
    found: tuple[PushSubscription | None, Notification | None] = await platform.db.aread(
        lambda s: (s.get(PushSubscription, payload.subscription_id), s.get(Notification, payload.notification_id))
    )
    subscription, row = found
    if subscription is None or row is None:
        return
    message = msgspec.json.encode({"title": row.title, "body": row.body, "href": f"/inbox/{row.id}"})
    info = {"endpoint": subscription.endpoint, "keys": {"p256dh": subscription.p256dh, "auth": subscription.auth}}
    sealed = await asyncio.to_thread(_sealed, info, message)
    headers = {
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": "86400",
        "Authorization": vapid_header(platform.keyring, subscription.endpoint, platform.settings.vapid_contact),
    }
    answer = await platform.outbound.request("POST", subscription.endpoint, body=sealed["body"], headers=headers)
    if answer.status in (404, 410):
        gone = delete(PushSubscription).where(PushSubscription.id == payload.subscription_id)
        await platform.db.awrite(lambda session: session.execute(gone) and None)
    elif answer.status >= 400:
        raise PushRefused(f"The push service answered {answer.status}.")


def _sealed(subscription: Any, message: bytes) -> Any:
    # Imported here: the package brings two HTTP clients of its own along, 17 MB that most processes never use.
    from pywebpush import WebPusher

    return WebPusher(subscription).encode(message, content_encoding="aes128gcm")


class PushRefused(Exception):
    """The push service did not take the message; the job is repeated."""


def vapid_key(keyring: Keyring) -> ec.EllipticCurvePrivateKey:
    """The installation's key pair for Web Push, derived from its secret so that nothing more must be kept."""
    number = int.from_bytes(keyring.key("vapid", 48), "big") % (P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def vapid_public(keyring: Keyring) -> str:
    """The application server key that browsers subscribe with: the uncompressed point in URL-safe base64."""
    point = (
        vapid_key(keyring)
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def vapid_header(keyring: Keyring, endpoint: str, contact: str) -> str:
    """The Authorization header of one push. Its times are real ones: the push service knows no test clock."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int(time.time()) + VAPID_SECONDS, "sub": contact}
    token = jwt.encode(claims, vapid_key(keyring), algorithm="ES256")
    return f"vapid t={token}, k={vapid_public(keyring)}"
