"""Scores in the public domain, as note data written down for this purpose.

Bach (1685-1750), Pachelbel (1653-1706), Petzold (1677-1733), Mozart (1756-1791), Beethoven (1770-1827), Satie
(1866-1925) and traditional airs: all have been free everywhere for long.
"""

from __future__ import annotations

from dodeca.products.music.audio.synth.score import Note, Part, broken, length, notes, repeated, shifted

_PRELUDE = """C4 E4 G4 C5 E5, C4 D4 A4 D5 F5, B3 D4 G4 D5 F5, C4 E4 G4 C5 E5, C4 E4 A4 E5 A5, C4 D4 F#4 A4 D5,
B3 D4 G4 D5 G5, B3 C4 E4 G4 C5, A3 C4 E4 G4 C5, D3 A3 D4 F#4 C5, G3 B3 D4 G4 B4, G3 Bb3 E4 G4 C#5, F3 A3 D4 A4 D5,
F3 Ab3 D4 F4 B4, E3 G3 C4 G4 C5, E3 F3 A3 C4 F4, D3 F3 A3 C4 F4, G2 D3 G3 B3 F4, C3 E3 G3 C4 E4, C3 G3 Bb3 C4 E4,
F2 F3 A3 C4 E4, F#2 C3 A3 C4 Eb4, Ab2 F3 B3 C4 D4, G2 F3 G3 B3 D4, G2 E3 G3 C4 E4, G2 D3 G3 C4 F4, G2 D3 G3 B3 F4,
G2 Eb3 A3 C4 F#4, G2 E3 G3 C4 G4, G2 D3 G3 C4 F4, G2 D3 G3 B3 F4, C2 C3 G3 Bb3 E4"""
_PRELUDE_END = """C2:.25 C3 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3 | C2 B2 G3 B3 D4 F4 D4 B3 D4 B3 G3 B3 D3 F3
E3 D3 |
C2+C3+E4+G4+C5:4"""


def prelude_in_c() -> tuple[Part, ...]:
    """Bach, The Well-Tempered Clavier I, BWV 846."""
    found: list[Note] = []
    at = 0.0
    for bar in _PRELUDE.split(","):
        first, second, *upper = bar.split()
        for _ in range(2):
            found += notes(f"{first}:2", start=at, velocity=0.8)
            found += notes(f"{second}:1.75", start=at + 0.25, velocity=0.7)
            found += notes(f"-:.5 {upper[0]}:.25 {upper[1]} {upper[2]} {' '.join(upper)}", start=at, velocity=0.65)
            at += 2
    found += notes(_PRELUDE_END, start=at)
    return (Part("harp", tuple(found)),)


_CANON = (
    "F#5:1 E5 D5 C#5 B4 A4 B4 C#5",
    "D5:1 C#5 B4 A4 G4 F#4 G4 E4",
    "D4:.5 F#4 A4 G4 F#4 D4 F#4 E4 D4 B3 D4 A4 G4 B4 A4 G4",
    "F#4:.5 D4 E4 C#5 D5 F#5 A5 A4 B4 G4 A4 F#4 D4 D5 D5:.75 C#5:.25",
    """D5:.25 C#5 D5 D4 C#4 A4 E4 F#4 D4 D5 C#5 B4 C#5 F#5 A5 B5 G5 F#5 E5 G5 F#5 E5 D5 C#5 B4 A4 G4 F#4 E4 G4 F#4
    E4""",
    """D4:.25 E4 F#4 G4 A4 E4 A4 G4 F#4 B4 A4 G4 A4 G4 F#4 E4 D4 B3 B4 C#5 D5 C#5 B4 A4 G4 F#4 E4 B4 A4 B4 A4 G4""",
    """A5:.5 F#5:.25 G5 A5:.5 F#5:.25 G5 A5 A4 B4 C#5 D5 E5 F#5 G5 F#5:.5 D5:.25 E5 F#5:.5 F#4:.25 G4 A4 B4 A4 G4 A4
    F#4 G4 A4 G4:.5 B4:.25 A4 G4:.5 F#4:.25 E4 F#4 E4 D4 E4 F#4 G4 A4 B4 G4:.5 B4:.25 A4 B4:.5 C#5:.25 D5 A4 B4
    C#5 D5 E5 F#5 G5 A5""",
)


