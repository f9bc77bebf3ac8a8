"""Votes."""

from __future__ import annotations

import msgspec

from dodeca.commons.accounts.public import Account, Actor
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Access, AnyBody, Call, Calling, ClosedRequest, DbWrite, FromQuery, delete, post
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, check_id, check_name, number, require
from dodeca.products.news.api.posts import Line
from dodeca.products.news.models import POST_TYPES, Item
from dodeca.products.news.service import items, listing
from dodeca.products.news.service.members import Viewer

DIRECTIONS = {"upvote": 1, "downvote": -1}
TARGETS = {"post": POST_TYPES, "comment": ("comment",), "pollopt": ("pollopt",)}
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


def _target(session: WriteSession, viewer: Viewer, target_type: str, target_id: int) -> Item:
    flagged_too = Viewer(viewer.account_id, viewer.is_moderator, showdead=True)
    item = items.find(session, flagged_too, target_id, "post" if target_type == "post" else "comment")
    if item.type not in TARGETS[target_type]:
        raise NotFound(f"{'Post' if target_type == 'post' else 'Comment'} not found.")
    return item


def _vote(session: WriteSession, call: Call, account: Account, item: Item, vote_type: str | None) -> Recorded:
    flows.vote(session, call, account, item.id, DIRECTIONS[vote_type or ""])
    return Recorded()


@post("/votes", access=Access.MEMBER)
def create_vote(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewVote]) -> VoteAnswer:
    """Vote on a post, a comment or an option of a poll."""
    message = "Voter ID, target type, target ID, and vote type are required."
    require(
        message,
        voter_id=data.voter_id,
        target_type=data.target_type,
        target_id=data.target_id,
        vote_type=data.vote_type,
    )
    if data.target_type not in TARGETS or data.vote_type not in DIRECTIONS:
        raise Invalid(INVALID, field="vote_type" if data.target_type in TARGETS else "target_type")
    check_id(session, account, data.voter_id)
    item = _target(session, viewer, data.target_type or "", number(data.target_id))
    answer = _vote(session, call, account, item, data.vote_type)
    target, vote_type = data.target_type or "", data.vote_type or ""
    return VoteAnswer(answer.message, VoteView(f"{item.id}-{account.id}", account.id, target, item.id, vote_type))


@delete("/votes", access=Access.MEMBER)
def delete_vote(
    session: DbWrite,
    call: Calling,
    account: Actor,
    viewer: Looking,
    target_type: FromQuery[str],
    target_id: FromQuery[int],
) -> None:
    """Take one's vote back within the hour."""
    if target_type not in TARGETS:
        raise Invalid(INVALID, field="target_type")
    item = _target(session, viewer, target_type, target_id)
    flows.vote(session, call, account, item.id, 0)


@post("/posts/vote", access=Access.MEMBER, status=200)
def vote_by_title(session: DbWrite, call: Calling, account: Actor, data: AnyBody[TitledVote]) -> Recorded:
    """Vote on a post by its title."""
    require(INVALID, post_title=data.post_title, username=data.username, vote_type=data.vote_type)
    if data.vote_type not in DIRECTIONS:
        raise Invalid(INVALID, field="vote_type")
    check_name(session, account, data.username or "")
    item = listing.newest_of_title(session, data.post_title or "")
    return _vote(session, call, account, item, data.vote_type)


@post("/vote", access=Access.MEMBER, status=200)
def vote_by_name(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NamedVote]
) -> Recorded:
    """Vote on a post."""
    require(INVALID, post_id=data.post_id, username=data.username, vote_type=data.vote_type)
    if data.vote_type not in DIRECTIONS:
        raise Invalid(INVALID, field="vote_type")
    check_name(session, account, data.username or "")
    item = _target(session, viewer, "post", number(data.post_id))
    return _vote(session, call, account, item, data.vote_type)


routes = [create_vote, delete_vote, vote_by_title, vote_by_name]
