"""What is to be settled, splits, downtimes

Revision: payments_0006
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "payments_0006"
down_revision = "payments_0005"
branch_labels = None
depends_on = None

OWNED = ("merchant_id", "mode", "currency")
UNSETTLED = """
UPDATE payments_payments SET unsettled_since = captured_at
WHERE settlement_id IS NULL AND captured_at IS NOT NULL
AND (order_id IS NULL OR order_id IN (SELECT id FROM payments_orders WHERE payee_account_id IS NULL))
AND id NOT IN (SELECT payment_id FROM payments_disputes WHERE status IN ('open', 'under_review'))
"""


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, unique=unique, **condition)


def upgrade() -> None:
    """Apply."""
    _tables()
    op.add_column("payments_payments", sa.Column("unsettled_since", UtcDateTime(), nullable=True))
    op.execute(UNSETTLED)
    op.drop_index("ix_payments_payments_captured_at", "payments_payments")
    op.drop_index("ix_payments_payments_unsettled", "payments_payments")
    _partial(
        "ix_payments_payments_unsettled_since",
        "payments_payments",
        [*OWNED, "unsettled_since"],
        "unsettled_since IS NOT NULL",
    )
    _partial(
        "ix_payments_payments_challenged",
        "payments_payments",
        ["created_at"],
        "status = 'created' AND challenge IS NOT NULL",
    )
    _partial(
        "uq_payments_payments_bank_reference",
        "payments_payments",
        ["merchant_id", "mode", "acquirer_reference"],
        "acquirer = 'bank'",
        unique=True,
    )
    _partial("ix_payments_orders_receipt", "payments_orders", ["merchant_id", "mode", "receipt"], "receipt IS NOT NULL")
    with op.batch_alter_table("payments_payouts") as payouts:
        payouts.add_column(sa.Column("settlement_id", sa.String(), nullable=True))
        payouts.create_foreign_key(
            op.f("fk_payments_payouts_settlement_id"), "payments_settlements", ["settlement_id"], ["id"]
        )
    _partial("ix_payments_payouts_settlement_id", "payments_payouts", ["settlement_id"], "settlement_id IS NOT NULL")

    _partial(
        "ix_payments_payouts_unsettled",
        "payments_payouts",
        ["owner", "mode", "currency"],
        "settlement_id IS NULL AND status = 'processed' AND code = 'merchant'",
    )
    _partial(
        "ix_payments_refunds_unsettled",
        "payments_refunds",
        list(OWNED),
        "settlement_id IS NULL AND status = 'processed'",
    )


def _tables() -> None:
    op.create_table(
        "payments_downtimes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("told", sa.String(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_payments_downtimes_mode")),
        sa.CheckConstraint("told IN ('none', 'started', 'resolved')", name=op.f("ck_payments_downtimes_told")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_downtimes")),
    )
    op.create_index("ix_payments_downtimes_began_at", "payments_downtimes", ["mode", "began_at"])
    _partial(
        "uq_payments_downtimes_going_on", "payments_downtimes", ["mode", "method"], "ended_at IS NULL", unique=True
    )
    op.create_table(
        "payments_splits",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hold_until", UtcDateTime(), nullable=True),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.Column("unsettled_since", UtcDateTime(), nullable=True),
        sa.Column("settlement_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_splits_amount")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["payments_merchants.id"], name=op.f("fk_payments_splits_merchant_id")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments_payments.id"], name=op.f("fk_payments_splits_payment_id")),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["payments_settlements.id"], name=op.f("fk_payments_splits_settlement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_splits")),
    )
    op.create_index(op.f("ix_payments_splits_payment_id"), "payments_splits", ["payment_id"])
    _partial("ix_payments_splits_held", "payments_splits", ["hold_until"], "released_at IS NULL")
    _partial("ix_payments_splits_settlement_id", "payments_splits", ["settlement_id"], "settlement_id IS NOT NULL")
    _partial(
        "ix_payments_splits_unsettled_since",
        "payments_splits",
        [*OWNED, "unsettled_since"],
        "unsettled_since IS NOT NULL",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_payments_refunds_unsettled", "payments_refunds")
    op.drop_index("ix_payments_payouts_unsettled", "payments_payouts")
    op.drop_index("ix_payments_payouts_settlement_id", "payments_payouts")
    with op.batch_alter_table("payments_payouts") as payouts:
        payouts.drop_constraint(op.f("fk_payments_payouts_settlement_id"), type_="foreignkey")
        payouts.drop_column("settlement_id")
    op.drop_index("ix_payments_orders_receipt", "payments_orders")
    op.drop_index("uq_payments_payments_bank_reference", "payments_payments")
    op.drop_index("ix_payments_payments_challenged", "payments_payments")
    op.drop_index("ix_payments_payments_unsettled_since", "payments_payments")
    _partial(
        "ix_payments_payments_unsettled",
        "payments_payments",
        [*OWNED, "captured_at"],
        "settlement_id IS NULL AND captured_at IS NOT NULL",
    )
    op.create_index("ix_payments_payments_captured_at", "payments_payments", ["merchant_id", "mode", "captured_at"])
    op.execute("ALTER TABLE payments_payments DROP COLUMN unsettled_since")
    op.drop_table("payments_splits")
    op.drop_table("payments_downtimes")
