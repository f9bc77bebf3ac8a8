"""Which hosts lead to which links, and what may therefore be a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from dodeca.kernel.db import ReadSession
from dodeca.products.shortener.hosts import OwnHosts, canonical_host
from dodeca.products.shortener.models import SHARED_DOMAIN, Domain
from dodeca.products.shortener.targets import TargetPolicy

if TYPE_CHECKING:
    from dodeca.products.shortener.service.installation import Shortener


@dataclass(frozen=True, slots=True)
class ServedDomain:
    """A custom domain that is served now."""

    id: int
    host: str
    account_id: str
    home_url: str | None
    not_found_url: str | None
    expired_url: str | None


@dataclass(frozen=True, slots=True)
class HostTable:
    """All hosts of this installation. `dedicated` maps hosts whose every path is a short code to domain ids."""

    domains: dict[int, ServedDomain]
    dedicated: dict[str, int]
    policy: TargetPolicy
    names: dict[int, str] = field(default_factory=dict)
    """Hosts by id, of domains that are not (or no longer) served too: their links still have an address."""

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return 500 * len(self.names) + 1000

    def domain_of(self, host: str) -> int:
        """The domain that a Host header names; the shared one for everything else."""
        if not self.dedicated:
            return SHARED_DOMAIN
        found = self.dedicated.get(host)
        return self.dedicated.get(canonical_host(host), SHARED_DOMAIN) if found is None else found

    def is_dedicated(self, host: str) -> bool:
        """Whether every path of this host is a short code."""
        return bool(self.dedicated) and (host in self.dedicated or canonical_host(host) in self.dedicated)

    def host_of(self, domain_id: int) -> str | None:
        """The host of a custom domain; None for the shared one."""
        return self.names.get(domain_id)


def load_hosts(session: ReadSession, shortener: Shortener) -> HostTable:
    """Read the table from the database."""
    columns = (
        Domain.id,
        Domain.host,
        Domain.account_id,
        Domain.home_url,
        Domain.not_found_url,
        Domain.expired_url,
        Domain.active_since,
    )
    rows = session.execute(select(*columns)).all()
    domains = {row[0]: ServedDomain(*row[:6]) for row in rows if row[6] is not None}
    dedicated = {domain.host: domain.id for domain in domains.values()}
    if shortener.own_host:
        dedicated[canonical_host(shortener.own_host)] = SHARED_DOMAIN
    settings = shortener.settings
    schemes = frozenset(part.strip().lower().rstrip(":") for part in settings.extra_schemes.split(",") if part.strip())
    policy = TargetPolicy(OwnHosts(shortener.shared_hosts, dedicated), settings.private_targets, schemes)
    return HostTable(domains, dedicated, policy, {row[0]: row[1] for row in rows})
