"""Flags, vouches, favourites, hiding: PUT-like, so all may be repeated."""

from __future__ import annotations

from dodeca.commons.accounts.public import Account, Actor
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, DbWrite, FromPath, delete, post
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, number, require
from dodeca.products.news.api.posts import Line
from dodeca.products.news.service import items, marks
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.views import PostAnswer, post_view

MARKS = ("flag", "vouch", "favorite", "hide")


class Mark(ClosedRequest):
    """A flag needs its reason: off_topic, already_posted, spam or unkind."""

    reason: Line = ""


class Accepted(ClosedRequest):
    """The comment that answers the question."""

    comment_id: int | str | None = None


def _put(session: WriteSession, account: Account, viewer: Viewer, item_id: int, what: str, reason: str) -> None:
    if what == "flag":
        marks.flag(session, account, viewer, item_id, reason)
    elif what == "vouch":
        marks.vouch(session, account, viewer, item_id)
    elif what in MARKS:
        marks.mark(session, account, viewer, item_id, what)
    else:
        raise NotFound()


def _drop(session: WriteSession, account: Account, viewer: Viewer, item_id: int, what: str) -> None:
    if what == "flag":
        marks.unflag(session, account, viewer, item_id)
    elif what == "vouch":
        marks.unvouch(session, account, viewer, item_id)
    elif what in MARKS:
        marks.unmark(session, account, item_id, what)
    else:
        raise NotFound()


_PATHS = ["/posts/{item_id:int}/{mark:str}", "/comments/{item_id:int}/{mark:str}"]


@post(_PATHS, access=Access.MEMBER, status=204)
def put_mark(
    session: DbWrite,
    call: Calling,
    account: Actor,
    viewer: Looking,
    item_id: FromPath[int],
    mark: FromPath[str],
    data: AnyBody[Mark],
) -> None:
    """Flag, vouch for, favour or hide an item."""
    _put(session, account, viewer, item_id, mark, data.reason)
    if mark in ("flag", "vouch"):
        flows.changed(session, call, items.locked(session, item_id))


@delete(_PATHS, access=Access.MEMBER)
def drop_mark(session: DbWrite, account: Actor, viewer: Looking, item_id: FromPath[int], mark: FromPath[str]) -> None:
    """Take it back."""
    _drop(session, account, viewer, item_id, mark)


@post("/posts/{post_id:int}/accept", access=Access.MEMBER, status=200)
def accept(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, post_id: FromPath[int], data: AnyBody[Accepted]
) -> PostAnswer:
    """Accept a comment as the answer to one's own question."""
    require("Comment ID is required.", comment_id=data.comment_id)
    comment = items.find_comment(session, viewer, number(data.comment_id))
    if comment.root_id != post_id:
        raise NotFound("Comment not found.")
    item = flows.accept(session, call, account, viewer, comment.id)
    return PostAnswer("Answer accepted.", post_view(session, viewer, item))


@delete("/posts/{post_id:int}/accept", access=Access.MEMBER)
def unaccept(session: DbWrite, call: Calling, account: Actor, viewer: Looking, post_id: FromPath[int]) -> None:
    """Take that back."""
    flows.unaccept(session, call, account, viewer, post_id)


routes = [accept, unaccept, put_mark, drop_mark]
