"""One click: likes, ratings, following, comments, what goes onto which playlist."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from dodeca.commons import following
from dodeca.commons.accounts.public import Actor
from dodeca.kernel import ids
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, AnyBody, Call, Calling, ClosedRequest, DbWrite, FromPath, Redirect, post
from dodeca.products.music.acting import Looking, account_named, number
from dodeca.products.music.pages.look import Line, Text, back_to
from dodeca.products.music.service import browsing, catalogue, comments, likes, playlists, shares, songs, stations
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.views import party_view, playlist_songs

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
Rating = Annotated[int, msgspec.Meta(ge=-1, le=5)]


class LikeForm(ClosedRequest):
    """What is liked, or no longer (`on` is empty)."""

    kind: Line
    id: Line
    on: Line = ""
    goto: Line = ""


class RateForm(ClosedRequest):
    """How something is rated."""

    kind: Line
    id: Line
    rating: Rating
    goto: Line = ""


class FollowForm(ClosedRequest):
    """Whom or what to follow, or no longer (`on` is empty)."""

    user: Line = ""
    artist: Line = ""
    on: Line = ""
    goto: Line = ""


class CommentForm(ClosedRequest):
    """What is said of a song; `at` is where in it, in seconds."""

    text: Text
    at: Line = ""
    parent_id: Line = ""


class ReportForm(ClosedRequest):
    """What is wrong with a comment."""

    reason: Line = ""
    goto: Line = ""


class AddForm(ClosedRequest):
    """A song onto a playlist, or onto a new one (`title`)."""

    song_id: Line
    playlist_id: Line = ""
    title: Line = ""
    goto: Line = ""


class ItemForm(ClosedRequest):
    """An item of a playlist, and before which it goes."""

    item_id: Line
    before: Line = ""


class NewListForm(ClosedRequest):
    """A new playlist."""

    title: Line
    description: Text = ""
    visibility: Line = "private"


class ListForm(ClosedRequest):
    """What a playlist shall be."""

    title: Line
    description: Text = ""
    visibility: Line = "private"
    collaborator: Line = ""


class ShareForm(ClosedRequest):
    """A thing to share."""

    kind: Line
    id: Line


class PartyForm(ClosedRequest):
    """An album or a playlist for a party."""

    album_id: Line = ""
    playlist_id: Line = ""


@post("/like", access=Access.MEMBER, status=200)
def like(session: DbWrite, account: Actor, viewer: Looking, data: AnyBody[LikeForm]) -> Redirect:
    """Like something, or no longer."""
    if data.on:
        likes.like(session, viewer, data.kind, number(data.id))
    else:
        likes.unlike(session, account.id, data.kind, number(data.id))
    return Redirect(back_to(data.goto))


@post("/rate", access=Access.MEMBER, status=200)
def rate(session: DbWrite, viewer: Looking, data: AnyBody[RateForm]) -> Redirect:
    """Rate something."""
    likes.rate(session, viewer, data.kind, number(data.id), data.rating)
    text = "You will not be given this again." if data.rating == -1 else "Rated."
    return Redirect(back_to(data.goto), toast=text)


@post("/follow", access=Access.MEMBER, status=200)
def follow(session: DbWrite, account: Actor, viewer: Looking, data: AnyBody[FollowForm]) -> Redirect:
    """Follow a member or an artist, or no longer."""
    if data.artist:
        kind, target = "artist", str(catalogue.find_artist(session, viewer, number(data.artist)).id)
    else:
        kind, target = "user", account_named(session, data.user).id
    act = following.follow if data.on else following.unfollow
    act(session, account.id, product=PRODUCT, target_type=kind, target_id=target)
    return Redirect(back_to(data.goto))


@post("/songs/{song_id:int}/comments", access=Access.MEMBER, status=200, rate=comments.RATE)
def comment(session: DbWrite, viewer: Looking, song_id: FromPath[int], data: AnyBody[CommentForm]) -> Redirect:
    """Say something about a song."""
    at_ms = None
    if data.at:
        if not _SECONDS.fullmatch(data.at):
            raise Invalid("Give the place in seconds.", field="at")
        at_ms = round(float(data.at) * 1000)
    parent = number(data.parent_id) if data.parent_id else None
    made = comments.add(session, viewer, song_id, data.text, at_ms=at_ms, parent_id=parent)
    return Redirect(f"/music/songs/{song_id}#comment-{made.id}")


@post("/comments/{comment_id:int}/delete", access=Access.MEMBER, status=200)
def delete_comment(session: DbWrite, viewer: Looking, comment_id: FromPath[int]) -> Redirect:
    """Take a comment away."""
    song_id = comments.find(session, viewer, comment_id).song_id
    comments.remove(session, viewer, comment_id)
    return Redirect(f"/music/songs/{song_id}", toast="The comment is gone.")


@post("/comments/{comment_id:int}/report", access=Access.MEMBER, status=200)
def report_comment(session: DbWrite, viewer: Looking, comment_id: FromPath[int], data: AnyBody[ReportForm]) -> Redirect:
    """Tell the moderators of a comment."""
    comments.report(session, viewer, comment_id, data.reason or "unkind")
    return Redirect(back_to(data.goto), toast="Thank you. A moderator will look at it.")


@post("/add", access=Access.MEMBER, status=200)
def add_to_playlist(session: DbWrite, viewer: Looking, data: AnyBody[AddForm]) -> Redirect:
    """Put a song onto a playlist."""
    song_id = number(data.song_id)
    if data.playlist_id:
        playlist = playlists.append(session, viewer, number(data.playlist_id), [song_id])
    else:
        song = songs.find(session, viewer, song_id)
        playlist = playlists.create(session, viewer, data.title or song.title, [song_id])
    return Redirect(back_to(data.goto), toast=f"Added to {playlist.title}.")


@post("/playlists", access=Access.MEMBER, status=200)
def new_playlist(session: DbWrite, viewer: Looking, data: AnyBody[NewListForm]) -> Redirect:
    """Make an empty playlist."""
    made = playlists.create(session, viewer, data.title, description=data.description, visibility=data.visibility)
    return Redirect(f"/music/playlists/{made.id}")


@post("/playlists/{playlist_id:int}/change", access=Access.MEMBER, status=200)
def change_playlist(session: DbWrite, viewer: Looking, playlist_id: FromPath[int], data: AnyBody[ListForm]) -> Redirect:
    """Change a playlist's name and who sees it; let somebody change its songs."""
    changes = {"title": data.title, "description": data.description, "visibility": data.visibility}
    playlists.change(session, viewer, playlist_id, changes)
    if data.collaborator:
        guest = account_named(session, data.collaborator)
        playlists.collaborate(session, viewer, playlist_id, guest, on=True)
    return Redirect(f"/music/playlists/{playlist_id}", toast="Saved.")


