"""Feeds of what an artist released and what was added to a playlist, with the sound for podcast apps.

They show what a stranger may see and hear, whoever asks: readers ask without a login, and keep what they got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from litestar import Response

from dodeca.commons.feeds import FILES, Enclosure, Entry, Feed, answer
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, get
from dodeca.products.music.models import Song
from dodeca.products.music.service import browsing, catalogue, playlists, smart
from dodeca.products.music.service.viewers import VISITOR

LONGEST: Final = 50


@get([f"/artists/{{artist_id:int}}/{name}" for name in FILES], access=Access.PUBLIC)
def artist_feed(session: DbRead, call: Calling, artist_id: FromPath[int]) -> Response[bytes]:
    """What an artist released, the newest first: `feed.xml` (RSS), `feed.atom` or `feed.json`."""
    artist = catalogue.find_artist(session, VISITOR, artist_id)
    found = browsing.releases_of_artist(session, VISITOR, artist_id, limit=LONGEST)
    entries = [_entry(call, song, song.published_at) for song in found]
    return _answer(call, artist.name, f"New music of {artist.name}", f"/music/artists/{artist_id}", entries)


@get([f"/playlists/{{playlist_id:int}}/{name}" for name in FILES], access=Access.PUBLIC)
def playlist_feed(session: DbRead, call: Calling, playlist_id: FromPath[int]) -> Response[bytes]:
    """What was added to a playlist, the latest first; of a smart one, what its rules find now."""
    playlist = playlists.find(session, VISITOR, playlist_id)
    path = f"/music/playlists/{playlist_id}"
    if playlist.rules is not None:
        songs = smart.songs(session, VISITOR, playlist)[:LONGEST]
        entries = [_entry(call, song, song.published_at) for song in songs]
    else:
        entries = [  # a song may stand in it twice
            _entry(call, song, item.created_at, key=call.platform.url(f"{path}#{item.id}"))
            for item, song in playlists.newest_items(session, VISITOR, playlist, limit=LONGEST)
        ]
    words = playlist.description or f"Songs of {playlist.title}"
    return _answer(call, playlist.title, words, path, entries)


def _answer(call: Call, title: str, description: str, path: str, entries: Sequence[Entry]) -> Response[bytes]:
    """The feed of the page at `path`, in the format of the file that is asked for."""
    url, name = call.platform.url, call.request.scope["path"].rpartition("/")[2]
    own = url(f"{path}/{name}")
    feed = Feed(title=f"{title} · Music", link=url(path), own=own, description=description, entries=entries)
    return answer(call, feed, FILES[name])


def _entry(call: Call, song: Song, at: datetime, *, key: str = "") -> Entry:
    """A song, with its file where it is there to be heard."""
    url = call.platform.url
    page = url(f"/music/songs/{song.id}")
    words = f'<p>{escape(song.artist_name)}: <a href="{page}">{escape(song.title)}</a></p>'
    sound = None
    if song.audio_hash is not None and song.missing_at is None:
        sound = Enclosure(
            url=url(f"/api/music/songs/{song.id}/stream"),
            media_type=song.content_type or "audio/mpeg",
            size=song.size or 0,
            duration_ms=song.duration_ms,
        )
    title, author = f"{song.artist_name} – {song.title}", song.artist_name
    return Entry(title=title, page=page, author=author, at=at, html=words, key=key, enclosure=sound)


routes = [artist_feed, playlist_feed]
