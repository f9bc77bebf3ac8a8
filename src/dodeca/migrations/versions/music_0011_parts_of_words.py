"""Find names by parts of their words without reading all of them

The index itself is made beside the tables, see `kernel.search.parts`.

Revision: music_0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "music_0011"
down_revision = "music_0010"
branch_labels = None
depends_on = None

TABLES = tuple(f"search_music_{kind}" for kind in ("songs", "albums", "artists", "playlists", "stations"))


def upgrade() -> None:
    """Apply."""
    for name in TABLES:
        op.add_column(name, sa.Column("parts", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in TABLES:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TABLE IF EXISTS {name}_parts")
        with op.batch_alter_table(name) as batch_op:
            batch_op.drop_column("parts")
