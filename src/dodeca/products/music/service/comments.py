"""Comments on songs: at a moment of it, answered, liked, reported."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update

from dodeca.commons import notifications
from dodeca.commons.accounts.public import Account, account_by_id, accounts_by_ids
from dodeca.commons.discussion.text import cleaned
from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Slice, page_of
from dodeca.kernel.limits import Rate
from dodeca.products.music.models import Comment, Like, Song
from dodeca.products.music.service import erasing, songs
from dodeca.products.music.service.viewers import PRODUCT, Viewer

LONGEST = 2000
RATE = Rate(30, 60)
"""Comments that an account may write a minute."""
SORTS = ("time", "position", "top")


def find(session: ReadSession, viewer: Viewer, comment_id: int) -> Comment:
    """A live comment on a song that the viewer sees. Raises NotFound."""
    comment = session.get(Comment, comment_id)
    if comment is None or comment.state != "live":
        raise NotFound("There is no such comment.")
    songs.find(session, viewer, comment.song_id)
    return comment


def latest_on_songs_of(
    session: ReadSession, account_id: str, *, limit: int = 10
) -> list[tuple[Comment, Song, Account | None]]:
    """What was said last of songs that an account added, with the songs and the authors."""
    found = (
        select(Comment, Song)
        .join(Song, Song.id == Comment.song_id)
        .where(Song.uploader_id == account_id, Comment.state == "live")
        .order_by(Comment.id.desc())
        .limit(limit)
    )
    pairs = session.execute(found).all()
    authors = accounts_by_ids(session, [comment.user_id for comment, _ in pairs if comment.user_id is not None])
    return [(comment, song, authors.get(comment.user_id or "")) for comment, song in pairs]


def add(
    session: WriteSession,
    viewer: Viewer,
    song_id: int,
    text: str,
    *,
    at_ms: int | None = None,
    parent_id: int | None = None,
) -> Comment:
    """Say something about a song, at a moment of it, or as an answer. Raises NotFound, Invalid."""
    assert viewer.account_id is not None
    song = songs.find(session, viewer, song_id)
    content = _content(text)
    if at_ms is not None and not 0 <= at_ms <= max(song.duration_ms, 0):
        raise Invalid("at_ms is a moment of the song, in milliseconds.", field="at_ms")
    above = None
    if parent_id is not None:
        above = session.get(Comment, parent_id)
        if above is None or above.song_id != song_id or above.state != "live":
            raise NotFound("There is no such comment.", field="parent_id")
        if above.parent_id is not None:  # answers stand one level deep
            parent_id = above.parent_id
    comment = Comment(
        song_id=song_id,
        user_id=viewer.account_id,
        parent_id=parent_id,
        text=content,
        at_ms=at_ms,
        created_at=clock.now(),
    )
    session.add(comment)
    session.flush()
    _count(session, song_id, 1)
    _tell(session, viewer.account_id, song, comment, above)
    return comment


def _content(text: str) -> str:
    content = cleaned(text).strip()
    if not 1 <= len(content) <= LONGEST:
        raise Invalid(f"A comment has 1 to {LONGEST:,} characters.", field="text")
    return content


def _tell(session: WriteSession, author_id: str, song: Song, comment: Comment, above: Comment | None) -> None:
    author = account_by_id(session, author_id)
    name = author.username if author is not None else "Somebody"
    told = {song.uploader_id: f"{name} commented on {song.title}"}
    if above is not None:
        told[above.user_id] = f"{name} answered you on {song.title}"
    for account_id, title in told.items():
        if account_id is None or account_id == author_id:
            continue
        notice = notifications.Notice(
            product=PRODUCT,
            kind="comment",
            title=title,
            body=comment.text,
            href=f"/music/songs/{song.id}#comment-{comment.id}",
            key=f"music:comment:{comment.id}",
        )
        notifications.notify(session, account_id, notice)


def edit(session: WriteSession, viewer: Viewer, comment_id: int, text: str) -> Comment:
    """Say it otherwise. Raises NotFound, Forbidden, Invalid."""
    comment = find(session, viewer, comment_id)
    if comment.user_id != viewer.account_id:
        raise Forbidden("This comment is somebody else's.")
    comment.text, comment.edited_at = _content(text), clock.now()
    session.flush()
    return comment


def remove(session: WriteSession, viewer: Viewer, comment_id: int) -> None:
    """Take a comment away: its author, the song's uploader, or a moderator. Raises NotFound, Forbidden."""
    comment = find(session, viewer, comment_id)
    song = session.get_one(Song, comment.song_id)
    if viewer.account_id not in (comment.user_id, song.uploader_id) and not viewer.is_moderator:
        raise Forbidden("This comment is somebody else's.")
    answered = select(func.count()).select_from(Comment).where(Comment.parent_id == comment.id)
    erasing.forget_target(session, "comment", comment.id)
    if session.scalar(answered):
        comment.state, comment.text, comment.like_count = "deleted", "", 0
    else:
        session.delete(comment)
    session.flush()
    _count(session, song.id, -1)