def canon_in_d() -> tuple[Part, ...]:
    """Pachelbel, Canon in D, P. 37: three voices, each two bars after the other, over eight notes of bass."""
    ground = notes("D3:1 A2 B2 F#2 G2 D2 G2 A2")
    parts = [Part("organ", (*repeated(ground, 8, 11), *notes("D2+D3:4", start=88)), 0.5)]
    for number, (voice, pan) in enumerate((("flute", -0.5), ("harp", 0.5), ("organ", 0.1))):
        line: list[Note] = []
        for place, variation in enumerate((*_CANON, _CANON[1], _CANON[0])[: 10 - number]):
            line += notes(variation, start=8 * (place + number + 1))
        line += notes(("F#5:4", "D5:4", "A4:4")[number], start=88)
        parts.append(Part(voice, tuple(n for n in line if n.start < 88 or n.beats >= 4), (0.55, 0.7, 0.3)[number], pan))
    return tuple(parts)


_JOY = """-:1 G4 A4 B4 D5 C5 C5 E5 D5 D5 G5 F#5 G5 D5 B4 G4 A4 B4 C5 D5 E5 D5 C5 B4 A4 B4 G4 F#4 G4 A4 D4 F#4 A4
C5 B4 A4
B4 G4 A4 B4 D5 C5 C5 E5 D5 D5 G5 F#5 G5 D5 B4 G4 A4 B4 E4 D5 C5 B4 A4 G4 D4 G4 F#4 G4:3"""
_JOY_BASS = """G2:3 G3 C3 B2 E3 D3 C3 G2 D3 D3 D2 D3 G2 G3 C3 B2 E3 G2 C3 D3 D2 G2"""
_JOY_CHORALE = "B4:6 C5:3 D5:6 B4:3 C5:3 B4:6 A4:9 B4:6 C5:3 D5:6 G4:3 A4:6 G4:3 G4:3"


def joy_of_mans_desiring() -> tuple[Part, ...]:
    """Bach, Cantata 147, chorale: the triplets around it, over a walking bass; the chorale joins the second time."""
    beats = length(_JOY)
    chorale = notes(_JOY_CHORALE, transpose=-12)
    return (
        Part("flute", repeated(notes(_JOY), beats, 4), 0.6, -0.2),
        Part("organ", repeated(notes(_JOY_BASS, velocity=0.7), beats, 4), 0.45, 0.2),
        Part("pad", tuple(n for turn in (1, 3) for n in shifted(chorale, turn * beats)), 0.3),
    )


_MINUET = (
    """D5:1 G4:.5 A4 B4 C5 | D5:1 G4 G4 | E5:1 C5:.5 D5 E5 F#5 | G5:1 G4 G4 | C5 D5:.5 C5 B4 A4 | B4:1 C5:.5 B4 A4 G4 |
    F#4:1 G4:.5 A4 B4 G4 | A4:3 | D5:1 G4:.5 A4 B4 C5 | D5:1 G4 G4 | E5:1 C5:.5 D5 E5 F#5 | G5:1 G4 G4 |
    C5 D5:.5 C5 B4 A4 | B4:1 C5:.5 B4 A4 G4 | A4:1 B4:.5 A4 G4 F#4 | G4:3""",
    """B5:1 G5:.5 A5 B5 G5 | A5:1 D5:.5 E5 F#5 D5 | G5:1 E5:.5 F#5 G5 D5 | C#5:1 B4:.5 C#5 A4:1 |
    A4:.5 B4 C#5 D5 E5 F#5 | G5:1 F#5 E5 | F#5 A4 C#5 | D5:3 |
    D5:1 G4:.5 F#4 G4:1 | E5 G4:.5 F#4 G4:1 | D5 C5 B4 | A4:.5 G4 F#4 G4 A4:1 |
    D4:.5 E4 F#4 G4 A4 B4 | C5:1 B4 A4 | B4:.5 D5 G4:1 F#4 | G4:3""",
)
_MINUET_BASS = (
    """G3+D4:2 A3:1 | B3:3 | C4:3 | B3:3 | A3:3 | G3:3 | D4:1 B3 G3 | D4 D3:.5 C4 B3 A3 | B3:2 A3:1 | G3 B3 G3 | C4:3 |
    B3:1 C4:.5 B3 A3 G3 | A3:2 F#3:1 | G3:2 B3:1 | C4 D4 D3 | G3:2 G2:1""",
    """G3:3 | F#3:3 | E3:1 G3 E3 | A3:2 A2:1 | A3:3 | B3:1 D4 C#4 | D4 F#3 A3 | D4 D3 C4 | B3 D4 B3 | C4 E4 C4 |
    B3 A3 G3 | D4:2 -:1 | D3:2 F#3:1 | E3 G3 F#3 | G3 B2 D3 | G3 D3 G2""",
)


