"""What a request for a settlement on demand said of it

Revision: payments_0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json

revision = "payments_0010"
down_revision = "payments_0009"
branch_labels = None
depends_on = None

TABLES = ("payments_settlements", "payments_payouts")


def upgrade() -> None:
    """Apply."""
    for table in TABLES:
        op.add_column(table, sa.Column("asked", Json, nullable=False, server_default=sa.text("'{}'")))


def downgrade() -> None:
    """Undo."""
    for table in TABLES:
        op.drop_column(table, "asked")
