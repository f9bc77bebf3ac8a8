"""Tables of disputes: money that a payer's bank wants back, and the papers that speak against it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import MEDIA, Model
from dodeca.products.payments.models.gateway import partial

PROOFS = (
    "shipping_proof",
    "billing_proof",
    "cancellation_proof",
    "customer_communication",
    "proof_of_service",
    "explanation_letter",
    "refund_confirmation",
    "access_activity_log",
    "refund_cancellation_policy",
    "term_and_conditions",
)
"""Kinds of proof; each names documents in a dispute's `evidence`."""


class Dispute(Model):
    """What a payer's bank wants back of a captured payment. At most one a payment (unique).

    open → under_review → won, lost; open → lost when it is accepted or nobody answers until `respond_by`. While it is
    not decided the amount is reserved on the merchant's account (`hold_id`): posted when it is lost, set free when it
    is won. `evidence` is the merchant's answer: a summary, and documents by the kind of proof that they are. A lost one
    is taken off the next settlement, which it then names."""

    __tablename__ = "payments_disputes"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"), unique=True)
    amount: Mapped[int]
    currency: Mapped[str]
    reason_code: Mapped[str]
    phase: Mapped[str] = mapped_column(default="chargeback")
    status: Mapped[str] = mapped_column(default="open")
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    hold_id: Mapped[str]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    respond_by: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('open', 'under_review', 'won', 'lost')", name="status"),
        Index("ix_payments_disputes_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        partial("ix_payments_disputes_undecided", "decided_at IS NULL", "respond_by"),
        partial("ix_payments_disputes_settlement_id", "settlement_id IS NOT NULL", "settlement_id"),
    )


class Document(Model):
    """A file that a merchant brought along; its content is `media_key` in the platform's media store."""

    __tablename__ = "payments_documents"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    purpose: Mapped[str]
    name: Mapped[str]
    mime_type: Mapped[str]
    size: Mapped[int]
    media_key: Mapped[str] = mapped_column(info=MEDIA)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_payments_documents_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),)
