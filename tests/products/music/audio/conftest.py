"""Sound for the tests: made by numpy, encoded by the program that the product uses."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dodeca.commons.pipeline import ffmpeg

MakeFile = Callable[..., Path]
RATE = 44_100


def tone(seconds: float, *, level: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    """A sine, whose level is a share of full scale."""
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def write_wave(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """One tagged file of twelve seconds in each format, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("sound")
    source = write_wave(folder / "source.wave", tone(12))

    def made(suffix: str) -> Path:
        path = folder / f"song.{suffix}"
        if not path.exists():
            encode(source, path, title="Evening", artist="Ann", album="Days", track="3/9", date="1999")
        return path

    return made


def encode(source: Path, target: Path, *options: str, **tags: str) -> Path:
    """Copy or encode a file with these tags; Ogg keeps them with the stream, others with the file."""
    scope = "-metadata:s:a:0" if target.suffix in (".ogg", ".opus") else "-metadata"
    words = [word for name, value in tags.items() for word in (scope, f"{name}={value}")]
    ffmpeg.run(["-loglevel", "error", "-i", f"file:{source}", *words, *options, f"file:{target}"])
    return target
