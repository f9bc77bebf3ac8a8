"""A playlist as a table: CSV (RFC 4180) with a header line."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from dodeca.products.music.formats.entries import PlaylistFile

COLUMNS: Final = ("position", "title", "artist", "album", "duration", "isrc", "mbid")
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")


def write(playlist: PlaylistFile) -> bytes:
    """The songs of a playlist, `position` from 1 and `duration` in seconds."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(COLUMNS)
    for position, entry in enumerate(playlist.entries, 1):
        seconds = "" if entry.duration_ms is None else f"{entry.duration_ms / 1000:g}"
        texts = [_shown(text) for text in (entry.title, entry.artist, entry.album)]
        writer.writerow([position, *texts, seconds, entry.isrc, entry.mbid])
    return output.getvalue().encode("utf-8")


def _shown(text: str) -> str:
    """A spreadsheet computes a cell that begins with = + - @ (OWASP "CSV injection"); an apostrophe prevents that."""
    return f"'{text}" if _FORMULA.match(text) else text
