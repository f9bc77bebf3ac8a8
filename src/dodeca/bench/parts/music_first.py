"""How long a new installation is silent: from the start of the server to the first bytes of a song of the demo."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import httpx

from dodeca.bench.harness import free_port, process

SONGS: Final = 3
PATIENCE: Final = 120.0
_SOME: Final = {"Range": "bytes=0-65535"}


def seconds_to_sound(data: Path) -> tuple[float, float]:
    """Seconds until one song, and until three of them, can be heard by somebody who has no account."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port), "--demo"]
    began = time.perf_counter()
    first = 0.0
    with process(command, f"{base}/healthz"), httpx.Client(base_url=base, timeout=10) as client:
        while time.perf_counter() - began < PATIENCE:
            heard = sum(_is_heard(client, album) for album in client.get("/api/music/albums").json()["albums"])
            first = first or (time.perf_counter() - began if heard else 0.0)
            if heard >= SONGS:
                return first, time.perf_counter() - began
            time.sleep(0.2)
    raise RuntimeError(f"No {SONGS} songs were heard within {PATIENCE:.0f} s.")


def _is_heard(client: httpx.Client, album: dict[str, str]) -> int:
    """How many of an album's songs give sound to a visitor."""
    songs = client.get(f"/api/music/albums/{album['album_id']}").json().get("songs", [])
    return sum(
        len(client.get(f"/api/music/songs/{song['song_id']}/stream", headers=_SOME).content) > 1000
        for song in songs
        if song["has_audio"]
    )
