"""YOURLS' API at `/shortener/yourls-api.php`: https://yourls.org/docs/guide/advanced/api.

Sign-in is a `signature` (the secret of an API key), a `timestamp` with a signature that holds for twelve hours, or
`username` and `password`. Errors have a `message` and an `errorCode`, or `status: fail` with a `code`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException
from sqlalchemy import Select, String, cast, func, select

from dodeca.commons.accounts.public import (
    ApiKey,
    CodeNeeded,
    Origin,
    Scope,
    WaitingForDeletion,
    account_by_id,
    check_password,
    declare_scope,
    key_by_id,
    open_secret,
    roles_of,
    verify_key,
)
from dodeca.kernel import clock, errors
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, Invalid, NotFound, Unauthenticated
from dodeca.kernel.http import Access, Call, Calling, Principal, problems, route
from dodeca.kernel.limits import Rate, network
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import Shortener, addresses, aliases, creating, known, links, of
from dodeca.products.shortener.service.wishes import NewLink

SCOPE = "shortener"
TIMED = declare_scope(Scope("shortener-timed", sealed=True))
"""Keys for signatures that are computed from a timestamp: their secret is kept, encrypted."""
VERSION = "1.9.2"
"""The YOURLS whose answers these are."""
TIMED_SECONDS = 12 * 3600
HASHES = {"md5": hashlib.md5, "sha256": hashlib.sha256}
TIMED_TRIES = Rate(600, 60)
"""Timed signatures an address may send: each is compared with all keys of the scope."""
FORMATS = {
    "xml": "application/xml",
    "json": "application/json",
    "jsonp": "application/javascript",
    "simple": "text/plain; charset=utf-8",
}
MOST_LINKS = 1000
LONGEST_CALLBACK = 100
MOST_SKIPPED = 1_000_000
DEFAULT_LINKS = 10
NOT_FOUND = "Error: short URL not found"
NO_SIMPLE = "Need either XML or JSON format for stats"
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Fields = dict[str, Any]


class Refused(DodecaError):
    """An answer that is an error in YOURLS' words: all its members, and the HTTP status."""

    def __init__(self, message: str, *, http_status: int, **members: Any) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.members: Fields = {**members, "message": message}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and who makes it."""

    call: Call
    shortener: Shortener
    actor: Principal
    given: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter; empty when it is not given."""
        return self.given.get(name, "").strip()


# Reading the request


