"""The table of customers' bank accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model


class BankAccount(Model):
    """Where a customer of a merchant can be paid. As a fund account it has an id of that kind too (unique).

    An account is written down whole: it is what a transfer has to name, and opens nothing by itself."""

    __tablename__ = "payments_bank_accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    customer_id: Mapped[str] = mapped_column(ForeignKey("payments_customers.id"), index=True)
    fund_account_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    ifsc: Mapped[str]
    account_number: Mapped[str]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        Index("ix_payments_bank_accounts_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )
