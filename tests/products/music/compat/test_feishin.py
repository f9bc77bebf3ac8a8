"""What Feishin 0.11 asks, in its order and with its parameters: seen of its web version, which plays and edits here.

https://github.com/jeffvli/feishin (GPL). It signs in with token and salt, the same ones for as long as it runs, and
asks for all songs by a query of two quotation marks."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.products.music.compat.conftest import Listener, NewListener, Sound


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """SQLite alone: what depends on the engine is in test_subsonic_lists.py."""
    return sqlite_url


@pytest.fixture
def ann(listener: NewListener) -> Listener:
    return listener("ann")


def told(ann: Listener, method: str, **given: Any) -> dict[str, Any]:
    """One of its requests."""
    token = hashlib.md5(f"{ann.password}1a2b3c".encode()).hexdigest()
    signed = {"p": None, "u": ann.account.username, "t": token, "s": "1a2b3c", "v": "1.13.0", "c": "Feishin"}
    return ann.told(method, **signed, **given)


def test_feishin_lists_plays_and_edits(ann: Listener, sound: Sound) -> None:
    number, other = (str(sound(ann.account, title=title).id) for title in ("Evening", "Night"))
    everything = {"query": '""', "artistCount": 0, "artistOffset": 0, "albumCount": 0, "albumOffset": 0}

    # Signing in, and the home page
    told(ann, "ping")
    told(ann, "getOpenSubsonicExtensions")
    told(ann, "getMusicFolders")
    assert told(ann, "getPlaylists")["playlists"]["playlist"] == []
    for kind in ("random", "recent", "newest", "frequent"):
        assert "albumList2" in told(ann, "getAlbumList2", size=15, offset=0, type=kind)
    (album,) = told(ann, "getAlbumList2", size=500, offset=0, type="alphabeticalByName")["albumList2"]["album"]

    # Lists: songs are counted by asking far down
    assert told(ann, "search3", **everything, songCount=1, songOffset=5000)["searchResult3"]["song"] == []
    songs = told(ann, "search3", **everything, songCount=500, songOffset=0)["searchResult3"]["song"]
    assert {song["id"] for song in songs} == {number, other}
    (artist,) = [one for index in told(ann, "getArtists")["artists"]["index"] for one in index["artist"]]
    assert told(ann, "getArtist", id=artist["id"])["artist"]["album"][0]["id"] == album["id"]
    told(ann, "getArtistInfo", id=artist["id"])
    assert len(told(ann, "getTopSongs", artist=artist["name"])["topSongs"]["song"]) == 2
    assert len(told(ann, "getAlbum", id=album["id"])["album"]["song"]) == 2
    assert told(ann, "getGenres")["genres"]["genre"][0]["value"] == "Folk"

    # Playing
    told(ann, "scrobble", id=number, submission="false")
    assert ann.ask("stream", id=number, v="1.13.0", c="feishin").headers["content-type"] == "audio/mpeg"
    told(ann, "scrobble", id=number, submission="true")
    assert told(ann, "getSong", id=number)["song"]["playCount"] == 1

    # Editing
    told(ann, "star", id=[number])
    told(ann, "setRating", id=number, rating=4)
    assert told(ann, "getStarred", musicFolderId=None)["starred"]["song"][0]["userRating"] == 4
    playlist = told(ann, "createPlaylist", name="From Feishin")["playlist"]["id"]
    told(ann, "updatePlaylist", playlistId=playlist, songIdToAdd=[number, other])
    told(ann, "updatePlaylist", playlistId=playlist, songIndexToRemove=["0"])
    told(ann, "updatePlaylist", playlistId=playlist, name="Renamed", comment="By an app", public="true")
    changed = told(ann, "getPlaylist", id=playlist)["playlist"]
    assert (changed["name"], [song["id"] for song in changed["entry"]]) == ("Renamed", [other])
    told(ann, "unstar", id=[number])
    told(ann, "deletePlaylist", id=playlist)
    assert told(ann, "getPlaylists")["playlists"]["playlist"] == []
