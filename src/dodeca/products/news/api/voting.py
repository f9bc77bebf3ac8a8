"""Votes."""

from __future__ import annotations

import msgspec

from dodeca.kernel.db import WriteSession
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
    written,
)
from dodeca.products.news import flows
from dodeca.products.news.acting import check_id, check_name, number, require
from dodeca.products.news.api.posts import Line
from dodeca.products.news.service import listing, voting

DIRECTIONS = {"upvote": 1, "downvote": -1}
INVALID = "Invalid input data."


class NewVote(ClosedRequest):
    """A vote."""

    voter_id: str | int | None = None
    target_type: Line | None = None
    target_id: int | str | None = None
    vote_type: Line | None = None


class NamedVote(ClosedRequest):
    """A vote on a post."""

    post_id: int | str | None = None
    username: Line | None = None
    vote_type: Line | None = None


class TitledVote(ClosedRequest):
    """A vote on the newest live post of a title."""

    post_title: Line | None = None
    username: Line | None = None
    vote_type: Line | None = None


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


def _direction(vote_type: str | None) -> int:
    if vote_type not in DIRECTIONS:
        raise Invalid(INVALID, field="vote_type")
    return DIRECTIONS[vote_type]


def record(session: WriteSession, call: Call, data: NewVote) -> VoteAnswer:
    """Vote on what the request names. Raises Invalid, Forbidden, NotFound and what `voting.vote` does."""
    message = "Voter ID, target type, target ID, and vote type are required."
    require(
        message,
        voter_id=data.voter_id,
        target_type=data.target_type,
        target_id=data.target_id,
        vote_type=data.vote_type,
    )
    target_type, vote_type = data.target_type or "", data.vote_type or ""
    if target_type not in voting.TARGETS:
        raise Invalid(INVALID, field="target_type")
    direction = _direction(vote_type)
    check_id(session, call, data.voter_id)
    item = flows.vote(session, call, number(data.target_id), direction, what=target_type)
    voter_id = call.member().account_id
    view = VoteView(f"{item.id}-{voter_id}", voter_id, target_type, item.id, vote_type)
    return VoteAnswer(Recorded().message, view)


def record_by_name(session: WriteSession, call: Call, data: NamedVote) -> Recorded:
    """The same for a post, with the voter's name."""
    require(INVALID, post_id=data.post_id, username=data.username, vote_type=data.vote_type)
    direction = _direction(data.vote_type)
    check_name(session, call, data.username or "")
    flows.vote(session, call, number(data.post_id), direction, what="post")
    return Recorded()


@post("/votes", access=Access.MEMBER)
def create_vote(session: DbWrite, call: Calling, data: AnyBody[NewVote]) -> VoteAnswer:
    """Vote on a post, a comment or an option of a poll."""
    return record(session, call, data)


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
    flows.vote(session, call, number(which), 0, what=kind)


@post("/posts/vote", access=Access.MEMBER, status=200)
def vote_by_title(session: DbWrite, call: Calling, data: AnyBody[TitledVote]) -> Recorded:
    """Vote on a post by its title."""
    require(INVALID, post_title=data.post_title, username=data.username, vote_type=data.vote_type)
    direction = _direction(data.vote_type)
    check_name(session, call, data.username or "")
    flows.vote(session, call, listing.newest_of_title(session, data.post_title or ""), direction, what="post")
    return Recorded()


@post("/vote", access=Access.MEMBER, status=200)
def vote_by_name(session: DbWrite, call: Calling, data: AnyBody[NamedVote]) -> Recorded:
    """Vote on a post."""
    return record_by_name(session, call, data)


POSTS = {
    "/api/news/votes": Post(NewVote, written(record), 201),
    "/api/news/vote": Post(NamedVote, written(record_by_name), 200),
}
"""What programs post most often: the lane answers it, see `PostingLane`."""

routes = [create_vote, delete_vote, vote_by_title, vote_by_name]