@post("/playlists/{playlist_id:int}/delete", access=Access.MEMBER, status=200)
def delete_playlist(session: DbWrite, viewer: Looking, playlist_id: FromPath[int]) -> Redirect:
    """Delete a playlist."""
    playlists.remove(session, viewer, playlist_id)
    return Redirect("/music/library?part=playlists", toast="The playlist is deleted.")


@post("/playlists/{playlist_id:int}/remove", access=Access.MEMBER, status=200)
def remove_item(session: DbWrite, viewer: Looking, playlist_id: FromPath[int], data: AnyBody[ItemForm]) -> Redirect:
    """Take a song off a playlist."""
    playlists.remove_items(session, viewer, playlist_id, [number(data.item_id)])
    return Redirect(f"/music/playlists/{playlist_id}")


@post("/playlists/{playlist_id:int}/move", access=Access.MEMBER, status=200)
def move_item(session: DbWrite, viewer: Looking, playlist_id: FromPath[int], data: AnyBody[ItemForm]) -> Redirect:
    """Put a song before another, or at the end."""
    before = number(data.before) if data.before else None
    playlists.move(session, viewer, playlist_id, number(data.item_id), before)
    return Redirect(f"/music/playlists/{playlist_id}")


@post("/share", access=Access.MEMBER, status=200)
def share(session: DbWrite, call: Calling, viewer: Looking, data: AnyBody[ShareForm]) -> Redirect:
    """Make a link for people without an account."""
    made = shares.create(session, viewer, [(data.kind, number(data.id))])
    return Redirect(f"/music/shares#share-{made.id}", toast="The link is ready.")


@post("/shares/{share_id:int}/delete", access=Access.MEMBER, status=200)
def end_share(session: DbWrite, account: Actor, share_id: FromPath[int]) -> Redirect:
    """End a link."""
    shares.remove(session, account.id, share_id)
    return Redirect("/music/shares", toast="The link leads nowhere any more.")


@post("/party", access=Access.MEMBER, status=200)
def start_party(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[PartyForm]) -> Redirect:
    """Let an album or a playlist play for all guests at once."""
    if data.album_id:
        held = browsing.songs_of_album(session, viewer, number(data.album_id))
        title, wanted = catalogue.find_album(session, viewer, number(data.album_id)).title, list(held)
    else:
        playlist = playlists.find(session, viewer, number(data.playlist_id))
        title, wanted = playlist.title, [song for _item, song in playlist_songs(session, viewer, playlist)]
    station = stations.create(
        session,
        account,
        viewer,
        title=f"Party: {title}"[:200],
        slug=f"party-{ids.new_id()[-12:]}",
        song_ids=[song.id for song in wanted if song.listed],
        kind="party",
    )
    return Redirect(_path(call, party_view(call.platform, station).join_url))


def _path(call: Call, url: str) -> str:
    return url.removeprefix(call.platform.public_url)


routes = [
    like,
    rate,
    follow,
    comment,
    delete_comment,
    report_comment,
    add_to_playlist,
    new_playlist,
    change_playlist,
    delete_playlist,
    remove_item,
    move_item,
    share,
    end_share,
    start_party,
]
