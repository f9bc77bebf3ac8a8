"""What must always be true of news; each function gives the ids that break it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import aliased

from dodeca.kernel.db import ReadSession
from dodeca.kernel.manifest import Invariant
from dodeca.products.news.models import Flag, Item, Member, UrlClaim, Vote, Vouch


def score_is_the_sum_of_votes(session: ReadSession) -> Sequence[object]:
    """Items whose score, or points that count, differ from their votes."""
    sums = (
        select(
            Vote.item_id,
            func.sum(Vote.direction).label("all"),
            func.sum(case((Vote.counted, Vote.direction), else_=0)).label("counted"),
        )
        .group_by(Vote.item_id)
        .subquery()
    )
    statement = (
        select(Item.id)
        .outerjoin(sums, sums.c.item_id == Item.id)
        .where(
            or_(
                Item.score != Item.score_base + func.coalesce(sums.c.all, 0),
                Item.counted != Item.score_base + func.coalesce(sums.c.counted, 0),
            )
        )
    )
    return session.scalars(statement).all()


def descendants_are_live_comments(session: ReadSession) -> Sequence[object]:
    """Posts whose number of comments is wrong."""
    below = (
        select(Item.root_id, func.count().label("live"))
        .where(Item.type == "comment", Item.state == "live")
        .group_by(Item.root_id)
        .subquery()
    )
    statement = (
        select(Item.id)
        .outerjoin(below, below.c.root_id == Item.id)
        .where(Item.type.in_(["story", "poll", "job"]), Item.descendants != func.coalesce(below.c.live, 0))
    )
    return session.scalars(statement).all()


def karma_is_the_sum_of_votes(session: ReadSession) -> Sequence[object]:
    """Members whose karma differs from the votes on their items."""
    sums = select(Vote.author_id, func.sum(Vote.direction).label("all")).group_by(Vote.author_id).subquery()
    statement = (
        select(Member.user_id)
        .outerjoin(sums, sums.c.author_id == Member.user_id)
        .where(Member.karma != Member.karma_base + func.coalesce(sums.c.all, 0))
    )
    return session.scalars(statement).all()


def comments_share_their_parents_root(session: ReadSession) -> Sequence[object]:
    """Comments whose root is not that of their parent."""
    above = aliased(Item)
    statement = (
        select(Item.id).join(above, above.id == Item.parent_id).where(Item.root_id != func.coalesce(above.root_id, 0))
    )
    return session.scalars(statement).all()


def claims_name_their_url(session: ReadSession) -> Sequence[object]:
    """Claims of URLs whose post has another."""
    statement = select(UrlClaim.url_key).join(Item, Item.id == UrlClaim.item_id).where(Item.url_key != UrlClaim.url_key)
    return session.scalars(statement).all()


def marks_are_counted(session: ReadSession) -> Sequence[object]:
    """Items whose flags or vouches are not as many as their rows."""
    flags = select(func.count()).where(Flag.item_id == Item.id).correlate(Item).scalar_subquery()
    vouches = select(func.count()).where(Vouch.item_id == Item.id).correlate(Item).scalar_subquery()
    marked = select(Flag.item_id).union(select(Vouch.item_id))
    touched = or_(Item.flags > 0, Item.vouches > 0, Item.id.in_(marked))
    statement = select(Item.id).where(touched, or_(Item.flags != flags, Item.vouches != vouches))
    return session.scalars(statement).all()


invariants: dict[str, Invariant] = {
    "score_is_the_sum_of_votes": score_is_the_sum_of_votes,
    "descendants_are_live_comments": descendants_are_live_comments,
    "karma_is_the_sum_of_votes": karma_is_the_sum_of_votes,
    "comments_share_their_parents_root": comments_share_their_parents_root,
    "claims_name_their_url": claims_name_their_url,
    "marks_are_counted": marks_are_counted,
}
