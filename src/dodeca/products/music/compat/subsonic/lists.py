"""Lists of albums and songs, starred things, and search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, select

from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.products.music.compat.subsonic import album_pages, schema, shapes
from dodeca.products.music.compat.subsonic.asking import MALFORMED, MISSING, Asked, Refused, reading
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import Album, AlbumGenre, Artist, Like, Song, SongGenre
from dodeca.products.music.service import browsing, drawing, listens, searching, songs
from dodeca.products.music.service.browsing import albums_of_genre
from dodeca.products.music.service.folding import folded
from dodeca.products.music.service.places import NOTHING_GIVEN, ZERO, Order
from dodeca.products.music.service.viewers import (
    Viewer,
    albums_for,
    artists_for,
    own_albums,
    own_artists,
    own_songs,
    songs_for,
)

MOST_ALBUMS: Final = 500
MOST_SONGS: Final = 500
FURTHEST: Final = 10_000_000
MOST_OWN: Final = 500
"""Albums, artists or songs that somebody sees and not everybody, up to which they are put into everybody's pages."""


def _albums_seen(session: ReadSession, asked: Asked) -> ColumnElement[bool]:
    """The albums that the caller sees, as a rule that the lists' own indexes serve wherever that is all.

    Only who has a song that not everybody sees is looked at closer."""
    return Album.public_songs > 0 if _sees_what_all_see(session, asked) else albums_for(asked.viewer)


_waiting = Prepared(select(Song.id).where(~Song.listed, Song.visibility == "public").limit(1))


def _sees_what_all_see(session: ReadSession, asked: Asked) -> bool:
    if asked.viewer.is_moderator and _waiting.first(session) is not None:
        return False
    return not album_pages.has_hidden_songs(session, asked.account_id)


def _years(asked: Asked) -> tuple[int, int]:
    for name in ("fromYear", "toYear"):
        asked.required(name)
    return asked.number("fromYear", 0, 0, 9999), asked.number("toYear", 0, 0, 9999)


def _by_year(statement: Any, asked: Asked) -> Any:
    first, last = _years(asked)
    statement = statement.where(Album.year_key.between(min(first, last), max(first, last)))
    if first > last:
        return statement.order_by(Album.year_key.desc(), Album.id.desc())
    return statement.order_by(Album.year_key, Album.id)


def _by_genre(statement: Any, asked: Asked) -> Any:
    inside = albums_of_genre(asked.viewer, asked.required("genre"))
    return statement.where(Album.id.in_(inside)).order_by(Album.sort_key, Album.id)


def _starred(statement: Any, asked: Asked) -> Any:
    mine = (Like.user_id == asked.account_id) & (Like.kind == "album") & (Like.target_id == Album.id)
    return statement.join(Like, mine).order_by(Like.created_at.desc(), Like.id.desc())


_ORDERS: Final[dict[str, Callable[[Any, Asked], Any]]] = {
    "newest": lambda statement, _: statement.order_by(Album.created_at.desc(), Album.id.desc()),
    "frequent": lambda s, _: s.where(Album.play_count > 0).order_by(Album.play_count.desc(), Album.id.desc()),
    "recent": lambda s, _: s.where(Album.recent_at.is_not(None)).order_by(Album.recent_at.desc(), Album.id.desc()),
    "highest": lambda s, _: s.where(Album.rating_count > 0).order_by(Album.rating_sum.desc(), Album.id.desc()),
    "alphabeticalByName": lambda statement, _: statement.order_by(Album.sort_key, Album.id),
    "alphabeticalByArtist": lambda s, _: s.order_by(Album.artist_key, Album.sort_key, Album.id),
    "byYear": _by_year,
    "byGenre": _by_genre,
}
_TYPES: Final = ("random", "starred", *_ORDERS)


def _listed_albums(session: ReadSession, asked: Asked) -> list[Album]:
    """A page of albums in one of the ten orders. Places are found in the index alone, rows fetched afterwards."""
    ids = _listed_ids(session, asked)
    rows = {album.id: album for album in session.scalars(select(Album).where(Album.id.in_(ids)))}
    return [rows[number] for number in ids if number in rows]


