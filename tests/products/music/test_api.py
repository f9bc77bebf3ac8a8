"""The API: the calls that the brief names, exactly, and the rest of it."""

from __future__ import annotations

import plistlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from tests.support.platform import Client, Factory, work

from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.platform import Platform


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """One engine is enough here: the services are tested on both."""
    return sqlite_url


@pytest.fixture
def ada(client: Client, make: Factory) -> Client:
    """A member."""
    account = make.account("ada")
    member = client.with_token(make.token(account))
    member.id = account.id  # type: ignore[attr-defined]
    return member


@pytest.fixture
def bob(client: Client, make: Factory) -> Client:
    """Another one."""
    return client.with_token(make.token(make.account("bob")))


def song(member: Client, title: str = "Aria", **more: Any) -> str:
    """The id of a new song."""
    answer = member.post("/api/music/songs", json={"title": title, "artist": "Bach", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["song_id"])


def said(answer: Any) -> tuple[int, str]:
    """Status and message."""
    return answer.status_code, answer.json()["message"]


def test_a_new_account(client: Client) -> None:
    person = {"username": "clara", "password": "a long enough secret 7", "email": "clara@example.org"}

    answer = client.post("/api/music/users", json=person)
    again = client.post("/api/music/users", json=person)
    short = client.post("/api/music/users", json={"username": "dora", "password": "x", "email": "d@example.org"})
    missing = client.post("/api/music/users", json={"username": "dora", "password": "a long enough secret 7"})

    assert said(answer) == (201, "User created successfully")
    assert {"user_id", "token"} <= set(answer.json())
    assert (again.status_code, short.status_code, missing.status_code) == (409, 400, 400)


def test_a_new_song(ada: Client, client: Client) -> None:
    answer = ada.post(
        "/api/music/songs", json={"title": "Aria", "artist": "Bach", "album": "Goldberg", "duration": 181.5}
    )

    assert said(answer) == (201, "Song added successfully")
    shown = answer.json()["song"]
    assert answer.json()["song_id"] == shown["song_id"]
    wanted = {
        "title": "Aria", "artist": "Bach", "album": "Goldberg", "duration": 181.5, "duration_ms": 181_500,
        "visibility": "public", "has_audio": False, "has_lyrics": False, "play_count": 0, "like_count": 0,
        "comment_count": 0, "liked": False, "rating": 0, "likes": [], "comments": [], "genres": [],
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    assert client.get(f"/api/music/songs/{shown['song_id']}").json()["title"] == "Aria"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"artist": "Bach"}, "title"),
        ({"title": "Aria"}, "artist"),
        ({"title": "Aria", "artist": "Bach", "duration": -1}, "duration"),
        ({"title": "Aria", "artist": "Bach", "duration": 86_401}, "duration"),
        ({"title": "Aria", "artist": "Bach", "visibility": "secret"}, "visibility"),
        ({"title": "x" * 501, "artist": "Bach"}, "title"),
    ],
)
def test_a_song_that_cannot_be(ada: Client, body: dict[str, object], field: str) -> None:
    answer = ada.post("/api/music/songs", json=body)

    assert answer.status_code == 400
    assert field in answer.text


def test_a_new_playlist(ada: Client) -> None:
    first, second = song(ada, "One"), song(ada, "Two")

    answer = ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": [first, second, first]})
    nobody = ada.post("/api/music/users/nobody/playlists", json={"title": "Mix"})
    unknown = ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": [first, "987654"]})

    assert said(answer) == (201, "Playlist created successfully")
    assert answer.json()["playlist_id"] == answer.json()["playlist"]["playlist_id"]
    assert [one["title"] for one in answer.json()["playlist"]["songs"]] == ["One", "Two", "One"]
    assert answer.json()["playlist"]["visibility"] == "private"
    assert said(nobody) == (404, "User not found")
    assert unknown.status_code == 404
    assert len(ada.get("/api/music/users/ada/playlists").json()["playlists"]) == 1


def test_a_like_and_a_comment(ada: Client, bob: Client) -> None:
    first = song(ada)

    likes = [ada.post("/api/music/users/ada/likes", json={name: first}) for name in ("songId", "song_id")]
    comment = ada.post("/api/music/users/ada/comments", json={"songId": first, "text": "Lovely <b>"})
    shown = bob.get(f"/api/music/songs/{first}").json()

    assert [said(like) for like in likes] == [(200, "Song liked successfully")] * 2
    assert said(comment) == (200, "Comment added successfully")
    assert (shown["like_count"], shown["liked"], shown["comment_count"]) == (1, False, 1)
    assert shown["comments"][0]["comment_id"] == comment.json()["comment_id"]
    for path, more in (("likes", {}), ("comments", {"text": "x"})):
        wrong = ada.post(f"/api/music/users/ada/{path}", json={"songId": "987654", **more})
        nobody = ada.post(f"/api/music/users/nobody/{path}", json={"songId": first, **more})
        assert [said(wrong), said(nobody)] == [(404, "User or song not found")] * 2
    too_long = ada.post("/api/music/users/ada/comments", json={"songId": first, "text": "x" * 2001})
    assert too_long.status_code == 400


