"""Votes: one a person an item, whatever happens at once; vote, score and karma commit together."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, or_, select, update

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, TooMany
from dodeca.products.news.models import Item, Member, Vote
from dodeca.products.news.service import items
from dodeca.products.news.service.members import Viewer, acting_member, insert_for, need_karma
from dodeca.products.news.service.rules import Rules, current

DOWNVOTES_RUNNING = 3
"""More downvotes in a row on one author do not count: it is about the person then."""


class VoteStands(Conflict):
    """The time in which a vote could be changed is over."""


def vote(
    session: WriteSession, voter: Account, item_id: int, direction: int, *, address_hash: str | None = None
) -> Item:
    """Vote up (1) or down (-1); the same again changes nothing, the opposite replaces it within the hour.

    Raises NotFound, Forbidden, VoteStands, TooMany."""
    rules = current(session)
    items.find(session, Viewer(voter.id, showdead=True), item_id)
    item = items.locked(session, item_id)
    _check_item(item, direction)
    if item.author_id == voter.id:
        if direction < 0:
            raise Forbidden("You cannot vote down what is your own.")
        return item
    who = acting_member(session, voter.id)
    if direction < 0:
        need_karma(who, rules.karma_to_downvote, "vote down")
    row = session.get(Vote, (item.id, voter.id))
    if row is None:
        _limit(session, who, rules)
        suspicion = _suspicion(session, who, item, direction, address_hash)
        _insert(session, voter, item, direction, suspicion, address_hash)
        _move(session, item, direction, direction if suspicion is None else 0, rules)
    elif row.direction != direction:
        _check_time(row, rules)
        row.direction, row.created_at = direction, clock.now()
        _move(session, item, 2 * direction, 2 * direction if row.counted else 0, rules)
    session.flush()
    return item


def undo(session: WriteSession, voter: Account, item_id: int) -> Item:
    """Take one's vote back within the hour; nothing happens where there is none. Raises NotFound, VoteStands."""
    rules = current(session)
    items.find(session, Viewer(voter.id, showdead=True), item_id)
    item = items.locked(session, item_id)
    row = session.get(Vote, (item.id, voter.id))
    if row is None:
        return item
    _check_time(row, rules)
    session.execute(delete(Vote).where(Vote.item_id == item.id, Vote.user_id == voter.id))
    session.expunge(row)
    _move(session, item, -row.direction, -row.direction if row.counted else 0, rules)
    session.flush()
    return item


def my_votes(session: ReadSession, viewer: Viewer, item_ids: Iterable[int]) -> dict[int, int]:
    """The viewer's own votes on these items."""
    if viewer.account_id is None:
        return {}
    statement = select(Vote.item_id, Vote.direction).where(
        Vote.user_id == viewer.account_id, Vote.item_id.in_(list(item_ids))
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def uncounted(session: ReadSession, item_id: int) -> int:
    """How many votes do not count for the rank; whose is told to nobody."""
    statement = select(func.count()).where(Vote.item_id == item_id, Vote.counted.is_(False))
    return session.scalar(statement) or 0


def _check_item(item: Item, direction: int) -> None:
    if direction not in (1, -1):
        raise Invalid("A vote is up or down.", field="vote_type")
    if item.state in ("dead", "deleted", "pending") or item.type == "job":
        raise Forbidden("This cannot be voted on.")
    if item.type == "pollopt" and direction < 0:
        raise Forbidden("Options of polls are voted up only.")


def _check_time(row: Vote, rules: Rules) -> None:
    if row.created_at < clock.ago(minutes=rules.vote_change_minutes):
        raise VoteStands(f"A vote can be changed for {rules.vote_change_minutes} minutes.")


def _limit(session: ReadSession, who: Member, rules: Rules) -> None:
    young = who.karma < 2 and who.joined_at > clock.ago(days=1)
    most = rules.new_votes_an_hour if young else rules.votes_an_hour
    recent = select(func.count()).where(Vote.user_id == who.user_id, Vote.created_at > clock.ago(hours=1))
    if (session.scalar(recent) or 0) >= most:
        raise TooMany(f"That is more than {most} votes an hour. Wait a little.", retry_after=600)


def _suspicion(session: ReadSession, who: Member, item: Item, direction: int, address_hash: str | None) -> str | None:
    """Why a vote does not count for the rank, if it does not."""
    if who.karma < 1:
        return "karma"
    if who.karma < 2 and address_hash is not None:
        same = select(Vote.user_id).where(Vote.item_id == item.id, Vote.address_hash == address_hash)
        if session.scalar(same.limit(1)) is not None:
            return "address"
    if direction < 0 and item.author_id is not None:
        last = select(Vote.author_id).where(Vote.user_id == who.user_id, Vote.direction == -1)
        authors = session.scalars(last.order_by(Vote.created_at.desc()).limit(DOWNVOTES_RUNNING)).all()
        if len(authors) == DOWNVOTES_RUNNING and set(authors) == {item.author_id}:
            return "downvotes"
    return None


def _insert(
    session: WriteSession, voter: Account, item: Item, direction: int, suspicion: str | None, address_hash: str | None
) -> None:
    values = {
        "item_id": item.id,
        "user_id": voter.id,
        "author_id": item.author_id,
        "direction": direction,
        "counted": suspicion is None,
        "suspicion": suspicion,
        "address_hash": address_hash,
        "created_at": clock.now(),
    }
    session.execute(insert_for(session)(Vote).values(values))


def _move(session: WriteSession, item: Item, score: int, counted: int, rules: Rules) -> None:
    """Change score, points that count and the author's karma; the item's row is held by the caller."""
    item.score += score
    item.counted += counted
    item.voted_at = clock.now()
    if item.type not in ("comment", "pollopt"):
        items.rerank(session, item, rules)
    if item.author_id is not None:
        insert = insert_for(session)(Member).values(
            user_id=item.author_id, karma=1, karma_base=1, joined_at=clock.now()
        )
        session.execute(insert.on_conflict_do_nothing())
        session.execute(
            update(Member).where(Member.user_id == item.author_id).values(karma=Member.karma + score),
            execution_options={"synchronize_session": "fetch"},
        )


def voted_posts(session: ReadSession, account_id: str) -> dict[int, int]:
    """All votes of an account on posts: its own history, or a public one."""
    statement = (
        select(Vote.item_id, Vote.direction)
        .join(Item, Item.id == Vote.item_id)
        .where(Vote.user_id == account_id, or_(Item.type == "story", Item.type == "poll"))
        .order_by(Vote.created_at.desc())
        .limit(1000)
    )
    return {row[0]: row[1] for row in session.execute(statement)}
