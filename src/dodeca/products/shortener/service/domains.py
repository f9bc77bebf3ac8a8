"""Custom domains: whose they are, whether they are served, and what stands at their root."""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog
from sqlalchemy import Select, func, or_, select

from dodeca.kernel import clock
from dodeca.kernel.crypto import random_token
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from dodeca.kernel.http import Principal
from dodeca.products.shortener.hosts import canonical_host, is_private_name, parse_address
from dodeca.products.shortener.models import SHARED_DOMAIN, Domain, ShortCode
from dodeca.products.shortener.service.hosting import HostTable
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.targets import judge_target

log = structlog.get_logger(__name__)
DOMAINS_AN_ACCOUNT = 50
FAILED_CHECKS = 3
"""Daily checks in a row without the record before a domain is no longer served: a name server may be down for a day."""
_HOST = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")


class DomainTaken(Conflict):
    """Another account has this domain."""


def visible_to(actor: Principal) -> Select[Domain]:
    """The caller's own domains; moderators see all."""
    statement = select(Domain)
    return statement if actor.is_moderator else statement.where(Domain.account_id == actor.account_id)


def find(session: ReadSession, actor: Principal, host: str) -> Domain:
    """One of them by host. Raises NotFound."""
    row = session.scalar(visible_to(actor).where(Domain.host == canonical_host(host)))
    if row is None:
        raise NotFound("There is no such domain.")
    return row


def chosen(table: HostTable, actor: Principal | None, domain: str | None) -> int:
    """The id of the domain that a request names: the shared one, or an own one that is served. Raises Invalid."""
    host = canonical_host(domain) if domain else ""
    if not host or host in table.policy.own.shared or table.dedicated.get(host) == SHARED_DOMAIN:
        return SHARED_DOMAIN
    served = table.domains.get(table.dedicated.get(host, SHARED_DOMAIN))
    if served is None or actor is None or served.account_id != actor.account_id:
        raise Invalid("This is none of your verified domains.", field="domain")
    return served.id


def add(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal,
    host: str,
    *,
    home_url: str | None = None,
    not_found_url: str | None = None,
    expired_url: str | None = None,
) -> Domain:
    """Enter a domain, to be verified next. Raises Invalid, DomainTaken."""
    name = canonical_host(re.sub(r"\Ahttps?://", "", host.strip(), flags=re.IGNORECASE).partition("/")[0])
    table = shortener.hosts(session)
    own = name in table.policy.own.shared or table.dedicated.get(name) == SHARED_DOMAIN
    if not _HOST.match(name) or parse_address(name) is not None or own:
        raise Invalid("This is not a domain name that can be given a short link.", field="domain")
    if is_private_name(name) and not shortener.settings.private_targets:
        raise Invalid("This name exists only on a local network.", field="domain")
    held = session.scalar(select(func.count()).select_from(Domain).where(Domain.account_id == actor.account_id))
    if (held or 0) >= DOMAINS_AN_ACCOUNT:
        raise Invalid(f"An account has at most {DOMAINS_AN_ACCOUNT} domains.", field="domain")
    row = Domain(host=name, account_id=actor.account_id, token="dodeca-" + random_token(18))
    _set_urls(session, shortener, row, home_url=home_url, not_found_url=not_found_url, expired_url=expired_url)
    with claiming(session, Domain, otherwise=DomainTaken("This domain is entered already.", field="domain")):
        session.add(row)
    shortener.hosts_changed(session)
    return row


def change(session: WriteSession, shortener: Shortener, actor: Principal, host: str, **urls: str | None) -> Domain:
    """Change where the domain's own pages lead. Raises NotFound, Invalid."""
    row = find(session, actor, host)
    _set_urls(session, shortener, row, **urls)
    shortener.hosts_changed(session)
    return row


def _set_urls(session: ReadSession, shortener: Shortener, row: Domain, **urls: str | None) -> None:
    policy = shortener.hosts(session).policy
    for field, url in urls.items():
        setattr(row, field, judge_target(url, policy, field=field).location if url else None)


def remove(session: WriteSession, shortener: Shortener, actor: Principal, host: str) -> None:
    """Give a domain up. Raises NotFound, Conflict while links live there."""
    row = find(session, actor, host)
    live = select(ShortCode.link_id).where(ShortCode.domain_id == row.id, ShortCode.released_at.is_(None)).limit(1)
    if session.scalar(live) is not None:
        raise Conflict("There are links on this domain. Delete them first.", field="domain")
    session.delete(row)
    shortener.hosts_changed(session)


def txt_name(domain: Domain) -> str:
    """Where the TXT record is looked for."""
    return f"_dodeca.{domain.host}"


async def holds_token(shortener: Shortener, domain: Domain) -> bool | None:
    """Whether the DNS holds the TXT record; None when it does not answer, which proves nothing."""
    from dodeca.products.shortener.service import txt_records

    return await txt_records.holds(txt_name(domain), domain.token, shortener.settings.dns_servers)


async def verify(shortener: Shortener, actor: Principal, host: str, *, approve: bool = False) -> Domain:
    """Look for the record and serve the domain if it is there, or because a moderator says so.

    Raises NotFound, Forbidden, Invalid when the record is not there, Unavailable when the DNS does not answer."""
    if approve and not actor.is_moderator:
        raise Forbidden("Only moderators approve domains.", field="approve")
    row = await shortener.db.aread(lambda session: find(session, actor, host))
    found = approve or await holds_token(shortener, row)
    if found is None:
        raise Unavailable("The name servers of this domain do not answer. Try again shortly.")
    if not found:
        raise Invalid(f"There is no TXT record {txt_name(row)} with the token yet.", field="domain")
    by = actor.account_id if approve else None
    return await shortener.db.awrite(lambda session: _activate(session, shortener, row.id, by))


def _activate(session: WriteSession, shortener: Shortener, domain_id: int, approved_by: str | None) -> Domain:
    row = session.get_locked(Domain, domain_id)
    if row is None:
        raise NotFound("There is no such domain.")
    now = clock.now()
    row.active_since, row.checked_at, row.failed_checks = row.active_since or now, now, 0
    row.approved_by = approved_by or row.approved_by
    shortener.hosts_changed(session)
    return row


def due_for_check(session: ReadSession, limit: int = 50) -> Sequence[Domain]:
    """Served domains whose record was not looked for today; those that a moderator approved are left alone."""
    old = or_(Domain.checked_at.is_(None), Domain.checked_at < clock.ago(hours=23))
    return session.scalars(
        select(Domain).where(Domain.active_since.is_not(None), Domain.approved_by.is_(None), old).limit(limit)
    ).all()


def record_check(session: WriteSession, shortener: Shortener, domain_id: int, found: bool | None) -> bool:
    """Note what the daily check found; gives whether the domain is no longer served."""
    row = session.get_locked(Domain, domain_id)
    if row is None or row.active_since is None:
        return False
    row.checked_at = clock.now()
    row.failed_checks = 0 if found else row.failed_checks + (1 if found is False else 0)
    if row.failed_checks < FAILED_CHECKS:
        return False
    row.active_since, row.failed_checks = None, 0
    shortener.hosts_changed(session)
    return True
