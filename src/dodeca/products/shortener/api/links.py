"""Links: making, listing, reading, changing, deleting, claiming."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    Post,
    converted,
    delete,
    get,
    patch,
    post,
    problems,
    put,
)
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import Installed, creating, installed, links
from dodeca.products.shortener.service.links import Filters, LinkView
from dodeca.products.shortener.service.wishes import LinkChange, NewLink

MOST_AT_ONCE = 1000


class LinkList(msgspec.Struct):
    """A page of links."""

    links: list[LinkView]
    next_cursor: str | None


class BulkRequest(ClosedRequest):
    """Links to make; each is like a request to make one."""

    links: Annotated[list[dict[str, Any]], Meta(max_length=MOST_AT_ONCE)]


class BulkResults(msgspec.Struct):
    """`{link}` or `{error}` for each, in order."""

    results: list[dict[str, Any]]


class RulesRequest(ClosedRequest):
    """The rules in order: `{long_url, conditions: [{type, match_key, match_value}]}`."""

    rules: list[Any]


class HistoryEntry(msgspec.Struct):
    """One change of a target."""

    from_url: str
    to_url: str
    at: Any


class History(msgspec.Struct):
    """Changes, newest first."""

    history: list[HistoryEntry]


def _token(call: Call) -> str | None:
    """What a link without account is managed with."""
    return call.request.headers.get("x-manage-token")


async def make(call: Call, data: NewLink) -> LinkView:
    """Make a link. Raises what `creating.make` does."""
    shortener = installed(call)
    return await creating.make_and(
        shortener,
        call.principal,
        data,
        call.address,
        lambda session, made: links.view_of_made(session, shortener, made),
    )


@post("/links", access=Access.PUBLIC)
async def create(call: Calling, data: AnyBody[NewLink]) -> LinkView:
    """Make a link."""
    return await make(call, data)


@get("/links", access=Access.MEMBER)
def list_links(
    session: DbRead,
    shortener: Installed,
    call: Calling,
    q: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
    folder: FromQuery[str | None] = None,
    domain: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    sort: FromQuery[str | None] = None,
    group_id: FromQuery[str | None] = None,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> LinkList:
    """The caller's links and those of the caller's groups."""
    filters = Filters(q=q, tag=tag, folder=folder, domain=domain, status=status, sort=sort, group_id=group_id)
    page = links.listed(session, shortener, call.member(), filters, limit=limit, cursor=cursor)
    return LinkList(links.views(session, shortener, page.items), page.next_cursor)


@post("/links/bulk", access=Access.MEMBER, status=200, request_max_body_size=20_000_000)
async def create_many(call: Calling, data: JSONBody[BulkRequest]) -> BulkResults:
    """Make up to a thousand links; one that is refused does not keep the others from being made."""
    shortener = installed(call)
    wishes: list[NewLink | Exception] = []
    for raw in data.links:
        try:
            wishes.append(converted(raw, NewLink))
        except Invalid as error:
            wishes.append(error)
    made = await creating.make_many(shortener, call.member(), wishes, call.address)
    rows = [one.link for one in made if isinstance(one, creating.Made)]
    shown = await shortener.db.aread(lambda session: iter(links.views(session, shortener, rows)))
    results: list[dict[str, Any]] = []
    for one in made:
        if isinstance(one, creating.Made):
            results.append({"link": next(shown)})
        elif isinstance(one, DodecaError):
            results.append({"error": problems.problem(problems.status_of(one), one)})
    return BulkResults(results)


@get("/links/info", access=Access.MEMBER)
def info(session: DbRead, shortener: Installed, call: Calling, short_url: FromQuery[str]) -> LinkView:
    """A link of the caller by its short URL or code."""
    return links.view(session, shortener, links.find_by_short_url(session, shortener, call.member(), short_url))


@get("/links/{link_id:str}", access=Access.PUBLIC)
def read(
    session: DbRead,
    shortener: Installed,
    call: Calling,
    link_id: FromPath[str],
) -> LinkView:
    """One link of the caller, or one without account whose token is given."""
    return links.view(session, shortener, links.managed(session, shortener, call.principal, link_id, _token(call)))


@patch("/links/{link_id:str}", access=Access.PUBLIC)
async def change(
    call: Calling,
    link_id: FromPath[str],
    data: AnyBody[LinkChange],
) -> LinkView:
    """Change what is given."""
    shortener = installed(call)
    password_hash = await links.hash_password(shortener, data)

    def unit(session: DbWrite) -> LinkView:
        link = links.managed(session, shortener, call.principal, link_id, _token(call))
        links.change(session, shortener, call.principal, link, data, password_hash=password_hash)
        return links.view(session, shortener, link)

    return await shortener.db.awrite(unit)


@delete("/links/{link_id:str}", access=Access.PUBLIC)
def remove(
    session: DbWrite,
    shortener: Installed,
    call: Calling,
    link_id: FromPath[str],
) -> None:
    """Delete a link."""
    links.remove(session, shortener, links.managed(session, shortener, call.principal, link_id, _token(call)))


@post("/links/{link_id:str}/claim", access=Access.MEMBER, status=200)
def claim(
    session: DbWrite,
    shortener: Installed,
    call: Calling,
    link_id: FromPath[str],
) -> LinkView:
    """Move a link without account to the caller's."""
    link = links.claim(session, shortener, call.member(), link_id, _token(call))
    return links.view(session, shortener, link)


@put("/links/{link_id:str}/rules", access=Access.MEMBER)
def replace_rules(
    session: DbWrite, shortener: Installed, call: Calling, link_id: FromPath[str], data: JSONBody[RulesRequest]
) -> LinkView:
    """Put these rules in place of the link's."""
    link: Link = links.editable(session, call.member(), link_id)
    links.change(session, shortener, call.member(), link, LinkChange(rules=data.rules))
    return links.view(session, shortener, link)


@get("/links/{link_id:str}/history", access=Access.MEMBER)
def history(session: DbRead, call: Calling, link_id: FromPath[str]) -> History:
    """When the target changed, and from where to where."""
    rows = links.history(session, links.find(session, call.member(), link_id))
    return History([HistoryEntry(row.from_url, row.to_url, row.at) for row in rows])


POSTS = {"/api/shortener/links": Post(NewLink, make, 201, Access.PUBLIC)}
"""What programs post most often: the lane answers it, see `PostingLane`."""

routes = [create, list_links, create_many, info, read, change, remove, claim, replace_rules, history]
