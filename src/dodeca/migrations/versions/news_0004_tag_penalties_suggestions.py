"""Penalties on tags, suggested titles and tags; an index of parents of those that have one.

Revision: news_0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "news_0004"
down_revision = "news_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "news_tags",
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("penalty", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint("penalty > 0 AND penalty <= 10", name=op.f("ck_news_tags_penalty")),
        sa.PrimaryKeyConstraint("tag", name=op.f("pk_news_tags")),
    )
    op.create_table(
        "news_suggestions",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("tags", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("title IS NOT NULL OR tags IS NOT NULL", name=op.f("ck_news_suggestions_not_empty")),
        sa.ForeignKeyConstraint(["item_id"], ["news_items.id"], name=op.f("fk_news_suggestions_item_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_news_suggestions_user_id")),
        sa.PrimaryKeyConstraint("item_id", "user_id", name=op.f("pk_news_suggestions")),
    )
    op.create_index("ix_news_suggestions_user", "news_suggestions", ["user_id"])
    op.drop_index("ix_news_items_parent", "news_items")
    has_one = sa.text("parent_id IS NOT NULL")
    op.create_index("ix_news_items_parent", "news_items", ["parent_id"], sqlite_where=has_one, postgresql_where=has_one)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_news_items_parent", "news_items")
    op.create_index("ix_news_items_parent", "news_items", ["parent_id"])
    op.drop_table("news_suggestions")
    op.drop_table("news_tags")
