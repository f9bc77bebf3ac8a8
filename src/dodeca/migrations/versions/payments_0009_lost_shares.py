"""Shares that lost disputes take back, indexes of rare states and of events' types

Revision: payments_0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "payments_0009"
down_revision = "payments_0008"
branch_labels = None
depends_on = None

REVERSALS = "payments_reversals"
STATUS = "ix_payments_payments_status"
TYPE = "ix_payments_events_type"
LISTED = ("merchant_id", "mode")


def upgrade() -> None:
    """Apply."""
    where = sa.text("status <> 'captured'")
    op.create_index(
        STATUS,
        "payments_payments",
        [*LISTED, "status", "created_at", "id"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_index(TYPE, "payments_events", [*LISTED, "type", "created_at", "id"])
    with op.batch_alter_table(REVERSALS, reflect_kwargs={"resolve_fks": False}) as table:
        table.add_column(sa.Column("dispute_id", sa.String(), nullable=True))
        table.alter_column("refund_id", existing_type=sa.String(), nullable=True)
        table.create_foreign_key(op.f("fk_payments_reversals_dispute_id"), "payments_disputes", ["dispute_id"], ["id"])
        table.create_unique_constraint(op.f("uq_payments_reversals_dispute_id_split_id"), ["dispute_id", "split_id"])
        table.create_check_constraint(
            op.f("ck_payments_reversals_cause"), "(refund_id IS NULL) <> (dispute_id IS NULL)"
        )


def downgrade() -> None:
    """Undo. What lost disputes took back stays in the ledger."""
    op.execute("DELETE FROM payments_reversals WHERE refund_id IS NULL")
    with op.batch_alter_table(REVERSALS, reflect_kwargs={"resolve_fks": False}) as table:
        table.drop_constraint(op.f("ck_payments_reversals_cause"), type_="check")
        table.drop_constraint(op.f("uq_payments_reversals_dispute_id_split_id"), type_="unique")
        table.drop_constraint(op.f("fk_payments_reversals_dispute_id"), type_="foreignkey")
        table.alter_column("refund_id", existing_type=sa.String(), nullable=False)
        table.drop_column("dispute_id")
    op.drop_index(TYPE, "payments_events")
    op.drop_index(STATUS, "payments_payments")