def test_who_may_act(ada: Client, bob: Client, client: Client) -> None:
    first = song(ada)
    for path, body in (
        ("playlists", {"title": "Mix"}),
        ("likes", {"songId": first}),
        ("comments", {"songId": first, "text": "x"}),
    ):
        answers = [who.post(f"/api/music/users/ada/{path}", json=body).status_code for who in (client, bob)]
        assert answers == [401, 403], path
    assert client.get("/api/music/users/ada/feed").status_code == 401
    assert bob.get("/api/music/users/ada/feed").status_code == 403


def test_search(ada: Client, client: Client, platform: Platform) -> None:
    song(ada, "Gnossienne", album="Pieces")
    work(platform)

    found = client.get("/api/music/search", params={"q": "gnoss"})
    empty = client.get("/api/music/search", params={"q": " "})
    data = client.get("/api/music/search", params={"q": "\"'; drop table -- AND NEAR( *"})

    assert set(found.json()) == {"songs", "albums", "artists", "playlists", "stations", "videos", "next_cursor"}
    assert [one["title"] for one in found.json()["songs"]] == ["Gnossienne"]
    assert empty.status_code == 400
    assert data.status_code == 200


def test_a_playlist_is_read_by_whom_it_is_open_to(ada: Client, bob: Client) -> None:
    made = ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": [song(ada)]}).json()
    path = f"/api/music/users/ada/playlists/{made['playlist_id']}"

    private = bob.get(path)
    ada.patch(f"/api/music/playlists/{made['playlist_id']}", json={"visibility": "public"})
    public = bob.get(path)

    assert said(private) == (404, "User or playlist not found")
    assert public.json()["playlist"]["songs"][0]["item_id"]
    assert said(bob.get("/api/music/users/ada/playlists/xyz")) == (404, "User or playlist not found")
    assert said(bob.get(f"/api/music/users/nobody/playlists/{made['playlist_id']}")) == (
        404,
        "User or playlist not found",
    )


def test_the_feed(ada: Client, bob: Client) -> None:
    kept = song(bob, "Kept")
    ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": [kept]})

    answer = ada.get("/api/music/users/ada/feed")

    assert said(ada.get("/api/music/users/nobody/feed")) == (404, "User not found")
    assert [one["song_id"] for one in answer.json()["feed"]] == [kept]
    assert set(answer.json()["sections"][0]) == {"title", "reason", "items"}


def test_a_private_song_is_nowhere(ada: Client, bob: Client, client: Client, platform: Platform) -> None:
    hidden = song(ada, "Hiddenword", artist="Ghostname", album="Ghostalbum", visibility="private")
    mine = ada.post(
        "/api/music/users/ada/playlists", json={"title": "Open", "songs": [hidden], "visibility": "public"}
    ).json()["playlist"]
    ada.put(f"/api/music/songs/{hidden}/lyrics", content="secretwords")
    work(platform)
    paths = [
        f"/api/music/songs/{hidden}", f"/api/music/songs/{hidden}/lyrics", f"/api/music/songs/{hidden}/comments",
        f"/api/music/songs/{hidden}/versions", f"/api/music/songs/{hidden}/cover", f"/api/music/songs/{hidden}/stream",
        f"/api/music/songs/{hidden}/url", f"/api/music/songs/{hidden}/similar", "/api/music/artists",
        "/api/music/albums", f"/api/music/playlists/{mine['playlist_id']}",
        "/api/music/search?q=hiddenword", "/api/music/search?q=ghost",
        f"/api/music/playlists/{mine['playlist_id']}/export?format=csv",
        "/api/music/recommendations",
        "/api/music/genres",
    ]  # fmt: skip

    for who in (bob, client):
        for path in paths:
            answer = who.get(path)
            assert answer.status_code in (200, 404), path
            for word in ("Hiddenword", "Ghostname", "Ghostalbum", "secretwords"):
                assert word not in answer.text.replace("q=hiddenword", ""), path
    assert bob.post("/api/music/shares", json={"items": [{"kind": "song", "id": hidden}]}).status_code == 404
    assert ada.post("/api/music/shares", json={"items": [{"kind": "song", "id": hidden}]}).status_code == 400
    station = {"title": "S", "slug": "s", "songs": [hidden]}
    assert ada.post("/api/music/stations", json=station).status_code == 400


