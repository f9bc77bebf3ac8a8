"""What happened, told: the event log, webhooks, and other products."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from sqlalchemy import Select, Table, bindparam, select

from dodeca.commons.accounts import public as accounts
from dodeca.kernel import clock
from dodeca.kernel.crypto import Box, Keyring
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import entities, ids, outside
from dodeca.products.payments.models import Delivery, Merchant, PaymentEvent, Webhook
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import email_of
from dodeca.products.payments.service.rows import insert_rows

RETRY_SECONDS = (10, 60, 300, 900, 3600, 7200, 14_400, 28_800, 31_130)
"""Pauses after each failure; together 24 hours."""
OFF_AFTER_HOURS = 24
MOST_WEBHOOKS = 30
TYPES = (
    "payment.authorized",
    "payment.captured",
    "payment.failed",
    "payment.dispute.created",
    "payment.dispute.under_review",
    "payment.dispute.won",
    "payment.dispute.lost",
    "payment.downtime.started",
    "payment.downtime.resolved",
    "order.paid",
    "refund.created",
    "refund.processed",
    "refund.failed",
    "payment_link.paid",
    "payment_link.partially_paid",
    "payment_link.expired",
    "payment_link.cancelled",
    "invoice.paid",
    "invoice.expired",
    "subscription.authenticated",
    "subscription.activated",
    "subscription.charged",
    "subscription.pending",
    "subscription.halted",
    "subscription.paused",
    "subscription.resumed",
    "subscription.cancelled",
    "subscription.completed",
    "subscription.updated",
    "settlement.processed",
    "transfer.processed",
    "virtual_account.credited",
    "qr_code.credited",
)
Snapshots = Mapping[str, Mapping[str, Any]]
"""Entities as they are now, by the name of their kind."""
Happened = tuple[str, Snapshots]
"""The type of an event and what it is about."""
_events = cast(Table, PaymentEvent.__table__)
_webhooks_on = Prepared(
    select(Webhook.id, Webhook.events).where(
        Webhook.merchant_id == bindparam("merchant_id"),
        Webhook.mode == bindparam("mode"),
        Webhook.disabled_at.is_(None),
    )
)


def emit(session: WriteSession, desk: Desk, kind: str, payload: Snapshots) -> None:
    """Add an event with snapshots of what it is about, and queue it for the webhooks that want it."""
    emit_all(session, desk, ((kind, payload),))


def emit_all(session: WriteSession, desk: Desk, happened: Sequence[Happened]) -> None:
    """The same for all that one thing brought about, in order."""
    now = clock.now()
    merchant_id, mode = desk.merchant.id, desk.mode
    rows: list[dict[str, Any]] = [
        {
            "id": ids.new("evt"),
            "merchant_id": merchant_id,
            "mode": mode,
            "type": kind,
            "body": _body(merchant_id, kind, payload, entities.unix(now)),
            "created_at": now + timedelta(microseconds=place),  # lists are in the order of things
        }
        for place, (kind, payload) in enumerate(happened)
    ]
    insert_rows(session, _events, rows)
    hooks = _webhooks_on.rows(session, merchant_id=merchant_id, mode=mode) if desk.has_webhooks else []
    for row in rows:
        for hook_id in _wanting(hooks, row["type"]):
            _queue(session, Delivery(id=ids.new("dlv"), event_id=row["id"], webhook_id=hook_id))
    outside.tell(session, merchant_id, mode, [(row["type"], row["id"]) for row in rows])


def _body(merchant_id: str, kind: str, payload: Snapshots, at: int | None) -> dict[str, Any]:
    return {
        "entity": "event",
        "account_id": merchant_id,
        "event": kind,
        "contains": list(payload),
        "payload": {name: {"entity": entity} for name, entity in payload.items()},
        "created_at": at,
    }


def _wanting(hooks: Sequence[tuple[Any, ...]], kind: str) -> list[str]:
    """Of a merchant's webhooks that are on, those that want this kind of event."""
    return [hook_id for hook_id, kinds in hooks if kind in kinds]


def _queue(session: WriteSession, delivery: Delivery) -> None:
    delivery.state, delivery.attempts = "waiting", 0
    session.store(delivery)
    outside.deliver_later(session, delivery.id, clock.now(), 0)


