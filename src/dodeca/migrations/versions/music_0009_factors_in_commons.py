"""Leave the factors of recommendations to the commons

Revision: music_0009

What music had learned is learned anew: the job does so within half a minute of a start, where there is anything to
learn from, and the sweep of the media store takes the old files.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "music_0009"
down_revision = "music_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_table("music_taste_models")


def downgrade() -> None:
    """Undo."""
    op.create_table(
        "music_taste_models",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("media_key", sa.String(), nullable=False),
        sa.Column("interactions", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("songs", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("trained_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_taste_models")),
    )
