"""Segments

Revision: music_0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json

revision = "music_0004"
down_revision = "music_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: where the segments of HLS lie; a programme follows from loops and shows, and needs no rows."""
    op.add_column("music_transcodes", sa.Column("segments", Json, nullable=True))
    op.drop_table("music_programme")


def downgrade() -> None:
    """Undo."""
    op.drop_column("music_transcodes", "segments")
    op.create_table(
        "music_programme",
        sa.Column("station_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offset_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("show_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("loop_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("duration_ms > 0", name=op.f("ck_music_programme_duration")),
        sa.ForeignKeyConstraint(["show_id"], ["music_shows.id"], name=op.f("fk_music_programme_show_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_programme_song_id")),
        sa.ForeignKeyConstraint(["station_id"], ["music_stations.id"], name=op.f("fk_music_programme_station_id")),
        sa.PrimaryKeyConstraint("station_id", "starts_at_ms", name=op.f("pk_music_programme")),
    )
    op.create_index("ix_music_programme_song_id", "music_programme", ["song_id"])
    op.create_index("ix_music_programme_show_id", "music_programme", ["show_id"])
