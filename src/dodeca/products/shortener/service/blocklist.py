"""Targets that nobody may shorten: domains with all below them, and single URLs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import cast

import ada_url
import msgspec
from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Principal
from dodeca.kernel.jobs import JobContext, job
from dodeca.products.shortener.hosts import canonical_host, registrable_domain
from dodeca.products.shortener.models import BlockedTarget, Link, LinkRule, ShortCode, Takedown
from dodeca.products.shortener.service.installation import Shortener, alias_entry_key, entry_key, of
from dodeca.products.shortener.targets import Target

_LEVELS = 6
BATCH = 100
BLOCKED = "blocklist"
"""`disabled_reason` of links that a pattern stopped."""
matches = BlockedTarget.pattern.in_([bindparam(f"p{n}") for n in range(_LEVELS + 1)])
"""The condition that a pattern stops a target, with the parameters of `patterns_of`."""
_any_of = Prepared(select(BlockedTarget.pattern).where(matches))
_among = PreparedIn(select(BlockedTarget.pattern), cast(Table, BlockedTarget.__table__).c.pattern, batch=16)


class ApplyPattern(msgspec.Struct):
    """A pattern that was added or removed, and how far its links are worked (the last id)."""

    pattern: str
    remove: bool = False
    after: int = 0


def check(session: ReadSession, target: Target, *, field: str = "long_url") -> None:
    """Raise Invalid when the target is blocked."""
    if is_blocked(session, target.host, target.location):
        raise refusal(field)


def refusal(field: str = "long_url") -> Invalid:
    """What whoever asks for a blocked target is told."""
    return Invalid("This address cannot be shortened here: it is on the blocklist.", field=field)


def is_blocked(session: ReadSession, host: str, location: str) -> bool:
    """Whether the host, a domain above it, or the URL is on the list."""
    return _any_of.first(session, **patterns_of(host, location)) is not None


def blocked_among(session: ReadSession, targets: Collection[Target]) -> set[Target]:
    """Those of many targets that are blocked."""
    patterns = {target: set(patterns_of(target.host, target.location).values()) for target in targets}
    listed = {row[0] for row in _among.rows(session, set[str]().union(*patterns.values()))}
    return {target for target, own in patterns.items() if own & listed} if listed else set()


def patterns_of(host: str, location: str) -> dict[str, str]:
    """The patterns that would stop a target, as parameters."""
    names = _suffixes(host)
    return {f"p{n}": names[n] if n < len(names) else location for n in range(_LEVELS + 1)}


def _suffixes(host: str) -> list[str]:
    """The host itself and the domains above it, shortest last, at most _LEVELS."""
    labels = host.rstrip(".").split(".")
    found = [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]
    return found if len(found) <= _LEVELS else [found[0], *found[-_LEVELS + 1 :]]


def checked_pattern(pattern: str) -> str:
    """A host name or an http(s) URL in its stored form. Raises Invalid."""
    text = pattern.strip()
    if re.match(r"https?://", text, re.IGNORECASE):
        try:
            return str(ada_url.URL(text).href)
        except ValueError as error:
            raise Invalid("This is not a URL.", field="pattern") from error
    host = canonical_host(text.removeprefix("*."))
    if not re.fullmatch(r"(?=.{1,253}\Z)[a-z0-9\[\]:_.-]+", host):
        raise Invalid("A pattern is a domain, or a whole URL.", field="pattern")
    return host


def listed() -> Select[BlockedTarget]:
    """All patterns; for moderators."""
    return select(BlockedTarget)


def add(session: WriteSession, actor: Principal | None, patterns: Sequence[str], reason: str = "") -> int:
    """Block patterns; links that lead there stop within the minute. Gives how many were new."""
    new = 0
    for pattern in dict.fromkeys(map(checked_pattern, patterns)):
        values = {
            "pattern": pattern,
            "reason": reason[:500],
            "created_by": actor.account_id if actor else None,
            "created_at": clock.now(),
        }
        insert = postgresql.insert(BlockedTarget).values(values).on_conflict_do_nothing()
        if session.scalar(insert.returning(BlockedTarget.pattern)) is not None:
            new += 1
            apply_pattern.enqueue(session, ApplyPattern(pattern), key=pattern)
    return new


def remove(session: WriteSession, pattern: str) -> None:
    """Unblock a pattern; links that it stopped go on. Raises NotFound."""
    row = session.get(BlockedTarget, checked_pattern(pattern))
    if row is None:
        raise NotFound("This pattern is not on the list.")
    session.delete(row)
    session.flush()
    apply_pattern.enqueue(session, ApplyPattern(row.pattern, remove=True), key=f"-{row.pattern}")


@job("shortener.apply_blocklist", payload=ApplyPattern)
def apply_pattern(session: WriteSession, job: JobContext, payload: ApplyPattern) -> None:
    """Stop (or let go on) the links that lead to a pattern, a hundred at a time."""
    shortener = of(job.platform)
    batch = _candidates(session, payload)
    changed = []
    for link in batch:
        blocked = any(is_blocked(session, *target) for target in _targets(session, link))
        if blocked and link.disabled_reason is None:
            set_disabled(session, shortener, link, BLOCKED, f"{payload.pattern} is on the blocklist", None)
            changed.append(link)
        elif not blocked and link.disabled_reason == BLOCKED:
            set_disabled(session, shortener, link, None, f"{payload.pattern} left the blocklist", None)
            changed.append(link)
    if len(batch) == BATCH:
        following = msgspec.structs.replace(payload, after=batch[-1].id)
        apply_pattern.enqueue(session, following, key=f"{following.pattern}:{following.remove}:{following.after}")


def _candidates(session: ReadSession, payload: ApplyPattern) -> Sequence[Link]:
    is_url = "://" in payload.pattern
    host = str(ada_url.URL(payload.pattern).hostname) if is_url else payload.pattern
    domain = registrable_domain(host)
    by_rule = select(LinkRule.link_id).where(LinkRule.target_domain == domain)
    below = Link.target_domain.like("%." + domain.replace("_", r"\_"), escape="\\") if domain == host else None
    leads = (Link.target_domain == domain) | Link.id.in_(by_rule)
    if below is not None and "." not in host:  # a public suffix such as `zip`: every registrable domain below it
        leads = leads | below
    return session.scalars(
        select(Link).where(leads, Link.deleted_at.is_(None), Link.id > payload.after).order_by(Link.id).limit(BATCH)
    ).all()


def _targets(session: ReadSession, link: Link) -> list[tuple[str, str]]:
    urls = [link.target]
    if link.has_rules:
        urls += session.scalars(select(LinkRule.location).where(LinkRule.link_id == link.id)).all()
    return [(str(ada_url.URL(url).hostname), url) for url in urls]


def set_disabled(
    session: WriteSession, shortener: Shortener, link: Link, code: str | None, reason: str, actor_id: str | None
) -> None:
    """Stop a link (or let it go on, with `code` None), with an entry in the takedown log."""
    link.disabled_reason = code
    action = "disabled" if code is not None else "enabled"
    session.add(Takedown(link_id=link.id, action=action, reason=reason[:500], actor_id=actor_id))
    shortener.forget(session, *entry_keys(session, link))


def entry_keys(session: ReadSession, link: Link) -> list[str]:
    """Under which keys processes may hold what the link answers."""
    rows = session.execute(
        select(ShortCode.domain_id, ShortCode.text, ShortCode.alias_key).where(ShortCode.link_id == link.id)
    )
    return [alias_entry_key(d, key) if key is not None else entry_key(d, text) for d, text, key in rows]


__all__ = ["add", "apply_pattern", "check", "entry_keys", "is_blocked", "listed", "remove", "set_disabled"]
