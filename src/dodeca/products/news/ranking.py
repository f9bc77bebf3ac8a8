"""The public formula, pure: (p-1)^0.8 / (age_hours+2)^1.8, times factors that each have a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import log2, prod

import msgspec

from dodeca.products.news.service.rules import Rules

HEAT_SECONDS = 2 * 86400
"""In `best`, two days weigh as much as twice the points."""
SMALLEST_FACTOR = 1e-9
"""What points below zero are divided by at the least: a product of tiny penalties may be zero."""


class Factor(msgspec.Struct, frozen=True):
    """One factor of a post's rank and why it applies."""

    name: str
    value: float
    why: str


class Penalty(msgspec.Struct, frozen=True):
    """What moderators decided about a tag."""

    name: str
    value: float
    reason: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the rank of a post depends on. `counted` are the points that count."""

    counted: int
    created_at: datetime
    has_url: bool
    comments: int
    flags: int
    penalty: float = 1.0
    penalty_reason: str | None = None
    site: str | None = None
    site_penalty: float = 1.0
    site_reason: str = ""
    tags: Sequence[Penalty] = ()
    """Those of its tags that have a penalty."""


def age_hours(standing: Standing, now: datetime) -> float:
    """Hours since it was posted, never negative."""
    return max(0.0, (now - standing.created_at).total_seconds() / 3600)


def faded(counted: int, age: float, rules: Rules) -> float:
    """What points are worth after `age` hours; for one point or less the numerator is points - 1."""
    votes = counted - 1
    numerator = float(votes**rules.exponent) if votes > 0 else float(votes)
    return numerator / float((max(0.0, age) + 2) ** rules.gravity)


def base(standing: Standing, now: datetime, rules: Rules) -> float:
    """The rank before factors."""
    return faded(standing.counted, age_hours(standing, now), rules)


def overheated(counted: int, comments: int, rules: Rules) -> float:
    """The factor of more talk than points; 1 where it does not apply."""
    if comments <= rules.overheated_comments or comments <= counted:
        return 1.0
    return float((max(counted, 1) / comments) ** 2)


def flagged(flags: int) -> float:
    """The factor of flags."""
    return 1 / (1 + flags / 2)


def factors(standing: Standing, rules: Rules) -> list[Factor]:
    """The factors that apply, with why: their product is what `weighed` takes."""
    found = []
    if not standing.has_url:
        found.append(Factor("no_url", rules.no_url_factor, "Posts without a link rank lower than links."))
    if (heated := overheated(standing.counted, standing.comments, rules)) != 1.0:
        why = f"Overheated: {standing.comments} comments on {standing.counted} points."
        found.append(Factor("overheated", heated, why))
    if standing.flags > 0:
        found.append(Factor("flags", flagged(standing.flags), f"Flagged by {standing.flags}."))
    if standing.site_penalty != 1.0:
        found.append(Factor("site", standing.site_penalty, f"{standing.site}: {standing.site_reason}"))
    found += [Factor("tag", tag.value, f"{tag.name}: {tag.reason}") for tag in standing.tags]
    if standing.penalty != 1.0:
        found.append(Factor("moderator", standing.penalty, standing.penalty_reason or "Set by a moderator."))
    return found


def weighed(
    counted: int, age: float, *, has_url: bool, comments: int, flags: int, penalties: float, rules: Rules
) -> float:
    """Where a post of this age in hours stands: larger is higher. `penalties` is the product of what moderators set. A
    negative base is not softened by factors below 1."""
    factor = penalties * overheated(counted, comments, rules)
    if not has_url:
        factor *= rules.no_url_factor
    if flags > 0:
        factor *= flagged(flags)
    value = faded(counted, age, rules)
    return value * factor if value >= 0 else value / max(factor, SMALLEST_FACTOR)


def rank(standing: Standing, now: datetime, rules: Rules) -> float:
    """The same of a standing."""
    return weighed(
        standing.counted,
        age_hours(standing, now),
        has_url=standing.has_url,
        comments=standing.comments,
        flags=standing.flags,
        penalties=standing.penalty * standing.site_penalty * prod(tag.value for tag in standing.tags),
        rules=rules,
    )


def heat(score: int, created_at: datetime) -> float:
    """The order of `best`: it needs no refreshing, for age and points stand in one sum."""
    return log2(max(score, 1)) + created_at.timestamp() / HEAT_SECONDS