def _listed_ids(session: ReadSession, asked: Asked) -> list[int]:
    order, (size, offset) = _everybodys(asked), _page(asked)
    if order is None:
        seen = _albums_seen(session, asked)
        if asked.required("type") == "random":
            return drawing.drawn(session, Album, seen, count=size)
        return list(session.scalars(_starred(select(Album.id).where(seen), asked).limit(size).offset(offset)))

    def ordered(rule: ColumnElement[bool]) -> Any:
        return _ORDERS[asked.required("type")](select(Album.id).where(rule), asked)

    def everybodys(size: int, offset: int) -> list[int]:
        return album_pages.ids(session, asked.call.platform, order.name, size=size, offset=offset, given=order.given)

    if _sees_what_all_see(session, asked):
        return everybodys(size, offset)
    listed = Album.public_songs > 0
    if "genre_key" in order.given:
        listed = Album.id.in_(select(AlbumGenre.album_id).where(AlbumGenre.genre_key == order.given["genre_key"]))
    own = ordered(own_albums(asked.viewer) & ~listed)
    whole = ordered(albums_for(asked.viewer))
    return _with_own(session, own, everybodys, lambda ids: ordered(Album.id.in_(ids)), whole, size, offset)


def _with_own(
    session: ReadSession,
    own: Any,
    everybodys: Callable[[int, int], list[int]],
    ordered: Callable[[list[int]], Any],
    whole: Any,
    size: int,
    offset: int,
) -> list[int]:
    """A page of what everybody sees together with the caller's `own`. Statements are of ids and in one order: `ordered`
    of given ones, `whole` of all that the caller sees, which is read where their own are many."""
    mine = list(session.scalars(own.limit(MOST_OWN + 1)))
    if len(mine) > MOST_OWN:
        return list(session.scalars(whole.limit(size).offset(offset)))
    # However many of these come before the page, it lies among everybody's rows from here on.
    start = max(0, offset - len(mine))
    near = everybodys(size + len(mine), start)
    return list(session.scalars(ordered([*near, *mine])))[offset - start :][:size]


class _Everybodys(NamedTuple):
    """One of `album_pages.ORDERS`, and what it is given."""

    name: str
    given: Mapping[str, object] = NOTHING_GIVEN


def _everybodys(asked: Asked) -> _Everybodys | None:
    """The order asked for, where it is one of everybody's."""
    kind = asked.required("type")
    if kind not in _TYPES:
        raise Refused(MALFORMED, f"type is one of {', '.join(_TYPES)}.")
    if kind in {"random", "starred"}:
        return None
    if kind == "byGenre":
        return _Everybodys(kind, {"genre_key": folded(asked.required("genre"))})
    if kind == "byYear":
        first, last = _years(asked)
        years = {"first_year": min(first, last), "last_year": max(first, last)}
        return _Everybodys(album_pages.FROM_THE_LAST_YEAR if first > last else kind, years)
    return _Everybodys(kind)


@reading("getAlbumList")
def album_list(session: ReadSession, asked: Asked) -> Node:
    """Albums as folders."""
    return node(albumList=node(album=shapes.album_directories(session, asked, _listed_albums(session, asked))))


@reading("getAlbumList2")
def album_list_2(session: ReadSession, asked: Asked) -> Node:
    """Albums by their tags."""
    if (order := _everybodys(asked)) is not None and _sees_what_all_see(session, asked):
        size, offset = _page(asked)
        platform, who = asked.call.platform, asked.account_id
        page = album_pages.read(session, platform, who, order.name, size=size, offset=offset, given=order.given)
        show = shapes.album_json if asked.text("f") == "json" else shapes.album_node
        made = [
            show(row, tuple(page.artists.get(row.id, ())), page.liked.get(row.id), page.rated.get(row.id, 0))
            for row in page.albums
        ]
        return node(albumList2=node(album=made))
    return node(albumList2=node(album=shapes.albums(session, asked, _listed_albums(session, asked))))


