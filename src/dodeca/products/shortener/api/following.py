"""Redirects at API paths. They behave and count like `/s/`."""

from __future__ import annotations

from typing import Any

from dodeca.kernel.errors import Gone, NotFound
from dodeca.kernel.http import Access, Calling, FromPath, get
from dodeca.products.shortener import recording, visits
from dodeca.products.shortener.journal import Recorded
from dodeca.products.shortener.service import installed, links
from dodeca.products.shortener.service.installation import Shortener

NOT_FOUND = "Short code not found"
INVALID = "Invalid or expired URL"


async def _follow(call: Any, short_url: str, *, status: int | None, missing: str) -> visits.Answer:
    shortener: Shortener = installed(call)
    host, code = links.split_short_url(short_url)
    table = await visits.hosts_of(shortener)
    domain_id = table.domain_of(host) if host else await visits.domain_asked(shortener, call)
    asked = visits.asked_by(call)
    entry = await visits.find(shortener, domain_id, code)
    if entry is None:
        visits.count_unknown(shortener, call.address)
        recording.record(shortener, asked, Recorded.ORPHAN, 0, detail=f"{domain_id}/{code[:200]}")
        raise NotFound(missing)
    decision = await visits.settle(shortener, entry, asked)
    if decision.outcome == "scheduled":
        raise NotFound(missing)
    if decision.outcome == "gone" and not decision.location:
        if missing == INVALID:
            raise NotFound(missing)
        raise Gone(f"This link no longer works. {visits.REASONS[decision.reason]}")
    return await visits.respond(shortener, entry, asked, decision, status=status)


@get("/{short_code:str}", access=Access.PUBLIC)
async def follow(call: Calling, short_code: FromPath[str]) -> visits.Answer:
    """Follow a short code."""
    return await _follow(call, short_code, status=None, missing=NOT_FOUND)


@get("/data/{short_url:path}", access=Access.PUBLIC)
async def follow_data(call: Calling, short_url: FromPath[str]) -> visits.Answer:
    """Follow a code or a short URL."""
    return await _follow(call, str(short_url).lstrip("/"), status=None, missing=NOT_FOUND)


@get("/redirect/{short_url:path}", access=Access.PUBLIC)
async def follow_redirect(call: Calling, short_url: FromPath[str]) -> visits.Answer:
    """Follow a code or a short URL, with 301."""
    return await _follow(call, str(short_url).lstrip("/"), status=301, missing=INVALID)


routes = [follow, follow_data, follow_redirect]
