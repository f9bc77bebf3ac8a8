"""Reporting a link, and the desk of the moderators: the queue, the takedown log, the blocklist."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    page_of,
    post,
)
from dodeca.kernel.limits import Rate
from dodeca.products.shortener.models import BlockedTarget
from dodeca.products.shortener.pages.surroundings import Line, Member, page, with_query
from dodeca.products.shortener.service import blocklist, moderation, of, review

DESK = "/shortener/moderation"
BLOCKLIST = "/shortener/moderation/blocklist"
MOST_PATTERNS = 1000


class ReportForm(ClosedRequest):
    """What is wrong with a link."""

    short_url: Line = ""
    reason: Annotated[str, Meta(max_length=moderation.LONGEST_REASON)] = ""


class HandleForm(ClosedRequest):
    """What became of a report."""

    outcome: Line = ""


class BlockForm(ClosedRequest):
    """Domains or URLs, one a line."""

    pattern: Annotated[str, Meta(max_length=200_000)] = ""
    reason: Line = ""


def show_report(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form for a report."""
    return page(call, "report.html", form=state.form, short_url=call.request.query_params.get("short_url", "")[:300])


@get("/report", access=Access.PUBLIC)
def report_page(session: DbRead, call: Calling, short_url: FromQuery[str | None] = None) -> Page:
    """Report a link."""
    return show_report(session, call, FormState())


@post("/report", access=Access.PUBLIC, status=200, form=show_report, rate=Rate(20, 3600))
def report(session: DbWrite, call: Calling, data: AnyBody[ReportForm]) -> Page:
    """Take a report in."""
    if not data.short_url.strip():
        raise Invalid("Which link is it?", field="short_url")
    moderation.report(session, of(call.platform), call.principal, data.short_url, data.reason)
    return page(call, "reported.html", short_url=data.short_url.strip())


@get("/moderation", access=Access.MODERATOR)
def desk(session: DbRead, call: Calling, cursor: FromQuery[str | None] = None) -> Page:
    """Reports that wait, and what was done lately."""
    shortener = of(call.platform)
    waiting = review.queue(session, shortener, cursor or None)
    return page(
        call,
        "moderation.html",
        waiting=waiting.items,
        next_href=with_query(DESK, {"cursor": waiting.next_cursor}) if waiting.next_cursor else None,
        log=review.log(session, shortener),
    )


@post("/moderation/reports/{report_id:str}", access=Access.MODERATOR, status=200)
def handle(
    session: DbWrite, call: Calling, actor: Member, report_id: FromPath[str], data: AnyBody[HandleForm]
) -> Redirect:
    """Close a report."""
    try:
        moderation.handle(session, of(call.platform), actor, report_id, data.outcome)
    except Invalid as error:
        return Redirect(DESK, toast=error.message, kind="error")
    toast = "The link is taken down." if data.outcome == "disabled" else "The report is closed."
    return Redirect(DESK, toast=toast)


@post("/moderation/links/{link_id:int}/release", access=Access.MODERATOR, status=200)
def release(session: DbWrite, call: Calling, actor: Member, link_id: FromPath[int]) -> Redirect:
    """Let a link go on that was taken down."""
    moderation.set_disabled(
        session, of(call.platform), actor, link_id, reason="Released after another look.", disabled=False
    )
    return Redirect(DESK, toast="The link goes on.")


def show_blocklist(session: ReadSession, call: Call, state: FormState) -> Page:
    """What is blocked, newest first."""
    cursor = call.request.query_params.get("cursor") or None
    order = [BlockedTarget.created_at, BlockedTarget.pattern]
    found = page_of(session, blocklist.listed(), order=order, cursor=cursor)
    next_href = with_query(BLOCKLIST, {"cursor": found.next_cursor}) if found.next_cursor else None
    return page(call, "blocklist.html", rows=found.items, next_href=next_href, form=state.form)


@get("/moderation/blocklist", access=Access.MODERATOR)
def blocklist_page(session: DbRead, call: Calling, cursor: FromQuery[str | None] = None) -> Page:
    """The blocklist."""
    return show_blocklist(session, call, FormState())


@post("/moderation/blocklist", access=Access.MODERATOR, status=200, form=show_blocklist)
def block(session: DbWrite, actor: Member, data: AnyBody[BlockForm]) -> Redirect:
    """Block domains and URLs; links that lead there stop within a minute."""
    patterns = [line.strip() for line in data.pattern.splitlines() if line.strip()]
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise Invalid(f"Enter 1 to {MOST_PATTERNS} domains or URLs, one a line.", field="pattern")
    new = blocklist.add(session, actor, patterns, data.reason)
    return Redirect(BLOCKLIST, toast=f"{new} new on the list. Links that lead there stop.")


@post("/moderation/blocklist/removal", access=Access.MODERATOR, status=200)
def unblock(session: DbWrite, data: AnyBody[BlockForm]) -> Redirect:
    """Take a pattern off the list; links that it stopped go on."""
    try:
        blocklist.remove(session, data.pattern)
    except DodecaError as error:
        return Redirect(BLOCKLIST, toast=error.message, kind="error")
    return Redirect(BLOCKLIST, toast=f"{data.pattern} is off the list.")


routes = [report_page, report, desk, handle, release, blocklist_page, block, unblock]
