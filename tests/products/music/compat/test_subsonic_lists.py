"""Subsonic's lists and searches, and what nobody else finds in them, on both engines."""

from __future__ import annotations

from typing import Any

import pytest
from tests.products.music.compat.conftest import Listener, NewListener, Sound


@pytest.fixture
def ann(listener: NewListener) -> Listener:
    return listener("ann")


def test_albums_come_in_ten_orders(ann: Listener, sound: Sound) -> None:
    for title, artist, year, genre in (
        ("B", "Zoe", 1990, "Folk"),
        ("A", "Yan", 2000, "Jazz"),
        ("C", "Xi", 1980, "Folk"),
    ):
        sound(ann.account, title=title, artist=artist, album=title, year=year, genres=[genre])
    by_name = {album["name"]: album["id"] for album in ann.told("search3", query="")["searchResult3"]["album"]}
    ann.told("star", albumId=by_name["B"])
    ann.told("setRating", id=by_name["C"], rating=5)
    ann.told("scrobble", id=ann.told("getAlbum", id=by_name["A"])["album"]["song"][0]["id"])

    def names(type: str, **given: Any) -> list[str]:
        return [album["name"] for album in ann.told("getAlbumList2", type=type, **given)["albumList2"]["album"]]

    assert names("newest") == ["C", "A", "B"]
    assert names("alphabeticalByName") == ["A", "B", "C"]
    assert names("alphabeticalByArtist") == ["C", "A", "B"]
    assert names("byYear", fromYear=1985, toYear=2005) == ["B", "A"]
    assert names("byYear", fromYear=2005, toYear=1985) == ["A", "B"]
    assert names("byGenre", genre="folk") == ["B", "C"]
    assert names("starred") == ["B"]
    assert names("highest") == ["C"]
    assert names("frequent") == names("recent") == ["A"]
    assert sorted(names("random", size=2)) != ["A", "B", "C"]
    assert names("alphabeticalByName", size=1, offset=1) == ["B"]
    assert ann.code("getAlbumList2", type="byYear") == 10
    assert ann.code("getAlbumList2", type="bySize") == 0


def test_an_empty_search_pages_through_all(ann: Listener, sound: Sound) -> None:
    for number in range(5):
        sound(ann.account, title=f"Song {number}")

    songs_only = {"query": '""', "songCount": 2, "artistCount": 0, "albumCount": 0}
    pages = [ann.told("search3", **songs_only, songOffset=offset)["searchResult3"]["song"] for offset in (0, 2, 4, 6)]

    assert [song["title"] for page in pages for song in page] == [f"Song {number}" for number in range(5)]


# What is private


def test_a_private_song_reaches_nobody_else(ann: Listener, listener: NewListener, sound: Sound) -> None:
    bob = listener("bob")
    song = sound(ann.account, title="Secret", artist="Hidden", album="Locked", genres=["Quiet"], visibility="private")
    number, album = song.id, f"al-{song.album_id}"

    assert ann.told("getSong", id=number)["song"]["title"] == "Secret"
    assert ann.told("getAlbum", id=album)["album"]["song"][0]["id"] == str(number)
    for method in ("getSong", "stream", "download", "getLyricsBySongId", "star", "scrobble", "getCoverArt"):
        assert bob.code(method, id=number) == 70, method
    for method in ("getAlbum", "getMusicDirectory", "getAlbumInfo", "getCoverArt", "download"):
        assert bob.code(method, id=album) == 70, method
    everything = [
        bob.told(method, **given)
        for method, given in (
            ("getArtists", {}),
            ("getIndexes", {}),
            ("getGenres", {}),
            ("search3", {"query": ""}),
            ("search3", {"query": "Secret"}),
            ("getRandomSongs", {}),
            ("getAlbumList2", {"type": "newest"}),
            ("getNowPlaying", {}),
            ("getTopSongs", {"artist": "Hidden"}),
            ("getSongsByGenre", {"genre": "Quiet"}),
        )
    ]
    assert not any(word in str(everything) for word in ("Secret", "Hidden", "Locked", "Quiet"))


def test_a_list_is_the_same_whichever_way_it_is_read(ann: Listener, listener: NewListener, sound: Sound) -> None:
    """Who has a song that not everybody sees is served by other statements."""
    bob = listener("bob")
    for title in ("A", "B", "C"):
        sound(ann.account, title=title, album=title)
    album = ann.told("search3", query="")["searchResult3"]["album"][1]["id"]
    for one in (ann, bob):
        one.told("star", albumId=album)
        one.told("setRating", id=album, rating=4)
    orders = ("newest", "alphabeticalByName", "alphabeticalByArtist", "highest")

    def lists(who: Listener) -> list[Any]:
        found = [who.told("getAlbumList2", type=order, size=2, offset=0)["albumList2"]["album"] for order in orders]
        return [{**one, "starred": "starred" in one} for some in found for one in some]

    before = lists(bob)
    sound(bob.account, title="Mine", album="A", artist="Ann", visibility="private")

    assert [one["name"] for one in lists(bob)] == [one["name"] for one in before]
    assert [one for one in lists(bob) if one["name"] != "A"] == [one for one in before if one["name"] != "A"]
