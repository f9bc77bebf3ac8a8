"""Shares that refunds take back, the mode of cards, indexes that bind on NULL

Revision: payments_0007
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "payments_0007"
down_revision = "payments_0006"
branch_labels = None
depends_on = None

LIVE = """
UPDATE payments_cards SET mode = 'live' WHERE id IN (
    SELECT card_id FROM payments_payments WHERE mode = 'live' AND card_id IS NOT NULL
    UNION SELECT card_id FROM payments_tokens WHERE mode = 'live' AND card_id IS NOT NULL
) AND merchant_id IS NOT NULL
"""
BANK = "uq_payments_payments_bank_reference"
RECEIPT = "ix_payments_orders_receipt"
OWNED = ("mode", "currency")


def _partial(name: str, table: str, columns: Sequence[Any], where: str, *, unique: bool = False) -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, list(columns), unique=unique, **condition)


def upgrade() -> None:
    """Apply."""
    op.add_column("payments_cards", sa.Column("mode", sa.String(), nullable=True))
    op.execute("UPDATE payments_cards SET mode = 'test' WHERE merchant_id IS NOT NULL")
    op.execute(LIVE)
    op.add_column(
        "payments_refunds", sa.Column("reverses", sa.Boolean(), nullable=False, server_default=sa.false())
    )  # those of before left the shares with others
    op.drop_index(BANK, "payments_payments")
    bound = ["merchant_id", "mode", sa.text("coalesce(acquirer_reference, '')")]
    _partial(BANK, "payments_payments", bound, "acquirer = 'bank'", unique=True)
    _partial(
        "uq_payments_invoices_without_period",
        "payments_invoices",
        ["subscription_id"],
        "period_key IS NULL",
        unique=True,
    )
    op.drop_index(RECEIPT, "payments_orders")
    ordered = ["merchant_id", "mode", "receipt", "created_at", "id"]
    _partial(RECEIPT, "payments_orders", ordered, "receipt IS NOT NULL")
    _reversals()


def _reversals() -> None:
    table = "payments_reversals"
    references = {
        "refund_id": "payments_refunds",
        "split_id": "payments_splits",
        "payment_id": "payments_payments",
        "merchant_id": "payments_merchants",
        "to_merchant_id": "payments_merchants",
        "settlement_id": "payments_settlements",
        "credited_id": "payments_settlements",
    }
    op.create_table(
        table,
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("split_id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("to_merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("settlement_id", sa.String(), nullable=True),
        sa.Column("credited_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_reversals_amount")),
        *(
            sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))
            for column, other in references.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments_reversals")),
        sa.UniqueConstraint("refund_id", "split_id", name=op.f("uq_payments_reversals_refund_id_split_id")),
    )
    for column in ("split_id", "payment_id"):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    _partial(f"ix_{table}_unsettled", table, ["merchant_id", *OWNED], "settlement_id IS NULL")
    _partial(f"ix_{table}_uncredited", table, ["to_merchant_id", *OWNED], "credited_id IS NULL")
    for column in ("settlement_id", "credited_id"):
        _partial(f"ix_{table}_{column}", table, [column], f"{column} IS NOT NULL")


def downgrade() -> None:
    """Undo."""
    op.drop_table("payments_reversals")
    op.drop_index(RECEIPT, "payments_orders")
    _partial(RECEIPT, "payments_orders", ["merchant_id", "mode", "receipt"], "receipt IS NOT NULL")
    op.drop_index("uq_payments_invoices_without_period", "payments_invoices")
    op.drop_index(BANK, "payments_payments")
    _partial(BANK, "payments_payments", ["merchant_id", "mode", "acquirer_reference"], "acquirer = 'bank'", unique=True)
    op.drop_column("payments_refunds", "reverses")
    op.drop_column("payments_cards", "mode")