async def _given(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The parameters of the query and of the form; those of the form win, as in PHP's `$_REQUEST`."""
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        pairs += (await request.form()).multi_items()
    return {str(name): value for name, value in pairs if isinstance(value, str)}


@route(["GET", "HEAD", "POST"], "/yourls-api.php", access=Access.PUBLIC, status=200)
async def yourls_api(call: Calling) -> Response[bytes]:
    """All calls: `action` says which. Who calls is found out here, in the ways that YOURLS has."""
    given = await _given(call.request)
    call.request.state.yourls = given
    _check_callback(given)
    actor = await _signed_in(call, given)
    asked = Asked(call, of(call.platform), actor, given)
    action = asked.text("action")
    if action == "shorturl":
        return _answer(await _shorten(asked), given)
    found = _ACTIONS.get(action)
    if found is None:
        text = 'Unknown or missing "action" parameter'
        raise Refused(text, http_status=400, errorCode=400, simple=text)
    return _answer(await call.platform.db.aread(lambda session: found(session, asked)), given)


def _check_callback(given: Mapping[str, str]) -> None:
    if _format(given) != "jsonp":
        return
    if not _callback(given):
        raise Refused("The callback is not the name of a function", http_status=400, errorCode=400)


def _callback(given: Mapping[str, str]) -> str:
    """The function to call; empty unless it is the name of one, so that nothing else is ever run."""
    callback = given.get("callback", "")
    return callback if len(callback) <= LONGEST_CALLBACK and _CALLBACK.fullmatch(callback) else ""


def _format(given: Mapping[str, str]) -> str:
    wanted = given.get("format", "").lower()
    return wanted if wanted in FORMATS else "xml"


# Who asks


async def _signed_in(call: Call, given: Mapping[str, str]) -> Principal:
    """The caller. Raises Unauthenticated."""
    if given.get("signature"):
        key = await (_timed_key if given.get("timestamp") else _key)(call, given)
        return await call.platform.db.aread(lambda session: _principal(session, key.account_id, key))
    if given.get("username") and given.get("password"):
        origin = Origin.of(call)
        try:
            account = await check_password(call.platform, origin, login=given["username"], password=given["password"])
        except (CodeNeeded, WaitingForDeletion) as error:
            raise Unauthenticated("Use an API key as signature: the password alone is not enough.") from error
        return await call.platform.db.aread(lambda session: _principal(session, account.id, None))
    principal = call.member()
    if principal.via == "session":
        raise Unauthenticated()
    opens = principal.scopes is None or any(s == SCOPE or s.startswith(SCOPE + "-") for s in principal.scopes)
    if not opens:
        raise Unauthenticated()
    return principal


def _principal(session: ReadSession, account_id: str, key: ApiKey | None) -> Principal:
    account = account_by_id(session, account_id)
    if account is None or not account.is_active:
        raise Unauthenticated()
    return Principal(
        account_id=account.id,
        username=account.username,
        roles=roles_of(session, account.id),
        scopes=frozenset(key.scopes) if key is not None and key.scopes else None,
        via="key" if key is not None else "token",
        credential=key.id if key is not None else "",
    )


async def _key(call: Call, given: Mapping[str, str]) -> ApiKey:
    """The key whose secret is the signature."""
    signature = given["signature"]
    key = await call.platform.db.aread(lambda session: verify_key(session, call.platform, signature, scope=SCOPE))
    if key is None:
        raise Unauthenticated()
    return key


async def _timed_key(call: Call, given: Mapping[str, str]) -> ApiKey:
    """The key with whose secret the timestamp was signed, not longer than twelve hours ago or ahead."""
    timestamp, signature = given["timestamp"], given["signature"].lower()
    digest = HASHES.get(given.get("hash", "md5").lower() or "md5")
    if digest is None or not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII):
        raise Unauthenticated()
    if abs(clock.timestamp() - int(timestamp)) > TIMED_SECONDS:
        raise Unauthenticated()
    call.platform.limits.hit(
        "shortener.timed_signatures", network(call.address) if call.address else "local", TIMED_TRIES
    )
    found = await call.platform.db.aread(lambda session: _signer(session, call, timestamp, signature, digest))
    if found is None:
        raise Unauthenticated()
    return found


def _signer(
    session: ReadSession, call: Call, timestamp: str, signature: str, digest: Callable[..., Any]
) -> ApiKey | None:
    """Try the keys of the scope: a timed signature does not say whose it is."""
    named = cast(ApiKey.scopes, String).like(f'%"{TIMED.name}"%')
    ids = session.scalars(select(ApiKey.id).where(ApiKey.sealed.is_not(None), named)).all()
    for key_id in ids:
        key = key_by_id(session, key_id, scope=TIMED.name)
        if key is None:
            continue
        secret = open_secret(call.platform, key)
        for text in (f"{timestamp}{secret}", f"{secret}{timestamp}"):
            if hmac.compare_digest(digest(text.encode()).hexdigest().encode(), signature.encode()):
                return key
    return None


# The actions


