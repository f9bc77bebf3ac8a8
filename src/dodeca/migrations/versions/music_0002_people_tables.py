"""People tables

Revision: music_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime

revision = "music_0002"
down_revision = "music_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "music_shares",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("download", sa.Boolean(), nullable=False),
        sa.Column("visit_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("visited_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_music_shares_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_shares")),
        sa.UniqueConstraint("token", name=op.f("uq_music_shares_token")),
    )
    with op.batch_alter_table("music_shares", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_shares_owner_id"), ["owner_id"], unique=False)
    op.create_table(
        "music_albums",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_key", sa.String(), nullable=False),
        sa.Column("sort_key", sa.String(), nullable=False),
        sa.Column("artist_name", sa.String(), nullable=False),
        sa.Column("artist_key", sa.String(), nullable=False),
        sa.Column("artist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("artists_key", sa.String(), nullable=False),
        sa.Column("year", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("year_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("release_date", sa.String(), nullable=True),
        sa.Column("mbid", sa.String(), nullable=True),
        sa.Column("genre_key", sa.String(), nullable=True),
        sa.Column("cover_key", sa.String(), nullable=True),
        sa.Column("album_gain", sa.Double(), nullable=True),
        sa.Column("album_peak", sa.Double(), nullable=True),
        sa.Column("public_songs", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("play_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("like_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rating_sum", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rating_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("recent_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("year_key = coalesce(year, 0)", name=op.f("ck_music_albums_year")),
        sa.ForeignKeyConstraint(["artist_id"], ["music_artists.id"], name=op.f("fk_music_albums_artist_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_albums")),
        sa.UniqueConstraint("mbid", name=op.f("uq_music_albums_mbid")),
    )
    with op.batch_alter_table("music_albums", schema=None) as batch_op:
        batch_op.create_index(
            "ix_music_albums_artist",
            ["artist_key", "sort_key", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(batch_op.f("ix_music_albums_artist_id"), ["artist_id"], unique=False)
        batch_op.create_index(
            "ix_music_albums_genre",
            ["genre_key", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "ix_music_albums_name",
            ["sort_key", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "ix_music_albums_newest",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "ix_music_albums_plays",
            ["play_count", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "ix_music_albums_rating",
            ["rating_sum", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0 AND rating_count > 0"),
            postgresql_where=sa.text("public_songs > 0 AND rating_count > 0"),
        )
        batch_op.create_index(
            "ix_music_albums_recent",
            ["recent_at", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0 AND recent_at IS NOT NULL"),
            postgresql_where=sa.text("public_songs > 0 AND recent_at IS NOT NULL"),
        )
        batch_op.create_index("ix_music_albums_title_key", ["title_key"], unique=False)
        batch_op.create_index(
            "ix_music_albums_year",
            ["year_key", "id"],
            unique=False,
            sqlite_where=sa.text("public_songs > 0"),
            postgresql_where=sa.text("public_songs > 0"),
        )
        batch_op.create_index(
            "uq_music_albums_identity",
            ["artists_key", "title_key", "year_key"],
            unique=True,
            sqlite_where=sa.text("mbid IS NULL"),
            postgresql_where=sa.text("mbid IS NULL"),
        )
    op.create_table(
        "music_collaborators",
        sa.Column("playlist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["playlist_id"], ["music_playlists.id"], name=op.f("fk_music_collaborators_playlist_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_music_collaborators_user_id")),
        sa.PrimaryKeyConstraint("playlist_id", "user_id", name=op.f("pk_music_collaborators")),
    )
    with op.batch_alter_table("music_collaborators", schema=None) as batch_op:
        batch_op.create_index("ix_music_collaborators_user", ["user_id"], unique=False)
    op.create_table(
        "music_share_items",
        sa.Column("share_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("kind IN ('song', 'album', 'artist', 'playlist')", name=op.f("ck_music_share_items_kind")),
        sa.ForeignKeyConstraint(["share_id"], ["music_shares.id"], name=op.f("fk_music_share_items_share_id")),
        sa.PrimaryKeyConstraint("share_id", "position", name=op.f("pk_music_share_items")),
    )
    with op.batch_alter_table("music_share_items", schema=None) as batch_op:
        batch_op.create_index("ix_music_share_items_target", ["kind", "target_id"], unique=False)
    op.create_table(
        "music_stations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("playlist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('station', 'party')", name=op.f("ck_music_stations_kind")),
        sa.CheckConstraint("visibility IN ('private', 'public')", name=op.f("ck_music_stations_visibility")),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_music_stations_owner_id")),
        sa.ForeignKeyConstraint(["playlist_id"], ["music_playlists.id"], name=op.f("fk_music_stations_playlist_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_stations")),
        sa.UniqueConstraint("key", name=op.f("uq_music_stations_key")),
        sa.UniqueConstraint("slug", name=op.f("uq_music_stations_slug")),
    )
    with op.batch_alter_table("music_stations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_stations_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_music_stations_playlist_id"), ["playlist_id"], unique=False)
        batch_op.create_index(
            "ix_music_stations_public",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("visibility = 'public' AND ended_at IS NULL"),
            postgresql_where=sa.text("visibility = 'public' AND ended_at IS NULL"),
        )
    op.create_table(
        "music_album_artists",
        sa.Column("album_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("artist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["album_id"], ["music_albums.id"], name=op.f("fk_music_album_artists_album_id")),
        sa.ForeignKeyConstraint(["artist_id"], ["music_artists.id"], name=op.f("fk_music_album_artists_artist_id")),
        sa.PrimaryKeyConstraint("album_id", "position", name=op.f("pk_music_album_artists")),
    )
    with op.batch_alter_table("music_album_artists", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_music_album_artists_artist_id"), ["artist_id"], unique=False)
    op.create_table(
        "music_shows",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("station_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("songs", Json, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("media_key", sa.String(), nullable=True),
        sa.Column("media_type", sa.String(), nullable=True),
        sa.Column("media_size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_music_shows_span")),
        sa.ForeignKeyConstraint(["station_id"], ["music_stations.id"], name=op.f("fk_music_shows_station_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_shows")),
    )
    with op.batch_alter_table("music_shows", schema=None) as batch_op:
        batch_op.create_index("ix_music_shows_station", ["station_id", "starts_at"], unique=False)
    op.create_table(
        "music_songs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_key", sa.String(), nullable=False),
        sa.Column("artist_name", sa.String(), nullable=False),
        sa.Column("artist_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("album_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("work_key", sa.String(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("track", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("disc", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("year", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("genres", Json, nullable=False),
        sa.Column("explicit", sa.Boolean(), nullable=False),
        sa.Column("isrc", sa.String(), nullable=True),
        sa.Column("mbid", sa.String(), nullable=True),
        sa.Column("codec", sa.String(), nullable=True),
        sa.Column("suffix", sa.String(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("bit_rate", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("sample_rate", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("channels", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("bit_depth", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("audio_hash", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("library_key", sa.String(), nullable=False),
        sa.Column("library_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("media_key", sa.String(), nullable=True),
        sa.Column("video_key", sa.String(), nullable=True),
        sa.Column("video_type", sa.String(), nullable=True),
        sa.Column("cover_key", sa.String(), nullable=True),
        sa.Column("lyrics", sa.String(), nullable=True),
        sa.Column("waveform", sa.LargeBinary(), nullable=True),
        sa.Column("track_gain", sa.Double(), nullable=True),
        sa.Column("track_peak", sa.Double(), nullable=True),
        sa.Column("analysed_at", UtcDateTime(), nullable=True),
        sa.Column("uploader_id", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("missing_at", UtcDateTime(), nullable=True),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("play_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("like_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rating_sum", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rating_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recent_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "NOT listed OR (visibility = 'public' AND approved AND missing_at IS NULL)",
            name=op.f("ck_music_songs_listed"),
        ),
        sa.CheckConstraint("visibility IN ('public', 'private')", name=op.f("ck_music_songs_visibility")),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_music_songs_duration")),
        sa.ForeignKeyConstraint(["album_id"], ["music_albums.id"], name=op.f("fk_music_songs_album_id")),
        sa.ForeignKeyConstraint(["artist_id"], ["music_artists.id"], name=op.f("fk_music_songs_artist_id")),
        sa.ForeignKeyConstraint(["library_id"], ["music_folders.id"], name=op.f("fk_music_songs_library_id")),
        sa.ForeignKeyConstraint(["uploader_id"], ["accounts.id"], name=op.f("fk_music_songs_uploader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_music_songs")),
        sa.UniqueConstraint("library_key", "audio_hash", name=op.f("uq_music_songs_library_key_audio_hash")),
    )
    with op.batch_alter_table("music_songs", schema=None) as batch_op:
        batch_op.create_index("ix_music_songs_album", ["album_id"], unique=False)
        batch_op.create_index("ix_music_songs_artist", ["artist_id", "id"], unique=False)
        batch_op.create_index(
            "ix_music_songs_audio",
            ["audio_hash"],
            unique=False,
            sqlite_where=sa.text("audio_hash IS NOT NULL"),
            postgresql_where=sa.text("audio_hash IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_music_songs_isrc",
            ["isrc"],
            unique=False,
            sqlite_where=sa.text("isrc IS NOT NULL"),
            postgresql_where=sa.text("isrc IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_music_songs_mbid",
            ["mbid"],
            unique=False,
            sqlite_where=sa.text("mbid IS NOT NULL"),
            postgresql_where=sa.text("mbid IS NOT NULL"),
        )
        batch_op.create_index("ix_music_songs_media", ["media_key"], unique=False)
        batch_op.create_index(
            "ix_music_songs_newest",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("listed"),
            postgresql_where=sa.text("listed"),
        )
        batch_op.create_index(
            "ix_music_songs_popular",
            ["play_count", "id"],
            unique=False,
            sqlite_where=sa.text("listed"),
            postgresql_where=sa.text("listed"),
        )
        batch_op.create_index(
            "ix_music_songs_title",
            ["title_key", "id"],
            unique=False,
            sqlite_where=sa.text("listed"),
            postgresql_where=sa.text("listed"),
        )
        batch_op.create_index(
            "ix_music_songs_unanalysed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("analysed_at IS NULL AND audio_hash IS NOT NULL"),
            postgresql_where=sa.text("analysed_at IS NULL AND audio_hash IS NOT NULL"),
        )
        batch_op.create_index("ix_music_songs_uploader", ["uploader_id", "id"], unique=False)
        batch_op.create_index(
            "ix_music_songs_waiting",
            ["published_at"],
            unique=False,
            sqlite_where=sa.text("NOT listed AND visibility = 'public'"),
            postgresql_where=sa.text("NOT listed AND visibility = 'public'"),
        )
        batch_op.create_index("ix_music_songs_work", ["work_key"], unique=False)
    op.create_table(
        "music_station_loops",
        sa.Column("station_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("songs", Json, nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["music_stations.id"], name=op.f("fk_music_station_loops_station_id")),
        sa.PrimaryKeyConstraint("station_id", "starts_at_ms", name=op.f("pk_music_station_loops")),
    )
    op.create_table(
        "music_album_songs",
        sa.Column("album_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("song_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("disc", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("track", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["album_id"], ["music_albums.id"], name=op.f("fk_music_album_songs_album_id")),
        sa.ForeignKeyConstraint(["song_id"], ["music_songs.id"], name=op.f("fk_music_album_songs_song_id")),
        sa.PrimaryKeyConstraint("album_id", "song_id", name=op.f("pk_music_album_songs")),
    )
    with op.batch_alter_table("music_album_songs", schema=None) as batch_op:
        batch_op.create_index("ix_music_album_songs_order", ["album_id", "disc", "track", "song_id"], unique=False)
        batch_op.create_index("ix_music_album_songs_song", ["song_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_album_songs")
    op.drop_table("music_station_loops")
    op.drop_table("music_songs")
    op.drop_table("music_shows")
    op.drop_table("music_album_artists")
    op.drop_table("music_stations")
    op.drop_table("music_share_items")
    op.drop_table("music_collaborators")
    op.drop_table("music_albums")
    op.drop_table("music_shares")
