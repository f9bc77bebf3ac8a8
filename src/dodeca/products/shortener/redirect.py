"""What a short link answers: computed here alone, for the lane, the page routes and the API's redirects.

An `Entry` holds all that is known of one code, ready to answer, and is cached. A *plain* one needs no more than the
time: the lane answers it without a framework. All others go through `decide`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import bindparam, func, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener.agents import Kind, classify, visit_of
from dodeca.products.shortener.models import Link, LinkRule, ShortCode
from dodeca.products.shortener.queries import forward_query, merge_utm
from dodeca.products.shortener.rules import Condition, read_condition
from dodeca.products.shortener.service.installation import Shortener, alias_entry_key, entry_key

if TYPE_CHECKING:
    from dodeca.kernel.db import Database

Headers = tuple[tuple[str, str], ...]
ROBOTS = "noindex"
CACHE_CONTROL = "private, no-store"
_CACHING, _REFERRER = ("cache-control", CACHE_CONTROL), ("referrer-policy", "no-referrer-when-downgrade")
_UNLISTED = ("x-robots-tag", ROBOTS)
_MOST_CODE = 64
_ENTRY_BYTES = 320
_STATUSES = {status: status for status in (301, 302, 307, 308)}
"""The statuses themselves: a row brings its own object for the number, and there are a million rows."""

_columns = (
    Link.id,
    Link.domain_id,
    Link.short_code,
    func.coalesce(Link.location, Link.long_url),
    Link.updated_at,
    Link.last_click_at,
    Link.starts_at,
    Link.expires_at,
    Link.expired_url,
    Link.max_visits,
    Link.visits_left,
    Link.password_hash,
    Link.redirect_status,
    Link.forward_query,
    Link.crawlable,
    Link.utm,
    Link.has_rules,
    Link.warning,
    Link.disabled_reason,
    ShortCode.alias_key,
)
_live = (
    select(*_columns)
    .select_from(ShortCode)
    .join(Link, Link.id == ShortCode.link_id)
    .where(ShortCode.domain_id == bindparam("domain"), ShortCode.released_at.is_(None), Link.deleted_at.is_(None))
)
_by_code = Prepared(_live.where(ShortCode.text == bindparam("code")))
_plain_columns = (
    Link.id,
    func.coalesce(Link.location, Link.long_url),
    Link.redirect_status,
    Link.forward_query,
    Link.crawlable,
    Link.expires_at,
    Link.expired_url,
    Link.updated_at,
    Link.last_click_at,
)
_plain_by_code = Prepared(
    _live.with_only_columns(*_plain_columns).where(
        ShortCode.text == bindparam("code"),
        ShortCode.alias_key.is_(None),
        Link.max_visits.is_(None),
        Link.password_hash.is_(None),
        Link.starts_at.is_(None),
        Link.utm.is_(None),
        Link.has_rules.is_(False),
        Link.warning.is_(None),
        Link.disabled_reason.is_(None),
    )
)
_by_alias = Prepared(_live.where(ShortCode.alias_key == bindparam("code")))
_rules_of = Prepared(
    select(LinkRule.id, LinkRule.location, LinkRule.warning, LinkRule.conditions)
    .where(LinkRule.link_id == bindparam("link"))
    .order_by(LinkRule.position)
)
_consume = Prepared(
    update(Link.__table__)  # type: ignore[arg-type]  # a Table, which the declarative base types more broadly
    .where(Link.id == bindparam("link"), Link.visits_left > 0)
    .values(visits_left=Link.visits_left - 1)
)


@dataclass(frozen=True, slots=True)
class EntryRule:
    """One redirect rule, ready to be evaluated."""

    id: int
    location: str
    warning: str | None
    conditions: tuple[Condition, ...]


class Entry(msgspec.Struct, gc=False):
    """All that decides what a code answers. Times are milliseconds since the epoch; infinite: never.

    There are hundreds of thousands, of which none is part of a cycle: the garbage collector need not look at them.
    What a redirect asks for comes first and holds no objects of its own beyond need: each is a wait for memory."""

    plain: bool
    until: float
    """From when on the entry must be looked at again."""
    link_id: int
    location: str
    status: int
    crawlable: bool
    forward: bool
    key: str
    domain_id: int
    code: str
    starts_at: float
    expires_at: float
    unused_at: float
    disabled: str | None
    exhausted: bool
    limited: bool
    expired_url: str | None
    password_hash: str | None
    warning: str | None
    rules: tuple[EntryRule, ...]

    @property
    def size(self) -> int:
        """Bytes in the cache, roughly."""
        return _ENTRY_BYTES + len(self.location) + 1500 * len(self.rules)

    def stopped(self, now: float) -> str | None:
        """Why the link does not redirect now: a status of the service, or None."""
        if self.disabled is not None:
            return "disabled"
        if now < self.starts_at:
            return "scheduled"
        if now >= self.expires_at:
            return "expired"
        if self.exhausted:
            return "exhausted"
        return "inactive" if now >= self.unused_at else None


def load(session: ReadSession, shortener: Shortener, domain_id: int, code: str) -> Entry | None:
    """Read what a code leads to: generated codes as written, aliases in any letter case."""
    if not 0 < len(code) <= _MOST_CODE or not code.isascii() or not code.replace("-", "").replace("_", "").isalnum():
        return None
    row = _by_code.first(session, domain=domain_id, code=code)
    if row is None:
        row = _by_alias.first(session, domain=domain_id, code=code.lower())
    return None if row is None else _entry(session, shortener, domain_id, code, row)


def _entry(session: ReadSession, shortener: Shortener, domain_id: int, code: str, row: tuple[Any, ...]) -> Entry:
    (
        link_id, link_domain, short_code, target, updated_at, last_click_at, starts_at, expires_at, expired_url,
        max_visits, visits_left, password_hash, status, forward, crawlable, utm, has_rules, warning, disabled,
        alias_key,
    ) = row  # fmt: skip
    if utm:
        target = merge_utm(target, utm)
    rules = _rules(session, link_id, utm) if has_rules else ()
    limited = max_visits is not None
    ends, unused = _milliseconds(expires_at, math.inf), _unused_at(shortener, updated_at, last_click_at)
    return Entry(
        key=entry_key(domain_id, code) if alias_key is None else alias_entry_key(domain_id, alias_key),
        link_id=link_id,
        domain_id=link_domain,
        code=short_code,
        location=target,
        status=_STATUSES[status],
        plain=not (limited or password_hash or rules or warning or disabled or starts_at is not None),
        forward=forward,
        starts_at=_milliseconds(starts_at, -math.inf),
        until=min(ends, unused),
        expires_at=ends,
        unused_at=unused,
        disabled=disabled,
        exhausted=visits_left == 0,
        limited=limited,
        expired_url=expired_url,
        password_hash=password_hash,
        warning=warning,
        crawlable=crawlable,
        rules=rules,
    )


def _plain_entry(shortener: Shortener, domain_id: int, code: str, row: tuple[Any, ...]) -> Entry:
    """The same of a row of `_plain_by_code`: nearly all links are so, and this is what a first visit waits for."""
    link_id, target, status, forward, crawlable, expires_at, expired_url, updated_at, last_click_at = row
    ends, unused = _milliseconds(expires_at, math.inf), _unused_at(shortener, updated_at, last_click_at)
    return Entry(
        key=entry_key(domain_id, code),
        link_id=link_id,
        domain_id=domain_id,
        code=code,
        location=target,
        status=_STATUSES[status],
        plain=True,
        forward=forward,
        starts_at=-math.inf,
        until=min(ends, unused),
        expires_at=ends,
        unused_at=unused,
        disabled=None,
        exhausted=False,
        limited=False,
        expired_url=expired_url,
        password_hash=None,
        warning=None,
        crawlable=crawlable,
        rules=(),
    )


def _unused_at(shortener: Shortener, updated_at: datetime, last_click_at: datetime | None) -> float:
    days = shortener.settings.unused_days
    if not days:
        return math.inf
    touched = updated_at if last_click_at is None else max(last_click_at, updated_at)
    return touched.timestamp() * 1000 + days * 86_400_000


def _rules(session: ReadSession, link_id: int, utm: dict[str, str] | None) -> tuple[EntryRule, ...]:
    found = []
    for rule_id, location, warning, conditions in _rules_of.rows(session, link=link_id):
        tests = tuple(read_condition(condition) for condition in conditions)
        found.append(EntryRule(rule_id, merge_utm(location, utm) if utm else location, warning, tests))
    return tuple(found)


def _milliseconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp() * 1000


def redirect_headers(location: str, crawlable: bool) -> Headers:
    """The headers of a redirect."""
    if crawlable:
        return ("location", location), _CACHING, _REFERRER
    return ("location", location), _CACHING, _REFERRER, _UNLISTED


# Looking entries up


def cached(shortener: Shortener, domain_id: int, code: str) -> Entry | None:
    """The entry in memory, if it is fresh."""
    entries = shortener.entries
    return entries.get(entry_key(domain_id, code)) or entries.get(alias_entry_key(domain_id, code))


def stale(shortener: Shortener, domain_id: int, code: str) -> Entry | None:
    """The last known entry, for when the database is away."""
    entries = shortener.entries
    return entries.stale(entry_key(domain_id, code)) or entries.stale(alias_entry_key(domain_id, code))


def read_now(shortener: Shortener, database: Database, domain_id: int, code: str) -> Entry | None:
    """Load and keep an entry in this thread; a stale one while the database is away. For SQLite, where it is quick."""
    mark = shortener.entries.mark()
    try:
        row = database.read(lambda session: _plain_by_code.first_alone(session, domain=domain_id, code=code))
        if row is not None:
            entry: Entry | None = _plain_entry(shortener, domain_id, code, row)
        else:
            entry = database.read(lambda session: load(session, shortener, domain_id, code))
    except Unavailable:
        entry = stale(shortener, domain_id, code)
        if entry is None:
            raise
        return entry
    if entry is not None:
        shortener.entries.put(entry.key, entry, mark)
    return entry


async def read(shortener: Shortener, domain_id: int, code: str, *, anew: bool = False) -> Entry | None:
    """The entry from memory, else from the database. Raises Unavailable when neither has it."""
    entry = None if anew else cached(shortener, domain_id, code)
    if entry is not None:
        return entry
    mark = shortener.entries.mark()
    try:
        entry = await shortener.db.aread(lambda session: load(session, shortener, domain_id, code))
    except Unavailable:
        entry = stale(shortener, domain_id, code)
        if entry is None:
            raise
        return entry
    if entry is not None:
        shortener.entries.put(entry.key, entry, mark)
    return entry


# Deciding


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a short link. `headers` has lower-case names."""

    method: str
    headers: Mapping[str, str]
    address: str
    raw_query: str = ""
    unlocked: bool = False
    """The right password came with the request."""

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    def kind(self) -> Kind:
        """A click, or why it is none. A POST is the password form, sent by a person."""
        return classify("GET" if self.method == "POST" else self.method, self.user_agent, self.headers)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to answer. `redirect` has a location; `gone` a reason, and a location where the owner named one."""

    outcome: Literal["redirect", "gone", "scheduled", "password", "card", "warning"]
    location: str = ""
    reason: str = ""
    rule_id: int = 0
    kind: Kind = Kind.CLICK
    consumes: bool = False
    """The redirect may only be sent once `consume` has taken a visit."""


def decide(entry: Entry, asked: Asked, shortener: Shortener) -> Decision:
    """What the link answers to this request, now."""
    kind = asked.kind()
    reason = entry.stopped(clock.timestamp() * 1000)
    if reason is not None:
        return gone(entry, reason, kind)
    if entry.password_hash is not None and not asked.unlocked:
        return Decision("password", kind=kind)
    if entry.limited and kind is not Kind.CLICK:
        return Decision("card", kind=kind)
    location, warning, rule_id = entry.location, entry.warning, 0
    if entry.rules:
        visit = visit_of(
            clock.now(),
            user_agent=asked.user_agent,
            accept_language=asked.headers.get("accept-language", ""),
            address=asked.address,
            raw_query=asked.raw_query,
            geolocation=shortener.geolocation,
        )
        for rule in entry.rules:
            if all(condition.holds(visit) for condition in rule.conditions):
                location, warning, rule_id = rule.location, rule.warning, rule.id
                break
    if warning is not None:
        return Decision("warning", location, warning, rule_id, kind)
    if entry.forward and asked.raw_query:
        location = forward_query(location, asked.raw_query)
    return Decision("redirect", location, "", rule_id, kind, entry.limited)


def gone(entry: Entry, reason: str, kind: Kind = Kind.CLICK) -> Decision:
    """The answer of a link that has stopped."""
    if reason == "scheduled":
        return Decision("scheduled", kind=kind)
    location = entry.expired_url if reason != "disabled" and entry.expired_url else ""
    return Decision("gone", location, reason, kind=kind)


def consume(session: WriteSession, link_id: int) -> bool:
    """Take one of the visits that are left; False when there is none. The database decides, so it is exact."""
    return _consume.run(session, link=link_id) == 1
