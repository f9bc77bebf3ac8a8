"""Listening tables

Revision: music_0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime

revision = "music_0003"
down_revision = "music_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "music_bookmarks",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_bookmarks_song_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_bookmarks_user_id")),
        sa.PrimaryKeyConstraint("user_id", "song_id", name=op.f("pk_music_bookmarks")),
    )
    with op.batch_alter_table("music_bookmarks", schema=None) as batch_op:
        batch_op.create_index("ix_music_bookmarks_song", ["song_id"], unique=False)
    op.create_table(
        "music_comments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("like_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("edited_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('live', 'deleted', 'hidden')", name=op.f("ck_music_comments_state")),
        sa.CheckConstraint("at_ms IS NULL OR at_ms >= 0", name=op.f("ck_music_comments_at_ms")),
        sa.ForeignKeyConstraint(["parent_id"], ["music_comments.id"], name=op.f("fk_music_comments_parent_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_comments_song_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_comments_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_comments")),
    )
    with op.batch_alter_table("music_comments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_comments_parent_id"), ["parent_id"], unique=False)
        batch_op.create_index("ix_music_comments_song", ["song_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_music_comments_user", ["user_id", "created_at"], unique=False)
    op.create_table(
        "music_exclusions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("from_at", UtcDateTime(), nullable=True),
        sa.Column("to_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(CASE WHEN song_id IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN device IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN from_at IS NULL THEN 0 ELSE 1 END) = 1",
            name=op.f("ck_music_exclusions_one_kind"),
        ),
        sa.CheckConstraint("(from_at IS NULL) = (to_at IS NULL)", name=op.f("ck_music_exclusions_span")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_exclusions_song_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_exclusions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_exclusions")),
    )
    with op.batch_alter_table("music_exclusions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_exclusions_song_id"), ["song_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_exclusions_user_id"), ["user_id"], unique=False)
    op.create_table(
        "music_files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("folder_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("seen", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["music_folders.id"], name=op.f("fk_music_files_folder_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_files_song_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_files")),
        sa.UniqueConstraint("folder_id", "path", name=op.f("uq_music_files_folder_id_path")),
    )
    with op.batch_alter_table("music_files", schema=None) as batch_op:
        batch_op.create_index("ix_music_files_seen", ["folder_id", "seen"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_files_song_id"), ["song_id"], unique=False)
    op.create_table(
        "music_listens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("listened_at", UtcDateTime(), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("artist_name", sa.String(), nullable=False),
        sa.Column("track_name", sa.String(), nullable=False),
        sa.Column("release_name", sa.String(), nullable=False),
        sa.Column("work_key", sa.String(), nullable=False),
        sa.Column("ms_played", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("play_id", sa.String(), nullable=True),
        sa.Column("info", Json, nullable=True),
        sa.Column("inserted_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_listens_song_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_listens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_listens")),
        sa.UniqueConstraint("user_id", "dedupe_key", name=op.f("uq_music_listens_user_id_dedupe_key")),
    )
    with op.batch_alter_table("music_listens", schema=None) as batch_op:
        batch_op.create_index(
            "ix_music_listens_play",
            ["user_id", "play_id"],
            unique=False,
            sqlite_where=sa.text("play_id IS NOT NULL"),
            postgresql_where=sa.text("play_id IS NOT NULL"),
        )
        batch_op.create_index("ix_music_listens_song", ["song_id", "listened_at"], unique=False)
        batch_op.create_index(
            "ix_music_listens_unknown",
            ["work_key"],
            unique=False,
            sqlite_where=sa.text("song_id IS NULL"),
            postgresql_where=sa.text("song_id IS NULL"),
        )
        batch_op.create_index("ix_music_listens_user", ["user_id", "listened_at", "id"], unique=False)
    op.create_table(
        "music_now_playing",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("artist_name", sa.String(), nullable=False),
        sa.Column("track_name", sa.String(), nullable=False),
        sa.Column("release_name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("position_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("info", Json, nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_now_playing_song_id")),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_now_playing_user_id")),
        sa.PrimaryKeyConstraint("user_id", "device", name=op.f("pk_music_now_playing")),
    )
    with op.batch_alter_table("music_now_playing", schema=None) as batch_op:
        batch_op.create_index("ix_music_now_playing_expires", ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_now_playing_song_id"), ["song_id"], unique=False)
    op.create_table(
        "music_playlist_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("playlist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rank", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("added_by", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["accounts.id"], name=op.f("fk_music_playlist_items_added_by")),
        sa.ForeignKeyConstraint(
            ["playlist_id"], ["music_playlists.id"], name=op.f("fk_music_playlist_items_playlist_id")
        ),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_playlist_items_song_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_playlist_items")),
        sa.UniqueConstraint("playlist_id", "rank", name=op.f("uq_music_playlist_items_playlist_id_rank")),
    )
    with op.batch_alter_table("music_playlist_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_playlist_items_song_id"), ["song_id"], unique=False)
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
    with op.batch_alter_table("music_programme", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_programme_show_id"), ["show_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_programme_song_id"), ["song_id"], unique=False)
    op.create_table(
        "music_song_credits",
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("artist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["artist_id"], ["music_artists.id"], name=op.f("fk_music_song_credits_artist_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_song_credits_song_id")),
        sa.PrimaryKeyConstraint("song_id", "role", "position", name=op.f("pk_music_song_credits")),
    )
    with op.batch_alter_table("music_song_credits", schema=None) as batch_op:
        batch_op.create_index("ix_music_song_credits_artist", ["artist_id", "song_id"], unique=False)
    op.create_table(
        "music_song_genres",
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("genre_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["genre_key"], ["music_genres.key"], name=op.f("fk_music_song_genres_genre_key")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_song_genres_song_id")),
        sa.PrimaryKeyConstraint("song_id", "genre_key", name=op.f("pk_music_song_genres")),
    )
    with op.batch_alter_table("music_song_genres", schema=None) as batch_op:
        batch_op.create_index("ix_music_song_genres_genre", ["genre_key", "song_id"], unique=False)
    op.create_table(
        "music_song_versions",
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("editor_id", sa.String(), nullable=True),
        sa.Column("tags", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["editor_id"], ["accounts.id"], name=op.f("fk_music_song_versions_editor_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_song_versions_song_id")),
        sa.PrimaryKeyConstraint("song_id", "version", name=op.f("pk_music_song_versions")),
    )
    op.create_table(
        "music_transcodes",
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("media_key", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_transcodes_song_id")),
        sa.PrimaryKeyConstraint("song_id", "profile", name=op.f("pk_music_transcodes")),
    )
    with op.batch_alter_table("music_transcodes", schema=None) as batch_op:
        batch_op.create_index("ix_music_transcodes_used", ["used_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_transcodes")
    op.drop_table("music_song_versions")
    op.drop_table("music_song_genres")
    op.drop_table("music_song_credits")
    op.drop_table("music_programme")
    op.drop_table("music_playlist_items")
    op.drop_table("music_now_playing")
    op.drop_table("music_listens")
    op.drop_table("music_files")
    op.drop_table("music_exclusions")
    op.drop_table("music_comments")
    op.drop_table("music_bookmarks")
