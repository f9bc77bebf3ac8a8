"""What music shows on the platform's home page and in its search, and what waits for staff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from dodeca.commons.moderation.models import Report
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Call
from dodeca.kernel.manifest import OpenReport
from dodeca.kernel.web.shell import HomeItem
from dodeca.products.music.acting import viewing
from dodeca.products.music.models import Album, Artist, Comment, Song
from dodeca.products.music.service import searching, songs
from dodeca.products.music.service.viewers import PRODUCT

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

SHOWN = 4


def living(session: ReadSession, _platform: Platform) -> Mapping[str, Any]:
    """The songs that are heard most."""
    best = select(Song).where(Song.listed).order_by(Song.play_count.desc(), Song.id.desc()).limit(SHOWN)
    return {
        "items": [HomeItem(song.title, f"/music/songs/{song.id}", song.artist_name) for song in session.scalars(best)]
    }


def search(session: ReadSession, call: Call, text: str, limit: int) -> list[HomeItem]:
    """Songs, albums and artists for the words."""
    viewer = viewing(session, call)
    found = songs.find_all(session, viewer, searching.find(session, viewer, text, "song", limit=limit))
    items = [HomeItem(song.title, f"/music/songs/{song.id}", song.artist_name) for song in found]
    for kind, table in (("album", Album), ("artist", Artist)):
        ids = searching.find(session, viewer, text, kind, limit=limit)
        rows: Iterable[Any] = session.get_many(table, ids).values()
        items += [
            HomeItem(getattr(row, "title", getattr(row, "name", "")), f"/music/{kind}s/{row.id}", kind) for row in rows
        ]
    return items[:limit]


def open_reports(session: ReadSession, limit: int) -> Sequence[OpenReport]:
    """Comments that members reported and nobody has decided about, newest first."""
    waiting = select(Report).where(Report.product == PRODUCT, Report.state == "open")
    found: list[OpenReport] = []
    for report in session.scalars(waiting.order_by(Report.created_at.desc()).limit(limit)):
        comment = session.get(Comment, int(report.target_id)) if report.target_id.isdigit() else None
        place = f"/music/songs/{comment.song_id}#comment-{comment.id}" if comment is not None else "/music/"
        found.append(
            OpenReport(
                title=comment.text[:120] if comment is not None else "A comment that is gone",
                href=place,
                reason=f"{report.reason} {report.text}".strip(),
                at=report.created_at,
            )
        )
    return found
