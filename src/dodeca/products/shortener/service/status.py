"""What state a link is in, for one row in Python and for many in SQL: both ask the same questions in one order."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.settings import ShortenerSettings

STATUSES = ("active", "scheduled", "expired", "inactive", "exhausted", "disabled", "archived")


def status_of(link: Link, settings: ShortenerSettings, now: datetime | None = None) -> str:
    """One of STATUSES. An archived link still redirects while it would otherwise be active."""
    stopped = stopped_because(link, settings, now or clock.now())
    return stopped or ("archived" if link.archived_at is not None else "active")


def stopped_because(link: Link, settings: ShortenerSettings, now: datetime) -> str | None:
    """Why the link does not redirect: one of STATUSES, or None when it does."""
    if link.disabled_reason is not None:
        return "disabled"
    if link.starts_at is not None and now < link.starts_at:
        return "scheduled"
    if link.expires_at is not None and now >= link.expires_at:
        return "expired"
    if link.visits_left == 0:
        return "exhausted"
    unused = unused_from(link, settings)
    return "inactive" if unused is not None and now >= unused else None


def unused_from(link: Link, settings: ShortenerSettings) -> datetime | None:
    """When the link stops unless somebody clicks; None when it never does for that reason."""
    if not settings.unused_days:
        return None
    return max(filter(None, (link.last_click_at, link.updated_at))) + timedelta(days=settings.unused_days)


def status_clause(status: str, settings: ShortenerSettings) -> ColumnElement[bool]:
    """The rows that have a status. Raises Invalid for an unknown one."""
    now = clock.now()
    disabled = Link.disabled_reason.is_not(None)
    scheduled = and_(Link.starts_at.is_not(None), Link.starts_at > now)
    expired = and_(Link.expires_at.is_not(None), Link.expires_at <= now)
    exhausted = and_(Link.visits_left.is_not(None), Link.visits_left == 0)
    stale = clock.ago(days=settings.unused_days or 36_500)
    inactive = and_(Link.updated_at <= stale, func.coalesce(Link.last_click_at, Link.updated_at) <= stale)
    order = {
        "disabled": disabled,
        "scheduled": scheduled,
        "expired": expired,
        "exhausted": exhausted,
        "inactive": inactive,
        "archived": Link.archived_at.is_not(None),
    }
    if status not in STATUSES:
        raise Invalid(f"A status is one of: {', '.join(STATUSES)}.", field="status")
    earlier: list[ColumnElement[bool]] = []
    for name, clause in order.items():
        if name == status:
            return and_(clause, *(~before for before in earlier))
        earlier.append(clause)
    return ~or_(*order.values())
