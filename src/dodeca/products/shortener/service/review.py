"""What moderators look at: reports that wait, with the links they are about, and the takedown log."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Slice, page_of
from dodeca.products.shortener.models import Link, Report, Takedown
from dodeca.products.shortener.service import links, moderation
from dodeca.products.shortener.service.installation import Shortener


class Waiting(msgspec.Struct):
    """One open report and its link, with how many reports wait about it."""

    report: Report
    link: links.LinkView
    reports: int


def queue(session: ReadSession, shortener: Shortener, cursor: str | None = None) -> Slice[Waiting]:
    """Open reports, oldest first: who waits longest is answered first."""
    found = page_of(
        session, moderation.open_reports(), order=[Report.created_at, Report.id], cursor=cursor, descending=False
    )
    ids = {report.link_id for report in found.items}
    rows = session.scalars(select(Link).where(Link.id.in_(ids))).all()
    views = {int(view.id): view for view in links.views(session, shortener, rows)}
    counts = {link_id: sum(1 for report in found.items if report.link_id == link_id) for link_id in ids}
    waiting = [Waiting(report, views[report.link_id], counts[report.link_id]) for report in found.items]
    return Slice(waiting, found.next_cursor)


def log(session: ReadSession, shortener: Shortener, limit: int = 30) -> list[tuple[Takedown, links.LinkView]]:
    """The newest entries of the takedown log, with their links."""
    entries: Sequence[Takedown] = session.scalars(
        select(Takedown).order_by(Takedown.at.desc(), Takedown.id.desc()).limit(limit)
    ).all()
    rows = session.scalars(select(Link).where(Link.id.in_({entry.link_id for entry in entries}))).all()
    views = {int(view.id): view for view in links.views(session, shortener, rows)}
    return [(entry, views[entry.link_id]) for entry in entries]
