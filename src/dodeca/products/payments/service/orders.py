"""Orders: what a merchant wants to be paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import ids
from dodeca.products.payments.models import Customer, Order, Payment
from dodeca.products.payments.service.desk import Desk

REGISTRATION = "registration"
"""The source of orders whose payer agrees, by paying, to be charged again."""


class OrderRequest(msgspec.Struct, frozen=True):
    """An order to be; values are checked already (`inputs`)."""

    amount: int
    currency: str
    receipt: str | None = None
    description: str | None = None
    notes: Mapping[str, str] = msgspec.field(default_factory=dict)
    capture: str | None = None
    manual_expiry_period: int | None = None
    partial_payment: bool = False
    first_payment_min_amount: int | None = None
    customer_id: str | None = None
    source: str = "order"
    source_id: str | None = None
    payer_account_id: str | None = None
    payee_account_id: str | None = None
    reference: str | None = None
    return_url: str | None = None
    lines: tuple[Any, ...] = ()
    splits: tuple[Any, ...] = ()
    expires_at: datetime | None = None


def create(session: WriteSession, desk: Desk, request: OrderRequest) -> Order:
    """Make an order. Raises Invalid, NotFound (customer), Conflict (reference)."""
    if request.customer_id is not None:
        desk.find(session, Customer, request.customer_id)
    if request.first_payment_min_amount is not None and request.first_payment_min_amount > request.amount:
        raise Invalid("The minimum of the first payment exceeds the amount.", field="first_payment_min_amount")
    if sum(split["amount"] for split in request.splits) > request.amount:
        raise Invalid("The splits exceed the amount.", field="splits")
    order = session.fresh(
        Order,
        id=ids.new("order"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        amount=request.amount,
        amount_paid=0,
        amount_capturing=0,
        currency=request.currency,
        status="created",
        attempts=0,
        receipt=request.receipt,
        description=request.description,
        capture=request.capture or desk.merchant.capture,
        manual_expiry_period=request.manual_expiry_period,
        partial_payment=request.partial_payment,
        first_payment_min_amount=request.first_payment_min_amount,
        notes=dict(request.notes),
        lines=list(request.lines),
        splits=list(request.splits),
        customer_id=request.customer_id,
        source=request.source,
        source_id=request.source_id,
        payer_account_id=request.payer_account_id,
        payee_account_id=request.payee_account_id,
        reference=request.reference,
        return_url=return_url(request.return_url),
        expires_at=request.expires_at,
        created_at=clock.now(),
    )
    session.store(order)
    return order


def return_url(raw: str | None) -> str | None:
    """An http(s) address to go back to, or a path of this platform. Raises Invalid."""
    if not raw:
        return None
    parts = urlsplit(raw)
    is_path = raw.startswith("/") and not raw.startswith(("//", "/\\"))
    if len(raw) > 2000 or not (is_path or (parts.scheme in ("http", "https") and parts.hostname)):
        raise Invalid("The address to return to must be http or https.", field="callback_url")
    return raw


def is_over(order: Order) -> bool:
    """Whether its time to be paid is over."""
    return order.expires_at is not None and order.expires_at <= clock.now()


def left(order: Order) -> int:
    """What nobody has paid or is paying just now."""
    return order.amount - order.amount_paid - order.amount_capturing


def takes(order: Order, amount: int) -> bool:
    """Whether it can still be paid `amount`."""
    return order.status != "paid" and not is_over(order) and amount <= left(order)


def payments_of_all(session: ReadSession, desk: Desk, order_ids: Sequence[str]) -> dict[str, list[Payment]]:
    """All tries to pay orders of theirs, newest first, by order."""
    mine = select(Payment).where(Payment.order_id.in_(order_ids), Payment.merchant_id == desk.merchant.id)
    found: dict[str, list[Payment]] = {}
    for payment in session.scalars(mine.order_by(Payment.created_at.desc(), Payment.id.desc())):
        found.setdefault(payment.order_id or "", []).append(payment)
    return found


def payments_of(session: ReadSession, desk: Desk, order: Order) -> list[Payment]:
    """All tries to pay an order of theirs, newest first. By the order alone: told of the merchant too, SQLite walks
    through all of that one's payments, as these are in the wanted order."""
    tries = select(Payment).where(Payment.order_id == desk.find(session, Order, order.id).id)
    return list(session.scalars(tries.order_by(Payment.created_at.desc(), Payment.id.desc())))
