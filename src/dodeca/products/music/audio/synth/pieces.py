"""What the demo's library holds: six albums."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from dodeca.products.music.audio.synth import repertoire
from dodeca.products.music.audio.synth.generated import compose
from dodeca.products.music.audio.synth.score import Part

PLAYERS: Final = "Dodeca Players"


class Album(NamedTuple):
    """An album of the demo. `hue`, in degrees, is its cover's colour."""

    key: str
    title: str
    artist: str
    year: int
    genre: str
    hue: int


class Piece(NamedTuple):
    """One piece, as it is tagged. `beats_per_minute` is its tempo; `suffix` says in which format it is kept."""

    key: str
    title: str
    artist: str
    composer: str
    album: Album
    track: int
    beats_per_minute: float
    parts: Callable[[], tuple[Part, ...]]
    suffix: str = "mp3"
    lyrics: tuple[str, ...] = ()
    line_starts: Callable[[], tuple[float, ...]] = tuple

    @property
    def year(self) -> int:
        """Of the album."""
        return self.album.year


ALBUMS: Final = (
    Album("pipes", "Strings and Pipes", PLAYERS, 2024, "Baroque", 35),
    Album("hours", "Small Hours", PLAYERS, 2025, "Classical", 225),
    Album("airs", "Airs of Five Countries", PLAYERS, 2023, "Folk", 130),
    Album("tide", "Low Tide", "Paper Lanterns", 2026, "Ambient", 190),
    Album("watt", "Night Shift", "Kilowatt Choir", 2026, "Electronic", 320),
    Album("lounge", "Corner Table", "The Slow Waiters", 2025, "Jazz", 15),
)
_BY_KEY: Final = {album.key: album for album in ALBUMS}
_BACH: Final = "Johann Sebastian Bach"
_BEETHOVEN: Final = "Ludwig van Beethoven"
_TRADITIONAL: Final = "Traditional"


def _old(key: str, title: str, composer: str, album: str, track: int, tempo: float, **more: object) -> Piece:
    parts = getattr(repertoire, key)
    artist = PLAYERS if composer == _TRADITIONAL else composer
    return Piece(key, title, artist, composer, _BY_KEY[album], track, tempo, parts, **more)  # type: ignore[arg-type]


def _new(title: str, album: str, track: int, style: str, tempo: float, bars: int, key: int) -> Piece:
    owner = _BY_KEY[album]
    seed = 1000 * (ALBUMS.index(owner) + 1) + track
    parts = partial(compose, seed, style, bars, key)
    return Piece(f"{album}-{track}", title, owner.artist, owner.artist, owner, track, tempo, parts)


def pieces() -> tuple[Piece, ...]:
    """All pieces; the first ones take least time to make."""
    return (
        _old("fur_elise", "Für Elise (theme)", _BEETHOVEN, "hours", 2, 104),
        _old("minuet_in_g", "Minuet in G", "Christian Petzold", "pipes", 4, 138),
        _old("gymnopedie", "Gymnopédie No. 1 (opening)", "Erik Satie", "hours", 1, 80),
        _old("prelude_in_c", "Prelude in C, BWV 846", _BACH, "pipes", 1, 80),
        _old("greensleeves", "Greensleeves", _TRADITIONAL, "airs", 1, 150),
        _old(
            "amazing_grace",
            "Amazing Grace",
            _TRADITIONAL,
            "airs",
            5,
            88,
            lyrics=repertoire.GRACE_LYRICS,
            line_starts=repertoire.grace_line_starts,
        ),
        _old("canon_in_d", "Canon in D", "Johann Pachelbel", "pipes", 2, 56, suffix="opus"),
        _old("joy_of_mans_desiring", "Jesu, Joy of Man's Desiring", _BACH, "pipes", 3, 190),
        _old("ode_to_joy", "Ode to Joy", _BEETHOVEN, "hours", 3, 126, suffix="m4a"),
        _old("ah_vous_dirai_je", "Ah, vous dirai-je, maman", "Wolfgang Amadeus Mozart", "hours", 4, 120),
        _old("scarborough_fair", "Scarborough Fair", _TRADITIONAL, "airs", 2, 108),
        _old("auld_lang_syne", "Auld Lang Syne", _TRADITIONAL, "airs", 3, 108),
        _old("sakura", "Sakura, Sakura", _TRADITIONAL, "airs", 4, 80, suffix="flac"),
        _old("frere_jacques", "Frère Jacques (a round)", _TRADITIONAL, "airs", 6, 116),
        _new("Wading", "tide", 1, "ambient", 66, 18, 2),
        _new("Salt Marsh", "tide", 2, "ambient", 60, 16, -3),
        _new("The Lighthouse Keeper Sleeps", "tide", 3, "ambient", 72, 20, 5),
        _new("Driftwood", "tide", 4, "ambient", 63, 18, 0),
        _new("First Tram", "watt", 1, "electronic", 124, 36, 0),
        _new("Switchyard", "watt", 2, "electronic", 118, 32, 3),
        _new("Vending Machine Waltz", "watt", 3, "electronic", 110, 28, -2),
        _new("Neon Rain", "watt", 4, "electronic", 128, 36, 5),
        _new("Two Sugars", "lounge", 1, "lounge", 96, 28, 0),
        _new("Umbrella Stand", "lounge", 2, "lounge", 88, 24, 5),
        _new("The Bill, Please", "lounge", 3, "lounge", 104, 28, -2),
        _new("Last Orders", "lounge", 4, "lounge", 80, 24, 3),
    )
