"""Single visits, while they are kept: of links, and of codes that lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import SHARED_DOMAIN, Click, Domain, Link, LinkRule, OrphanVisit
from dodeca.products.shortener.service import analytics, domains
from dodeca.products.shortener.service.numbered import Numbered, page_number

COUNTED_KINDS = ("click", "bot")
ORPHAN_TYPES = ("base_url", "invalid_short_url", "regular_404")
BASE_URL, INVALID_SHORT_URL, REGULAR_404 = ORPHAN_TYPES


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which visits to list. Times are in UTC, `end` included."""

    start: datetime | None = None
    end: datetime | None = None
    bots: bool = True
    page: int = 1
    size: int = 100


class Visit(msgspec.Struct):
    """One visit with the link that it was made to, and where it was sent."""

    click: Click
    link: Link
    location: str


def of_links(session: ReadSession, links: Select[Any], wanted: Wanted) -> Numbered[Visit]:
    """Visits of the links whose ids `links` selects, newest first."""
    statement = select(Click).where(Click.link_id.in_(links), Click.kind.in_(COUNTED_KINDS), *_within(Click, wanted))
    if not wanted.bots:
        statement = statement.where(Click.kind == "click")
    order = (Click.at.desc(), Click.id.desc())
    found = page_number(session, statement, order=order, number=wanted.page, size=wanted.size)
    return Numbered(_with_links(session, found.rows), found.number, found.size, found.total)


def _within(table: type[Click] | type[OrphanVisit], wanted: Wanted) -> list[ColumnElement[bool]]:
    clauses = []
    if wanted.start is not None:
        clauses.append(table.at >= wanted.start)
    if wanted.end is not None:
        clauses.append(table.at <= wanted.end)
    return clauses


def _with_links(session: ReadSession, clicks: Sequence[Click]) -> list[Visit]:
    links = {link.id: link for link in session.scalars(select(Link).where(Link.id.in_({c.link_id for c in clicks})))}
    rule_ids = {click.rule_id for click in clicks if click.rule_id}
    rules: dict[int, str] = {}
    if rule_ids:
        rows = session.execute(select(LinkRule.id, LinkRule.location).where(LinkRule.id.in_(rule_ids)))
        rules = {row[0]: row[1] for row in rows}
    return [
        Visit(click, links[click.link_id], rules.get(click.rule_id, links[click.link_id].target))
        for click in clicks
        if click.link_id in links
    ]


def cities(session: ReadSession, link: Link, span: analytics.Range) -> list[analytics.Value]:
    """Clicks of a link by city, most first, of the visits that are still kept."""
    statement = (
        select(Click.city, func.count())
        .where(
            Click.link_id == link.id,
            Click.kind == "click",
            *((Click.at >= span.start,) if span.start is not None else ()),
            *((Click.at < span.end,) if span.end is not None else ()),
        )
        .group_by(Click.city)
    )
    values = [analytics.Value(row[0] or "unknown", row[1]) for row in session.execute(statement)]
    return sorted(values, key=lambda entry: (-entry.clicks, entry.value))[: analytics.MOST_VALUES]


# Codes that lead nowhere


def orphans_visible_to(actor: Principal) -> Select[Any]:
    """Orphan visits on the caller's own domains; those on the shared domain are the installation's: for moderators."""
    own = domains.visible_to(actor).with_only_columns(Domain.id)
    here = OrphanVisit.domain_id.in_(own)
    return select(OrphanVisit).where(or_(here, OrphanVisit.domain_id == SHARED_DOMAIN) if actor.is_moderator else here)


def orphans(
    session: ReadSession, actor: Principal, wanted: Wanted, *, kind: str | None = None, domain_id: int | None = None
) -> Numbered[OrphanVisit]:
    """Orphan visits that the caller may see, newest first; of one of ORPHAN_TYPES, on one domain."""
    statement = orphans_visible_to(actor).where(*_within(OrphanVisit, wanted))
    if kind is not None:
        statement = statement.where(_of_type(kind))
    if domain_id is not None:
        statement = statement.where(OrphanVisit.domain_id == domain_id)
    if not wanted.bots:
        statement = statement.where(OrphanVisit.bot.is_(False))
    order = (OrphanVisit.at.desc(), OrphanVisit.id.desc())
    return page_number(session, statement, order=order, number=wanted.page, size=wanted.size)


def orphan_type(path: str) -> str:
    """Which of ORPHAN_TYPES a path is."""
    if path in ("", "/"):
        return BASE_URL
    return REGULAR_404 if "/" in path.strip("/") else INVALID_SHORT_URL


def _of_type(kind: str) -> ColumnElement[bool]:
    base = OrphanVisit.path.in_(("", "/"))
    deep = OrphanVisit.path.like("%_/_%")
    return {BASE_URL: base, REGULAR_404: deep, INVALID_SHORT_URL: and_(~base, ~deep)}[kind]


def orphan_counts(session: ReadSession, actor: Principal) -> tuple[int, int]:
    """How many orphan visits the caller may see, by people and by bots."""
    seen = orphans_visible_to(actor).with_only_columns(OrphanVisit.bot, func.count()).group_by(OrphanVisit.bot)
    counts = {bool(row[0]): int(row[1]) for row in session.execute(seen)}
    return counts.get(False, 0), counts.get(True, 0)


def forget_orphans(session: WriteSession, actor: Principal) -> int:
    """Delete the orphan visits that the caller may see; gives how many."""
    seen = orphans_visible_to(actor).with_only_columns(OrphanVisit.id)
    deleted = session.execute(
        delete(OrphanVisit).where(OrphanVisit.id.in_(seen)).execution_options(synchronize_session=False)
    )
    return int(getattr(deleted, "rowcount", 0))
