"""What news shows on the platform's home page and in its search, and what waits for staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Call
from dodeca.kernel.manifest import OpenReport
from dodeca.kernel.web.shell import HomeItem
from dodeca.products.news.acting import viewing
from dodeca.products.news.service import items, listing, moderating, searching
from dodeca.products.news.service.members import VISITOR

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

SHOWN = 4


def living(session: ReadSession, _platform: Platform) -> Mapping[str, Any]:
    """The top of the front page."""
    top = listing.posts(session, VISITOR, "top", limit=SHOWN).items
    return {
        "items": [HomeItem(item.title, f"/news/item?id={item.id}", f"{item.score} points") for item in top],
    }


def search(session: ReadSession, call: Call, text: str, limit: int) -> list[HomeItem]:
    """Posts for the words."""
    posts, comments = searching.find(session, viewing(session, call), text, limit=limit)
    found = [
        HomeItem(item.title, f"/news/item?id={item.id}", f"{items.comments_shown(item)} comments") for item in posts
    ]
    rest = limit - len(found)
    return [*found, *(HomeItem(c.content[:120], f"/news/item?id={c.id}", "comment") for c in comments[:rest])]


def open_reports(session: ReadSession, limit: int) -> Sequence[OpenReport]:
    """Reports without a decision, newest first."""
    newest = sorted(moderating.open_reports(session), key=lambda report: report.created_at, reverse=True)
    return [
        OpenReport(
            title=f"{report.target_type} {report.target_id}",
            href="/news/mod",
            reason=f"{report.reason} {report.text}".strip(),
            at=report.created_at,
        )
        for report in newest[:limit]
    ]
