"""Custom aliases: checking, claiming, giving up, and giving a link a further one."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy import Select, Table, bindparam, or_, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.http import Principal
from dodeca.products.shortener import aliases as names
from dodeca.products.shortener import keys
from dodeca.products.shortener.models import SHARED_DOMAIN, Link, ShortCode
from dodeca.products.shortener.service import domains, inserting
from dodeca.products.shortener.service.installation import Shortener, alias_entry_key

KEPT_DAYS = 365
"""How long a freed alias stays its owner's, so that nobody inherits the readers of a printed link."""
_CHUNK = 256
_equal = Prepared(
    select(ShortCode.link_id).where(
        ShortCode.domain_id == bindparam("domain"),
        or_(ShortCode.alias_key == bindparam("key"), ShortCode.text == bindparam("code")),
    )
)
_codes = cast(Table, ShortCode.__table__)
_keys_among = PreparedIn(
    select(_codes.c.alias_key).where(_codes.c.domain_id == bindparam("domain")), _codes.c.alias_key, batch=16
)


class AliasTaken(Conflict):
    """The alias is somebody's, or reserved; `details` has free `alternatives`."""


class Availability(msgspec.Struct):
    """Whether an alias may be claimed; otherwise why not, and what is free."""

    available: bool
    reason: str | None
    alternatives: list[str]


def check(
    session: ReadSession, shortener: Shortener, actor: Principal | None, alias: str, domain: str | None
) -> Availability:
    """Look whether an alias is free. Raises Invalid for the domain only."""
    table = shortener.hosts(session)
    domain_id = domains.chosen(table, actor, domain)
    try:
        text = names.check_alias(alias, own_domain=domain_id != SHARED_DOMAIN)
    except Invalid as error:
        return Availability(False, error.message, [])
    reason = _refusal(session, domain_id, text, actor.account_id if actor else None)
    return Availability(reason is None, reason, _alternatives(session, domain_id, text) if reason else [])


def checked(session: ReadSession, shortener: Shortener, actor: Principal | None, alias: str, domain_id: int) -> str:
    """The alias, if it looks free to this account. Raises Invalid, AliasTaken. The claim decides."""
    text = names.check_alias(alias, own_domain=domain_id != SHARED_DOMAIN)
    reason = _refusal(session, domain_id, text, actor.account_id if actor else None)
    if reason is not None:
        raise _taken(session, domain_id, text, reason)
    return text


def _refusal(session: ReadSession, domain_id: int, alias: str, account_id: str | None) -> str | None:
    if names.is_reserved(alias):
        return "This name is reserved."
    row = session.execute(_holder(domain_id, alias)).first()
    if row is not None:
        released_at, owner = row
        if released_at is None:
            return "This alias is taken."
        if owner != account_id and released_at > clock.ago(days=KEPT_DAYS):
            return "This alias was given up not long ago, and is kept for its owner."
    elif equals_generated(session, domain_id, alias):
        return "This alias is taken."
    return None


def _holder(domain_id: int, alias: str) -> Select[datetime | None, str | None]:
    return (
        select(ShortCode.released_at, Link.user_id)
        .join(Link, Link.id == ShortCode.link_id)
        .where(ShortCode.domain_id == domain_id, ShortCode.alias_key == names.alias_key(alias))
    )


def is_taken(session: ReadSession, domain_id: int, code: str) -> bool:
    """Whether a generated code equals an alias in any letter case, or a code that was brought in."""
    return _equal.first(session, domain=domain_id, key=code.lower(), code=code) is not None


def equal_aliases(session: ReadSession, codes: Collection[tuple[int, str, int]]) -> bool:
    """Whether any of these generated codes (domain, code, link) equals an alias in any letter case."""
    by_domain: dict[int, list[str]] = {}
    for domain_id, code, _ in codes:
        by_domain.setdefault(domain_id, []).append(code.lower())
    return any(_keys_among.rows(session, keys, domain=domain_id) for domain_id, keys in by_domain.items())


def equals_generated(session: ReadSession, domain_id: int, alias: str) -> bool:
    """Whether a generated code is this alias in any letter case: all its spellings are asked for by primary key."""
    if not keys.DEFAULT_LENGTH <= len(alias) <= keys.MAX_LENGTH or not alias.isalnum():
        return False
    spellings = map("".join, itertools.product(*({c.lower(), c.upper()} for c in alias)))
    while batch := list(itertools.islice(spellings, _CHUNK)):
        found = select(ShortCode.link_id).where(ShortCode.domain_id == domain_id, ShortCode.text.in_(batch)).limit(1)
        if session.scalar(found) is not None:
            return True
    return False


def _taken(session: ReadSession, domain_id: int, alias: str, reason: str) -> AliasTaken:
    return AliasTaken(reason, field="alias", details={"alternatives": _alternatives(session, domain_id, alias)})


def _alternatives(session: ReadSession, domain_id: int, alias: str) -> list[str]:
    def taken(wanted: Collection[str]) -> Collection[str]:
        statement = select(ShortCode.alias_key).where(
            ShortCode.domain_id == domain_id, ShortCode.alias_key.in_(list(wanted))
        )
        used = {key for key in session.scalars(statement) if key is not None}
        return used | {key for key in wanted if key not in used and equals_generated(session, domain_id, key)}

    return names.alternatives(alias, taken)


def claim(session: WriteSession, domain_id: int, alias: str, link_id: int, account_id: str | None) -> None:
    """Give the alias to a link: of two who want it the constraint lets one. Raises AliasTaken."""
    if inserting.insert_code(session, domain_id, alias, link_id, names.alias_key(alias)):
        return
    key = names.alias_key(alias)
    former = select(Link.id).where(Link.id == ShortCode.link_id, Link.user_id == account_id).exists()
    old = clock.now() - timedelta(days=KEPT_DAYS)
    again = (
        update(ShortCode)
        .where(
            ShortCode.domain_id == domain_id,
            ShortCode.alias_key == key,
            ShortCode.released_at.is_not(None),
            or_(ShortCode.released_at <= old, former),
        )
        .values(text=alias, link_id=link_id, released_at=None)
        .execution_options(synchronize_session=False)
    )
    if getattr(session.execute(again), "rowcount", 0) != 1:
        raise _taken(session, domain_id, alias, "This alias is taken.")


def add(session: WriteSession, shortener: Shortener, actor: Principal, link: Link, alias: str) -> str:
    """Give a link a further alias, which it shows from now on; older codes go on leading to it.

    `link` comes from `links.editable`. Raises Invalid, AliasTaken."""
    text = checked(session, shortener, actor, alias, link.domain_id)
    claim(session, link.domain_id, text, link.id, actor.account_id)
    link.short_code = text
    link.updated_at = clock.now()
    shortener.forget(session, alias_entry_key(link.domain_id, text))
    return text


def release_all(session: WriteSession, link: Link, now: datetime) -> None:
    """Let no code lead to the link any more."""
    codes = update(ShortCode).where(ShortCode.link_id == link.id, ShortCode.released_at.is_(None))
    session.execute(codes.values(released_at=now).execution_options(synchronize_session=False))
