"""Votes: one a person an item, whatever happens at once; vote, score and karma commit together.

A vote is the most frequent write. All that wait at the same moment are cast by one call, one after the other in memory,
with a statement for all where each would need its own (see `vote_rows`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, Forbidden, Invalid, NotFound, TooMany
from dodeca.products.news import ranking
from dodeca.products.news.models import POST_TYPES, Item, Vote
from dodeca.products.news.service import items, members, vote_rows
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.vote_rows import DOWNVOTES_RUNNING, Cast, Pair, VotedItem, Voter

VOTED_LATELY = timedelta(minutes=1)
"""What was voted on so lately keeps its `voted_at`: days matter there, and to move it in its index costs a page."""
CLOSED = ("dead", "deleted", "pending")
"""States in which nothing is voted on."""
TARGETS = {"post": POST_TYPES, "comment": ("comment",), "pollopt": ("pollopt",)}


class VoteStands(Conflict):
    """The time in which a vote could be changed is over."""


class Asked(NamedTuple):
    """A vote that somebody wants: up (1), down (-1), or the one before taken back (0).

    `what` says what the item has to be: post, comment or pollopt."""

    voter_id: str
    item_id: int
    direction: int
    what: str | None = None
    address_hash: str | None = None


def vote_many(session: WriteSession, asked: Sequence[Asked]) -> list[VotedItem | DodecaError]:
    """Cast votes in their order; gives for each the item as it leaves it, or why it was refused: NotFound, Forbidden,
    VoteStands, TooMany, Invalid. A refused one leaves nothing.

    The same vote again changes nothing; the opposite replaces it, and 0 takes it back, within the hour."""
    votes, results = _Votes(session, asked), list[VotedItem | DodecaError]()
    for one in asked:
        try:
            results.append(votes.cast(one))
        except DodecaError as error:
            results.append(error)
    votes.store()
    return results


def vote(
    session: WriteSession,
    voter_id: str,
    item_id: int,
    direction: int,
    *,
    what: str | None = None,
    address_hash: str | None = None,
) -> VotedItem:
    """One vote, see `vote_many`, whose refusals are raised."""
    (result,) = vote_many(session, [Asked(voter_id, item_id, direction, what, address_hash)])
    if isinstance(result, DodecaError):
        raise result
    return result


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


class _Votes:
    """The votes of one call: what was found, and what those before leave of it. What they leave is stored at the end,
    or before something is looked up that depends on it."""

    def __init__(self, session: WriteSession, asked: Sequence[Asked]) -> None:
        self._session = session
        self._now = clock.now()
        pairs = sorted({(one.item_id, one.voter_id) for one in asked if 0 < one.item_id < items.LARGEST_ID})
        found = vote_rows.hold(session, pairs)
        self._items, self._voters, self._rules = found.items, found.voters, found.rules
        pairs = [pair for pair in pairs if pair[0] in self._items]
        self._votes, self._lately = vote_rows.cast_and_lately(session, pairs, clock.ago(hours=1))
        self._stored = dict(self._votes)
        self._added: dict[Pair, dict[str, object]] = {}
        self._moved: set[int] = set()
        self._karma: Counter[str] = Counter()
        self._joining: set[str] = set()

    def cast(self, one: Asked) -> VotedItem:
        """The item as this vote leaves it. Raises what `vote_many` gives."""
        self._now = clock.now()
        item = self._known(one)
        if one.direction == 0:
            return self._take_back(item, one.voter_id)
        _check_item(item, one.direction)
        if item.author_id == one.voter_id:
            if one.direction < 0:
                raise Forbidden("You cannot vote down what is your own.")
            return item
        if item.type == "pollopt" and not _is_open(self._session, item):
            raise Forbidden("This cannot be voted on.")
        who = self._acting(one.voter_id)
        if one.direction < 0:
            members.need_karma(who.karma, self._rules.karma_to_downvote, "vote down")
        before = self._votes.get((item.id, one.voter_id))
        if before is None:
            return self._add(item, who, one)
        if before.direction == one.direction:
            return item
        self._check_time(before)
        self._votes[item.id, one.voter_id] = before._replace(direction=one.direction, created_at=self._now)
        return self._move(item, 2 * one.direction, 2 * one.direction if before.counted else 0)

    def _known(self, one: Asked) -> VotedItem:
        """The item. Raises NotFound for what the voter cannot know of."""
        item = self._items.get(one.item_id)
        if item is not None:
            known = item.state in ("live", "flagged", "dead", "deleted") or item.author_id == one.voter_id
            if known and (one.what is None or item.type in TARGETS[one.what]):
                return item
        raise NotFound(f"{'Item' if one.what is None else 'Post' if one.what == 'post' else 'Comment'} not found.")

    def _take_back(self, item: VotedItem, voter_id: str) -> VotedItem:
        before = self._votes.get((item.id, voter_id))
        if before is None:
            return item
        self._check_time(before)
        del self._votes[item.id, voter_id]
        return self._move(item, -before.direction, -before.direction if before.counted else 0)

    def _acting(self, voter_id: str) -> Voter:
        """Who votes, a member from now on. Raises NotInvited, Banned."""
        who = self._voters.get(voter_id)
        if who is None:
            members.check_open(self._session, voter_id)
            return Voter(voter_id, members.FIRST_KARMA, self._now, None)
        members.check_banned(who.banned_reason)
        return who

    def _check_time(self, before: Cast) -> None:
        minutes = self._rules.vote_change_minutes
        if before.created_at < self._now - timedelta(minutes=minutes):
            raise VoteStands(f"A vote can be changed for {minutes} minutes.")

    def _add(self, item: VotedItem, who: Voter, one: Asked) -> VotedItem:
        self._check_limit(who)
        if (item.id, one.voter_id) in self._stored:  # taken back a moment ago
            self.store()
        suspicion = self._suspicion(who, item, one)
        if one.voter_id not in self._voters:
            self._voters[one.voter_id] = who
            self._joining.add(one.voter_id)
        self._lately[one.voter_id] += 1
        pair = item.id, one.voter_id
        self._votes[pair] = Cast(one.direction, suspicion is None, self._now)
        self._added[pair] = {
            "item_id": item.id,
            "user_id": one.voter_id,
            "author_id": item.author_id,
            "counted": suspicion is None,
            "suspicion": suspicion,
            "address_hash": one.address_hash,
        }
        return self._move(item, one.direction, one.direction if suspicion is None else 0)

    def _check_limit(self, who: Voter) -> None:
        young = who.karma < 2 and who.joined_at > self._now - timedelta(days=1)
        most = self._rules.new_votes_an_hour if young else self._rules.votes_an_hour
        if self._lately[who.user_id] >= most:
            raise TooMany(f"That is more than {most} votes an hour. Wait a little.", retry_after=600)

    def _suspicion(self, who: Voter, item: VotedItem, one: Asked) -> str | None:
        """Why a vote does not count for the rank, if it does not."""
        if who.karma < 1:
            return "karma"
        if who.karma < 2 and one.address_hash is not None:
            self.store()
            if vote_rows.is_seen_from(self._session, item.id, one.address_hash):
                return "address"
        if one.direction < 0 and item.author_id is not None:
            self.store()
            if vote_rows.last_downvoted(self._session, who.user_id) == [item.author_id] * DOWNVOTES_RUNNING:
                return "downvotes"
        return None

    def _move(self, item: VotedItem, score: int, counted: int) -> VotedItem:
        """Change score, points that count and the author's karma."""
        item = item._replace(score=item.score + score, counted=item.counted + counted)
        item = item._replace(heat=ranking.heat(item.score, item.created_at))
        if item.type in POST_TYPES:
            tags = items.penalised_tags(self._session, item.id) if item.has_penalised_tags else ()
            standing = items.standing_of(item, item.site_penalty, item.site_reason, tags)
            item = item._replace(rank=ranking.rank(standing, self._now, self._rules))
        self._items[item.id] = item
        self._moved.add(item.id)
        if item.author_id is not None:
            self._karma[item.author_id] += score
            if (author := self._voters.get(item.author_id)) is not None:
                self._voters[author.user_id] = author._replace(karma=author.karma + score)
        return item

    def store(self) -> None:
        """Write what has changed since it was last stored."""
        if not self._moved:
            return
        session = self._session
        for voter_id in sorted(self._joining):
            members.member(session, voter_id)
        self._store_votes()
        moved = [self._items[item_id] for item_id in sorted(self._moved)]
        voted = [item.id for item in moved if self._now - item.voted_at >= VOTED_LATELY]
        vote_rows.move(session, moved, voted, self._now)
        missing = {item.author_id for item in moved if item.author_id is not None and not item.author_is_member}
        vote_rows.raise_karma(session, self._karma, missing)
        for item in moved:
            at = self._now if item.id in voted else item.voted_at
            self._items[item.id] = item._replace(voted_at=at, author_is_member=True)
        self._stored = dict(self._votes)
        for pending in (self._added, self._moved, self._karma, self._joining):
            pending.clear()

    def _store_votes(self) -> None:
        votes, stored = self._votes, self._stored
        new = [
            {**row, "direction": votes[pair].direction, "created_at": votes[pair].created_at}
            for pair, row in self._added.items()
            if pair in votes and pair not in stored
        ]
        vote_rows.add(self._session, new)
        vote_rows.turn(self._session, {p: votes[p] for p in stored if p in votes and votes[p] != stored[p]})
        vote_rows.remove(self._session, [pair for pair in stored if pair not in votes])


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
