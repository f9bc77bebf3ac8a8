"""How payers reach a merchant, and what a merchant is told of

Revision: payments_0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json

revision = "payments_0008"
down_revision = "payments_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name, default in (("profile", "{}"), ("told_of", '["disputes", "settlements", "failures"]')):
        column = sa.Column(name, Json, nullable=False, server_default=sa.text(f"'{default}'"))
        op.add_column("payments_merchants", column)


def downgrade() -> None:
    """Undo."""
    op.drop_column("payments_merchants", "told_of")
    op.drop_column("payments_merchants", "profile")
