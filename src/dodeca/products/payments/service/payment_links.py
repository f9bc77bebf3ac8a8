"""Payment links: an address where anybody can pay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from dodeca.kernel import clock, mail
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.ids import random_base62
from dodeca.kernel.money import formatted
from dodeca.products.payments import billing_entities, entities, hooks, ids, outside
from dodeca.products.payments.models import Order, Payment, PaymentLink
from dodeca.products.payments.service import events, orders, states
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import (
    amount_of,
    contact_of,
    email_of,
    flag_of,
    notes_of,
    number_of,
    text_of,
)
from dodeca.products.payments.service.orders import OrderRequest

LIFETIME = timedelta(days=180)
SHORTEST = timedelta(minutes=15)
REMIND_BEFORE = timedelta(days=1)
OPEN = ("created", "partially_paid")


def create(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> PaymentLink:
    """Make a link with its order, and mail it where that is asked for. Raises Invalid, Conflict."""
    link_id = ids.new("plink")
    expires = moment_of(values.get("expire_by"), "expire_by") or clock.now() + LIFETIME
    order = orders.create(session, desk, _order(values, link_id, expires))
    row = PaymentLink(
        id=link_id,
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        order_id=order.id,
        code=random_base62(8),
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        reference_id=order.receipt,
        customer=person_of(values.get("customer")),
        notify=_media(values.get("notify")),
        reminder_enable=flag_of(values.get("reminder_enable"), "reminder_enable"),
        upi_link=flag_of(values.get("upi_link"), "upi_link"),
        callback_url=orders.return_url(text_of(values.get("callback_url"), "callback_url", 2000)),
        callback_method="get" if values.get("callback_url") else None,
        notes=notes_of(values.get("notes")),
        status="created",
        expire_by=expires,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    with claiming(session, PaymentLink, otherwise=Conflict("This reference_id was used before.", field="reference_id")):
        session.add(row)
    if row.notify.get("email"):
        send(session, desk, row, "email")
    return row


def _order(values: Mapping[str, Any], link_id: str, expires: datetime) -> OrderRequest:
    """The order of a link. Raises Invalid."""
    currency = str(values.get("currency") or "INR")
    partial = flag_of(values.get("accept_partial"), "accept_partial")
    least = values.get("first_min_partial_amount") if partial else None
    return OrderRequest(
        amount=amount_of(values.get("amount"), currency),
        currency=currency,
        receipt=text_of(values.get("reference_id"), "reference_id", 40),
        description=text_of(values.get("description"), "description", 2048),
        capture="automatic",
        partial_payment=partial,
        first_payment_min_amount=amount_of(least, currency, field="first_min_partial_amount") if least else None,
        source="payment_link",
        source_id=link_id,
        expires_at=expires,
    )


def moment_of(raw: object, field: str) -> datetime | None:
    """A Unix time at least fifteen minutes ahead. Raises Invalid."""
    value = number_of(raw, field, 0, 2**33)
    if not value:
        return None
    found = datetime.fromtimestamp(value, UTC)
    if found < clock.now() + SHORTEST - timedelta(seconds=30):
        raise Invalid(f"{field} should be at least 15 minutes after the current time.", field=field)
    return found


def person_of(raw: object) -> dict[str, str]:
    """Name, mail address and telephone number of a customer that is not kept as one."""
    given = raw if isinstance(raw, Mapping) else {}
    return {
        "name": text_of(given.get("name"), "name", 100) or "",
        "email": email_of(given.get("email")),
        "contact": contact_of(given.get("contact")),
    }


def _media(raw: object) -> dict[str, bool]:
    given = raw if isinstance(raw, Mapping) else {}
    return {name: flag_of(given.get(name), name) for name in ("email", "sms")}


def edit(session: WriteSession, desk: Desk, row: PaymentLink, values: Mapping[str, Any]) -> PaymentLink:
    """Change what may be changed while it is open. Raises Conflict, Invalid."""
    _open(row)
    order = session.get_one_locked(Order, row.order_id)
    if "accept_partial" in values:
        order.partial_payment = flag_of(values["accept_partial"], "accept_partial")
    if "expire_by" in values:
        row.expire_by = moment_of(values["expire_by"], "expire_by") or clock.now() + LIFETIME
        order.expires_at = row.expire_by
    if "reminder_enable" in values:
        row.reminder_enable = flag_of(values["reminder_enable"], "reminder_enable")
    if "notes" in values:
        row.notes = notes_of(values["notes"])
    row.updated_at = clock.now()
    with claiming(session, PaymentLink, otherwise=Conflict("This reference_id was used before.", field="reference_id")):
        if "reference_id" in values:
            row.reference_id = text_of(values["reference_id"], "reference_id", 40)
    return row


def _open(row: PaymentLink) -> None:
    if row.status not in OPEN:
        raise Conflict(f"This payment link is {row.status.replace('_', ' ')}.", field="id")


def cancel(session: WriteSession, desk: Desk, row: PaymentLink) -> PaymentLink:
    """Nobody can pay it any more. Raises Conflict."""
    _open(row)
    _close(session, desk, row, "cancelled")
    row.cancelled_at = clock.now()
    return row


def _close(session: WriteSession, desk: Desk, row: PaymentLink, status: str) -> None:
    order = session.get_one_locked(Order, row.order_id)
    states.move("link", row, status)
    order.expires_at = clock.now()
    row.updated_at = clock.now()
    session.flush()
    _emit(session, desk, row, order, None)


def _emit(session: WriteSession, desk: Desk, row: PaymentLink, order: Order, payment: Payment | None) -> None:
    told: dict[str, Any] = {} if payment is None else {"payment": entities.payment(payment)}
    told |= {"order": entities.order(order), "payment_link": billing_entities.payment_link(row, order, [])}
    events.emit(session, desk, f"payment_link.{row.status}", told)


def by_code(session: ReadSession, code: str) -> PaymentLink:
    """The link of a short address. Raises NotFound."""
    row = session.scalar(select(PaymentLink).where(PaymentLink.code == code))
    if row is None:
        raise NotFound("There is no such payment link.")
    return row


def of_order(session: ReadSession, order: Order) -> PaymentLink | None:
    """The link that an order was made for."""
    if order.source != "payment_link":
        return None
    return session.scalar(select(PaymentLink).where(PaymentLink.order_id == order.id))


def paid_by(session: ReadSession, row: PaymentLink) -> list[Payment]:
    """What was captured through it, oldest first."""
    good = select(Payment).where(Payment.order_id == row.order_id, Payment.captured_at.is_not(None))
    return list(session.scalars(good.order_by(Payment.captured_at, Payment.id)))


def expire(session: WriteSession, limit: int = 100) -> int:
    """Close what nobody paid in time; gives how many."""
    due = select(PaymentLink).where(PaymentLink.status.in_(OPEN), PaymentLink.expire_by <= clock.now()).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True)))
    for row in rows:
        _close(session, desk_by_id(session, row.merchant_id, row.mode), row, "expired")
        row.expired_at = clock.now()
    return len(rows)


def address_of(row: PaymentLink) -> str:
    """The link's short address."""
    return outside.address(f"/payments/l/{row.code}")


