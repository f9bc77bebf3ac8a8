"""Feeds of artists and playlists: what a stranger may hear, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import feedparser
import pytest
from tests.products.music.conftest import MakeSong
from tests.products.music.test_sound import ada, mp3, prepared_url, upload
from tests.support.platform import Client, Factory

from dodeca.kernel import clock

__all__ = ["ada", "mp3", "prepared_url"]  # fixtures
FILES = ("feed.xml", "feed.atom", "feed.json")


def titles(client: Client, path: str) -> Sequence[str]:
    """What a feed holds, in order."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    if path.endswith(".json"):
        return [item["title"] for item in answer.json()["items"]]
    read = feedparser.parse(answer.content)
    assert not read.bozo, read.get("bozo_exception")
    return [entry.title for entry in read.entries]


@pytest.mark.parametrize("file", FILES)
def test_an_artists_feed_holds_what_strangers_see_and_the_latest_release_first(
    client: Client, make: Factory, make_song: MakeSong, file: str
) -> None:
    owner = make.account("owner")
    first = make_song("Early", "Ann & Co", by=owner, published_at=clock.ago(days=9))
    make_song("Late", "Ann & Co", by=owner, published_at=clock.ago(days=1))
    make_song("Hidden", "Ann & Co", by=owner, visibility="private")
    make_song("Tomorrow", "Ann & Co", by=owner, published_at=clock.ahead(days=1))
    path = f"/music/artists/{first.artist_id}/{file}"

    assert titles(client, path) == ["Ann & Co – Late", "Ann & Co – Early"]
    assert titles(client.with_token(make.token(owner)), path) == ["Ann & Co – Late", "Ann & Co – Early"]


def test_an_artist_whom_nobody_sees_has_no_feed(client: Client, make: Factory, make_song: MakeSong) -> None:
    owner = make.account("owner")
    song = make_song("Hidden", "Secret", by=owner, visibility="private")

    mine = client.with_token(make.token(owner))
    assert mine.get(f"/music/artists/{song.artist_id}").status_code == 200
    assert mine.get(f"/music/artists/{song.artist_id}/feed.xml").status_code == 404


def test_the_enclosure_is_the_file_for_everybody(client: Client, ada: Client, mp3: Path) -> None:
    song = upload(ada, mp3).json()["song"]

    read = feedparser.parse(client.get(f"/music/artists/{song['artist_id']}/feed.xml").content)

    (file,) = read.entries[0].enclosures
    heard = client.get(re.sub("^https?://[^/]+", "", file.href))
    assert heard.content == mp3.read_bytes()
    assert (file.type, file.length) == (heard.headers["content-type"], str(len(heard.content)))


@pytest.mark.parametrize("file", FILES)
def test_a_playlists_feed_holds_what_was_added_last_first(
    client: Client, make: Factory, make_song: MakeSong, file: str
) -> None:
    owner = make.account("owner")
    mine = client.with_token(make.token(owner))
    songs = [make_song(title, "Ann", by=owner) for title in ("One", "Two")]
    hidden = make_song("Hidden", "Ann", by=owner, visibility="private")
    made = mine.post("/api/music/users/owner/playlists", json={"title": "Mix", "visibility": "public"}).json()
    number = made.get("playlist_id") or made["playlist"]["playlist_id"]
    for song in (songs[0], hidden, songs[1], songs[0]):
        clock.advance(1)
        added = mine.post(f"/api/music/playlists/{number}/songs", json={"songs": [str(song.id)]})
        assert added.is_success, added.text
    path = f"/music/playlists/{number}/{file}"

    assert titles(client, path) == ["Ann – One", "Ann – Two", "Ann – One"]
    if file != "feed.json":
        assert len({entry.id for entry in feedparser.parse(client.get(path).content).entries}) == 3

    assert mine.patch(f"/api/music/playlists/{number}", json={"visibility": "private"}).is_success
    assert client.get(path).status_code == 404
    assert mine.get(path).status_code == 404, "a reader would keep it where others see it"


def test_who_has_the_feed_is_told_that_nothing_is_new_and_any_page_may_read_it(
    client: Client, make_song: MakeSong
) -> None:
    path = f"/music/artists/{make_song('One', 'Ann').artist_id}/feed.xml"
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    make_song("Two", "Ann")
    assert client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    assert first.headers["access-control-allow-origin"] == "*"


def test_pages_name_their_feeds_but_not_those_that_strangers_do_not_see(
    client: Client, make: Factory, make_song: MakeSong
) -> None:
    owner = make.account("owner")
    mine = client.with_token(make.token(owner))
    artist = client.get(f"/music/artists/{make_song('One', 'Ann').artist_id}").text
    named = re.findall(r'<link rel="alternate" type="([^"]+)"[^>]* href="([^"]+)"', artist)
    assert [kind for kind, _href in named] == ["application/rss+xml", "application/atom+xml", "application/feed+json"]
    assert [client.get(href).status_code for _kind, href in named] == [200, 200, 200]

    made = mine.post("/api/music/users/owner/playlists", json={"title": "Mix", "visibility": "private"}).json()
    number = made.get("playlist_id") or made["playlist"]["playlist_id"]
    assert 'rel="alternate"' not in mine.get(f"/music/playlists/{number}").text
