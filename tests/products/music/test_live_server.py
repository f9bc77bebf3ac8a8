"""A real server: sound through the lane as through the routes, and what is left after a power cut."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.products.music.test_sound import encoded, tone
from tests.support.server import LiveServer, dodeca
from tests.support.servers import eventually

from dodeca import app as composition
from dodeca.kernel.settings import Config
from dodeca.products.music.invariants import invariants

pytestmark = pytest.mark.slow
PASSWORD = "a long and quiet passphrase"
LIMITS = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0", "DODECA_REQUESTS_PER_MINUTE": "0"}
FILES = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with music alone."""
    folder = tmp_path_factory.mktemp("music")
    live = LiveServer(folder / "data", "--only", "music", "--no-demo", probed=False, **LIMITS)
    live.start()
    yield live
    live.stop()


def member(server: LiveServer, name: str) -> dict[str, str]:
    """A new member's header."""
    person = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    answer = server.post("/api/music/users", json=person)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def upload(server: LiveServer, header: dict[str, str], path: Path, **fields: str) -> str:
    """The id of a new song."""
    files = {"file": (path.name, path.read_bytes())}
    answer = server.post("/api/music/songs", headers=header, files=files, data=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["song_id"])


def test_the_lane_gives_the_same_bytes_to_the_same_people(server: LiveServer, tmp_path: Path) -> None:
    ada, bob = member(server, "ada"), member(server, "bob")
    file = encoded(tmp_path / "a.mp3", seconds=3.0, title="A", artist="B")
    data = file.read_bytes()
    number = upload(server, ada, file, visibility="private")
    made = server.post("/api/music/app-passwords", headers=ada, json={"name": "App"}).json()
    token = hashlib.md5(f"{made['password']}salt".encode()).hexdigest()
    asked = {"u": "ada", "t": token, "s": "salt", "v": "1.16.1", "c": "test", "id": number}
    path = f"/api/music/songs/{number}/stream"

    whole = server.get(path, headers=ada)
    part = server.get(path, headers={**ada, "Range": "bytes=100-199"})
    same = server.get(path, headers={**ada, "If-None-Match": whole.headers["etag"]})
    beyond = server.get(path, headers={**ada, "Range": f"bytes={len(data)}-"})
    apps = [server.get("/music/rest/stream.view", params=asked) for _ in range(2)]  # the second one needs no note
    piece = server.get("/music/rest/stream", params=asked, headers={"Range": "bytes=-10"})
    wrong = server.get("/music/rest/stream", params={**asked, "t": "0" * 32, "f": "json"})

    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "audio/mpeg"
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert (same.status_code, same.content, beyond.status_code) == (304, b"", 416)
    assert [(one.status_code, one.content) for one in apps] == [(200, data)] * 2
    assert (piece.status_code, piece.content) == (206, data[-10:])
    assert wrong.json()["subsonic-response"]["error"]["code"] == 40
    assert [server.get(path, headers=who).status_code for who in (bob, {})] == [404, 404]
    assert server.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 401


@pytest.mark.timeout(300)
def test_a_power_cut_loses_nothing_that_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    for place in range(FILES):
        tone(folder / f"{place:03d}.wav", 0.1, 200.0 + place)
    long = tone(tmp_path / "long.wav", 60.0)
    live = LiveServer(tmp_path / "data", "--only", "music", "--no-demo", probed=False, **LIMITS)
    live.start()
    ada = member(live, "ada")
    number = upload(live, ada, long, title="Long", artist="Tone")
    assert dodeca("admin", "create", "ada", data=tmp_path / "data").returncode == 0
    started = live.post("/api/music/libraries", headers=ada, json={"path": str(folder)})
    assert started.status_code == 201, started.text

    eventually(lambda: _scan(live, ada)["added"] >= 1, "the scan has begun")
    with httpx.stream("GET", f"{live.url}/api/music/songs/{number}/stream?format=flac", headers=ada) as transcode:
        next(transcode.iter_bytes(1000))
        _half_an_upload(live, ada, long)
        live.kill()
    live.start()

    live.post("/api/music/scan", headers=ada)
    eventually(lambda: _whole(_scan(live, ada)), "a scan has ended")
    songs = live.get("/api/music/libraries", headers=ada).json()["libraries"][0]["songs"]
    again = live.get(f"/api/music/songs/{number}/stream?format=flac", headers=ada)
    assert songs == FILES
    assert live.get(f"/api/music/songs/{number}/stream", headers=ada).content == long.read_bytes()
    assert (again.status_code, again.content[:4]) == (200, b"fLaC")
    live.stop()
    with closing(composition.compose(Config(environment={}, overrides={"data": tmp_path / "data"}))) as platform:
        broken = {name: rows for name, rule in invariants.items() if (rows := list(platform.db.read(rule)))}
    assert broken == {}


def _scan(live: LiveServer, header: dict[str, str]) -> dict[str, Any]:
    return dict(live.get("/api/music/scan", headers=header).json())


def _whole(scan: dict[str, Any]) -> bool:
    return not scan["scanning"] and scan["finished_at"] is not None and scan["count"] == FILES


def _half_an_upload(live: LiveServer, header: dict[str, str], path: Path) -> None:
    """Begin an upload and leave it there."""

    def half() -> Iterator[bytes]:
        data = path.read_bytes()
        yield data[: len(data) // 2]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        httpx.put(f"{live.url}/api/music/songs/1/audio", headers=header, content=half(), timeout=20)
