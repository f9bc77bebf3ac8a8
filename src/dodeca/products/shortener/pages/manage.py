"""A link without account, for who has its manage token: numbers, changes, and moving it to an account."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.shortener.pages.numbers import show_numbers
from dodeca.products.shortener.pages.surroundings import Line, Member, Url, page, qr_source
from dodeca.products.shortener.service import links, of
from dodeca.products.shortener.service.wishes import MOST_VISITS, LinkChange

# The address holds a secret: it must reach neither search engines nor the pages that links on it lead to.
_HEADERS = {"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


class ManageForm(ClosedRequest):
    """What can be changed without an account."""

    long_url: Url = ""
    title: Line = ""
    max_visits: Annotated[int, Meta(ge=1, le=MOST_VISITS)] | None = None


def show_managed(session: ReadSession, call: Call, state: FormState) -> Page:
    """The page; `span` is the range of its numbers."""
    shortener = of(call.platform)
    parameters = call.request.path_params
    link_id, token = str(parameters["link_id"]), str(parameters["token"])
    link = links.managed(session, shortener, None, link_id, token)
    found = show_numbers(session, call, link, call.request.query_params.get("span"))
    shown = page(
        call,
        "manage.html",
        form=state.form,
        path=f"/shortener/manage/{link_id}/{token}",
        qr=qr_source(found["link"].short_url),
        **found,
    )
    shown.headers |= _HEADERS
    return shown


@get("/manage/{link_id:str}/{token:str}", access=Access.PUBLIC)
def managed(
    session: DbRead, call: Calling, link_id: FromPath[str], token: FromPath[str], span: FromQuery[str | None] = None
) -> Page:
    """The link's page."""
    return show_managed(session, call, FormState())


@post("/manage/{link_id:str}/{token:str}", access=Access.PUBLIC, status=200, form=show_managed)
def change_managed(
    session: DbWrite, call: Calling, link_id: FromPath[str], token: FromPath[str], data: AnyBody[ManageForm]
) -> Redirect:
    """Change target, title, number of visits."""
    shortener = of(call.platform)
    link = links.managed(session, shortener, None, link_id, token)
    wish = LinkChange(long_url=data.long_url, title=data.title or None, max_visits=data.max_visits)
    links.change(session, shortener, None, link, wish)
    return Redirect(f"/shortener/manage/{link_id}/{token}", toast="Saved.")


@post("/manage/{link_id:str}/{token:str}/deletion", access=Access.PUBLIC, status=200, form=show_managed)
def delete_managed(session: DbWrite, call: Calling, link_id: FromPath[str], token: FromPath[str]) -> Redirect:
    """Delete the link."""
    shortener = of(call.platform)
    links.remove(session, shortener, links.managed(session, shortener, None, link_id, token))
    return Redirect("/shortener/", toast="The link is deleted.")


@post("/manage/{link_id:str}/{token:str}/claim", access=Access.MEMBER, status=200)
def claim_managed(
    session: DbWrite, call: Calling, actor: Member, link_id: FromPath[str], token: FromPath[str]
) -> Redirect:
    """Move the link to one's account."""
    link = links.claim(session, of(call.platform), actor, link_id, token)
    return Redirect(f"/shortener/links/{link.id}", toast="The link is yours now.")


routes = [managed, change_managed, delete_managed, claim_managed]
