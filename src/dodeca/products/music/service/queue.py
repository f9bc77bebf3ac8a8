"""The queue that a member takes from device to device, and bookmarks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.music.models import Bookmark, PlayQueue, Song
from dodeca.products.music.service import members, songs
from dodeca.products.music.service.tags import storable
from dodeca.products.music.service.viewers import Viewer, songs_for

MOST_ITEMS = 5000
LONGEST_POSITION_MS = 86_400_000


class StaleQueue(Conflict):
    """Another device has changed the queue since."""


def read(session: ReadSession, account_id: str) -> PlayQueue:
    """The queue as it was last saved; an empty one with revision 0 where there is none."""
    found = session.get(PlayQueue, account_id)
    empty = PlayQueue(user_id=account_id, song_ids=[], position_ms=0, revision=0, device="", updated_at=clock.now())
    return found if found is not None else empty


def items(session: ReadSession, viewer: Viewer, queue: PlayQueue) -> tuple[list[Song], int | None]:
    """The songs of a queue that its owner still sees, and where among them the current one stands."""
    found = songs.by_ids(session, viewer, queue.song_ids)
    kept = [(place, found[song_id]) for place, song_id in enumerate(queue.song_ids) if song_id in found]
    if queue.current_index is None or not kept:
        return [song for _place, song in kept], None
    before = sum(place < queue.current_index for place, _song in kept)
    return [song for _place, song in kept], min(before, len(kept) - 1)


def save(
    session: WriteSession,
    viewer: Viewer,
    song_ids: Sequence[int],
    *,
    current_index: int | None,
    position_ms: int = 0,
    device: str = "",
    revision: int | None = None,
) -> PlayQueue:
    """Save the queue. Raises StaleQueue when `revision` is given and not the present one, NotFound, Invalid."""
    assert viewer.account_id is not None
    if len(song_ids) > MOST_ITEMS:
        raise Invalid(f"A queue has at most {MOST_ITEMS:,} songs.", field="items")
    if not 0 <= position_ms <= LONGEST_POSITION_MS:
        raise Invalid("position_ms is from 0 to 86400000.", field="position_ms")
    if song_ids and current_index is None:
        current_index = 0
    if current_index is not None and not 0 <= current_index < len(song_ids):
        raise Invalid("current_index is the place of one of the items, from 0.", field="current_index")
    members.member(session, viewer.account_id)
    queue = session.get(PlayQueue, viewer.account_id)
    if queue is None:
        queue = PlayQueue(user_id=viewer.account_id, song_ids=[], revision=0)
        session.add(queue)
    if revision is not None and revision != queue.revision:
        message = "Another device has changed the queue. Read it again."
        raise StaleQueue(message, field="revision", details={"revision": queue.revision})
    kept = set(queue.song_ids)
    songs.require_all(session, viewer, [song_id for song_id in song_ids if song_id not in kept])
    queue.song_ids, queue.current_index, queue.position_ms = list(song_ids), current_index, position_ms
    queue.device, queue.revision, queue.updated_at = storable(device)[:100], queue.revision + 1, clock.now()
    session.flush()
    return queue


def bookmarks(session: ReadSession, viewer: Viewer) -> list[tuple[Bookmark, Song]]:
    """One's own bookmarks with their songs, the last changed first."""
    statement = select(Bookmark, Song).join(Song, Song.id == Bookmark.song_id)
    mine = statement.where(Bookmark.user_id == viewer.account_id, songs_for(viewer))
    return [(row[0], row[1]) for row in session.execute(mine.order_by(Bookmark.changed_at.desc()))]


def bookmark(session: WriteSession, viewer: Viewer, song_id: int, position_ms: int, comment: str = "") -> Bookmark:
    """Set a bookmark in a song, in place of an earlier one. Raises NotFound, Invalid."""
    assert viewer.account_id is not None
    songs.find(session, viewer, song_id)
    if not 0 <= position_ms <= LONGEST_POSITION_MS:
        raise Invalid("A position is in milliseconds, at most a day.", field="position")
    members.member(session, viewer.account_id)
    row = session.get(Bookmark, (viewer.account_id, song_id))
    if row is None:
        row = Bookmark(user_id=viewer.account_id, song_id=song_id, created_at=clock.now())
        session.add(row)
    row.position_ms, row.comment, row.changed_at = position_ms, storable(comment)[:500], clock.now()
    session.flush()
    return row


def forget_bookmark(session: WriteSession, account_id: str, song_id: int) -> None:
    """Remove a bookmark. Raises NotFound."""
    mine = (Bookmark.user_id == account_id) & (Bookmark.song_id == song_id)
    if session.scalar(delete(Bookmark).where(mine).returning(Bookmark.song_id)) is None:
        raise NotFound("There is no bookmark in this song.")
