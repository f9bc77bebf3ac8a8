"""Keep how far uploaded songs are on their way to being ready

Revision: music_0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "music_0010"
down_revision = "music_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "music_preparations",
        sa.Column("song_id", whole, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("tries", whole, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('measuring', 'packaging', 'ready', 'failed')", name=op.f("ck_music_preparations_state")
        ),
        sa.CheckConstraint("share >= 0 AND share <= 1", name=op.f("ck_music_preparations_share")),
        sa.ForeignKeyConstraint(
            ["song_id"], ["music_songs.id"], name=op.f("fk_music_preparations_song_id_music_songs")
        ),
        sa.PrimaryKeyConstraint("song_id", name=op.f("pk_music_preparations")),
    )
    op.create_index(
        "ix_music_preparations_waiting",
        "music_preparations",
        ["due_at", "song_id"],
        sqlite_where=sa.text("state = 'packaging'"),
        postgresql_where=sa.text("state = 'packaging'"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_preparations")
