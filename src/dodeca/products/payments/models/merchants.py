"""Tables of who takes money, through whom, and who is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model

TOLD_OF = ("disputes", "settlements", "failures")
"""What merchants can be told of by themselves: of payments their programs hear by webhooks."""


class Merchant(Model):
    """An account that takes money. At most one an account (unique). The platform's own has no account.

    `routing` and `fraud` hold rules in CEL that were checked when they were saved; `bank_account` is where settlements
    and payouts go; `profile` has the mail address, telephone and website that payers see; `told_of` is some of TOLD_OF.
    Test and live money of a merchant never mix: every row below names its mode."""

    __tablename__ = "payments_merchants"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    zone: Mapped[str] = mapped_column(default="UTC")
    capture: Mapped[str] = mapped_column(default="manual")
    bank_account: Mapped[dict[str, Any] | None]
    routing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    fraud: Mapped[list[Any]] = mapped_column(default=list)
    profile: Mapped[dict[str, Any]] = mapped_column(default=dict)
    told_of: Mapped[list[str]] = mapped_column(default=lambda: list(TOLD_OF))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("capture IN ('manual', 'automatic')", name="capture"),)


class Webhook(Model):
    """An address that a merchant's events are sent to. The secret is kept encrypted, because each body is signed by it.

    With `disabled_at` nothing is sent: its owner turned it off, or it failed for 24 hours."""

    __tablename__ = "payments_webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    url: Mapped[str]
    secret: Mapped[bytes | None]
    events: Mapped[list[str]]
    alert_email: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        Index("ix_payments_webhooks_merchant_id_mode", "merchant_id", "mode"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
    )


class PaymentEvent(Model):
    """Something that happened, as its snapshot at that time. Never changed (triggers): it can be sent again."""

    __tablename__ = "payments_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    type: Mapped[str]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        Index("ix_payments_events_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_events_type", "merchant_id", "mode", "type", "created_at", "id"),
    )


class Delivery(Model):
    """One event on its way to one webhook: at most one row a pair (unique). `attempts` counts sendings.

    state: waiting, delivered, or given up after 24 hours."""

    __tablename__ = "payments_deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("payments_events.id"))
    webhook_id: Mapped[str] = mapped_column(ForeignKey("payments_webhooks.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("event_id", "webhook_id"),
        Index("ix_payments_deliveries_webhook_id", "webhook_id", "created_at"),
        CheckConstraint("state IN ('waiting', 'delivered', 'given_up')", name="state"),
    )


class AcquirerSetting(Model):
    """What an administrator set for an acquirer. Without a row the defaults of its class hold."""

    __tablename__ = "payments_acquirers"

    name: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)


class Downtime(Model):
    """A time in which no acquirer took a method. At most one of a mode and method goes on at a time (index).

    `told` is the state that merchants were told of last: none, started or resolved."""

    __tablename__ = "payments_downtimes"

    id: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    method: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    told: Mapped[str] = mapped_column(default="none")
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("told IN ('none', 'started', 'resolved')", name="told"),
        Index(
            "uq_payments_downtimes_going_on",
            "mode",
            "method",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_payments_downtimes_began_at", "mode", "began_at"),
    )


class AcquirerStat(Model):
    """How authorisations went lately: decayed counts an acquirer, method, network and currency (primary key).

    Routing's Beta posterior is made of them. `at` is the moment that the counts are true for."""

    __tablename__ = "payments_acquirer_stats"

    acquirer: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    network: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    successes: Mapped[float] = mapped_column(default=0.0)
    failures: Mapped[float] = mapped_column(default=0.0)
    at: Mapped[datetime] = mapped_column(default=clock.now)
