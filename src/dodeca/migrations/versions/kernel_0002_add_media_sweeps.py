"""Add media sweeps

Revision: kernel_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "kernel_0002"
down_revision = "kernel_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "media_sweeps",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("seen", number, nullable=False),
        sa.Column("aside", number, nullable=False),
        sa.Column("aside_bytes", number, nullable=False),
        sa.Column("back", number, nullable=False),
        sa.Column("removed", number, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_sweeps")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("media_sweeps")
