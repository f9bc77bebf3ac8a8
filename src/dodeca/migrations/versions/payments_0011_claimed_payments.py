"""Payments of guests that accounts have claimed

Revision: payments_0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "payments_0011"
down_revision = "payments_0010"
branch_labels = None
depends_on = None

TABLE = "payments_payments"
CLAIMED, UNCLAIMED = "ix_payments_payments_claimed_by", "ix_payments_payments_unclaimed"


def upgrade() -> None:
    """Apply."""
    op.add_column(TABLE, sa.Column("claimed_by", sa.String(), nullable=True))
    for name, column, condition in (
        (CLAIMED, "claimed_by", "claimed_by IS NOT NULL"),
        (UNCLAIMED, sa.text("lower(email)"), "mail_receipt AND payer_account_id IS NULL AND claimed_by IS NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, TABLE, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Undo."""
    for name in (UNCLAIMED, CLAIMED):
        op.drop_index(name, TABLE)
    op.drop_column(TABLE, "claimed_by")
