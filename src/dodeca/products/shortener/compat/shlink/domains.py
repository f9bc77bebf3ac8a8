"""Domains with where their own pages lead, and whether the service is well."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Access
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.compat.shlink.errors import DomainNotFound, MercureNotConfigured
from dodeca.products.shortener.compat.shlink.shapes import calls, default_authority, domain_id
from dodeca.products.shortener.models import SHARED_DOMAIN, Domain
from dodeca.products.shortener.service import domains

VERSION = "4.6.0"
"""The Shlink whose API this is: clients look at it to know which calls there are."""
_NO_REDIRECTS = {"baseUrlRedirect": None, "regular404Redirect": None, "invalidShortUrlRedirect": None}
Url = Annotated[str, Meta(max_length=20_000)]


class RedirectsRequest(msgspec.Struct):
    """What `PATCH domains/redirects` takes; what is not given stays, null takes a redirect away."""

    domain: Annotated[str, Meta(max_length=255)]
    baseUrlRedirect: Url | UnsetType | None = UNSET  # noqa: N815 - the name on the wire
    regular404Redirect: Url | UnsetType | None = UNSET  # noqa: N815
    invalidShortUrlRedirect: Url | UnsetType | None = UNSET  # noqa: N815


def _redirects(row: Domain) -> dict[str, str | None]:
    """A domain has one target for all that leads nowhere: Shlink's two kinds are shown alike."""
    return {
        "baseUrlRedirect": row.home_url,
        "regular404Redirect": row.not_found_url,
        "invalidShortUrlRedirect": row.not_found_url,
    }


@calls.reading("GET", "domains")
def list_domains(session: ReadSession, asked: Asked) -> object:
    """The shared domain and the caller's own."""
    mine = select(Domain).where(Domain.account_id == asked.actor.account_id).order_by(Domain.host)
    data: list[dict[str, object]] = [
        {"domain": default_authority(asked.shortener), "isDefault": True, "redirects": _NO_REDIRECTS}
    ]
    data += [{"domain": row.host, "isDefault": False, "redirects": _redirects(row)} for row in session.scalars(mine)]
    return {"domains": {"data": data, "defaultRedirects": _NO_REDIRECTS}}


@calls.writing("PATCH", "domains/redirects")
def edit_redirects(session: WriteSession, asked: Asked) -> object:
    """Change where the pages of one of the caller's domains lead."""
    data = asked.body(RedirectsRequest)
    if domain_id(session, asked.shortener, data.domain) == SHARED_DOMAIN:
        raise Forbidden("The pages of the shared domain belong to the installation.", field="domain")
    missing = [url for url in (data.regular404Redirect, data.invalidShortUrlRedirect) if url is not UNSET]
    if len(set(missing)) > 1:
        raise Invalid(
            "regular404Redirect and invalidShortUrlRedirect are one setting here: give the same URL.",
            field="regular404Redirect",
        )
    urls: dict[str, str | None] = {}
    if data.baseUrlRedirect is not UNSET:
        urls["home_url"] = data.baseUrlRedirect
    if missing:
        urls["not_found_url"] = missing[0]
    try:
        row = domains.change(session, asked.shortener, asked.actor, data.domain, **urls)
    except NotFound as error:
        raise DomainNotFound(data.domain) from error
    return _redirects(row)


@calls.reading("GET", "health", access=Access.PUBLIC)
def health(session: ReadSession, asked: Asked) -> object:
    """Whether the service and its database answer; needs no key."""
    session.execute(select(1))
    return {"status": "pass", "version": VERSION, "links": {"about": asked.shortener.public_url}}


@calls.reading("GET", "mercure-info")
def mercure_info(_session: ReadSession, _asked: Asked) -> object:
    """There is no Mercure hub here; live updates are server-sent events of the product's own API."""
    raise MercureNotConfigured("This installation does not send updates through a Mercure hub.")
