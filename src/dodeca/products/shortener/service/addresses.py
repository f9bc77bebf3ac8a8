"""Under which addresses links are found, and which texts are addresses of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import ada_url
from sqlalchemy import select

from dodeca.kernel.db import ReadSession
from dodeca.products.shortener.hosts import canonical_host
from dodeca.products.shortener.models import SHARED_DOMAIN, Link, ShortCode
from dodeca.products.shortener.service.hosting import HostTable
from dodeca.products.shortener.service.installation import Shortener


@dataclass(slots=True)
class Addresses:
    """The live codes of one link: `generated` ones as they were made, `aliases` in the order of their names."""

    generated: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)

    def lasting(self, link: Link) -> str:
        """The code that stays whatever aliases come and go: a generated one where there is one."""
        return self.generated[0] if self.generated else link.short_code


def of_links(session: ReadSession, link_ids: Sequence[int]) -> dict[int, Addresses]:
    """The live codes of links, in one query."""
    found = {link_id: Addresses() for link_id in link_ids}
    statement = (
        select(ShortCode.link_id, ShortCode.text, ShortCode.alias_key)
        .where(ShortCode.link_id.in_(link_ids), ShortCode.released_at.is_(None))
        .order_by(ShortCode.text)
    )
    for link_id, text, alias_key in session.execute(statement):
        kind = found[link_id].generated if alias_key is None else found[link_id].aliases
        kind.append(text)
    return found


def is_own_short_url(session: ReadSession, shortener: Shortener, url: str) -> bool:
    """Whether a text is the URL of a short link of this installation, in any spelling."""
    text = url.strip()
    try:
        parsed = ada_url.URL(text if "://" in text else f"https://{text}")
    except ValueError:
        return False
    return shortener.hosts(session).policy.own.is_short_link(str(parsed.hostname), str(parsed.pathname))


def domain_named(table: HostTable, name: str) -> int | None:
    """The id of a domain by its host, whoever has it; None for a host that is not known here."""
    host = canonical_host(name)
    if host in table.policy.own.shared or table.dedicated.get(host) == SHARED_DOMAIN:
        return SHARED_DOMAIN
    return next((domain_id for domain_id, known in table.names.items() if known == host), None)
