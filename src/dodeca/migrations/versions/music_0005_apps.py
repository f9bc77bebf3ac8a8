"""Add what apps show, and how songs sound

Revision: music_0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "music_0005"
down_revision = "music_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "music_radio_links",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("stream_url", sa.String(), nullable=False),
        sa.Column("home_page_url", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_radio_links")),
    )
    op.create_table(
        "music_chat_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_chat_messages_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_chat_messages")),
    )
    with op.batch_alter_table("music_chat_messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_chat_messages_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_chat_messages_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("music_songs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("timbre", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("music_songs", schema=None) as batch_op:
        batch_op.drop_column("timbre")

    with op.batch_alter_table("music_chat_messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_music_chat_messages_user_id"))
        batch_op.drop_index(batch_op.f("ix_music_chat_messages_created_at"))

    op.drop_table("music_chat_messages")
    op.drop_table("music_radio_links")
