"""Notes as text.

A part is a line of tokens: `F#4` is a note, `C4+E4+G4` a chord, `-` a rest; `:1.5` after it says how many beats it
lasts, and later tokens last as long until another says so. Bar lines are for the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

_STEPS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TOKEN: Final = re.compile(r"(-|[A-G][#b]?\d(?:\+[A-G][#b]?\d)*)(?::(\d*\.?\d+))?")
_CHORD: Final = re.compile(r"([A-G][#b]?)(m7b5|maj7|m7|dim|m|7|sus4)?")
_QUALITIES: Final = {
    None: (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
}


class Note(NamedTuple):
    """Times are in beats; `pitch` is a MIDI number (60 is middle C); `velocity` 0 to 1."""

    start: float
    beats: float
    pitch: int
    velocity: float = 0.8


class Part(NamedTuple):
    """Notes for one voice. `gain` is linear; `pan` goes from -1, left, to 1."""

    voice: str
    notes: tuple[Note, ...]
    gain: float = 1.0
    pan: float = 0.0


@cache
def pitch(name: str) -> int:
    """The MIDI number of a name such as C4, F#3 or Bb2."""
    step = _STEPS[name[0]] + {"#": 1, "b": -1}.get(name[1:2], 0)
    return 12 * (int(name[-1]) + 1) + step


def notes(text: str, *, start: float = 0.0, transpose: int = 0, velocity: float = 0.8) -> tuple[Note, ...]:
    """The notes of a line. Raises ValueError for a token that is none."""
    found: list[Note] = []
    beats = 1.0
    for token in text.replace("|", " ").split():
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"{token!r} is no note")
        beats = float(match[2]) if match[2] else beats
        if match[1] != "-":
            found += [Note(start, beats, pitch(name) + transpose, velocity) for name in match[1].split("+")]
        start += beats
    return tuple(found)


def length(text: str) -> float:
    """How many beats a line lasts."""
    beats, total = 1.0, 0.0
    for token in text.replace("|", " ").split():
        _, _, given = token.partition(":")
        beats = float(given) if given else beats
        total += beats
    return total


def chord(name: str, octave: int) -> tuple[int, ...]:
    """The pitches of a chord such as Am7, its root in `octave`."""
    match = _CHORD.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no chord")
    root = pitch(match[1] + str(octave))
    return tuple(root + step for step in _QUALITIES[match[2]])


def broken(
    chords: str, beats: float, pattern: Sequence[int], *, octave: int = 3, start: float = 0.0
) -> tuple[Note, ...]:
    """Chords played one note after the other, evenly, each chord for `beats`; -1 in the pattern is a rest."""
    found: list[Note] = []
    step = beats / len(pattern)
    for index, name in enumerate(chords.split()):
        tones = chord(name, octave)
        for place, degree in enumerate(pattern):
            if degree >= 0:
                octaves, tone = divmod(degree, len(tones))
                at = start + index * beats + place * step
                found.append(Note(at, step * 1.8, tones[tone] + 12 * octaves, 0.75 if place == 0 else 0.55))
    return tuple(found)


def shifted(line: Sequence[Note], beats: float) -> Iterator[Note]:
    """The same notes later."""
    for note in line:
        yield note._replace(start=note.start + beats)


def repeated(line: Sequence[Note], beats: float, times: int) -> tuple[Note, ...]:
    """A line played `times` over, every `beats`."""
    return tuple(note for turn in range(times) for note in shifted(line, turn * beats))


def ending(parts: Sequence[Part]) -> float:
    """The beat on which the last note ends."""
    return max((note.start + note.beats for part in parts for note in part.notes), default=0.0)
