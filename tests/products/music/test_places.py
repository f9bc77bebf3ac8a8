"""Pages by number of rows, on both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update
from tests.products.music.conftest import MakeSong
from tests.support.platform import Factory

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.compat.subsonic import album_pages
from dodeca.products.music.models import Album, AlbumGenre, Genre
from dodeca.products.music.service import drawing, places

COUNT = places.STEP * 2 + 50
FAR = (places.STEP - 1, places.STEP, places.STEP + 1, COUNT - 30, COUNT - 3, COUNT, COUNT + places.STEP)


def many_albums(session: WriteSession) -> list[dict[str, Any]]:
    """Albums that everybody sees, in the order of their ids."""
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
            "year": 1990 + number // 50,
            "year_key": 1990 + number // 50,
            "created_at": now,
        }
        for number, name in enumerate(names)
    ]
    session.execute(insert(Album), rows)
    return rows


def test_pages_far_down_follow_each_other_and_the_catalogue(
    session: WriteSession, platform: Platform, make: Factory, make_song: MakeSong
) -> None:
    rows = many_albums(session)

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


def test_pages_of_years_and_of_a_genre_hold_these_alone(
    session: WriteSession, platform: Platform, make: Factory
) -> None:
    rows = many_albums(session)
    session.execute(insert(Genre), [{"key": key, "name": key, "songs": 0, "albums": 0} for key in ("folk", "jazz")])
    own = [
        {"album_id": row["id"], "genre_key": "jazz" if row["id"] % 10 else "folk", "sort_key": row["sort_key"]}
        for row in rows
    ]
    session.execute(insert(AlbumGenre), own)

    def ids(order: str, offset: int, **given: object) -> list[int]:
        page = album_pages.read(session, platform, "nobody", order, size=20, offset=offset, given=given)
        found = [album.id for album in page.albums]
        assert album_pages.ids(session, platform, order, size=20, offset=offset, given=given) == found
        return found

    for first, last in ((1991, 1997), (1990, 1990), (1980, 2020)):
        years = {"first_year": first, "last_year": last}
        inside = [row["id"] for row in rows if first <= row["year_key"] <= last]
        for offset in (0, 30, *FAR):
            assert ids("byYear", offset, **years) == inside[offset : offset + 20]
            assert ids(album_pages.FROM_THE_LAST_YEAR, offset, **years) == inside[::-1][offset : offset + 20]
    ordered = sorted(rows, key=lambda row: (row["sort_key"], row["id"]))
    for genre, rest in (("folk", {0}), ("jazz", set(range(1, 10))), ("rock", set())):
        held = [row["id"] for row in ordered if row["id"] % 10 in rest]
        for offset in (0, 30, *FAR):
            assert ids("byGenre", offset, genre_key=genre) == held[offset : offset + 20]


def test_albums_by_chance_are_of_those_that_fit(session: WriteSession, make: Factory) -> None:
    rows = many_albums(session)
    seen = Album.public_songs > 0

    some = drawing.drawn(session, Album, seen, count=50)
    others = drawing.drawn(session, Album, seen, count=50)

    assert len({*some}) == len({*others}) == 50
    assert {*some} | {*others} <= {row["id"] for row in rows}
    assert some != others
    few = [row["id"] for row in rows[::150]]
    session.execute(update(Album).where(Album.id.not_in(few)).values(public_songs=0))
    assert sorted(drawing.drawn(session, Album, seen, count=50)) == few
    assert drawing.drawn(session, Album, seen, count=1)[0] in few
    assert drawing.drawn(session, Album, seen, count=0) == []
    only = select(Album.id).where(Album.year_key == rows[0]["year_key"])
    assert drawing.drawn(session, Album, seen, count=50, within=only) == few[:1]
