"""Short links for people: `/s/{code}` and what belongs to it, where the lane leaves a request to the framework.

On a product's hostname or a custom domain `/{code}` comes here as `/s/{code}` (`custom_hosts`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litestar import Response
from sqlalchemy import or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound, TooMany
from dodeca.kernel.http import Access, Call, Calling, FromPath, Page, get, post
from dodeca.kernel.limits import Rate, network
from dodeca.products.shortener import keys, metrics, recording, redirect
from dodeca.products.shortener.agents import Kind
from dodeca.products.shortener.aliases import RESERVED
from dodeca.products.shortener.hosts import judge_host
from dodeca.products.shortener.journal import Recorded
from dodeca.products.shortener.models import SHARED_DOMAIN, Link, ShortCode
from dodeca.products.shortener.redirect import Asked, Decision, Entry
from dodeca.products.shortener.service.hosting import HostTable
from dodeca.products.shortener.service.installation import Shortener, of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

Answer = Page | Response[bytes]
PASSWORD_TRIES = Rate(10, 600)
NO_INDEX = {"X-Robots-Tag": "noindex"}
MOST_LOOKALIKES = 500
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self' {target}"
)
REASONS = {
    "expired": "It has expired.",
    "exhausted": "It could be used a limited number of times, and has been.",
    "inactive": "Nobody used it for a long time.",
    "disabled": "It was taken down because it broke the rules or leads to a blocked address.",
}
"""Why a link is gone, in words for the visitor."""


def asked_by(call: Call, *, unlocked: bool = False) -> Asked:
    """The request, as the decision needs it."""
    request = call.request
    headers: Mapping[str, str] = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]
    }
    query = request.scope["query_string"].decode("latin-1")
    return Asked(request.method, headers, call.address, query, unlocked)


async def hosts_of(shortener: Shortener) -> HostTable:
    """Which hosts are ours: from memory where it is known."""
    known = shortener.known_hosts()
    return known if known is not None else await shortener.db.aread(shortener.hosts)


async def domain_asked(shortener: Shortener, call: Call) -> int:
    """The domain whose host the request names."""
    table = await hosts_of(shortener)
    return table.domain_of(call.request.headers.get("host", ""))


async def find(shortener: Shortener, domain_id: int, code: str) -> Entry | None:
    """The entry; read anew where its time is over, after counting clicks that may have prolonged it."""
    entry = await redirect.read(shortener, domain_id, code)
    now = clock.timestamp() * 1000
    if entry is None or now < entry.until:
        return entry
    if entry.unused_at <= now < entry.expires_at and entry.disabled is None:
        from asyncio import to_thread

        await to_thread(shortener.folder.fold)
    return await redirect.read(shortener, domain_id, code, anew=True)


async def settle(shortener: Shortener, entry: Entry, asked: Asked) -> Decision:
    """Decide, take the visit where one must be taken, and record what happened."""
    decision = redirect.decide(entry, asked, shortener)
    if decision.outcome == "redirect" and decision.consumes:
        taken = await shortener.db.awrite(lambda session: redirect.consume(session, entry.link_id))
        if not taken:
            decision = redirect.gone(entry, "exhausted", decision.kind)
    if decision.outcome in ("redirect", "card"):
        recording.record(shortener, asked, decision.kind, entry.link_id, rule_id=decision.rule_id)
    metrics.outcomes[decision.outcome].inc()
    return decision


# Routes


@get("/s/{code:str}", access=Access.PUBLIC, name="short_link")
async def follow(call: Calling, code: FromPath[str]) -> Answer:
    """Follow a short link, or look at it first with a `+` at its end."""
    with metrics.counting_failures():
        shortener = of(call.platform)
        domain_id = await domain_asked(shortener, call)
        if code.endswith("+"):
            return await _preview(shortener, call, domain_id, code.rstrip("+"))
        entry = await find(shortener, domain_id, code)
        if entry is None:
            return await _missing(shortener, call, domain_id, code)
        return await answer(shortener, entry, asked_by(call))


@post("/s/{code:str}", access=Access.PUBLIC, status=200)
async def unlock(call: Calling, code: FromPath[str]) -> Answer:
    """The form of a link that asks for a password."""
    with metrics.counting_failures():
        return await _unlocked(call, code)


async def _unlocked(call: Call, code: str) -> Answer:
    shortener = of(call.platform)
    entry = await find(shortener, await domain_asked(shortener, call), code)
    if entry is None:
        raise NotFound("Short code not found")
    if entry.password_hash is None:
        return _method_not_allowed()
    key = f"{entry.link_id}/{network(call.address) if call.address else 'local'}"
    try:
        await shortener.limits.hit_async(
            "shortener.passwords", key, PASSWORD_TRIES, message="Too many tries. Wait some minutes."
        )
    except TooMany as error:
        metrics.outcomes["limited"].inc()
        headers = {"Retry-After": str(max(1, round(error.retry_after)))}
        return _password_page(entry, 429, error.message, headers)
    given = (await call.request.form()).get("password")
    right = isinstance(given, str) and await shortener.passwords.verify_async(entry.password_hash, given[:1000])
    if not right:
        return _password_page(entry, 401, "This is not the password.")
    return await answer(shortener, entry, asked_by(call, unlocked=True))


@get("/s/{code:str}/track", access=Access.PUBLIC)
async def track(call: Calling, code: FromPath[str]) -> Response[bytes]:
    """A transparent picture of one pixel: each view is an impression of the link."""
    shortener = of(call.platform)
    entry = await find(shortener, await domain_asked(shortener, call), code)
    if entry is None:
        raise NotFound("Short code not found")
    recording.record(shortener, asked_by(call), Recorded.IMPRESSION, entry.link_id)
    return Response(_PIXEL, media_type="image/gif", headers={"Cache-Control": "no-store", **NO_INDEX})


@get("/s/", access=Access.PUBLIC)
async def domain_home(call: Calling) -> Answer:
    """The root of a custom domain: where its owner says."""
    shortener = of(call.platform)
    domain_id = await domain_asked(shortener, call)
    table = await shortener.db.aread(shortener.hosts)
    domain = table.domains.get(domain_id)
    if domain is not None and domain.home_url:
        return _redirect(302, domain.home_url)
    if domain is None:
        return _redirect(302, call.platform.url("/shortener/"))
    return Page("shortener/missing.html", status=404, headers=NO_INDEX, code="", suggestion=None)


routes = [follow, unlock, track, domain_home]


# Answers


async def answer(shortener: Shortener, entry: Entry, asked: Asked, *, status: int | None = None) -> Answer:
    """What a link answers to this request: a redirect or a page. `status` replaces that of a redirect."""
    return await respond(shortener, entry, asked, await settle(shortener, entry, asked), status=status)


async def respond(
    shortener: Shortener, entry: Entry, asked: Asked, decision: Decision, *, status: int | None = None
) -> Answer:
    """The answer that a decision amounts to."""
    if decision.outcome == "redirect":
        if asked.method == "POST" and entry.status in (307, 308):
            status = 303  # the target must not be sent the password
        return _redirect(status or entry.status, decision.location, crawlable=entry.crawlable)
    if decision.outcome == "password":
        return _password_page(entry, 200)
    if decision.outcome == "card":
        return Page("shortener/card.html", headers=_shown(entry.crawlable), code=entry.code)
    if decision.outcome == "warning":
        parts = urlsplit(decision.location)
        shown = judge_host(parts.hostname or "")
        return Page(
            "shortener/warning.html",
            headers=NO_INDEX,
            code=entry.code,
            location=decision.location,
            host=parts.hostname or "",
            unicode_host=shown.unicode,
        )
    if decision.outcome == "scheduled":
        return Page("shortener/missing.html", status=404, headers=NO_INDEX, code=entry.code, suggestion=None)
    return await _gone(shortener, entry, decision)


async def _gone(shortener: Shortener, entry: Entry, decision: Decision) -> Answer:
    location = decision.location
    if not location and decision.reason != "disabled" and entry.domain_id != SHARED_DOMAIN:
        table = await shortener.db.aread(shortener.hosts)
        domain = table.domains.get(entry.domain_id)
        location = (domain.expired_url or "") if domain is not None else ""
    if location:
        return _redirect(302, location)
    reason = REASONS[decision.reason]
    return Page("shortener/gone.html", status=410, headers=NO_INDEX, code=entry.code, reason=reason)


async def _missing(shortener: Shortener, call: Call, domain_id: int, code: str) -> Answer:
    metrics.outcomes["missing"].inc()
    count_unknown(shortener, call.address)
    recording.record(shortener, asked_by(call), Recorded.ORPHAN, 0, detail=f"{domain_id}/{code[:200]}")
    table = await shortener.db.aread(shortener.hosts)
    domain = table.domains.get(domain_id)
    if domain is not None and domain.not_found_url:
        return _redirect(302, domain.not_found_url)
    suggestion = await shortener.db.aread(lambda session: lookalike(session, shortener, domain_id, code))
    host = table.host_of(domain_id)
    url = shortener.short_url(suggestion, host) if suggestion else None
    return Page("shortener/missing.html", status=404, headers=NO_INDEX, code=code[:64], suggestion=url)


def count_unknown(shortener: Shortener, address: str) -> None:
    """Count a code that leads nowhere on the address's limit: whoever guesses codes is slowed down. Raises TooMany."""
    if shortener.settings.unknown_per_minute:
        rate = Rate(shortener.settings.unknown_per_minute, 60)
        shortener.limits.hit("shortener.unknown", network(address) if address else "local", rate)


