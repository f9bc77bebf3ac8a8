"""What a file says of itself: its sound's properties, its tags, its cover.

Tags are read by tinytag; everything is bounded and cleaned here, for tags are input as any other."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dodeca.products.music.audio.containers import Contents, adts, contents, opened, packet_hash

if TYPE_CHECKING:
    from tinytag import TinyTag

LONGEST_TEXT: Final = 500
LONGEST_LYRICS: Final = 100_000
LONGEST_SECONDS: Final = 86_400
MOST_VALUES: Final = 20
"""Artists or genres of one song."""
MAX_COVER_BYTES: Final = 10_000_000
FOLDER_COVERS: Final = ("cover", "folder", "front", "albumart", "album")
COVER_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp4": "audio/mp4",
    "wav": "audio/wav",
    "aiff": "audio/aiff",
    "matroska": "audio/webm",
}
SUFFIXES: Final = {
    "mp3": "mp3",
    "aac": "aac",
    "flac": "flac",
    "ogg": "ogg",
    "mp4": "m4a",
    "wav": "wav",
    "aiff": "aiff",
    "matroska": "webm",
}
AUDIO_SUFFIXES: Final = frozenset(
    (".mp3", ".mp2", ".aac", ".m4a", ".m4b", ".mp4", ".flac", ".ogg", ".oga", ".opus", ".wav", ".aif", ".aiff", ".aifc")
)
"""What a scan looks at, in lower case. What the files are is told by content."""
_MBID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ISRC: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_YEAR: Final = re.compile(r"(?<!\d)(1\d{3}|2\d{3})(?!\d)")
_NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True)
class ReplayGain:
    """Gains in dB against -18 LUFS (ReplayGain 2.0), peaks as a share of full scale; None: not known."""

    track_gain: float | None = None
    track_peak: float | None = None
    album_gain: float | None = None
    album_peak: float | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """What the file's tags say. Empty or None: nothing."""

    title: str = ""
    artists: tuple[str, ...] = ()
    album: str = ""
    album_artists: tuple[str, ...] = ()
    composer: str = ""
    genres: tuple[str, ...] = ()
    track: int | None = None
    track_total: int | None = None
    disc: int | None = None
    disc_total: int | None = None
    year: int | None = None
    release_date: str = ""
    """As the tag has it: 1998, 1998-05 or 1998-05-21."""
    compilation: bool = False
    explicit: bool | None = None
    isrc: str = ""
    recording_mbid: str = ""
    album_mbid: str = ""
    artist_mbids: tuple[str, ...] = ()
    album_artist_mbids: tuple[str, ...] = ()
    comment: str = ""
    lyrics: str = ""
    """LRC or plain text."""
    replay_gain: ReplayGain = field(default_factory=ReplayGain)


@dataclass(frozen=True, slots=True)
class Probed:
    """A file as it is. `duration_ms` 0 means that only decoding can tell."""

    container: str
    codec: str
    media_type: str
    suffix: str
    """Without dot, as Subsonic clients expect it: mp3, m4a, ogg, opus, flac ..."""
    size: int
    duration_ms: int
    bit_rate: int
    """kbit/s, the mean over the file."""
    sample_rate: int
    channels: int
    bit_depth: int | None
    audio_hash: str
    tags: Tags
    cover: bytes | None = None
    """The picture inside the file, as it lies there. What it is, and whether it is harmless, is for
    `MediaStore.save_image_bytes` to say."""


def probe(path: Path, *, pictured: bool = True) -> Probed:
    """Read a file's properties and tags, its front cover unless told otherwise, and hash its packets. From a thread.

    Raises UnsupportedMedia when the file is no audio file. That it decodes is for `measuring.check` to say.
    """
    from tinytag import TinyTag, TinyTagException  # 5 MB, which a server without music need not have

    with opened(path) as (file, view):
        size, found = len(view), contents(view)
        try:
            tag = TinyTag.get(path, file, image=pictured)
        except TinyTagException:
            tag = TinyTag()  # broken tags around sound that may be whole
        duration_ms, sample_rate, channels = _milliseconds(tag.duration), tag.samplerate, tag.channels
        if found.container == "aac":  # which tinytag takes for MP3
            duration_ms, sample_rate, channels = adts(view, found)
        audio_hash = packet_hash(view, found)
    return Probed(
        container=found.container,
        codec=found.codec,
        media_type=_media_type(found),
        suffix="opus" if found.codec == "opus" and found.container == "ogg" else SUFFIXES[found.container],
        size=size,
        duration_ms=duration_ms,
        bit_rate=round(sum(end - start for start, end in found.spans) * 8 / duration_ms) if duration_ms else 0,
        sample_rate=_bounded(sample_rate, 1, 10_000_000) or 0,
        channels=_bounded(channels, 1, 255) or 0,
        bit_depth=_bounded(tag.bitdepth, 1, 64),
        audio_hash=audio_hash,
        tags=_tags(tag),
        cover=_cover(tag) if pictured else None,
    )


def _cover(tag: TinyTag) -> bytes | None:
    image = tag.images.any
    return bytes(image.data) if image is not None and 0 < len(image.data) <= MAX_COVER_BYTES else None


