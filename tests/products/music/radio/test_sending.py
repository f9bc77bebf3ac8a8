"""The bytes of a station: frames, chunks, titles, segments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.products.music.audio.conftest import tone, write_wave

from dodeca.commons.pipeline import ffmpeg
from dodeca.products.music.audio import measuring, transcoding
from dodeca.products.music.radio import assembling, frames, icy, live_hls
from dodeca.products.music.radio.frames import CHUNK_MS, KINDS
from dodeca.products.music.radio.timeline import Loop, Slot, Timeline

START = 1_000_000 * CHUNK_MS
Song = Callable[[str, int], tuple[bytes, ...]]


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Song:
    """The frames of two songs of four seconds, one an octave above the other."""
    folder = tmp_path_factory.mktemp("radio")
    made: dict[tuple[str, int], tuple[bytes, ...]] = {}

    def frames_of(kind: str, number: int) -> tuple[bytes, ...]:
        if (kind, number) not in made:
            source = write_wave(folder / f"{number}.wav", tone(4, hertz=440.0 * number))
            target = folder / f"{number}.{kind}"
            transcoding.transcode(source, transcoding.RADIO_PROFILES[kind], target)
            made[kind, number] = frames.split(kind, target.read_bytes())
        return made[kind, number]

    return frames_of


def _sounds(song: Song, kind: str, slot: Slot) -> tuple[bytes, ...] | None:
    return song(kind, slot.song_id) if slot.song_id else None


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_song_has_as_many_frames_as_its_length(song: Song, kind: str) -> None:
    grid = KINDS[kind]

    assert 4.0 <= len(song(kind, 1)) * grid.samples / 48_000 <= 4.15
    assert grid.samples * grid.per_chunk == 48 * CHUNK_MS


@pytest.mark.parametrize("kind", list(KINDS))
def test_chunks_decode_to_the_songs_in_their_order(song: Song, kind: str, tmp_path: Path) -> None:
    timeline = Timeline([Loop(START, [(1, 4000), (2, 4000)])])
    chunks = [
        assembling.chunk_bytes(timeline, kind, number, partial(_sounds, song, kind), serial=7)
        for number in range(assembling.chunk_number(START), assembling.chunk_number(START) + 9)
    ]
    path = tmp_path / f"station.{kind}"
    path.write_bytes((frames.opus_headers(7, "Station") if kind == "ogg" else b"") + b"".join(chunks))

    pitches = _pitches(path)

    assert pitches[4:36] == pytest.approx([440] * 32, rel=0.03)
    assert pitches[44:76] == pytest.approx([880] * 32, rel=0.03)


def _pitches(path: Path) -> list[float]:
    """How often a second the sound crosses zero upwards, in each tenth of a second."""
    words = ["-loglevel", "error", *ffmpeg.reading(path), "-ac", "1", "-ar", "48000", "-f", "s16le", "pipe:1"]
    with ffmpeg.running(words) as (output, _):
        samples = np.frombuffer(output.read(), dtype="<i2")
    parts = samples[: len(samples) // 4800 * 4800].reshape(-1, 4800)
    return [float(np.count_nonzero((part[:-1] < 0) & (part[1:] >= 0)) * 10) for part in parts]


@pytest.mark.parametrize("kind", list(KINDS))
def test_where_nothing_plays_there_is_decodable_silence(kind: str, tmp_path: Path) -> None:
    chunks = [assembling.chunk_bytes(Timeline([]), kind, number, lambda _: None, serial=7) for number in range(10, 14)]
    path = tmp_path / f"silence.{kind}"
    path.write_bytes((frames.opus_headers(7, "Station") if kind == "ogg" else b"") + b"".join(chunks))

    measured = measuring.measure(path)

    assert measured.duration_ms == pytest.approx(4 * CHUNK_MS, abs=60)
    assert not any(measured.peaks)


@pytest.mark.parametrize("kind", list(KINDS))
@given(number=st.integers(0, 10**12))
def test_the_moment_of_a_frame_is_within_it(kind: str, number: int) -> None:
    assert KINDS[kind].frame_at(KINDS[kind].moment_of(number)) == number


@given(st.lists(st.binary(min_size=0, max_size=600), min_size=1, max_size=48))
def test_packets_survive_their_pages(packets: list[bytes]) -> None:
    stream = frames.opus_headers(1, "x") + assembling.ogg_chunk(packets, 5, 1)

    assert frames.opus_packets(stream) == packets


@given(st.text(max_size=2000), st.lists(st.binary(max_size=700), max_size=12), st.integers(1, 500))
def test_titles_can_be_taken_out_again(title: str, pieces: list[bytes], metaint: int) -> None:
    writer = icy.IcyWriter(metaint)

    stream = b"".join(writer.add(piece, title) for piece in pieces)

    sound, titles = _taken_apart(stream, metaint)
    assert sound == b"".join(pieces)
    assert len(titles) <= 1
    assert all(text.startswith("StreamTitle='") and text.endswith("';") for text in titles)


def _taken_apart(stream: bytes, metaint: int) -> tuple[bytes, list[str]]:
    sound, titles = b"", []
    while len(stream) > metaint:
        sound += stream[:metaint]
        length = stream[metaint] * 16
        if length:
            titles.append(stream[metaint + 1 : metaint + 1 + length].rstrip(b"\0").decode())
        stream = stream[metaint + 1 + length :]
    return sound + stream, titles


def test_a_title_is_told_once_and_again_when_it_changes() -> None:
    writer = icy.IcyWriter(4)

    stream = writer.add(b"aaaabbbb", "One") + writer.add(b"cccc", "Two - it's") + writer.add(b"d", "Two - it's")

    one, two = icy.title_block("One"), icy.title_block("Two - it's")
    assert stream == b"aaaa" + one + b"bbbb\0cccc" + two + b"d"
    assert two[1:].rstrip(b"\0") == b"StreamTitle='Two - it's';"


def test_all_get_one_playlist_at_an_instant() -> None:
    now = 1_000 * live_hls.SEGMENT_MS + 17

    text = live_hls.playlist(now)

    assert text == live_hls.playlist(now + live_hls.SEGMENT_MS - 18)
    assert "#EXT-X-MEDIA-SEQUENCE:994\n" in text
    assert text.endswith("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T01:35:54.240Z\n#EXTINF:5.760,\n999.aac\n")
    assert live_hls.is_offered(999, now)
    assert not live_hls.is_offered(1000, now)
    assert not live_hls.is_offered(900, now)


def test_a_segment_decodes_with_its_timestamp(song: Song, tmp_path: Path) -> None:
    timeline = Timeline([Loop(0, [(1, 4000), (2, 4000)])])
    path = tmp_path / "segment.aac"

    path.write_bytes(
        live_hls.timestamp_tag(500)
        + b"".join(
            assembling.chunk_bytes(timeline, "aac", number, partial(_sounds, song, "aac"))
            for number in live_hls.chunks_of(500)
        )
    )

    assert measuring.check(path) == pytest.approx(live_hls.SEGMENT_MS, abs=60)


@pytest.mark.parametrize("kind", list(KINDS))
@given(cuts=st.lists(st.integers(1, 5000), max_size=30))
def test_frames_are_found_whatever_pieces_they_come_in(song: Song, kind: str, cuts: list[int]) -> None:
    whole = song(kind, 1)
    data = b"".join(whole) if kind != "ogg" else frames.opus_headers(1, "x") + assembling.ogg_chunk(whole[:40], 1, 1)
    splitter = frames.Splitter(kind)

    found = []
    for cut in cuts:
        found += splitter.add(data[:cut])
        data = data[cut:]
    found += splitter.add(data)

    assert tuple(found) == (whole if kind != "ogg" else whole[:40])


def test_what_is_no_frame_is_left_out() -> None:
    splitter = frames.Splitter("mp3")

    assert splitter.add(b"noise" + frames.silence("mp3") * 2) == [frames.silence("mp3")] * 2
