"""A real server, and what is left after a power cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.products.music.test_sound import tone
from tests.support.server import LiveServer
from tests.support.servers import eventually

from dodeca import app as composition
from dodeca.commons.accounts.public import account_by_login
from dodeca.commons.accounts.service import roles
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from dodeca.products.music.invariants import invariants

pytestmark = pytest.mark.slow
PASSWORD = "a long and quiet passphrase"
LIMITS = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0", "DODECA_REQUESTS_PER_MINUTE": "0"}
FILES = 100


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
    with composed(tmp_path) as platform:
        platform.db.write(_make_admin)
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
    with composed(tmp_path) as platform:
        broken = {name: rows for name, rule in invariants.items() if (rows := list(platform.db.read(rule)))}
    assert broken == {}


def _make_admin(session: WriteSession) -> None:
    account = account_by_login(session, "ada")
    assert account is not None
    roles.grant(session, None, account, "admin")


def composed(folder: Path) -> closing[Platform]:
    """The server's data, in this process: a command of its own would load everything once more."""
    config = Config(environment={}, overrides={"data": folder / "data", "only": "music"})
    return closing(composition.compose(config))


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
