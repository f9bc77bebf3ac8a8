"""The library that iTunes and Apple's Music app export: Library.xml, a property list.

Tracks and playlists are dictionaries with the names that the programs show; times in milliseconds, ratings in
steps of 20, dates in UTC."""

from __future__ import annotations

import plistlib
from datetime import UTC, datetime
from typing import Any, Final
from xml.parsers.expat import ExpatError

from dodeca.products.music.formats.entries import (
    LONGEST_LOCATION,
    LONGEST_MS,
    MOST_ENTRIES,
    MOST_PLAYLISTS,
    Entry,
    LibraryFile,
    LibraryTrack,
    PlaylistFile,
    bounded,
    not_a,
    number,
    plain,
)

_NOT_LISTS: Final = ("Master", "Distinguished Kind", "Folder")
"""Marks of playlists that are views of the whole library, or hold other playlists."""


def read(data: bytes) -> LibraryFile:
    """Read a library. Entities are refused by plistlib itself. Raises Invalid."""
    try:
        root = plistlib.loads(bounded(data), fmt=plistlib.FMT_XML)
    except (ValueError, ExpatError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        # plistlib lets through what its stack and converters raise for a list that is not well made.
        raise not_a("iTunes library", "its XML is broken") from error
    if not isinstance(root, dict) or not isinstance(root.get("Tracks"), dict):
        raise not_a("iTunes library", "it has no Tracks")
    tracks: dict[int, LibraryTrack] = {}
    for raw in list(root["Tracks"].values())[:MOST_ENTRIES]:
        track_id = number(raw.get("Track ID"), 0, 1 << 40) if isinstance(raw, dict) else None
        if track_id is not None and (found := _track(raw)) is not None:
            tracks[track_id] = found
    lists = root.get("Playlists")
    playlists = [_playlist(raw, tracks) for raw in (lists if isinstance(lists, list) else ())[:MOST_PLAYLISTS]]
    return LibraryFile(tuple(tracks.values()), tuple(found for found in playlists if found is not None))


def _track(raw: dict[str, Any]) -> LibraryTrack | None:
    entry = Entry(
        location=plain(raw.get("Location"), LONGEST_LOCATION),
        title=plain(raw.get("Name")),
        artist=plain(raw.get("Artist")),
        album=plain(raw.get("Album")),
        duration_ms=number(raw.get("Total Time"), 1, LONGEST_MS),
    )
    if not entry.title and not entry.location:
        return None
    return LibraryTrack(
        entry=entry,
        album_artist=plain(raw.get("Album Artist")),
        genre=plain(raw.get("Genre")),
        track=number(raw.get("Track Number"), 1, 9999),
        disc=number(raw.get("Disc Number"), 1, 999),
        year=number(raw.get("Year"), 1000, 2999),
        play_count=number(raw.get("Play Count"), 0, 1_000_000) or 0,
        played_at=_moment(raw.get("Play Date UTC")),
        rating=0 if raw.get("Rating Computed") is True else (number(raw.get("Rating"), 0, 100) or 0) // 20,
        loved=raw.get("Loved") is True or raw.get("Favorited") is True,
    )


def _moment(value: object) -> datetime | None:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None


def _playlist(raw: object, tracks: dict[int, LibraryTrack]) -> PlaylistFile | None:
    if not isinstance(raw, dict) or any(raw.get(mark) for mark in _NOT_LISTS):
        return None
    items = raw.get("Playlist Items")
    ids = [item.get("Track ID") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    known = [track_id for track_id in ids[:MOST_ENTRIES] if isinstance(track_id, int) and track_id in tracks]
    entries = [tracks[track_id].entry for track_id in known]
    return PlaylistFile(title=plain(raw.get("Name")), description=plain(raw.get("Description")), entries=tuple(entries))
