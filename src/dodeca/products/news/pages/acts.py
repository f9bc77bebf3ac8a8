"""One click: votes, undo, hide, favourites, vouches, flags, reports, following.

A page has one form for all its buttons; each says by its value what it does: `up-123`, `flag-123-spam`."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, Actor
from dodeca.commons.moderation import service as moderation
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, Forbidden, Invalid, TooMany
from dodeca.kernel.http import Access, AnyBody, Call, Calling, ClosedRequest, DbWrite, Redirect, post
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking
from dodeca.products.news.pages.surroundings import ItemId, Line, back_to, is_fragment
from dodeca.products.news.service import items, listing, marks, posting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT
from dodeca.products.news.service.vote_rows import VotedItem

_VOTES = {"up": 1, "down": -1, "un": 0}
_MARKS = {"hide": "hide", "fave": "favorite"}
_DONE = {
    "hide": "Hidden from your lists.",
    "unhide": "It is back in your lists.",
    "fave": "Added to your favourites.",
    "unfave": "No longer among your favourites.",
    "vouch": "Thank you. You vouched for it.",
    "unvouch": "Your vouch is taken back.",
    "flag": "Thank you. You flagged it.",
    "unflag": "Your flag is taken back.",
    "accept": "You accepted this answer.",
    "unaccept": "No answer is accepted now.",
}


class ActForm(ClosedRequest):
    """What to do, and the page to come back to."""

    do: Line = ""
    goto: Line = ""


class ReportForm(ClosedRequest):
    """Something that a moderator should look at."""

    id: ItemId = 0
    reason: Line = ""
    text: Line = ""
    goto: Line = ""


class FollowForm(ClosedRequest):
    """Whom or what to follow (`on`), or no longer."""

    user: Line = ""
    tag: Line = ""
    on: Line = "yes"
    goto: Line = ""


class Acted(msgspec.Struct):
    """What a script needs to show after a click."""

    id: int
    do: str
    score: int | None = None
    my_vote: int = 0
    text: str = ""


@post("/act", access=Access.MEMBER, status=200)
def act(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[ActForm]) -> Any:
    """Do what the button says."""
    verb, _, rest = data.do.partition("-")
    number, _, reason = rest.partition("-")
    if not number.isascii() or not number.isdigit() or len(number) > 16:
        raise Invalid("There is no such button.", field="do")
    if is_fragment(call):
        return _answer(_carry_out(session, call, account, viewer, verb, int(number), reason))
    try:
        with session.begin_nested():  # a refusal leaves nothing half done
            done = _carry_out(session, call, account, viewer, verb, int(number), reason)
    except TooMany:
        raise
    except DodecaError as error:
        return Redirect(_back(data.goto, number), toast=error.message, kind="error")
    return Redirect(_back(data.goto, number), toast=done.text)


def _answer(done: Acted) -> Response[bytes]:
    return Response(msgspec.json.encode(done), media_type="application/json", headers={"Cache-Control": "no-store"})


def _back(goto: str, number: str) -> str:
    place = back_to(goto)
    return place if "#" in place else f"{place}#{number}"


def _carry_out(
    session: WriteSession, call: Call, account: Account, viewer: Viewer, verb: str, item_id: int, reason: str
) -> Acted:
    if verb in _VOTES:
        item = flows.vote(session, call, flows.asked(call, item_id, _VOTES[verb]))
        return Acted(item_id, verb, _score(viewer, item), _VOTES[verb] if item.author_id != account.id else 0)
    if verb == "accept":
        flows.accept(session, call, account, viewer, item_id)
    elif verb == "unaccept":
        flows.unaccept(session, call, account, viewer, item_id)
    elif verb == "flag":
        marks.flag(session, account, viewer, item_id, reason)
    elif verb == "unflag":
        marks.unflag(session, account, viewer, item_id)
    elif verb == "vouch":
        marks.vouch(session, account, viewer, item_id)
    elif verb == "unvouch":
        marks.unvouch(session, account, viewer, item_id)
    elif verb in _MARKS:
        marks.mark(session, account, viewer, item_id, _MARKS[verb])
    elif verb.removeprefix("un") in _MARKS:
        marks.unmark(session, account, item_id, _MARKS[verb.removeprefix("un")])
    else:
        raise Invalid("There is no such button.", field="do")
    if verb in ("flag", "vouch"):
        flows.changed(session, call, items.locked(session, item_id))
    return Acted(item_id, verb, text=_DONE[verb])


def _score(viewer: Viewer, item: VotedItem) -> int | None:
    """The points, where the voter may see them."""
    return None if item.type == "comment" and not viewer.is_moderator else item.score


@post("/report", access=Access.MEMBER, status=200)
def report(session: DbWrite, account: Actor, viewer: Looking, data: AnyBody[ReportForm]) -> Redirect:
    """Tell the moderators about an item; about one's own it is an appeal."""
    item = items.find(session, Viewer(viewer.account_id, viewer.is_moderator, showdead=True), data.id)
    back = f"/news/item?id={item.id}"
    try:
        moderation.report(
            session,
            account.id,
            product=PRODUCT,
            target_type="comment" if item.type == "comment" else "post",
            target_id=str(item.id),
            reason=data.reason or ("Appeal" if item.author_id == account.id else "Report"),
            text=data.text,
        )
    except Invalid as error:
        return Redirect(back, toast=error.message, kind="error")
    return Redirect(back, toast="Thank you. A moderator will look at it.")


class SuggestForm(ClosedRequest):
    """A title, tags with spaces between, or both, for another's post."""

    id: ItemId = 0
    title: Line = ""
    tags: Line = ""


@post("/suggest", access=Access.MEMBER, status=200)
def suggest(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[SuggestForm]) -> Redirect:
    """Suggest a title or tags."""
    back = f"/news/item?id={data.id}"
    tags = data.tags.replace(",", " ").split()
    try:
        with session.begin_nested():
            _post, applied = flows.suggest(session, call, account, viewer, data.id, title=data.title, tags=tags or None)
    except (Invalid, Conflict, Forbidden) as error:
        return Redirect(back, toast=error.message, kind="error")
    done = "Enough members agree: the post was changed." if applied else "Thank you. Once others agree, it is changed."
    return Redirect(back, toast=done)


@post("/follow", access=Access.MEMBER, status=200)
def follow(session: DbWrite, account: Actor, data: AnyBody[FollowForm]) -> Redirect:
    """Follow a member or a tag, or no longer."""
    if data.user:
        other = listing.user(session, data.user)
        kind, target, name = "user", other.id, other.username
    else:
        tags = posting.checked_tags([data.tag])
        if not tags:
            raise Invalid("Name a member or a tag.", field="tag")
        kind, target, name = "tag", tags[0], tags[0]
    if data.on == "yes":
        following.follow(session, account.id, product=PRODUCT, target_type=kind, target_id=target)
        return Redirect(back_to(data.goto), toast=f"You follow {name} now.")
    following.unfollow(session, account.id, product=PRODUCT, target_type=kind, target_id=target)
    return Redirect(back_to(data.goto), toast=f"You no longer follow {name}.")


routes = [act, report, suggest, follow]
