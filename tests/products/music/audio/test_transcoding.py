"""Transcodes: made while they are heard, shared, stored, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from dodeca.commons.pipeline import hls as pipeline_hls
from dodeca.commons.pipeline.growing import Transcoder
from dodeca.kernel.errors import Invalid
from dodeca.products.music.audio import hls, measuring, probing, transcoding
from dodeca.products.music.audio.transcoding import Profile, arguments, choose, like


class Kept:
    """Where finished transcodes go."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}

    async def __call__(self, key: str, profile: str, path: Path) -> None:
        self.files[key, profile] = await asyncio.to_thread(path.read_bytes)


def _stream(transcoder: Transcoder, source: Path, profile: Profile) -> AsyncGenerator[bytes, None]:
    return transcoder.stream("song", profile.name, arguments(source, profile))


async def _heard(transcoder: Transcoder, source: Path, profile: Profile) -> bytes:
    return b"".join([chunk async for chunk in _stream(transcoder, source, profile)])


@pytest.mark.parametrize(("name", "container"), [("mp3", "mp3"), ("opus", "ogg"), ("aac", "aac"), ("flac", "flac")])
def test_a_transcode_is_heard_and_stored(
    originals: Callable[[str], Path], tmp_path: Path, name: str, container: str
) -> None:
    kept = Kept()
    profile = Profile(name, 0 if name == "flac" else 96)

    heard = asyncio.run(_heard(Transcoder(tmp_path / "growing", kept), originals("m4a"), profile))

    assert kept.files["song", profile.name] == heard
    result = tmp_path / "result"
    result.write_bytes(heard)
    assert probing.probe(result).container == container
    assert measuring.check(result) == pytest.approx(12_000, abs=120)
    assert not list((tmp_path / "growing").iterdir())


def test_listeners_at_the_same_time_share_one_process(originals: Callable[[str], Path], tmp_path: Path) -> None:
    kept = Kept()
    transcoder = Transcoder(tmp_path / "growing", kept)

    async def scenario() -> tuple[bytes, bytes, int]:
        profile = Profile("mp3", 128)
        first = _stream(transcoder, originals("flac"), profile)
        opening = await anext(first)
        second = asyncio.create_task(_heard(transcoder, originals("flac"), profile))
        await asyncio.sleep(0)
        files = len(list((tmp_path / "growing").iterdir()))
        rest = b"".join([chunk async for chunk in first])
        return opening + rest, await second, files

    one, two, files = asyncio.run(scenario())

    assert one == two
    assert files == 1
    assert list(kept.files) == [("song", "mp3-128")]


@pytest.mark.parametrize(
    ("suffix", "bit_rate", "name"),
    [
        ("mp3", 128, "mp3-128"),
        ("mp3", 213, "mp3-192"),
        ("opus", 127, "opus-127"),
        ("ogg", 500, "opus-256"),
        ("m4a", 900, "aac-320"),
        ("flac", 800, "flac-0"),
        ("wav", 1411, "flac-0"),
        ("aac", 0, "aac-128"),
    ],
)
def test_what_is_cut_from_a_file_sounds_like_it(suffix: str, bit_rate: int, name: str) -> None:
    assert like(suffix, bit_rate).name == name


def test_a_stream_may_begin_later(originals: Callable[[str], Path], tmp_path: Path) -> None:
    async def heard() -> bytes:
        return b"".join([c async for c in transcoding.from_offset(originals("flac"), Profile("mp3", 128), 7.5)])

    result = tmp_path / "rest.mp3"
    result.write_bytes(asyncio.run(heard()))

    assert measuring.check(result) == pytest.approx(4_500, abs=120)


@pytest.mark.parametrize(
    ("suffix", "rate", "format", "most", "expected"),
    [
        ("mp3", 320, "", 0, None),
        ("mp3", 320, "raw", 64, None),
        ("mp3", 320, "mp3", 0, None),
        ("mp3", 320, "mp3", 320, None),
        ("flac", 900, "", 192, Profile("mp3", 192)),
        ("mp3", 320, "", 200, Profile("mp3", 192)),
        ("mp3", 96, "", 128, None),
        ("flac", 900, "opus", 1000, Profile("opus", 256)),
        ("mp3", 320, "aac", 5, Profile("aac", 32)),
        ("wav", 1411, "flac", 0, Profile("flac", 0)),
        ("flac", 900, "mp3", 0, Profile("mp3", 128)),
    ],
)
def test_a_listeners_wishes_choose_the_profile(
    suffix: str, rate: int, format: str, most: int, expected: Profile | None
) -> None:
    assert choose(suffix, rate, format=format, max_bit_rate=most) == expected


@pytest.mark.parametrize(("format", "most"), [("exe", 0), ("../mp3", 0), ("mp3", -1), ("mp3", 10**9)])
def test_wishes_that_make_no_sense_are_refused(format: str, most: int) -> None:
    with pytest.raises(Invalid):
        choose("flac", 900, format=format, max_bit_rate=most)


def test_a_song_is_packaged_in_segments_of_six_seconds(originals: Callable[[str], Path], tmp_path: Path) -> None:
    target = tmp_path / "variant.ts"

    async def told(share: float) -> None:
        shares.append(share)

    shares: list[float] = []
    segments = asyncio.run(hls.package(originals("mp3"), 64, target, 12_000, told))

    assert [round(segment.duration_ms / 1000) for segment in segments][:2] == [6, 6]
    assert sum(segment.duration_ms for segment in segments) == pytest.approx(12_000, abs=100)
    assert segments[0].offset == 0
    assert segments[1].offset == segments[0].length
    assert sum(segment.length for segment in segments) == target.stat().st_size
    assert shares[-1] == 1
    playlist = pipeline_hls.variant_playlist(segments, "audio.ts")
    assert playlist.startswith("#EXTM3U\n")
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    assert f"#EXT-X-BYTERANGE:{segments[1].length}@{segments[1].offset}\naudio.ts" in playlist
    assert hls.master_playlist({128: "128.m3u8", 64: "64.m3u8"}).splitlines()[4::2] == ["64.m3u8", "128.m3u8"]


def test_frames_of_the_radios_mp3_are_all_of_one_size(originals: Callable[[str], Path], tmp_path: Path) -> None:
    target = tmp_path / "radio.mp3"

    transcoding.transcode(originals("flac"), transcoding.RADIO_PROFILES["mp3"], target)

    data = target.read_bytes()
    assert len(data) % 384 == 0
    assert all(data[at : at + 2] == b"\xff\xfb" for at in range(0, len(data), 384))


def test_who_comes_while_a_transcode_is_given_up_hears_a_whole_one(
    originals: Callable[[str], Path], tmp_path: Path
) -> None:
    transcoder = Transcoder(tmp_path / "growing", Kept())
    source = originals("flac")

    async def scenario() -> bytes:
        first = _stream(transcoder, source, Profile("mp3", 128))
        await anext(first)
        await first.aclose()
        return b"".join([chunk async for chunk in _stream(transcoder, source, Profile("mp3", 128))])

    result = tmp_path / "whole.mp3"
    result.write_bytes(asyncio.run(scenario()))

    assert measuring.check(result) == pytest.approx(12_000, abs=120)
