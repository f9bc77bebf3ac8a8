"""Keep loudness, and who is live

Revision: music_0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "music_0006"
down_revision = "music_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Songs are measured again, a few at a time, as their loudness was not kept."""
    with op.batch_alter_table("music_shows", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("source_until", UtcDateTime(), nullable=True))

    with op.batch_alter_table("music_songs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tagged_album_gain", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("tagged_album_peak", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("loudness", sa.LargeBinary(), nullable=True))
    op.execute("UPDATE music_songs SET analysed_at = NULL WHERE audio_hash IS NOT NULL")


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("music_songs", schema=None) as batch_op:
        batch_op.drop_column("loudness")
        batch_op.drop_column("tagged_album_peak")
        batch_op.drop_column("tagged_album_gain")

    with op.batch_alter_table("music_shows", schema=None) as batch_op:
        batch_op.drop_column("source_until")
        batch_op.drop_column("source_id")