async def _shorten(asked: Asked) -> Fields:
    shortener, actor = asked.shortener, asked.actor
    url, keyword, title = asked.text("url"), asked.text("keyword"), asked.text("title")

    def look(session: ReadSession) -> Fields | None:
        if not url:
            raise _failed(400, "error:nourl", "Missing or malformed URL")
        if addresses.is_own_short_url(session, shortener, url):
            raise _failed(400, "error:noloop", "URL is a short URL")
        link = known.plain(session, shortener, actor, url)
        return _shown(session, shortener, [link])[0] if link is not None else None

    try:
        existing = await shortener.db.aread(look)
        if existing is not None:
            raise _exists(existing)
        made = await _made(asked, url, keyword, title)
    except aliases.AliasTaken as error:
        text = f"Short URL {keyword} already exists in database or is reserved"
        raise _failed(200, "error:keyword", text) from error
    except Invalid as error:
        if error.field == "alias":
            raise _failed(200, "error:keyword", f"Short URL {keyword} cannot be used. {error.message}") from error
        if error.field == "title":
            raise Refused(error.message, http_status=400, errorCode=400) from error
        raise _failed(400, "error:nourl", f"Missing or malformed URL. {error.message}") from error
    shown = await shortener.db.aread(lambda session: _shown(session, shortener, [made.link])[0])
    if not made.is_new:
        raise _exists(shown)
    return {
        "url": _url(shown),
        "status": "success",
        "message": f"{shown['url']} added to database",
        "title": shown["title"],
        "shorturl": shown["shorturl"],
        "statusCode": 200,
        "simple": shown["shorturl"],
    }


async def _made(asked: Asked, url: str, keyword: str, title: str) -> creating.Made:
    if not keyword and not title:
        return await creating.make_short(asked.shortener, asked.actor, url, asked.call.address)
    wish = NewLink(long_url=url, alias=keyword or None)
    if title:
        wish.title = title[:500]
    return await creating.make(asked.shortener, asked.actor, wish, asked.call.address)


def _failed(status: int, code: str, message: str, **members: Any) -> Refused:
    return Refused(message, http_status=status, status="fail", code=code, errorCode=400, **members)


def _exists(shown: Fields) -> Refused:
    message = f"{shown['url']} already exists in database"
    beside = {"url": _url(shown), "title": shown["title"], "shorturl": shown["shorturl"], "statusCode": 200}
    return _failed(200, "error:url", message, **beside, simple=shown["shorturl"])


def _url(shown: Fields) -> Fields:
    """The `url` member of a shortened link."""
    url = {"keyword": shown["keyword"], "url": shown["url"], "title": shown["title"], "date": shown["timestamp"]}
    return {**url, "ip": shown["ip"], "clicks": shown["clicks"]}


def _shown(session: ReadSession, shortener: Shortener, rows: Sequence[Link]) -> list[Fields]:
    """Links as YOURLS lists them; one without a title shows its URL, as YOURLS does when a page has none."""
    table = shortener.hosts(session)
    return [
        {
            "keyword": row.short_code,
            "shorturl": shortener.short_url(row.short_code, table.host_of(row.domain_id)),
            "url": row.long_url,
            "title": row.title or row.long_url,
            "timestamp": row.created_at.strftime("%Y-%m-%d %H:%M:%S"),
            "ip": "0.0.0.0",  # noqa: S104 - no address is bound: none is kept
            "clicks": row.clicks,
        }
        for row in rows
    ]


def _found(session: ReadSession, asked: Asked) -> Link:
    """The caller's link that `shorturl` names."""
    given = asked.text("shorturl")
    try:
        return links.find_by_short_url(session, asked.shortener, asked.actor, given)
    except NotFound as error:
        raise Refused(
            NOT_FOUND, http_status=404, keyword=links.split_short_url(given)[1], errorCode=404, simple="not found"
        ) from error


def _expand(session: ReadSession, asked: Asked) -> Fields:
    shown = _shown(session, asked.shortener, [_found(session, asked)])[0]
    return {
        "keyword": shown["keyword"],
        "shorturl": shown["shorturl"],
        "longurl": shown["url"],
        "title": shown["title"],
        "message": "success",
        "statusCode": 200,
        "simple": shown["url"],
    }


def _url_stats(session: ReadSession, asked: Asked) -> Fields:
    if not asked.text("shorturl") and asked.text("filter"):
        return _stats(session, asked)  # what npm's yourls sends for its `stats`
    link = _shown(session, asked.shortener, [_found(session, asked)])[0]
    del link["keyword"]
    return {"statusCode": 200, "message": "success", "link": link, "simple": NO_SIMPLE}


