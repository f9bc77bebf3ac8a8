"""The raw lane: redirects that are plain and known, with one append to the journal; links that programs make.

Everything else (pages, passwords, rules, visit limits, unknown codes) is left to the routes in `visits`, which decide
by the same functions.
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dodeca.kernel import clock
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.http import PostingLane
from dodeca.products.shortener import metrics, recording, redirect
from dodeca.products.shortener.api.links import POSTS
from dodeca.products.shortener.journal import Click, Recorded
from dodeca.products.shortener.models import SHARED_DOMAIN
from dodeca.products.shortener.queries import forward_query, holds_qr_mark
from dodeca.products.shortener.redirect import Entry
from dodeca.products.shortener.service.installation import Shortener, of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PREFIX = "/s/"
_METHODS = frozenset({"GET", "HEAD"})
_VISIT, _HEAD, _PREFETCH = int(Recorded.VISIT), int(Recorded.HEAD), int(Recorded.PREFETCH)
_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-moz")


class ShortenerLane:
    """See the module's text."""

    def __init__(self, shortener: Shortener, posts: PostingLane) -> None:
        self._shortener = shortener
        self._posts = posts
        self._address_behind = shortener.proxies.address_behind
        self._inline = shortener.db.dialect == "sqlite"
        self._count = metrics.outcomes[metrics.REDIRECT].inc
        self._answered = 0

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer a plain redirect that is in memory, or in SQLite, and give True; or leave it."""
        place = self._place(scope)
        if place is None:
            return False
        domain_id, code = place
        entry = redirect.cached(self._shortener, domain_id, code)
        if entry is None:
            if not self._inline or not _may_be_code(code):
                return False
            try:
                entry = redirect.read_now(self._shortener, self._shortener.db, domain_id, code)
            except Unavailable:
                return False
        return entry is not None and self._answer(entry, scope, protocol)

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Read what is not in memory from PostgreSQL, and answer it if it is plain; make a program's link."""
        if scope.method == "POST":
            return self._posts.handle(scope, protocol)
        place = None if self._inline else self._place(scope)
        if place is None or not _may_be_code(place[1]) or redirect.cached(self._shortener, *place) is not None:
            return False
        return self._read_and_answer(*place, scope, protocol)

    def _place(self, scope: Any) -> tuple[int, str] | None:
        """Domain and code that a request names; None where it asks for something else."""
        if scope.method not in _METHODS:
            return None
        path: str = scope.path
        table = self._shortener.known_hosts()
        if table is None:
            return None  # the first request of a process reads the hosts
        if path.startswith(PREFIX):
            return (table.domain_of(_host(scope)) if table.dedicated else SHARED_DOMAIN), path[3:]
        if table.dedicated and "/" not in path[1:] and table.is_dedicated(host := _host(scope)):
            return table.domain_of(host), path[1:]
        return None

    async def _read_and_answer(self, domain_id: int, code: str, scope: Any, protocol: Any) -> bool:
        try:
            entry = await redirect.read(self._shortener, domain_id, code)
        except Unavailable:
            return False
        return entry is not None and self._answer(entry, scope, protocol)

    def _answer(self, entry: Entry, scope: Any, protocol: Any) -> bool:
        now = clock.timestamp() * 1000
        if not entry.plain or now >= entry.until:
            return False
        self._answered += 1
        started = perf_counter() if self._answered % metrics.SAMPLE == 0 else 0.0
        get = scope.headers.get
        query: str = scope.query_string
        location, source = entry.location, ""
        if query:
            if holds_qr_mark(query):
                source = recording.QR
            if entry.forward:
                location = forward_query(location, query)
        kind = _VISIT if scope.method == "GET" else _HEAD
        if kind == _VISIT and any(map(get, _PREFETCH_HEADERS)) and _is_prefetch(get):
            kind = _PREFETCH
        peer = scope.client
        address = peer[: peer.rfind(":")].strip("[]")
        forwarded = get("x-forwarded-for")
        if forwarded is not None:
            address = self._address_behind(address, forwarded)
        click = Click(
            entry.link_id,
            int(now),
            kind,
            address,
            get("user-agent") or "",
            get("referer") or "",
            get("accept-language") or "",
            source,
            0,
            get("sec-gpc") == "1",
        )
        recording.append(self._shortener, click)
        protocol.response_empty(entry.status, redirect.redirect_headers(location, entry.crawlable))
        self._count()
        if started:
            metrics.redirect_seconds.observe(perf_counter() - started)
        return True


def _host(scope: Any) -> str:
    return scope.headers.get("host") or scope.authority or ""


def _may_be_code(code: str) -> bool:
    return 0 < len(code) <= 64 and code.isascii() and code.replace("-", "").replace("_", "").isalnum()


def _is_prefetch(get: Any) -> bool:
    from dodeca.products.shortener.agents import is_prefetch

    return is_prefetch({name: value for name in _PREFETCH_HEADERS if (value := get(name))})


def make_lane(platform: Platform) -> ShortenerLane:
    """The lane of one process."""
    return ShortenerLane(of(platform), PostingLane(platform, "shortener", POSTS))