def minuet_in_g() -> tuple[Part, ...]:
    """Petzold, from the notebook for Anna Magdalena Bach, BWV Anh. 114: both halves twice."""
    upper = [n for at, half in enumerate((0, 0, 1, 1)) for n in notes(_MINUET[half], start=48 * at)]
    lower = [n for at, half in enumerate((0, 0, 1, 1)) for n in notes(_MINUET_BASS[half], start=48 * at, velocity=0.6)]
    return Part("harpsichord", tuple(upper), 0.8, 0.15), Part("harpsichord", tuple(lower), 0.7, -0.15)


_GYMNOPEDIE = """-:12 | -:1 F#5 A5 | G5 F#5 C#5 | B4 C#5 D5 | A4:3 | F#4:12 | -:1 F#5 A5 | G5 F#5 C#5 | B4 C#5 D5
| A4:3 |
C#5:3 | F#5:3 | E4:9 | -:1 F#5 A5 | G5 F#5 C#5 | B4 C#5 D5 | A4:3 | F#4:6 | D4+F#4+A4:6"""


def gymnopedie() -> tuple[Part, ...]:
    """Satie, the opening of Gymnopédie No. 1."""
    bars = int(length(_GYMNOPEDIE)) // 3
    low: list[Note] = []
    for bar in range(bars - 2):
        root, upper = (("G2", "B3+D4+F#4"), ("D2", "A3+C#4+F#4"))[bar % 2]
        low += notes(f"{root}:1 {upper}:2", start=3 * bar, velocity=0.55)
    low += notes("D2:1 A3+D4+F#4:5", start=3 * (bars - 2), velocity=0.5)
    return Part("flute", notes(_GYMNOPEDIE), 0.55), Part("piano", tuple(low), 0.6)


_ELISE_A = """E5:.5 D#5 | E5 D#5 E5 B4 D5 C5 | A4:1 -:.5 C4 E4 A4 | B4:1 -:.5 E4 G#4 B4 | C5:1 -:.5 E4 E5 D#5 |
E5 D#5 E5 B4 D5 C5 | A4:1 -:.5 C4 E4 A4 | B4:1 -:.5 E4 C5 B4 | A4:2"""
_ELISE_A_BASS = """-:1 | -:3 | A2:.5 E3 A3 -:1.5 | E2:.5 E3 G#3 -:1.5 | A2:.5 E3 A3 -:1.5 | -:3 | A2:.5 E3 A3 -:1.5 |
E2:.5 E3 G#3 -:1.5 | A2:.5 E3 A3 -"""
_ELISE_B = """-:.5 B4 C5 D5 | E5:1.5 G4:.5 F5 E5 | D5:1.5 F4:.5 E5 D5 | C5:1.5 E4:.5 D5 C5 | B4:1 -:.5 E4 E5 - | -
E5 E6 - - D#5 |
E5 - - D#5"""
_ELISE_B_BASS = """-:2 | C3:.5 G3 C4 -:1.5 | G2:.5 G3 B3 -:1.5 | A2:.5 E3 A3 -:1.5 | E2:.5 E3 E4 -:1.5 | -:3 | -:2"""


