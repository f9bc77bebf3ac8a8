"""Pieces that a seed makes: chords, a bass, a figure, a melody that walks on their scale, and drums.

The same seed gives the same notes on every machine: the generator is numpy's PCG64, whose stream is fixed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from dodeca.products.music.audio.synth.score import Note, Part, chord, pitch

_BEATS: Final = 4


class Style(NamedTuple):
    """What an album's pieces have in common."""

    progressions: tuple[str, ...]
    scale: tuple[int, ...]
    lead: str
    figure: str
    bed: str
    drums: bool
    swing: float
    density: float
    """How many of a bar's eighths the melody plays."""


STYLES: Final = {
    "ambient": Style(
        ("Cmaj7 Am7 Fmaj7 G", "Am7 Fmaj7 Cmaj7 Em7", "Dm7 Fmaj7 Am7 Em7"),
        (0, 2, 4, 7, 9),
        "bell",
        "harp",
        "pad",
        False,
        0.0,
        0.22,
    ),
    "electronic": Style(
        ("Am F C G", "Am Dm F G", "Am C G Dm"), (0, 2, 3, 5, 7, 8, 10), "square", "square", "pad", True, 0.0, 0.5
    ),
    "lounge": Style(
        ("Dm7 G7 Cmaj7 Am7", "Cmaj7 A7 Dm7 G7", "Fmaj7 Em7 Dm7 Cmaj7"),
        (0, 2, 4, 5, 7, 9, 11),
        "piano",
        "piano",
        "organ",
        True,
        0.33,
        0.45,
    ),
}


def compose(seed: int, style_name: str, bars: int, key: int) -> tuple[Part, ...]:
    """A piece of `bars` bars in 4/4, `key` semitones above C: four bars of opening, verses and a close."""
    style = STYLES[style_name]
    random = np.random.Generator(np.random.PCG64(seed))
    first = style.progressions[random.integers(len(style.progressions))].split()
    second = style.progressions[random.integers(len(style.progressions))].split()
    chords = [(first if (bar // 8) % 2 == 0 else second)[bar % 4] for bar in range(bars)]
    parts = [
        _bed(style, chords, key),
        _bass(style, chords, key, random),
        _figure(style, chords, key, random),
        _melody(style, chords, key, random),
    ]
    if style.drums:
        parts.append(_drums(style, bars, random))
    return tuple(parts)


def _bed(style: Style, chords: list[str], key: int) -> Part:
    found = [Note(bar * _BEATS, _BEATS, tone + key, 0.45) for bar, name in enumerate(chords) for tone in chord(name, 3)]
    return Part(style.bed, tuple(found), 0.16)


def _bass(style: Style, chords: list[str], key: int, random: np.random.Generator) -> Part:
    found: list[Note] = []
    places = ((0.0, 2.5), (0.0, 1.5, 2.0, 3.5), (0.0, 2.0))[random.integers(3)]
    for bar, name in enumerate(chords):
        root = chord(name, 2)[0] + key
        if not style.drums:
            found.append(Note(bar * _BEATS, _BEATS, root, 0.6))
            continue
        for place in places:
            step = 7 if place == places[-1] and random.random() < 0.4 else 0
            found.append(Note(bar * _BEATS + place, 0.9, root + step, 0.75))
    return Part("bass", tuple(found), 0.6)


def _figure(style: Style, chords: list[str], key: int, random: np.random.Generator) -> Part:
    order = random.permutation(8)
    found: list[Note] = []
    for bar, name in enumerate(chords):
        tones = chord(name, 4)
        for eighth in range(8):
            if style.drums and eighth % 2 == 0 and style.swing:
                continue
            degree = int(order[eighth]) % (len(tones) + 1)
            octaves, tone = divmod(degree, len(tones))
            at = bar * _BEATS + eighth / 2 + (style.swing / 2 if eighth % 2 else 0)
            found.append(Note(at, 0.6, tones[tone] + 12 * octaves + key, 0.5))
    return Part(style.figure, tuple(found), 0.3, 0.35)


def _melody(style: Style, chords: list[str], key: int, random: np.random.Generator) -> Part:
    """A walk in small steps that rests on a tone of the chord when a bar begins; four bars are sung, four answered."""
    base = pitch("C5") + (9 if style.scale[2] == 3 else 0) - (12 if style.scale[2] == 3 else 0)
    ladder = [base + 12 * octave + step for octave in (0, 1) for step in style.scale]
    rhythm = [sorted({0, *(random.permutation(8)[: int(8 * style.density)]).tolist()}) for _ in range(4)]
    place = len(style.scale) // 2
    found: list[Note] = []
    for bar in range(4, len(chords) - 1):
        if bar % 16 >= 12 and style.drums:
            continue  # the figure is heard alone for a while
        tones = {tone % 12 for tone in chord(chords[bar], 4)}
        eighths = rhythm[bar % 4]
        for index, eighth in enumerate(eighths):
            place = int(np.clip(place + random.integers(-2, 3), 0, len(ladder) - 1))
            if index == 0:
                place = min(range(len(ladder)), key=lambda i: (ladder[i] % 12 not in tones, abs(i - place)))
            end = eighths[index + 1] if index + 1 < len(eighths) else 8
            at = bar * _BEATS + eighth / 2 + (style.swing / 2 if eighth % 2 else 0)
            found.append(Note(at, (end - eighth) / 2 * 0.95, ladder[place] + key, float(random.uniform(0.6, 0.9))))
    return Part(style.lead, tuple(found), 0.42, -0.15)


def _drums(style: Style, bars: int, random: np.random.Generator) -> Part:
    found: list[Note] = []
    kicks = ((0.0, 2.0), (0.0, 1.5, 2.0), (0.0, 2.5))[random.integers(3)]
    for bar in range(2, bars - 1):
        at = bar * _BEATS
        found += [Note(at + place, 0.25, 36, 0.9) for place in kicks]
        found += [Note(at + place, 0.25, 38, 0.5) for place in (1.0, 3.0)]
        for eighth in range(8):
            late = style.swing / 2 if eighth % 2 else 0
            found.append(Note(at + eighth / 2 + late, 0.1, 46 if eighth == 7 else 42, 0.35 if eighth % 2 else 0.5))
    return Part("drums", tuple(found), 0.5)
