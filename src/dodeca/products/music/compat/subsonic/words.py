"""Lyrics: as one text, and in time line by line or word by word."""

from __future__ import annotations

from sqlalchemy import select

from dodeca.kernel.db import ReadSession
from dodeca.products.music.compat.subsonic import schema
from dodeca.products.music.compat.subsonic.asking import Asked, reading
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.formats import lrc
from dodeca.products.music.models import Song
from dodeca.products.music.service import folding, songs
from dodeca.products.music.service.viewers import songs_for


@reading("getLyrics")
def lyrics(session: ReadSession, asked: Asked) -> Node:
    """The words of a song, by artist and title; empty where there are none."""
    artist, title = asked.text("artist"), asked.text("title")
    found = None
    if title:
        named = select(Song).where(
            Song.work_key == folding.work_key(artist, title), Song.lyrics.is_not(None), songs_for(asked.viewer)
        )
        found = session.scalar(named.order_by(Song.id).limit(1))
    text = "\n".join(line.text for line in lrc.read(found.lyrics or "").lines) if found is not None else ""
    shown = {"artist": found.artist_name, "title": found.title} if found is not None else {}
    return node(lyrics=node(schema.LYRICS, **shown, value=text))


@reading("getLyricsBySongId")
def lyrics_by_song(session: ReadSession, asked: Asked) -> Node:
    """The words of a song in time, with those of its single words where `enhanced` asks for them."""
    song = songs.find(session, asked.viewer, asked.song("id"))
    if not song.lyrics:
        return node(lyricsList=node(structuredLyrics=[]))
    found = lrc.read(song.lyrics)
    lines = [node(start=line.start_ms, value=line.text) for line in found.lines]
    made = node(
        displayArtist=song.artist_name,
        displayTitle=song.title,
        lang=found.language,
        synced=found.synced,
        offset=0,
        line=lines,
    )
    if asked.flag("enhanced"):
        made["kind"] = "main"
        if cues := [_cues(place, line) for place, line in enumerate(found.lines) if line.words]:
            made["cueLine"] = cues
    return node(lyricsList=node(structuredLyrics=[made]))


def _cues(place: int, line: lrc.Line) -> Node:
    """A line's words with their times and their places in its UTF-8."""
    value = " ".join(word.text for word in line.words)
    cues, at = [], 0
    for word, following in zip(line.words, [*line.words[1:], None], strict=True):
        length = len(word.text.encode())
        end = following.start_ms if following is not None else None
        cues.append(node(start=word.start_ms, end=end, byteStart=at, byteEnd=at + length - 1, value=word.text))
        at += length + 1
    return node(index=place, start=line.start_ms, value=value, cue=cues)
