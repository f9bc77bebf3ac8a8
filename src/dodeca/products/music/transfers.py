"""Playlists and libraries in and out: what a file names is matched with songs that are here, and never opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.music.formats import Entry, LibraryFile, LibraryTrack, PlaylistFile, tail
from dodeca.products.music.models import Album, Playlist, Song
from dodeca.products.music.service import likes, listens, playlists
from dodeca.products.music.service.folding import folded, work_key
from dodeca.products.music.service.viewers import Viewer, songs_for
from dodeca.products.music.views import playlist_songs

NEAR_MS = 3000
"""How far lengths may differ for songs of the same names to be the same."""
MOST_COUNTED = 200
"""Plays of one song that an imported count becomes listens of."""


class Unmatched(msgspec.Struct):
    """A song of a file that is not here."""

    title: str
    artist: str
    location: str


class Imported(msgspec.Struct):
    """What became of a file."""

    playlists: list[Playlist]
    matched: int
    unmatched: list[Unmatched]
    rated: int = 0
    liked: int = 0
    listens: int = 0


class Matcher:
    """Finds the songs that entries of a file name: by MusicBrainz id, ISRC, end of the path, artist and title."""

    def __init__(self, session: ReadSession, viewer: Viewer) -> None:
        self._session, self._viewer = session, viewer
        self._known: dict[Entry, Song | None] = {}

    def find(self, entry: Entry) -> Song | None:
        """The song, if the viewer sees one that fits."""
        if entry not in self._known:
            self._known[entry] = self._find(entry)
        return self._known[entry]

    def _find(self, entry: Entry) -> Song | None:
        codes = [Song.mbid == entry.mbid] if entry.mbid else []
        codes += [Song.isrc == entry.isrc] if entry.isrc else []
        statement = select(Song).where(songs_for(self._viewer)).order_by(Song.audio_hash.is_(None), Song.id)
        if codes:
            found = self._session.scalar(statement.where(or_(*codes)).limit(1))
            if found is not None:
                return found
        by_path = self._by_path(statement, entry.location)
        if by_path is not None or not entry.title or not entry.artist:
            return by_path
        named = statement.where(Song.work_key == work_key(entry.artist, entry.title)).limit(20)
        return self._nearest(list(self._session.scalars(named)), entry)

    def _by_path(self, statement: Any, location: str) -> Song | None:
        names = tail(location)
        if not names:
            return None
        held = statement.where(Song.path.is_not(None), Song.path.ilike(f"%{_escaped(names[-1])}", escape="\\"))
        best: tuple[int, Song] | None = None
        for song in self._session.scalars(held.limit(50)):
            own = tail(song.path or "", 10)
            alike = 0
            while alike < min(len(own), len(names)) and own[-1 - alike] == names[-1 - alike]:
                alike += 1
            if alike and (best is None or alike > best[0]):
                best = (alike, song)
        return best[1] if best is not None else None

    def _nearest(self, found: Sequence[Song], entry: Entry) -> Song | None:
        near = [
            song
            for song in found
            if not entry.duration_ms or not song.duration_ms or abs(song.duration_ms - entry.duration_ms) <= NEAR_MS
        ]
        if len(near) > 1 and entry.album:
            titles = {
                album.id: album.title_key
                for album in self._session.scalars(select(Album).where(Album.id.in_([s.album_id for s in near])))
            }
            wanted = folded(entry.album)
            near.sort(key=lambda song: titles.get(song.album_id or 0) != wanted)
        return near[0] if near else None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def take_playlist(session: WriteSession, viewer: Viewer, file: PlaylistFile, title: str = "") -> Imported:
    """Make a playlist of a file's; what is not here is told."""
    matcher = Matcher(session, viewer)
    return _one(session, viewer, matcher, file, title)


def _one(session: WriteSession, viewer: Viewer, matcher: Matcher, file: PlaylistFile, title: str) -> Imported:
    found = [(entry, matcher.find(entry)) for entry in file.entries]
    missing = [Unmatched(e.title, e.artist, e.location[:200]) for e, song in found if song is None]
    name = (title or file.title or "Imported playlist")[: playlists.LONGEST_TITLE]
    matched = [song.id for _entry, song in found if song is not None][: playlists.MOST_SONGS]
    made = playlists.create(session, viewer, name, matched, description=file.description[:5000], rules=file.rules)
    return Imported([made], len(matched), missing)


def take_library(session: WriteSession, viewer: Viewer, file: LibraryFile) -> Imported:
    """Take over the playlists of an iTunes library, and its ratings, loves and play counts."""
    assert viewer.account_id is not None
    matcher = Matcher(session, viewer)
    whole = Imported([], 0, [])
    for track in file.tracks:
        song = matcher.find(track.entry)
        if song is None:
            whole.unmatched.append(Unmatched(track.entry.title, track.entry.artist, track.entry.location[:200]))
            continue
        whole.matched += 1
        if track.rating:
            likes.rate(session, viewer, "song", song.id, track.rating)
            whole.rated += 1
        if track.loved:
            whole.liked += likes.like(session, viewer, "song", song.id)
        whole.listens += _count(session, viewer.account_id, song, track)
    for playlist in file.playlists:
        made = _one(session, viewer, matcher, playlist, "")
        whole.playlists += made.playlists
    return whole


def _count(session: WriteSession, account_id: str, song: Song, track: LibraryTrack) -> int:
    """Make listens of a play count: the last at its time, the others on the days before."""
    number = min(track.play_count, MOST_COUNTED)
    last = track.played_at or clock.ago(days=1)
    last = min(last, clock.now())
    reports = [
        listens.Report(song_id=song.id, listened_at=last - timedelta(days=day), counts=True, source="itunes")
        for day in range(number)
    ]
    return listens.record(session, account_id, reports).count("accepted") if reports else 0


def given(session: ReadSession, viewer: Viewer, playlist: Playlist) -> PlaylistFile:
    """A playlist as files have it."""
    found = [song for _item, song in playlist_songs(session, viewer, playlist)]
    wanted = {song.album_id for song in found if song.album_id is not None}
    titles = {}
    if wanted:
        titles = {row[0]: row[1] for row in session.execute(select(Album.id, Album.title).where(Album.id.in_(wanted)))}
    entries = tuple(
        Entry(
            location=f"{song.artist_name} - {song.title}.{song.suffix or 'mp3'}".replace("/", "_"),
            title=song.title,
            artist=song.artist_name,
            album=titles.get(song.album_id, "") if song.album_id is not None else "",
            duration_ms=song.duration_ms or None,
            isrc=song.isrc or "",
            mbid=song.mbid or "",
        )
        for song in found
    )
    return PlaylistFile(playlist.title, playlist.description, entries, playlist.rules)
