"""Doors that the rules knock on without knowing what is behind: jobs, and what other products and pages listen to.

`jobs.py` registers the jobs here when it is imported; the service functions only enqueue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dodeca.kernel import outbox
from dodeca.kernel.db import WriteSession
from dodeca.kernel.geolocation import Geolocation


class DeliveryDue(msgspec.Struct):
    """A webhook delivery to try."""

    delivery_id: str


class AttemptDue(msgspec.Struct):
    """An attempt to inquire about."""

    attempt_id: str
    number: int = 0


class PaymentDue(msgspec.Struct):
    """A payment to void or capture at its acquirer."""

    payment_id: str


class RefundDue(msgspec.Struct):
    """A refund to ask the acquirer for."""

    refund_id: str


class DisputeDue(msgspec.Struct):
    """A dispute to ask the acquirer about."""

    dispute_id: str


class PayoutDue(msgspec.Struct):
    """A payout to hand to the bank."""

    payout_id: str


class ChargeDue(msgspec.Struct):
    """An order to charge to somebody's saved method."""

    order_id: str
    account_id: str
    method_id: str


class PaymentCaptured(outbox.Event):
    """An order of another product was paid. `reference` is what that product called it."""

    payment_id: str
    order_id: str
    reference: str


class PaymentFailed(outbox.Event):
    """A try to pay an order of another product failed; others may follow."""

    payment_id: str
    order_id: str
    reference: str


class PaymentRefunded(outbox.Event):
    """Money of an order of another product went back."""

    refund_id: str
    payment_id: str
    order_id: str
    reference: str
    amount: int


class SubscriptionChanged(outbox.Event):
    """A subscription of another product got another state or term. `reference` is what that product called it."""

    subscription_id: str
    reference: str
    what: str


class PayoutDone(outbox.Event):
    """A payout reached its bank, or did not (`status`)."""

    payout_id: str
    status: str


_base = [""]
_geolocation = [Geolocation()]
jobs: dict[str, Any] = {}
listeners: list[Callable[[str, str, str, str], None]] = []
"""Called after the commit with merchant, mode, kind and event id: live pages."""


def set_up(url: str, geoip: str) -> None:
    """Where this installation is reached, for addresses in mail and in answers; its file of where others are."""
    _base[0] = url.rstrip("/")
    _geolocation[0] = Geolocation(Path(geoip) if geoip else None)


def country(ip: str | None) -> str:
    """Where an address is (ISO 3166-1 alpha-2); empty where that is not known, as of private ones."""
    return _geolocation[0].place(ip).country if ip else ""


def address(path: str) -> str:
    """The absolute address of a path."""
    return _base[0] + path


def tell(session: WriteSession, merchant_id: str, mode: str, happened: Sequence[tuple[str, str]]) -> None:
    """Tell open pages of events (kind and id), once this is committed."""

    def call() -> None:
        for listener in listeners:
            for kind, event_id in happened:
                listener(merchant_id, mode, kind, event_id)

    session.after_commit(call)


def deliver_later(session: WriteSession, delivery_id: str, at: datetime, number: int) -> None:
    """Queue a webhook delivery."""
    jobs["deliver"].enqueue(
        session, DeliveryDue(delivery_id), at=at, key=f"{delivery_id}:{number}:{at.timestamp():.3f}"
    )


def inquire_later(session: WriteSession, attempt_id: str, at: datetime, number: int = 0) -> None:
    """Queue an inquiry."""
    jobs["inquire"].enqueue(session, AttemptDue(attempt_id, number), at=at, key=f"{attempt_id}:{number}")


def void_later(session: WriteSession, payment_id: str) -> None:
    """Queue the voiding of an authorisation at its acquirer."""
    jobs["void"].enqueue(session, PaymentDue(payment_id), key=payment_id)


def refund_later(session: WriteSession, refund_id: str, at: datetime) -> None:
    """Queue the asking for a refund."""
    jobs["refund"].enqueue(session, RefundDue(refund_id), at=at, key=refund_id)


def pay_out_later(session: WriteSession, payout_id: str) -> None:
    """Queue a payout."""
    jobs["payout"].enqueue(session, PayoutDue(payout_id), key=payout_id)


def decide_dispute_later(session: WriteSession, dispute_id: str, at: datetime) -> None:
    """Queue the asking how a dispute was decided."""
    jobs["dispute"].enqueue(session, DisputeDue(dispute_id), at=at, key=dispute_id)


def capture_later(session: WriteSession, payment_id: str) -> None:
    """Queue the asking for a capture whose intent is recorded."""
    jobs["capture"].enqueue(session, PaymentDue(payment_id), key=payment_id)


def charge_later(session: WriteSession, order_id: str, account_id: str, method_id: str) -> None:
    """Queue a charge, once an order."""
    jobs["charge"].enqueue(session, ChargeDue(order_id, account_id, method_id), key=order_id)