def lookalike(session: ReadSession, shortener: Shortener, domain_id: int, code: str) -> str | None:
    """The live link that was meant, if characters that look alike were swapped."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,32}", code):
        return None
    now = clock.timestamp() * 1000
    candidates = keys.lookalikes(code, limit=MOST_LOOKALIKES)
    same = or_(ShortCode.text.in_(candidates), ShortCode.alias_key.in_({name.lower() for name in candidates}))
    statement = select(ShortCode.text, ShortCode.alias_key).where(
        ShortCode.domain_id == domain_id, ShortCode.released_at.is_(None), same
    )
    found = {alias or text for text, alias in session.execute(statement)}
    for candidate in candidates:
        if candidate in found or candidate.lower() in found:
            entry = redirect.load(session, shortener, domain_id, candidate)
            if entry is not None and entry.stopped(now) is None:
                return entry.code
    return None


async def _preview(shortener: Shortener, call: Call, domain_id: int, code: str) -> Answer:
    entry = await find(shortener, domain_id, code)
    if entry is None:
        return await _missing(shortener, call, domain_id, code)
    metrics.outcomes["preview"].inc()
    stopped = entry.stopped(clock.timestamp() * 1000)
    if stopped == "scheduled":
        return Page("shortener/missing.html", status=404, headers=NO_INDEX, code=code[:64], suggestion=None)
    hidden = entry.password_hash is not None or stopped is not None
    table = await shortener.db.aread(shortener.hosts)
    link = await shortener.db.aread(lambda session: session.get(Link, entry.link_id))
    if link is None:  # removed a moment ago
        return await _missing(shortener, call, domain_id, code)
    return Page(
        "shortener/preview.html",
        headers=NO_INDEX,
        link=link,
        warning=entry.warning,
        short_url=shortener.short_url(entry.code, table.host_of(entry.domain_id)),
        location=None if hidden else entry.location,
        host="" if hidden else urlsplit(entry.location).hostname or "",
        protected=entry.password_hash is not None,
        reason=REASONS.get(stopped or ""),
    )


def _password_page(entry: Entry, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Page:
    """The form. Browsers apply `form-action` to where a form's answer redirects too, so the target's origin is let in
    by its scheme: naming the host here would tell it before the password is known."""
    policy = {"Content-Security-Policy": _POLICY.format(target="https: http:")}
    return Page(
        "shortener/password.html",
        status=status,
        headers={**NO_INDEX, **policy, **(headers or {})},
        code=entry.code,
        message=message,
    )


def _redirect(status: int, location: str, *, crawlable: bool = False) -> Response[bytes]:
    headers = dict(redirect.redirect_headers(location, crawlable))
    return Response(b"", status_code=status, headers=headers)


def _shown(crawlable: bool) -> dict[str, str]:
    return {} if crawlable else NO_INDEX


def _method_not_allowed() -> Response[bytes]:
    return Response(b"", status_code=405, headers={"Allow": "GET, HEAD"})


# Hosts whose root is ours


def custom_hosts(platform: Platform) -> Callable[[str, str], str | None]:
    """For the composition root: `/{code}` on a custom domain, or on the product's own hostname, is `/s/{code}`."""
    shortener = of(platform)
    passed = ("/static/", "/s/", "/media/", "/theme")

    def resolve(host: str, path: str) -> str | None:
        table = shortener.known_hosts() or platform.db.read(shortener.hosts)
        if not table.is_dedicated(host) or path.startswith(passed):
            return None
        code = path[1:]
        if table.domain_of(host) != SHARED_DOMAIN:
            return f"/s/{code}" if code.count("/") == 0 or re.fullmatch(r"[^/]+/track", code) else "/s/" + "-" * 65
        is_code = re.fullmatch(r"[A-Za-z0-9_-]+\+?(/track)?", code) is not None
        return f"/s/{code}" if is_code and code.rstrip("+").lower() not in RESERVED else None

    return resolve


__all__ = ["Kind", "answer", "asked_by", "count_unknown", "custom_hosts", "domain_asked", "find", "lookalike", "routes"]
