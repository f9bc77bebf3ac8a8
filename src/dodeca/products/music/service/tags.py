"""Tags of a song: what a file, an uploader or an editor says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dodeca.kernel.errors import Invalid
from dodeca.products.music.service import folding

LONGEST_NAME: Final = 500
LONGEST_DURATION_MS: Final = 86_400_000
MOST_GENRES: Final = 20
MOST_ARTISTS: Final = 20
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")


class Tags(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known of a song besides its sound. Names are as written; empty means unknown."""

    title: str
    artist: str
    artists: list[str] = []
    """The artists one by one; made from `artist` where it is empty."""
    album: str = ""
    album_artist: str = ""
    track: int | None = None
    disc: int | None = None
    year: int | None = None
    release_date: str | None = None
    genres: list[str] = []
    composers: list[str] = []
    explicit: bool = False
    isrc: str | None = None
    mbid: str | None = None
    album_mbid: str | None = None
    artist_mbids: list[str] = []
    album_artist_mbids: list[str] = []
    compilation: bool = False


def checked(tags: Tags) -> Tags:
    """The same, tidied. Raises Invalid naming the field."""
    title, artist = _name(tags.title, "title"), _name(tags.artist, "artist")
    if not title:
        raise Invalid("A song needs a title.", field="title")
    if not artist:
        raise Invalid("A song needs an artist.", field="artist")
    artists = [name for raw in tags.artists if (name := _name(raw, "artist"))] or folding.credited(artist) or [artist]
    if len(artists) > MOST_ARTISTS:
        raise Invalid(f"A song names at most {MOST_ARTISTS} artists.", field="artist")
    genres = {folding.folded(name): name for raw in tags.genres if (name := _name(raw, "genres"))}
    if len(genres) > MOST_GENRES:
        raise Invalid(f"A song has at most {MOST_GENRES} genres.", field="genres")
    return msgspec.structs.replace(
        tags,
        title=title,
        artist=artist,
        artists=artists,
        album=_name(tags.album, "album"),
        album_artist=_name(tags.album_artist, "album_artist"),
        composers=[name for raw in tags.composers if (name := _name(raw, "composers"))][:MOST_ARTISTS],
        genres=list(genres.values()),
        track=_between(tags.track, 0, 99_999, "track"),
        disc=_between(tags.disc, 0, 9_999, "disc"),
        year=_between(tags.year, 0, 9_999, "year"),
        release_date=_matching(tags.release_date, _DATE, "release_date", "A date is written 2031-05-01."),
        isrc=_matching(_isrc(tags.isrc), _ISRC, "isrc", "An ISRC has 12 letters and digits, such as GBAYE0601498."),
        mbid=_matching(_lower(tags.mbid), _MBID, "mbid", "A MusicBrainz id is a UUID."),
        album_mbid=_matching(_lower(tags.album_mbid), _MBID, "album_mbid", "A MusicBrainz id is a UUID."),
    )


def lenient(tags: Tags) -> Tags:
    """Tags of a file, which nobody can be asked about: what cannot be right is left out, what is too long is cut."""
    within = {
        "track": tags.track if tags.track is not None and 0 <= tags.track <= 99_999 else None,
        "disc": tags.disc if tags.disc is not None and 0 <= tags.disc <= 9_999 else None,
        "year": tags.year if tags.year is not None and 0 <= tags.year <= 9_999 else None,
    }
    texts = {
        name: " ".join(_UNSTORABLE.sub("", getattr(tags, name)).split())[:LONGEST_NAME]
        for name in ("title", "artist", "album", "album_artist")
    }
    lists: dict[str, Any] = {
        name: [" ".join(_UNSTORABLE.sub("", text).split())[:LONGEST_NAME] for text in getattr(tags, name)][:most]
        for name, most in (("artists", MOST_ARTISTS), ("genres", MOST_GENRES), ("composers", MOST_ARTISTS))
    }
    codes = {
        "release_date": _fitting(tags.release_date, _DATE),
        "isrc": _fitting(_isrc(tags.isrc), _ISRC),
        "mbid": _fitting(_lower(tags.mbid), _MBID),
        "album_mbid": _fitting(_lower(tags.album_mbid), _MBID),
        "artist_mbids": [m for raw in tags.artist_mbids if (m := _fitting(_lower(raw), _MBID))],
        "album_artist_mbids": [m for raw in tags.album_artist_mbids if (m := _fitting(_lower(raw), _MBID))],
    }
    return msgspec.structs.replace(tags, **within, **texts, **lists, **codes)


def changed(tags: Tags, changes: Mapping[str, Any]) -> Tags:
    """Tags with some fields changed, checked. A new artist text replaces the list of artists."""
    values = dict(changes)
    if "artist" in values and "artists" not in values:
        values["artists"] = []
        values["artist_mbids"] = []
    if "album" in values and "album_mbid" not in values and values["album"] != tags.album:
        values["album_mbid"] = None
    if "album_artist" in values:
        values["album_artist_mbids"] = []
    return checked(msgspec.structs.replace(tags, **values))


def storable(text: str) -> str:
    """Text without what a database cannot hold."""
    return _UNSTORABLE.sub("", text)


def _name(text: str, field: str) -> str:
    tidy = " ".join(_UNSTORABLE.sub("", text).split())
    if len(tidy) > LONGEST_NAME:
        raise Invalid(f"This is too long: at most {LONGEST_NAME} characters.", field=field)
    return tidy


def _between(value: int | None, low: int, high: int, field: str) -> int | None:
    if value is not None and not low <= value <= high:
        raise Invalid(f"{field} is from {low} to {high}.", field=field)
    return value


def _matching(value: str | None, pattern: re.Pattern[str], field: str, message: str) -> str | None:
    if not value:
        return None
    if not pattern.fullmatch(value):
        raise Invalid(message, field=field)
    return value


def _fitting(value: str | None, pattern: re.Pattern[str]) -> str | None:
    return value if value and pattern.fullmatch(value) else None


def _lower(value: str | None) -> str | None:
    return value.strip().lower() if value else None


def _isrc(value: str | None) -> str | None:
    return value.replace("-", "").replace(" ", "").upper() if value else None