def test_tags_are_changed_and_brought_back(ada: Client, bob: Client) -> None:
    first = song(ada, "Wrong", album="Album")

    changed = ada.patch(f"/api/music/songs/{first}", json={"title": "Right", "genres": ["Baroque"], "year": 1741})
    strange = bob.patch(f"/api/music/songs/{first}", json={"title": "Mine"})
    versions = ada.get(f"/api/music/songs/{first}/versions").json()["versions"]
    back = ada.post(f"/api/music/songs/{first}/revert", json={"version": 1})

    assert (changed.json()["version"], changed.json()["song"]["genres"]) == (2, ["Baroque"])
    assert strange.status_code == 403
    assert [one["version"] for one in versions] == [2, 1]
    assert (back.json()["version"], back.json()["song"]["title"]) == (3, "Wrong")
    assert ada.delete(f"/api/music/songs/{first}").status_code == 204
    assert ada.get(f"/api/music/songs/{first}").status_code == 404


def test_lyrics_are_read_line_by_line(ada: Client) -> None:
    first = song(ada)

    ada.put(f"/api/music/songs/{first}/lyrics", content="[la:de]\n[00:01.50]Wachet auf\n[00:00.20]Ruft uns")
    found = ada.get(f"/api/music/songs/{first}/lyrics").json()

    lines = [{"start_ms": 200, "text": "Ruft uns"}, {"start_ms": 1500, "text": "Wachet auf"}]
    assert found == {"synced": True, "lang": "de", "lines": lines}
    assert ada.put(f"/api/music/songs/{first}/lyrics", content=b"\xff\xfe\x00").status_code == 400


def test_a_playlist_is_changed(ada: Client) -> None:
    a, b = song(ada, "A"), song(ada, "B")
    playlist = ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": [a]}).json()["playlist"]
    path = f"/api/music/playlists/{playlist['playlist_id']}"

    ada.post(f"{path}/songs", json={"songs": [b]})
    grown = ada.post(f"{path}/songs", json={"songs": [b], "position": 0}).json()["playlist"]
    items = [one["item_id"] for one in grown["songs"]]
    moved = ada.post(f"{path}/move", json={"item_id": items[1], "before": items[0]}).json()["playlist"]
    removed = ada.delete(f"{path}/songs/{items[0]}")
    stale = ada.put(f"{path}/songs", json={"songs": [a], "version": 1})
    replaced = ada.put(f"{path}/songs", json={"songs": [b, a]})

    assert [one["title"] for one in grown["songs"]] == ["B", "A", "B"]
    assert [one["title"] for one in moved["songs"]] == ["A", "B", "B"]
    assert (removed.status_code, stale.status_code) == (204, 409)
    assert [one["title"] for one in replaced.json()["playlist"]["songs"]] == ["B", "A"]
    assert ada.delete(path).status_code == 204


@pytest.mark.parametrize("format", ["m3u8", "xspf", "pls", "jspf"])
def test_a_playlist_goes_out_and_comes_back(ada: Client, format: str) -> None:
    songs = [song(ada, title, duration=60) for title in ("Ünë", "Deux", "Ünë 2")]
    made = ada.post("/api/music/users/ada/playlists", json={"title": "Mix", "songs": songs}).json()["playlist"]

    out = ada.get(f"/api/music/playlists/{made['playlist_id']}/export", params={"format": format})
    back = ada.post("/api/music/playlists/import", files={"file": ("mix", out.content)})

    assert back.status_code == 201, back.text
    assert (back.json()["matched"], back.json()["unmatched"]) == (3, [])
    assert [one["song_id"] for one in back.json()["playlist"]["songs"]] == songs