def folder_cover(folder: Path) -> Path | None:
    """The picture that lies beside an album's files, by its usual names."""
    try:
        names = {name.lower(): name for name in os.listdir(folder) if name.lower().endswith(COVER_SUFFIXES)}
    except OSError:
        return None
    for stem in FOLDER_COVERS:
        for suffix in COVER_SUFFIXES:
            name = names.get(stem + suffix)
            entry = folder / name if name is not None else None
            if entry is not None and entry.is_file() and 0 < entry.stat().st_size <= MAX_COVER_BYTES:
                return entry
    return None


def _media_type(found: Contents) -> str:
    if found.container == "wav" and found.codec == "mp3":
        return "audio/mpeg"
    return MEDIA_TYPES[found.container]


def _milliseconds(seconds: float | None) -> int:
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds <= LONGEST_SECONDS:
        return 0
    return round(seconds * 1000)


def _bounded(value: float | None, least: int, most: int) -> int | None:
    if value is None or not math.isfinite(value) or not least <= value <= most:
        return None
    return int(value)


# Tags


def _tags(tag: TinyTag) -> Tags:
    other = {name.lower().replace(" ", "").replace("_", ""): values for name, values in tag.other.items()}
    date = _first(other, "originaldate") or _text(tag.year)
    year = _YEAR.search(_text(tag.year) or date)
    isrc = re.sub(r"[^A-Z0-9]", "", (_first(other, "isrc") or "").upper())
    return Tags(
        title=_text(tag.title),
        artists=_values(tag.artist, other.get("artists") or other.get("artist")),
        album=_text(tag.album),
        album_artists=_values(tag.albumartist, other.get("albumartists") or other.get("albumartist")),
        composer=_text(tag.composer),
        genres=_genres(tag.genre, other.get("genre")),
        track=_bounded(tag.track, 1, 9999),
        track_total=_bounded(tag.track_total, 1, 9999),
        disc=_bounded(tag.disc, 1, 999),
        disc_total=_bounded(tag.disc_total, 1, 999),
        year=int(year[1]) if year else None,
        release_date=date if re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", date[:10]) else "",
        compilation=(_first(other, "compilation") or "0") not in ("0", "", "false"),
        explicit=_explicit(_first(other, "itunesadvisory")),
        isrc=isrc if _ISRC.fullmatch(isrc) else "",
        recording_mbid=_mbid(other, "musicbrainztrackid", "musicbrainzrecordingid"),
        album_mbid=_mbid(other, "musicbrainzalbumid", "musicbrainzreleaseid"),
        artist_mbids=_mbids(other, "musicbrainzartistid"),
        album_artist_mbids=_mbids(other, "musicbrainzalbumartistid"),
        comment=_text(tag.comment),
        lyrics=_lyrics(other),
        replay_gain=ReplayGain(
            track_gain=_decibels(_first(other, "replaygaintrackgain")),
            track_peak=_share(_first(other, "replaygaintrackpeak")),
            album_gain=_decibels(_first(other, "replaygainalbumgain")),
            album_peak=_share(_first(other, "replaygainalbumpeak")),
        ),
    )


def _text(value: object, longest: int = LONGEST_TEXT) -> str:
    """One line of printable text."""
    if value is None:
        return ""
    text = unicodedata.normalize("NFC", str(value))
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text if not "\ud800" <= c <= "\udfff")
    return " ".join(text.split())[:longest].strip()


def _first(other: dict[str, list[str]], name: str) -> str | None:
    values = other.get(name)
    return _text(values[0]) if values else None


def _values(first: str | None, more: list[str] | None) -> tuple[str, ...]:
    """A tag of several values: ID3v2.4 and players part them by NUL, many programs by '; '.

    A slash or an ampersand parts nothing: AC/DC is one artist."""
    found: dict[str, None] = {}
    for value in [first or "", *(more or [])]:
        for part in re.split(r"\0|;\s", value):
            if text := _text(part):
                found[text] = None
    return tuple(found)[:MOST_VALUES]


def _genres(first: str | None, more: list[str] | None) -> tuple[str, ...]:
    joined = [re.sub(r"\s*[;/,]\s*", "; ", value) for value in [first or "", *(more or [])]]
    return _values(joined[0], joined[1:])


def _explicit(value: str | None) -> bool | None:
    """iTunes' advisory: 1 explicit (4 in old files), 2 cleaned, 0 nothing said."""
    return {"1": True, "4": True, "2": False}.get(value or "")


def _mbid(other: dict[str, list[str]], *names: str) -> str:
    return next(iter(_mbids(other, *names)), "")


def _mbids(other: dict[str, list[str]], *names: str) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        for value in other.get(name, ()):
            found += _MBID.findall(value.lower())
    return tuple(dict.fromkeys(found))[:MOST_VALUES]


def _lyrics(other: dict[str, list[str]]) -> str:
    for name in ("syncedlyrics", "lyrics", "unsyncedlyrics"):
        for value in other.get(name, ()):
            text = "".join(c for c in value.replace("\r\n", "\n") if c in "\n\t" or c.isprintable())
            if text.strip():
                return text.strip()[:LONGEST_LYRICS]
    return ""


def _decibels(text: str | None) -> float | None:
    """'-7.03 dB'."""
    value = _number(text)
    return value if value is not None and -60 <= value <= 60 else None


def _share(text: str | None) -> float | None:
    value = _number(text)
    return value if value is not None and 0 <= value <= 16 else None


def _number(text: str | None) -> float | None:
    found = _NUMBER.match((text or "").strip())
    return float(found[0].replace(",", ".")) if found else None
