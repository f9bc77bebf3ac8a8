"""The table of following."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model


class Follow(Model):
    """An account follows something in a product: a user (by account id), a tag, an artist … Each once (primary key);
    nobody follows themselves (check)."""

    __tablename__ = "follows"

    product: Mapped[str] = mapped_column(primary_key=True)
    follower_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    target_type: Mapped[str] = mapped_column(primary_key=True)
    target_id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("target_type <> 'user' OR target_id <> follower_id", name="not_self"),
        Index("ix_follows_target", "product", "target_type", "target_id"),
    )
