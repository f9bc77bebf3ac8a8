"""The bytes of songs: uploads, streams, transcodes, signed addresses, HLS, scans."""

from __future__ import annotations

import hashlib
import math
import struct
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest
from tests.support.platform import Client, Factory, work

from dodeca.commons.pipeline.ffmpeg import executable
from dodeca.kernel import clock
from dodeca.kernel.platform import Platform


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """One engine is enough here: the services are tested on both."""
    return sqlite_url


def tone(path: Path, seconds: float = 1.0, hertz: float = 440.0) -> Path:
    """A WAV file of one tone."""
    rate = 8000
    samples = (round(12_000 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(round(rate * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


def encoded(path: Path, *, seconds: float = 1.0, hertz: float = 440.0, **tags: str) -> Path:
    """A tagged file in the format of its suffix."""
    source = tone(path.with_suffix(".source.wav"), seconds, hertz)
    named = [part for name, value in tags.items() for part in ("-metadata", f"{name}={value}")]
    command = [executable(), "-loglevel", "error", "-y", "-i", str(source), *named, str(path)]
    subprocess.run(command, check=True)
    source.unlink()
    return path


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of sound."""
    folder = tmp_path_factory.mktemp("sound")
    return encoded(
        folder / "a.mp3", title="Ton", artist="Stimmgabel", album="Töne", track="3", date="1999", genre="Test"
    )


@pytest.fixture
def ada(client: Client, make: Factory) -> Client:
    """A member."""
    return client.with_token(make.token(make.account("ada")))


def upload(member: Client, path: Path, **fields: str) -> Any:
    """The answer to an upload."""
    with path.open("rb") as file:
        return member.post("/api/music/songs", files={"file": (path.name, file)}, data=fields)


def test_an_upload_becomes_a_song_that_sounds(ada: Client, mp3: Path, platform: Platform) -> None:
    answer = upload(ada, mp3, title="Kammerton")
    work(platform)
    song = answer.json()["song"]
    again = upload(ada, mp3)
    path = f"/api/music/songs/{song['song_id']}"

    assert answer.status_code == 201, answer.text
    wanted = {"title": "Kammerton", "artist": "Stimmgabel", "album": "Töne", "track": 3, "year": 1999, "codec": "mp3"}
    assert {name: song[name] for name in wanted} == wanted
    assert song["has_audio"]
    assert 900 <= song["duration_ms"] <= 1200
    assert (again.status_code, again.json()["song_id"]) == (409, song["song_id"])
    assert len(ada.get(f"{path}/waveform").json()["peaks"]) == 1000
    assert ada.get(path).json()["replay_gain"]["track_gain"] is not None


def test_bytes_out_are_bytes_in(ada: Client, mp3: Path) -> None:
    number = upload(ada, mp3).json()["song_id"]
    path, data = f"/api/music/songs/{number}/stream", mp3.read_bytes()

    whole = ada.get(path)
    part = ada.get(path, headers={"Range": "bytes=100-199"})
    suffix = ada.get(path, headers={"Range": "bytes=-50"})
    beyond = ada.get(path, headers={"Range": f"bytes={len(data)}-"})
    several = ada.get(path, headers={"Range": "bytes=0-1,5-6"})
    head = ada.request("HEAD", path)
    same = ada.get(path, headers={"If-None-Match": whole.headers["etag"]})
    stale = ada.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})

    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["cache-control"] == "private, max-age=3600"
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert (suffix.status_code, suffix.content) == (206, data[-50:])
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert (several.status_code, several.content) == (200, data)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")
    assert (same.status_code, stale.status_code) == (304, 200)
    download = ada.get(f"/api/music/songs/{number}/download")
    assert download.content == data
    assert "Stimmgabel" in download.headers["content-disposition"]
    assert ada.post("/api/music/songs", json={"title": "x", "artist": "y"}).status_code == 201


def test_a_transcode_is_stored_and_then_has_ranges(ada: Client, mp3: Path) -> None:
    number = upload(ada, mp3).json()["song_id"]
    path = f"/api/music/songs/{number}/stream?format=opus&max_bit_rate=64"

    first = ada.get(path)
    second = ada.get(path, headers={"Range": "bytes=0-3"})
    later = ada.get(f"{path}&time_offset=0.5")

    assert (first.status_code, first.headers["content-type"]) == (200, "audio/ogg")
    assert first.content[:4] == b"OggS"
    assert (second.status_code, second.content) == (206, b"OggS")
    assert 0 < len(later.content) < len(first.content)
    assert ada.get(f"/api/music/songs/{number}/stream?format=exe").status_code == 400
    assert ada.get(f"/api/music/songs/{number}/stream?time_offset=nan").status_code == 400


def test_what_begins_later_keeps_its_format(ada: Client, tmp_path: Path) -> None:
    number = upload(ada, encoded(tmp_path / "song.opus")).json()["song_id"]
    path = f"/api/music/songs/{number}/stream?time_offset=0.5"

    kept, named = ada.get(path), ada.get(f"{path}&format=opus")

    assert [one.headers["content-type"] for one in (kept, named)] == ["audio/ogg"] * 2


def test_a_signed_address_needs_no_login(ada: Client, client: Client, mp3: Path) -> None:
    number = upload(ada, mp3, visibility="private").json()["song_id"]
    url = ada.get(f"/api/music/songs/{number}/url").json()["url"]
    path = url[url.index("/api/") :]

    good = client.get(path)
    altered = client.get(path.replace(f"songs/{number}", "songs/1234"))
    plain = client.get(f"/api/music/songs/{number}/stream")
    clock.advance(2 * 3600)
    expired = client.get(path)

    assert (good.status_code, good.content) == (200, mp3.read_bytes())
    assert good.headers["cache-control"] == "public, max-age=86400, immutable"
    assert (altered.status_code, expired.status_code, plain.status_code) == (403, 403, 404)


def test_hls_has_three_rates_in_signed_pieces(ada: Client, client: Client, mp3: Path) -> None:
    number = upload(ada, mp3, visibility="private").json()["song_id"]

    master = ada.get(f"/api/music/songs/{number}/hls/master.m3u8")
    variants = [line for line in master.text.splitlines() if line.startswith("/api/")]
    playlist = client.get(variants[0])
    pieces = [line for line in playlist.text.splitlines() if line.startswith("/api/")]
    piece = client.get(pieces[0], headers={"Range": "bytes=0-187"})

    assert len(variants) == 3
    assert "#EXT-X-ENDLIST" in playlist.text
    assert (piece.status_code, piece.content[:1], len(piece.content)) == (206, b"\x47", 188)
    assert client.get(f"/api/music/songs/{number}/hls/master.m3u8").status_code == 404


@pytest.mark.parametrize(
    "content",
    [b"MZ\x90\x00 no sound at all" * 50, b"ID3\x04\x00\x00\x00\x00\x00\x00 still none", b"<?xml version='1.0'?>"],
)
def test_what_is_no_sound_is_refused(ada: Client, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "song.mp3").write_bytes(content)

    answer = upload(ada, tmp_path / "song.mp3")

    assert answer.status_code == 415, answer.text
    assert ada.post("/api/music/songs", files={"file": ("e.mp3", b"")}).status_code in (400, 415)


def test_another_file_keeps_the_song(ada: Client, mp3: Path, tmp_path: Path, platform: Platform) -> None:
    number = upload(ada, mp3).json()["song_id"]
    ada.post("/api/music/users/ada/likes", json={"song_id": number})
    flac = encoded(tmp_path / "b.flac", hertz=300)

    answer = ada.put(f"/api/music/songs/{number}/audio", content=flac.read_bytes())

    assert answer.status_code == 200, answer.text
    assert (answer.json()["song"]["codec"], answer.json()["song"]["like_count"]) == ("flac", 1)
    assert ada.get(f"/api/music/songs/{number}/stream").content == flac.read_bytes()


def test_offline_names_bytes_and_digest(ada: Client, client: Client, mp3: Path) -> None:
    number = upload(ada, mp3).json()["song_id"]

    answer = ada.post("/api/music/offline/manifest", json={"songs": [number, "98765"]})
    item = answer.json()["items"][0]
    fetched = client.get(item["url"])

    assert len(answer.json()["items"]) == 1
    assert (len(fetched.content), hashlib.sha256(fetched.content).hexdigest()) == (item["bytes"], item["sha256"])
