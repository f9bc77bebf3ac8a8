"""First tables

Revision: recommendations_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "recommendations_0001"
down_revision = None
branch_labels = ("recommendations",)
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "recommendation_factors",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("media_key", sa.String(), nullable=False),
        sa.Column("interactions", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("items", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("trained_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_factors")),
    )
    op.create_index("ix_recommendation_factors_newest", "recommendation_factors", ["product", "id"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("recommendation_factors")
