"""The raw lane: lists, threads, and Hacker News' API, as ready bytes for a moment; votes of programs.

What is kept is what a visitor without any cookie of ours sees. Lists are made anew after a second, pages after two;
the threads of posts then only if something in them has changed. Items of the API are forgotten when they change.
Members get their lists from shared parts (see `member_lists`). Everything else is left to the routes, which make the
page by the same functions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from litestar import Request

from dodeca.kernel.cache import Cache
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call, FormState, Page, PostingLane
from dodeca.kernel.http.security import PAGE_HEADERS
from dodeca.kernel.platform import SESSION_COOKIE, THEME_COOKIE, TOAST_COOKIE
from dodeca.kernel.web.shell import Shell
from dodeca.products.news.api.voting import GatheredVotes
from dodeca.products.news.compat.firebase import Refused, value_at
from dodeca.products.news.member_lists import KnownLooks, SharedList
from dodeca.products.news.pages.lists import SORTS_OF_PAGES, show_list
from dodeca.products.news.pages.thread import show_item
from dodeca.products.news.reading import V0, Kept, cache_of, thread_key, unchanged
from dodeca.products.news.service import items
from dodeca.products.news.service.members import VISITOR
from dodeca.products.news.service.rules import PRODUCT

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PAGE_SECONDS: Final = 2.0
"""What `s-maxage` grants every cache in between."""
LIST_SECONDS: Final = 1.0
THREAD_SECONDS: Final = 20.0
"""What has not changed is as old as that at most: the ages that it tells go on."""
ITEM_SECONDS: Final = 20.0
"""Items are forgotten when they change; what time alone changes, the order of answers, may be a little old."""
_OURS: Final = (SESSION_COOKIE, TOAST_COOKIE, THEME_COOKIE)
_LISTS: Final = {"/news/": "news", **{f"/news/{name}": name for name in SORTS_OF_PAGES if name != "news"}}
_THREAD: Final = re.compile(r"id=([1-9][0-9]{0,15})(?:&p=([1-9][0-9]{0,3}))?")
_SHARED_BYTES: Final = 1_000_000
"""About what one version of a list takes."""
_MEMBERS_HEADERS: Final = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "private, no-store"),
    *((name.lower(), value) for name, value in PAGE_HEADERS.items()),
]
_encoder = msgspec.json.Encoder(order="sorted")


class NewsLane:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._posts = PostingLane(platform, PRODUCT, GatheredVotes(platform).posts)
        self._cache = cache_of(platform)
        self._looks = KnownLooks()
        self._lists: Cache[SharedList] = Cache("news-lists", max_bytes=64 * _SHARED_BYTES, size=lambda _: _SHARED_BYTES)

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer what an anonymous reader asks for, where it is kept, and give True; or leave it."""
        path: str = scope.path
        if not path.startswith("/news") or scope.method != "GET":
            return False
        key = self._key(path, scope.query_string, scope.headers)
        kept = self._cache.get(key) if key is not None else None
        return kept is not None and _send(kept, scope, protocol)

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Make what an anonymous reader asks for, or a member's list, and give True; or leave it."""
        path: str = scope.path
        if scope.method == "POST":
            return self._posts.handle(scope, protocol)
        if scope.method != "GET" or not path.startswith("/news"):
            return False
        key = self._key(path, scope.query_string, scope.headers)
        if key is None:
            return self._for_member(path, scope, protocol)
        return self._make_and_send(key, scope, protocol)

    def _key(self, path: str, query: str, headers: Any) -> str | None:
        """What is asked for, if it is the same for all who ask so."""
        get = headers.get
        if get("authorization") is not None or self._platform.hostnames:
            return None
        if path.startswith(V0):
            plain = not query and path.endswith(".json") and "event-stream" not in (get("accept") or "")
            return path if plain else None
        cookies = get("cookie")
        if (cookies is not None and any(name in cookies for name in _OURS)) or get("hx-request") is not None:
            return None
        if not query and path in _LISTS:
            return path
        thread = _THREAD.fullmatch(query) if path == "/news/item" else None
        return f"/news/item?{query}" if thread is not None else None

    async def _make_and_send(self, key: str, scope: Any, protocol: Any) -> bool:
        maker: Callable[[ReadSession, str], Kept | None] = _value if key.startswith(V0) else self.page

        async def load() -> Kept | None:
            beside, mark = unchanged(key), self._cache.mark()
            made = self._cache.get(beside)
            if made is None:
                made = await self._platform.db.aread(lambda session: maker(session, key))
                if made is not None and made.is_told:
                    self._cache.put(beside, made, mark, seconds=THREAD_SECONDS)
            return made

        try:
            kept = await self._cache.read(key, load, seconds=_seconds(key))
        except DodecaError:  # said better, and in its own shape, by the route
            return False
        return kept is not None and _send(kept, scope, protocol)

    def _for_member(self, path: str, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """A list for a member, without more than cookies to look at."""
        get = scope.headers.get
        name, header = _LISTS.get(path), get("cookie")
        if name is None or header is None or scope.query_string or self._platform.hostnames:
            return False
        if any(get(other) is not None for other in ("hx-request", "authorization", "x-api-key")):
            return False
        cookies = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
        secret = cookies.get(SESSION_COOKIE)
        if secret is None or TOAST_COOKIE in cookies:
            return False
        return self._send_list(name, secret, cookies.get(THEME_COOKIE, ""), protocol)

    async def _send_list(self, name: str, secret: str, theme: str, protocol: Any) -> bool:
        db, csrf_token = self._platform.db, self._platform.csrf_of(secret)

        async def load() -> SharedList:
            return await db.aread(lambda session: SharedList(self._platform, session, name, self._looks))

        try:
            principal = await self._platform.authenticator.by_cookie(secret)
            if principal is None:
                return False
            call = Call(cast(Any, None), self._platform, principal, "news")
            shared = await self._lists.read(name, load, seconds=LIST_SECONDS)
            body = await db.aread(lambda session: shared.page(session, call, theme, csrf_token)) if shared else None
            if body is None:
                return False
            self._platform.limit(call, None)
        except DodecaError:  # said better by the route
            return False
        protocol.response_bytes(200, _MEMBERS_HEADERS, body)
        return True

    def page(self, session: ReadSession, key: str) -> Kept | None:
        """A page made anew. `key` is its path with its query. Raises NotFound."""
        path, _, query = key.partition("?")
        call = _visit(self._platform, path.rstrip("/"), query)
        thread, is_told = _THREAD.fullmatch(query), False
        if thread is not None:
            item = items.find(session, VISITOR, int(thread[1]))
            if item.merged_into is not None or item.type == "pollopt":
                return None
            page = show_item(session, call, VISITOR, item, FormState(), number=int(thread[2] or 1))
            is_told = item.parent_id is None and key == thread_key(item.id)
        else:
            name = _LISTS[key]
            sort, title = SORTS_OF_PAGES[name]
            page = show_list(session, call, VISITOR, path=name, sort=sort, title=title)
        return self._rendered(page, call, key.rstrip("/"), is_told)

    def _rendered(self, page: Page, call: Call, here: str, is_told: bool) -> Kept:
        shell = Shell(products=self._platform.shell_products, product="news", path=here)
        context = {"shell": shell, "request": call.request, **page.context}
        body = self._platform.renderer.render(page.template, context).encode()
        headers = {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "public, max-age=0, s-maxage=2",
            "vary": "Cookie, Authorization, HX-Request",
            **{name.lower(): value for name, value in PAGE_HEADERS.items()},
        }
        return _kept(body, headers, is_told)


def _seconds(key: str) -> float:
    if not key.startswith(V0):
        return PAGE_SECONDS
    return ITEM_SECONDS if key.startswith(f"{V0}item/") and key.count("/") == 4 else LIST_SECONDS


def _visit(platform: Platform, path: str, query: str) -> Call:
    """The call of a visitor who brings nothing along."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode("ascii"),
        "headers": [],
        "client": None,
        "server": None,
        "scheme": "http",
        "root_path": "",
        "state": {},
    }
    return Call(Request(cast(Any, scope)), platform, None, "news")


def _value(session: ReadSession, key: str) -> Kept | None:
    try:
        value = value_at(session, key[len(V0) :].removesuffix(".json"))
    except (Refused, ValueError):
        return None
    headers = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-cache",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
    }
    return _kept(_encoder.encode(value), headers)


def _kept(body: bytes, headers: dict[str, str], is_told: bool = False) -> Kept:
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Kept([*headers.items(), ("etag", tag)], body, tag, is_told)


def _send(kept: Kept, scope: Any, protocol: Any) -> bool:
    if scope.headers.get("if-none-match") == kept.tag:
        protocol.response_empty(304, kept.headers)
    else:
        protocol.response_bytes(200, kept.headers, kept.body)
    return True


def make_lane(platform: Platform) -> NewsLane:
    """The lane of one process."""
    return NewsLane(platform)