def fur_elise() -> tuple[Part, ...]:
    """Beethoven, Bagatelle in A minor, WoO 59: its theme, the strain that follows, and the theme again."""
    upper: list[Note] = []
    lower: list[Note] = []
    at = 0.0
    for high, low in ((_ELISE_A, _ELISE_A_BASS), (_ELISE_A, _ELISE_A_BASS), (_ELISE_B, _ELISE_B_BASS)) * 2 + (
        (_ELISE_A, _ELISE_A_BASS),
    ):
        upper += notes(high, start=at)
        lower += notes(low, start=at, velocity=0.6)
        at += length(high)
    return Part("piano", tuple(upper), 0.8, 0.1), Part("piano", tuple(lower), 0.7, -0.1)


_ODE = """F#4:1 F#4 G4 A4 | A4 G4 F#4 E4 | D4 D4 E4 F#4 | F#4:1.5 E4:.5 E4:2 | F#4:1 F#4 G4 A4 | A4 G4 F#4 E4 | D4
D4 E4 F#4 |
E4:1.5 D4:.5 D4:2 | E4:1 E4 F#4 D4 | E4 F#4:.5 G4 F#4:1 D4 | E4 F#4:.5 G4 F#4:1 E4 | D4 E4 A3 F#4 | F#4 F#4 G4 A4 |
A4 G4 F#4 E4 | D4 D4 E4 F#4 | E4:1.5 D4:.5 D4:2"""
_ODE_CHORDS = "D A7 D A D A7 D D A D A7 D D A7 G D"


def ode_to_joy() -> tuple[Part, ...]:
    """Beethoven, the theme of Symphony No. 9's last movement: alone, with a second voice, with all."""
    beats = length(_ODE)
    theme = notes(_ODE)
    return (
        Part("bass", notes(_ODE, transpose=-24), 0.9),
        Part("organ", tuple(shifted(theme, beats)), 0.5, -0.2),
        Part("harp", broken(_ODE_CHORDS, 4, (0, 2, 1, 2), start=beats), 0.6, 0.3),
        Part("flute", tuple(shifted(notes(_ODE, transpose=12), 2 * beats)), 0.5, 0.2),
        Part("organ", tuple(shifted(theme, 2 * beats)), 0.4, -0.2),
        Part("harp", broken(_ODE_CHORDS, 4, (0, 1, 2, 3, 4, 3, 2, 1), start=2 * beats), 0.6, 0.4),
        Part("bass", broken(_ODE_CHORDS, 4, (0, 0), octave=2, start=2 * beats), 0.5),
    )


_MAMAN = """C5:1 C5 G5 G5 A5 A5 G5:2 F5:1 F5 E5 E5 D5 D5 C5:2 | G5:1 G5 F5 F5 E5 E5 D5:2 G5:1 G5 F5 F5 E5 E5 D5:2 |
C5:1 C5 G5 G5 A5 A5 G5:2 F5:1 F5 E5 E5 D5 D5 C5:2"""
_MAMAN_CHORDS = "C C F C F C G7 C C F C G7 C F C G7 C C F C F C G7 C"


def ah_vous_dirai_je() -> tuple[Part, ...]:
    """Mozart's theme (K. 265) with two variations in his manner: broken chords below, running notes above."""
    theme = notes(_MAMAN)
    run: list[Note] = []
    for note in theme:
        steps = (0, -1, 0, 2) if note.beats == 1 else (0, 2, 4, 2, 0, -1, 0, 2)
        for place, step in enumerate(steps):
            run.append(Note(96 + note.start + place / 4, 0.3, note.pitch + step, 0.6))
    return (
        Part("bell", theme, 0.5, 0.2),
        Part("harp", broken(_MAMAN_CHORDS, 2, (0, 2)), 0.5, -0.2),
        Part("flute", tuple(shifted(theme, 48)), 0.5),
        Part("harp", broken(_MAMAN_CHORDS, 2, (0, 2, 1, 2, 0, 2, 1, 2), start=48), 0.6, -0.3),
        Part("harp", tuple(run), 0.6, 0.3),
        Part("organ", broken(_MAMAN_CHORDS, 2, (0, 1), start=96), 0.35),
        Part("bell", notes("C5+E5+G5:4", start=144), 0.4),
    )