def _count(session: WriteSession, song_id: int, by: int) -> None:
    session.execute(update(Song).where(Song.id == song_id).values(comment_count=Song.comment_count + by))


def report(session: WriteSession, viewer: Viewer, comment_id: int, reason: str, text: str = "") -> None:
    """Tell the moderators of a comment. Raises NotFound, Invalid."""
    assert viewer.account_id is not None
    comment = find(session, viewer, comment_id)
    moderation.report(
        session,
        viewer.account_id,
        product=PRODUCT,
        target_type="comment",
        target_id=str(comment.id),
        reason=reason,
        text=text,
    )


def of_song(
    session: ReadSession,
    viewer: Viewer,
    song_id: int,
    sort: str = "time",
    *,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[Comment]:
    """A page of what was said about a song, answers apart: newest first, along the song, or the most liked first."""
    songs.find(session, viewer, song_id)
    if sort not in SORTS:
        raise Invalid("sort is time, position or top.", field="sort")
    statement = select(Comment).where(Comment.song_id == song_id, Comment.parent_id.is_(None))
    statement = statement.where(Comment.state != "hidden")
    if sort == "position":
        placed = statement.where(Comment.at_ms.is_not(None))
        order = [Comment.at_ms, Comment.id]
        return page_of(session, placed, order=order, limit=limit, cursor=cursor, descending=False)
    order = [Comment.created_at, Comment.id] if sort == "time" else [Comment.like_count, Comment.id]  # type: ignore[list-item]
    return page_of(session, statement, order=order, limit=limit, cursor=cursor)


def replies(session: ReadSession, comment_ids: Sequence[int]) -> dict[int, list[Comment]]:
    """The answers to comments, the oldest first."""
    found: dict[int, list[Comment]] = {}
    if comment_ids:
        below = select(Comment).where(Comment.parent_id.in_(comment_ids), Comment.state == "live").order_by(Comment.id)
        for comment in session.scalars(below):
            assert comment.parent_id is not None
            found.setdefault(comment.parent_id, []).append(comment)
    return found


def latest(session: ReadSession, song_ids: Sequence[int], count: int = 3) -> dict[int, list[Comment]]:
    """The last comments of each song, the newest first."""
    found: dict[int, list[Comment]] = {}
    if not song_ids:
        return found
    place = func.row_number().over(
        partition_by=Comment.song_id, order_by=(Comment.created_at.desc(), Comment.id.desc())
    )
    live = select(Comment.id, place.label("place")).where(Comment.song_id.in_(song_ids), Comment.state == "live")
    numbered = live.subquery()
    wanted = select(Comment).join(numbered, numbered.c.id == Comment.id).where(numbered.c.place <= count)
    for comment in session.scalars(wanted.order_by(numbered.c.place)):
        found.setdefault(comment.song_id, []).append(comment)
    return found


def likers(session: ReadSession, song_ids: Sequence[int], most: int = 20) -> dict[int, list[str]]:
    """Who likes each song, the last first."""
    found: dict[int, list[str]] = {}
    if not song_ids:
        return found
    place = func.row_number().over(partition_by=Like.target_id, order_by=Like.id.desc())
    some = select(Like.target_id, Like.user_id, place.label("place"))
    numbered = some.where(Like.kind == "song", Like.target_id.in_(song_ids)).subquery()
    rows = select(numbered.c.target_id, numbered.c.user_id).where(numbered.c.place <= most).order_by(numbered.c.place)
    for song_id, user_id in session.execute(rows):
        found.setdefault(song_id, []).append(user_id)
    return found
