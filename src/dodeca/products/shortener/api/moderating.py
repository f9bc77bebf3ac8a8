"""Reports, takedowns and the blocklist."""

from __future__ import annotations

import io
from datetime import datetime

import msgspec
from litestar.datastructures import UploadFile

from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    delete,
    get,
    page_of,
    patch,
    post,
    put,
)
from dodeca.kernel.limits import Rate
from dodeca.products.shortener.formats import RowError, read_blocklist
from dodeca.products.shortener.models import BlockedTarget, Report
from dodeca.products.shortener.service import Installed, blocklist, installed, moderation
from dodeca.products.shortener.service.wishes import Url

REPORT_RATE = Rate(10, 60)


class ReportRequest(ClosedRequest):
    """Which link, and what is wrong with it."""

    short_url: Url
    reason: str


class Reported(msgspec.Struct):
    """The report is waiting for a moderator."""

    id: str


class HandleRequest(ClosedRequest):
    """`dismissed` or `disabled`."""

    outcome: str
    reason: str = ""


class ReasonRequest(ClosedRequest):
    """Why a link is stopped."""

    reason: str = ""


class PatternRequest(ClosedRequest):
    """A domain (with all below it) or a URL."""

    pattern: Url
    reason: str = ""


class ReportView(msgspec.Struct):
    """A report as moderators see it."""

    id: str
    link_id: str
    reason: str
    created_at: datetime
    handled_at: datetime | None
    outcome: str | None


class ReportList(msgspec.Struct):
    """A page of reports, newest first."""

    reports: list[ReportView]
    next_cursor: str | None


class PatternView(msgspec.Struct):
    """A blocked domain or URL."""

    pattern: str
    reason: str
    created_at: datetime


class PatternList(msgspec.Struct):
    """A page of the blocklist, newest first."""

    blocklist: list[PatternView]
    next_cursor: str | None


class Blocked(msgspec.Struct):
    """How many patterns of a file are new, and which lines were refused."""

    added: int
    refused: list[str]


class TakedownView(msgspec.Struct):
    """Whether a link is stopped."""

    link_id: str
    disabled: bool


@post("/reports", access=Access.PUBLIC, status=202, rate=REPORT_RATE)
def report(session: DbWrite, shortener: Installed, call: Calling, data: AnyBody[ReportRequest]) -> Reported:
    """Complain about a link."""
    return Reported(moderation.report(session, shortener, call.principal, data.short_url, data.reason).id)


def _view(row: Report) -> ReportView:
    return ReportView(row.id, str(row.link_id), row.reason, row.created_at, row.handled_at, row.outcome)


@get("/reports", access=Access.MODERATOR)
def list_reports(
    session: DbRead, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> ReportList:
    """What waits to be handled."""
    order = [Report.created_at, Report.id]
    page = page_of(session, moderation.open_reports(), order=order, limit=limit, cursor=cursor)
    return ReportList([_view(row) for row in page.items], page.next_cursor)


@patch("/reports/{report_id:str}", access=Access.MODERATOR)
def handle_report(
    session: DbWrite, shortener: Installed, call: Calling, report_id: FromPath[str], data: AnyBody[HandleRequest]
) -> ReportView:
    """Dismiss a report, or stop the link."""
    return _view(moderation.handle(session, shortener, call.member(), report_id, data.outcome, data.reason))


@put("/links/{link_id:int}/takedown", access=Access.MODERATOR)
def take_down(
    session: DbWrite, shortener: Installed, call: Calling, link_id: FromPath[int], data: AnyBody[ReasonRequest]
) -> TakedownView:
    """Stop a link."""
    moderation.set_disabled(session, shortener, call.member(), link_id, reason=data.reason)
    return TakedownView(str(link_id), True)


@delete("/links/{link_id:int}/takedown", access=Access.MODERATOR)
def undo_take_down(session: DbWrite, shortener: Installed, call: Calling, link_id: FromPath[int]) -> None:
    """Let a stopped link go on."""
    moderation.set_disabled(session, shortener, call.member(), link_id, reason="", disabled=False)


@get("/blocklist", access=Access.MODERATOR)
def list_blocklist(
    session: DbRead, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> PatternList:
    """What is blocked."""
    order = [BlockedTarget.created_at, BlockedTarget.pattern]
    page = page_of(session, blocklist.listed(), order=order, limit=limit, cursor=cursor)
    rows = [PatternView(row.pattern, row.reason, row.created_at) for row in page.items]
    return PatternList(rows, page.next_cursor)


@post("/blocklist", access=Access.MODERATOR)
def block(session: DbWrite, call: Calling, data: AnyBody[PatternRequest]) -> PatternView:
    """Block a domain or URL; links that lead there stop within the minute."""
    blocklist.add(session, call.member(), [data.pattern], data.reason)
    row = session.get_one(BlockedTarget, blocklist.checked_pattern(data.pattern))
    return PatternView(row.pattern, row.reason, row.created_at)


@delete("/blocklist", access=Access.MODERATOR)
def unblock(session: DbWrite, pattern: FromQuery[str]) -> None:
    """Take a pattern off the list."""
    blocklist.remove(session, pattern)


@post("/blocklist/import", access=Access.MODERATOR, status=200, request_max_body_size=30_000_000)
async def import_blocklist(call: Calling) -> Blocked:
    """Add a `file` in hosts format."""
    upload = (await call.request.form()).get("file")
    if not isinstance(upload, UploadFile):
        raise Invalid("Choose a file.", field="file")
    shortener, member = installed(call), call.member()
    patterns, refused = [], []
    for item in read_blocklist(io.BytesIO(await upload.read())):
        if isinstance(item, RowError):
            refused.append(f"line {item.position}: {item.message}")
        else:
            patterns.append(item[1])
    added = 0
    for start in range(0, len(patterns), blocklist.BATCH):
        part = patterns[start : start + blocklist.BATCH]
        added += await shortener.db.awrite(lambda session, p=part: blocklist.add(session, member, p, "imported"))  # type: ignore[misc]
    return Blocked(added, refused[:1000])


routes = [
    report,
    list_reports,
    handle_report,
    take_down,
    undo_take_down,
    list_blocklist,
    block,
    unblock,
    import_blocklist,
]
