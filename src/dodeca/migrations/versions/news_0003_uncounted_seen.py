"""How many votes that do not count a moderator has looked at.

Revision: news_0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "news_0003"
down_revision = "news_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("news_items", sa.Column("uncounted_seen", number, nullable=False, server_default="0"))


def downgrade() -> None:
    """Undo."""
    op.drop_column("news_items", "uncounted_seen")