def test_an_itunes_library_brings_ratings_loves_counts_and_playlists(ada: Client) -> None:
    evening, night = (song(ada, title, duration=60) for title in ("Evening", "Night"))
    tracks = {
        "7": {"Track ID": 7, "Name": "Evening", "Artist": "Bach", "Rating": 80, "Loved": True, "Play Count": 3},
        "8": {"Track ID": 8, "Name": "Night", "Artist": "Bach", "Rating": 20},
        "9": {"Track ID": 9, "Name": "Elsewhere", "Artist": "Ben", "Rating": 100},
    }
    lists = [{"Name": "Mine", "Playlist Items": [{"Track ID": 8}, {"Track ID": 7}, {"Track ID": 8}]}]
    data = plistlib.dumps({"Tracks": tracks, "Playlists": lists})

    told = ada.post("/api/music/playlists/import", files={"file": ("Library.xml", data)})
    first, second = (ada.get(f"/api/music/songs/{number}").json() for number in (evening, night))
    (mine,) = ada.get("/api/music/users/ada/playlists").json()["playlists"]
    shown = ada.get(f"/api/music/users/ada/playlists/{mine['playlist_id']}").json()["playlist"]

    assert told.status_code == 201, told.text
    assert (told.json()["matched"], [one["title"] for one in told.json()["unmatched"]]) == (2, ["Elsewhere"])
    assert (first["rating"], first["liked"], first["play_count"]) == (4, True, 3)
    assert (second["rating"], second["liked"], second["play_count"]) == (1, False, 0)
    assert [one["song_id"] for one in shown["songs"]] == [night, evening, night]


def test_listens_of_elsewhere_come_in_once_and_bad_lines_are_told_by_number(ada: Client) -> None:
    here = song(ada, "Evening")
    lines = [heard("Evening", hours=1), "{}", heard("Night", hours=2), heard("Ahead", hours=-5), "no JSON"]
    files = {"file": ("listens.jsonl", "\n".join(lines).encode())}

    first = ada.post("/api/music/playlists/import", files=files)
    again = ada.post("/api/music/playlists/import", files=files).json()
    history = ada.get("/api/music/users/ada/history").json()["plays"]

    assert first.status_code == 201, first.text
    assert (first.json()["listens"], first.json()["refused"]) == (2, 3)
    assert first.json()["errors"] == [
        {"line": 2, "message": "The line has no track_metadata."},
        {"line": 4, "message": "It lies ahead."},
        {"line": 5, "message": "The line is not JSON."},
    ]
    assert (again.get("listens", 0), again["known"], again["refused"]) == (0, 2, 3)
    assert [one["title"] for one in history] == ["Evening", "Night"]
    assert ada.get(f"/api/music/songs/{here}").json()["play_count"] == 1


def heard(title: str, *, hours: int) -> str:
    """A line of ListenBrainz' export."""
    at = int(clock.ago(hours=hours).timestamp())
    return msgspec.json.encode(
        {"listened_at": at, "track_metadata": {"artist_name": "Bach", "track_name": title}}
    ).decode()


def test_plays_are_told_once(ada: Client, bob: Client) -> None:
    first = song(ada, duration=100)
    at = clock.ago(hours=1)
    play = {"play_id": str(uuid4()), "song_id": first, "listened_at": rfc3339(at), "ms_played": 90_000, "device": "web"}
    later = {**play, "play_id": str(uuid4()), "listened_at": rfc3339(at + timedelta(minutes=5))}
    ahead = {**play, "play_id": str(uuid4()), "listened_at": rfc3339(clock.ahead(hours=1))}

    one = ada.post("/api/music/plays", json={"plays": [play, later]}).json()
    two = ada.post("/api/music/plays", json={"plays": [later, play, ahead]}).json()
    history = ada.get("/api/music/users/ada/history").json()["plays"]
    stats = ada.get("/api/music/users/ada/stats", params={"range": "day"}).json()

    assert (one["accepted"], one["duplicates"]) == (2, 0)
    assert (two["accepted"], two["duplicates"], two["refused"][0]["reason"]) == (0, 2, "ahead")
    assert [one["song"]["song_id"] for one in history] == [first, first]
    assert (stats["plays"], stats["songs"][0]["plays"], stats["artists"][0]["name"]) == (2, 2, "Bach")
    assert bob.get("/api/music/users/ada/history").status_code == 404
    gone = ada.delete("/api/music/history", params={"from": rfc3339(at), "to": rfc3339(clock.now())})
    assert gone.status_code == 204
    assert ada.get("/api/music/users/ada/history").json()["plays"] == []


def test_the_queue_goes_from_device_to_device(ada: Client) -> None:
    a, b = song(ada, "A"), song(ada, "B")

    saved = ada.put("/api/music/queue", json={"items": [a, b], "current_index": 1, "position_ms": 4000, "device": "x"})
    stale = ada.put("/api/music/queue", json={"items": [a], "current_index": 0, "revision": 0})
    read = ada.get("/api/music/queue").json()

    assert saved.json()["revision"] == 1
    assert stale.status_code == 409
    assert (read["items"], read["current_index"], read["position_ms"]) == ([a, b], 1, 4000)


