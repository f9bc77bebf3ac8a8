"""Reports about links, and what moderators do about them."""

from __future__ import annotations

from sqlalchemy import Select, func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Principal
from dodeca.kernel.manifest import OpenReport
from dodeca.products.shortener.models import Link, Report, Takedown
from dodeca.products.shortener.service import blocklist, links
from dodeca.products.shortener.service.installation import Shortener

LONGEST_REASON = 1000
OUTCOMES = ("dismissed", "disabled")


def report(session: WriteSession, shortener: Shortener, actor: Principal | None, short_url: str, reason: str) -> Report:
    """Complain about a link. Raises Invalid, NotFound."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise Invalid(f"Say in up to {LONGEST_REASON} characters what is wrong.", field="reason")
    link = links.by_code(session, shortener, short_url)
    if link is None:
        raise NotFound("Short code not found", field="short_url")
    row = Report(link_id=link.id, reason=text, reporter_id=actor.account_id if actor else None)
    session.add(row)
    session.flush()
    return row


def open_reports() -> Select[Report]:
    """What waits for a moderator."""
    return select(Report).where(Report.handled_at.is_(None))


def open_for_admins(session: ReadSession, limit: int) -> list[OpenReport]:
    """The links that wait for a moderator, the newest report first; each once, with how many reported it."""
    newest, count = func.max(Report.created_at), func.count()
    waiting = (
        select(Link, newest, count, func.max(Report.reason))
        .join(Report, Report.link_id == Link.id)
        .where(Report.handled_at.is_(None))
        .group_by(Link.id)
        .order_by(newest.desc(), Link.id.desc())
        .limit(limit)
    )
    return [
        OpenReport(
            title=link.title or link.long_url[:200], href="/shortener/moderation", reason=why, at=at, count=reports
        )
        for link, at, reports, why in session.execute(waiting)
    ]


def handle(
    session: WriteSession, shortener: Shortener, moderator: Principal, report_id: str, outcome: str, reason: str = ""
) -> Report:
    """Close a report: `dismissed`, or `disabled`, which stops the link. Raises NotFound, Invalid."""
    if outcome not in OUTCOMES:
        raise Invalid(f"An outcome is one of: {', '.join(OUTCOMES)}.", field="outcome")
    row = session.get_locked(Report, report_id)
    if row is None:
        raise NotFound("There is no such report.")
    if row.handled_at is None:
        row.handled_at, row.handled_by, row.outcome = clock.now(), moderator.account_id, outcome
        if outcome == "disabled":
            set_disabled(session, shortener, moderator, row.link_id, reason=reason or row.reason)
    return row


def set_disabled(
    session: WriteSession,
    shortener: Shortener,
    moderator: Principal,
    link_id: str | int,
    *,
    reason: str,
    disabled: bool = True,
) -> Link:
    """Stop a link, or let it go on. Raises NotFound."""
    link = session.get_locked(Link, int(link_id))
    if link is None or link.deleted_at is not None:
        raise NotFound(links.NO_LINK)
    if (link.disabled_reason is not None) != disabled:
        code = "moderator" if disabled else None
        blocklist.set_disabled(session, shortener, link, code, reason, moderator.account_id)
    return link


def takedowns(session: ReadSession, link: Link) -> list[Takedown]:
    """The takedown log of one link, newest first."""
    statement = select(Takedown).where(Takedown.link_id == link.id).order_by(Takedown.at.desc(), Takedown.id.desc())
    return list(session.scalars(statement))
