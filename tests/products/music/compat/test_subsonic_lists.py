"""Subsonic's lists and searches, and what nobody else finds in them, on both engines."""

from __future__ import annotations

from typing import Any

import pytest
from tests.products.music.compat.conftest import Listener, NewListener, Sound

from dodeca.products.music.compat.subsonic import lists


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


def test_whose_own_songs_nobody_else_sees_finds_them_among_those_of_all(
    ann: Listener, listener: NewListener, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = listener("bob")
    for number, name in enumerate("hbnfldjacm"):
        who, visibility = (bob, "private") if number % 3 == 1 else (ann, "public")
        tags = {"album": name, "artist": f"artist {number % 2}", "year": 1990 + number % 4, "genres": ["Folk"]}
        song = sound(who.account, title=name, visibility=visibility, **tags)
        bob.told("setRating", id=f"al-{song.album_id}", rating=1 + number % 5)
        bob.told("scrobble", id=song.id)
    sound(bob.account, title="x", album="h", artist="artist 0", year=1990, genres=["Jazz"], visibility="private")
    asked: list[dict[str, Any]] = [{"type": kind} for kind in ("newest", "frequent", "recent", "highest")]
    asked += [{"type": kind} for kind in ("alphabeticalByName", "alphabeticalByArtist")]
    asked += [{"type": "byYear", "fromYear": 1991, "toYear": 1993}, {"type": "byYear", "fromYear": 2001, "toYear": 0}]
    asked += [{"type": "byGenre", "genre": genre} for genre in ("Folk", "Jazz")]
    parts = ("artist", "album", "song")

    def pages() -> list[list[str]]:
        """The ids on each page of each list."""
        found = [
            [one["id"] for one in bob.told("getAlbumList", size=size, offset=offset, **given)["albumList"]["album"]]
            for given in asked
            for size, offset in ((3, 0), (3, 2), (4, 6), (3, 9), (5, 12), (100, 0))
        ]
        for offset in range(12):
            more = {f"{part}{name}": value for part in parts for name, value in (("Count", 3), ("Offset", offset))}
            all_of_it = bob.told("search3", query="", **more)["searchResult3"]
            found += [[one["id"] for one in all_of_it.get(part, [])] for part in parts]
        return found

    among_those_of_all = pages()
    monkeypatch.setattr(lists, "MOST_OWN", 0)

    assert among_those_of_all == pages()
    names = [len(page) for page in among_those_of_all[5 : len(asked) * 6 : 6]]
    assert names == [10, 10, 10, 10, 10, 10, 7, 10, 10, 1]


def test_an_album_is_not_shown_under_a_genre_of_what_others_hide(
    ann: Listener, listener: NewListener, sound: Sound
) -> None:
    bob, eve = listener("bob"), listener("eve")
    sound(ann.account, title="One", album="Open", artist="Ann", genres=["Folk"])
    sound(bob.account, title="Two", album="Open", artist="Ann", genres=["Quiet"], visibility="private")
    sound(eve.account, title="Mine", album="Mine", artist="Eve", visibility="private")

    def shown(who: Listener) -> list[int]:
        names = ("albumList", "albumList2")
        told = [who.told(f"get{name[0].upper()}{name[1:]}", type="byGenre", genre="Quiet")[name] for name in names]
        return [len(one.get("album", [])) for one in told]

    assert shown(bob) == [1, 1]
    assert shown(eve) == shown(ann) == [0, 0]
