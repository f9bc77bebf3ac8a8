"""The list of a member's links: search, filters, many at once, live counts."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response
from msgspec import Meta, field

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.pages.surroundings import Line, Member, choices, own_hosts, page, split_names, with_query
from dodeca.products.shortener.service import activity, bulk, groups, links, of
from dodeca.products.shortener.service.links import Filters
from dodeca.products.shortener.service.status import STATUSES

SORTS = (
    ("newest", "Newest first"),
    ("oldest", "Oldest first"),
    ("updated", "Last changed"),
    ("clicks", "Most clicks"),
    ("least_clicks", "Fewest clicks"),
)
EXPORTS = (
    ("csv", "CSV", "For spreadsheets, and to come back"),
    ("jsonl", "JSON lines", "For programs"),
    ("nginx", "nginx map", "Exit bundle"),
    ("redirects", "_redirects", "Exit bundle for Netlify, Cloudflare"),
    ("htaccess", ".htaccess", "Exit bundle for Apache"),
)
MOST_WATCHED = 100
"""Links whose counts one page follows."""


class BulkForm(ClosedRequest):
    """What to do with the links that are ticked. `back` is the list as it was filtered."""

    links: list[Annotated[str, Meta(max_length=20)]] = field(default_factory=list)
    action: Line = ""
    tag: Line = ""
    folder: Line = ""
    confirmed: Line = ""
    back: Line = ""


@get("/links", access=Access.MEMBER)
def links_page(
    session: DbRead,
    call: Calling,
    actor: Member,
    q: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
    folder: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    domain: FromQuery[str | None] = None,
    group_id: FromQuery[str | None] = None,
    sort: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page:
    """The caller's links and those of the caller's groups."""
    shortener = of(call.platform)
    filters = Filters(
        q=q or None,
        tag=tag or None,
        folder=folder or None,
        status=status or None,
        domain=domain or None,
        group_id=group_id or None,
        sort=sort or None,
    )
    found = links.listed(session, shortener, actor, filters, cursor=cursor or None)
    chosen = {name: getattr(filters, name) for name in filters.__struct_fields__}
    rows = activity.rows(session, shortener, found.items)
    following = {**chosen, "cursor": found.next_cursor}
    return page(
        call,
        "links.html",
        rows=rows,
        filters=chosen,
        is_filtered=any(value for name, value in chosen.items() if name != "sort"),
        statuses=STATUSES,
        sorts=SORTS,
        exports=EXPORTS,
        here=with_query("/shortener/links", {**chosen, "cursor": cursor}),
        first_href=with_query("/shortener/links", chosen) if cursor else None,
        next_href=with_query("/shortener/links", following) if found.next_cursor else None,
        live=_live_source([row.view.id for row in rows]),
        groups=session.scalars(groups.visible_to(actor)).all(),
        hosts=own_hosts(session, shortener, actor),
        **choices(session, actor),
    )


def _live_source(link_ids: list[str]) -> str:
    return "/shortener/live?" + "&".join(f"link={link_id}" for link_id in link_ids)


@get("/live", access=Access.MEMBER)
async def live(call: Calling, link: FromQuery[list[str] | None] = None) -> Response[Any]:
    """Server-sent events with the counts of links that the caller may see."""
    wanted = [
        int(text) for text in (link or [])[:MOST_WATCHED] if text.isascii() and text.isdecimal() and len(text) < 19
    ]
    actor = call.member()

    def visible(session: ReadSession) -> list[int]:
        statement = links.visible_to(actor).with_only_columns(Link.id)
        return list(session.scalars(statement.where(Link.id.in_(wanted))))

    found = await call.platform.db.aread(visible)
    last_id = call.request.headers.get("last-event-id")
    return call.platform.realtime.stream([f"shortener:link:{link_id}" for link_id in found], last_id=last_id)


@post("/links/bulk", access=Access.MEMBER, status=200)
def change_many(session: DbWrite, call: Calling, actor: Member, data: AnyBody[BulkForm]) -> Page | Redirect:
    """Archive, tag, move or delete the links that are ticked. Deleting asks first."""
    shortener = of(call.platform)
    back = data.back if data.back.startswith("/shortener/links") else "/shortener/links"
    if data.action == "delete" and not data.confirmed:
        found = bulk.chosen(session, actor, data.links)
        return page(call, "delete_many.html", views=links.views(session, shortener, found), back=back)
    try:
        text = _act(session, call, actor, data)
    except Invalid as error:
        return Redirect(back, toast=error.message, kind="error")
    return Redirect(back, toast=text)


def _act(session: DbWrite, call: Call, actor: Member, data: BulkForm) -> str:
    shortener, ids = of(call.platform), data.links
    if data.action == "archive":
        return f"{_links(bulk.archive(session, shortener, actor, ids))} archived."
    if data.action == "restore":
        return f"{_links(bulk.archive(session, shortener, actor, ids, archived=False))} out of the archive."
    if data.action in ("tag", "untag"):
        names = split_names(data.tag)
        count = bulk.tag(session, shortener, actor, ids, names, remove=data.action == "untag")
        return f"{_links(count)} {'tagged' if data.action == 'tag' else 'no longer tagged'}."
    if data.action == "move":
        count = bulk.move(session, shortener, actor, ids, data.folder.strip())
        return f"{_links(count)} moved."
    if data.action == "delete":
        return f"{_links(bulk.remove(session, shortener, actor, ids))} deleted."
    raise Invalid("Choose what to do with the links.", field="action")


def _links(count: int) -> str:
    return "1 link" if count == 1 else f"{count} links"


routes = [links_page, live, change_many]
