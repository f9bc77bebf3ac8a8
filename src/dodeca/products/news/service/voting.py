"""Votes: one a person an item, whatever happens at once; vote, score and karma commit together.

A vote is the most frequent write and a handful of reads by key, so it goes by prepared statements past the ORM; what
the Session holds of the item and its author is read anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, delete, func, insert, literal_column, or_, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from dodeca.products.news import ranking
from dodeca.products.news.models import POST_TYPES, Item, Member, Site, SiteSettings, Vote
from dodeca.products.news.service import items, members
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import Rules, in_force

DOWNVOTES_RUNNING = 3
"""More downvotes in a row on one author do not count: it is about the person then."""
VOTED_LATELY = timedelta(minutes=1)
"""What was voted on so lately keeps its `voted_at`: days matter there, and to move it in its index costs a page."""
CLOSED = ("dead", "deleted", "pending")
"""States in which nothing is voted on."""
TARGETS = {"post": POST_TYPES, "comment": ("comment",), "pollopt": ("pollopt",)}


class VoteStands(Conflict):
    """The time in which a vote could be changed is over."""


class VotedItem(NamedTuple):
    """What a vote needs to know of an item, under the names of its columns, and what it leaves there."""

    id: int
    type: str
    state: str
    author_id: str | None
    root_id: int | None
    created_at: datetime
    pooled_at: datetime | None
    url: str | None
    score: int
    counted: int
    descendants: int
    imported_descendants: int
    flags: int
    penalty: float
    penalty_reason: str | None
    site: str | None
    rank: float
    voted_at: datetime
    site_penalty: float | None
    site_reason: str | None
    has_penalised_tags: bool


class _Voter(NamedTuple):
    """What a vote needs to know of who votes."""

    user_id: str
    karma: int
    joined_at: datetime
    banned_reason: str | None


class _Cast(NamedTuple):
    """A vote that was cast before."""

    direction: int
    counted: bool
    created_at: datetime


_items, _votes, _members = (cast(Table, table.__table__) for table in (Item, Vote, Member))
_of_item = [_items.c[name] for name in VotedItem._fields[:-3]]
_of_voter = [_members.c[name] for name in _Voter._fields]
# All that does not have to wait for the item's lock comes with it: each statement costs as much as what it finds.
_item = Prepared(
    select(*_of_item, Site.penalty, Site.reason, items.HAS_PENALISED_TAGS, *_of_voter, SiteSettings.values)
    .outerjoin(Site, Site.site == _items.c.site)
    .outerjoin(_members, _members.c.user_id == bindparam("voter_id"))
    .outerjoin(SiteSettings, SiteSettings.id == literal_column("1"))
    .where(_items.c.id == bindparam("item_id"))
    .with_for_update(of=_items)
)
_voter = Prepared(select(*_of_voter).where(_members.c.user_id == bindparam("voter_id")))
_this_vote = (_votes.c.item_id == bindparam("which_item")) & (_votes.c.user_id == bindparam("which_voter"))
_of_vote = [_votes.c[name] for name in _Cast._fields]
_cast = Prepared(select(*_of_vote).where(_this_vote))
_lately = (
    select(func.count())
    .where(_votes.c.user_id == bindparam("which_voter"), _votes.c.created_at > bindparam("since"))
    .correlate(None)
    .scalar_subquery()
)
_cast_and_lately = Prepared(
    select(_lately, *_of_vote).select_from(select(literal_column("1")).subquery("one").outerjoin(_votes, _this_vote))
)
_same_address = Prepared(
    select(_votes.c.user_id)
    .where(_votes.c.item_id == bindparam("item_id"), _votes.c.address_hash == bindparam("address_hash"))
    .limit(1)
)
_last_downvoted = Prepared(
    select(_votes.c.author_id)
    .where(_votes.c.user_id == bindparam("voter_id"), _votes.c.direction == literal_column("-1"))
    .order_by(_votes.c.created_at.desc())
    .limit(DOWNVOTES_RUNNING)
)
_add_vote = Prepared(insert(_votes), columns=[column.name for column in _votes.c])
_turn_vote = Prepared(update(_votes).where(_this_vote).values(direction=bindparam("to"), created_at=bindparam("at")))
_remove_vote = Prepared(delete(_votes).where(_this_vote))
_this_item = update(_items).where(_items.c.id == bindparam("item_id"))
_moved_columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("score", "counted", "rank", "heat")}
_move_item = Prepared(_this_item.values(_moved_columns))
_move_item_and_time = Prepared(_this_item.values({**_moved_columns, "voted_at": bindparam("new_voted_at")}))
_raise_karma = Prepared(
    update(_members)
    .where(_members.c.user_id == bindparam("author_id"))
    .values(karma=_members.c.karma + bindparam("more", type_=_members.c.karma.type))
)


def vote(
    session: WriteSession,
    voter_id: str,
    item_id: int,
    direction: int,
    *,
    what: str | None = None,
    address_hash: str | None = None,
) -> VotedItem:
    """Vote up (1) or down (-1); the same again changes nothing, the opposite replaces it within the hour.

    `what` says what the item has to be: post, comment or pollopt. Raises NotFound, Forbidden, VoteStands, TooMany."""
    item, who, rules = _locked(session, voter_id, item_id, what)
    _check_item(item, direction)
    if item.author_id == voter_id:
        if direction < 0:
            raise Forbidden("You cannot vote down what is your own.")
        return item
    if item.type == "pollopt" and not _is_open(session, item):
        raise Forbidden("This cannot be voted on.")
    who = _acting(session, voter_id, who)
    if direction < 0:
        members.need_karma(who.karma, rules.karma_to_downvote, "vote down")
    before, lately = _vote_and_lately(session, voter_id, item.id)
    if before is None:
        _limit(who, lately, rules)
        suspicion = _suspicion(session, who, item, direction, address_hash)
        _add(session, voter_id, item, direction, suspicion, address_hash)
        return _moved(session, item, direction, direction if suspicion is None else 0, rules)
    if before.direction == direction:
        return item
    _check_time(before, rules)
    _turn_vote.run(session, which_item=item.id, which_voter=voter_id, to=direction, at=clock.now())
    return _moved(session, item, 2 * direction, 2 * direction if before.counted else 0, rules)


def undo(session: WriteSession, voter_id: str, item_id: int, *, what: str | None = None) -> VotedItem:
    """Take one's vote back within the hour; nothing happens where there is none. Raises NotFound, VoteStands."""
    item, _, rules = _locked(session, voter_id, item_id, what)
    row = _cast.first(session, which_item=item.id, which_voter=voter_id)
    if row is None:
        return item
    before = _Cast._make(row)
    _check_time(before, rules)
    _remove_vote.run(session, which_item=item.id, which_voter=voter_id)
    return _moved(session, item, -before.direction, -before.direction if before.counted else 0, rules)


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


