"""Clients of others, unmodified, and radio, against a server of their own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.products.music.audio.conftest import encode, tone, write_wave
from tests.support.npm import CLIENTS, packages
from tests.support.programs import found
from tests.support.server import LiveServer
from tests.support.servers import redis_server

from dodeca.products.music.audio import measuring
from dodeca.products.music.radio import icy
from dodeca.products.music.radio.frames import CHUNK_MS

pytestmark = [pytest.mark.slow, pytest.mark.clients]
PASSWORD = "correct horse battery staple"


class Live:
    """A server with two members and three songs of different pitch."""

    def __init__(self, server: LiveServer, folder: Path) -> None:
        self.server = server
        self.files = {}
        self.ann = self.registered("ann")
        self.bob = self.registered("bob")
        for number, title in enumerate(("Evening", "Night", "Morning"), 1):
            plain = write_wave(folder / f"{title}.wav", tone(8, hertz=220.0 * number))
            tags = {"title": title, "artist": "Ann Archer", "album": "Days", "track": str(number), "genre": "Folk"}
            self.files[title] = encode(plain, folder / f"{title}.mp3", "-b:a", "128k", **tags)
        self.songs = {title: self.uploaded(path) for title, path in self.files.items()}
        self.password = self.made("/app-passwords", {"name": "Clients"})["password"]

    def registered(self, name: str) -> str:
        """A new member's token."""
        data = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
        return str(self.server.post("/api/accounts/register", json=data).json()["token"])

    def made(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """What ann makes through the product's own API."""
        headers = {"Authorization": f"Bearer {self.ann}"}
        answer = self.server.post(f"/api/music{path}", json=data, headers=headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def uploaded(self, path: Path) -> str:
        """The id of a file's song."""
        headers = {"Authorization": f"Bearer {self.ann}"}
        answer = self.server.post("/api/music/songs", files={"file": (path.name, path.read_bytes())}, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["song_id"])


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the two processes; empty where it is not installed: then there is one process."""
    if found("redis-server") is None:
        yield ""
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def _started(data: Path, redis_url: str) -> LiveServer:
    variables = {"DODECA_MUSIC_RENDER_DEMO": "0", **({"DODECA_REDIS_URL": redis_url} if redis_url else {})}
    return LiveServer(data, "--only", "music", "--no-demo", probed=False, **variables).start()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("music")
    server = _started(folder / "data", redis_url)
    try:
        yield Live(server, folder)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def other(live: Live, redis_url: str) -> Iterator[LiveServer]:
    """Another process on the same data."""
    if not redis_url:
        yield live.server
        return
    server = _started(live.server.data, redis_url)
    try:
        yield server
    finally:
        server.stop()


# The lane


def test_the_lane_gives_the_same_bytes_to_the_same_people(live: Live) -> None:
    server, number, data = live.server, live.songs["Night"], live.files["Night"].read_bytes()
    ada, bob = ({"Authorization": f"Bearer {token}"} for token in (live.ann, live.bob))
    hidden = server.request("PATCH", f"/api/music/songs/{number}", headers=ada, json={"visibility": "private"})
    token = hashlib.md5(f"{live.password}salt".encode()).hexdigest()
    asked = {"u": "ann", "t": token, "s": "salt", "v": "1.16.1", "c": "test", "id": number}
    path = f"/api/music/songs/{number}/stream"

    assert hidden.status_code == 200, hidden.text
    whole = server.get(path, headers=ada)
    part, again, others = (
        server.get(path, headers={**who, "Range": "bytes=100-199"}) for who in (ada, ada, bob)
    )  # what was sent once is at hand, for whoever may hear it
    same = server.get(path, headers={**ada, "If-None-Match": whole.headers["etag"]})
    beyond = server.get(path, headers={**ada, "Range": f"bytes={len(data)}-"})
    apps = [server.get("/music/rest/stream.view", params=asked) for _ in range(2)]  # the second one needs no note
    piece = server.get("/music/rest/stream", params=asked, headers={"Range": "bytes=-10"})
    wrong = server.get("/music/rest/stream", params={**asked, "t": "0" * 32, "f": "json"})

    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "audio/mpeg"
    assert (part.status_code, part.content) == (206, data[100:200])
    assert (again.content, again.headers["etag"], others.status_code) == (part.content, part.headers["etag"], 404)
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert (same.status_code, same.content, beyond.status_code) == (304, b"", 416)
    assert [(one.status_code, one.content) for one in apps] == [(200, data)] * 2
    assert (piece.status_code, piece.content) == (206, data[-10:])
    assert wrong.json()["subsonic-response"]["error"]["code"] == 40
    assert [server.get(path, headers=who).status_code for who in (bob, {})] == [404, 404]
    assert server.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 401
    server.request("PATCH", f"/api/music/songs/{number}", headers=ada, json={"visibility": "public"})


def test_the_lane_reads_what_the_routes_read(live: Live) -> None:
    token = hashlib.md5(f"{live.password}salt".encode()).hexdigest()
    asked = {"u": "ann", "t": token, "s": "salt", "v": "1.16.1", "c": "test"}
    reading: list[tuple[str, dict[str, str]]] = [
        ("getAlbumList2.view", {"type": "newest", "f": "json"}),
        ("getAlbumList2", {"type": "byYear", "fromYear": "1900", "toYear": "2100", "f": "xml"}),
        ("search3", {"query": "night ünd", "f": "json"}),
        ("getSong", {"id": live.songs["Night"]}),
        ("getSong", {"id": "404404", "f": "json"}),
        ("getAlbumList2", {"f": "json"}),
        ("ping", {"t": "0" * 32, "f": "json"}),
    ]
    for method, more in reading:
        for _ in range(2):  # the first may note that the app's password is used, as only the routes do
            plain = live.server.get(f"/music/rest/{method}", params={**asked, **more})
        posted = live.server.post(f"/music/rest/{method}", data={**asked, **more})
        names = ("content-type", "cache-control", "access-control-allow-origin", "x-content-type-options")

        assert plain.content == posted.content, method
        assert [plain.headers.get(name) for name in names] == [posted.headers.get(name) for name in names], method


def test_the_lane_gives_no_way_round_refused_guesses(live: Live) -> None:
    """Who guessed wrong too often is refused the right password too, whichever way the request goes."""
    headers = {"Authorization": f"Bearer {live.bob}"}
    made = live.server.post("/api/music/app-passwords", json={"name": "x"}, headers=headers).json()
    token = hashlib.md5(f"{made['password']}salt".encode()).hexdigest()
    asked = {"u": "bob", "t": token, "s": "salt", "v": "1.16.1", "c": "test", "id": live.songs["Evening"], "f": "json"}

    def heard(**changes: str) -> bool:
        answer = live.server.get("/music/rest/stream", params={**asked, **changes})
        return answer.headers["content-type"] == "audio/mpeg"

    assert [heard() for _ in range(2)] == [True, True]  # the second one through the lane
    assert not any(heard(t=f"{number:032d}") for number in range(11))
    assert not heard()


# py-opensonic


@pytest.fixture
def opensonic(live: Live) -> Iterator[Any]:
    """Its blocking connection, by token."""
    from libopensonic import Connection

    connection = Connection(
        "http://127.0.0.1", "ann", live.password, port=live.server.port, server_path="/music", app_name="opensonic"
    )
    yield connection
    connection.cleanup()


def test_py_opensonic_walks_the_library(live: Live, opensonic: Any) -> None:
    assert opensonic.ping()
    assert {one.name for one in opensonic.get_open_subsonic_extensions()} >= {"songLyrics", "transcoding"}
    (artist,) = opensonic.get_artists().index[0].artist
    (album,) = opensonic.get_artist(artist.id).album
    songs = opensonic.get_album(album.id).song
    assert [song.title for song in songs] == ["Evening", "Night", "Morning"]
    assert [song.id for song in songs] == list(live.songs.values())
    assert opensonic.get_song(songs[0].id).path == "Ann Archer/Days/01 - Evening.mp3"
    assert opensonic.get_indexes().index[0].artist[0].name == "Ann Archer"
    assert opensonic.get_music_directory(album.id).child[0].title == "Evening"
    assert [one.name for one in opensonic.get_album_list2("alphabeticalByName")] == ["Days"]
    assert [one.name for one in opensonic.get_album_list("newest")] == ["Days"]
    assert [one.value for one in opensonic.get_genres()] == ["Folk"]
    assert len(opensonic.get_random_songs(size=5)) == len(opensonic.get_songs_by_genre("Folk")) == 3
    assert opensonic.get_artist_info2(artist.id).large_image_url.startswith("http")
    assert len(opensonic.get_top_songs("Ann Archer")) == len(opensonic.get_similar_songs2(artist.id)) == 3
    assert len(opensonic.search3("").song) == 3
    assert opensonic.get_license()["license"]["valid"] is True
    assert opensonic.get_user("ann").stream_role is True
    assert opensonic.get_scan_status().scanning is False


def test_py_opensonic_reads_bytes(live: Live, opensonic: Any) -> None:
    import asyncio

    def read(answer: Any) -> bytes:
        return bytes(asyncio.run_coroutine_threadsafe(answer.read(), opensonic._loop).result(60))

    whole = live.files["Night"].read_bytes()
    number = live.songs["Night"]

    assert read(opensonic.stream(number)) == whole
    assert read(opensonic.download(number)) == whole
    assert read(opensonic.stream(number, tformat="opus", max_bit_rate=64))[:4] == b"OggS"
    assert opensonic.get_cover_art(number).status == 200
    info = {
        "name": "x",
        "platform": "y",
        "transcodingProfiles": [{"container": "flac", "audioCodec": "flac", "protocol": "http"}],
    }
    decision = opensonic.get_transcode_decision(number, "song", info)
    assert decision.can_transcode
    assert read(opensonic.get_transcode_stream(number, "song", decision.transcode_params))[:4] == b"fLaC"


def test_py_opensonic_leaves_things_behind(live: Live, opensonic: Any) -> None:
    one, two, three = live.songs.values()
    assert opensonic.create_playlist(name="From opensonic", song_ids=[one, two])
    (playlist,) = [one for one in opensonic.get_playlists() if one.name == "From opensonic"]
    opensonic.update_playlist(playlist.id, song_ids_to_add=[three], song_indices_to_remove=[0])
    opensonic.star([one])
    opensonic.set_rating(two, 5)
    opensonic.scrobble(one, listen_time=1_700_000_000)
    opensonic.report_playback(two, "song", 1000, "playing")
    opensonic.save_play_queue_by_index([one, one, two], current_index=1, position=500)
    opensonic.create_bookmark(three, 3000)
    share = opensonic.create_share([one], description="hello")
    opensonic.add_chat_message("hello")

    assert [song.id for song in opensonic.get_playlist(playlist.id).entry] == [two, three]
    assert [song.id for song in opensonic.get_starred2().song] == [one]
    assert opensonic.get_song(two).user_rating == 5
    assert opensonic.get_song(one).play_count == 1
    assert [entry.id for entry in opensonic.get_now_playing()] == [two]
    assert opensonic.get_play_queue_by_index().current_index == 1
    assert opensonic.get_bookmarks()[0].position == 3000
    assert live.server.get(share.url.removeprefix(live.server.url)).status_code != 500
    assert opensonic.get_chat_messages()[-1].message == "hello"
    opensonic.delete_playlist(playlist.id)
    opensonic.unstar([one])


# py-sonic


def test_py_sonic_walks_the_library_in_three_ways(live: Live) -> None:
    import libsonic

    base = {"port": live.server.port, "serverPath": "/music/rest"}
    ways = (
        libsonic.Connection("http://127.0.0.1", "ann", live.password, **base),
        libsonic.Connection("http://127.0.0.1", "ann", live.password, **base, legacyAuth=True),
        libsonic.Connection("http://127.0.0.1", "ann", PASSWORD, **base, legacyAuth=True),
    )
    for connection in ways:
        assert connection.ping()
        albums = connection.getAlbumList2("newest")["albumList2"]["album"]
        album = connection.getAlbum(albums[0]["id"])["album"]
        assert [song["title"] for song in album["song"]] == ["Evening", "Night", "Morning"]
        assert connection.stream(album["song"][0]["id"]).read() == live.files["Evening"].read_bytes()
    with pytest.raises(libsonic.errors.DataNotFoundError):
        ways[0].getSong("999999")
    with pytest.raises(libsonic.errors.AuthError):
        ways[0].getUsers()


# npm's subsonic-api


def test_npm_subsonic_api(live: Live) -> None:
    packages()

    done = subprocess.run(
        ["node", str(CLIENTS / "subsonic.mjs"), f"{live.server.url}/music", "ann", live.password],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for seen in json.loads(done.stdout).values():
        assert seen["ping"]["status"] == "ok"
        assert seen["album"]["album"]["songCount"] == 3
        assert seen["search"]["searchResult3"]["song"][0]["title"] == "Evening"
        assert seen["playlist"]["playlist"]["entry"][0]["title"] == "Evening"
        assert seen["stream"] == {"type": "audio/mpeg", "bytes": live.files["Evening"].stat().st_size}
        assert seen["cover"]["status"] == 200


# liblistenbrainz


def test_liblistenbrainz_tells_and_asks(live: Live) -> None:
    import liblistenbrainz

    client = liblistenbrainz.ListenBrainz(api_base_url=live.server.url + "/music")
    client.set_auth_token(live.password)
    now = int(time.time())
    listens = [
        liblistenbrainz.Listen(track_name="Evening", artist_name="Ann Archer", listened_at=now - 4000),
        liblistenbrainz.Listen(track_name="Elsewhere", artist_name="Bo", release_name="Far", listened_at=now - 3000),
    ]
    client.submit_multiple_listens(listens)
    client.submit_single_listen(liblistenbrainz.Listen("Elsewhere", "Bo", listened_at=now - 1000))
    client.submit_playing_now(liblistenbrainz.Listen("Night", "Ann Archer"))

    told = client.get_listens("ann")
    assert [one.track_name for one in told if one.artist_name == "Bo"] == ["Elsewhere", "Elsewhere"]
    assert [one.track_name for one in client.get_listens("ann", max_ts=now - 3500, count=1)] == ["Evening"]
    assert client.get_playing_now("ann").track_name == "Night"
    assert client.get_user_artists("ann")["payload"]["artists"][0]["listen_count"] >= 2
    assert client.get_user_recordings("ann")["payload"]["count"] >= 2
    assert client.get_user_releases("ann")["payload"]["count"] >= 1
    assert client.get_user_release_groups("ann", time_range="year") is None
    assert client.get_user_recommendation_recordings("ann") is None
    before = client.get_user_listen_count("ann")
    client.delete_listen(told[0])
    assert client.get_user_listen_count("ann") == before - 1
    assert client.get_user_feedback("ann", 1, False)["total_count"] >= 0
    with pytest.raises(liblistenbrainz.errors.ListenBrainzAPIException):
        client.submit_user_feedback(1, "11111111-2222-3333-4444-555555555555")
    with pytest.raises(liblistenbrainz.errors.ListenBrainzAPIException):
        client.get_listens("bob")
    with pytest.raises(liblistenbrainz.errors.InvalidAuthTokenException):
        client.set_auth_token("wrong")


# Radio


@pytest.fixture(scope="module")
def station(live: Live) -> dict[str, Any]:
    """A private station of three songs of eight seconds."""
    data = {"title": "Late Hours", "slug": "late", "songs": list(live.songs.values())}
    made = live.made("/stations", data)
    made["path"] = made["stream_url"].removeprefix(live.server.url)
    return made


def _read(live: Live, path: str, size: int, **headers: str) -> tuple[bytes, httpx.Headers]:
    """The first bytes of a stream without end."""
    data = b""
    with httpx.stream("GET", live.server.url + path, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            data += piece
            if len(data) >= size:
                break
        return data[:size], answer.headers


def test_two_listeners_hear_the_same_frames(live: Live, station: dict[str, Any]) -> None:
    """Who comes later begins later in the same bytes."""
    chunk = 384 * 40
    with httpx.stream("GET", live.server.url + station["path"], timeout=60) as answer:
        pieces = answer.iter_bytes()
        first = next(pieces)
        second, headers = _read(live, station["path"], chunk * 4)
        while len(first) < chunk * 10:
            first += next(pieces)

    assert headers["content-type"] == "audio/mpeg"
    assert "content-length" not in headers
    assert second in first


def test_a_stream_is_paced_after_a_short_burst(live: Live, station: dict[str, Any]) -> None:
    begun = time.monotonic()
    _read(live, station["path"], 384 * 40 * 9)
    passed = time.monotonic() - begun

    # Nine chunks of 960 ms: five may come at once, the others as they fall due. Slowness cannot make this less.
    assert passed >= 3 * CHUNK_MS / 1000


def test_titles_come_within_the_stream(live: Live, station: dict[str, Any]) -> None:
    data, headers = _read(live, station["path"], 16_000 * 8, **{"Icy-MetaData": "1"})

    assert headers["icy-name"] == "Late Hours"
    assert headers["icy-metaint"] == str(icy.METAINT)
    assert headers["icy-br"] == "128"
    told = _titles(data)
    if told[0] == "StreamTitle='Late Hours';":  # of the seconds before there was the station
        told.pop(0)
    assert told
    assert set(told) <= {f"StreamTitle='Ann Archer - {name}';" for name in live.songs}


def _titles(data: bytes) -> list[str]:
    """The titles between the bytes of a stream, one after the other."""
    found, place = [], icy.METAINT
    while place < len(data) and place + (length := data[place] * 16) < len(data):
        if length:
            found.append(data[place + 1 : place + 1 + length].rstrip(b"\0").decode())
        place += 1 + length + icy.METAINT
    return found


@pytest.mark.parametrize("suffix", ["aac", "ogg"])
def test_other_formats_decode(live: Live, station: dict[str, Any], tmp_path: Path, suffix: str) -> None:
    data, headers = _read(live, station["path"].replace(".mp3", f".{suffix}"), 40_000)
    path = tmp_path / f"heard.{suffix}"
    path.write_bytes(data)

    assert headers["content-type"] == f"audio/{suffix}"
    assert measuring.measure(path).track_peak is not None


def test_live_hls_is_one_text_for_all_and_its_segments_decode(
    live: Live, station: dict[str, Any], tmp_path: Path
) -> None:
    path = station["path"].replace(".mp3", ".m3u8")
    text = live.server.get(path).text
    lines = text.splitlines()
    uri = lines[-1]

    answer = live.server.get(f"/music/radio/{uri}", timeout=90)

    assert lines[0] == "#EXTM3U"
    assert any(line.startswith("#EXT-X-PROGRAM-DATE-TIME:") for line in lines)
    assert f"key={station['key']}" in uri
    assert answer.status_code == 200
    file = tmp_path / "segment.aac"
    file.write_bytes(answer.content)
    assert measuring.check(file) == pytest.approx(5760, abs=60)
    assert live.server.get("/music/radio/late/1.aac").status_code == 404


def test_a_private_station_needs_its_key(live: Live, station: dict[str, Any]) -> None:
    for suffix in ("mp3", "m3u8", "pls", "m3u", "rss"):
        assert live.server.get(f"/music/radio/late.{suffix}").status_code == 404
    listed = live.server.get(f"/music/radio/late.pls?key={station['key']}")
    assert listed.headers["content-type"].startswith("audio/x-scpls")
    assert f"File1={station['stream_url']}" in listed.text
    assert live.server.request("HEAD", station["path"]).headers["icy-name"] == "Late Hours"


def test_somebody_live_is_heard_in_other_processes_and_recorded(live: Live, other: LiveServer, tmp_path: Path) -> None:
    made = live.made("/stations", {"title": "Open Air", "slug": "open-air", "songs": [live.songs["Evening"]]})
    path = made["stream_url"].removeprefix(live.server.url)
    speech = encode(write_wave(tmp_path / "s.wav", tone(15, hertz=1000)), tmp_path / "speech.mp3", "-b:a", "64k")

    heard_there = threading.Event()

    def said() -> Iterator[bytes]:
        """Most of it at once; the rest when it was heard elsewhere."""
        data = speech.read_bytes()
        yield data[:-1000]
        heard_there.wait(60)
        yield data[-1000:]

    def speak(token: str, server: LiveServer = live.server, *, content: Any = b"") -> httpx.Response:
        url = f"{server.url}/api/music/stations/{made['station_id']}/live"
        return httpx.put(url, content=content, headers={"Authorization": f"Bearer {token}"}, timeout=90)

    assert (speak(live.ann).status_code, speak(live.bob).status_code) == (409, 404)
    begins = datetime.now(UTC) + timedelta(seconds=5)
    show = {"title": "Tonight", "starts_at": begins.isoformat(), "duration_s": 60, "live": True}
    live.made(f"/stations/{made['station_id']}/shows", show)
    time.sleep(max(0.0, (begins - datetime.now(UTC)).total_seconds()) + 0.1)
    answers: list[httpx.Response] = []

    speaker = threading.Thread(target=lambda: answers.append(speak(live.ann, content=said())))
    speaker.start()
    heard, too = b"", None
    with httpx.stream("GET", other.url + path, headers={"Icy-MetaData": "1"}, timeout=60) as answer:
        for piece in answer.iter_bytes():
            heard += piece
            if b"StreamTitle='Open Air - Tonight';" in heard or len(heard) > 16_000 * 40:
                too = speak(live.ann, other)
                break
    heard_there.set()
    speaker.join(90)

    assert b"StreamTitle='Open Air - Tonight';" in heard
    assert too is not None
    assert (answers[0].status_code, too.status_code) == (200, 409), (answers[0].text, too.text)
    assert answers[0].json()["size"] > 16_000 * 5
    given = {"u": "ann", "p": live.password, "v": "1.16.1", "c": "x", "f": "json"}
    podcasts = live.server.get("/music/rest/getPodcasts", params=given).json()["subsonic-response"]["podcasts"]
    episode = podcasts["channel"][0]["episode"][0]
    assert (episode["title"], episode["suffix"]) == ("Tonight", "mp3")
    recording = live.server.get("/music/rest/stream", params={**given, "id": episode["id"]})
    kept = tmp_path / "kept.mp3"
    kept.write_bytes(recording.content)
    assert measuring.check(kept) > 5000
    feed = live.server.get(path.replace(".mp3", ".rss")).text
    enclosure = feed.partition('enclosure url="')[2].partition('"')[0].replace("&amp;", "&")
    assert httpx.get(enclosure).content == recording.content


def test_the_converter_ends_when_its_listener_leaves(live: Live, tmp_path: Path) -> None:
    """Five minutes take ffmpeg some seconds, so it is caught at work; what it had made is not kept."""
    plain = write_wave(tmp_path / "long.wav", tone(300))
    number = live.uploaded(encode(plain, tmp_path / "long.mp3", "-b:a", "32k", title="Long", artist="L"))
    given = {"u": "ann", "p": live.password, "v": "1.16.1", "c": "x", "id": number, "format": "opus", "maxBitRate": 256}

    with httpx.stream("GET", f"{live.server.url}/music/rest/stream", params=given, timeout=60) as answer:
        next(answer.iter_bytes())

    assert live.server.process is not None
    _until(lambda: not _converters(live.server.process.pid if live.server.process else 0))
    left = live.server.request("HEAD", "/music/rest/stream", params=given)
    assert left.headers["accept-ranges"] == "none"


def _converters(pid: int) -> list[str]:
    """The ffmpeg processes below a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = entry.read_text().partition(") ")
            parents = int(rest.split()[1])
            if "ffmpeg" in name and (parents == pid or _parent(parents) == pid):
                found.append(name)
    return found


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().partition(") ")[2].split()[1])
    return 0


def test_listeners_that_leave_are_counted_no_more(live: Live, station: dict[str, Any]) -> None:
    def listeners() -> int:
        headers = {"Authorization": f"Bearer {live.ann}"}
        answer = live.server.get(f"/api/music/stations/{station['station_id']}", headers=headers)
        return int(answer.json()["listeners"])

    with contextlib.ExitStack() as stack:
        streams = []
        for _ in range(3):
            answer = stack.enter_context(httpx.stream("GET", live.server.url + station["path"], timeout=60))
            streams.append(answer.iter_bytes())
            next(streams[-1])
        assert listeners() >= 3
    _until(lambda: listeners() == 0)


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)
