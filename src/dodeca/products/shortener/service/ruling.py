"""Redirect rules of a link: stored as they were checked, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.shortener.models import Link, LinkRule
from dodeca.products.shortener.rules import Rule, read_rules
from dodeca.products.shortener.service import blocklist
from dodeca.products.shortener.targets import TargetPolicy


def checked(session: ReadSession, policy: TargetPolicy, raw: object) -> tuple[Rule, ...]:
    """Check rules as they came in JSON. Raises Invalid whose field is the path to the mistake."""
    rules = read_rules(raw or [], policy)
    for position, rule in enumerate(rules):
        blocklist.check(session, rule.target, field=f"rules[{position}].long_url")
    return rules


def store(session: WriteSession, link_id: int, rules: Sequence[Rule]) -> None:
    """Put the rules of a link in place of those that it had."""
    if not rules:
        return
    for position, rule in enumerate(rules):
        session.add(
            LinkRule(
                link_id=link_id,
                position=position,
                long_url=rule.target.long_url,
                location=rule.target.location,
                target_domain=rule.target.domain,
                warning=rule.target.warning,
                conditions=[condition.as_json() for condition in rule.conditions],
            )
        )
    session.flush()


def replace(session: WriteSession, link: Link, rules: Sequence[Rule]) -> None:
    """The same for a link that may have rules."""
    session.execute(delete(LinkRule).where(LinkRule.link_id == link.id))
    store(session, link.id, rules)
    link.has_rules = bool(rules)


def of_links(session: ReadSession, link_ids: Sequence[int]) -> dict[int, list[LinkRule]]:
    """The rules of links that have any, in order."""
    found: dict[int, list[LinkRule]] = {}
    statement = select(LinkRule).where(LinkRule.link_id.in_(link_ids)).order_by(LinkRule.link_id, LinkRule.position)
    for rule in session.scalars(statement):
        found.setdefault(rule.link_id, []).append(rule)
    return found
