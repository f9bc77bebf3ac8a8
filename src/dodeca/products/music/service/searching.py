"""Search over songs, albums, artists, playlists and stations: an index a kind, kept up by a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, String, cast, select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.jobs import JobContext, Nothing, job
from dodeca.kernel.search import Document, SearchIndex, join_all
from dodeca.products.music.models import Album, Artist, Playlist, Song, Station
from dodeca.products.music.service.counting import Touched
from dodeca.products.music.service.folding import folded
from dodeca.products.music.service.viewers import VISITOR, Viewer, albums_for, artists_for, playlists_for, songs_for

KINDS = ("song", "album", "artist", "playlist", "station")
AT_ONCE = 500
MOST_NAMED = 200
"""Things whose names begin with what was typed, of which the most popular come first."""
SHORTEST_BEGINNING = 2
FURTHEST = 10_000
"""How far down the found things may be paged through."""

indexes = {
    kind: SearchIndex(
        f"music_{kind}s",
        module="music",
        fields={"title": 10.0, "artist": 5.0, "album": 2.0},
        names=True,
        parts="title",
    )
    for kind in KINDS
}


class Changed(msgspec.Struct):
    """What to index anew, as `song:12`."""

    names: list[str]


@job("music.index_things", payload=Changed)
def index_things(session: WriteSession, _job: JobContext, payload: Changed) -> None:
    """Bring the index up to what these things are called now."""
    put(session, payload.names)


@job("music.join_lists", every=3600)
async def join_lists(context: JobContext, _payload: Nothing) -> None:
    """Keep each index quick."""
    await join_all(context.platform.db, indexes.values())


def later(session: WriteSession, touched: Touched) -> None:
    """Index songs that were changed, and what they belong to, after the commit."""
    name_later(session, names_of(touched))


def names_of(touched: Touched) -> list[str]:
    """The names of songs that were changed and of what they belong to."""
    names = [f"song:{song_id}" for song_id in sorted(touched.songs)]
    names += [f"album:{album_id}" for album_id in sorted(touched.albums)]
    return names + [f"artist:{artist_id}" for artist_id in sorted(touched.artists)]


def name_later(session: WriteSession, names: Sequence[str]) -> None:
    """Index things by their names, such as `playlist:3`, after the commit."""
    for start in range(0, len(names), AT_ONCE):
        index_things.enqueue(session, Changed(list(names[start : start + AT_ONCE])))


def put(session: WriteSession, names: Sequence[str]) -> None:
    """Index things; those that are gone are taken out."""
    wanted: dict[str, set[int]] = {}
    for name in names:
        kind, _, number = name.partition(":")
        wanted.setdefault(kind, set()).add(int(number))
    for kind, numbers in wanted.items():
        found = {document.doc_id: document for document in _documents(session, kind, numbers)}
        table = indexes[kind].table
        known = set(session.scalars(select(table.c.doc_id).where(table.c.doc_id.in_([str(n) for n in numbers]))))
        indexes[kind].index_new(session, [found[doc_id] for doc_id in sorted(found) if doc_id not in known])
        for doc_id in sorted(known):
            if (changed := found.get(doc_id)) is None:
                indexes[kind].remove(session, doc_id)
            else:
                indexes[kind].index(session, doc_id, changed.fields, at=changed.at)


def _documents(session: ReadSession, kind: str, numbers: set[int]) -> list[Document]:
    if kind == "song":
        statement = select(Song, Album.title).outerjoin(Album, Album.id == Song.album_id).where(Song.id.in_(numbers))
        return [
            document(song.id, song.title, song.artist_name, album or "", song.created_at)
            for song, album in session.execute(statement)
        ]
    if kind == "album":
        albums = session.scalars(select(Album).where(Album.id.in_(numbers)))
        return [document(album.id, album.title, album.artist_name, "", album.created_at) for album in albums]
    if kind == "artist":
        artists = session.scalars(select(Artist).where(Artist.id.in_(numbers)))
        return [document(artist.id, artist.name, "", "", artist.created_at) for artist in artists]
    if kind == "playlist":
        lists = session.scalars(select(Playlist).where(Playlist.id.in_(numbers)))
        return [document(one.id, one.title, "", one.description[:1000], one.created_at) for one in lists]
    stations = session.scalars(select(Station).where(Station.id.in_(numbers), Station.ended_at.is_(None)))
    return [document(one.id, one.title, "", one.description[:1000], one.created_at) for one in stations]


def document(number: int, title: str, artist: str, album: str, at: datetime) -> Document:
    """What is found of a thing."""
    return Document(doc_id=str(number), fields={"title": title, "artist": artist, "album": album}, at=at)


def _rules(viewer: Viewer) -> dict[str, ColumnElement[bool]]:
    own = Station.owner_id == (viewer.account_id or "")
    return {
        "song": songs_for(viewer),
        "album": albums_for(viewer),
        "artist": artists_for(viewer),
        "playlist": playlists_for(viewer),
        "station": Station.ended_at.is_(None) & ((Station.visibility == "public") | own),
    }


_TABLES: dict[str, Any] = {"song": Song, "album": Album, "artist": Artist, "playlist": Playlist, "station": Station}
_POPULARITY: dict[str, Any] = {"song": Song.play_count, "album": Album.play_count, "artist": Artist.like_count}
_NAMES: dict[str, Any] = {"song": Song.title_key, "album": Album.title_key, "artist": Artist.name_key}


def find(session: ReadSession, viewer: Viewer, text: str, kind: str, *, limit: int, offset: int = 0) -> list[int]:
    """The ids of things of a kind for the words, best first, the last word as its beginning. What was typed is data.

    First come those whose name begins so: an index of the database knows them at once, however many other names hold
    the words. Where no word fits, parts of words do; where these do not either, words that are spelt a little
    differently."""
    if offset >= FURTHEST:
        return []
    named = _named(session, viewer, text, kind)
    most = offset + limit
    if len(named) < most:
        found = _indexed(session, viewer, text, kind, most + len(named), slips=not named)
        named = list(dict.fromkeys([*named, *found]))
    return named[offset:most]


def _named(session: ReadSession, viewer: Viewer, text: str, kind: str) -> list[int]:
    """Things whose names begin with a text: the one of just this name, then the most popular."""
    key = folded(text)
    if kind not in _NAMES or len(key) < SHORTEST_BEGINNING:
        return []
    table, name, plays = _TABLES[kind], _NAMES[kind], _POPULARITY[kind]
    # The range is what the index knows. PostgreSQL may sort letters otherwise, so the beginning is asked for as well.
    begins = (name >= key, name < f"{key}\U0010ffff", name.startswith(key, autoescape=True))
    rules = [_rules(viewer)[kind]]
    if kind == "song":  # either rule by itself has its own index
        rules = [_rules(VISITOR)[kind], ~Song.listed & songs_for(viewer)] if viewer.account_id else rules
    rows: list[Any] = []
    for rule in rules:
        some = select(table.id, name, plays).where(rule, *begins).order_by(name, table.id).limit(MOST_NAMED)
        rows += session.execute(some).all()
    rows.sort(key=lambda row: (row[1] != key, -row[2], row[1], row[0]))
    return [row[0] for row in rows]


def _indexed(session: ReadSession, viewer: Viewer, text: str, kind: str, most: int, *, slips: bool) -> list[int]:
    """Things that hold the words; with `slips`, where there are none, those that hold something like them."""
    table, rule, index = _TABLES[kind], _rules(viewer)[kind], indexes[kind]
    visible: Any = select(cast(table.id, String)).where(table.id == cast(index.table.c.doc_id, table.id.type), rule)
    # for one document at a time: a list of all that may be seen would be made anew for each query
    hits = index.query(session, text, limit=most, visible=visible, snippet_words=0, loosely=slips)
    return [int(hit.doc_id) for hit in hits]