def replay(session: WriteSession, desk: Desk, event_id: str) -> int:
    """Send an event again to all webhooks that want it; gives how many. Raises NotFound."""
    event = desk.find(session, PaymentEvent, event_id)
    on = _webhooks_on.rows(session, merchant_id=desk.merchant.id, mode=desk.mode)
    hooks = _wanting(on, event.type)
    for hook_id in hooks:
        sent = select(Delivery).where(Delivery.event_id == event.id, Delivery.webhook_id == hook_id)
        known = session.scalar(sent.with_for_update())
        _queue(session, known or Delivery(id=ids.new("dlv"), event_id=event.id, webhook_id=hook_id))
    return len(hooks)


def delivered(session: WriteSession, delivery_id: str, status: int | None, error: str | None) -> str | None:
    """Record a sending; gives an address to alert when the webhook was turned off by it: its own, or the merchant's."""
    row = session.get_locked(Delivery, delivery_id)
    if row is None or row.state != "waiting":
        return None
    hook = session.get_one_locked(Webhook, row.webhook_id)
    row.attempts += 1
    row.last_status, row.last_error, row.updated_at = status, error, clock.now()
    if status is not None and 200 <= status < 300:
        row.state, hook.failing_since = "delivered", None
        return None
    hook.failing_since = hook.failing_since or clock.now()
    if row.attempts <= len(RETRY_SECONDS):
        pause = RETRY_SECONDS[row.attempts - 1]
        outside.deliver_later(session, row.id, clock.ahead(seconds=pause), row.attempts)
        return None
    row.state = "given_up"
    if hook.disabled_at is None and hook.failing_since <= clock.ago(hours=OFF_AFTER_HOURS):
        hook.disabled_at = clock.now()
        return hook.alert_email or _merchants_address(session, hook)
    return None


def _merchants_address(session: ReadSession, hook: Webhook) -> str | None:
    account_id = session.get_one(Merchant, hook.merchant_id).account_id
    account = accounts.account_by_id(session, account_id) if account_id is not None else None
    return account.email if account is not None else None


def secret_box(keyring: Keyring) -> Box:
    """What webhooks' secrets are sealed with."""
    return Box(keyring, "payments.webhook")


def set_webhook(
    session: WriteSession, desk: Desk, box: Box, values: Mapping[str, Any], hook: Webhook | None = None
) -> Webhook:
    """Make a webhook, or change one. Raises Invalid."""
    if hook is None:
        if len(session.scalars(desk.owned(Webhook)).all()) >= MOST_WEBHOOKS:
            raise Invalid(f"At most {MOST_WEBHOOKS} webhooks.", field="url")
        hook = Webhook(id=ids.new("hook"), merchant_id=desk.merchant.id, mode=desk.mode, url="", events=[])
        session.add(hook)
    if "url" in values or not hook.url:
        hook.url = checked_url(values.get("url"))
    if "events" in values or not hook.events:
        hook.events = checked_types(values.get("events"))
    if values.get("secret"):
        hook.secret = box.seal(str(values["secret"])[:200].encode(), hook.id)
    if "alert_email" in values:
        hook.alert_email = email_of(values["alert_email"], "alert_email") or None
    if "active" in values:
        hook.disabled_at = None if str(values["active"]).lower() in ("1", "true") else clock.now()
    hook.updated_at = clock.now()
    session.flush()
    return hook


def checked_url(raw: object) -> str:
    """An http(s) address without credentials. Whether it may be called is decided when it is (`kernel.outbound`)."""
    parts = urlsplit(raw) if isinstance(raw, str) and len(raw) <= 2000 else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Invalid("The url must be an http or https address.", field="url")
    try:
        if ipaddress.ip_address(parts.hostname).is_multicast:
            raise Invalid("The url cannot be called.", field="url")
    except ValueError:
        pass
    return str(raw)


def checked_types(raw: object) -> list[str]:
    """Names of events from a list, or from an object of flags."""
    if isinstance(raw, Mapping):
        wanted: Sequence[Any] = [name for name, on in raw.items() if str(on).lower() in ("1", "true")]
    else:
        wanted = raw if isinstance(raw, list) else []
    if not wanted:
        raise Invalid("Choose at least one event.", field="events")
    for name in wanted:
        if name not in TYPES:
            raise Invalid(f"There is no event {str(name)[:60]}.", field="events")
    return [str(name) for name in dict.fromkeys(wanted)]


def log(desk: Desk, kind: str | None = None) -> Select[PaymentEvent]:
    """The statement of a merchant's events, of one type where it is given."""
    statement = desk.owned(PaymentEvent)
    return statement.where(PaymentEvent.type == kind) if kind else statement
