"""Comments."""

from __future__ import annotations

from dodeca.commons.accounts.public import Account, Actor
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    delete,
    get,
    patch,
    post,
)
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, check_id, check_name, number, require
from dodeca.products.news.api.posts import Line, Text
from dodeca.products.news.service import items, threads
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.views import CommentAnswer, OneComment, comment_views, tree


class NewComment(ClosedRequest):
    """An answer to a post, or to a comment of it (`parent_id`)."""

    post_id: int | str | None = None
    author_id: str | int | None = None
    content: Text | None = None
    parent_id: int | str | None = None


class NamedComment(ClosedRequest):
    """The same with a username."""

    post_id: int | str | None = None
    username: Line | None = None
    content: Text | None = None
    parent_id: int | str | None = None


class CommentChanges(ClosedRequest):
    """What shall be different."""

    content: Text


def _comment(
    session: WriteSession, call: Call, account: Account, viewer: Viewer, data: NewComment | NamedComment
) -> CommentAnswer:
    root = items.find_post(session, viewer, number(data.post_id))
    parent_id = root.id
    if data.parent_id is not None:
        parent = items.find(session, viewer, number(data.parent_id), "comment")
        if root.id not in (parent.id, parent.root_id):
            raise Invalid("parent_id is a comment of another post.", field="parent_id")
        parent_id = parent.id
    item = flows.comment(session, call, account, viewer, parent_id, data.content or "")
    return CommentAnswer("Comment added successfully.", comment_views(session, viewer, [item])[0])


@post("/comments", access=Access.MEMBER)
def create_comment(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NewComment]
) -> CommentAnswer:
    """Comment on a post."""
    message = "Post ID, author ID, and content are required."
    require(message, post_id=data.post_id, author_id=data.author_id, content=data.content)
    check_id(session, call, data.author_id)
    return _comment(session, call, account, viewer, data)


@post("/comment", access=Access.MEMBER)
def create_named_comment(
    session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[NamedComment]
) -> CommentAnswer:
    """Comment on a post."""
    message = "Post ID, username, and content are required."
    require(message, post_id=data.post_id, username=data.username, content=data.content)
    check_name(session, call, data.username or "")
    return _comment(session, call, account, viewer, data)


@get("/comments/{comment_id:int}", access=Access.PUBLIC)
def read_comment(
    session: DbRead, viewer: Looking, comment_id: FromPath[int], sort: FromQuery[str] = "best"
) -> OneComment:
    """A comment with all that is below it."""
    item = items.find_comment(session, viewer, comment_id)
    root = items.find_post(session, viewer, item.root_id or 0)
    for top in threads.thread(session, viewer, root, sort=sort):
        for node in top.walk():
            if node.row.id == item.id:
                return OneComment(tree(session, viewer, [node])[0])
    raise NotFound("Comment not found.")


@patch("/comments/{comment_id:int}", access=Access.MEMBER)
def change_comment(
    session: DbWrite,
    call: Calling,
    account: Actor,
    viewer: Looking,
    comment_id: FromPath[int],
    data: AnyBody[CommentChanges],
) -> CommentAnswer:
    """Change one's own comment within two hours."""
    item = items.find_comment(session, viewer, comment_id, lock=True)
    flows.edit(session, call, account, item, content=data.content)
    return CommentAnswer("Comment updated successfully.", comment_views(session, viewer, [item])[0])


@delete("/comments/{comment_id:int}", access=Access.MEMBER)
def delete_comment(session: DbWrite, call: Calling, account: Actor, viewer: Looking, comment_id: FromPath[int]) -> None:
    """Delete one's own comment within two hours, if nobody answered."""
    item = items.find_comment(session, viewer, comment_id, lock=True)
    flows.remove(session, call, account, item)


routes = [create_comment, create_named_comment, read_comment, change_comment, delete_comment]
