"""Instruments: each turns a pitch and a length into samples, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE: Final = 44_100
_TABLE: Final = 4096
_SEED: Final = 20_260


def play(voice: str, pitch: int, seconds: float) -> Samples:
    """One note of a voice; it rings on after `seconds` as the instrument does."""
    return VOICES[voice](440.0 * 2 ** ((pitch - 69) / 12), round(seconds, 3))


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(int(seconds * RATE)) / RATE


def _shaped(samples: NDArray[np.float64], attack: float, release: float) -> Samples:
    """Fade in over `attack` seconds and out over the last `release`."""
    up, down = int(attack * RATE), int(release * RATE)
    out = samples.astype(np.float32)
    up, down = min(up, len(out)), min(down, len(out))
    if up:
        out[:up] *= np.linspace(0, 1, up, dtype=np.float32)
    if down:
        out[-down:] *= np.linspace(1, 0, down, dtype=np.float32) ** 2
    return out


@lru_cache(maxsize=200)
def _wave(harmonics: tuple[tuple[int, float], ...], most: int) -> NDArray[np.float64]:
    """One period with the harmonics up to `most`, so that nothing lies above half the sample rate."""
    phase = np.arange(_TABLE) * (2 * np.pi / _TABLE)
    wave = np.zeros(_TABLE)
    for number, level in harmonics:
        if number <= most:
            wave += level * np.sin(number * phase)
    return wave / max(1e-9, float(np.abs(wave).max()))


def _periodic(
    harmonics: tuple[tuple[int, float], ...], frequency: float, seconds: float, vibrato: float = 0.0
) -> NDArray[np.float64]:
    time = _time(seconds)
    phase = frequency * time
    if vibrato:
        phase = phase + vibrato * frequency / 500 * np.sin(2 * np.pi * 5.2 * time) * np.minimum(1, time * 2)
    wave = _wave(harmonics, max(1, int(RATE / 2.2 / frequency)))
    return np.asarray(wave[(phase * _TABLE).astype(np.int64) & (_TABLE - 1)])


def _plucked(frequency: float, seconds: float, *, brightness: float, ring: float) -> Samples:
    """A string after Karplus and Strong (1983): noise goes round a delay line that smooths it."""
    length = min(4.0, seconds + ring)
    period = max(8, round(RATE / frequency - 0.5))
    noise = np.random.default_rng(_SEED + period)
    line = noise.uniform(-1, 1, period)
    smooth = int(2 + (1 - brightness) * 10)
    line = np.convolve(np.concatenate((line, line[:smooth])), np.ones(smooth) / smooth, "same")[:period]
    line -= line.mean()
    turns = int(length * RATE / period) + 2
    loss = 0.5 ** (1 / (frequency * max(0.15, ring)))
    out = np.empty(turns * period)
    for turn in range(turns):
        out[turn * period : (turn + 1) * period] = line
        line = loss * 0.5 * (line + np.roll(line, 1))
    # The line's length is whole; the pitch is made right by reading it a little faster or slower.
    ratio = frequency * (period + 0.5) / RATE
    positions = np.arange(min(int(length * RATE), int((len(out) - 1) / ratio))) * ratio
    tuned = np.interp(positions, np.arange(len(out)), out)
    return _shaped(tuned / max(1e-9, float(np.abs(tuned).max())), 0.001, 0.08)


def _harp(frequency: float, seconds: float) -> Samples:
    return _plucked(frequency, seconds, brightness=0.5, ring=1.1)


def _harpsichord(frequency: float, seconds: float) -> Samples:
    return _plucked(frequency, seconds, brightness=1.0, ring=0.5)


def _bass(frequency: float, seconds: float) -> Samples:
    time = _time(seconds + 0.1)
    wave = _periodic(((1, 1.0), (2, 0.5), (3, 0.25), (4, 0.1)), frequency, seconds + 0.1)
    return _shaped(wave[: len(time)] * np.exp(-1.5 * time), 0.006, 0.1)


def _organ(frequency: float, seconds: float) -> Samples:
    pipes = ((1, 1.0), (2, 0.6), (3, 0.25), (4, 0.35), (6, 0.12), (8, 0.15))
    return _shaped(_periodic(pipes, frequency, seconds + 0.12), 0.025, 0.12)


def _flute(frequency: float, seconds: float) -> Samples:
    breath = ((1, 1.0), (2, 0.22), (3, 0.08), (4, 0.02))
    return _shaped(_periodic(breath, frequency, seconds + 0.1, vibrato=1.0), 0.05, 0.12)


def _pad(frequency: float, seconds: float) -> Samples:
    soft = ((1, 1.0), (2, 0.4), (3, 0.3), (5, 0.1), (7, 0.05))
    length = seconds + 0.8
    two = _periodic(soft, frequency * 1.003, length) + _periodic(soft, frequency * 0.997, length)
    return _shaped(two / 2, min(0.6, seconds / 2), 0.8)


def _square(frequency: float, seconds: float) -> Samples:
    odd = tuple((number, 1.0 / number) for number in range(1, 20, 2))
    time = _time(seconds + 0.05)
    return _shaped(_periodic(odd, frequency, seconds + 0.05)[: len(time)] * np.exp(-2.2 * time), 0.003, 0.04)


def _electric_piano(frequency: float, seconds: float) -> Samples:
    time = _time(seconds + 0.3)
    strike = np.exp(-5 * time) * np.sin(2 * np.pi * frequency * 2 * time)
    wave = np.sin(2 * np.pi * frequency * time + 1.1 * strike) * np.exp(-1.1 * time)
    return _shaped(wave, 0.003, 0.25)


def _bell(frequency: float, seconds: float) -> Samples:
    """Partials of a bell: hum, prime, tierce, quint, nominal and two above."""
    time = _time(min(4.0, seconds + 2.0))
    wave = np.zeros(len(time))
    for ratio, level, decay in (
        (0.5, 0.35, 0.9),
        (1.0, 1.0, 1.4),
        (1.2, 0.45, 1.9),
        (1.5, 0.3, 2.4),
        (2.0, 0.5, 2.2),
        (2.74, 0.2, 4.0),
        (3.76, 0.12, 6.0),
    ):
        if frequency * ratio < RATE / 2.2:
            wave += level * np.exp(-decay * time) * np.sin(2 * np.pi * frequency * ratio * time)
    return _shaped(wave / 2.2, 0.002, 0.3)


def _drums(frequency: float, _: float) -> Samples:
    """Pitches as General MIDI has them: 36 bass drum, 38 snare, 42 closed hi-hat, 46 open one, 70 shaker."""
    pitch = round(69 + 12 * np.log2(frequency / 440))
    noise = np.random.default_rng(_SEED + pitch)
    if pitch == 36:
        time = _time(0.35)
        return _shaped(np.sin(2 * np.pi * (48 * time + 14 * (1 - np.exp(-time * 18)))) * np.exp(-8 * time), 0.001, 0.05)
    if pitch == 38:
        time = _time(0.22)
        hiss = noise.normal(0, 0.35, len(time)) * np.exp(-18 * time)
        return _shaped(hiss + 0.5 * np.sin(2 * np.pi * 185 * time) * np.exp(-22 * time), 0.001, 0.05)
    time = _time(0.28 if pitch == 46 else 0.07)
    hiss = np.diff(noise.normal(0, 0.3, len(time) + 1))
    return _shaped(hiss * np.exp(-(9 if pitch == 46 else 55) * time), 0.001, 0.02)


VOICES: Final[dict[str, Callable[[float, float], Samples]]] = {
    "harp": _harp,
    "harpsichord": _harpsichord,
    "bass": _bass,
    "organ": _organ,
    "flute": _flute,
    "pad": _pad,
    "square": _square,
    "piano": _electric_piano,
    "bell": _bell,
    "drums": _drums,
}
