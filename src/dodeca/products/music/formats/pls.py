"""PLS: an INI file whose keys are numbered, as Winamp and internet radio have it."""

from __future__ import annotations

import re
from typing import Final

from dodeca.products.music.formats.entries import (
    LONGEST_LOCATION,
    LONGEST_MS,
    MOST_ENTRIES,
    Entry,
    PlaylistFile,
    bounded,
    decoded,
    not_a,
    number,
    plain,
)

_LINE: Final = re.compile(r"(File|Title|Length)(\d{1,9})=(.*)", re.IGNORECASE)
_BETWEEN: Final = " - "


def read(data: bytes) -> PlaylistFile:
    """Read a playlist. Raises Invalid."""
    lines = [line.strip() for line in decoded(bounded(data)).splitlines() if line.strip()]
    if not lines or lines[0].lower() != "[playlist]":
        raise not_a("PLS", "it does not begin with [playlist]")
    rows: dict[int, dict[str, str]] = {}
    title = ""
    for line in lines[1:]:
        if match := _LINE.fullmatch(line):
            rows.setdefault(int(match[2]), {})[match[1].lower()] = match[3]
        elif line.lower().startswith("x-playlist-title="):
            title = plain(line.partition("=")[2])
    entries = [_entry(rows[place]) for place in sorted(rows)[:MOST_ENTRIES] if "file" in rows[place]]
    return PlaylistFile(title=title, entries=tuple(entries))


def _entry(row: dict[str, str]) -> Entry:
    shown = plain(row.get("title", ""))
    artist, between, title = shown.partition(_BETWEEN)
    seconds = number(row.get("length", ""), 1, LONGEST_MS // 1000)
    return Entry(
        location=plain(row["file"], LONGEST_LOCATION),
        title=(title if between else shown).strip(),
        artist=artist.strip() if between else "",
        duration_ms=None if seconds is None else seconds * 1000,
    )


def write(playlist: PlaylistFile) -> bytes:
    """The playlist as PLS: version 2 knows neither album nor parts of a second."""
    lines = ["[playlist]"]
    if playlist.title:
        lines.append(f"X-Playlist-Title={playlist.title}")
    for place, entry in enumerate(playlist.entries, 1):
        lines.append(f"File{place}={entry.location}")
        if shown := _BETWEEN.join(part for part in (entry.artist, entry.title) if part):
            lines.append(f"Title{place}={shown}")
        lines.append(f"Length{place}={-1 if entry.duration_ms is None else round(entry.duration_ms / 1000)}")
    return "\n".join([*lines, f"NumberOfEntries={len(playlist.entries)}", "Version=2", ""]).encode("utf-8")
