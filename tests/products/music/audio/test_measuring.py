"""Decoding: whole or not, how loud, which shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.products.music.audio.conftest import tone, write_wave

from dodeca.commons.pipeline.ffmpeg import NotDecodable
from dodeca.products.music.audio import measuring
from dodeca.products.music.audio.measuring import Loudness


def test_what_does_not_decode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"\xff\xfb\x90\x00" + bytes(20))

    with pytest.raises(NotDecodable):
        measuring.check(path)


def test_a_playlist_that_names_a_file_is_not_followed(tmp_path: Path, originals: Callable[[str], Path]) -> None:
    for text in (f"ffconcat version 1.0\nfile '{originals('mp3')}'\n", f"#EXTM3U\n#EXTINF:12,\n{originals('mp3')}\n"):
        path = tmp_path / "song.mp3"
        path.write_text(text)

        with pytest.raises(NotDecodable):
            measuring.check(path)


def test_decoding_tells_the_length(originals: Callable[[str], Path]) -> None:
    assert measuring.check(originals("flac")) == 12_000


def test_the_waveform_follows_the_sound(tmp_path: Path) -> None:
    path = write_wave(
        tmp_path / "steps.wav", np.concatenate((tone(4, level=0.2), tone(4, level=0.8), np.zeros(4 * 44_100)))
    )

    peaks = measuring.measure(path).peaks

    assert len(peaks) == measuring.PEAKS
    assert all(50 <= peak <= 78 for peak in peaks[20:310])
    assert all(peak >= 245 for peak in peaks[350:640])
    assert not any(peaks[690:990])


def test_a_piece_of_known_loudness_has_the_right_gain(tmp_path: Path) -> None:
    """BS.1770 gives a sine of 997 Hz at full scale, in one channel, -3.01 LUFS; ReplayGain 2 aims at -18."""
    path = write_wave(tmp_path / "sine.wav", tone(10, level=0.5, hertz=997))

    measured = measuring.measure(path)

    assert measured.track_gain == pytest.approx(-18 + 3.01 + 6.02, abs=0.15)
    assert measured.track_peak == pytest.approx(0.5, abs=0.01)


def test_silence_has_a_flat_waveform_and_no_gain(tmp_path: Path) -> None:
    measured = measuring.measure(write_wave(tmp_path / "silence.wav", np.zeros(5 * 44_100)))

    assert measured.track_gain is None
    assert measured.peaks == bytes(1000)


def test_an_album_is_as_loud_as_its_tracks_together(tmp_path: Path) -> None:
    loud, soft = tone(8, level=0.5, hertz=997), tone(8, level=0.25, hertz=997)
    one = measuring.measure(write_wave(tmp_path / "loud.wav", loud))
    two = measuring.measure(write_wave(tmp_path / "soft.wav", soft))
    both = measuring.measure(write_wave(tmp_path / "both.wav", np.concatenate((loud, soft))))

    album = Loudness.from_bytes(one.loudness) + Loudness.from_bytes(two.loudness)

    assert album.gain() == pytest.approx(both.track_gain, abs=0.15)


def test_what_sounds_alike_has_like_timbre(tmp_path: Path) -> None:
    def timbre(name: str, *tones: float) -> np.ndarray:
        samples = sum((tone(6, level=0.2, hertz=hertz) for hertz in tones), np.zeros(6 * 44_100))
        found = measuring.measure(write_wave(tmp_path / f"{name}.wav", samples)).timbre
        assert len(found) == 32
        return np.frombuffer(found, dtype=np.uint8).astype(int)

    low, louder, high = timbre("low", 110, 220), timbre("louder", 110, 220, 110, 220), timbre("high", 1760, 3520)

    assert np.abs(low - louder).sum() * 4 < np.abs(low - high).sum()
