"""Large catalogues without sound, written past the services: a million songs in a few minutes, in little memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, WriteSession
from dodeca.products.music.models import Album, AlbumArtist, AlbumGenre, Genre, Song
from dodeca.products.music.service import catalogue, folding, places, searching

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

AT_ONCE: Final = 2_000
WORDS: Final = (
    "river", "night", "little", "paper", "silver", "morning", "garden", "winter", "open", "glass", "window", "northern",
    "slow", "blue", "distant", "copper", "harbour", "letter", "summer", "quiet", "broken", "golden", "mirror", "hollow",
    "thunder", "meadow", "lantern", "shadow", "velvet", "cinder",
)  # fmt: skip


GENRES: Final = ("folk", "jazz", "rock", "techno")
FIRST_YEAR, YEARS = 1960, 60


def add_songs(platform: Platform, count: int, generator: random.Random, *, sample: int) -> list[str]:
    """Add songs and their index; gives some of their titles, spread over all."""
    now = clock.now()
    same: dict[str, Any] = {
        "duration_ms": 200_000,
        "explicit": False,
        "genres": [],
        "library_key": "u:",
        "visibility": "public",
        "listed": True,
        "approved": True,
        "version": 1,
        **dict.fromkeys(("play_count", "like_count", "comment_count", "rating_sum", "rating_count"), 0),
        **dict.fromkeys(("published_at", "created_at", "updated_at"), now),
    }
    own = ("id", "title", "title_key", "artist_name", "artist_id", "work_key")
    adding = Prepared(insert(Song), columns=[*own, *same])
    kept: list[str] = []
    apart = max(1, count // sample)

    def batch(session: WriteSession, start: int) -> None:
        artist = catalogue.artist_for(session, f"{generator.choice(WORDS).title()} {start}")
        artist_key = folding.work_key(artist.name, "")
        rows, documents = [], []
        for number in range(start, min(start + AT_ONCE, count)):
            title = " ".join(generator.sample(WORDS, 3)).title() + f" {number}"
            if number % apart == 0:
                kept.append(title)
            key = folding.folded(title)
            row = (number + 1, title, key, artist.name, artist.id, artist_key + key)
            rows.append({**same, **dict(zip(own, row, strict=True))})
            documents.append(searching.document(number + 1, title, artist.name, "", now))
        adding.run_many(session, rows)
        searching.indexes["song"].index_new(session, documents)
        places.catalogue_changed(session)

    for start in range(0, count, AT_ONCE):
        platform.db.write(lambda session, start=start: batch(session, start))  # type: ignore[misc]
    while platform.db.write(searching.indexes["song"].join_lists):  # as an hourly job of a server does
        pass
    return kept


def add_albums(platform: Platform, count: int) -> None:
    """Fill an empty catalogue with so many albums, all of them heard and rated, each of one genre."""
    now = clock.now()

    def batch(session: WriteSession, start: int) -> None:
        if not start:
            session.execute(insert(Genre), [{"key": key, "name": key, "songs": 0, "albums": 0} for key in GENRES])
        artist = catalogue.artist_for(session, f"Artist {start}")
        numbers = range(start, min(start + 1000, count))
        rows = [
            {
                "id": number + 1,
                "title": f"{WORDS[number % len(WORDS)]} {number}",
                "title_key": f"{number}",
                "sort_key": f"{WORDS[number % len(WORDS)]} {number}",
                "artist_name": artist.name,
                "artist_key": artist.sort_key,
                "artists_key": str(artist.id),
                "artist_id": artist.id,
                "year": FIRST_YEAR + number % YEARS,
                "year_key": FIRST_YEAR + number % YEARS,
                "genre_key": GENRES[number % len(GENRES)],
                "public_songs": 1,
                "play_count": 1 + number % 1000,
                "rating_sum": 5,
                "rating_count": 1,
                "recent_at": now,
                "created_at": now,
            }
            for number in numbers
        ]
        session.execute(insert(Album), rows)
        session.execute(
            insert(AlbumArtist), [{"album_id": n + 1, "position": 0, "artist_id": artist.id} for n in numbers]
        )
        shown = [{"album_id": row["id"], "genre_key": row["genre_key"], "sort_key": row["sort_key"]} for row in rows]
        session.execute(insert(AlbumGenre), shown)
        places.catalogue_changed(session)

    for start in range(0, count, 1000):
        platform.db.write(lambda session, start=start: batch(session, start))  # type: ignore[misc]
