"""What playlists and libraries of other programs hold, in one shape.

Locations are kept as text: they are compared with the paths of songs that are here, and never opened."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dodeca.kernel.errors import Invalid

MAX_BYTES: Final = 100_000_000
"""A library of 100,000 songs in iTunes' XML takes about 120 bytes a field, 70 MB in all."""
MOST_ENTRIES: Final = 100_000
MOST_PLAYLISTS: Final = 5_000
LONGEST_TEXT: Final = 500
LONGEST_LOCATION: Final = 4_000
LONGEST_MS: Final = 86_400_000
_MBID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ISRC: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One song as a file names it. Empty text and None: the file does not say."""

    location: str = ""
    title: str = ""
    artist: str = ""
    album: str = ""
    duration_ms: int | None = None
    isrc: str = ""
    mbid: str = ""
    """MusicBrainz recording."""


@dataclass(frozen=True, slots=True)
class PlaylistFile:
    """A playlist. `rules` are there for a smart one."""

    title: str = ""
    description: str = ""
    entries: tuple[Entry, ...] = ()
    rules: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LibraryTrack:
    """A song of a library, with what its owner did. `rating` is 0 to 5."""

    entry: Entry
    album_artist: str = ""
    genre: str = ""
    track: int | None = None
    disc: int | None = None
    year: int | None = None
    play_count: int = 0
    played_at: datetime | None = None
    rating: int = 0
    loved: bool = False


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A whole library: songs, and playlists of them."""

    tracks: tuple[LibraryTrack, ...] = ()
    playlists: tuple[PlaylistFile, ...] = ()


def not_a(name: str, why: str = "") -> Invalid:
    """The error of a file that is not what it should be."""
    return Invalid(f"This is no {name} file{f': {why}' if why else ''}.", field="file")


def bounded(data: bytes) -> bytes:
    """The data, unless it is too long. Raises Invalid."""
    if len(data) > MAX_BYTES:
        raise Invalid(f"A file has at most {MAX_BYTES:,} bytes here.", field="file")
    return data


def plain(value: object, longest: int = LONGEST_TEXT) -> str:
    """A value as one line of text that can be printed and stored."""
    if not isinstance(value, str):
        return ""
    text = unicodedata.normalize("NFC", value)
    text = "".join(c if c.isprintable() else " " for c in text if not "\ud800" <= c <= "\udfff")
    return " ".join(text.split())[:longest].strip()


def number(value: object, least: int, most: int) -> int | None:
    """A whole number within bounds, None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(r"[-+]?\d{1,15}", text):
            return None
        value = int(text)
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) > 1e15:
            return None
        value = round(value)
    return value if isinstance(value, int) and least <= value <= most else None


def mbid(value: object) -> str:
    """The MusicBrainz id that a text ends with or holds, empty when there is none."""
    found = _MBID.search(value.lower()) if isinstance(value, str) and len(value) <= LONGEST_LOCATION else None
    return found[0] if found else ""


def isrc(value: object) -> str:
    """An ISRC without hyphens, empty when it is none (ISO 3901)."""
    if not isinstance(value, str) or len(value) > 40:
        return ""
    text = value.upper().removeprefix("ISRC:").replace("-", "").strip()
    return text if _ISRC.fullmatch(text) else ""


def tail(location: str, parts: int = 3) -> tuple[str, ...]:
    """The last names of a path or URL, to be compared with those of a song's path: lower case, NFC.

    `file:///C:/Music/A/B.mp3`, `..\\A\\B.mp3` and `/srv/music/A/B.mp3` end alike."""
    text = location[:LONGEST_LOCATION].replace("\0", "").strip()
    try:
        parsed = urlsplit(text)
    except ValueError:
        parsed = None
    if parsed is not None and parsed.scheme.lower() in ("file", "http", "https"):
        text = unquote(parsed.path, errors="replace")
    names = [name for name in text.replace("\\", "/").split("/") if name not in ("", ".", "..") and name[-1] != ":"]
    return tuple(unicodedata.normalize("NFC", name).casefold() for name in names[-parts:])


def decoded(data: bytes) -> str:
    """Text as old and new programs write it: UTF-8, UTF-16 with its mark, or the Windows code page."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