def _locked(
    session: WriteSession, voter_id: str, item_id: int, what: str | None
) -> tuple[VotedItem, _Voter | None, Rules]:
    """The item with its row held until the end of the unit, who votes, if that is a member, and the rules in force.
    Raises NotFound for what the voter cannot know of."""
    row = _item.first(session, item_id=item_id, voter_id=voter_id) if 0 < item_id < items.LARGEST_ID else None
    if row is not None:
        of_item = len(VotedItem._fields)
        item = VotedItem._make(row[:of_item])
        known = item.state in ("live", "flagged", "dead", "deleted") or item.author_id == voter_id
        if known and (what is None or item.type in TARGETS[what]):
            voter = row[of_item:-1]
            return item, _Voter._make(voter) if voter[0] is not None else None, in_force(row[-1])
    raise NotFound(f"{'Item' if what is None else 'Post' if what == 'post' else 'Comment'} not found.")


def _check_item(item: VotedItem, direction: int) -> None:
    if direction not in (1, -1):
        raise Invalid("A vote is up or down.", field="vote_type")
    if item.state in CLOSED or item.type == "job":
        raise Forbidden("This cannot be voted on.")
    if item.type == "pollopt" and direction < 0:
        raise Forbidden("Options of polls are voted up only.")


def _is_open(session: ReadSession, option: VotedItem) -> bool:
    """Whether the poll of an option takes votes."""
    poll = session.get(Item, option.root_id)
    return poll is not None and poll.state not in CLOSED


