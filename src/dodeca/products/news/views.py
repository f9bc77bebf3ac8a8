"""The shapes in which the API and live updates give items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from dodeca.commons.discussion import Node
from dodeca.kernel.db import ReadSession
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, listing, voting
from dodeca.products.news.service.members import Viewer

DEEPEST_NESTING = 100
_VOTES = {1: "upvote", -1: "downvote"}


class OptionView(msgspec.Struct):
    """An option of a poll."""

    id: int
    text: str
    votes: int


class CommentView(msgspec.Struct, kw_only=True):
    """A comment. `votes` is null to all but its author and moderators; what may not be seen has no content."""

    id: int
    comment_id: int
    post_id: int
    parent_id: int
    author: str | None
    author_id: str | None
    content: str
    html: str
    votes: int | None
    my_vote: str | None = None
    depth: int
    state: str
    created_at: datetime
    updated_at: datetime
    comments: list[CommentView] = []


class PostView(msgspec.Struct, kw_only=True):
    """A post. `votes` are others' votes, `score` counts the author's own point too."""

    id: int
    post_id: int
    kind: str
    title: str
    url: str | None
    site: str | None
    content: str
    html: str
    author: str | None
    username: str | None
    author_id: str | None
    votes: int
    score: int
    comments_count: int
    tags: list[str]
    state: str
    created_at: datetime
    updated_at: datetime
    my_vote: str | None
    options: list[OptionView]
    accepted_id: int | None = None
    comments: list[CommentView] = []


class PostAnswer(msgspec.Struct):
    """A post and what was done with it."""

    message: str
    post: PostView


class CommentAnswer(msgspec.Struct):
    """A comment and what was done with it."""

    message: str
    comment: CommentView


class OnePost(msgspec.Struct):
    """A post, with its thread in `comments`."""

    post: PostView


class OneComment(msgspec.Struct):
    """A comment, with all that is below it in `comments`."""

    comment: CommentView


class PostsAnswer(msgspec.Struct, kw_only=True):
    """One page of posts."""

    posts: list[PostView]
    next_cursor: str | None = None


class BothAnswer(msgspec.Struct, kw_only=True):
    """Posts and comments."""

    posts: list[PostView]
    comments: list[CommentView]
    next_cursor: str | None = None


def post_views(session: ReadSession, viewer: Viewer, rows: Sequence[Item]) -> list[PostView]:
    """Posts as the viewer sees them, in a handful of queries whatever their number."""
    ids = [row.id for row in rows]
    options = listing.options_of(session, [row.id for row in rows if row.type == "poll"])
    votes = voting.my_votes(session, viewer, [*ids, *(o.id for held in options.values() for o in held)])
    names, tags = listing.names_of(session, rows), listing.tags_of(session, ids)
    return [
        PostView(
            id=row.id,
            post_id=row.id,
            kind=row.kind,
            title=row.title,
            url=row.url,
            site=row.site,
            content=row.content,
            html=row.html,
            author=names.get(row.author_id or ""),
            username=names.get(row.author_id or ""),
            author_id=row.author_id,
            votes=row.score - 1,
            score=row.score,
            comments_count=items.comments_shown(row),
            tags=tags.get(row.id, []),
            state=row.state,
            created_at=row.created_at,
            updated_at=row.updated_at,
            my_vote=_VOTES.get(votes.get(row.id, 0)),
            options=[OptionView(o.id, o.content, o.score) for o in options.get(row.id, [])],
            accepted_id=row.accepted_id,
        )
        for row in rows
    ]


def post_view(session: ReadSession, viewer: Viewer, row: Item) -> PostView:
    """One post."""
    return post_views(session, viewer, [row])[0]


def comment_views(session: ReadSession, viewer: Viewer, rows: Sequence[Item]) -> list[CommentView]:
    """Comments as the viewer sees them, without what is below."""
    names = listing.names_of(session, rows)
    votes = voting.my_votes(session, viewer, [row.id for row in rows])
    return [_comment(viewer, row, names, votes) for row in rows]


def tree(session: ReadSession, viewer: Viewer, nodes: Sequence[Node[Item]]) -> list[CommentView]:
    """Whole branches, any depth."""
    walked = [node for top in nodes for node in top.walk()]
    views = comment_views(session, viewer, [node.row for node in walked])
    by_id = {view.id: view for view in views}
    for node in reversed(walked):  # from the leaves up
        view = by_id[node.row.id]
        view.comments = [by_id[reply.row.id] for reply in node.replies]
        if node.depth and node.depth % DEEPEST_NESTING == 0:
            # An encoder follows nesting to a depth only: branches this deep are handed to it ready.
            by_id[node.row.id] = cast(CommentView, msgspec.Raw(msgspec.json.encode(view)))
    return [by_id[node.row.id] for node in nodes]


def _comment(viewer: Viewer, row: Item, names: dict[str, str], votes: dict[int, int]) -> CommentView:
    shown = listing.is_visible(viewer, row)
    own = viewer.account_id is not None and row.author_id == viewer.account_id
    return CommentView(
        id=row.id,
        comment_id=row.id,
        post_id=row.root_id or 0,
        parent_id=row.parent_id or 0,
        author=names.get(row.author_id or "") if shown else None,
        author_id=row.author_id if shown else None,
        content=row.content if shown else "",
        html=row.html if shown else "",
        votes=row.score - 1 if shown and (own or viewer.is_moderator) else None,
        my_vote=_VOTES.get(votes.get(row.id, 0)),
        depth=row.depth,
        state=row.state if shown or row.state in ("deleted", "flagged", "dead") else "dead",
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