_GREENSLEEVES = """A4:1 | C5:2 D5:1 E5:1.5 F5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:2 A4:1 A4:1.5 G#4:.5 A4:1 |
B4:2 G#4:1 E4:2 A4:1 | C5:2 D5:1 E5:1.5 F5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:1.5 B4:.5 A4:1 G#4:1.5
F#4:.5 G#4:1 |
A4:6 | G5:3 G5:1.5 F#5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:2 A4:1 A4:1.5 G#4:.5 A4:1 | B4:2 G#4:1 E4:3 |
G5:3 G5:1.5 F#5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:1.5 B4:.5 A4:1 G#4:1.5 F#4:.5 G#4:1 | A4:5"""
_GREENSLEEVES_CHORDS = "Am Am G G Am Am E E Am Am G G Am E Am Am C C G G Am Am E E C C G G Am E Am Am"


def greensleeves() -> tuple[Part, ...]:
    """England, before 1580."""
    beats = length(_GREENSLEEVES)
    return (
        Part("flute", notes(_GREENSLEEVES), 0.55, 0.1),
        Part("harp", broken(_GREENSLEEVES_CHORDS, 3, (0, 1, 2), start=1), 0.7, -0.2),
        Part("harp", tuple(shifted(notes(_GREENSLEEVES), beats)), 0.8, 0.2),
        Part("harp", broken(_GREENSLEEVES_CHORDS, 3, (0, 2, 4), start=1 + beats), 0.6, -0.3),
        Part("pad", broken(_GREENSLEEVES_CHORDS, 3, (1,), octave=4, start=1 + beats), 0.2),
    )


_SCARBOROUGH = """D4:2 D4:1 | A4:2 A4:1 | E4:1.5 F4:.5 E4:1 | D4:3 | -:1 A4 C5 | D5:2 C5:1 | A4 B4 G4 | A4:3 | -:2
D5:1 |
D5:2 D5:1 | C5:2 A4:1 | A4 G4 F4 | E4 C4:2 | D4:2 A4:1 | G4:2 F4:1 | E4:1 D4 C4 | D4:3 | -:3"""
_SCARBOROUGH_CHORDS = "Dm Dm C Dm F Dm G Dm Dm Dm F F C Dm G C Dm Dm"


def scarborough_fair() -> tuple[Part, ...]:
    """England, before 1670."""
    beats = length(_SCARBOROUGH)
    return (
        Part("flute", repeated(notes(_SCARBOROUGH), beats, 2), 0.5),
        Part("harp", broken(" ".join([_SCARBOROUGH_CHORDS] * 2), 3, (0, 1, 2, 3, 2, 1)), 0.7, -0.2),
        Part("bell", tuple(shifted(notes(_SCARBOROUGH, transpose=12, velocity=0.4), beats)), 0.25, 0.4),
    )


_AULD = """D4:1 | G4:1.5 G4:.5 G4:1 B4 | A4:1.5 G4:.5 A4:1 B4 | G4:1.5 G4:.5 B4:1 D5 | E5:3 E5:1 | D5:1.5 B4:.5
B4:1 G4 |
A4:1.5 G4:.5 A4:1 B4 | G4:1.5 E4:.5 E4:1 D4 | G4:3 E5:1 | D5:1.5 B4:.5 B4:1 G4 | A4:1.5 G4:.5 A4:1 E5 |
D5:1.5 B4:.5 B4:1 D5 | E5:3 E5:1 | D5:1.5 B4:.5 B4:1 G4 | A4:1.5 G4:.5 A4:1 B4 | G4:1.5 E4:.5 E4:1 D4 | G4:3"""
_AULD_CHORDS = "G D G C G D C G G D G C G D C G"


def auld_lang_syne() -> tuple[Part, ...]:
    """Scotland, 1799."""
    beats = length(_AULD)
    return (
        Part("organ", repeated(notes(_AULD), beats, 2), 0.4),
        Part("harp", broken(_AULD_CHORDS, 4, (0, 1, 2, 1), start=1), 0.6, -0.2),
        Part("harp", broken(_AULD_CHORDS, 4, (0, 2, 1, 2, 3, 2, 1, 2), start=1 + beats), 0.6, -0.2),
        Part("bass", broken(_AULD_CHORDS, 4, (0, 2), octave=2, start=1 + beats), 0.6),
        Part("flute", tuple(shifted(notes(_AULD, transpose=12), beats)), 0.35, 0.3),
    )


