"""What the API, the pages and other clients do alike: act through the service, index, and tell open pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dodeca.commons.accounts.public import Account
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call
from dodeca.products.news import live
from dodeca.products.news.acting import address_hash
from dodeca.products.news.models import Item
from dodeca.products.news.service import answers, items, posting, searching, suggesting, voting
from dodeca.products.news.service.members import VISITOR, Viewer
from dodeca.products.news.service.vote_rows import VotedItem
from dodeca.products.news.views import comment_views, post_view

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def submit(session: WriteSession, call: Call, account: Account, submission: posting.Submission) -> tuple[Item, bool]:
    """Post; gives the post and whether it is new. See `posting.submit`."""
    item, is_new = posting.submit(session, account, submission, address_hash=address_hash(call))
    searching.later(session, item)
    if is_new:
        live.added(session, call.platform, item, post_view(session, VISITOR, item))
    else:
        live.score_changed(session, call.platform, item)
    return item, is_new


def comment(session: WriteSession, call: Call, account: Account, viewer: Viewer, parent_id: int, content: str) -> Item:
    """Answer a post or a comment. See `posting.comment`."""
    item = posting.comment(session, account, viewer, parent_id, content)
    searching.later(session, item)
    live.added(session, call.platform, item, comment_views(session, VISITOR, [item])[0])
    live.score_changed(session, call.platform, items.locked(session, item.root_id or parent_id))
    return item


def asked(call: Call, item_id: int, direction: int, what: str | None = None) -> voting.Asked:
    """The caller's vote: up (1), down (-1), or the one before taken back (0)."""
    return voting.Asked(call.member().account_id, item_id, direction, what, address_hash(call))


def vote_many(
    session: WriteSession, platform: Platform, votes: Sequence[voting.Asked]
) -> list[VotedItem | DodecaError]:
    """Cast votes. See `voting.vote_many`."""
    results = voting.vote_many(session, votes)
    for result in results:
        if isinstance(result, VotedItem):
            live.score_changed(session, platform, result)
    return results


def vote(session: WriteSession, call: Call, one: voting.Asked) -> VotedItem:
    """One vote, as the caller; a refusal is raised."""
    (result,) = vote_many(session, call.platform, [one])
    if isinstance(result, DodecaError):
        raise result
    return result


def accept(session: WriteSession, call: Call, account: Account, viewer: Viewer, comment_id: int) -> Item:
    """Accept an answer to one's own question. See `answers.accept`."""
    post = answers.accept(session, account, viewer, comment_id)
    live.changed(session, call.platform, post)
    return post


def unaccept(session: WriteSession, call: Call, account: Account, viewer: Viewer, post_id: int) -> Item:
    """Take that back. See `answers.unaccept`."""
    post = answers.unaccept(session, account, viewer, post_id)
    live.changed(session, call.platform, post)
    return post


def edit(
    session: WriteSession,
    call: Call,
    account: Account,
    item: Item,
    *,
    title: str | None = None,
    content: str | None = None,
    tags: Sequence[str] | None = None,
) -> Item:
    """Change one's own item. See `posting.edit`."""
    posting.edit(session, account, item, title=title, content=content, tags=tags)
    searching.later(session, item)
    live.changed(session, call.platform, item)
    return item


def suggest(
    session: WriteSession,
    call: Call,
    account: Account,
    viewer: Viewer,
    post_id: int,
    *,
    title: str | None = None,
    tags: Sequence[str] | None = None,
) -> tuple[Item, bool]:
    """Suggest a title or tags for another's post; gives the post and whether it changed. See `suggesting.suggest`."""
    post, is_changed = suggesting.suggest(session, account, viewer, post_id, title=title, tags=tags)
    if is_changed:
        changed(session, call, post)
    return post, is_changed


def remove(session: WriteSession, call: Call, account: Account, item: Item) -> None:
    """Delete one's own item. See `posting.remove`."""
    posting.remove(session, account, item)
    searching.later(session, item)
    live.changed(session, call.platform, item)


def changed(session: WriteSession, call: Call, item: Item) -> None:
    """An item was changed by others than its author: by flags, vouches, suggestions or moderators."""
    searching.later(session, item)
    live.changed(session, call.platform, item)
    if item.merged_into is not None:
        live.changed(session, call.platform, items.locked(session, item.merged_into))
