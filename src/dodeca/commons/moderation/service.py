"""Reporting something, deciding about it, and keeping the log. What a decision does is the product's affair."""

from __future__ import annotations

from sqlalchemy import Select, func, select, update

from dodeca.commons.moderation.models import ModerationEntry, Report
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Invalid

LONGEST_REASON = 500
LONGEST_TEXT = 2000


class _AlreadyReported(Exception):
    """The reporter's open report stands."""


def report(
    session: WriteSession,
    reporter_id: str,
    *,
    product: str,
    target_type: str,
    target_id: str,
    reason: str,
    text: str = "",
) -> Report:
    """File a report; a second one of the same thing gives the first. Raises Invalid."""
    reason = checked_reason(reason)
    if len(text) > LONGEST_TEXT:
        raise Invalid(f"Explain it in at most {LONGEST_TEXT:,} characters.", field="text")
    row = Report(
        product=product, reporter_id=reporter_id, target_type=target_type, target_id=target_id, reason=reason, text=text
    )
    try:
        with claiming(session, Report, otherwise=_AlreadyReported()):
            session.add(row)
    except _AlreadyReported:
        statement = select(Report).where(
            Report.product == product,
            Report.target_type == target_type,
            Report.target_id == target_id,
            Report.reporter_id == reporter_id,
            Report.state == "open",
        )
        return session.scalars(statement).one()
    return row


def reports_visible_to(product: str, account_id: str, *, moderator: bool) -> Select[Report]:
    """One's own reports; all of the product for its moderators."""
    statement: Select[Report] = select(Report).where(Report.product == product)
    return statement if moderator else statement.where(Report.reporter_id == account_id)


def open_reports(session: ReadSession, product: str) -> int:
    """How many wait for a decision."""
    waiting = select(func.count()).select_from(Report).where(Report.product == product, Report.state == "open")
    return session.scalar(waiting) or 0


def close_reports(session: WriteSession, *, product: str, target_type: str, target_id: str, upheld: bool) -> None:
    """A decision about the thing answers all open reports of it."""
    statement = update(Report).where(
        Report.product == product,
        Report.target_type == target_type,
        Report.target_id == target_id,
        Report.state == "open",
    )
    session.execute(statement.values(state="upheld" if upheld else "dismissed", closed_at=clock.now()))


def record(
    session: WriteSession,
    moderator_id: str | None,
    *,
    product: str,
    action: str,
    target_type: str,
    target_id: str,
    reason: str,
) -> ModerationEntry:
    """Write a decision into the public log, in the transaction that carries it out. Raises Invalid."""
    entry = ModerationEntry(
        product=product,
        action=action,
        moderator_id=moderator_id,
        target_type=target_type,
        target_id=target_id,
        reason=checked_reason(reason),
    )
    session.add(entry)
    session.flush()
    return entry


def log_of(product: str) -> Select[ModerationEntry]:
    """The product's log, which everybody may read."""
    return select(ModerationEntry).where(ModerationEntry.product == product)


def checked_reason(reason: str) -> str:
    """The reason in one line. Raises Invalid when there is none, or it is too long."""
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid("Give a reason.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"Give the reason in at most {LONGEST_REASON} characters.", field="reason")
    return reason
