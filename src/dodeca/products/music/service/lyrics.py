"""Lyrics of songs, kept as the LRC or plain text that they came as."""

from __future__ import annotations

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.music.formats import lrc
from dodeca.products.music.models import Song
from dodeca.products.music.service import songs
from dodeca.products.music.service.tags import storable
from dodeca.products.music.service.viewers import Viewer


def write(session: WriteSession, viewer: Viewer, song_id: int, text: str) -> Song:
    """Give a song lyrics, or take them away with an empty text. Raises NotFound, Forbidden, Invalid."""
    song = songs.find_for_edit(session, viewer, song_id)
    tidy = storable(text).strip()
    if len(tidy) > lrc.LONGEST_TEXT:
        raise Invalid(f"Lyrics have at most {lrc.LONGEST_TEXT:,} characters.", field="lyrics")
    song.lyrics = tidy or None
    session.flush()
    return song
