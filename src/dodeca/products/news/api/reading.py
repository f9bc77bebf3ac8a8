"""Lists, threads, ranks explained, search."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, DbRead, FromPath, FromQuery, bounded, get
from dodeca.products.news import ranking
from dodeca.products.news.acting import Looking
from dodeca.products.news.models import RankPlace
from dodeca.products.news.service import items, listing, searching, threads, voting
from dodeca.products.news.service.rules import current
from dodeca.products.news.views import (
    BothAnswer,
    OnePost,
    PostsAnswer,
    comment_views,
    post_view,
    post_views,
    tree,
)

PLACES = 300


class FactorView(msgspec.Struct):
    """One factor of a rank and its reason."""

    name: str
    value: float
    why: str


class PlaceView(msgspec.Struct):
    """Where the post stood at a moment."""

    at: datetime
    position: int


class RankView(msgspec.Struct, kw_only=True):
    """Why a post stands where it stands. No voter is named."""

    position: int | None
    score: int
    counted_points: int
    uncounted: int
    age_hours: float
    gravity: float
    exponent: float
    factors: list[FactorView]
    rank: float
    history: list[PlaceView]


@get("/posts", access=Access.PUBLIC)
def list_posts(
    session: DbRead,
    viewer: Looking,
    sort: FromQuery[str] = "top",
    day: FromQuery[date | None] = None,
    tag: FromQuery[str | None] = None,
    site: FromQuery[str | None] = None,
    author: FromQuery[str | None] = None,
    min_points: FromQuery[int | None] = None,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> PostsAnswer:
    """One page of posts: top, new, best, active, ask, show, job, poll, pool or past."""
    if min_points is not None and abs(min_points) > 10**9:
        raise Invalid("min_points is too large.", field="min_points")
    wanted = listing.Wanted(day, tag, site, author, min_points)
    page = listing.posts(session, viewer, sort, wanted, limit=limit, cursor=cursor)
    return PostsAnswer(posts=post_views(session, viewer, page.items), next_cursor=page.next_cursor)


@get("/posts/{post_id:int}", access=Access.PUBLIC)
def read_post(
    session: DbRead,
    viewer: Looking,
    post_id: FromPath[int],
    sort: FromQuery[str] = "best",
    since: FromQuery[datetime | None] = None,
) -> OnePost:
    """A post with its whole thread; `since` keeps the branches in which something is newer."""
    item = items.find_post(session, viewer, post_id)
    nodes = threads.thread(session, viewer, item, sort=sort, rules=current(session))
    if since is not None:
        if since.tzinfo is None:
            raise Invalid("since needs a time zone, such as 2031-05-01T00:00:00Z.", field="since")
        nodes = [top for top in nodes if any(node.row.created_at > since for node in top.walk())]
    view = post_view(session, viewer, item)
    view.comments = tree(session, viewer, nodes)
    return OnePost(view)


@get("/posts/{post_id:int}/rank", access=Access.PUBLIC)
def explain_rank(session: DbRead, viewer: Looking, post_id: FromPath[int]) -> RankView:
    """Why a post stands where it stands."""
    item = items.find_post(session, viewer, post_id)
    rules, standing = current(session), items.standing(session, item)
    now = clock.now()
    places = select(RankPlace).where(RankPlace.item_id == item.id).order_by(RankPlace.at.desc()).limit(PLACES)
    return RankView(
        position=listing.position(session, item),
        score=item.score,
        counted_points=item.counted,
        uncounted=voting.uncounted(session, item.id),
        age_hours=ranking.age_hours(standing, now),
        gravity=rules.gravity,
        exponent=rules.exponent,
        factors=[FactorView(f.name, f.value, f.why) for f in ranking.factors(standing, rules)],
        rank=ranking.rank(standing, now, rules),
        history=[PlaceView(place.at, place.position) for place in reversed(session.scalars(places).all())],
    )


@get("/feed", access=Access.MEMBER)
def read_feed(
    session: DbRead,
    viewer: Looking,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> BothAnswer:
    """What followed people and tags bring."""
    found = listing.feed(session, viewer, limit=bounded(limit), cursor=cursor)
    return BothAnswer(
        posts=post_views(session, viewer, found.posts),
        comments=comment_views(session, viewer, found.comments),
        next_cursor=found.next_cursor,
    )


@get("/jobs", access=Access.PUBLIC)
def list_jobs(
    session: DbRead, viewer: Looking, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> PostsAnswer:
    """Job posts."""
    page = listing.posts(session, viewer, "job", limit=limit, cursor=cursor)
    return PostsAnswer(posts=post_views(session, viewer, page.items), next_cursor=page.next_cursor)


@get("/search", access=Access.PUBLIC)
def search(
    session: DbRead,
    viewer: Looking,
    q: FromQuery[str] = "",
    tag: FromQuery[str | None] = None,
    author: FromQuery[str | None] = None,
    site: FromQuery[str | None] = None,
    sort: FromQuery[str] = "relevance",
    limit: FromQuery[int | None] = None,
) -> BothAnswer:
    """Posts and comments with these words."""
    posts, comments = searching.find(
        session, viewer, q, tag=tag, author=author, site=site, sort=sort, limit=bounded(limit)
    )
    return BothAnswer(posts=post_views(session, viewer, posts), comments=comment_views(session, viewer, comments))


routes = [list_posts, read_post, explain_rank, read_feed, list_jobs, search]
