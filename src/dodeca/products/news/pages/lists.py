"""The lists: front page, newest, best and their like; comments across threads; members."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, FromQuery, Page, get
from dodeca.products.news.acting import Looking
from dodeca.products.news.models import Site, Tag
from dodeca.products.news.pages.staying import not_too_long
from dodeca.products.news.pages.surroundings import page, rows, with_query, with_roots
from dodeca.products.news.service import listing
from dodeca.products.news.service.listing import Wanted
from dodeca.products.news.service.members import Viewer

FIRST_DAY = date(2006, 10, 9)
SORTS_OF_PAGES = {
    "news": ("top", "Top posts"),
    "newest": ("new", "Newest posts"),
    "best": ("best", "Best posts lately"),
    "active": ("active", "Active discussions"),
    "ask": ("ask", "Questions"),
    "show": ("show", "Things that people made"),
    "jobs": ("job", "Jobs"),
    "polls": ("poll", "Polls"),
    "pool": ("pool", "Second starts: overlooked posts that moderators brought back"),
}
LISTS = (
    ("/news/front", "Yesterday and earlier", "The best posts of each day"),
    ("/news/best", "Best", "What most people liked lately"),
    ("/news/active", "Active", "Where people talk now"),
    ("/news/pool", "Pool", "Overlooked posts that moderators gave a second start"),
    ("/news/over?points=100", "Over 100 points", "Posts above any number of points, newest first"),
    ("/news/polls", "Polls", "Questions with options to choose from"),
    ("/news/bestcomments", "Best comments", "What was said best lately"),
    ("/news/newcomments", "New comments", "Everything as it is said"),
    ("/news/leaders", "Leaders", "Members with the most karma"),
    ("/news/users", "New members", "Who came lately"),
    ("/news/tree", "Who invited whom", "The tree that invitations make"),
    ("/news/moderations", "Moderation log", "What moderators did, and why"),
)


def show_list(
    session: ReadSession,
    call: Call,
    viewer: Viewer,
    *,
    path: str,
    sort: str,
    title: str,
    wanted: Wanted | None = None,
    cursor: str | None = None,
    n: int | None = None,
    **context: Any,
) -> Page:
    """One page of posts."""
    found = listing.posts(session, viewer, sort, wanted, cursor=cursor or None)
    first = max(1, min(n or 1, 1_000_000)) if cursor else 1
    given = {k: v for k, v in call.request.query_params.items() if k not in ("cursor", "n")}
    following = {**given, "cursor": found.next_cursor, "n": first + len(found.items)}
    is_live = not cursor and wanted is None
    return page(
        session,
        call,
        "list.html",
        rows=rows(session, viewer, found.items, first=first),
        next_href=with_query(f"/news/{path}", **following) if found.next_cursor else None,
        **{**list_context(path=path, sort=sort, title=title, is_live=is_live), **context},
    )


def list_context(*, path: str, sort: str, title: str, is_live: bool = True) -> dict[str, object]:
    """What a list's page needs besides its rows. A live one tells of posts that came after it was made."""
    return {
        "title": title,
        "tab": path,
        "topics": sort if sort in ("top", "new") else "top,new",
        "watches": sort if sort in ("top", "new") and is_live else "",
    }


