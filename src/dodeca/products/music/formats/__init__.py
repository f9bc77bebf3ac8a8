"""Playlists, libraries, listens and lyrics in the formats of others: pure readers and writers.

`read_any` tells what a file is by its content; the names of files are not believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Final

from dodeca.kernel.errors import Invalid
from dodeca.products.music.formats import itunes, m3u, nsp, pls, tables
from dodeca.products.music.formats.entries import (
    MAX_BYTES,
    Entry,
    LibraryFile,
    LibraryTrack,
    PlaylistFile,
    bounded,
    tail,
)

__all__ = [
    "MAX_BYTES",
    "WRITERS",
    "Entry",
    "LibraryFile",
    "LibraryTrack",
    "PlaylistFile",
    "read_any",
    "tail",
    "write",
]


def _xml() -> ModuleType:
    """The module of XSPF and JSPF: lxml takes 6 MB of a server that may never need it."""
    from dodeca.products.music.formats import xspf

    return xspf


WRITERS: Final[dict[str, tuple[str, Callable[[PlaylistFile], bytes]]]] = {
    "m3u8": ("audio/x-mpegurl", m3u.write),
    "xspf": ("application/xspf+xml", lambda playlist: _xml().write_xspf(playlist)),
    "pls": ("audio/x-scpls", pls.write),
    "jspf": ("application/json", lambda playlist: _xml().write_jspf(playlist)),
    "nsp": ("application/json", nsp.write),
    "csv": ("text/csv", tables.write),
}
"""Format → media type and writer."""


def read_any(data: bytes) -> PlaylistFile | LibraryFile:
    """Read a playlist, a smart playlist or an iTunes library. Raises Invalid."""
    head = bounded(data)[:2000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        raise Invalid("The file is empty.", field="file")
    if head.startswith(b"<"):
        return itunes.read(data) if b"<plist" in head else _xml().read_xspf(data)
    if head.startswith(b"{"):
        plain = data.removeprefix(b"\xef\xbb\xbf")
        return _xml().read_jspf(plain) if re.match(rb'\{\s*"playlist"\s*:', head) else nsp.read(plain)
    if head[:10].lower() == b"[playlist]":
        return pls.read(data)
    if b"\0" in head and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise Invalid("This is no playlist that is known here.", field="file")
    return m3u.read(data)


def write(playlist: PlaylistFile, format: str) -> tuple[str, bytes]:
    """A playlist's media type and content in a format. Raises Invalid."""
    if format not in WRITERS:
        raise Invalid(f"The format is one of: {', '.join(WRITERS)}.", field="format")
    media_type, writer = WRITERS[format]
    return media_type, writer(playlist)
