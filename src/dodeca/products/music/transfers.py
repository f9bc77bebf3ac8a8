"""Playlists and libraries in and out: what a file names is matched with songs that are here, and never opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.music.formats import Entry, LibraryFile, LibraryTrack, PlaylistFile, tail
from dodeca.products.music.models import Album, Playlist, Song
from dodeca.products.music.service import likes, listens, playlists, songs
from dodeca.products.music.service.folding import folded, work_key
from dodeca.products.music.service.viewers import Viewer, songs_for
from dodeca.products.music.views import playlist_songs

NEAR_MS = 3000
"""How far lengths may differ for songs of the same names to be the same."""
MOST_COUNTED = 200
"""Plays of one song that an imported count becomes listens of."""
TRACKS_AT_ONCE = 20
"""Songs of a library that one unit of work takes over, with up to 200 listens each."""
DEEPEST = 10
"""Names of a path that are compared."""


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


def matched(session: ReadSession, viewer: Viewer, entries: Iterable[Entry]) -> dict[Entry, int]:
    """The ids of the songs that entries of a file name, as far as they are here and the viewer sees them.

    By MusicBrainz id or ISRC, else by the end of the path, else by artist and title of about the same length. A file's
    name alone, such as `01.mp3`, says too little: then the artist and title, where they are given, have to agree."""
    wanted = list(dict.fromkeys(entries))
    here = _paths(session, viewer, {names[-1] for entry in wanted if (names := tail(entry.location))})
    found = {entry: _found(session, viewer, entry, here) for entry in wanted}
    return {entry: song_id for entry, song_id in found.items() if song_id is not None}


class _Held(NamedTuple):
    """A song of a folder by its place there."""

    song_id: int
    names: tuple[str, ...]
    work_key: str


def _paths(session: ReadSession, viewer: Viewer, file_names: Collection[str]) -> dict[str, list[_Held]]:
    """The songs whose files have these names: all paths are looked through once, whatever a file names."""
    found: dict[str, list[_Held]] = {}
    if file_names:
        held = select(Song.id, Song.path, Song.work_key).where(Song.path.is_not(None), songs_for(viewer))
        for song_id, path, key in session.execute(held.order_by(Song.id).execution_options(yield_per=5000)):
            if (names := tail(path or "", DEEPEST)) and names[-1] in file_names:
                found.setdefault(names[-1], []).append(_Held(song_id, names, key))
    return found


def _found(session: ReadSession, viewer: Viewer, entry: Entry, here: dict[str, list[_Held]]) -> int | None:
    codes = [Song.mbid == entry.mbid] if entry.mbid else []
    codes += [Song.isrc == entry.isrc] if entry.isrc else []
    statement = select(Song).where(songs_for(viewer)).order_by(Song.audio_hash.is_(None), Song.id)
    if codes and (song := session.scalar(statement.where(or_(*codes)).limit(1))) is not None:
        return song.id
    key = work_key(entry.artist, entry.title) if entry.title and entry.artist else ""
    by_path = _by_path(entry, key, here)
    if by_path is not None or not key:
        return by_path
    return _nearest(session, session.scalars(statement.where(Song.work_key == key).limit(20)).all(), entry)


def _by_path(entry: Entry, key: str, here: dict[str, list[_Held]]) -> int | None:
    names = tail(entry.location)
    ranked = [
        (_alike(one.names, names), one.work_key == key, one.song_id) for one in here.get(names[-1] if names else "", ())
    ]
    if not ranked:
        return None
    alike, agrees, song_id = max(ranked, key=lambda one: (one[0], one[1], -one[2]))
    only = sum(one[0] == alike for one in ranked) == 1
    return song_id if alike > 1 or agrees or (not key and only) else None


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many names two paths end alike with."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _nearest(session: ReadSession, found: Sequence[Song], entry: Entry) -> int | None:
    near = [
        song
        for song in found
        if not entry.duration_ms or not song.duration_ms or abs(song.duration_ms - entry.duration_ms) <= NEAR_MS
    ]
    if len(near) > 1 and entry.album:
        titles = {
            album.id: album.title_key
            for album in session.scalars(select(Album).where(Album.id.in_([s.album_id for s in near])))
        }
        wanted = folded(entry.album)
        near.sort(key=lambda song: titles.get(song.album_id or 0) != wanted)
    return near[0].id if near else None


def entries_of(file: PlaylistFile | LibraryFile) -> list[Entry]:
    """All that a file names."""
    if isinstance(file, PlaylistFile):
        return list(file.entries)
    return [track.entry for track in file.tracks] + [one for lists in file.playlists for one in lists.entries]


def take_playlist(
    session: WriteSession, viewer: Viewer, file: PlaylistFile, known: Mapping[Entry, int], title: str = ""
) -> Imported:
    """Make a playlist of a file's; what is not here is told. `known` is what `matched` found."""
    missing = [_unmatched(entry) for entry in file.entries if entry not in known]
    name = (title or file.title or "Imported playlist")[: playlists.LONGEST_TITLE]
    song_ids = [known[entry] for entry in file.entries if entry in known][: playlists.MOST_SONGS]
    made = playlists.create(session, viewer, name, song_ids, description=file.description[:5000], rules=file.rules)
    return Imported([made], len(song_ids), missing)


def _unmatched(entry: Entry) -> Unmatched:
    return Unmatched(entry.title, entry.artist, entry.location[:200])


def library_units(
    viewer: Viewer, file: LibraryFile, known: Mapping[Entry, int]
) -> Iterator[Callable[[WriteSession], Imported]]:
    """An iTunes library's ratings, loves, counts and playlists, as units of work that are small enough for others to
    write between them. Each gives what it has done; taking a library in again adds its playlists once more."""
    for start in range(0, len(file.tracks), TRACKS_AT_ONCE):
        tracks = file.tracks[start : start + TRACKS_AT_ONCE]
        yield lambda session, tracks=tracks: _take_tracks(session, viewer, tracks, known)  # type: ignore[misc]
    for playlist in file.playlists:
        yield lambda session, playlist=playlist: replace(  # type: ignore[misc]
            take_playlist(session, viewer, playlist, known), matched=0, unmatched=[]
        )


def _take_tracks(
    session: WriteSession, viewer: Viewer, tracks: Sequence[LibraryTrack], known: Mapping[Entry, int]
) -> Imported:
    assert viewer.account_id is not None
    done = Imported([], 0, [])
    here = songs.by_ids(session, viewer, [known[track.entry] for track in tracks if track.entry in known])
    for track in tracks:
        song = here.get(known.get(track.entry, 0))
        if song is None:
            done.unmatched.append(_unmatched(track.entry))
            continue
        done.matched += 1
        if track.rating:
            likes.rate(session, viewer, "song", song.id, track.rating)
            done.rated += 1
        if track.loved:
            done.liked += likes.like(session, viewer, "song", song.id)
        done.listens += _count(session, viewer.account_id, song, track)
    return done


def together(parts: Iterable[Imported]) -> Imported:
    """What several units have done."""
    whole = Imported([], 0, [])
    for part in parts:
        whole.playlists += part.playlists
        whole.unmatched += part.unmatched
        whole.matched, whole.rated = whole.matched + part.matched, whole.rated + part.rated
        whole.liked, whole.listens = whole.liked + part.liked, whole.listens + part.listens
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
