"""Rings: who votes up the same few authors again and again is not counted for the rank. The score stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.news.models import Item, Member, Vote
from dodeca.products.news.service import items
from dodeca.products.news.service.rules import current

VOTES_LOOKED_AT = 20
AUTHORS = 4
"""Under five."""
SHARE = 0.6
LATELY_HOURS = 2
VOTERS_AT_ONCE = 2000
LEAST_AUTHORS = 20
"""Where fewer people write, everybody's votes fall on few: then it says nothing."""
LATELY_DAYS = 30


def suspects(session: ReadSession) -> list[tuple[int, str]]:
    """Which votes (item, voter) of those who voted lately are to count no longer. Looks at every member: it is read
    beside the server's own work, and nothing waits for it."""
    if not _many_write(session):
        return []
    votes = select(Vote.item_id).where(
        Vote.user_id == Member.user_id, Vote.created_at > clock.ago(hours=LATELY_HOURS), Vote.direction == 1
    )
    voters = session.scalars(select(Member.user_id).where(votes.exists()).limit(VOTERS_AT_ONCE)).all()
    return sorted((item_id, voter_id) for voter_id in voters for item_id in _suspect_items(session, voter_id))


def discount(session: WriteSession, found: Sequence[tuple[int, str]]) -> None:
    """Let these votes count no longer; those that were taken back or discounted meanwhile stay as they are. Sorted, so
    that all lock items in one order."""
    rules = current(session)
    for item_id, voter_id in found:
        item = items.locked(session, item_id)
        marking = update(Vote).where(Vote.item_id == item_id, Vote.user_id == voter_id, Vote.counted.is_(True))
        marked = session.execute(
            marking.values(counted=False, suspicion="ring").returning(Vote.direction),
            execution_options={"synchronize_session": "fetch"},
        ).scalar_one_or_none()
        if marked is not None:
            item.counted -= marked
            if item.parent_id is None:
                items.rerank(session, item, rules)
    session.flush()


def _many_write(session: ReadSession) -> bool:
    authors = select(Item.author_id).where(
        Item.parent_id.is_(None), Item.created_at > clock.ago(days=LATELY_DAYS), Item.author_id.is_not(None)
    )
    return len(session.scalars(authors.distinct().limit(LEAST_AUTHORS)).all()) >= LEAST_AUTHORS


def _suspect_items(session: ReadSession, voter_id: str) -> Sequence[int]:
    """The items of the few authors on whom most of somebody's last upvotes fall."""
    last = select(Vote.item_id, Vote.author_id, Vote.counted).where(Vote.user_id == voter_id, Vote.direction == 1)
    rows = session.execute(last.order_by(Vote.created_at.desc()).limit(VOTES_LOOKED_AT)).all()
    if len(rows) < VOTES_LOOKED_AT:
        return ()
    favoured = Counter(row[1] for row in rows if row[1] is not None).most_common(AUTHORS)
    if sum(count for _author, count in favoured) < SHARE * VOTES_LOOKED_AT:
        return ()
    authors = {author for author, _count in favoured}
    return [row[0] for row in rows if row[1] in authors and row[2]]
