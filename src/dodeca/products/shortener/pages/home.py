"""The first page: paste a URL, press Enter, have a short link. And what belongs to making one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    FormState,
    FromQuery,
    Page,
    get,
    post,
)
from dodeca.products.shortener.models import UtmTemplate
from dodeca.products.shortener.pages.surroundings import (
    Line,
    Member,
    Name,
    Url,
    UtmForm,
    choices,
    own_hosts,
    page,
    qr_source,
    split_names,
    templates_of,
)
from dodeca.products.shortener.service import Shortener, activity, aliases, creating, labels, links, of, titles
from dodeca.products.shortener.service.creating import Made
from dodeca.products.shortener.service.links import Filters
from dodeca.products.shortener.service.wishes import MOST_VISITS, NewLink

RECENT = 5
LIFETIMES = (
    ("", "Never"),
    ("3600", "In an hour"),
    ("86400", "Tomorrow"),
    ("604800", "In a week"),
    ("2592000", "In 30 days"),
    ("31536000", "In a year"),
)
"""When a link may end, in seconds from now."""


class ShortenForm(UtmForm, ClosedRequest, kw_only=True, forbid_unknown_fields=True):
    """The field, and the options under it."""

    long_url: Url = ""
    alias: Line = ""
    style: Name = ""
    domain: Name = ""
    title: Line = ""
    tags: Annotated[str, Meta(max_length=5000)] = ""
    lifetime: Name = ""
    max_visits: Annotated[int, Meta(ge=1, le=MOST_VISITS)] | None = None
    password: Annotated[str, Meta(max_length=200)] = ""
    template: Name = ""

    @property
    def is_plain(self) -> bool:
        """Whether no option is used: then a link that the caller has already will do."""
        return self == ShortenForm(long_url=self.long_url, domain=self.domain)


def show_home(session: ReadSession, call: Call, state: FormState) -> Page:
    """The page with the form as it was left."""
    return _home(session, call, state)


def _home(session: ReadSession, call: Call, state: FormState, made: Made | None = None, url: str = "") -> Page:
    shortener, actor = of(call.platform), call.principal
    found: dict[str, Any] = {"recent": [], "tags": (), "folders": (), "templates": (), "hosts": []}
    if actor is not None:
        recent = links.listed(session, shortener, actor, Filters(), limit=RECENT).items
        found = {
            **choices(session, actor),
            "recent": activity.rows(session, shortener, recent),
            "templates": templates_of(session, actor),
            "hosts": own_hosts(session, shortener, actor),
        }
    return page(
        call,
        "home.html",
        form=state.form,
        made=_shown(session, shortener, made) if made is not None else None,
        url=url,
        lifetimes=LIFETIMES,
        address=call.platform.url("/shortener/"),
        link_host=shortener.short_url("").partition("://")[2],
        domain_options=[("", "The shared one"), *((host, host) for host in found["hosts"])],
        template_options=[("", "None"), *((template.id, template.name) for template in found["templates"])],
        **found,
    )


def _shown(session: ReadSession, shortener: Shortener, made: Made) -> dict[str, Any]:
    """What the page says about a link that was just made."""
    view = links.view(session, shortener, made.link)
    manage = f"/shortener/manage/{view.id}/{made.manage_token}" if made.manage_token else None
    return {"view": view, "is_new": made.is_new, "manage": manage, "qr": qr_source(view.short_url)}


@get("/", access=Access.PUBLIC)
def home(session: DbRead, call: Calling, url: FromQuery[str | None] = None) -> Page:
    """One focused field. `url` is filled in: the bookmarklet comes here."""
    return _home(session, call, FormState(), url=(url or "")[:8000])


@post("/", access=Access.PUBLIC, status=200, form=show_home)
async def shorten(call: Calling, data: AnyBody[ShortenForm]) -> Page:
    """Make the short link, and show it with its QR code."""
    shortener, actor = of(call.platform), call.principal
    if data.is_plain:
        domain = data.domain or None
        made = await creating.make_short(shortener, actor, data.long_url, call.address, domain=domain)
    else:
        wish = await shortener.db.aread(lambda session: _wish(session, call, data))
        made = await creating.make(shortener, actor, wish, call.address)
    await titles.ask_later(shortener, made)
    return await shortener.db.aread(lambda session: _home(session, call, FormState(), made))


def _wish(session: ReadSession, call: Call, data: ShortenForm) -> NewLink:
    """The form in the service's words. Raises Invalid."""
    utm = data.utm
    if data.template and call.principal is not None:
        stored = labels.find(session, UtmTemplate, call.principal, data.template).utm
        utm = {**{name: str(value) for name, value in stored.items()}, **utm}
    expires_at = None
    if data.lifetime:
        if data.lifetime not in dict(LIFETIMES):
            raise Invalid("Choose one of the options.", field="lifetime")
        expires_at = clock.now() + timedelta(seconds=int(data.lifetime))
    return NewLink(
        long_url=data.long_url,
        alias=data.alias.strip() or None,
        style=data.style or None,
        domain=data.domain or None,
        title=data.title or UNSET,
        tags=split_names(data.tags) or UNSET,
        expires_at=expires_at or UNSET,
        max_visits=data.max_visits or UNSET,
        password=data.password or UNSET,
        utm=utm or UNSET,
    )


@get("/alias", access=Access.MEMBER)
def check_alias(
    session: DbRead,
    call: Calling,
    actor: Member,
    alias: FromQuery[str] = "",
    domain: FromQuery[str | None] = None,
) -> Page:
    """A piece of the form that says while typing whether an alias is free."""
    wanted = alias.strip()[:200]
    try:
        found = aliases.check(session, of(call.platform), actor, wanted, domain or None) if wanted else None
    except Invalid as error:
        found = aliases.Availability(False, error.message, [])
    return page(call, "_alias.html", alias=wanted, found=found)


@get("/keys", access=Access.MEMBER)
def keys(session: DbRead, call: Calling, actor: Member) -> Page:
    """Lines to paste: for programs, and for clients of Bitly, YOURLS and Shlink."""
    return page(call, "keys.html", address=call.platform.url(""), api=call.platform.url("/api/shortener"))


@get("/tools", access=Access.PUBLIC)
def tools(call: Calling) -> Page:
    """The bookmarklet and other shortcuts."""
    return page(call, "tools.html", address=call.platform.url("/shortener/"))


routes = [home, shorten, check_alias, keys, tools]
__all__ = ["ShortenForm", "routes"]
