"""Moderation in the open: the log for everybody, the queue for moderators, an act in two clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dodeca.commons.accounts.public import Actor, accounts_by_ids
from dodeca.commons.moderation import service as moderation
from dodeca.commons.moderation.models import ModerationEntry, Report
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromQuery,
    Page,
    Redirect,
    Slice,
    get,
    page_of,
    post,
)
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking, number
from dodeca.products.news.pages.surroundings import Line, Row, back_to, page, rows, with_query, with_roots
from dodeca.products.news.pages.thread import MODERATOR_REASONS
from dodeca.products.news.service import items, moderating
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT

WORDS = {
    "kill": "killed",
    "unkill": "revived",
    "lock": "locked",
    "unlock": "unlocked",
    "ban": "banned",
    "unban": "unbanned",
    "rename": "renamed",
    "merge": "merged",
    "pool": "gave a second start to",
    "penalise": "changed the rank of",
    "clear_flags": "cleared the flags of",
    "uphold": "looked again at",
    "flagged": "hid",
    "vouched": "revived",
    "shadow": "held back",
    "release": "released",
    "settings": "changed the rules of",
    "suggested": "changed",
}


_REASONS_OF_ACTS = {
    "dismiss": "Within the rules",
    "unkill": "Within the rules",
    "clear_flags": "Within the rules",
    "unlock": "Within the rules",
    "uphold": "It stays as it was decided",
    "pool": "Overlooked",
    "rename": "A clearer title",
    "merge": "Already posted",
}
"""What is logged when a moderator gives no reason in words: the reasons to choose from are those against an item."""


_ANSWERS = {"dismiss": moderating.dismiss, "uphold": moderating.uphold}
"""Acts that leave things as they are."""


class ModerationForm(ClosedRequest):
    """An act and its reason; `other` replaces the chosen one, which is one against the item."""

    action: Line = ""
    target_type: Line = ""
    target_id: Line = ""
    reason: Line = ""
    other: Line = ""
    value: Line = ""
    goto: Line = ""


@get("/moderations", access=Access.PUBLIC)
def log(session: DbRead, call: Calling, viewer: Looking, cursor: FromQuery[str | None] = None) -> Page:
    """What moderators and rules did, and why, newest first."""
    found: Slice[ModerationEntry] = page_of(
        session, moderation.log_of(PRODUCT), order=[ModerationEntry.id], cursor=cursor or None
    )
    names = accounts_by_ids(session, [row.moderator_id for row in found.items if row.moderator_id is not None])
    return page(
        session,
        call,
        "moderations.html",
        tab="lists",
        entries=[
            (entry, names[entry.moderator_id].username if entry.moderator_id in names else None)
            for entry in found.items
        ],
        words=WORDS,
        next_href=with_query("/news/moderations", cursor=found.next_cursor) if found.next_cursor else None,
    )


@get("/mod", access=Access.MODERATOR)
def queue(session: DbRead, call: Calling, viewer: Looking) -> Page:
    """What waits for a decision, longest first."""
    waiting = moderating.queue(session)
    reports = moderating.open_reports(session)
    made = _explained(session, viewer, rows(session, viewer, waiting))
    return page(
        session,
        call,
        "mod.html",
        tab="mod",
        rows=with_roots(session, viewer, made),
        people=[report for report in reports if report.target_type == "user"],
        reasons=MODERATOR_REASONS,
    )


def _explained(session: ReadSession, viewer: Viewer, made: Sequence[Row]) -> list[Row]:
    """The rows with why each waits, and the reason that this proposes."""
    reports: dict[str, list[Report]] = {}
    for report in moderating.open_reports(session):
        reports.setdefault(report.target_id, []).append(report)
    flags = moderating.flag_reasons(session, [row.item.id for row in made])
    uncounted = moderating.uncounted_votes(session, [row.item.id for row in made])
    for row in made:
        why = [f"{reason.replace('_', ' ')} × {count}" for reason, count in flags.get(row.item.id, {}).items()]
        if row.item.id in uncounted:
            kinds = ", ".join(f"{kind} × {count}" for kind, count in uncounted[row.item.id].items())
            why.append(f"votes that do not count: {kinds}")
        reported = reports.get(str(row.item.id), [])
        row.waiting = [*why, *(f"reported: {each.reason}: {each.text}".rstrip(": ") for each in reported)]
        complaints = [each.reason for each in reported if each.reporter_id != row.item.author_id]  # theirs are appeals
        row.proposed = _proposed(flags.get(row.item.id, {}), complaints)
    return list(made)


def _proposed(flags: Mapping[str, int], reported: Sequence[str]) -> str:
    """The reason that most members gave."""
    if flags:
        return max(flags, key=lambda reason: flags[reason]).replace("_", " ").capitalize()
    return reported[0] if reported else ""


@post("/moderate", access=Access.MODERATOR, status=200)
def moderate(session: DbWrite, call: Calling, account: Actor, data: AnyBody[ModerationForm]) -> Redirect:
    """Carry an act out; it stands in the log at once."""
    back = back_to(data.goto or "/news/mod")
    reason = data.other.strip() or _REASONS_OF_ACTS.get(data.action) or data.reason
    try:
        with session.begin_nested():
            if data.action in _ANSWERS:
                _ANSWERS[data.action](session, account, data.target_type, data.target_id, reason)
            else:
                moderating.act(
                    session,
                    account,
                    action=data.action,
                    target_type=data.target_type,
                    target_id=data.target_id,
                    reason=reason,
                    value=data.value,
                )
    except DodecaError as error:
        return Redirect(back, toast=error.message, kind="error")
    if data.target_type in ("post", "comment"):
        flows.changed(session, call, items.locked(session, number(data.target_id)))
    return Redirect(back, toast="Done. It stands in the log.")


routes = [log, queue, moderate]