def _page(asked: Asked) -> tuple[int, int]:
    return asked.number("size", 10, 0, MOST_ALBUMS), asked.number("offset", 0, 0, FURTHEST)


@reading("getRandomSongs")
def random_songs(session: ReadSession, asked: Asked) -> Node:
    """Songs by chance, of a genre or some years."""
    rules, held = [songs_for(asked.viewer)], None
    if asked.text("genre"):
        held = select(SongGenre.song_id).where(SongGenre.genre_key == folded(asked.text("genre")))
    if (first := asked.maybe_number("fromYear", 0, 9999)) is not None:
        rules.append(Song.year >= first)
    if (last := asked.maybe_number("toYear", 0, 9999)) is not None:
        rules.append(Song.year <= last)
    ids = drawing.drawn(session, Song, *rules, count=asked.number("size", 10, 0, MOST_SONGS), within=held)
    found = songs.find_all(session, asked.viewer, ids)
    return node(randomSongs=node(song=shapes.songs(session, asked, found)))


@reading("getSongsByGenre")
def songs_by_genre(session: ReadSession, asked: Asked) -> Node:
    """Songs of a genre, the most heard first."""
    found = browsing.songs_of_genre(
        session,
        asked.viewer,
        asked.required("genre"),
        limit=asked.number("count", 10, 0, MOST_SONGS),
        offset=asked.number("offset", 0, 0, FURTHEST),
    )
    return node(songsByGenre=node(song=shapes.songs(session, asked, found)))


