"""Votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from dodeca.kernel.db import Gathering
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbWrite,
    FromQuery,
    Post,
    delete,
    post,
)
from dodeca.products.news import flows
from dodeca.products.news.acting import check_id, check_name, number, require
from dodeca.products.news.api.posts import Line
from dodeca.products.news.service import listing, voting
from dodeca.products.news.service.vote_rows import VotedItem

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

DIRECTIONS = {"upvote": 1, "downvote": -1}
INVALID = "Invalid input data."


Word: TypeAlias = Any
"""A word out of a few: whatever else comes is refused in the endpoint's own sentence, as another word is."""


class NewVote(ClosedRequest):
    """A vote."""

    voter_id: str | int | None = None
    target_type: Word = None
    target_id: int | str | None = None
    vote_type: Word = None


class NamedVote(ClosedRequest):
    """A vote on a post."""

    post_id: int | str | None = None
    username: Line | None = None
    vote_type: Word = None


class TitledVote(ClosedRequest):
    """A vote on the newest live post of a title."""

    post_title: Line | None = None
    username: Line | None = None
    vote_type: Word = None


class Target(ClosedRequest):
    """What a vote was for."""

    target_type: Line | None = None
    target_id: int | str | None = None


class VoteView(msgspec.Struct):
    """A vote as it stands. Its `id` is the item's and the voter's."""

    id: str
    voter_id: str
    target_type: str
    target_id: int
    vote_type: str


class VoteAnswer(msgspec.Struct):
    """The vote was recorded."""

    message: str
    vote: VoteView


class Recorded(msgspec.Struct):
    """The vote was recorded."""

    message: str = "Vote recorded successfully."


def _direction(vote_type: object) -> int:
    if not isinstance(vote_type, str) or vote_type not in DIRECTIONS:
        raise Invalid(INVALID, field="vote_type")
    return DIRECTIONS[vote_type]


def _wanted(call: Call, data: NewVote) -> voting.Asked:
    """The vote that a request names. Raises Invalid."""
    message = "Voter ID, target type, target ID, and vote type are required."
    require(
        message,
        voter_id=data.voter_id,
        target_type=data.target_type,
        target_id=data.target_id,
        vote_type=data.vote_type,
    )
    if not isinstance(data.target_type, str) or data.target_type not in voting.TARGETS:
        raise Invalid(INVALID, field="target_type")
    return flows.asked(call, number(data.target_id), _direction(data.vote_type), data.target_type)


def _wanted_by_name(call: Call, data: NamedVote) -> voting.Asked:
    """The same for a post, with the voter's name."""
    require(INVALID, post_id=data.post_id, username=data.username, vote_type=data.vote_type)
    return flows.asked(call, number(data.post_id), _direction(data.vote_type), "post")


def _answer(data: NewVote, asked: voting.Asked) -> VoteAnswer:
    view = VoteView(
        id=f"{asked.item_id}-{asked.voter_id}",
        voter_id=asked.voter_id,
        target_type=data.target_type,
        target_id=asked.item_id,
        vote_type=data.vote_type,
    )
    return VoteAnswer(Recorded().message, view)


@post("/votes", access=Access.MEMBER)
def create_vote(session: DbWrite, call: Calling, data: AnyBody[NewVote]) -> VoteAnswer:
    """Vote on a post, a comment or an option of a poll."""
    asked = _wanted(call, data)
    check_id(session, call, data.voter_id)
    flows.vote(session, call, asked)
    return _answer(data, asked)


@delete("/votes", access=Access.MEMBER)
def delete_vote(
    session: DbWrite,
    call: Calling,
    data: AnyBody[Target],
    target_type: FromQuery[str | None] = None,
    target_id: FromQuery[int | None] = None,
) -> None:
    """Take one's vote back within the hour. The target stands in the query, or in a body where clients send one."""
    kind = target_type if target_type is not None else data.target_type
    which = target_id if target_id is not None else data.target_id
    require("Target type and target ID are required.", target_type=kind, target_id=which)
    if kind not in voting.TARGETS:
        raise Invalid(INVALID, field="target_type")
    flows.vote(session, call, flows.asked(call, number(which), 0, kind))


@post("/posts/vote", access=Access.MEMBER, status=200)
def vote_by_title(session: DbWrite, call: Calling, data: AnyBody[TitledVote]) -> Recorded:
    """Vote on a post by its title."""
    require(INVALID, post_title=data.post_title, username=data.username, vote_type=data.vote_type)
    direction = _direction(data.vote_type)
    check_name(session, call, data.username or "")
    post_id = listing.newest_of_title(session, data.post_title or "")
    flows.vote(session, call, flows.asked(call, post_id, direction, "post"))
    return Recorded()


@post("/vote", access=Access.MEMBER, status=200)
def vote_by_name(session: DbWrite, call: Calling, data: AnyBody[NamedVote]) -> Recorded:
    """Vote on a post."""
    asked = _wanted_by_name(call, data)
    check_name(session, call, data.username or "")
    flows.vote(session, call, asked)
    return Recorded()


class GatheredVotes:
    """What programs post most often, for the lane: votes that wait together are cast by one call."""

    def __init__(self, platform: Platform) -> None:
        self._db = platform.db
        self._votes: Gathering[voting.Asked, VotedItem] = Gathering(
            platform.db, lambda session, votes: flows.vote_many(session, platform, votes)
        )
        self.posts = {
            "/api/news/votes": Post(NewVote, self._cast, 201),
            "/api/news/vote": Post(NamedVote, self._cast_by_name, 200),
        }

    async def _cast(self, call: Call, data: NewVote) -> VoteAnswer:
        asked = _wanted(call, data)
        if str(data.voter_id) != asked.voter_id:  # a refusal: who else is there has to be looked up
            await self._db.aread(lambda session: check_id(session, call, data.voter_id))
        await self._votes.awrite(asked)
        return _answer(data, asked)

    async def _cast_by_name(self, call: Call, data: NamedVote) -> Recorded:
        asked, name = _wanted_by_name(call, data), data.username or ""
        if name.lower() != call.member().username.lower():
            await self._db.aread(lambda session: check_name(session, call, name))
        await self._votes.awrite(asked)
        return Recorded()


routes = [create_vote, delete_vote, vote_by_title, vote_by_name]
