"""Short URLs and their redirect rules."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Select, func, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, Unavailable
from dodeca.kernel.ids import BASE62
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.compat.shlink.shapes import (
    calls,
    domain_id,
    editable,
    found,
    one,
    page_and_size,
    paged,
    read_time,
    short_urls,
)
from dodeca.products.shortener.models import Link, LinkTag, Tag
from dodeca.products.shortener.service import aliases, creating, known, links, ruling
from dodeca.products.shortener.service.numbered import page_number
from dodeca.products.shortener.service.wishes import LinkChange, NewLink

DEFAULT_ITEMS = 10
SHORTEST_CODE, LONGEST_CODE = 4, 64
_ATTEMPTS = 5
Text = Annotated[str, Meta(max_length=20_000)]
Title = Annotated[str, Meta(max_length=500)]
Tags = Annotated[list[str], Meta(max_length=50)]
ORDERS: dict[str, Any] = {
    "dateCreated": Link.created_at,
    "shortCode": Link.short_code,
    "longUrl": Link.long_url,
    "title": Link.title,
    "visits": Link.clicks + Link.bots,
    "nonBotVisits": Link.clicks,
}


class EditRequest(msgspec.Struct):
    """What `PATCH` takes; what is not given stays. Other members are left alone, as Shlink does."""

    longUrl: Text | UnsetType = UNSET  # noqa: N815 - the name on the wire
    validSince: datetime | UnsetType | None = UNSET  # noqa: N815
    validUntil: datetime | UnsetType | None = UNSET  # noqa: N815
    maxVisits: int | UnsetType | None = UNSET  # noqa: N815
    tags: Tags | UnsetType | None = UNSET
    title: Title | UnsetType | None = UNSET
    crawlable: bool | UnsetType = UNSET
    forwardQuery: bool | UnsetType = UNSET  # noqa: N815


class CreateRequest(EditRequest):
    """What `POST` takes beside it."""

    customSlug: Text | None = None  # noqa: N815
    shortCodeLength: int | None = None  # noqa: N815
    findIfExists: bool = False  # noqa: N815
    domain: Annotated[str, Meta(max_length=255)] | None = None


class Rule(msgspec.Struct):
    """One redirect rule."""

    longUrl: Text  # noqa: N815
    conditions: list[dict[str, Any]]
    priority: int | None = None


class RulesRequest(msgspec.Struct):
    """What `POST …/redirect-rules` takes: all rules, in the order in which they are tried."""

    redirectRules: Annotated[list[Rule], Meta(max_length=50)]  # noqa: N815


def _wish(data: EditRequest, wish: LinkChange) -> None:
    for ours, theirs in (
        ("long_url", "longUrl"),
        ("starts_at", "validSince"),
        ("expires_at", "validUntil"),
        ("max_visits", "maxVisits"),
        ("tags", "tags"),
        ("title", "title"),
        ("crawlable", "crawlable"),
        ("forward_query", "forwardQuery"),
    ):
        setattr(wish, ours, getattr(data, theirs))


# Making


@calls.working("POST", "short-urls")
async def create_short_url(asked: Asked) -> object:
    """Make a short URL, or with `findIfExists` give the one that is what the request asks for."""
    data = asked.body(CreateRequest)
    shortener, actor = asked.shortener, asked.actor
    wish = NewLink(alias=data.customSlug or None, domain=data.domain if data.domain != "DEFAULT" else None)
    _wish(data, wish)
    if data.longUrl is UNSET:
        raise Invalid("Give the longUrl to shorten.", field="longUrl")
    asked.call.request.state.custom_slug = data.customSlug
    link: Link | None = None
    if data.findIfExists:
        link = await shortener.db.aread(lambda session: known.matching(session, shortener, actor, wish))
    if link is None:
        if wish.forward_query is UNSET:
            wish.forward_query = True  # Shlink's default, which its clients rely on
        link = (await _made(asked, wish, data.shortCodeLength)).link
    return await shortener.db.aread(lambda session: one(session, asked, link))


async def _made(asked: Asked, wish: NewLink, length: int | None) -> creating.Made:
    if length is None or wish.alias:
        return await creating.make(asked.shortener, asked.actor, wish, asked.address)
    if not SHORTEST_CODE <= length <= LONGEST_CODE:
        raise Invalid(f"shortCodeLength is {SHORTEST_CODE} to {LONGEST_CODE}.", field="shortCodeLength")
    for _ in range(_ATTEMPTS):
        # Generated codes have one length for all; another one is a random alias.
        wish.alias = "".join(secrets.choice(BASE62) for _ in range(length))
        try:
            return await creating.make(asked.shortener, asked.actor, wish, asked.address)
        except aliases.AliasTaken:
            continue
    raise Unavailable("No short code of this length is free. Try a longer one.")


# Listing


@calls.reading("GET", "short-urls")
def list_short_urls(session: ReadSession, asked: Asked) -> object:
    """A page of the caller's short URLs."""
    number, size = page_and_size(asked, DEFAULT_ITEMS)
    statement = _by_tags(_filtered(session, asked), asked)
    page = page_number(session, statement, order=_order(asked), number=number, size=size)
    return {"shortUrls": paged(page, short_urls(session, asked.shortener, page.rows))}


