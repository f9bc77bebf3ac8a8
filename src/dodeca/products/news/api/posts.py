"""Submitting posts, three ways."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response

from dodeca.commons.accounts.public import Account, Actor
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, AnyBody, Call, Calling, ClosedRequest, DbWrite, FromPath, delete, patch, post
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, check_id, check_name, require
from dodeca.products.news.service import items, posting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.views import PostAnswer, post_view

Line = Annotated[str, msgspec.Meta(max_length=4096)]
Text = Annotated[str, msgspec.Meta(max_length=100_000)]
Names = Annotated[list[Line], msgspec.Meta(max_length=20)]
KINDS = ("story", "ask", "show", "poll")


class NewPost(ClosedRequest):
    """A post with text, a link or both; with options a poll."""

    author_id: str | int | None = None
    title: Line | None = None
    content: Text | None = None
    url: Line | None = None
    tags: Names = msgspec.field(default_factory=list)
    kind: Line | None = None
    options: Names = msgspec.field(default_factory=list)


class NewLink(ClosedRequest):
    """A link."""

    title: Line | None = None
    url: Line | None = None
    username: Line | None = None


class NewText(ClosedRequest):
    """A text."""

    title: Line | None = None
    content: Text | None = None
    username: Line | None = None


class PostChanges(ClosedRequest):
    """What shall be different."""

    title: Line | None = None
    content: Text | None = None
    tags: Names | None = None


def _submit(
    session: WriteSession, call: Call, account: Account, viewer: Viewer, submission: posting.Submission, message: str
) -> Response[bytes]:
    item, is_new = flows.submit(session, call, account, submission)
    if not is_new:
        message = "Already posted; your vote was added."
    answer = PostAnswer(message, post_view(session, viewer, item))
    return Response(msgspec.json.encode(answer), status_code=201 if is_new else 200, media_type="application/json")


@post("/posts", access=Access.MEMBER)
def create_post(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewPost]
) -> Response[bytes]:
    """Post a text, a link or a poll."""
    message = "Author ID, title, and content are required."
    text = data.content or data.url or ("poll" if data.options else None)
    require(message, author_id=data.author_id, title=data.title, content=text)
    check_id(session, call, data.author_id)
    if data.kind is not None and data.kind not in KINDS:
        raise Invalid("kind is story, ask, show or poll.", field="kind")
    if (data.kind == "poll") != bool(data.options) and (data.kind == "poll" or data.options):
        raise Invalid("A poll, and only a poll, has options: give kind poll and 2 to 10 of them.", field="options")
    submission = posting.Submission(data.title or "", data.url, data.content or "", data.tags, data.options)
    return _submit(session, call, account, viewer, submission, "Post created successfully.")


@post("/posts/submit", access=Access.MEMBER)
def submit_link(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewLink]
) -> Response[bytes]:
    """Post a link. One that was posted within 30 days gets an upvote instead."""
    require("Title, URL, and username are required.", title=data.title, url=data.url, username=data.username)
    check_name(session, call, data.username or "")
    submission = posting.Submission(data.title or "", data.url)
    return _submit(session, call, account, viewer, submission, "Post submitted successfully.")


@post("/submit_post", access=Access.MEMBER)
def submit_text(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewText]
) -> Response[bytes]:
    """Post a text."""
    message = "Title, content, and username are required."
    require(message, title=data.title, content=data.content, username=data.username)
    check_name(session, call, data.username or "")
    submission = posting.Submission(data.title or "", None, data.content or "")
    return _submit(session, call, account, viewer, submission, "Post submitted successfully.")


@patch("/posts/{post_id:int}", access=Access.MEMBER)
def change_post(
    session: DbWrite,
    call: Calling,
    account: Actor,
    viewer: Looking,
    post_id: FromPath[int],
    data: AnyBody[PostChanges],
) -> PostAnswer:
    """Change one's own post within two hours."""
    item = items.find_post(session, viewer, post_id, lock=True)
    flows.edit(session, call, account, item, title=data.title, content=data.content, tags=data.tags)
    return PostAnswer("Post updated successfully.", post_view(session, viewer, item))


@delete("/posts/{post_id:int}", access=Access.MEMBER)
def delete_post(session: DbWrite, call: Calling, account: Actor, viewer: Looking, post_id: FromPath[int]) -> None:
    """Delete one's own post within two hours, if nobody answered."""
    item = items.find_post(session, viewer, post_id, lock=True)
    flows.remove(session, call, account, item)


routes = [create_post, submit_link, submit_text, change_post, delete_post]