@get(["/", "/news"], access=Access.PUBLIC, guards=[not_too_long])
def front_page(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """What all see first."""
    return show_list(session, call, viewer, path="news", sort="top", title="Top posts", cursor=cursor, n=n)


def _plain(name: str) -> Any:
    """The page of one sort."""
    sort, title = SORTS_OF_PAGES[name]

    @get(f"/{name}", access=Access.PUBLIC, name=f"news_page_{name}", guards=[not_too_long])
    def plain(
        session: DbRead,
        call: Calling,
        viewer: Looking,
        cursor: FromQuery[str | None] = None,
        n: FromQuery[int | None] = None,
    ) -> Page:
        return show_list(session, call, viewer, path=name, sort=sort, title=title, cursor=cursor, n=n)

    return plain


@get("/front", access=Access.PUBLIC, guards=[not_too_long])
def past_front_page(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    day: FromQuery[date | None] = None,
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """The best posts of a day; without one, of yesterday."""
    today = clock.now().date()
    shown = min(max(day or today - timedelta(days=1), FIRST_DAY), today)
    days = {
        "A month earlier": shown - timedelta(days=30),
        "A day earlier": shown - timedelta(days=1),
        "A day later": shown + timedelta(days=1) if shown < today else None,
    }
    return show_list(
        session,
        call,
        viewer,
        path="front",
        sort="past",
        title=f"Best of {shown.day} {shown:%B %Y}",
        wanted=Wanted(day=shown),
        cursor=cursor,
        n=n,
        tab="lists",
        days=[(text, f"/news/front?day={at.isoformat()}") for text, at in days.items() if at is not None],
    )


@get("/from", access=Access.PUBLIC)
def from_site(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    site: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """Posts of one site, newest first, and what moderators decided about it."""
    name = site[:253].strip().lower()
    row = session.get(Site, name)
    return show_list(
        session,
        call,
        viewer,
        path="from",
        sort="new",
        title=f"From {site[:100]}",
        wanted=Wanted(site=name),
        cursor=cursor,
        n=n,
        tab="",
        target=("site", name, row is not None and row.banned) if name else ("", "", False),
        decided=_decided(row),
    )


@get("/over", access=Access.PUBLIC)
def over_points(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    points: FromQuery[int] = 100,
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """Posts with at least so many points, newest first."""
    least = max(1, min(points, 10**9))
    return show_list(
        session,
        call,
        viewer,
        path="over",
        sort="new",
        title=f"Posts with {least:,} points or more",
        wanted=Wanted(min_points=least),
        cursor=cursor,
        n=n,
        tab="lists",
    )


@get("/t/{tag:str}", access=Access.PUBLIC)
def tagged(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    tag: FromPath[str],
    cursor: FromQuery[str | None] = None,
    n: FromQuery[int | None] = None,
) -> Page:
    """Posts with a tag."""
    follows = viewer.account_id is not None and listing.follows_tag(session, viewer.account_id, tag)
    return show_list(
        session,
        call,
        viewer,
        path=f"t/{tag}",
        sort="top",
        title=f"Tagged {tag[:30]}",
        wanted=Wanted(tag=tag[:100]),
        cursor=cursor,
        n=n,
        tab="",
        tag=tag[:30],
        follows_tag=follows,
        target=("tag", tag[:30].lower(), False),
        decided=_decided(session.get(Tag, tag[:30].lower())),
    )


def _decided(row: Site | Tag | None) -> str:
    """What moderators decided about a site or a tag, in words."""
    if isinstance(row, Site) and row.banned:
        return f"Moderators banned this site: {row.reason}"
    return f"Moderators let it rank × {row.penalty:g}: {row.reason}" if row is not None and row.penalty != 1.0 else ""


@get("/lists", access=Access.PUBLIC)
def lists(session: DbRead, call: Calling) -> Page:
    """All lists."""
    return page(session, call, "lists.html", tab="lists", lists=LISTS)


def show_comments(
    session: ReadSession,
    call: Call,
    viewer: Viewer,
    *,
    path: str,
    title: str,
    account_id: str | None = None,
    best: bool = False,
    cursor: str | None = None,
    **context: Any,
) -> Page:
    """One page of comments, each with its post."""
    found = listing.comments_of(session, viewer, account_id, best=best, cursor=cursor or None)
    given = {k: v for k, v in call.request.query_params.items() if k != "cursor"}
    following = with_query(f"/news/{path}", **{**given, "cursor": found.next_cursor})
    return page(
        session,
        call,
        "comments.html",
        title=title,
        rows=with_roots(session, viewer, rows(session, viewer, found.items)),
        next_href=following if found.next_cursor else None,
        **{"tab": "comments", **context},
    )


@get("/newcomments", access=Access.PUBLIC, guards=[not_too_long])
def new_comments(session: DbRead, call: Calling, viewer: Looking, cursor: FromQuery[str | None] = None) -> Page:
    """All comments, newest first."""
    return show_comments(session, call, viewer, path="newcomments", title="New comments", cursor=cursor)


@get("/bestcomments", access=Access.PUBLIC, guards=[not_too_long])
def best_comments(session: DbRead, call: Calling, viewer: Looking, cursor: FromQuery[str | None] = None) -> Page:
    """The best comments lately."""
    return show_comments(
        session, call, viewer, path="bestcomments", title="Best comments lately", best=True, cursor=cursor, tab="lists"
    )


@get("/leaders", access=Access.PUBLIC)
def leaders(session: DbRead, call: Calling) -> Page:
    """Members with the most karma."""
    return page(
        session, call, "members.html", tab="lists", title="Leaders", members=listing.leaders(session), numbered=True
    )


@get("/users", access=Access.PUBLIC)
def newest_members(session: DbRead, call: Calling) -> Page:
    """Who came lately."""
    found = listing.leaders(session, newest=True)
    return page(session, call, "members.html", tab="lists", title="New members", members=found, numbered=False)


routes = [
    front_page,
    *(_plain(name) for name in SORTS_OF_PAGES if name != "news"),
    past_front_page,
    from_site,
    over_points,
    tagged,
    lists,
    new_comments,
    best_comments,
    leaders,
    newest_members,
]
