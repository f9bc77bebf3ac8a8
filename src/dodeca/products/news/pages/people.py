"""Members' pages: profile, what they posted, said and liked, the feed, choices."""

from __future__ import annotations

from urllib.parse import quote

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, Actor
from dodeca.commons.discussion.text import rendered
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.news.acting import Looking, feed_token, viewing
from dodeca.products.news.models import POST_TYPES, Member
from dodeca.products.news.pages.lists import show_comments, show_list
from dodeca.products.news.pages.surroundings import Line, Text, back_to, page, rows, with_query, with_roots
from dodeca.products.news.service import inviting, listing, members, posting
from dodeca.products.news.service.listing import Wanted
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT

LIKED = {"favorites": "Favourites", "upvoted": "What you voted up", "hidden": "What you hid"}


class SettingsForm(ClosedRequest):
    """One's choices."""

    about: Text = ""
    showdead: Line = ""
    public_votes: Line = ""
    noprocrast: Line = ""
    maxvisit: int = 20
    minaway: int = 180
    delay: int = 0
    topcolor: Line = ""
    filters: Line = ""


def _whose(session: ReadSession, viewer: Viewer, name: str) -> Account:
    """The member that `id` names; without it the one who looks."""
    if not name and viewer.account_id is not None:
        own = session.get(Account, viewer.account_id)
        if own is not None:
            return own
    return listing.user(session, name[:100])


@get("/user", access=Access.PUBLIC)
def user_page(session: DbRead, call: Calling, viewer: Looking, id: FromQuery[str] = "") -> Page:
    """A member."""
    account = _whose(session, viewer, id)
    row = session.get(Member, account.id)
    own = viewer.account_id == account.id
    follows = viewer.account_id is not None and not own and _follows(session, viewer.account_id, account.id)
    return page(
        session,
        call,
        "user.html",
        tab="",
        account=account,
        member=row,
        about=rendered(row.about) if row is not None else "",
        own=own,
        follows=follows,
        counts=listing.counts_of(session, account.id),
        inviter=inviting.inviter_of(session, account.id),
        invited=inviting.invited_by(session, account.id),
    )


def _follows(session: ReadSession, account_id: str, other_id: str) -> bool:
    return other_id in session.scalars(following.followed(PRODUCT, account_id, "user")).all()


@get("/submitted", access=Access.PUBLIC)
def submitted(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    id: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """Somebody's posts."""
    account = _whose(session, viewer, id)
    return show_list(
        session,
        call,
        viewer,
        path="submitted",
        sort="new",
        title=f"Posts of {account.username}",
        wanted=Wanted(author=account.username),
        cursor=cursor,
        n=n,
        tab="",
    )


@get("/threads", access=Access.PUBLIC)
def threads(
    session: DbRead, call: Calling, viewer: Looking, id: FromQuery[str] = "", cursor: FromQuery[str | None] = None
) -> Page:
    """Somebody's comments."""
    account = _whose(session, viewer, id)
    own = account.id == viewer.account_id
    return show_comments(
        session,
        call,
        viewer,
        path="threads",
        title=f"Comments of {account.username}",
        account_id=account.id,
        cursor=cursor,
        tab="threads" if own else "",
    )


@get("/favorites", access=Access.PUBLIC)
def favorites(session: DbRead, call: Calling, viewer: Looking, id: FromQuery[str] = "") -> Page:
    """Somebody's favourites, which everybody may see."""
    account = _whose(session, viewer, id)
    return _marked(session, call, viewer, account, "favorites", f"Favourites of {account.username}")


@get(["/upvoted", "/hidden"], access=Access.MEMBER)
def own_marks(session: DbRead, call: Calling, account: Actor, viewer: Looking, id: FromQuery[str] = "") -> Page:
    """What one voted up, or hid: one's own only."""
    if id and id.lower() != account.username.lower():
        raise Forbidden("Only they can see that.")
    what = call.request.scope["path"].rpartition("/")[2]
    return _marked(session, call, viewer, account, what, LIKED[what])


def _marked(session: ReadSession, call: Call, viewer: Viewer, account: Account, what: str, title: str) -> Page:
    made = with_roots(session, viewer, rows(session, viewer, listing.marked(session, account.id, what, viewer)))
    return page(
        session,
        call,
        "marked.html",
        tab="",
        title=title,
        what=what,
        posts=[row for row in made if row.item.type in POST_TYPES],
        comments=[row for row in made if row.item.type == "comment"],
    )


@get("/feed", access=Access.MEMBER)
def feed(session: DbRead, call: Calling, account: Actor, viewer: Looking, cursor: FromQuery[str | None] = None) -> Page:
    """What followed people and tags bring."""
    found = listing.feed(session, viewer, cursor=cursor or None)
    return page(
        session,
        call,
        "feed.html",
        tab="feed",
        posts=rows(session, viewer, found.posts),
        comments=with_roots(session, viewer, rows(session, viewer, found.comments)),
        next_href=with_query("/news/feed", cursor=found.next_cursor) if found.next_cursor else None,
        people=listing.followed_people(session, account.id),
        feed_href=with_query("/news/rss/feed", id=account.username, token=feed_token(call.platform, account.id)),
        tags=sorted(session.scalars(following.followed(PRODUCT, account.id, "tag"))),
    )


def show_settings(session: ReadSession, call: Call, state: FormState) -> Page:
    """The choices as they were left, or as they are."""
    viewer = viewing(session, call)
    account_id = call.member().account_id
    row = session.get(Member, account_id) or Member(
        about="", showdead=False, noprocrast=False, maxvisit=20, minaway=180, delay=0, topcolor="", public_votes=False,
        karma=1,
    )  # fmt: skip
    return page(
        session,
        call,
        "settings.html",
        tab="",
        form=state.form,
        member=row,
        filters=" ".join(members.filters_of(session, account_id)),
        karma_for_colour=members.KARMA_FOR_TOPCOLOR,
        viewer=viewer,
    )


@get("/settings", access=Access.MEMBER)
def settings(session: DbRead, call: Calling) -> Page:
    """One's choices."""
    return show_settings(session, call, FormState())


@post("/settings", access=Access.MEMBER, status=200, form=show_settings)
def change_settings(session: DbWrite, account: Actor, data: AnyBody[SettingsForm]) -> Redirect:
    """Change them."""
    filters = posting.checked_tags(data.filters.replace(",", " ").split(), most=100, field="filters")
    changes = {
        "about": data.about,
        "showdead": bool(data.showdead),
        "public_votes": bool(data.public_votes),
        "noprocrast": bool(data.noprocrast),
        "maxvisit": data.maxvisit,
        "minaway": data.minaway,
        "delay": data.delay,
        "topcolor": data.topcolor,
    }
    members.change_profile(session, account.id, changes)
    members.set_filters(session, account.id, filters)
    return Redirect("/news/settings", toast="Saved.")


@get("/login", access=Access.PUBLIC)
def sign_in(goto: FromQuery[str] = "/news/") -> Redirect:
    """Sign in with the platform's account, and come back."""
    return Redirect(f"/login?next={quote(back_to(goto), safe='/')}", status=302)


routes = [
    user_page,
    submitted,
    threads,
    favorites,
    own_marks,
    feed,
    settings,
    change_settings,
    sign_in,
]