def send(session: WriteSession, desk: Desk, row: PaymentLink, medium: str) -> None:
    """Send the link. By mail only: text messages have no carrier here. Raises Invalid, Conflict."""
    _open(row)
    if medium not in ("email", "sms"):
        raise Invalid("The medium is email or sms.", field="medium")
    to = row.customer.get("email") if medium == "email" else row.customer.get("contact")
    if not to:
        raise Invalid(f"The customer has no {medium} address.", field=medium)
    row.notify = {**row.notify, medium: True}
    if medium == "email":
        what = f" for {row.description}" if row.description else ""
        mail.send(
            session,
            to=to,
            subject=f"{desk.merchant.name} asks for {formatted(row.amount, row.currency)}"[:150],
            text=f"{desk.merchant.name} asks you for {formatted(row.amount, row.currency)}{what}.\n\n"
            f"Pay here: {address_of(row)}\n",
        )


def remind(session: WriteSession, limit: int = 50) -> int:
    """Mail those whose link ends within a day, once; gives how many."""
    soon = (
        select(PaymentLink)
        .where(
            PaymentLink.status.in_(OPEN),
            PaymentLink.reminder_enable.is_(True),
            PaymentLink.reminded_at.is_(None),
            PaymentLink.expire_by <= clock.now() + REMIND_BEFORE,
        )
        .limit(limit)
    )
    rows = list(session.scalars(soon.with_for_update(skip_locked=True)))
    for row in rows:
        row.reminded_at = clock.now()
        if row.customer.get("email"):
            send(session, desk_by_id(session, row.merchant_id, row.mode), row, "email")
    return len(rows)


def _captured(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    row = of_order(session, order)
    if row is None:
        return
    status = "paid" if order.status == "paid" else "partially_paid"
    if row.status in OPEN:
        if row.status != status:
            states.move("link", row, status)
        row.updated_at = clock.now()
        session.flush()
        _emit(session, desk, row, order, payment)


hooks.on_captured["payment_link"] = _captured
