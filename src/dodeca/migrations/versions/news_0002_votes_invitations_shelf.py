"""Indexes that votes need, invitations, the shelf, accepted answers, and how warm comments are.

Revision: news_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "news_0002"
down_revision = "news_0001"
branch_labels = None
depends_on = None


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    """A partial index."""
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "news_invitations",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("inviter_id", sa.String(), nullable=False),
        sa.Column("used_by", sa.String(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("(used_by IS NULL) = (used_at IS NULL)", name=op.f("ck_news_invitations_used")),
        sa.CheckConstraint("used_by IS NULL OR used_by <> inviter_id", name=op.f("ck_news_invitations_not_own")),
        sa.ForeignKeyConstraint(["inviter_id"], ["accounts.id"], name=op.f("fk_news_invitations_inviter_id")),
        sa.ForeignKeyConstraint(["used_by"], ["accounts.id"], name=op.f("fk_news_invitations_used_by")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_news_invitations")),
        sa.UniqueConstraint("used_by", name=op.f("uq_news_invitations_used_by")),
    )
    op.create_index("ix_news_invitations_inviter_id", "news_invitations", ["inviter_id"])
    op.create_table(
        "news_shelf",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('item', 'favorite')", name=op.f("ck_news_shelf_kind")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_news_shelf_user_id")),
        sa.PrimaryKeyConstraint("user_id", "kind", "ref", name=op.f("pk_news_shelf")),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("news_items", sa.Column("accepted_id", number, nullable=True))
    op.drop_index("ix_news_posts_kind", table_name="news_items")
    where = "parent_id IS NULL AND kind <> 'story'"
    _index("ix_news_posts_kind", "news_items", ["kind", "rank", "id"], where)
    _index("ix_news_items_unseen", "news_items", ["author_id"], "state <> 'live' AND state <> 'deleted'")
    op.drop_index("ix_news_votes_author", table_name="news_votes")
    _index("ix_news_votes_down", "news_votes", ["user_id", "created_at"], "direction = -1")
    _index("ix_news_votes_address", "news_votes", ["item_id", "address_hash"], "address_hash IS NOT NULL")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    seconds = "strftime('%s', created_at)" if is_sqlite else "extract(epoch FROM created_at)"
    # Comments had no warmth: by their age alone they begin where comments of one point stand.
    op.execute(f"UPDATE news_items SET heat = {seconds} / 172800.0 WHERE type = 'comment' AND heat = 0")  # noqa: S608


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_news_votes_address", table_name="news_votes")
    op.drop_index("ix_news_votes_down", table_name="news_votes")
    op.create_index("ix_news_votes_author", "news_votes", ["author_id"])
    op.drop_index("ix_news_items_unseen", table_name="news_items")
    op.drop_index("ix_news_posts_kind", table_name="news_items")
    _index("ix_news_posts_kind", "news_items", ["kind", "rank", "id"], "parent_id IS NULL")
    op.drop_column("news_items", "accepted_id")
    op.drop_table("news_shelf")
    op.drop_table("news_invitations")
