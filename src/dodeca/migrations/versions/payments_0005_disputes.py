"""Disputes, documents and customers' bank accounts

Revision: payments_0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime

revision = "payments_0005"
down_revision = "payments_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "payments_documents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mime_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("media_key", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["payments_merchants.id"], name=op.f("fk_payments_documents_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_documents")),
    )
    op.create_index(
        "ix_payments_documents_merchant_id_created_at",
        "payments_documents",
        ["merchant_id", "mode", "created_at", "id"],
    )

    op.create_table(
        "payments_bank_accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("fund_account_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ifsc", sa.String(), nullable=False),
        sa.Column("account_number", sa.String(), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["payments_customers.id"], name=op.f("fk_payments_bank_accounts_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["payments_merchants.id"], name=op.f("fk_payments_bank_accounts_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_bank_accounts")),
        sa.UniqueConstraint("fund_account_id", name=op.f("uq_payments_bank_accounts_fund_account_id")),
    )
    op.create_index("ix_payments_bank_accounts_customer_id", "payments_bank_accounts", ["customer_id"])
    op.create_index(
        "ix_payments_bank_accounts_merchant_id_created_at",
        "payments_bank_accounts",
        ["merchant_id", "mode", "created_at", "id"],
    )

    op.create_table(
        "payments_disputes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("hold_id", sa.String(), nullable=False),
        sa.Column("settlement_id", sa.String(), nullable=True),
        sa.Column("respond_by", UtcDateTime(), nullable=False),
        sa.Column("submitted_at", UtcDateTime(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('open', 'under_review', 'won', 'lost')", name=op.f("ck_payments_disputes_status")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_disputes_amount")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["payments_merchants.id"], name=op.f("fk_payments_disputes_merchant_id")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments_payments.id"], name=op.f("fk_payments_disputes_payment_id")),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["payments_settlements.id"], name=op.f("fk_payments_disputes_settlement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_disputes")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_payments_disputes_payment_id")),
    )
    op.create_index(
        "ix_payments_disputes_merchant_id_created_at", "payments_disputes", ["merchant_id", "mode", "created_at", "id"]
    )
    op.create_index(
        "ix_payments_disputes_settlement_id",
        "payments_disputes",
        ["settlement_id"],
        sqlite_where=sa.text("settlement_id IS NOT NULL"),
        postgresql_where=sa.text("settlement_id IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_disputes_undecided",
        "payments_disputes",
        ["respond_by"],
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )


def downgrade() -> None:
    """Undo."""

    op.drop_table("payments_disputes")

    op.drop_table("payments_bank_accounts")

    op.drop_table("payments_documents")
