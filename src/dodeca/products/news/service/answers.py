"""Accepted answers: who asked says which comment answered it."""

from __future__ import annotations

from dodeca.commons import notifications
from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Forbidden
from dodeca.products.news.models import Item
from dodeca.products.news.service import items
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT


def can_accept(account_id: str | None, post: Item) -> bool:
    """Whether somebody may say which comment answered a post."""
    return account_id is not None and post.kind == "ask" and post.author_id == account_id and post.state == "live"


def accept(session: WriteSession, asker: Account, viewer: Viewer, comment_id: int) -> Item:
    """Mark another's comment as the answer to one's own question, in place of an earlier one; gives the post.

    Raises NotFound, Forbidden, Conflict."""
    comment = items.find_comment(session, viewer, comment_id)
    post = items.locked(session, comment.root_id or 0)
    _check(asker, post)
    if comment.state != "live":
        raise Conflict(f"This is {comment.state}.")
    if comment.author_id == asker.id:
        raise Forbidden("An answer is accepted from somebody else.")
    if post.accepted_id != comment.id:
        post.accepted_id, post.updated_at = comment.id, clock.now()
        _tell(session, asker, post, comment)
    session.flush()
    return post


def unaccept(session: WriteSession, asker: Account, viewer: Viewer, post_id: int) -> Item:
    """Take the mark away; gives the post. Raises NotFound, Forbidden."""
    items.find_post(session, viewer, post_id)
    post = items.locked(session, post_id)
    _check(asker, post)
    post.accepted_id, post.updated_at = None, clock.now()
    session.flush()
    return post


def _check(asker: Account, post: Item) -> None:
    if post.author_id != asker.id:
        raise Forbidden("Only who asked can accept an answer.")
    if post.kind != "ask":
        raise Conflict("Only questions have an accepted answer.")


def _tell(session: WriteSession, asker: Account, post: Item, comment: Item) -> None:
    if comment.author_id is None:
        return
    notice = notifications.Notice(
        product=PRODUCT,
        kind="reply",
        title=f"{asker.username} accepted your answer",
        body=post.title,
        href=f"/news/item?id={comment.id}",
        key=f"news:accepted:{post.id}:{comment.id}",
    )
    notifications.notify(session, comment.author_id, notice)
