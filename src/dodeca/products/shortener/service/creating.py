"""Making links. The hot path: few statements, prepared once, and no ORM."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from msgspec import UNSET
from sqlalchemy import Table, bindparam, inspect, select, update

from dodeca.kernel import clock
from dodeca.kernel.crypto import random_token
from dodeca.kernel.db import Prepared, ReadSession, WriteSession, detached
from dodeca.kernel.errors import Unauthenticated, Unavailable
from dodeca.kernel.http import Principal
from dodeca.kernel.limits import Rate, network
from dodeca.products.shortener.models import SHARED_DOMAIN, Link
from dodeca.products.shortener.service import aliases, blocklist, domains, groups, inserting, labels, ruling
from dodeca.products.shortener.service.codes import Codes
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.status import stopped_because
from dodeca.products.shortener.service.wishes import NewLink, checked_settings
from dodeca.products.shortener.targets import Target, judge_target

T = TypeVar("T")
_ATTEMPTS = 4
_links = cast(Table, Link.__table__)
_known = Prepared(
    select(_links)
    .where(
        Link.user_id == bindparam("account"),
        Link.url_hash == bindparam("hash"),
        Link.domain_id == bindparam("domain"),
        Link.deleted_at.is_(None),
    )
    .order_by(Link.created_at, Link.id)
    .limit(50)
)
_hold_key = Prepared(
    update(_links).where(_links.c.short_url_id == bindparam("link")).values(dedupe_key=bindparam("key"))
)
_attributes = [inspect(Link).get_property_by_column(column).key for column in _links.columns]


class Made:
    """A link that was made or found. `manage_token` is shown once, to somebody without an account. One that is not
    `is_tagged` has no tags for sure."""

    __slots__ = ("is_new", "is_tagged", "link", "manage_token")

    def __init__(self, link: Link, *, is_new: bool, manage_token: str | None = None) -> None:
        self.link = link
        self.is_new = is_new
        self.is_tagged = not is_new
        self.manage_token = manage_token


@dataclass(slots=True)
class Wanted:
    """A link that an account asks for, and what is made of it in the same unit of work."""

    actor: Principal
    wish: NewLink
    codes: Codes
    then: Callable[[WriteSession, Made], Any]


# From outside a unit of work


async def make(shortener: Shortener, actor: Principal | None, wish: NewLink, address: str) -> Made:
    """Count the limit, reserve a code, hash the password, and make the link in a unit of its own.

    Raises TooMany beside what `create` raises."""
    return await make_and(shortener, actor, wish, address, lambda _session, made: made)


async def make_and(
    shortener: Shortener,
    actor: Principal | None,
    wish: NewLink,
    address: str,
    then: Callable[[WriteSession, Made], T],
) -> T:
    """The same; gives what `then` makes of the link in the same unit: reading in a second one costs as much again."""
    count_creations(shortener, actor, address)
    await shortener.remember_hosts()
    password_hash = await shortener.passwords.hash_async(wish.password) if wish.password else None
    needed = 0 if wish.alias else 1
    plain, easy = (0, needed) if wish.is_readable else (needed, 0)
    async with shortener.codes.areserved(plain, readable=easy) as codes:
        if actor is not None and wish.is_plain:
            return cast(T, await shortener.plain_links.awrite(Wanted(actor, wish, codes, then)))
        return await shortener.db.awrite(
            lambda session: then(session, create(session, shortener, actor, wish, codes, password_hash=password_hash))
        )


async def make_short(
    shortener: Shortener, actor: Principal | None, long_url: str, address: str, *, domain: str | None = None
) -> Made:
    """What `P/shorten` does: the caller's known link for this target, or a new one."""
    count_creations(shortener, actor, address)
    await shortener.remember_hosts()
    async with shortener.codes.areserved(1) as codes:
        return await shortener.db.awrite(
            lambda session: shorten(session, shortener, actor, long_url, codes, domain=domain)
        )


def count_creations(shortener: Shortener, actor: Principal | None, address: str, cost: int = 1) -> None:
    """Count new links on the caller's limit. Raises TooMany."""
    settings = shortener.settings
    if actor is not None:
        if settings.creations_per_minute:
            rate = Rate(settings.creations_per_minute, 60)
            shortener.limits.hit("shortener.creations", actor.account_id, rate, cost=cost)
    elif settings.anonymous_per_minute:
        rate = Rate(settings.anonymous_per_minute, 60)
        message = "That is enough for a minute. Sign in to make more."
        key = network(address) if address else "local"
        shortener.limits.hit("shortener.anonymous", key, rate, cost=cost, message=message)


