"""First tables

Revision: music_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from dodeca.kernel.db import Json, UtcDateTime

revision = "music_0001"
down_revision = None
branch_labels = ("music",)
depends_on = "accounts_0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "music_folders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_folders")),
        sa.UniqueConstraint("path", name=op.f("uq_music_folders_path")),
    )
    op.create_table(
        "music_genres",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("songs", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("albums", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_music_genres")),
    )
    op.create_table(
        "music_scans",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("added", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("changed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("missing", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("errors", Json, nullable=False),
        sa.Column("error_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_music_scans_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_scans")),
    )
    with op.batch_alter_table("music_scans", schema=None) as batch_op:
        batch_op.create_index(
            "uq_music_scans_running",
            ["state"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )
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
    op.create_table(
        "search_music_albums",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("field_title", sa.Text(), nullable=False),
        sa.Column("field_artist", sa.Text(), nullable=False),
        sa.Column("field_album", sa.Text(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_music_albums")),
        sa.UniqueConstraint("doc_id", name=op.f("uq_search_music_albums_doc_id")),
        info={"module": "music"},
    )
    with op.batch_alter_table("search_music_albums", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_music_albums_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_search_music_albums_document",
            ["document"],
            unique=False,
            postgresql_using="gin",
            sqlite_where=sa.text("document IS NOT NULL"),
        )
    op.create_table(
        "search_music_artists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("field_title", sa.Text(), nullable=False),
        sa.Column("field_artist", sa.Text(), nullable=False),
        sa.Column("field_album", sa.Text(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_music_artists")),
        sa.UniqueConstraint("doc_id", name=op.f("uq_search_music_artists_doc_id")),
        info={"module": "music"},
    )
    with op.batch_alter_table("search_music_artists", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_music_artists_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_search_music_artists_document",
            ["document"],
            unique=False,
            postgresql_using="gin",
            sqlite_where=sa.text("document IS NOT NULL"),
        )
    op.create_table(
        "search_music_playlists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("field_title", sa.Text(), nullable=False),
        sa.Column("field_artist", sa.Text(), nullable=False),
        sa.Column("field_album", sa.Text(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_music_playlists")),
        sa.UniqueConstraint("doc_id", name=op.f("uq_search_music_playlists_doc_id")),
        info={"module": "music"},
    )
    with op.batch_alter_table("search_music_playlists", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_music_playlists_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_search_music_playlists_document",
            ["document"],
            unique=False,
            postgresql_using="gin",
            sqlite_where=sa.text("document IS NOT NULL"),
        )
    op.create_table(
        "search_music_songs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("field_title", sa.Text(), nullable=False),
        sa.Column("field_artist", sa.Text(), nullable=False),
        sa.Column("field_album", sa.Text(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_music_songs")),
        sa.UniqueConstraint("doc_id", name=op.f("uq_search_music_songs_doc_id")),
        info={"module": "music"},
    )
    with op.batch_alter_table("search_music_songs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_music_songs_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_search_music_songs_document",
            ["document"],
            unique=False,
            postgresql_using="gin",
            sqlite_where=sa.text("document IS NOT NULL"),
        )
    op.create_table(
        "search_music_stations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("field_title", sa.Text(), nullable=False),
        sa.Column("field_artist", sa.Text(), nullable=False),
        sa.Column("field_album", sa.Text(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_music_stations")),
        sa.UniqueConstraint("doc_id", name=op.f("uq_search_music_stations_doc_id")),
        info={"module": "music"},
    )
    with op.batch_alter_table("search_music_stations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_music_stations_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_search_music_stations_document",
            ["document"],
            unique=False,
            postgresql_using="gin",
            sqlite_where=sa.text("document IS NOT NULL"),
        )
    op.create_table(
        "music_app_passwords",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("used_by", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_app_passwords_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_app_passwords")),
        sa.UniqueConstraint("digest", name=op.f("uq_music_app_passwords_digest")),
    )
    with op.batch_alter_table("music_app_passwords", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_app_passwords_user_id"), ["user_id"], unique=False)
    op.create_table(
        "music_artists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("sort_key", sa.String(), nullable=False),
        sa.Column("mbid", sa.String(), nullable=True),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("cover_key", sa.String(), nullable=True),
        sa.Column("public_songs", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("like_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_music_artists_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_artists")),
        sa.UniqueConstraint("mbid", name=op.f("uq_music_artists_mbid")),
    )
    with op.batch_alter_table("music_artists", schema=None) as batch_op:
        batch_op.create_index("ix_music_artists_name_key", ["name_key"], unique=False)
        batch_op.create_index(
            "ix_music_artists_public",
            ["sort_key", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "uq_music_artists_name_key",
            ["name_key"],
            unique=True,
            sqlite_where=sa.text("mbid IS NULL"),
            postgresql_where=sa.text("mbid IS NULL"),
        )
    op.create_table(
        "music_likes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('song', 'album', 'artist', 'playlist', 'comment')", name=op.f("ck_music_likes_kind")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_likes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_likes")),
        sa.UniqueConstraint("user_id", "kind", "target_id", name=op.f("uq_music_likes_user_id_kind_target_id")),
    )
    with op.batch_alter_table("music_likes", schema=None) as batch_op:
        batch_op.create_index("ix_music_likes_newest", ["user_id", "kind", "created_at", "id"], unique=False)
        batch_op.create_index("ix_music_likes_target", ["kind", "target_id", "id"], unique=False)
    op.create_table(
        "music_members",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("history_visibility", sa.String(), nullable=False),
        sa.Column("explicit", sa.Boolean(), nullable=False),
        sa.Column("max_bit_rate", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listen_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("curator", sa.Boolean(), nullable=False),
        sa.Column("taste_at", UtcDateTime(), nullable=True),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "history_visibility IN ('private', 'followers', 'public')", name=op.f("ck_music_members_history")
        ),
        sa.CheckConstraint("max_bit_rate BETWEEN 0 AND 10000", name=op.f("ck_music_members_bit_rate")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_members_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_music_members")),
    )
    with op.batch_alter_table("music_members", schema=None) as batch_op:
        batch_op.create_index("ix_music_members_taste", ["taste_at"], unique=False)
    op.create_table(
        "music_playlists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("collaborative", sa.Boolean(), nullable=False),
        sa.Column("curated", sa.Boolean(), nullable=False),
        sa.Column("rules", Json, nullable=True),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("song_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("like_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cover_key", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "visibility IN ('private', 'unlisted', 'public')", name=op.f("ck_music_playlists_visibility")
        ),
        sa.CheckConstraint("rules IS NULL OR song_count = 0", name=op.f("ck_music_playlists_smart")),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_music_playlists_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_playlists")),
    )
    with op.batch_alter_table("music_playlists", schema=None) as batch_op:
        batch_op.create_index("ix_music_playlists_owner", ["owner_id", "updated_at", "id"], unique=False)
        batch_op.create_index(
            "ix_music_playlists_public",
            ["updated_at", "id"],
            unique=False,
            sqlite_where=sa.text("visibility = 'public'"),
            postgresql_where=sa.text("visibility = 'public'"),
        )
    op.create_table(
        "music_queues",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("song_ids", Json, nullable=False),
        sa.Column("current_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("position_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_queues_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_music_queues")),
    )
    op.create_table(
        "music_ratings",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rating", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('song', 'album', 'artist', 'playlist')", name=op.f("ck_music_ratings_kind")),
        sa.CheckConstraint("rating = -1 OR rating BETWEEN 1 AND 5", name=op.f("ck_music_ratings_rating")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_ratings_user_id")),
        sa.PrimaryKeyConstraint("user_id", "kind", "target_id", name=op.f("pk_music_ratings")),
    )
    with op.batch_alter_table("music_ratings", schema=None) as batch_op:
        batch_op.create_index("ix_music_ratings_target", ["kind", "target_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_ratings")
    op.drop_table("music_queues")
    op.drop_table("music_playlists")
    op.drop_table("music_members")
    op.drop_table("music_likes")
    op.drop_table("music_artists")
    op.drop_table("music_app_passwords")
    op.drop_table("search_music_stations")
    op.drop_table("search_music_songs")
    op.drop_table("search_music_playlists")
    op.drop_table("search_music_artists")
    op.drop_table("search_music_albums")
    op.drop_table("music_taste_models")
    op.drop_table("music_scans")
    op.drop_table("music_genres")
    op.drop_table("music_folders")
