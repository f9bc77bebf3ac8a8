"""Count listeners of all processes

Revision: music_0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "music_0008"
down_revision = "music_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "music_station_listeners",
        sa.Column(
            "station_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("listeners", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "process", name=op.f("pk_music_station_listeners")),
    )
    op.create_index("ix_music_station_listeners_until", "music_station_listeners", ["until"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_station_listeners")
