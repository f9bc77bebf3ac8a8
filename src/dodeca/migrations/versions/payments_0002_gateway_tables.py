"""Gateway tables

Revision: payments_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime

revision = "payments_0002"
down_revision = "payments_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "payment_orders",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount_paid", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount_capturing", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("capture", sa.String(), nullable=False),
        sa.Column("manual_expiry_period", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("partial_payment", sa.Boolean(), nullable=False),
        sa.Column("first_payment_min_amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("splits", Json, nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("payer_account_id", sa.String(), nullable=True),
        sa.Column("payee_account_id", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("return_url", sa.String(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('created', 'attempted', 'paid')", name=op.f("ck_payment_orders_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_orders_amount")),
        sa.CheckConstraint(
            "amount_paid + amount_capturing <= amount", name=op.f("ck_payment_orders_paid_at_most_once")
        ),
        sa.CheckConstraint("amount_paid >= 0 AND amount_capturing >= 0", name=op.f("ck_payment_orders_not_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_orders_customer_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_orders_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_orders")),
        sa.UniqueConstraint(
            "merchant_id", "mode", "reference", name=op.f("uq_payment_orders_merchant_id_mode_reference")
        ),
    )
    with op.batch_alter_table("payment_orders", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_orders_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_payment_orders_payer_account_id", ["payer_account_id", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_orders_source_id"), ["source_id"], unique=False)
    op.create_table(
        "payment_tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("card_id", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("vpa", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'cancelled')", name=op.f("ck_payment_tokens_status")),
        sa.ForeignKeyConstraint(["card_id"], ["payment_cards.id"], name=op.f("fk_payment_tokens_card_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_tokens_customer_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_tokens_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_tokens")),
        sa.UniqueConstraint("customer_id", "fingerprint", name=op.f("uq_payment_tokens_customer_id_fingerprint")),
    )
    with op.batch_alter_table("payment_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_tokens_customer_id"), ["customer_id"], unique=False)
    op.create_table(
        "payments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("invoice_id", sa.String(), nullable=True),
        sa.Column("subscription_id", sa.String(), nullable=True),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("card_id", sa.String(), nullable=True),
        sa.Column("payer_account_id", sa.String(), nullable=True),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("fee", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("tax", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("bank", sa.String(), nullable=True),
        sa.Column("wallet", sa.String(), nullable=True),
        sa.Column("vpa", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("acquirer", sa.String(), nullable=True),
        sa.Column("acquirer_reference", sa.String(), nullable=True),
        sa.Column("challenge", Json, nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.Column("risk", Json, nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("auto_capture", sa.Boolean(), nullable=False),
        sa.Column("save", sa.Boolean(), nullable=False),
        sa.Column("mail_receipt", sa.Boolean(), nullable=False),
        sa.Column("recurring", sa.Boolean(), nullable=False),
        sa.Column("hold_id", sa.String(), nullable=True),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("callback_url", sa.String(), nullable=True),
        sa.Column("settlement_id", sa.String(), nullable=True),
        sa.Column("authorized_at", UtcDateTime(), nullable=True),
        sa.Column("capturing_at", UtcDateTime(), nullable=True),
        sa.Column("captured_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "method IN ('card', 'upi', 'netbanking', 'wallet', 'bank_transfer')", name=op.f("ck_payments_method")
        ),
        sa.CheckConstraint(
            "status IN ('created', 'authorized', 'captured', 'refunded', 'failed')", name=op.f("ck_payments_status")
        ),
        sa.CheckConstraint(
            "amount > 0 AND amount_refunded >= 0 AND amount_refunded <= amount", name=op.f("ck_payments_amount")
        ),
        sa.ForeignKeyConstraint(["card_id"], ["payment_cards.id"], name=op.f("fk_payments_card_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["payment_customers.id"], name=op.f("fk_payments_customer_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payments_merchant_id")),
        sa.ForeignKeyConstraint(["order_id"], ["payment_orders.id"], name=op.f("fk_payments_order_id")),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlements.id"], name=op.f("fk_payments_settlement_id")),
        sa.ForeignKeyConstraint(["token_id"], ["payment_tokens.id"], name=op.f("fk_payments_token_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    with op.batch_alter_table("payments", schema=None) as batch_op:
        batch_op.create_index("ix_payments_captured_at", ["merchant_id", "mode", "captured_at"], unique=False)
        batch_op.create_index(
            "ix_payments_capturing_at",
            ["capturing_at"],
            unique=False,
            sqlite_where=sa.text("capturing_at IS NOT NULL"),
            postgresql_where=sa.text("capturing_at IS NOT NULL"),
        )
        batch_op.create_index("ix_payments_fingerprint", ["fingerprint", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_payments_invoice_id"), ["invoice_id"], unique=False)
        batch_op.create_index(
            "ix_payments_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payments_order_id"), ["order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_payments_payer_account_id"), ["payer_account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_payments_settlement_id"), ["settlement_id"], unique=False)
        batch_op.create_index("ix_payments_status_authorized_at", ["status", "authorized_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_payments_subscription_id"), ["subscription_id"], unique=False)
    op.create_table(
        "payment_attempts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("acquirer", sa.String(), nullable=False),
        sa.Column("vault", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('asked', 'challenge', 'approved', 'declined', 'unavailable', 'unknown')",
            name=op.f("ck_payment_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_payment_attempts_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint("payment_id", "number", name=op.f("uq_payment_attempts_payment_id_number")),
    )
    op.create_table(
        "payment_refunds",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("speed", sa.String(), nullable=False),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("acquirer_reference", sa.String(), nullable=True),
        sa.Column("hold_id", sa.String(), nullable=True),
        sa.Column("settlement_id", sa.String(), nullable=True),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'processed', 'failed')", name=op.f("ck_payment_refunds_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_refunds_amount")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_refunds_merchant_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_payment_refunds_payment_id")),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlements.id"], name=op.f("fk_payment_refunds_settlement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_refunds")),
    )
    with op.batch_alter_table("payment_refunds", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_refunds_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_refunds_payment_id"), ["payment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_payment_refunds_settlement_id"), ["settlement_id"], unique=False)
    op.create_table(
        "payment_routing",
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("chosen", sa.String(), nullable=True),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("explored", sa.Boolean(), nullable=False),
        sa.Column("candidates", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_payment_routing_payment_id")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payment_routing")),
    )


def downgrade() -> None:
    """Undo; indexes and triggers go with their tables."""
    for table in (
        "payment_routing",
        "payment_refunds",
        "payment_attempts",
        "payments",
        "payment_tokens",
        "payment_orders",
    ):
        op.drop_table(table)