# Inside a unit of work


def shorten(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    long_url: str,
    codes: Codes,
    *,
    domain: str | None = None,
) -> Made:
    """The caller's plain live link for the same serialised target, or a new one. Raises Invalid."""
    table = shortener.hosts(session)
    domain_id = domains.chosen(table, actor, domain)
    target = judge_target(long_url, table.policy)
    return _dedupe(session, shortener, actor, target, domain_id, codes)


def create(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    wish: NewLink,
    codes: Codes,
    *,
    password_hash: str | None = None,
) -> Made:
    """Make a link. Raises Invalid, Unauthenticated, aliases.AliasTaken."""
    table = shortener.hosts(session)
    domain_id = domains.chosen(table, actor, wish.domain)
    target = judge_target(wish.target or "", table.policy)
    columns = checked_settings(wish)
    if wish.expired_url:
        columns["expired_url"] = judged_extra(session, table.policy, wish.expired_url, "expired_url")
    if wish.image:
        columns["image"] = judge_target(wish.image, table.policy, field="image").location
    if password_hash is not None:
        columns["password_hash"] = password_hash
    if wish.archived is True:
        columns["archived_at"] = clock.now()
    if actor is None and (wish.alias or wish.domain or wish.group_id or wish.folder or wish.tags):
        raise Unauthenticated("Sign in to choose an alias, a domain, tags, a folder or a group.")
    if wish.reuse and actor is not None and not wish.alias and not any(columns.values()) and not wish.rules:
        made = _dedupe(session, shortener, actor, target, domain_id, codes)
        return _tagged(session, made, wish)
    if actor is not None and wish.group_id:
        columns["group_id"] = groups.editable(session, actor, wish.group_id).id
    if actor is not None and wish.folder:
        columns["folder_id"] = labels.folder_named(session, actor.account_id, wish.folder).id
    rules = ruling.checked(session, table.policy, wish.rules) if wish.rules not in (UNSET, None) else ()
    columns["has_rules"] = bool(rules)
    made = _insert(session, shortener, actor, target, domain_id, columns, codes, alias=wish.alias, style=wish.style)
    ruling.store(session, made.link.id, rules)
    return _tagged(session, made, wish) if actor is not None else made


def _tagged(session: WriteSession, made: Made, wish: NewLink) -> Made:
    if wish.tags:
        labels.set_tags(session, made.link, wish.tags)
        made.is_tagged = True
    return made


def judged_extra(session: ReadSession, policy: Any, url: str, field: str) -> str:
    """A further target of a link, checked like the first; gives its serialised form."""
    target = judge_target(url, policy, field=field)
    blocklist.check(session, target, field=field)
    return target.location


def _dedupe(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    target: Target,
    domain_id: int,
    codes: Codes,
) -> Made:
    if actor is None:
        return _insert(session, shortener, None, target, domain_id, {}, codes)
    blocklist.check(session, target)  # also of a link that is known already, and not stopped yet
    for _ in range(_ATTEMPTS):
        known = _plain_live(session, shortener, actor.account_id, target, domain_id)
        if known is not None:
            return Made(known, is_new=False)
        key = f"{actor.account_id}:{domain_id}:{target.url_hash}"
        made = _insert_once(session, shortener, actor, target, domain_id, {"dedupe_key": key}, codes.take())
        if made is not None:
            return made
        _give_up_stale_key(session, shortener, key, target)
    raise Unavailable("This link is being made by somebody else. Try again.")


def _plain_live(
    session: ReadSession, shortener: Shortener, account_id: str, target: Target, domain_id: int
) -> Link | None:
    """The oldest plain live link of the account with this very target."""
    now = clock.now()
    for row in _known.rows(session, account=account_id, hash=target.url_hash, domain=domain_id):
        values = dict(zip(_attributes, row, strict=True))
        link = detached(Link, (values["id"],), values)
        if link.target == target.location and is_plain(link) and stopped_because(link, shortener.settings, now) is None:
            return link
    return None


