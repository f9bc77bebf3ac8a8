"""Transcodes that are heard while they are made: stopped, refused, broken off."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from dodeca.commons.pipeline import ffmpeg
from dodeca.commons.pipeline.ffmpeg import NotDecodable
from dodeca.commons.pipeline.growing import Transcoder
from dodeca.kernel.errors import Unavailable

PROFILE = "mp3-320"


class Kept:
    """Where finished transcodes go."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}

    async def __call__(self, key: str, profile: str, path: Path) -> None:
        self.files[key, profile] = await asyncio.to_thread(path.read_bytes)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Ten minutes, so that ffmpeg is caught at work."""
    path = tmp_path / "long.wav"
    ffmpeg.run(["-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=600:sample_rate=44100", f"file:{path}"])
    return path


def stream(transcoder: Transcoder, source: Path) -> AsyncGenerator[bytes, None]:
    """The source as MP3."""
    encoding = ("-map", "0:a:0", "-c:a", "libmp3lame", "-b:a", "320k", "-f", "mp3", "pipe:1")
    return transcoder.stream("a", PROFILE, [*ffmpeg.reading(source), *encoding])


def test_the_process_ends_when_its_last_listener_leaves(tmp_path: Path, long: Path) -> None:
    kept = Kept()
    transcoder = Transcoder(tmp_path / "growing", kept)

    async def scenario() -> None:
        listening = stream(transcoder, long)
        await anext(listening)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await listening.aclose()
        await asyncio.wait(others, timeout=60)

    asyncio.run(scenario())

    assert not kept.files
    assert not list((tmp_path / "growing").iterdir())


def test_programs_are_tried_out_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    tried_in = []

    def noted(*given: Any, **options: Any) -> Any:
        tried_in.append(threading.current_thread())
        return run(*given, **options)

    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", noted)
    ffmpeg._dying_with_us.cache_clear()

    async def scenario() -> None:
        listening = ffmpeg.stream(["-f", "lavfi", "-i", "sine=duration=1", "-f", "wav", "pipe:1"])
        await anext(listening)
        await listening.aclose()

    asyncio.run(scenario())

    assert threading.main_thread() not in tried_in
    assert bool(tried_in) == (shutil.which("setpriv") is not None)


def test_what_cannot_be_decoded_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    kept = Kept()
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all" * 100)

    async def scenario() -> bytes:
        return b"".join([chunk async for chunk in stream(Transcoder(tmp_path / "growing", kept), broken)])

    with pytest.raises(NotDecodable):
        asyncio.run(scenario())

    assert not kept.files
    assert not list((tmp_path / "growing").iterdir())


def test_a_transcode_that_breaks_off_is_no_whole_one(tmp_path: Path, long: Path) -> None:
    """Whoever listens has to hear of it, as a player keeps what it takes for whole."""
    transcoder = Transcoder(tmp_path / "growing", Kept())

    async def scenario() -> None:
        listening = stream(transcoder, long)
        await anext(listening)
        for making in asyncio.all_tasks() - {asyncio.current_task()}:
            making.cancel()
        async for _chunk in listening:
            pass

    with pytest.raises(Unavailable):
        asyncio.run(scenario())
