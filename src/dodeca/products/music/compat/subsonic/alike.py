"""OpenSubsonic's extension `sonicSimilarity`: https://opensubsonic.netlify.app/docs/extensions/sonicsimilarity/."""

from __future__ import annotations

from collections.abc import Sequence

from dodeca.kernel.db import ReadSession
from dodeca.products.music.compat.subsonic import shapes
from dodeca.products.music.compat.subsonic.asking import Asked, reading
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import Song
from dodeca.products.music.service import likeness, songs


@reading("getSonicSimilarTracks")
def sonic_similar(session: ReadSession, asked: Asked) -> Node:
    """Songs that sound alike, the most alike first."""
    song = songs.find(session, asked.viewer, asked.song("id"))
    count = asked.number("count", 10, 0, 100)
    return node(sonicMatch=_matches(session, asked, likeness.nearest(session, asked.viewer, song, count)))


@reading("findSonicPath")
def sonic_path(session: ReadSession, asked: Asked) -> Node:
    """A way from one song to another in small steps of sound."""
    first = songs.find(session, asked.viewer, asked.song("startSongId"))
    last = songs.find(session, asked.viewer, asked.song("endSongId"))
    count = asked.number("count", 25, 2, 100)
    return node(sonicMatch=_matches(session, asked, likeness.path(session, asked.viewer, first, last, count)))


def _matches(session: ReadSession, asked: Asked, found: Sequence[tuple[Song, float]]) -> list[Node]:
    made = shapes.songs(session, asked, [song for song, _ in found])
    return [node(entry=entry, similarity=round(value, 4)) for entry, (_, value) in zip(made, found, strict=True)]
