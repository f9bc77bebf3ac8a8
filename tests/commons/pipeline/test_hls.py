"""HLS of a finished file, pictures and sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from dodeca.commons.pipeline import ffmpeg, hls
from dodeca.commons.pipeline.ffmpeg import NotDecodable
from dodeca.commons.pipeline.hls import Rendition

H264_AAC = ("-map", "0:v:0", "-map", "0:a:0", "-c:v", "libx264", "-g", "60", "-sc_threshold", "0", "-c:a", "aac")


def test_a_film_is_packaged_and_its_playlist_can_be_played(tmp_path: Path) -> None:
    source, made = tmp_path / "film.mp4", tmp_path / "film.ts"
    pictures, tone = "testsrc=duration=8:size=160x90:rate=10", "sine=duration=8"
    inputs = ("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone)
    ffmpeg.run(["-loglevel", "error", *inputs, "-pix_fmt", "yuv420p", f"file:{source}"])

    segments = hls.package(source, H264_AAC, made)

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

    with pytest.raises(NotDecodable):
        hls.package(source, H264_AAC, tmp_path / "film.ts")

    assert [path.name for path in tmp_path.iterdir()] == ["sound.wav"]


def test_the_master_playlist_begins_with_the_lowest_rate() -> None:
    high, low = Rendition("high.m3u8", 900_000, 800_000, "avc1.64001f,mp4a.40.2"), Rendition("low.m3u8", 90, 80, "mp4a")

    assert hls.master_playlist([high, low]).splitlines()[3:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=90,AVERAGE-BANDWIDTH=80,CODECS="mp4a"',
        "low.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS="avc1.64001f,mp4a.40.2"',
        "high.m3u8",
    ]
