"""Tables of reconciliation: what banks say that moved, and what it was matched with."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model


class BankReference(Model):
    """The ISO 11649 reference that a payer writes on a transfer for an order; one an order (unique)."""

    __tablename__ = "payments_bank_references"

    reference: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("payments_orders.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class StatementImport(Model):
    """One file of statements that a merchant gave, with what came of its lines when it was read."""

    __tablename__ = "payments_statement_imports"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    format: Mapped[str]
    lines: Mapped[int]
    matched: Mapped[int]
    unmatched: Mapped[int]
    duplicates: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_payments_statement_imports_merchant_id", "merchant_id", "mode", "created_at", "id"),)


class StatementLine(Model):
    """One booking on a merchant's bank account; `amount` in minor units, negative where money left.

    A booking is kept once however often its statement is imported: `identity` is the bank's own reference, or a hash
    of the line and of how many equal ones stood before it (unique an account). `matched_to` is the settlement, payout,
    order or payment that it belongs to; at most one line belongs to a settlement or payout (`settles`, unique)."""

    __tablename__ = "payments_statement_lines"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    import_id: Mapped[str] = mapped_column(ForeignKey("payments_statement_imports.id"), index=True)
    account: Mapped[str]
    identity: Mapped[str]
    booked_on: Mapped[date]
    amount: Mapped[int]
    currency: Mapped[str]
    reference: Mapped[str]
    text: Mapped[str]
    counterparty: Mapped[str]
    status: Mapped[str] = mapped_column(default="unmatched")
    matched_to: Mapped[str | None]
    settles: Mapped[str | None] = mapped_column(unique=True)
    suggested: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("merchant_id", "mode", "account", "identity"),
        CheckConstraint("status IN ('unmatched', 'suggested', 'matched', 'ignored')", name="status"),
        CheckConstraint("status <> 'matched' OR matched_to IS NOT NULL", name="matched_to"),
        Index("ix_payments_statement_lines_status", "merchant_id", "mode", "status", "booked_on"),
    )
