"""Thresholds, limits and the formula's constants: a preset, and what an admin set otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dodeca.commons.moderation import service as moderation
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.news.models import SiteSettings

PRODUCT = "news"


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds on this site. Times are in the unit that the name says; `preset` open, small or hn; `signup` open,
    invite or closed: who may become a member."""

    preset: str = "open"
    signup: str = "open"
    karma_to_downvote: int = 1
    karma_to_flag: int = 1
    karma_to_vouch: int = 1
    karma_to_poll: int = 1
    flags_to_kill: int = 3
    vouches_to_revive: int = 2
    suggestions_to_apply: int = 2
    gravity: float = 1.8
    exponent: float = 0.8
    no_url_factor: float = 0.4
    overheated_comments: int = 20
    vote_change_minutes: int = 60
    edit_minutes: int = 120
    comment_days: int = 45
    flag_days: int = 14
    duplicate_days: int = 30
    shadow_hours: int = 72
    posts_an_hour: int = 30
    comments_an_hour: int = 120
    votes_an_hour: int = 600
    new_posts_an_hour: int = 20
    new_comments_an_hour: int = 60
    new_votes_an_hour: int = 300


LARGEST_LIMIT = 1_000_000
CONSTANTS = ("gravity", "exponent", "no_url_factor")
LARGEST_CONSTANT = 10
"""Of the formula's constants: with larger ones the rank of an old post is no number any more."""
SIGNUPS = ("open", "invite", "closed")
PRESETS: Mapping[str, Mapping[str, int]] = {
    "open": {},
    "small": {
        "karma_to_downvote": 10,
        "karma_to_flag": 5,
        "karma_to_vouch": 10,
        "karma_to_poll": 5,
        "flags_to_kill": 4,
    },
    "hn": {
        "karma_to_downvote": 501,
        "karma_to_flag": 31,
        "karma_to_vouch": 31,
        "karma_to_poll": 251,
        "flags_to_kill": 8,
        "vouches_to_revive": 3,
    },
}


def rules_of(values: Mapping[str, Any]) -> Rules:
    """The rules of a stored or given set of values. Raises Invalid naming the field."""
    preset = values.get("preset", "open")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise Invalid("preset is open, small or hn.", field="preset")
    try:
        rules = msgspec.convert({**PRESETS[preset], **values}, Rules)
    except msgspec.ValidationError as error:
        field = str(error).partition("`$.")[2].rstrip("`") or str(error).partition("`")[2].partition("`")[0]
        raise Invalid(f"{error}.", field=field or None) from error
    if rules.signup not in SIGNUPS:
        raise Invalid("signup is open, invite or closed.", field="signup")
    for name in Rules.__struct_fields__:
        value, most = getattr(rules, name), LARGEST_CONSTANT if name in CONSTANTS else LARGEST_LIMIT
        if isinstance(value, (int, float)) and not (0 < value <= most or (value == 0 and "karma" in name)):
            raise Invalid(f"{name} must be more than 0 and at most {most:,}.", field=name)
    return rules


_AS_INSTALLED: Final = Rules()


def in_force(values: Mapping[str, Any] | None) -> Rules:
    """The rules of what is stored in the row of settings; None where there is no row."""
    return _AS_INSTALLED if values is None else rules_of(values)


def current(session: ReadSession) -> Rules:
    """The rules in force."""
    row = session.get(SiteSettings, 1)
    return in_force(None if row is None else row.values)


def change(session: WriteSession, admin_id: str, changes: Mapping[str, Any], reason: str = "") -> Rules:
    """Set what is given; a `preset` replaces what was set before. Logged. Raises Invalid."""
    row = session.get_locked(SiteSettings, 1)
    before = {} if row is None or "preset" in changes else dict(row.values)
    values = {**before, **changes}
    rules = rules_of(values)
    if row is None:
        session.add(SiteSettings(id=1, values=values))
    else:
        row.values = values
    told = ", ".join(f"{name} = {value}" for name, value in sorted(changes.items()))
    moderation.record(
        session,
        admin_id,
        product=PRODUCT,
        action="settings",
        target_type="site",
        target_id=PRODUCT,
        reason=f"{reason} ({told})"[:500] if reason else told[:500] or "nothing changed",
    )
    return rules
