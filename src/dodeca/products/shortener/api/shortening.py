"""Making links in one step, and looking before following."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid, NotFound, Unauthenticated
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, DbRead, FromQuery, get, post
from dodeca.products.shortener.service import Installed, aliases, creating, installed, links, status, wishes
from dodeca.products.shortener.service.creating import Made
from dodeca.products.shortener.service.installation import Shortener


class ShortenRequest(ClosedRequest):
    """What to shorten: `url` or `long_url`. An alias needs an account."""

    url: wishes.Url | None = None
    long_url: wishes.Url | None = None
    alias: str | None = None
    domain: wishes.Name | None = None


class DataRequest(ClosedRequest):
    """What to shorten."""

    long_url: wishes.Url


class Shortened(msgspec.Struct, kw_only=True):
    """The short link. `manage_token` comes once, to whoever has no account: it changes, deletes or claims the link."""

    short_url: str
    short_code: str
    long_url: str
    id: str
    manage_token: str | msgspec.UnsetType = UNSET


class Preview(msgspec.Struct, kw_only=True):
    """Where a link leads. Of one with a password, `long_url` is left out."""

    short_url: str
    title: str
    created_at: datetime
    target_changed_at: datetime | None
    warning: str | None
    long_url: str | msgspec.UnsetType = UNSET
    password: bool | msgspec.UnsetType = UNSET


def shortened(shortener: Shortener, made: Made) -> Shortened:
    """The public form of a link that was made or found."""
    link = made.link
    table = shortener.known_hosts()
    host = table.host_of(link.domain_id) if table is not None else None
    return Shortened(
        short_url=shortener.short_url(link.short_code, host),
        short_code=link.short_code,
        long_url=link.long_url,
        id=str(link.id),
        manage_token=made.manage_token if made.manage_token is not None else UNSET,
    )


@post("/shorten", access=Access.PUBLIC, status=200)
async def shorten(call: Calling, data: AnyBody[ShortenRequest]) -> Shortened:
    """The caller's short URL for this target: the same one while a plain live one exists."""
    shortener = installed(call)
    long_url = data.url if data.long_url is None else data.long_url
    if long_url is None:
        raise Invalid("Give the address to shorten.", field="long_url")
    if data.alias:
        if call.principal is None:
            raise Unauthenticated("Sign in to choose an alias.", field="alias")
        wish = wishes.NewLink(long_url=long_url, alias=data.alias, domain=data.domain)
        return shortened(shortener, await creating.make(shortener, call.principal, wish, call.address))
    made = await creating.make_short(shortener, call.principal, long_url, call.address, domain=data.domain)
    return shortened(shortener, made)


@post("/data/shorten", access=Access.PUBLIC, status=200)
async def data_shorten(call: Calling, data: AnyBody[DataRequest]) -> Shortened:
    """The same under the name that the brief gives it."""
    shortener = installed(call)
    return shortened(shortener, await creating.make_short(shortener, call.principal, data.long_url, call.address))


@get("/aliases/check", access=Access.PUBLIC)
def check_alias(
    session: DbRead, shortener: Installed, call: Calling, alias: FromQuery[str], domain: FromQuery[str | None] = None
) -> aliases.Availability:
    """Whether an alias is free; otherwise what is."""
    return aliases.check(session, shortener, call.principal, alias[:200], domain)


@get("/preview", access=Access.PUBLIC)
def preview(session: DbRead, shortener: Installed, short_url: FromQuery[str]) -> Preview:
    """Where a short link leads, without following it."""
    link = links.by_code(session, shortener, short_url)
    stopped = status.stopped_because(link, shortener.settings, clock.now()) if link is not None else None
    if link is None or stopped == "scheduled":
        raise NotFound("Short code not found")
    host = shortener.hosts(session).host_of(link.domain_id)
    shown = Preview(
        short_url=shortener.short_url(link.short_code, host),
        title="" if link.password_hash else link.title,
        created_at=link.created_at,
        target_changed_at=link.target_changed_at,
        warning=link.warning,
    )
    if link.password_hash is not None:
        shown.password = True
    else:
        shown.long_url = link.long_url
    return shown


routes = [shorten, data_shorten, check_alias, preview]