def _acting(session: WriteSession, voter_id: str, known: _Voter | None) -> _Voter:
    """Who votes, a member from now on. Raises NotInvited, Banned."""
    if known is None:
        members.joined(session, voter_id)
        known = _Voter._make(_voter.first(session, voter_id=voter_id) or ())
    members.check_banned(known.banned_reason)
    return known


def _vote_and_lately(session: ReadSession, voter_id: str, item_id: int) -> tuple[_Cast | None, int]:
    """The voter's vote on the item, and how many votes the voter cast in the last hour."""
    since = clock.ago(hours=1)
    row = _cast_and_lately.first(session, which_item=item_id, which_voter=voter_id, since=since) or (0, None)
    return (None if row[1] is None else _Cast._make(row[1:])), row[0]


def _check_time(before: _Cast, rules: Rules) -> None:
    if before.created_at < clock.ago(minutes=rules.vote_change_minutes):
        raise VoteStands(f"A vote can be changed for {rules.vote_change_minutes} minutes.")


def _limit(who: _Voter, lately: int, rules: Rules) -> None:
    young = who.karma < 2 and who.joined_at > clock.ago(days=1)
    most = rules.new_votes_an_hour if young else rules.votes_an_hour
    if lately >= most:
        raise TooMany(f"That is more than {most} votes an hour. Wait a little.", retry_after=600)


def _suspicion(
    session: ReadSession, who: _Voter, item: VotedItem, direction: int, address_hash: str | None
) -> str | None:
    """Why a vote does not count for the rank, if it does not."""
    if who.karma < 1:
        return "karma"
    if who.karma < 2 and address_hash is not None and _seen_from(session, item, address_hash):
        return "address"
    if direction < 0 and item.author_id is not None:
        authors = [author for (author,) in _last_downvoted.rows(session, voter_id=who.user_id)]
        if authors == [item.author_id] * DOWNVOTES_RUNNING:
            return "downvotes"
    return None


def _seen_from(session: ReadSession, item: VotedItem, address_hash: str) -> bool:
    return _same_address.first(session, item_id=item.id, address_hash=address_hash) is not None


def _add(
    session: WriteSession,
    voter_id: str,
    item: VotedItem,
    direction: int,
    suspicion: str | None,
    address_hash: str | None,
) -> None:
    _add_vote.run(
        session,
        item_id=item.id,
        user_id=voter_id,
        author_id=item.author_id,
        direction=direction,
        counted=suspicion is None,
        suspicion=suspicion,
        address_hash=address_hash,
        created_at=clock.now(),
    )


def _moved(session: WriteSession, item: VotedItem, score: int, counted: int, rules: Rules) -> VotedItem:
    """Change score, points that count and the author's karma; the item's row is held by the caller."""
    item = item._replace(score=item.score + score, counted=item.counted + counted)
    if item.type in POST_TYPES:
        tags = items.penalised_tags(session, item.id) if item.has_penalised_tags else ()
        standing = items.standing_of(item, item.site_penalty, item.site_reason, tags)
        item = item._replace(rank=ranking.rank(standing, clock.now(), rules))
    values = {
        "item_id": item.id,
        "new_score": item.score,
        "new_counted": item.counted,
        "new_rank": item.rank,
        "new_heat": ranking.heat(item.score, item.created_at),
    }
    now = clock.now()
    if now - item.voted_at < VOTED_LATELY:
        _move_item.run(session, **values)
    else:
        _move_item_and_time.run(session, **values, new_voted_at=now)
    _read_anew(session, Item, item.id)
    if item.author_id is not None:
        if not _raise_karma.run(session, author_id=item.author_id, more=score):
            members.member(session, item.author_id)
            _raise_karma.run(session, author_id=item.author_id, more=score)
        _read_anew(session, Member, item.author_id)
    return item


def _read_anew(session: WriteSession, kind: type[Any], key: object) -> None:
    """What the Session holds of a row that was changed past it."""
    held = session.identity_map.get((kind, (key,), None))
    if held is not None:
        session.refresh(held)


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