def _filtered(session: ReadSession, asked: Asked) -> Select[Any]:
    statement: Select[Any] = links.visible_to(asked.actor)
    if asked.text("searchTerm").strip():
        words = asked.text("searchTerm").strip()[:200]
        filters = links.Filters(q=words)
        matching = links.filtered(session, asked.shortener, asked.actor, filters).with_only_columns(Link.id)
        part = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        tagged = select(LinkTag.link_id).join(Tag).where(Tag.key.like(f"%{part}%", escape="\\"))
        statement = statement.where(or_(Link.id.in_(matching), Link.id.in_(tagged)))
    since, until = (read_time(asked.text(n), n, end=n == "endDate") for n in ("startDate", "endDate"))
    if since is not None:
        statement = statement.where(Link.created_at >= since)
    if until is not None:
        statement = statement.where(Link.created_at <= until)
    if asked.flag("excludeMaxVisitsReached"):
        statement = statement.where(or_(Link.visits_left.is_(None), Link.visits_left > 0))
    if asked.flag("excludePastValidUntil"):
        statement = statement.where(or_(Link.expires_at.is_(None), Link.expires_at > clock.now()))
    if asked.text("domain"):
        there = domain_id(session, asked.shortener, asked.text("domain"))
        statement = statement.where(Link.domain_id == (-1 if there is None else there))
    return statement


def _by_tags(statement: Select[Any], asked: Asked) -> Select[Any]:
    for parameter, mode, wanted in (("tags", "tagsMode", True), ("excludeTags", "excludeTagsMode", False)):
        keys = list(dict.fromkeys(t.strip().lower() for t in asked.texts(parameter, f"{parameter}[]")))[:100]
        how = asked.text(mode) or "any"
        if how not in ("any", "all"):
            raise Invalid(f"{mode} is any or all.", field=mode)
        if not keys:
            continue
        tagged = select(LinkTag.link_id).join(Tag).where(Tag.key.in_(keys))
        if how == "all":
            tagged = tagged.group_by(LinkTag.link_id).having(func.count(func.distinct(Tag.key)) == len(keys))
        statement = statement.where(Link.id.in_(tagged) if wanted else Link.id.not_in(tagged))
    return statement


def _order(asked: Asked) -> tuple[Any, ...]:
    name, _, direction = (asked.text("orderBy") or "dateCreated-DESC").partition("-")
    if name not in ORDERS or direction.upper() not in ("", "ASC", "DESC"):
        raise Invalid(f"orderBy is one of {', '.join(ORDERS)} with -ASC or -DESC.", field="orderBy")
    if direction.upper() == "DESC":
        return ORDERS[name].desc(), Link.id.desc()
    return ORDERS[name].asc(), Link.id.asc()


# One


@calls.reading("GET", "short-urls/{code}")
def read_short_url(session: ReadSession, asked: Asked) -> object:
    """One short URL."""
    return one(session, asked, found(session, asked))


@calls.writing("PATCH", "short-urls/{code}")
def edit_short_url(session: WriteSession, asked: Asked) -> object:
    """Change what is given."""
    data = asked.body(EditRequest)
    link = editable(session, asked)
    wish = LinkChange()
    _wish(data, wish)
    links.change(session, asked.shortener, asked.actor, link, wish)
    return one(session, asked, link)


@calls.writing("DELETE", "short-urls/{code}")
def delete_short_url(session: WriteSession, asked: Asked) -> None:
    """Delete a short URL."""
    links.remove(session, asked.shortener, editable(session, asked))


# Redirect rules


def _rules(session: ReadSession, link: Link) -> dict[str, object]:
    shown = [
        {
            "longUrl": rule.long_url,
            "priority": priority,
            "conditions": [
                {"type": c["type"], "matchKey": c.get("match_key"), "matchValue": c.get("match_value")}
                for c in rule.conditions
            ],
        }
        for priority, rule in enumerate(ruling.of_links(session, [link.id]).get(link.id, []), 1)
    ]
    return {"defaultLongUrl": link.long_url, "redirectRules": shown}


@calls.reading("GET", "short-urls/{code}/redirect-rules")
def read_rules(session: ReadSession, asked: Asked) -> object:
    """The rules of a short URL, first to last."""
    return _rules(session, found(session, asked))


@calls.writing("POST", "short-urls/{code}/redirect-rules")
def set_rules(session: WriteSession, asked: Asked) -> object:
    """Put rules in place of those that there are."""
    link = editable(session, asked)
    rules = [
        {
            "long_url": rule.longUrl,
            "conditions": [
                {"type": c.get("type"), "match_key": c.get("matchKey"), "match_value": c.get("matchValue")}
                for c in rule.conditions
            ],
        }
        for rule in asked.body(RulesRequest).redirectRules
    ]
    links.change(session, asked.shortener, asked.actor, link, LinkChange(rules=rules))
    return _rules(session, link)
