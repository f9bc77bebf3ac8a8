"""Find the albums of a genre by name without reading all of them

Revision: music_0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "music_0012"
down_revision = "music_0011"
branch_labels = None
depends_on = None

FILL = """
    INSERT INTO music_album_genres (album_id, genre_key, sort_key)
    SELECT DISTINCT music_albums.id, music_song_genres.genre_key, music_albums.sort_key FROM music_albums
    JOIN music_album_songs ON music_album_songs.album_id = music_albums.id
    JOIN music_songs ON music_songs.id = music_album_songs.song_id
    JOIN music_song_genres ON music_song_genres.song_id = music_songs.id
    WHERE music_songs.listed
"""


def upgrade() -> None:
    """Apply."""
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "music_album_genres",
        sa.Column("album_id", whole, nullable=False),
        sa.Column("genre_key", sa.String(), nullable=False),
        sa.Column("sort_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["album_id"], ["music_albums.id"], name=op.f("fk_music_album_genres_album_id_music_albums")
        ),
        sa.ForeignKeyConstraint(
            ["genre_key"], ["music_genres.key"], name=op.f("fk_music_album_genres_genre_key_music_genres")
        ),
        sa.PrimaryKeyConstraint("album_id", "genre_key", name=op.f("pk_music_album_genres")),
    )
    op.execute(FILL)
    op.create_index("ix_music_album_genres_name", "music_album_genres", ["genre_key", "sort_key", "album_id"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("music_album_genres")