_SAKURA = """A4:1 A4 B4:2 | A4:1 A4 B4:2 | A4:1 B4 C5 B4 | A4 B4:.5 A4 F4:2 | E4:1 C4 E4 F4 | E4 E4:.5 C4 B3:2 |
A4:1 B4 C5 B4 |
A4 B4:.5 A4 F4:2 | E4:1 C4 E4 F4 | E4 E4:.5 C4 B3:2 | A4:1 A4 B4:2 | A4:1 A4 B4:2 | E4:1 F4 B4:.5 A4 F4:1 | E4:4"""


def sakura() -> tuple[Part, ...]:
    """Japan, of the Edo period."""
    beats = length(_SAKURA)
    drone = repeated(notes("A2:1 E3 A3 E3", velocity=0.5), 4, int(beats) // 4)
    return (
        Part("harp", repeated(notes(_SAKURA), beats, 2), 0.8, 0.1),
        Part("harp", tuple(shifted(drone, beats)), 0.5, -0.3),
        Part("flute", tuple(shifted(notes(_SAKURA, transpose=12, velocity=0.5), beats)), 0.35),
    )


_GRACE = """D4:1 | G4:2 B4:.5 G4 | B4:2 A4:1 | G4:2 E4:1 | D4:2 D4:1 | G4:2 B4:.5 G4 | B4:2 A4:1 | D5:5 B4:1 |
D5:2 B4:.5 G4 | B4:2 A4:1 | G4:2 E4:1 | D4:2 D4:1 | G4:2 B4:.5 G4 | B4:2 A4:1 | G4:5"""
_GRACE_CHORDS = "G G C G G G D D G G C G G D G G"
_GRACE_VERSES = 3
GRACE_LYRICS = (
    "Amazing grace, how sweet the sound",
    "That saved a wretch like me",
    "I once was lost, but now am found",
    "Was blind, but now I see",
    "'Twas grace that taught my heart to fear",
    "And grace my fears relieved",
    "How precious did that grace appear",
    "The hour I first believed",
    "Through many dangers, toils and snares",
    "I have already come",
    "'Tis grace hath brought me safe thus far",
    "And grace will lead me home",
)
"""John Newton, 1779."""
GRACE_LINE_BEATS = (0.0, 12.0, 24.0, 36.0)
"""Where in a verse each line begins."""


def amazing_grace() -> tuple[Part, ...]:
    """The tune New Britain, 1829; three verses."""
    beats = length(_GRACE)
    chords = " ".join([_GRACE_CHORDS] * _GRACE_VERSES)
    return (
        Part("organ", repeated(notes(_GRACE), beats, _GRACE_VERSES), 0.4),
        Part("harp", broken(chords, 3, (0, 1, 2), start=1), 0.6, -0.2),
        Part("flute", tuple(shifted(notes(_GRACE, transpose=12), beats)), 0.3, 0.3),
        Part("pad", broken(chords, 3, (0,), octave=3, start=1), 0.25),
    )


def grace_line_starts() -> tuple[float, ...]:
    """The beat on which each line of the words begins."""
    beats = length(_GRACE)
    return tuple(verse * beats + at for verse in range(_GRACE_VERSES) for at in GRACE_LINE_BEATS)


_JACQUES = """C4:1 D4 E4 C4 | C4 D4 E4 C4 | E4 F4 G4:2 | E4:1 F4 G4:2 | G4:.75 A4:.25 G4:.75 F4:.25 E4:1 C4 |
G4:.75 A4:.25 G4:.75 F4:.25 E4:1 C4 | C4 G3 C4:2 | C4:1 G3 C4:2"""


def frere_jacques() -> tuple[Part, ...]:
    """France, before 1780: a round of four."""
    voices = (("piano", -0.6, 0), ("harp", 0.6, 12), ("flute", -0.2, 12), ("bell", 0.3, 12))
    line = repeated(notes(_JACQUES), 32, 3)
    return tuple(
        Part(voice, tuple(n._replace(pitch=n.pitch + up) for n in shifted(line, 8 * number)), 0.5, pan)
        for number, (voice, pan, up) in enumerate(voices)
    )
