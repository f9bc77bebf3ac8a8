"""Count changes of the catalogue

Revision: music_0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "music_0007"
down_revision = "music_0006"
branch_labels = None
depends_on = None


_LISTED = {
    "newest": ("created_at", "id"),
    "popular": ("play_count", "id"),
    "title": ("title_key", "id"),
}


def upgrade() -> None:
    """Apply. SQLite did not use the indexes of songs by whether they are listed: queries say `listed = 1`."""
    op.create_table(
        "music_catalogue",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_music_catalogue_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_catalogue")),
    )
    for name in (*_LISTED, "waiting"):
        op.drop_index(f"ix_music_songs_{name}", table_name="music_songs")
    for name, columns in _LISTED.items():
        _create(name, columns, "listed = 1", "listed")
    _create("waiting", ("visibility", "published_at"), "listed = 0", "NOT listed")
    _create("hidden", ("uploader_id",), "listed = 0", "NOT listed")


def downgrade() -> None:
    """Undo."""
    for name in (*_LISTED, "waiting", "hidden"):
        op.drop_index(f"ix_music_songs_{name}", table_name="music_songs")
    for name, columns in _LISTED.items():
        _create(name, columns, "listed", "listed")
    waiting = "NOT listed AND visibility = 'public'"
    _create("waiting", ("published_at",), waiting, waiting)
    op.drop_table("music_catalogue")


def _create(name: str, columns: tuple[str, ...], sqlite: str, postgresql: str) -> None:
    op.create_index(
        f"ix_music_songs_{name}",
        "music_songs",
        list(columns),
        sqlite_where=sa.text(sqlite),
        postgresql_where=sa.text(postgresql),
    )
