"""Pages by number of rows, on both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, update
from tests.products.music.conftest import MakeSong
from tests.support.platform import Factory

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.compat.subsonic import album_pages
from dodeca.products.music.models import Album
from dodeca.products.music.service import places

COUNT = places.STEP * 2 + 50
FAR = (places.STEP - 1, places.STEP, places.STEP + 1, COUNT - 30, COUNT - 3, COUNT, COUNT + places.STEP)


def test_pages_far_down_follow_each_other_and_the_catalogue(
    session: WriteSession, platform: Platform, make: Factory, make_song: MakeSong
) -> None:
    names = [f"title {number % 7}" for number in range(COUNT)]  # most names are those of many
    now = clock.now()
    rows: list[dict[str, Any]] = [
        {
            "id": number + 1000,
            "title": name,
            "title_key": f"{number}",
            "sort_key": name,
            "artist_name": "Ann",
            "artist_key": f"artist {number % 3}",
            "artists_key": "1",
            "public_songs": 1,
            "play_count": number % 5,
            "created_at": now,
        }
        for number, name in enumerate(names)
    ]
    session.execute(insert(Album), rows)

    def ids(order: str, size: int, offset: int) -> list[int]:
        page = album_pages.read(session, platform, "nobody", order, size=size, offset=offset)
        return [album.id for album in page.albums]

    expected = {
        "newest": sorted(rows, key=lambda row: -row["id"]),
        "alphabeticalByName": sorted(rows, key=lambda row: (row["sort_key"], row["id"])),
        "alphabeticalByArtist": sorted(rows, key=lambda row: (row["artist_key"], row["sort_key"], row["id"])),
        "frequent": sorted(
            (row for row in rows if row["play_count"]), key=lambda row: (-row["play_count"], -row["id"])
        ),
    }
    for order, wanted in expected.items():
        for offset in FAR:
            assert ids(order, 20, offset) == [row["id"] for row in wanted[offset : offset + 20]], (order, offset)

    session.execute(update(Album).values(created_at=clock.ago(days=1)))
    added = make_song(album="Aardvarks")
    last = ids("alphabeticalByName", 1, COUNT)

    assert added.album_id == ids("alphabeticalByName", 1, 0)[0] == ids("newest", 1, 0)[0]
    assert last == [expected["alphabeticalByName"][-1]["id"]]
    assert ids("newest", 1, COUNT) == [1000]
