"""How Shlink writes short URLs, pages and times, and which short URL a request means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.compat.calls import Asked, Calls
from dodeca.products.shortener.compat.shlink.errors import ShortUrlNotFound
from dodeca.products.shortener.models import SHARED_DOMAIN, Link
from dodeca.products.shortener.service import Shortener, addresses, links
from dodeca.products.shortener.service.links import LinkView
from dodeca.products.shortener.service.numbered import Numbered

calls = Calls("/rest", versions="(?:v[123]/)?")
DEFAULT_DOMAIN = "DEFAULT"
MOST_ITEMS = 1000
MOST_PAGES = 1_000_000
ALL_ITEMS = -1


def shlink_time(moment: datetime | None) -> str | None:
    """`2031-05-01T18:00:00+00:00` (ISO 8601 with seconds and offset)."""
    return None if moment is None else moment.replace(microsecond=0).isoformat()


def read_time(text: str, field: str, *, end: bool = False) -> datetime | None:
    """A time of the query, in UTC; of a bare date its start, or its end. Raises Invalid."""
    given = text.strip()
    if not given:
        return None
    if len(given) > 6 and given[-6] == " ":  # a `+` that was sent bare
        given = f"{given[:-6]}+{given[-5:]}"
    try:
        moment = datetime.fromisoformat(given)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if end:
            moment += timedelta(days=1, microseconds=-1) if len(given) == 10 else timedelta(microseconds=999_999)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{field} is a time such as 2031-05-01T18:00:00Z.", field=field) from error
    return moment


# Which one


def domain_id(session: ReadSession, shortener: Shortener, name: str) -> int | None:
    """The id of a domain in a request: empty and `DEFAULT` mean the shared one; None for an unknown one."""
    if not name or name == DEFAULT_DOMAIN:
        return SHARED_DOMAIN
    return addresses.domain_named(shortener.hosts(session), name)


def found(session: ReadSession, asked: Asked) -> Link:
    """The caller's short URL of the path and the query's `domain`. Raises ShortUrlNotFound."""
    code, domain = asked.part("code"), asked.text("domain")
    there = domain_id(session, asked.shortener, domain)
    link = links.find_code(session, there, code) if there is not None else None
    try:
        if link is not None:
            return links.find(session, asked.actor, link.id)
    except NotFound as error:
        raise ShortUrlNotFound(code, domain) from error
    raise ShortUrlNotFound(code, domain)


def editable(session: WriteSession, asked: Asked) -> Link:
    """The same, to be changed. Raises ShortUrlNotFound, Forbidden."""
    return links.editable(session, asked.actor, found(session, asked).id)


# Shapes


def summary(people: int, bots: int) -> dict[str, int]:
    """Visits in all, by people and by bots."""
    return {"total": people + bots, "nonBots": people, "bots": bots}


def short_url(view: LinkView) -> dict[str, object]:
    """One short URL as Shlink shows it."""
    return {
        "shortCode": view.short_code,
        "shortUrl": view.short_url,
        "longUrl": view.long_url,
        "dateCreated": shlink_time(view.created_at),
        "visitsSummary": summary(view.clicks, view.bots),
        "tags": view.tags,
        "meta": {
            "validSince": shlink_time(view.starts_at),
            "validUntil": shlink_time(view.expires_at),
            "maxVisits": view.max_visits,
        },
        "domain": view.domain,
        "title": view.title or None,
        "crawlable": view.crawlable,
        "forwardQuery": view.forward_query,
        "hasRedirectRules": bool(view.rules),
    }


def short_urls(session: ReadSession, shortener: Shortener, rows: Sequence[Link]) -> list[dict[str, object]]:
    """Short URLs as Shlink shows them."""
    return [short_url(view) for view in links.views(session, shortener, rows)]


def one(session: ReadSession, asked: Asked, link: Link) -> dict[str, object]:
    """One short URL as Shlink shows it."""
    return short_urls(session, asked.shortener, [link])[0]


def page_and_size(asked: Asked, default: int) -> tuple[int, int]:
    """`page` and `itemsPerPage`; -1 items are as many as a page may have. Raises Invalid."""
    number = asked.number("page", 1, 1, MOST_PAGES)
    size = asked.number("itemsPerPage", default, ALL_ITEMS, MOST_ITEMS)
    if size == 0:
        raise Invalid("itemsPerPage is at least 1.", field="itemsPerPage")
    return number, MOST_ITEMS if size == ALL_ITEMS else size


def paged(page: Numbered[Any], data: Sequence[object]) -> dict[str, object]:
    """A page with its pagination."""
    pagination = {
        "currentPage": page.number,
        "pagesCount": page.pages,
        "itemsPerPage": page.size,
        "itemsInCurrentPage": len(data),
        "totalItems": page.total,
    }
    return {"data": data, "pagination": pagination}


def part_of(items: Sequence[Any], asked: Asked) -> Numbered[Any]:
    """A page of a list that is in memory; all of it where no page is asked for."""
    number, size = page_and_size(asked, ALL_ITEMS)
    if not asked.text("page") and not asked.text("itemsPerPage"):
        size = max(1, len(items))
    start = (number - 1) * size
    return Numbered(list(items[start : start + size]), number, size, len(items))


def default_authority(shortener: Shortener) -> str:
    """Host and port of the shared domain."""
    return shortener.own_host or shortener.public_url.partition("://")[2].partition("/")[0]
