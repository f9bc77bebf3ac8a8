"""Likes and ratings, committed together with the counters of what they are about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from dodeca.commons import likes as shared
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.music.models import Album, Artist, Comment, Like, Playlist, Rating, Song
from dodeca.products.music.service import members
from dodeca.products.music.service.viewers import (
    Viewer,
    albums_for,
    artists_for,
    playlists_for,
    songs_for,
)

KINDS = ("song", "album", "artist", "playlist", "comment")
RATED_KINDS = ("song", "album", "artist", "playlist")
_TABLES: dict[str, Any] = {"song": Song, "album": Album, "artist": Artist, "playlist": Playlist, "comment": Comment}
SHOWN_LIKES = 20
LIKES = shared.Likes(Like, Like.user_id, Like.target_id, Like.created_at, Like.id)


def require(session: ReadSession, viewer: Viewer, kind: str, target_id: int) -> None:
    """Raises Invalid for an unknown kind, NotFound for what the viewer does not see."""
    if kind not in _TABLES:
        raise Invalid(f"kind is one of {', '.join(KINDS)}.", field="kind")
    said_of = select(Song.id).where(Song.id == Comment.song_id, songs_for(viewer))
    rules: dict[str, ColumnElement[bool]] = {
        "song": songs_for(viewer),
        "album": albums_for(viewer),
        "artist": artists_for(viewer),
        "playlist": playlists_for(viewer, by_address=True),
        "comment": (Comment.state == "live") & Comment.song_id.in_(said_of),
    }
    table = _TABLES[kind]
    if session.scalar(select(table.id).where(table.id == target_id, rules[kind])) is None:
        raise NotFound(f"There is no such {kind}.")


def like(session: WriteSession, viewer: Viewer, kind: str, target_id: int) -> bool:
    """Like something; gives whether that is new. Raises NotFound."""
    require(session, viewer, kind, target_id)
    assert viewer.account_id is not None
    counter = _TABLES[kind].like_count
    new = shared.like(session, LIKES, viewer.account_id, target_id, counter=counter, kind=kind)
    if new:
        members.taste_changed(session, viewer.account_id)
    return new


def unlike(session: WriteSession, account_id: str, kind: str, target_id: int) -> bool:
    """Like something no longer; gives whether it was liked."""
    if kind not in _TABLES:
        return False
    gone = shared.unlike(session, LIKES, account_id, target_id, counter=_TABLES[kind].like_count, kind=kind)
    if gone:
        members.taste_changed(session, account_id)
    return gone


def rate(session: WriteSession, viewer: Viewer, kind: str, target_id: int, rating: int) -> None:
    """Rate something from 1 to 5, dislike it (-1), or have no opinion any more (0). Raises Invalid, NotFound."""
    if kind not in RATED_KINDS:
        raise Invalid(f"kind is one of {', '.join(RATED_KINDS)}.", field="kind")
    if rating not in (-1, 0, 1, 2, 3, 4, 5):
        raise Invalid("rating is from 1 to 5, -1 for a dislike, or 0 for none.", field="rating")
    require(session, viewer, kind, target_id)
    assert viewer.account_id is not None
    members.member(session, viewer.account_id)  # whoever holds it rates alone, so the sums below are right
    row = session.get(Rating, (viewer.account_id, kind, target_id))
    before = row.rating if row is not None else 0
    if rating == before:
        return
    if row is not None and rating == 0:
        session.delete(row)
    elif row is not None:
        row.rating, row.created_at = rating, clock.now()
    else:
        session.add(Rating(user_id=viewer.account_id, kind=kind, target_id=target_id, rating=rating))
    session.flush()
    if kind in ("song", "album"):
        table = _TABLES[kind]
        stars = max(rating, 0) - max(before, 0)
        raters = int(rating > 0) - int(before > 0)
        values = {"rating_sum": table.rating_sum + stars, "rating_count": table.rating_count + raters}
        session.execute(update(table).where(table.id == target_id).values(values))
    members.taste_changed(session, viewer.account_id)


def forget_rating(session: WriteSession, account_id: str, kind: str, target_id: int) -> None:
    """Take somebody's rating away, whether or not they still see what it is about."""
    row = session.get(Rating, (account_id, kind, target_id))
    if row is None:
        return
    rating = row.rating
    session.delete(row)
    session.flush()
    if kind in ("song", "album") and rating > 0:
        table = _TABLES[kind]
        values = {"rating_sum": table.rating_sum - rating, "rating_count": table.rating_count - 1}
        session.execute(update(table).where(table.id == target_id).values(values))


def liked_at(session: ReadSession, account_id: str | None, kind: str, ids: Collection[int]) -> dict[int, datetime]:
    """Which of these somebody likes, and since when."""
    return shared.since(session, LIKES, account_id, ids, kind=kind)


def ratings_of(session: ReadSession, account_id: str | None, kind: str, ids: Collection[int]) -> dict[int, int]:
    """How somebody rates these."""
    if account_id is None or not ids:
        return {}
    mine = select(Rating.target_id, Rating.rating).where(
        Rating.user_id == account_id, Rating.kind == kind, Rating.target_id.in_(ids)
    )
    return {row[0]: row[1] for row in session.execute(mine)}


def liked_ids(session: ReadSession, account_id: str, kind: str, *, limit: int, offset: int = 0) -> Sequence[int]:
    """What somebody likes of a kind, the newest first."""
    return session.scalars(shared.newest(LIKES, account_id, kind=kind).limit(limit).offset(offset)).all()
