"""Asking the DNS for a TXT record. Apart from domains, as few servers ever ask and the library is large."""

from __future__ import annotations

from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import structlog

from dodeca.kernel.crypto import equal

log = structlog.get_logger(__name__)
DNS_SECONDS = 5.0


async def holds(name: str, token: str, servers: str) -> bool | None:
    """Whether a TXT record of `name` is the token; None when the DNS does not answer, which proves nothing.

    `servers`: addresses with or without port, separated by commas; empty for those of the machine."""
    resolver = dns.asyncresolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = _servers(servers)
    try:
        answer = await resolver.resolve(name, "TXT", lifetime=DNS_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return False
    except (dns.exception.DNSException, OSError) as error:
        log.info("shortener.dns_failed", name=name, error=str(error))
        return None
    texts = [b"".join(record.strings).decode("latin-1") for record in answer]
    return any(equal(text.strip(), token) for text in texts)


def _servers(text: str) -> Sequence[dns.nameserver.Nameserver]:
    found: list[dns.nameserver.Nameserver] = []
    for part in text.split(","):
        host, _, port = part.strip().rpartition(":") if part.count(":") == 1 else (part.strip(), "", "53")
        found.append(dns.nameserver.Do53Nameserver(host, int(port)))
    return found
