"""A real server, and what is left after a power cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
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


def test_an_uploader_hears_how_far_a_song_is_and_nobody_else_does(tmp_path: Path) -> None:
    live = LiveServer(tmp_path / "data", "--only", "music", "--no-demo", probed=False, **LIMITS).start()
    ada, bob = member(live, "ada"), member(live, "bob")
    with events(live, ada) as ours, events(live, bob) as theirs:
        number = upload(live, ada, tone(tmp_path / "long.wav", 60.0), title="Long", artist="Tone")
        told = list(until_ready(ours, number))
        upload(live, bob, tone(tmp_path / "short.wav", 1.0), title="Short", artist="Tone")
        first_of_bob = next(theirs)
    with events(live, ada) as later:
        known = next(later)
    stranger = live.get("/api/music/uploads/events")
    live.stop()

    states = [state for state, _ in groupby(one["state"] for one in told)]
    assert states[-2:] == ["packaging", "ready"]  # a state that is over before it was sent is left out
    shares = [one["share"] for one in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any(0.1 < share < 1 for share in shares)
    assert first_of_bob["song_id"] != number
    assert known == told[-1]
    assert stranger.status_code == 401


@contextmanager
def events(live: LiveServer, header: dict[str, str]) -> Iterator[Iterator[dict[str, Any]]]:
    """What a member is told of songs, as a browser's EventSource reads it."""
    with httpx.stream("GET", f"{live.url}/api/music/uploads/events", headers=header, timeout=120) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield told_of(answer.iter_lines())


def told_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of each `preparation` (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    kind = ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            kind = value.strip()
        elif field == "data" and kind == "preparation":
            yield json.loads(value)


def until_ready(told: Iterator[dict[str, Any]], number: str) -> Iterator[dict[str, Any]]:
    """What is told of a song until its last word."""
    for one in told:
        assert one["song_id"] == number
        yield one
        if one["state"] in ("ready", "failed"):
            return