def test_an_app_password_is_shown_once(ada: Client, bob: Client) -> None:
    made = ada.post("/api/music/app-passwords", json={"name": "Phone"})
    listed = ada.get("/api/music/app-passwords")

    assert made.status_code == 201
    assert len(made.json()["password"]) == 16
    assert made.json()["password"] not in listed.text
    number = made.json()["app_password_id"]
    assert bob.delete(f"/api/music/app-passwords/{number}").status_code == 404
    assert ada.delete(f"/api/music/app-passwords/{number}").status_code == 204


def test_friends_follow_each_other(ada: Client, bob: Client) -> None:
    ada.post("/api/music/users/bob/follow")
    before = ada.get("/api/music/users/bob").json()["is_friend"]
    bob.post("/api/music/users/ada/follow")

    assert (before, ada.get("/api/music/users/bob").json()["is_friend"]) == (False, True)
    assert ada.post("/api/music/users/ada/follow").status_code == 400


def test_ids_that_are_none(ada: Client) -> None:
    for number in ("../../x", "1 OR 1=1", "NaN", "9" * 30, "-1", "1e3", "%00"):
        assert ada.get(f"/api/music/songs/{number}").status_code in (400, 404), number
        assert ada.post("/api/music/users/ada/likes", json={"songId": number}).status_code in (400, 404), number


def test_lists_of_the_catalogue(ada: Client, client: Client) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        song(ada, name, album=f"{name} album", genre="Baroque", year=1700)

    page = client.get("/api/music/albums", params={"sort": "name", "limit": 2}).json()
    rest = client.get("/api/music/albums", params={"sort": "name", "limit": 2, "cursor": page["next_cursor"]}).json()
    album = client.get(f"/api/music/albums/{page['albums'][0]['album_id']}").json()
    artist = client.get(f"/api/music/artists/{album['artist_id']}").json()

    assert [one["title"] for one in page["albums"] + rest["albums"]] == ["Alpha album", "Beta album", "Gamma album"]
    assert [one["title"] for one in album["songs"]] == ["Alpha"]
    assert len(artist["albums"]) == 3
    assert client.get("/api/music/genres").json()["genres"][0] == {
        "name": "Baroque", "key": "baroque", "song_count": 3, "album_count": 3
    }  # fmt: skip
    for sort in ("newest", "year", "plays", "rating", "random"):
        assert len(client.get("/api/music/albums", params={"sort": sort, "genre": "baroque"}).json()["albums"]) == 3


def test_an_admin_names_folders(ada: Client, client: Client, make: Factory, platform: Platform, tmp_path: Any) -> None:
    admin = client.with_token(make.token(make.account("root", roles_too=["admin"])))
    (tmp_path / "music").mkdir()

    made = admin.post("/api/music/libraries", json={"path": str(tmp_path / "music")})

    assert made.status_code == 201
    assert admin.get("/api/music/libraries").json()["libraries"][0]["songs"] == 0
    assert admin.post("/api/music/libraries", json={"path": "/nonexistent"}).status_code == 400
    assert admin.post("/api/music/libraries", json={"path": str(tmp_path)}).status_code == 409
    assert ada.post("/api/music/scan").status_code == 403
    assert admin.post("/api/music/scan").json()["scanning"] is True
    assert admin.get("/api/music/scan").json()["scanning"] is True  # it is waiting
    work(platform)
    assert admin.get("/api/music/scan").json()["scanning"] is False


@pytest.mark.parametrize("settings", [{"music.uploads": "review"}])
def test_a_moderator_lets_songs_in(ada: Client, bob: Client, client: Client, make: Factory) -> None:
    staff = client.with_token(make.token(make.account("mod", roles_too=["moderator"])))
    first = song(ada)

    before = bob.get(f"/api/music/songs/{first}").status_code
    refused = ada.post(f"/api/music/songs/{first}/approval").status_code
    allowed = staff.post(f"/api/music/songs/{first}/approval").status_code

    assert (before, refused, allowed) == (404, 403, 200)
    assert bob.get(f"/api/music/songs/{first}").status_code == 200


def test_moments_beyond_the_calendar_are_refused(ada: Client) -> None:
    number = song(ada)
    play = {"play_id": "0190b5a0-0000-7000-8000-000000000000", "song_id": number, "ms_played": 1000}

    for at in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        answers = [
            ada.post("/api/music/plays", json={"plays": [{**play, "listened_at": at}]}),
            ada.post("/api/music/shares", json={"items": [{"kind": "song", "id": number}], "expires_at": at}),
            ada.patch(f"/api/music/songs/{number}", json={"published_at": at}),
            ada.post("/api/music/taste/exclusions", json={"from": "2020-01-01T00:00:00Z", "to": at}),
        ]
        assert [one.status_code for one in answers] == [400] * 4
