"""Reports, the moderators' acts and queue, the public log, the site's settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from dodeca.commons.accounts.public import Actor, accounts_by_ids
from dodeca.commons.moderation import service as moderation
from dodeca.commons.moderation.models import ModerationEntry, Report
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromQuery,
    Slice,
    get,
    page_of,
    post,
    put,
)
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, number, require
from dodeca.products.news.api.posts import Line, Text
from dodeca.products.news.service import items, listing, moderating, rules
from dodeca.products.news.service.rules import PRODUCT, Rules
from dodeca.products.news.views import CommentView, PostView, comment_views, post_views


class NewReport(ClosedRequest):
    """Something that a moderator should look at."""

    target_type: Line | None = None
    target_id: int | str | None = None
    reason: Line | None = None
    text: Text = ""


class Filed(msgspec.Struct):
    """The report was filed."""

    report_id: str
    state: str


class ReportView(msgspec.Struct, kw_only=True):
    """A report, for its author and moderators."""

    report_id: str
    target_type: str
    target_id: str
    reason: str
    text: str
    state: str
    created_at: datetime
    closed_at: datetime | None


class ReportsAnswer(msgspec.Struct):
    """One page of reports."""

    reports: list[ReportView]
    next_cursor: str | None


class EntryView(msgspec.Struct, kw_only=True):
    """One decision. `moderator` is null where the site's rules decided."""

    id: str
    created_at: datetime
    action: str
    moderator: str | None
    target_type: str
    target_id: str
    reason: str


class LogAnswer(msgspec.Struct):
    """One page of the log."""

    moderations: list[EntryView]
    next_cursor: str | None


class NewAction(ClosedRequest):
    """An act. `value`: the title (rename), the post to merge into (merge), the factor (penalise)."""

    action: Line | None = None
    target_type: Line | None = None
    target_id: int | str | None = None
    reason: Line | None = None
    value: Line | int | float = ""


class QueueAnswer(msgspec.Struct):
    """What waits for a decision."""

    posts: list[PostView]
    comments: list[CommentView]
    open_reports: int


@post("/reports", access=Access.MEMBER)
def create_report(session: DbWrite, account: Actor, viewer: Looking, data: AnyBody[NewReport]) -> Filed:
    """Report a post, a comment or a user."""
    message = "Target type, target ID, and reason are required."
    require(message, target_type=data.target_type, target_id=data.target_id, reason=data.reason)
    target = str(data.target_id)
    if data.target_type in ("post", "comment"):
        items.find(session, viewer, number(data.target_id), data.target_type)
    elif data.target_type == "user":
        target = listing.user(session, target).username
    else:
        raise Invalid("target_type is post, comment or user.", field="target_type")
    row = moderation.report(
        session,
        account.id,
        product=PRODUCT,
        target_type=data.target_type,
        target_id=target,
        reason=data.reason or "",
        text=data.text,
    )
    return Filed(row.id, row.state)


@get("/reports", access=Access.MEMBER)
def list_reports(
    session: DbRead,
    account: Actor,
    viewer: Looking,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> ReportsAnswer:
    """One's own reports; all for moderators."""
    statement = moderation.reports_visible_to(PRODUCT, account.id, moderator=viewer.is_moderator)
    page: Slice[Report] = page_of(session, statement, order=[Report.created_at, Report.id], limit=limit, cursor=cursor)
    views = [
        ReportView(
            report_id=row.id,
            target_type=row.target_type,
            target_id=row.target_id,
            reason=row.reason,
            text=row.text,
            state=row.state,
            created_at=row.created_at,
            closed_at=row.closed_at,
        )
        for row in page.items
    ]
    return ReportsAnswer(views, page.next_cursor)


def entry_views(session: ReadSession, rows: list[ModerationEntry]) -> list[EntryView]:
    """Entries of the log with the moderators' names."""
    names = accounts_by_ids(session, [row.moderator_id for row in rows if row.moderator_id is not None])
    return [
        EntryView(
            id=row.id,
            created_at=row.created_at,
            action=row.action,
            moderator=names[row.moderator_id].username if row.moderator_id in names else None,
            target_type=row.target_type,
            target_id=row.target_id,
            reason=row.reason,
        )
        for row in rows
    ]


@get("/moderations", access=Access.PUBLIC)
def read_log(session: DbRead, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None) -> LogAnswer:
    """What moderators did and why, newest first."""
    page: Slice[ModerationEntry] = page_of(
        session, moderation.log_of(PRODUCT), order=[ModerationEntry.id], limit=limit, cursor=cursor
    )
    return LogAnswer(entry_views(session, page.items), page.next_cursor)


@post("/moderation/actions", access=Access.MODERATOR)
def create_action(session: DbWrite, call: Calling, account: Actor, data: AnyBody[NewAction]) -> EntryView:
    """Act on a post, a comment, a user or a site."""
    message = "Action, target type, target ID, and reason are required."
    require(message, action=data.action, target_type=data.target_type, target_id=data.target_id, reason=data.reason)
    entry = moderating.act(
        session,
        account,
        action=data.action or "",
        target_type=data.target_type or "",
        target_id=str(data.target_id),
        reason=data.reason or "",
        value=str(data.value),
    )
    if entry.target_type in ("post", "comment"):
        flows.changed(session, call, items.locked(session, number(entry.target_id)))
    return entry_views(session, [entry])[0]


@get("/moderation/queue", access=Access.MODERATOR)
def read_queue(session: DbRead, viewer: Looking) -> QueueAnswer:
    """What waits for a decision, longest first."""
    rows = moderating.queue(session)
    posts = [row for row in rows if row.type not in ("comment", "pollopt")]
    comments = [row for row in rows if row.type == "comment"]
    waiting = moderation.open_reports(session, PRODUCT)
    return QueueAnswer(post_views(session, viewer, posts), comment_views(session, viewer, comments), waiting)


@get("/settings/site", access=Access.PUBLIC)
def read_settings(session: DbRead) -> Rules:
    """What holds on this site: the formula is public."""
    return rules.current(session)


@put("/settings/site", access=Access.ADMIN)
def change_settings(session: DbWrite, account: Actor, data: AnyBody[dict[str, Any]]) -> Rules:
    """Set some of what `GET` shows: thresholds, limits, constants; a `preset` resets what is not given. With a `reason`
    for the log."""
    reason = data.pop("reason", "")
    if not isinstance(reason, str):
        raise Invalid("reason is a text.", field="reason")
    if not data:
        raise Invalid("Give what shall be different, such as karma_to_flag.", field="preset")
    return rules.change(session, account.id, data, reason)


routes = [
    create_report,
    list_reports,
    read_log,
    create_action,
    read_queue,
    read_settings,
    change_settings,
]
