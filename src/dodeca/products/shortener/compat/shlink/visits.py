"""Visits: of short URLs, tags, domains and the whole account, and those that led nowhere."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.agents import DIRECT
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.compat.shlink.errors import DomainNotFound
from dodeca.products.shortener.compat.shlink.shapes import (
    calls,
    domain_id,
    editable,
    found,
    page_and_size,
    paged,
    read_time,
    shlink_time,
    summary,
)
from dodeca.products.shortener.compat.shlink.tags import own_tag
from dodeca.products.shortener.folding import UNKNOWN
from dodeca.products.shortener.models import SHARED_DOMAIN, Link, LinkTag, OrphanVisit
from dodeca.products.shortener.rollups import forget_clicks
from dodeca.products.shortener.service import links, visit_log
from dodeca.products.shortener.service.visit_log import Visit, Wanted

DEFAULT_ITEMS = 100


def _wanted(asked: Asked) -> Wanted:
    number, size = page_and_size(asked, DEFAULT_ITEMS)
    return Wanted(
        start=read_time(asked.text("startDate"), "startDate"),
        end=read_time(asked.text("endDate"), "endDate", end=True),
        bots=not asked.flag("excludeBots"),
        page=number,
        size=size,
    )


def _listed(session: ReadSession, asked: Asked, which: Select[Any]) -> object:
    """The visits of the links that `which` selects from those that the caller may see."""
    page = visit_log.of_links(session, which.with_only_columns(Link.id), _wanted(asked))
    return {"visits": paged(page, [_visit(session, asked, visit) for visit in page.rows])}


def _visit(session: ReadSession, asked: Asked, visit: Visit) -> dict[str, object]:
    click, link = visit.click, visit.link
    host = asked.shortener.hosts(session).host_of(link.domain_id)
    return {
        "referer": "" if click.referrer == DIRECT else click.referrer,
        "date": shlink_time(click.at),
        "userAgent": click.user_agent,
        "visitLocation": _location(click.country, click.city),
        "potentialBot": click.kind == "bot",
        "visitedUrl": asked.shortener.short_url(link.short_code, host),
        "redirectUrl": visit.location,
    }


def _location(country: str, city: str) -> dict[str, object] | None:
    """Where a visit came from, as far as it is known. Coordinates are never looked up here."""
    code = None if country in ("", UNKNOWN) else country
    if code is None and not city:
        return None
    known = {"countryCode": code, "countryName": code, "cityName": city or None}
    unknown = {"regionName": None, "latitude": None, "longitude": None, "timezone": None}
    return {**known, **unknown, "isEmpty": False}


def _in_domain(session: ReadSession, asked: Asked, statement: Select[Any]) -> Select[Any]:
    """Only on the query's `domain`, where it names one."""
    if not asked.text("domain"):
        return statement
    there = domain_id(session, asked.shortener, asked.text("domain"))
    return statement.where(Link.domain_id == (-1 if there is None else there))


@calls.reading("GET", "short-urls/{code}/visits")
def short_url_visits(session: ReadSession, asked: Asked) -> object:
    """Visits of one short URL, newest first."""
    link = found(session, asked)
    return _listed(session, asked, select(Link).where(Link.id == link.id))


@calls.writing("DELETE", "short-urls/{code}/visits")
def delete_visits(session: WriteSession, asked: Asked) -> object:
    """Forget every visit of a short URL, with all numbers that came of them."""
    asked_for = editable(session, asked)
    return {"deletedVisits": forget_clicks(session, asked_for)}


@calls.reading("GET", "tags/{tag}/visits")
def tag_visits(session: ReadSession, asked: Asked) -> object:
    """Visits of the short URLs with a tag."""
    tag = own_tag(session, asked, asked.part("tag"))
    tagged = select(LinkTag.link_id).where(LinkTag.tag_id == tag.id)
    mine = links.visible_to(asked.actor).where(Link.id.in_(tagged))
    return _listed(session, asked, _in_domain(session, asked, mine))


@calls.reading("GET", "domains/{domain}/visits")
def domain_visits(session: ReadSession, asked: Asked) -> object:
    """Visits of the caller's short URLs on a domain."""
    there = domain_id(session, asked.shortener, asked.part("domain"))
    served = asked.shortener.hosts(session).domains.get(there or 0)
    foreign = there != SHARED_DOMAIN and (served is None or served.account_id != asked.actor.account_id)
    if there is None or foreign:
        raise DomainNotFound(asked.part("domain"))
    return _listed(session, asked, links.visible_to(asked.actor).where(Link.domain_id == there))


@calls.reading("GET", "visits/non-orphan")
def all_visits(session: ReadSession, asked: Asked) -> object:
    """Visits of all the caller's short URLs."""
    return _listed(session, asked, _in_domain(session, asked, links.visible_to(asked.actor)))


@calls.reading("GET", "visits/orphan")
def orphan_visits(session: ReadSession, asked: Asked) -> object:
    """Visits that led nowhere, on the caller's own domains."""
    kind = asked.text("type") or None
    if kind is not None and kind not in visit_log.ORPHAN_TYPES:
        raise Invalid(f"type is one of: {', '.join(visit_log.ORPHAN_TYPES)}.", field="type")
    there: int | None = None
    if asked.text("domain"):
        there = domain_id(session, asked.shortener, asked.text("domain"))
        there = -1 if there is None else there
    page = visit_log.orphans(session, asked.actor, _wanted(asked), kind=kind, domain_id=there)
    return {"visits": paged(page, [_orphan(session, asked, row) for row in page.rows])}


def _orphan(session: ReadSession, asked: Asked, row: OrphanVisit) -> dict[str, object]:
    shortener = asked.shortener
    host = shortener.hosts(session).host_of(row.domain_id)
    return {
        "referer": "" if row.referrer == DIRECT else row.referrer,
        "date": shlink_time(row.at),
        "userAgent": row.user_agent,
        "visitLocation": _location(row.country, ""),
        "potentialBot": row.bot,
        "visitedUrl": shortener.short_url(row.path, host),
        "redirectUrl": None,
        "type": visit_log.orphan_type(row.path),
    }


@calls.writing("DELETE", "visits/orphan")
def delete_orphans(session: WriteSession, asked: Asked) -> object:
    """Forget the visits that led nowhere, on the caller's own domains."""
    return {"deletedVisits": visit_log.forget_orphans(session, asked.actor)}


@calls.reading("GET", "visits")
def overview(session: ReadSession, asked: Asked) -> object:
    """How many visits there were."""
    mine = links.visible_to(asked.actor).subquery()
    sums = select(func.coalesce(func.sum(mine.c.clicks), 0), func.coalesce(func.sum(mine.c.bots), 0))
    people, bots = session.execute(sums).one()
    visits = summary(int(people), int(bots))
    orphans = summary(*visit_log.orphan_counts(session, asked.actor))
    counts = {"visitsCount": visits["total"], "orphanVisitsCount": orphans["total"]}
    return {"visits": {"nonOrphanVisits": visits, "orphanVisits": orphans, **counts}}
