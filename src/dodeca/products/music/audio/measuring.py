"""Decoding a file once: is it whole, how long, how loud, and what does its waveform look like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from dodeca.commons.pipeline import ffmpeg
from dodeca.commons.pipeline.ffmpeg import NotDecodable

PEAKS: Final = 1000
REFERENCE_LUFS: Final = -18.0
"""ReplayGain 2.0's target: https://wiki.hydrogenaudio.org/index.php?title=ReplayGain_2.0_specification."""
SHORTEST_MS: Final = 100
_RATE: Final = 8000
"""Samples a second at which the waveform is taken: its 1000 bars are seen, not heard."""
_BLOCK: Final = 80
"""Samples of which one peak is kept while decoding: 10 ms."""
_READ_BYTES: Final = _BLOCK * 2 * 2000
_MOST_BLOCKS: Final = 24 * 3600 * (_RATE // _BLOCK)
_ABSOLUTE_GATE: Final = -70.0
_RELATIVE_GATE: Final = 10.0
_STEP: Final = 0.1
_BINS: Final = 800
_MOMENTARY: Final = re.compile(r"\bM:\s*(-?[\d.]+|-?inf|nan)\s+S:")
_PEAK: Final = re.compile(r"Sample peak:\s+Peak:\s*(-?[\d.]+|-?inf) dBFS")

Told = Callable[[int], None]


class Loudness:
    """How loud pieces are, as a histogram of their 400 ms blocks, so that an album's is the sum of its tracks'.

    Blocks are those of ITU-R BS.1770-4 (75 % overlap), in bins of 0.1 LU from -70 LUFS, as libebur128 keeps them.
    """

    def __init__(self, counts: NDArray[np.int64] | None = None) -> None:
        self.counts = np.zeros(_BINS, dtype=np.int64) if counts is None else counts

    @classmethod
    def of(cls, momentary: Iterable[float]) -> Loudness:
        """From the loudness of each block, in LUFS."""
        loudness = cls()
        for value in momentary:
            if value > _ABSOLUTE_GATE and math.isfinite(value):
                loudness.counts[min(_BINS - 1, int((value - _ABSOLUTE_GATE) / _STEP))] += 1
        return loudness

    def __add__(self, other: Loudness) -> Loudness:
        return Loudness(self.counts + other.counts)

    def integrated(self) -> float | None:
        """Integrated loudness in LUFS, gated twice; None for silence."""
        if not self.counts.any():
            return None
        levels = _ABSOLUTE_GATE + (np.arange(_BINS) + 0.5) * _STEP
        power = 10 ** (levels / 10)
        gate = 10 * math.log10(float(np.average(power, weights=self.counts))) - _RELATIVE_GATE
        kept = np.where(levels >= gate, self.counts, 0)
        if not kept.any():
            return None
        return 10 * math.log10(float(np.average(power, weights=kept)))

    def gain(self) -> float | None:
        """ReplayGain in dB, to hundredths; None for silence."""
        level = self.integrated()
        return None if level is None else round(REFERENCE_LUFS - level, 2)

    def to_bytes(self) -> bytes:
        """A short form to store: bins and counts that are not zero, four bytes each."""
        used = np.flatnonzero(self.counts)
        return np.column_stack((used, self.counts[used])).astype("<u4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Loudness:
        """What `to_bytes` gave."""
        loudness = cls()
        for bin_, count in np.frombuffer(data, dtype="<u4").reshape(-1, 2).tolist():
            if bin_ < _BINS:
                loudness.counts[bin_] = count
        return loudness


@dataclass(frozen=True, slots=True)
class Measured:
    """What decoding told."""

    duration_ms: int
    peaks: bytes
    """1000 heights of the waveform, 0 to 255, over equal spans of the sound."""
    track_gain: float | None
    """ReplayGain in dB; None for silence."""
    track_peak: float | None
    """Highest sample as a share of full scale."""
    loudness: bytes
    """`Loudness.to_bytes`, for the album's gain."""
    timbre: bytes
    """How it sounds, in 32 numbers of 0 to 255: see `_Timbre`."""


def check(path: Path) -> int:
    """Decode a whole file and give its length in milliseconds. From a thread.

    Raises NotDecodable (415) for what is no sound, or breaks off at once."""
    blocks = _decoded(path, ["-map", "0:a:0", *_MONO, "pipe:1"]).blocks
    return _duration_ms(blocks)


def measure(path: Path, told: Told = lambda _ms: None) -> Measured:
    """Decode a whole file once and measure it, and tell how many milliseconds are decoded. From a thread.

    Raises NotDecodable."""
    graph = (
        "[0:a:0]asplit=2[loud][shape];"
        "[loud]ebur128=peak=sample:framelog=info,anullsink;"
        f"[shape]aformat=sample_fmts=s16:channel_layouts=mono:sample_rates={_RATE}[wave]"
    )
    found = _decoded(path, ["-filter_complex", graph, "-map", "[wave]", "-f", "s16le", "pipe:1"], told)
    # Blocks of 400 ms begin with the fourth line: earlier ones are not full.
    momentary = [float(text) for text in _MOMENTARY.findall(found.log)[3:]]
    loudness = Loudness.of(momentary)
    peak = _PEAK.search(found.log)
    level = float(peak[1]) if peak else -math.inf
    return Measured(
        duration_ms=_duration_ms(found.blocks),
        peaks=waveform(found.blocks),
        track_gain=loudness.gain(),
        track_peak=round(10 ** (level / 20), 6) if math.isfinite(level) else None,
        loudness=loudness.to_bytes(),
        timbre=found.timbre,
    )


_MONO: Final = ["-ac", "1", "-ar", str(_RATE), "-f", "s16le"]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """The peak of each 10 ms, the sum of the sound's bands, and the log."""

    blocks: NDArray[np.int32]
    timbre: bytes
    log: str


def _decoded(path: Path, arguments: list[str], told: Told = lambda _ms: None) -> _Decoded:
    with ffmpeg.running(["-loglevel", "info", *ffmpeg.reading(path), "-vn", "-sn", *arguments]) as (output, log):
        blocks, timbre = _taken_in(output, told)
    if _duration_ms(blocks) < SHORTEST_MS:
        raise NotDecodable("The file holds no sound.", field="file")
    return _Decoded(blocks, timbre.to_bytes(), log.text)


def _taken_in(output: IO[bytes], told: Told) -> tuple[NDArray[np.int32], _Timbre]:
    parts: list[NDArray[np.int32]] = []
    timbre = _Timbre()
    held = 0
    while data := output.read(_READ_BYTES):
        samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
        timbre.add(samples)
        heights = np.abs(samples.astype(np.int32))
        whole = len(heights) // _BLOCK * _BLOCK
        parts.append(heights[:whole].reshape(-1, _BLOCK).max(axis=1))
        if whole < len(heights):
            parts.append(np.array([heights[whole:].max()], dtype=np.int32))
        held += len(parts[-1])
        told(held * _BLOCK * 1000 // _RATE)
        if held > _MOST_BLOCKS:
            raise NotDecodable("A song lasts at most a day.", field="file")
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32), timbre


class _Timbre:
    """How loud each of 16 bands from 60 Hz to 4 kHz is beside the others, and how much that changes.

    Means and deviations over windows of 128 ms, in dB: what makes songs sound alike whatever they are called."""

    _WINDOW: Final = 1024
    _BANDS: Final = 16

    def __init__(self) -> None:
        edges = np.geomspace(60, _RATE / 2, self._BANDS + 1) / (_RATE / self._WINDOW)
        self._edges = np.maximum(1, np.round(edges).astype(np.int64))
        self._shape = np.hanning(self._WINDOW).astype(np.float32)
        self._sum = np.zeros(self._BANDS)
        self._squares = np.zeros(self._BANDS)
        self._count = 0

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take in the next samples; what does not fill a window is left out."""
        whole = len(samples) // self._WINDOW * self._WINDOW
        windows = samples[:whole].reshape(-1, self._WINDOW).astype(np.float32)
        power = np.abs(np.fft.rfft(windows * self._shape, axis=1)) ** 2
        bands = np.add.reduceat(power[:, : self._edges[-1]], self._edges[:-1], axis=1)
        levels = 10 * np.log10(bands + 1e3)
        levels = levels[levels.max(axis=1) > 40]  # silence says nothing
        self._sum += levels.sum(axis=0)
        self._squares += (levels**2).sum(axis=0)
        self._count += len(levels)

    def to_bytes(self) -> bytes:
        """Means beside the mean of all bands, then deviations; a byte for each."""
        count = max(1, self._count)
        means = self._sum / count
        deviations = np.sqrt(np.maximum(0, self._squares / count - means**2))
        relative = means - means.mean()
        numbers = np.concatenate((relative * 3 + 128, deviations * 8))
        return bytes(np.clip(np.round(numbers), 0, 255).astype(np.uint8).tolist())


def _duration_ms(blocks: NDArray[np.int32]) -> int:
    return len(blocks) * _BLOCK * 1000 // _RATE


def waveform(blocks: NDArray[np.int32]) -> bytes:
    """`PEAKS` bytes; the loudest is 255, whatever the level, and each bar the highest sample of its span."""
    count = len(blocks)
    edges = np.minimum(np.arange(PEAKS) * count // PEAKS, max(0, count - 1))
    heights = np.maximum.reduceat(blocks, edges).astype(np.float64)
    top = float(heights.max())
    return bytes(np.round(heights * (255 / top)).astype(np.uint8).tolist()) if top else bytes(PEAKS)
