"""Likes, ratings, comments, following."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons import following
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbWrite,
    FromPath,
    delete,
    patch,
    post,
    put,
)
from dodeca.products.music.acting import Looking, account_named, number, own_account
from dodeca.products.music.service import catalogue, comments, likes
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.views import CommentView, comment_view

Line = Annotated[str, msgspec.Meta(max_length=500)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
NOT_FOUND = "User or song not found"
TARGETS = {
    "songId": "song",
    "song_id": "song",
    "album_id": "album",
    "artist_id": "artist",
    "playlist_id": "playlist",
    "comment_id": "comment",
}


class NewLike(ClosedRequest):
    """What is liked: one of these."""

    songId: int | Line | None = None  # noqa: N815 - the name that the brief gives it
    song_id: int | Line | None = None
    album_id: int | Line | None = None
    artist_id: int | Line | None = None
    playlist_id: int | Line | None = None
    comment_id: int | Line | None = None


class NewRating(ClosedRequest):
    """Stars from 1 to 5, -1 for a dislike, 0 for none."""

    rating: int


class NewComment(ClosedRequest):
    """What is said of a song, at a moment of it, or in answer to another comment."""

    songId: int | Line | None = None  # noqa: N815 - the name that the brief gives it
    song_id: int | Line | None = None
    text: Text | None = None
    at_ms: int | None = None
    parent_id: int | Line | None = None


class CommentChange(ClosedRequest):
    """The text as it shall be."""

    text: Text


class NewReport(ClosedRequest):
    """What is wrong with it."""

    reason: Line = ""
    text: Text = ""


class Said(msgspec.Struct):
    """It was done."""

    message: str


class CommentAnswer(msgspec.Struct):
    """The answer to a new comment."""

    message: str
    comment_id: str


class RatingAnswer(msgspec.Struct):
    """The rating as it stands."""

    rating: int


class FollowAnswer(msgspec.Struct):
    """Whether the caller follows."""

    following: bool


@post("/users/{user:str}/likes", access=Access.MEMBER, status=200)
def create_like(session: DbWrite, call: Calling, viewer: Looking, user: FromPath[str], data: AnyBody[NewLike]) -> Said:
    """Like a song, an album, an artist, a playlist or a comment. Repeating it changes nothing."""
    own_account(session, call, user, NOT_FOUND)
    given = [(kind, value) for name, kind in TARGETS.items() if (value := getattr(data, name)) is not None]
    if len(given) != 1:
        raise Invalid("Name one thing to like, such as song_id.", field="song_id")
    kind, value = given[0]
    try:
        likes.like(session, viewer, kind, number(value))
    except NotFound as error:
        raise NotFound(NOT_FOUND if kind == "song" else f"User or {kind} not found") from error
    return Said(f"{kind.capitalize()} liked successfully")


@delete("/users/{user:str}/likes/{kind:str}/{target_id:str}", access=Access.MEMBER)
def delete_like(
    session: DbWrite, call: Calling, user: FromPath[str], kind: FromPath[str], target_id: FromPath[str]
) -> None:
    """Like it no longer. Repeating it changes nothing."""
    account = own_account(session, call, user)
    if kind not in likes.KINDS:
        raise NotFound()
    likes.unlike(session, account.id, kind, number(target_id))


@put("/users/{user:str}/ratings/{kind:str}/{target_id:str}", access=Access.MEMBER)
def set_rating(
    session: DbWrite,
    call: Calling,
    viewer: Looking,
    user: FromPath[str],
    kind: FromPath[str],
    target_id: FromPath[str],
    data: AnyBody[NewRating],
) -> RatingAnswer:
    """Rate something, or dislike it."""
    own_account(session, call, user)
    if kind not in likes.RATED_KINDS:
        raise NotFound()
    likes.rate(session, viewer, kind, number(target_id), data.rating)
    return RatingAnswer(data.rating)


@post("/users/{user:str}/comments", access=Access.MEMBER, status=200, rate=comments.RATE)
def create_comment(
    session: DbWrite, call: Calling, viewer: Looking, user: FromPath[str], data: AnyBody[NewComment]
) -> CommentAnswer:
    """Say something about a song."""
    own_account(session, call, user, NOT_FOUND)
    song_id = data.songId if data.songId is not None else data.song_id
    if song_id is None:
        raise Invalid("song_id is missing.", field="song_id")
    if data.text is None:
        raise Invalid("text is missing.", field="text")
    parent = number(data.parent_id) if data.parent_id is not None else None
    try:
        comment = comments.add(session, viewer, number(song_id), data.text, at_ms=data.at_ms, parent_id=parent)
    except NotFound as error:
        raise NotFound(NOT_FOUND, field=error.field) from error
    return CommentAnswer("Comment added successfully", str(comment.id))


@patch("/comments/{comment_id:str}", access=Access.MEMBER)
def change_comment(
    session: DbWrite, viewer: Looking, comment_id: FromPath[str], data: AnyBody[CommentChange]
) -> CommentView:
    """Say it otherwise."""
    return comment_view(comments.edit(session, viewer, number(comment_id), data.text))


@delete("/comments/{comment_id:str}", access=Access.MEMBER)
def delete_comment(session: DbWrite, viewer: Looking, comment_id: FromPath[str]) -> None:
    """Take a comment away."""
    comments.remove(session, viewer, number(comment_id))


@post("/comments/{comment_id:str}/report", access=Access.MEMBER)
def report_comment(session: DbWrite, viewer: Looking, comment_id: FromPath[str], data: AnyBody[NewReport]) -> Said:
    """Tell the moderators of a comment."""
    comments.report(session, viewer, number(comment_id), data.reason, data.text)
    return Said("Thank you. A moderator will look at it.")


@post("/users/{user:str}/follow", access=Access.MEMBER, status=200)
def follow_member(session: DbWrite, call: Calling, user: FromPath[str]) -> FollowAnswer:
    """Follow somebody; who follow each other are friends."""
    whom = account_named(session, user)
    following.follow(session, call.member().account_id, product=PRODUCT, target_type="user", target_id=whom.id)
    return FollowAnswer(True)


@delete("/users/{user:str}/follow", access=Access.MEMBER)
def unfollow_member(session: DbWrite, call: Calling, user: FromPath[str]) -> None:
    """Follow somebody no longer."""
    whom = account_named(session, user)
    following.unfollow(session, call.member().account_id, product=PRODUCT, target_type="user", target_id=whom.id)


@post("/artists/{artist_id:str}/follow", access=Access.MEMBER, status=200)
def follow_artist(session: DbWrite, call: Calling, viewer: Looking, artist_id: FromPath[str]) -> FollowAnswer:
    """Follow an artist: what they release comes to the inbox and the feed."""
    artist = catalogue.find_artist(session, viewer, number(artist_id))
    me = call.member().account_id
    following.follow(session, me, product=PRODUCT, target_type="artist", target_id=str(artist.id))
    return FollowAnswer(True)


@delete("/artists/{artist_id:str}/follow", access=Access.MEMBER)
def unfollow_artist(session: DbWrite, call: Calling, artist_id: FromPath[str]) -> None:
    """Follow an artist no longer."""
    me, whom = call.member().account_id, str(number(artist_id))
    following.unfollow(session, me, product=PRODUCT, target_type="artist", target_id=whom)


routes = [
    create_like,
    delete_like,
    set_rating,
    create_comment,
    change_comment,
    delete_comment,
    report_comment,
    follow_member,
    unfollow_member,
    follow_artist,
    unfollow_artist,
]
