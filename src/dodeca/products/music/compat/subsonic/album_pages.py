"""Pages of albums as apps ask for them most: by prepared statements, as long as the caller sees what everybody sees.

Places are found in the index of an order alone; rows, artists, likes and ratings are fetched for that page only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, bindparam, select

from dodeca.kernel.db import Prepared, ReadSession
from dodeca.products.music.models import Album, AlbumArtist, AlbumGenre, Artist, Like, Rating, Song
from dodeca.products.music.service.places import NOTHING_GIVEN, ZERO, Given, Order

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


class AlbumRow(NamedTuple):
    """What a list shows of an album, under the names of the table's columns."""

    id: int
    title: str
    artist_name: str
    artist_id: int | None
    public_songs: int
    duration_ms: int
    play_count: int
    recent_at: datetime | None
    created_at: datetime
    year: int | None
    genre_key: str | None
    rating_sum: int
    rating_count: int
    mbid: str | None
    sort_key: str
    release_date: str | None


class ArtistRow(NamedTuple):
    """Whom an album is by."""

    id: int
    name: str


class Page(NamedTuple):
    """Albums in their order, and what belongs to them by their ids."""

    albums: list[AlbumRow]
    artists: dict[int, list[ArtistRow]]
    liked: dict[int, datetime]
    rated: dict[int, int]


class _List:
    """The statements of one order of albums: from the beginning, and from a known place on."""

    def __init__(self, order: Order, ordering: Sequence[Any]) -> None:
        self._order = order
        shown = [getattr(Album, name) for name in AlbumRow._fields]
        self._first, self._later = (
            Prepared(select(*shown).where(Album.id.in_(order.page(following=following))).order_by(*ordering))
            for following in (False, True)
        )

    def page(self, session: ReadSession, platform: Platform, size: int, offset: int, given: Given) -> list[AlbumRow]:
        place = self._order.before(session, platform, offset, given)
        if place is None:
            rows = self._first.rows(session, size=size, offset=offset, **given)
        else:
            rows = self._later.rows(session, size=size, offset=place[1], **place[0], **given)
        return [AlbumRow._make(row) for row in rows]

    def ids(self, session: ReadSession, platform: Platform, size: int, offset: int, given: Given) -> list[int]:
        return self._order.ids(session, platform, size, offset, given)


def _of_albums(*columns: Any, rules: Sequence[ColumnElement[bool]] = (), **options: Any) -> _List:
    """An order by albums' own columns."""
    order = Order(*columns, rules=(Album.public_songs > ZERO, *rules), **options)
    return _List(order, order.ordering)


def _of_genre() -> _List:
    """The albums of `genre_key` by name."""
    rules = [AlbumGenre.genre_key == bindparam("genre_key")]
    return _List(Order(AlbumGenre.sort_key, AlbumGenre.album_id, rules=rules), (Album.sort_key, Album.id))


def _of_years(*, descending: bool) -> _List:
    """The albums from `first_year` to `last_year`."""
    since, until = Album.year_key >= bindparam("first_year"), Album.year_key <= bindparam("last_year")
    rule, beginning = (since, until) if descending else (until, since)
    return _of_albums(Album.year_key, Album.id, rules=[rule], beginning=[beginning], descending=descending)


class _Beside:
    """The statements for what belongs to at most so many albums; fewer ids are filled up with the last."""

    def __init__(self, most: int) -> None:
        self.most = most
        ids = [bindparam(f"id_{place}", type_=BigInteger) for place in range(most)]
        by = select(AlbumArtist.album_id, Artist.id, Artist.name).join(Artist, Artist.id == AlbumArtist.artist_id)
        self.artists = Prepared(
            by.where(AlbumArtist.album_id.in_(ids)).order_by(AlbumArtist.album_id, AlbumArtist.position)
        )
        likes = select(Like.target_id, Like.created_at).where(Like.user_id == bindparam("account_id"))
        self.liked = Prepared(likes.where(Like.kind == "album", Like.target_id.in_(ids)))
        ratings = select(Rating.target_id, Rating.rating).where(Rating.user_id == bindparam("account_id"))
        self.rated = Prepared(ratings.where(Rating.kind == "album", Rating.target_id.in_(ids)))

    def bound(self, ids: Sequence[int]) -> dict[str, int]:
        """The parameters for ids."""
        return {f"id_{place}": ids[min(place, len(ids) - 1)] for place in range(self.most)}


FROM_THE_LAST_YEAR: Final = "byYear from the last"
_LIVELY: Final = {"descending": True, "lively": True}
ORDERS: Final = {
    "newest": _of_albums(Album.created_at, Album.id, descending=True),
    "frequent": _of_albums(Album.play_count, Album.id, rules=[Album.play_count > ZERO], **_LIVELY),
    "recent": _of_albums(Album.recent_at, Album.id, rules=[Album.recent_at.is_not(None)], **_LIVELY),
    "highest": _of_albums(Album.rating_sum, Album.id, rules=[Album.rating_count > ZERO], **_LIVELY),
    "alphabeticalByName": _of_albums(Album.sort_key, Album.id),
    "alphabeticalByArtist": _of_albums(Album.artist_key, Album.sort_key, Album.id),
    "byGenre": _of_genre(),
    "byYear": _of_years(descending=False),
    FROM_THE_LAST_YEAR: _of_years(descending=True),
}
"""By Subsonic's names; `byGenre` and both of years have parameters."""
_beside: Final = [_Beside(most) for most in (20, 100, 500)]
_hidden = Prepared(select(Song.id).where(Song.uploader_id == bindparam("account_id"), ~Song.listed).limit(1))


def has_hidden_songs(session: ReadSession, account_id: str) -> bool:
    """Whether somebody has a song that not everybody sees."""
    return _hidden.first(session, account_id=account_id) is not None


def ids(
    session: ReadSession, platform: Platform, order: str, *, size: int, offset: int, given: Given = NOTHING_GIVEN
) -> list[int]:
    """The ids of a page of the albums that everybody sees, in one of `ORDERS`."""
    return ORDERS[order].ids(session, platform, size, offset, given)


def read(
    session: ReadSession,
    platform: Platform,
    account_id: str,
    order: str,
    *,
    size: int,
    offset: int,
    given: Given = NOTHING_GIVEN,
) -> Page:
    """A page of the albums that everybody sees, in one of `ORDERS`."""
    albums = ORDERS[order].page(session, platform, size, offset, given)
    artists: dict[int, list[ArtistRow]] = {}
    liked: dict[int, datetime] = {}
    rated: dict[int, int] = {}
    if albums:
        beside = next(one for one in _beside if one.most >= len(albums))
        own = beside.bound([album.id for album in albums])
        for album_id, *named in beside.artists.rows(session, **own):
            artists.setdefault(album_id, []).append(ArtistRow(*named))
        liked = {row[0]: row[1] for row in beside.liked.rows(session, account_id=account_id, **own)}
        rated = {row[0]: row[1] for row in beside.rated.rows(session, account_id=account_id, **own)}
    return Page(albums, artists, liked, rated)
