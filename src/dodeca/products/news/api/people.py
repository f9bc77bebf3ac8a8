"""Members: profiles, choices, following, own lists, export."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, Actor
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, AnyBody, ClosedRequest, DbRead, DbWrite, FromPath, delete, get, patch, post
from dodeca.products.news.acting import Looking
from dodeca.products.news.api.posts import Line, Text
from dodeca.products.news.models import POST_TYPES, Member
from dodeca.products.news.service import inviting, listing, members, personal, posting, voting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT
from dodeca.products.news.views import CommentView, PostsAnswer, PostView, comment_views, post_views

_VOTES = {1: "upvote", -1: "downvote"}


class MemberView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A member. The choices are shown to the member only."""

    user_id: str
    username: str
    karma: int
    about: str
    created_at: datetime
    showdead: bool | None = None
    noprocrast: bool | None = None
    maxvisit: int | None = None
    minaway: int | None = None
    delay: int | None = None
    topcolor: str | None = None
    public_votes: bool | None = None
    invited_by: str | None = None


class ProfileView(msgspec.Struct):
    """A member's posts, comments and, where they are shown, votes on posts (post id → vote_type)."""

    username: str
    posts: list[PostView]
    comments: list[CommentView]
    votes: dict[str, str]


class Choices(ClosedRequest):
    """What shall be different."""

    about: Text | None = None
    showdead: bool | None = None
    noprocrast: bool | None = None
    maxvisit: int | None = None
    minaway: int | None = None
    delay: int | None = None
    topcolor: Line | None = None
    public_votes: bool | None = None


def _view(session: ReadSession, account: Account, *, own: bool) -> MemberView:
    row = session.get(Member, account.id)
    view = MemberView(
        user_id=account.id,
        username=account.username,
        karma=row.karma if row is not None else 1,
        about=row.about if row is not None else "",
        created_at=account.created_at,
    )
    inviter = inviting.inviter_of(session, account.id)
    view.invited_by = inviter.username if inviter is not None else None
    if own and row is not None:
        for name in Choices.__struct_fields__[1:]:
            setattr(view, name, getattr(row, name))
    return view


@get("/user_profile/{username:str}", access=Access.PUBLIC)
def read_profile(session: DbRead, viewer: Looking, username: FromPath[str]) -> ProfileView:
    """What somebody posted and said; votes to oneself, or where they are public."""
    account = listing.user(session, username)
    row = session.get(Member, account.id)
    shown = viewer.account_id == account.id or (row is not None and row.public_votes)
    votes = voting.voted_posts(session, account.id) if shown else {}
    wanted = listing.Wanted(author=account.username)
    posts = listing.posts(session, Viewer(viewer.account_id), "new", wanted, limit=100).items
    comments = listing.comments_of(session, viewer, account.id, limit=100).items
    return ProfileView(
        account.username,
        post_views(session, viewer, posts),
        comment_views(session, viewer, comments),
        {str(item_id): _VOTES[direction] for item_id, direction in votes.items()},
    )


@get("/users/{username:str}", access=Access.PUBLIC)
def read_member(session: DbRead, viewer: Looking, username: FromPath[str]) -> MemberView:
    """A member."""
    account = listing.user(session, username)
    return _view(session, account, own=viewer.account_id == account.id)


@get("/users/me", access=Access.MEMBER)
def read_me(session: DbRead, account: Actor) -> MemberView:
    """Oneself."""
    return _view(session, account, own=True)


@patch("/users/me", access=Access.MEMBER)
def change_me(session: DbWrite, account: Actor, data: AnyBody[Choices]) -> MemberView:
    """Change one's choices."""
    given: dict[str, Any] = {n: v for n in Choices.__struct_fields__ if (v := getattr(data, n)) is not None}
    members.change_profile(session, account.id, given)
    return _view(session, account, own=True)


@post("/users/{username:str}/follow", access=Access.MEMBER, status=204)
def follow_user(session: DbWrite, account: Actor, username: FromPath[str]) -> None:
    """Follow somebody."""
    other = listing.user(session, username)
    following.follow(session, account.id, product=PRODUCT, target_type="user", target_id=other.id)


@delete("/users/{username:str}/follow", access=Access.MEMBER)
def unfollow_user(session: DbWrite, account: Actor, username: FromPath[str]) -> None:
    """Follow somebody no longer."""
    other = listing.user(session, username)
    following.unfollow(session, account.id, product=PRODUCT, target_type="user", target_id=other.id)


def _tag(tag: str) -> str:
    checked = posting.checked_tags([tag])
    if not checked:
        raise Invalid("Name a tag.", field="tag")
    return checked[0]


@post("/tags/{tag:str}/follow", access=Access.MEMBER, status=204)
def follow_tag(session: DbWrite, account: Actor, tag: FromPath[str]) -> None:
    """Follow a tag."""
    following.follow(session, account.id, product=PRODUCT, target_type="tag", target_id=_tag(tag))


@delete("/tags/{tag:str}/follow", access=Access.MEMBER)
def unfollow_tag(session: DbWrite, account: Actor, tag: FromPath[str]) -> None:
    """Follow a tag no longer."""
    following.unfollow(session, account.id, product=PRODUCT, target_type="tag", target_id=_tag(tag))


def _marked(session: ReadSession, viewer: Viewer, account_id: str, what: str) -> PostsAnswer:
    rows = [row for row in listing.marked(session, account_id, what, viewer) if row.type in POST_TYPES]
    return PostsAnswer(posts=post_views(session, viewer, rows))


@get("/users/{username:str}/favorites", access=Access.PUBLIC)
def read_favorites(session: DbRead, viewer: Looking, username: FromPath[str]) -> PostsAnswer:
    """Somebody's favourites, which everybody may see."""
    return _marked(session, viewer, listing.user(session, username).id, "favorites")


@get("/users/me/upvoted", access=Access.MEMBER)
def read_upvoted(session: DbRead, account: Actor, viewer: Looking) -> PostsAnswer:
    """What one voted up: one's own list only."""
    return _marked(session, viewer, account.id, "upvoted")


@get("/users/me/hidden", access=Access.MEMBER)
def read_hidden(session: DbRead, account: Actor, viewer: Looking) -> PostsAnswer:
    """What one hid: one's own list only."""
    return _marked(session, viewer, account.id, "hidden")


@get("/users/me/export", access=Access.MEMBER, produces=("application/zip",))
def export_me(session: DbRead, account: Actor) -> Response[bytes]:
    """All that news holds of oneself, as a ZIP."""
    headers = {"Content-Disposition": 'attachment; filename="news.zip"', "Cache-Control": "no-store"}
    return Response(personal.zipped(session, account.id), media_type="application/zip", headers=headers)


routes = [
    read_profile,
    read_member,
    read_me,
    change_me,
    follow_user,
    unfollow_user,
    follow_tag,
    unfollow_tag,
    read_favorites,
    read_upvoted,
    read_hidden,
    export_me,
]