@reading("getNowPlaying")
def now_playing(session: ReadSession, asked: Asked) -> Node:
    """What those play whose history the caller may see."""
    rows = [row for row in listens.playing_now(session) if shapes.history_open(session, asked, row.user_id)]
    found = songs.by_ids(session, asked.viewer, [row.song_id for row in rows if row.song_id is not None])
    names = accounts_by_ids(session, [row.user_id for row in rows])
    known = [(row, found[row.song_id]) for row in rows if row.song_id in found and row.user_id in names]
    entries = shapes.songs(session, asked, [song for _, song in known])
    now = clock.now()
    for number, (entry, (row, song)) in enumerate(zip(entries, known, strict=True), 1):
        passed = (now - row.updated_at).total_seconds()
        moved = int(passed * 1000 * row.rate) if row.state == "playing" else 0
        entry.kind = schema.NOW_PLAYING_ENTRY
        entry |= {
            "username": names[row.user_id].username,
            "minutesAgo": max(0, int(passed // 60)),
            "playerId": number,
            "playerName": row.device,
            "state": row.state,
            "positionMs": min(row.position_ms + moved, song.duration_ms or 1 << 53),
            "playbackRate": row.rate,
        }
    return node(nowPlaying=node(entry=entries))


# Starred


def _liked(session: ReadSession, asked: Asked, kind: str, table: Any, rule: ColumnElement[bool]) -> Sequence[Any]:
    mine = (Like.user_id == asked.account_id) & (Like.kind == kind) & (Like.target_id == table.id)
    statement = select(table).join(Like, mine).where(rule).order_by(Like.created_at.desc(), Like.id.desc())
    return session.scalars(statement.limit(10_000)).all()


@reading("getStarred", "getStarred2")
def starred(session: ReadSession, asked: Asked) -> Node:
    """What the caller likes."""
    tags = asked.text("_method").endswith("2")
    found_albums = _liked(session, asked, "album", Album, albums_for(asked.viewer))
    in_folders = shapes.albums if tags else shapes.album_directories
    found_artists = _liked(session, asked, "artist", Artist, artists_for(asked.viewer))
    made = node(
        schema.THREE,
        artist=shapes.artists(session, asked, found_artists, folders=not tags),
        album=in_folders(session, asked, found_albums),
        song=shapes.songs(session, asked, _liked(session, asked, "song", Song, songs_for(asked.viewer))),
    )
    return node(**{"starred2" if tags else "starred": made})


# Search


def _found(session: ReadSession, asked: Asked, kind: str, table: Any, rule: ColumnElement[bool]) -> list[Any]:
    """A page of what fits the query; the empty one, `""` too, is all there is: songs in the order of their arrival,
    albums and artists by name."""
    size = asked.number(f"{kind}Count", 20, 0, MOST_SONGS)
    offset = asked.number(f"{kind}Offset", 0, 0, FURTHEST)
    text = asked.text("query").strip().strip('"').strip()
    if not size:
        return []
    if not text:
        ids = _all_ids(session, asked, kind, table, rule, size, offset)
    else:
        ids = searching.find(session, asked.viewer, text[:300], kind, limit=size, offset=offset)
    rows = {row.id: row for row in session.scalars(select(table).where(table.id.in_(ids), rule))}
    return [rows[number] for number in ids if number in rows]


_EVERYTHING: Final = {
    "song": Order(Song.created_at, Song.id, rules=[Song.listed.expression]),
    "album": Order(Album.sort_key, Album.id, rules=[Album.public_songs > ZERO]),
    "artist": Order(Artist.sort_key, Artist.id, rules=[Artist.public_songs > ZERO]),
}
"""What everybody sees: apps page through all of it to have a copy."""
_OWN: Final[dict[str, Callable[[Viewer], ColumnElement[bool]]]] = {
    "song": own_songs,
    "album": lambda viewer: (Album.public_songs == 0) & own_albums(viewer),
    "artist": lambda viewer: (Artist.public_songs == 0) & own_artists(viewer),
}
"""What somebody sees besides."""


def _all_ids(
    session: ReadSession, asked: Asked, kind: str, table: Any, rule: ColumnElement[bool], size: int, offset: int
) -> list[int]:
    def everybodys(size: int, offset: int) -> list[int]:
        return _EVERYTHING[kind].ids(session, asked.call.platform, size, offset)

    if _sees_what_all_see(session, asked):
        return everybodys(size, offset)
    order = (Song.created_at, Song.id) if kind == "song" else (table.sort_key, table.id)
    ids = select(table.id).order_by(*order)
    own = ids.where(_OWN[kind](asked.viewer))
    return _with_own(
        session, own, everybodys, lambda some: ids.where(table.id.in_(some)), ids.where(rule), size, offset
    )


@reading("search2", "search3")
def search(session: ReadSession, asked: Asked) -> Node:
    """Artists, albums and songs that fit the words."""
    if not asked.has("query"):
        raise Refused(MISSING, "Required parameter is missing: query")
    tags = asked.text("_method") == "search3"
    found_albums = _found(session, asked, "album", Album, _albums_seen(session, asked))
    found_artists = _found(session, asked, "artist", Artist, artists_for(asked.viewer))
    found_songs = _found(session, asked, "song", Song, songs_for(asked.viewer))
    made = node(
        schema.THREE,
        artist=shapes.artists(session, asked, found_artists, folders=not tags),
        album=(shapes.albums if tags else shapes.album_directories)(session, asked, found_albums),
        song=shapes.songs(session, asked, found_songs),
    )
    return node(**{"searchResult3" if tags else "searchResult2": made})


@reading("search")
def old_search(session: ReadSession, asked: Asked) -> Node:
    """The search of the first clients: songs by artist, album, title or any of these."""
    words = " ".join(asked.text(name) for name in ("artist", "album", "title", "any")).strip()
    if not words:
        raise Refused(MISSING, "Required parameter is missing: any")
    size, offset = asked.number("count", 20, 0, MOST_SONGS), asked.number("offset", 0, 0, FURTHEST)
    ids = searching.find(session, asked.viewer, words[:300], "song", limit=size, offset=offset) if size else []
    matches = shapes.songs(session, asked, songs.find_all(session, asked.viewer, ids))
    total = offset + len(matches)
    return node(searchResult=node(schema.SEARCH_RESULT, offset=offset, totalHits=total, match=matches))
