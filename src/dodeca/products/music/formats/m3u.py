"""M3U and M3U8: a location a line, with comments that say more about the next one.

#EXTINF (seconds, artist - title), #PLAYLIST, #EXTART and #EXTALB, as Winamp, VLC and others write them."""

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
    number,
    plain,
)

_INFO: Final = re.compile(r"(-?\d+(?:\.\d+)?)[^,]*(?:,(.*))?")
_BETWEEN: Final = " - "


def read(data: bytes) -> PlaylistFile:
    """Read a playlist; every text is one, though perhaps an empty one. Raises Invalid for one that is too long."""
    title = ""
    entries: list[Entry] = []
    said: dict[str, str] = {}
    for raw in decoded(bounded(data)).splitlines():
        line = raw.strip()
        if line.startswith("#"):
            name, _, value = line.partition(":")
            if name.upper() == "#PLAYLIST":
                title = plain(value)
            elif name.upper() in ("#EXTINF", "#EXTART", "#EXTALB"):
                said[name.upper()] = value
            continue
        if line and len(entries) < MOST_ENTRIES:
            entries.append(_entry(line, said))
        said = {} if line else said
    return PlaylistFile(title=title, entries=tuple(entries))


def _entry(location: str, said: dict[str, str]) -> Entry:
    info = _INFO.fullmatch(said.get("#EXTINF", "").strip())
    shown = plain(info[2]) if info else ""
    artist = plain(said.get("#EXTART", ""))
    if artist and shown.startswith(artist + _BETWEEN):
        title = shown[len(artist + _BETWEEN) :]
    elif not artist and _BETWEEN in shown:
        artist, _, title = shown.partition(_BETWEEN)
    else:
        title = shown
    return Entry(
        location=plain(location, LONGEST_LOCATION),
        title=title.strip(),
        artist=artist.strip(),
        album=plain(said.get("#EXTALB", "")),
        duration_ms=number(float(info[1]) * 1000, 1, LONGEST_MS) if info and len(info[1]) < 16 else None,
    )


def write(playlist: PlaylistFile) -> bytes:
    """The playlist as M3U8, which is UTF-8."""
    lines = ["#EXTM3U"]
    if playlist.title:
        lines.append(f"#PLAYLIST:{playlist.title}")
    for entry in playlist.entries:
        seconds = -1 if entry.duration_ms is None else f"{entry.duration_ms / 1000:.3f}".rstrip("0").rstrip(".")
        shown = _BETWEEN.join(part for part in (entry.artist, entry.title) if part)
        lines.append(f"#EXTINF:{seconds},{shown}")
        if entry.artist:
            lines.append(f"#EXTART:{entry.artist}")
        if entry.album:
            lines.append(f"#EXTALB:{entry.album}")
        # A line that begins with # would be a comment.
        lines.append(f"./{entry.location}" if entry.location.startswith("#") else entry.location or "-")
    return "\n".join([*lines, ""]).encode("utf-8")
