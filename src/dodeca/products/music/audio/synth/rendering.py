"""Scores into files: mixing, a little room, encoding with tags and a drawn cover; words in time; a video."""

from __future__ import annotations

import io
import tempfile
import wave
from colorsys import hls_to_rgb
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dodeca.commons.pipeline import ffmpeg
from dodeca.products.music.audio.synth.pieces import Album, Piece
from dodeca.products.music.audio.synth.score import ending
from dodeca.products.music.audio.synth.voices import RATE, play

COVER_PIXELS: Final = 600
LICENCE: Final = "CC0 1.0"
_LEAD_SECONDS: Final = 0.3
_TAIL_SECONDS: Final = 3.0
_LEVEL: Final = 0.85
_ROOM_SECONDS: Final = 1.4
_ROOM_SHARE: Final = 0.22
_ENCODING: Final = {
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128k", "-id3v2_version", "4"),
    "opus": ("-c:a", "libopus", "-b:a", "96k"),
    "m4a": ("-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart"),
    "flac": ("-c:a", "flac"),
}


def seconds_of(piece: Piece, beat: float) -> float:
    """When a beat sounds, from the beginning of the file."""
    return _LEAD_SECONDS + beat * 60 / piece.beats_per_minute


def mix(piece: Piece) -> NDArray[np.int16]:
    """The samples of a piece, stereo at 44.1 kHz."""
    parts = piece.parts()
    total = int((seconds_of(piece, ending(parts)) + _TAIL_SECONDS) * RATE)
    out = np.zeros((2, total), dtype=np.float32)
    played = cache(play)  # a piece repeats its notes; kept for longer, all pieces' would take half a gigabyte
    for part in parts:
        left, right = np.cos((part.pan + 1) * np.pi / 4), np.sin((part.pan + 1) * np.pi / 4)
        for note in part.notes:
            sound = played(part.voice, note.pitch, note.beats * 60 / piece.beats_per_minute)
            start = int(seconds_of(piece, note.start) * RATE)
            sound = sound[: total - start] * np.float32(note.velocity * part.gain)
            out[0, start : start + len(sound)] += sound * np.float32(left)
            out[1, start : start + len(sound)] += sound * np.float32(right)
    out = _with_room(out)
    fade = int(_TAIL_SECONDS * RATE)
    out[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    out *= np.float32(_LEVEL / max(1e-6, float(np.abs(out).max())))
    return np.ascontiguousarray(np.round(out.T * 32767), dtype=np.int16)


@cache
def _room() -> NDArray[np.float32]:
    """The answer of a room: noise that dies away, other on each side."""
    length = int(_ROOM_SECONDS * RATE)
    noise = np.random.Generator(np.random.PCG64(7)).standard_normal((2, length))
    decay = np.exp(-5 * np.arange(length) / length) * np.minimum(1, np.arange(length) / (0.02 * RATE))
    answer = noise * decay
    level: NDArray[np.float64] = np.sqrt((answer**2).sum(axis=1, keepdims=True))
    return np.asarray(answer / level, dtype=np.float32)


def _with_room(dry: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolve in blocks (overlap and add), which takes a tenth of the memory of one transform."""
    room = _room()
    block = 1 << 17
    size = 1 << 18
    spectrum = np.fft.rfft(room, size)
    wet = np.zeros((2, dry.shape[1] + size), dtype=np.float32)
    for start in range(0, dry.shape[1], block):
        piece = np.fft.irfft(np.fft.rfft(dry[:, start : start + block], size) * spectrum, size)
        wet[:, start : start + size] += piece.astype(np.float32)
    return np.asarray(dry + _ROOM_SHARE * wet[:, : dry.shape[1]], dtype=np.float32)


def render(piece: Piece, folder: Path) -> Path:
    """Make a piece's file, tagged and with its cover inside, in about two seconds. From a thread."""
    target = folder / f"{piece.album.key}-{piece.track:02d}-{piece.key}.{piece.suffix}"
    with tempfile.TemporaryDirectory(dir=folder.absolute()) as name:
        work = Path(name)
        _write_wave(work / "sound.wav", mix(piece))
        made = work / f"made.{piece.suffix}"
        cover = work / "cover.png"
        cover.write_bytes(draw_cover(piece.album))
        # Ogg has no place for a picture stream; its albums are drawn from a folder picture or another track.
        pictured = piece.suffix != "opus"
        ffmpeg.run(
            [
                *("-loglevel", "error", "-i", f"file:{work / 'sound.wav'}"),
                *(("-i", f"file:{cover}", "-map", "0:a", "-map", "1:v", "-c:v", "copy") if pictured else ()),
                *(("-disposition:v:0", "attached_pic") if pictured else ()),
                *_ENCODING[piece.suffix],
                *_tags(piece),
                f"file:{made}",
            ]
        )
        made.replace(target)
    return target


def _write_wave(path: Path, samples: NDArray[np.int16]) -> None:
    # Opened here: a wave.Wave_write whose own opening fails complains once more when it is thrown away.
    with path.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def _tags(piece: Piece) -> list[str]:
    values = {
        "title": piece.title,
        "artist": piece.artist,
        "album_artist": piece.album.artist,
        "album": piece.album.title,
        "composer": piece.composer,
        "genre": piece.album.genre,
        "date": str(piece.year),
        "track": str(piece.track),
        "comment": f"Made by Dodeca's synthesiser. {LICENCE}",
    }
    return [word for name, value in values.items() for word in ("-metadata", f"{name}={value}")]


def lrc(piece: Piece) -> str:
    """The words of a piece in time with it, as LRC; empty where it has none."""
    lines = []
    for text, beat in zip(piece.lyrics, piece.line_starts(), strict=True):
        minutes, seconds = divmod(seconds_of(piece, beat), 60)
        lines.append(f"[{int(minutes):02d}:{seconds:05.2f}]{text}")
    return "\n".join([f"[ti:{piece.title}]", f"[ar:{piece.artist}]", *lines, ""]) if lines else ""


def draw_cover(album: Album) -> bytes:
    """A square PNG: rings and arcs in the album's colour, placed by its key alone."""
    scale = 2
    size = COVER_PIXELS * scale
    random = np.random.Generator(np.random.PCG64(sum(ord(c) * 31**i for i, c in enumerate(album.key))))
    image = Image.new("RGB", (size, size), _colour(album.hue, 0.16))
    draw = ImageDraw.Draw(image)
    for ring in range(9):
        x, y = (random.uniform(0.1, 0.9, 2) * size).tolist()
        radius = float(random.uniform(0.08, 0.42)) * size
        box = (x - radius, y - radius, x + radius, y + radius)
        colour = _colour(album.hue + int(random.integers(-40, 41)), 0.25 + 0.06 * ring)
        if ring % 3 == 0:
            draw.ellipse(box, fill=colour)
        else:
            start = int(random.integers(0, 360))
            draw.arc(box, start, start + int(random.integers(90, 330)), fill=colour, width=int(size * 0.03))
    with io.BytesIO() as file:
        image.resize((COVER_PIXELS, COVER_PIXELS), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def _colour(hue: int, lightness: float) -> tuple[int, int, int]:
    red, green, blue = hls_to_rgb((hue % 360) / 360, lightness, 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def render_video(sound: Path, target: Path, *, seconds: float = 30.0) -> None:
    """A small WebM of the waveform moving with the sound. From a thread. `target` ends in .webm."""
    shown = "[0:a]showwaves=s=480x270:mode=cline:rate=12:colors=white,format=yuv420p[v]"
    ffmpeg.run(
        [
            *("-loglevel", "error", "-t", f"{seconds:.3f}"),
            *ffmpeg.reading(sound),
            *("-filter_complex", shown, "-map", "[v]", "-map", "0:a:0"),
            *(
                "-c:v",
                "libvpx",
                "-deadline",
                "realtime",
                "-cpu-used",
                "8",
                "-b:v",
                "300k",
                "-c:a",
                "libopus",
                "-b:a",
                "96k",
            ),
            f"file:{target.absolute()}",
        ]
    )
