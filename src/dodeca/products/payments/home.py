"""What payments shows and hands out elsewhere: its card on the home page, and a person's own data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.kernel.web.shell import HomeNumber
from dodeca.products.payments import ids
from dodeca.products.payments.models import Order, Payment
from dodeca.products.payments.service import guests, methods, purse

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def card(session: ReadSession, platform: Platform) -> Mapping[str, object]:
    """Payments of the last day, and how many of them succeeded."""
    # Ids begin with their time, and are the one index of it that is not of a merchant.
    recent = select(func.count()).select_from(Payment).where(Payment.id > ids.earliest("pay", clock.ago(days=1)))
    total = session.scalar(recent) or 0
    good = session.scalar(recent.where(Payment.captured_at.is_not(None))) or 0
    numbers = [HomeNumber("payments today", total)]
    if total:
        numbers.append(HomeNumber("captured", f"{good / total:.0%}"))
    return {"numbers": numbers}


def account_export(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
    """What a person paid, keeps in the purse and pays with."""
    mine = (Order.payer_account_id == account_id) | Order.id.in_(guests.orders_paid_by(account_id))
    paid = session.scalars(select(Order).where(mine).order_by(Order.created_at, Order.id))
    found = {
        "transactions": [
            {"id": o.id, "amount": o.amount, "currency": o.currency, "status": o.status, "at": rfc3339(o.created_at)}
            for o in paid
        ],
        "purse": {c: b.posted for c, b in purse.balances(session, account_id, "test").items()},
        "methods": [
            {"type": m.method_type, "number": m.masked, "expiry": m.expiry}
            for m in methods.methods_of(session, account_id)
        ],
    }
    return {"payments.json": msgspec.json.format(msgspec.json.encode(found))}
