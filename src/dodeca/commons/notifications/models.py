"""Tables of the inbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Model


class Notification(Model):
    """One thing that an account is told, once: (account, product, key) is unique where there is a key.

    The text is what was true when it happened and does not change. `read_at` is set once."""

    __tablename__ = "notifications"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    product: Mapped[str]
    kind: Mapped[str]
    key: Mapped[str | None]
    title: Mapped[str]
    body: Mapped[str]
    href: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("account_id", "product", "key"),
        Index("ix_notifications_account_id_created_at", "account_id", "created_at", "id"),
        Index("ix_notifications_account_id_read_at", "account_id", "read_at"),
    )


class NotificationChoice(Model):
    """What an account wants of one product beside the inbox. Without a row: mail yes, push yes.

    At most one row an account and product (primary key)."""

    __tablename__ = "notification_choices"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    mail: Mapped[bool]
    push: Mapped[bool]


class PushSubscription(Model):
    """One browser that shows notifications (Web Push, RFC 8030). An endpoint belongs to one account (unique).

    Removed when its push service answers that it is gone."""

    __tablename__ = "push_subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(unique=True)
    p256dh: Mapped[str]
    auth: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