def _stats(session: ReadSession, asked: Asked) -> Fields:
    orders: dict[str, tuple[Any, ...]] = {
        "top": (Link.clicks.desc(), Link.id),
        "bottom": (Link.clicks, Link.id),
        "last": (Link.created_at.desc(), Link.id.desc()),
        "rand": (func.random(),),
        "random": (func.random(),),
    }
    order = orders.get(asked.text("filter") or "top")
    if order is None:
        raise Refused("filter is one of: top, bottom, rand, last", http_status=400, errorCode=400)
    limit = _number(asked, "limit", DEFAULT_LINKS, MOST_LINKS)
    start = _number(asked, "start", 0, MOST_SKIPPED)
    mine: Select[Any] = links.visible_to(asked.actor)
    rows: Sequence[Link] = session.scalars(mine.order_by(*order).limit(limit).offset(start)).all() if limit else []
    listed = _shown(session, asked.shortener, rows)
    for link in listed:
        del link["keyword"]
    found = {"links": {f"link_{number}": link for number, link in enumerate(listed, 1)}} if listed else {}
    totals = _totals(session, asked)
    return {**found, "stats": totals, "statusCode": 200, "message": "success", "simple": NO_SIMPLE}


def _number(asked: Asked, name: str, default: int, most: int) -> int:
    text = asked.text(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > most:
        raise Refused(f"{name} is a whole number of at most {most}", http_status=400, errorCode=400)
    return int(text)


def _totals(session: ReadSession, asked: Asked) -> Fields:
    """How many links the caller has, and how many clicks they had."""
    mine = links.visible_to(asked.actor).subquery()
    row = session.execute(select(func.count(), func.coalesce(func.sum(mine.c.clicks), 0)).select_from(mine)).one()
    return {"total_links": int(row[0]), "total_clicks": int(row[1])}


def _db_stats(session: ReadSession, asked: Asked) -> Fields:
    totals = _totals(session, asked)
    return {"db-stats": totals, "statusCode": 200, "message": "success", "simple": NO_SIMPLE}


def _version(_session: ReadSession, _asked: Asked) -> Fields:
    return {"version": VERSION, "simple": VERSION}


_ACTIONS: dict[str, Callable[[ReadSession, Asked], Fields]] = {
    "expand": _expand,
    "url-stats": _url_stats,
    "stats": _stats,
    "db-stats": _db_stats,
    "version": _version,
}


# Answering


def _answer(
    fields: Fields, given: Mapping[str, str], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    kind = _format(given)
    simple = str(fields.get("simple", fields.get("message", "")))
    shown = {name: value for name, value in fields.items() if name != "simple"}
    callback = _callback(given)
    if kind == "simple":
        content = simple
    elif kind == "xml":
        content = f'<?xml version="1.0" encoding="UTF-8"?>\n<result>{_xml(shown)}</result>\n'
    elif kind == "jsonp" and callback:
        # JSON may hold line separators that JavaScript before 2019 does not take in a string.
        text = msgspec.json.encode(shown | {"callback": callback}).decode()
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        content = f"{callback}({text})"
    else:
        kind = "json"
        content = msgspec.json.encode(shown).decode()
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store", **(headers or {})}
    return Response(content.encode(), status_code=status, media_type=FORMATS[kind], headers=safe)


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(part)}</{name}>" for name, part in value.items())
    return escape(_NOT_XML.sub("", str(value)))


def yourls_error(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """The answer that an exception amounts to, in the format that was asked for."""
    given: Mapping[str, str] = getattr(request.state, "yourls", None) or dict(request.query_params.items())
    if isinstance(exception, Refused):
        return _answer(exception.members, given, exception.http_status)
    status, error = problems.as_dodeca_error(exception)
    message = error.message
    if isinstance(error, (errors.Unauthenticated, errors.Forbidden)):
        status, message = 403, "Please log in" if error.message == "Sign in first." else error.message
    headers = problems.error_headers(status, error) | dict(getattr(exception, "headers", None) or {})
    return _answer({"message": message, "errorCode": status, "simple": message}, given, status, headers)


router = Router(
    "/",
    route_handlers=[yourls_api],
    exception_handlers={Exception: yourls_error, HTTPException: yourls_error, DodecaError: yourls_error},
)
