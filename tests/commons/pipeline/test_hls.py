"""HLS of a finished file, pictures and sound."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.support.server import environment
from tests.support.servers import eventually

from dodeca.commons.pipeline import ffmpeg, growing, hls
from dodeca.commons.pipeline.ffmpeg import NotDecodable
from dodeca.commons.pipeline.hls import Rendition

H264_AAC = ("-map", "0:v:0", "-map", "0:a:0", "-c:v", "libx264", "-g", "60", "-sc_threshold", "0", "-c:a", "aac")
AAC = ("-map", "0:a:0", "-c:a", "aac", "-b:a", "256k", "-ac", "2", "-ar", "48000")
SLOW_MS = 100_000
CHILDREN = Path(f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}/children")


def children() -> set[int]:
    """The processes that this one has started and that run."""
    return {int(pid) for pid in CHILDREN.read_text().split()}


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    async def __call__(self, share: float) -> None:
        self.shares.append(share)


@pytest.fixture(autouse=True)
def _told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told many times of what takes a second or two."""
    monkeypatch.setattr(ffmpeg, "TOLD_SECONDS", 0.1)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound that takes a second or two to encode."""
    path = tmp_path_factory.mktemp("slow") / "noise.wav"
    noise = f"anoisesrc=duration={SLOW_MS // 1000}:sample_rate=48000"
    ffmpeg.run(["-loglevel", "error", "-f", "lavfi", "-i", noise, f"file:{path}"])
    return path


def test_a_film_is_packaged_and_its_playlist_can_be_played(tmp_path: Path) -> None:
    source, made = tmp_path / "film.mp4", tmp_path / "film.ts"
    pictures, tone = "testsrc=duration=8:size=160x90:rate=10", "sine=duration=8"
    inputs = ("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone)
    ffmpeg.run(["-loglevel", "error", *inputs, "-pix_fmt", "yuv420p", f"file:{source}"])

    segments = asyncio.run(hls.package(source, H264_AAC, made, 8000, Told()))

    assert sum(segment.duration_ms for segment in segments) == pytest.approx(8000, abs=150)
    assert [segment.offset for segment in segments][:2] == [0, segments[0].length]
    assert sum(segment.length for segment in segments) == made.stat().st_size
    playlist = tmp_path / "film.m3u8"
    playlist.write_text(hls.variant_playlist(segments, "film.ts"))
    played = ffmpeg.run(["-loglevel", "info", "-i", f"file:{playlist}", "-f", "null", "-"])
    assert "Video: h264" in played
    assert "Audio: aac" in played


def test_what_has_no_such_track_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "sound.wav"
    ffmpeg.run(["-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=1", f"file:{source}"])

    told = Told()
    with pytest.raises(NotDecodable, match="Invalid argument"):
        asyncio.run(hls.package(source, H264_AAC, tmp_path / "film.ts", 1000, told))

    assert [path.name for path in tmp_path.iterdir()] == ["sound.wav"]
    assert told.shares == []


def test_progress_rises_to_one(slow: Path, tmp_path: Path) -> None:
    told = Told()

    asyncio.run(hls.package(slow, AAC, tmp_path / "sound.ts", SLOW_MS, told))

    assert told.shares == sorted(set(told.shares))
    assert len(told.shares) >= 3
    assert told.shares[0] < 0.9
    assert told.shares[-1] == 1


@pytest.mark.parametrize("said_ms", [0, SLOW_MS // 10])
def test_a_length_that_is_unknown_or_wrong_never_says_too_early_that_all_is_done(
    slow: Path, tmp_path: Path, said_ms: int
) -> None:
    told = Told()

    asyncio.run(hls.package(slow, AAC, tmp_path / "sound.ts", said_ms, told))

    assert told.shares.count(1) == 1
    assert told.shares[-1] == 1


def test_who_is_cancelled_ends_the_process_and_leaves_nothing(slow: Path, tmp_path: Path) -> None:
    async def cancelled() -> int:
        begun = asyncio.Event()
        processes: list[int] = []

        async def told(_share: float) -> None:
            processes.extend(children())
            begun.set()

        task = asyncio.create_task(hls.package(slow, AAC, tmp_path / "sound.ts", SLOW_MS, told))
        await begun.wait()
        assert processes
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(children() & set(processes))

    assert asyncio.run(cancelled()) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_goes_when_it_is_old(tmp_path: Path) -> None:
    for name in ("old", "young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "variant.ts").write_bytes(b"half")
    long_ago = time.time() - 3 * ffmpeg.WALL_SECONDS
    os.utime(tmp_path / "old", (long_ago, long_ago))

    growing.remove_leftovers(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_the_master_playlist_begins_with_the_lowest_rate() -> None:
    high, low = Rendition("high.m3u8", 900_000, 800_000, "avc1.64001f,mp4a.40.2"), Rendition("low.m3u8", 90, 80, "mp4a")

    assert hls.master_playlist([high, low]).splitlines()[3:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=90,AVERAGE-BANDWIDTH=80,CODECS="mp4a"',
        "low.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS="avc1.64001f,mp4a.40.2"',
        "high.m3u8",
    ]


STARTER = """
import asyncio, sys
from pathlib import Path
from dodeca.commons.pipeline import ffmpeg, hls
ENDLESS = ["-f", "lavfi", "-i", "sine=duration=100000"]

async def began(share):
    print("began", flush=True)

if sys.argv[1] == "told":
    asyncio.run(ffmpeg.run_told([*ENDLESS, "-f", "null", "-"], 1000, began))
else:
    with ffmpeg.running([*ENDLESS, "-loglevel", "error", "-f", "wav", "pipe:1"]) as (output, _):
        output.read(1)
        print("began", flush=True)
        output.read()
"""


@pytest.mark.parametrize("way", ["told", "running"])
def test_the_process_ends_with_whoever_started_it_and_is_killed(way: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment()) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"began\n"
        below = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        [started] = [int(pid) for pid in below.read_text().split()]
        assert _name(started) == "ffmpeg"
        starter.kill()

    eventually(lambda: not _name(started), "ffmpeg has ended")


def _name(pid: int) -> str:
    """What a process that runs is called, as far as its file's name begins so; nothing when it has ended."""
    with contextlib.suppress(OSError):
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition(" (")[2].rpartition(") ")
        return name[:6] if rest[0] != "Z" else ""
    return ""
