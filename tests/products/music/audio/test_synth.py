"""The demo's music."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from dodeca.products.music.audio import measuring, probing, synth
from dodeca.products.music.audio.synth import rendering, score


def test_the_library_is_as_large_as_promised() -> None:
    pieces = synth.pieces()

    assert len(pieces) >= 24
    assert len({piece.album.key for piece in pieces}) == 6
    assert len({piece.key for piece in pieces}) == len({(p.album.key, p.track) for p in pieces}) == len(pieces)
    assert {piece.suffix for piece in pieces} >= {"mp3", "opus", "m4a", "flac"}


@pytest.mark.parametrize("piece", synth.pieces(), ids=lambda piece: piece.key)
def test_a_piece_lasts_between_45_and_120_seconds(piece: synth.Piece) -> None:
    parts = piece.parts()

    assert 45 <= rendering.seconds_of(piece, score.ending(parts)) <= 120
    assert all(20 <= note.pitch <= 108 and note.start >= 0 for part in parts for note in part.notes)


def test_a_piece_is_the_same_on_every_machine() -> None:
    drifting = next(piece for piece in synth.pieces() if piece.title == "Driftwood")

    assert drifting.parts() == drifting.parts()
    assert [n.pitch for part in drifting.parts() for n in part.notes][:8] == [50, 53, 57, 60, 53, 57, 60, 64]


def test_a_rendered_piece_is_a_tagged_file_with_a_cover(tmp_path: Path) -> None:
    piece = next(piece for piece in synth.pieces() if piece.key == "gymnopedie")

    path = synth.render(piece, tmp_path)

    found = probing.probe(path)
    measured = measuring.measure(path)
    assert (found.tags.title, found.tags.artists) == ("Gymnopédie No. 1 (opening)", ("Erik Satie",))
    assert (found.tags.album, found.tags.album_artists) == ("Small Hours", ("Dodeca Players",))
    assert found.cover == synth.draw_cover(piece.album)
    assert measured.track_peak is not None
    assert 0.7 < measured.track_peak <= 1.0
    assert len(set(measured.peaks)) > 50
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_of_a_mixed_piece_stays_in_memory() -> None:
    """A server that has made its demo's music went on holding half a gigabyte of notes."""
    others = [piece for piece in synth.pieces() if piece.key == "prelude_in_c"]
    rendering.mix(next(piece for piece in synth.pieces() if piece.key == "sakura"))  # what all pieces share
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for piece in others:
            rendering.mix(piece)
        after, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most - before > 10 << 20
    assert after - before < 4 << 20


def test_words_are_in_time() -> None:
    sung = next(piece for piece in synth.pieces() if piece.lyrics)

    lines = synth.lrc(sung).splitlines()

    assert lines[2] == "[00:00.30]Amazing grace, how sweet the sound"
    assert len(lines) == 2 + len(sung.lyrics)
    assert lines[2:] == sorted(lines[2:])
