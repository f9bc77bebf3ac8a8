"""Search as you type, over posts and comments."""

from __future__ import annotations

from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Calling, DbRead, FromQuery, Page, get
from dodeca.products.news.acting import Looking
from dodeca.products.news.pages.surroundings import page, rows, with_roots
from dodeca.products.news.service import searching

LONGEST_QUERY = 300


@get("/search", access=Access.PUBLIC)
def search(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    q: FromQuery[str] = "",
    author: FromQuery[str] = "",
    site: FromQuery[str] = "",
    tag: FromQuery[str] = "",
    sort: FromQuery[str] = "relevance",
) -> Page:
    """Posts and comments with these words."""
    sort = sort if sort in ("relevance", "new") else "relevance"
    text, problem = q[:LONGEST_QUERY].strip(), ""
    try:
        posts, comments = searching.find(
            session, viewer, text, tag=tag or None, author=author or None, site=site or None, sort=sort
        )
    except Invalid as error:
        posts, comments, problem = [], [], error.message
    return page(
        session,
        call,
        "search.html",
        tab="search",
        q=text,
        author=author,
        site=site,
        tag=tag,
        sort=sort,
        problem=problem,
        posts=rows(session, viewer, posts),
        comments=with_roots(session, viewer, rows(session, viewer, comments)),
    )


routes = [search]
