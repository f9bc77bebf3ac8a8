"""Finding a link that the caller already has, instead of making another."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import addresses, domains, labels
from dodeca.products.shortener.service.creating import is_plain
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.status import stopped_because
from dodeca.products.shortener.service.wishes import NewLink, in_utc
from dodeca.products.shortener.targets import judge_target

CANDIDATES = 50


def plain(
    session: ReadSession, shortener: Shortener, actor: Principal, long_url: str, domain: str | None = None
) -> Link | None:
    """The caller's oldest plain live link to this target. Raises Invalid for a target that nobody may shorten."""
    return next((link for link in _live(session, shortener, actor, long_url, domain) if is_plain(link)), None)


def matching(session: ReadSession, shortener: Shortener, actor: Principal, wish: NewLink) -> Link | None:
    """The caller's oldest live link that is what the wish asks for, in all that it names. Raises Invalid."""
    for link in _live(session, shortener, actor, wish.target or "", wish.domain):
        if _fits(link, wish) and _fits_beside(session, link, wish):
            return link
    return None


def _live(
    session: ReadSession, shortener: Shortener, actor: Principal, long_url: str, domain: str | None
) -> Iterator[Link]:
    table = shortener.hosts(session)
    domain_id = domains.chosen(table, actor, domain)
    target = judge_target(long_url, table.policy)
    statement = (
        select(Link)
        .where(
            Link.user_id == actor.account_id,
            Link.url_hash == target.url_hash,
            Link.domain_id == domain_id,
            Link.deleted_at.is_(None),
        )
        .order_by(Link.created_at, Link.id)
        .limit(CANDIDATES)
    )
    now = clock.now()
    for link in session.scalars(statement):
        if link.target == target.location and stopped_because(link, shortener.settings, now) is None:
            yield link


def _fits(link: Link, wish: NewLink) -> bool:
    asked: dict[str, object] = {
        "title": wish.title,
        "max_visits": wish.max_visits,
        "crawlable": wish.crawlable,
        "forward_query": wish.forward_query,
        "group_id": wish.group_id,
        "starts_at": in_utc(wish.starts_at, "starts_at") if wish.starts_at is not UNSET else UNSET,
        "expires_at": in_utc(wish.expires_at, "expires_at") if wish.expires_at is not UNSET else UNSET,
    }
    return all(value in (UNSET, None) or getattr(link, name) == value for name, value in asked.items())


def _fits_beside(session: ReadSession, link: Link, wish: NewLink) -> bool:
    if wish.tags not in (UNSET, None):
        wanted = {tag.strip().lower() for tag in wish.tags or () if tag.strip()}
        if wanted != {tag.lower() for tag in labels.tags_of(session, [link.id]).get(link.id, [])}:
            return False
    if wish.alias:
        aliases = addresses.of_links(session, [link.id])[link.id].aliases
        return wish.alias.strip().lower() in {alias.lower() for alias in aliases}
    return True