def is_plain(link: Link) -> bool:
    """Whether nothing about the link differs from what `P/shorten` makes, so that it may be given out again."""
    return (
        link.password_hash is None
        and link.max_visits is None
        and link.starts_at is None
        and link.expires_at is None
        and link.group_id is None
        and not link.has_rules
        and not link.utm
        and not link.forward_query
        and link.redirect_status == 302
        and link.archived_at is None
    )


def _give_up_stale_key(session: WriteSession, shortener: Shortener, key: str, target: Target) -> None:
    """The key is held by a link that is no longer plain, live, or of this target (equal hashes): free it."""
    holder = session.scalar(select(Link).where(Link.dedupe_key == key))
    if holder is None:
        return
    alive = holder.deleted_at is None and stopped_because(holder, shortener.settings, clock.now()) is None
    if not (alive and is_plain(holder) and holder.target == target.location):
        _hold_key.run(session, link=holder.id, key=None)
    session.expunge(holder)


def _insert(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    target: Target,
    domain_id: int,
    columns: dict[str, Any],
    codes: Codes,
    *,
    alias: str | None = None,
    style: str | None = None,
) -> Made:
    for _ in range(_ATTEMPTS):
        if alias:
            code = aliases.checked(session, shortener, actor, alias, domain_id)
            made = _insert_once(session, shortener, actor, target, domain_id, columns, code, is_alias=True)
        else:
            made = _insert_once(session, shortener, actor, target, domain_id, columns, codes.take(style or ""))
        if made is not None:
            return made
    raise Unavailable("No short code is ready. Try again.")


def _insert_once(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    target: Target,
    domain_id: int,
    columns: dict[str, Any],
    code: str,
    *,
    is_alias: bool = False,
) -> Made | None:
    """Insert link and code; None when the code equals an alias, or the id or the dedupe key is taken."""
    own = inserting.own_attributes(actor.account_id if actor else None, domain_id, code, target, clock.now())
    token = None
    if actor is None:
        token = random_token(18)
        columns = {**columns, "manage_token": shortener.manage_tokens.digest(token)}
    values = inserting.insert_unless_blocked(session, own, columns, target)
    if values is None:
        blocklist.check(session, target)
        return None
    if is_alias:
        aliases.claim(session, domain_id, code, values["id"], actor.account_id if actor else None)
    elif not inserting.insert_generated(session, domain_id, code, values["id"]):
        return None
    return Made(detached(Link, (values["id"],), values), is_new=True, manage_token=token)


# Many at once


async def make_many(
    shortener: Shortener, actor: Principal, wishes: Sequence[NewLink | Exception], address: str
) -> list[Made | Exception]:
    """Make links in order, 100 in a unit; each gets its own result. Raises TooMany before any is made."""
    from dodeca.kernel.errors import DodecaError

    count_creations(shortener, actor, address, cost=max(1, len(wishes)))
    await shortener.remember_hosts()
    results: list[Made | Exception] = []
    for start in range(0, len(wishes), 100):
        part = list(wishes[start : start + 100])
        hashes = [
            await shortener.passwords.hash_async(w.password) if isinstance(w, NewLink) and w.password else None
            for w in part
        ]
        easy = sum(1 for w in part if isinstance(w, NewLink) and w.is_readable)

        def unit(session: WriteSession, part: Any = part, hashes: Any = hashes) -> list[Made | Exception]:
            done: list[Made | Exception] = []
            for wish, password_hash in zip(part, hashes, strict=True):
                if isinstance(wish, Exception):
                    done.append(wish)
                    continue
                try:
                    with session.begin_nested() if _uses_orm(wish) else contextlib.nullcontext():
                        done.append(create(session, shortener, actor, wish, codes, password_hash=password_hash))
                except DodecaError as error:
                    done.append(error)
            return done

        async with shortener.codes.areserved(len(part) - easy + SPARE_OF_MANY, readable=easy) as codes:
            results += await shortener.db.awrite(unit)
    return results


SPARE_OF_MANY = 10
"""Codes that may be lost to aliases in a hundred links."""


def _uses_orm(wish: NewLink) -> bool:
    """Whether making the link can fail after something was written: then it needs a savepoint of its own."""
    return bool(wish.alias or wish.rules or wish.tags or wish.folder or wish.group_id)


__all__ = [
    "SHARED_DOMAIN",
    "Made",
    "count_creations",
    "create",
    "is_plain",
    "judged_extra",
    "make",
    "make_and",
    "make_many",
    "make_short",
    "shorten",
]
