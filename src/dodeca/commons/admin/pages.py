"""The administration for people: overview, mailbox, jobs, audit log, settings, health, reports."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from litestar import Response

from dodeca.commons.accounts.service import audit
from dodeca.commons.admin import service
from dodeca.commons.admin.service import WithState
from dodeca.kernel import health
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.media import sweeping
from dodeca.kernel.platform import Platform

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""The HTML of a mail was written by whoever made the mail: no script, no form, nothing loaded from anywhere."""
MAIL_HEADERS = {
    "Content-Security-Policy": MAIL_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


class RetryForm(ClosedRequest):
    """Which kind of dead jobs to retry; all when empty."""

    name: str = ""


def following(path: str, cursor: str | None, **query: str) -> str | None:
    """The address of the next page of a filtered list."""
    if cursor is None:
        return None
    return f"{path}?{urlencode([*((k, v) for k, v in query.items() if v), ('cursor', cursor)])}"


# Overview and health


def _examined(platform: Platform, *, deep: bool) -> list[health.Check]:
    return list(health.examine(platform, deep=deep))


@get("/admin", access=Access.ADMIN, name="admin")
async def overview(call: Calling) -> Page:
    """How the platform is doing."""
    platform = call.platform
    checks = await asyncio.to_thread(_examined, platform, deep=False)
    queue = await platform.db.aread(health.queue)
    recent = await platform.db.aread(lambda session: service.log(session, limit=8))
    reports = await platform.db.aread(lambda session: service.open_reports(session, platform))
    return Page(
        "admin/overview.html",
        problems=[(check.name, problem) for check in checks for problem in check.problems],
        queue=queue,
        disk=await asyncio.to_thread(health.disk, platform),
        recent=recent.items,
        reports=sum(len(product.reports) for product in reports),
        address=platform.public_url,
    )


@get("/admin/health", access=Access.ADMIN)
async def health_page(call: Calling) -> Page:
    """All checks of `dodeca doctor`, versions, disk."""
    return Page(
        "admin/health.html",
        checks=await asyncio.to_thread(_examined, call.platform, deep=True),
        versions=await asyncio.to_thread(health.versions, call.platform),
        disk=await asyncio.to_thread(health.disk, call.platform),
        data=str(call.platform.data.resolve()),
        sweep_days=call.platform.settings.media_sweep_days,
        sweeps=await call.platform.db.aread(sweeping.latest),
        next_sweep=await call.platform.db.aread(sweeping.next_sweep),
        aside=await asyncio.to_thread(sweeping.aside_by_day, call.platform),
    )


@post("/admin/health/sweep", access=Access.ADMIN, status=200)
def sweep_now(session: DbWrite) -> Redirect:
    """Sweep the media store now."""
    sweeping.sweep_media.enqueue(session, key="now")
    return Redirect("/admin/health", toast="The media store is being swept.")


# Mailbox


@get("/admin/mail", access=Access.ADMIN)
def mailbox(session: DbRead, call: Calling, to: FromQuery[str] = "", cursor: FromQuery[str | None] = None) -> Page:
    """Mail of the embedded mailbox."""
    found = service.mailbox(session, to, cursor=cursor)
    return Page(
        "admin/mailbox.html",
        mails=found.items,
        next_href=following("/admin/mail", found.next_cursor, to=to),
        to=to,
        goes_out=bool(call.platform.settings.smtp_url),
    )


@get("/admin/mail/{mail_id:str}", access=Access.ADMIN)
def letter(session: DbRead, mail_id: FromPath[str]) -> Page:
    """One mail."""
    return Page("admin/letter.html", mail=service.letter(session, mail_id))


@get("/admin/mail/{mail_id:str}/html", access=Access.ADMIN)
def letter_html(session: DbRead, mail_id: FromPath[str]) -> Response[bytes]:
    """The HTML part of a mail, for the sandboxed frame of its page."""
    mail = service.letter(session, mail_id)
    if mail.html is None:
        raise NotFound("This mail has no HTML part.")
    headers = {**MAIL_HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return Response(mail.html.encode(), headers=headers)


# Jobs


@get("/admin/jobs", access=Access.ADMIN)
def jobs(
    session: DbRead,
    call: Calling,
    which: WithState = "",
    name: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Page:
    """The queue and the dead letters."""
    queue = health.queue(session)
    state = which if which in service.STATES else "dead" if queue.dead else "queued"
    found = service.jobs(session, state=state, name=name, cursor=cursor)
    return Page(
        "admin/jobs.html",
        jobs=found.items,
        next_href=following("/admin/jobs", found.next_cursor, state=state, name=name),
        state=state,
        name=name,
        kinds=service.kinds_of_jobs(session),
        queue=queue,
        known={job.name for manifest in call.platform.manifests for job in manifest.jobs},
    )


@get("/admin/jobs/{job_id:str}", access=Access.ADMIN)
def job(session: DbRead, job_id: FromPath[str]) -> Page:
    """One job."""
    row = service.job(session, job_id)
    return Page("admin/job.html", job=row, payload=service.shown_payload(row.payload))


@post("/admin/jobs/retry", access=Access.ADMIN, status=200)
def retry_all(session: DbWrite, data: AnyBody[RetryForm]) -> Redirect:
    """Let a batch of dead jobs run again."""
    count = service.retry_all(session, data.name)
    toast = f"{count} {'job runs' if count == 1 else 'jobs run'} again." if count else "There is no dead job."
    return Redirect("/admin/jobs?state=queued", toast=toast, kind="success" if count else "info")


@post("/admin/jobs/{job_id:str}/retry", access=Access.ADMIN, status=200)
def retry(session: DbWrite, job_id: FromPath[str]) -> Redirect:
    """Let a dead job run again."""
    row = service.retry(session, job_id)
    return Redirect("/admin/jobs?state=dead", toast=f"{row.name} runs again.")


@post("/admin/jobs/{job_id:str}/discard", access=Access.ADMIN, status=200)
def discard(session: DbWrite, job_id: FromPath[str]) -> Redirect:
    """Remove a dead job."""
    service.discard(session, job_id)
    return Redirect("/admin/jobs?state=dead", toast="The job is discarded.")


# Audit log, settings, reports


@get("/admin/audit", access=Access.ADMIN)
def audit_log(
    session: DbRead,
    action: FromQuery[str] = "",
    account: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Page:
    """What was done with accounts."""
    problem = ""
    try:
        found = service.log(session, action=action, account=account, cursor=cursor)
        lines, next_cursor = found.items, found.next_cursor
    except NotFound as error:
        lines, next_cursor, problem = [], None, error.message
    return Page(
        "admin/audit.html",
        lines=lines,
        next_href=following("/admin/audit", next_cursor, action=action, account=account),
        actions=sorted(audit.TEXTS.items(), key=lambda item: item[1]),
        action=action,
        account=account,
        problem=problem,
    )


@get("/admin/settings", access=Access.ADMIN)
def settings(call: Calling) -> Page:
    """The settings in force."""
    rows = service.settings_in_force(call.platform)
    groups: dict[str, list[service.SettingInForce]] = {}
    for row in rows:
        groups.setdefault(row.name.partition(".")[0] if "." in row.name else "", []).append(row)
    titles = {manifest.name: manifest.title for manifest in call.platform.manifests}
    titles |= {m.settings.prefix: m.title for m in call.platform.manifests if m.settings is not None}
    return Page("admin/settings.html", groups=[(titles.get(name, "Platform"), rows) for name, rows in groups.items()])


@get("/admin/reports", access=Access.ADMIN)
def reports(session: DbRead, call: Calling) -> Page:
    """What people reported."""
    return Page("admin/reports.html", products=service.open_reports(session, call.platform))


routes = [
    overview,
    health_page,
    sweep_now,
    mailbox,
    letter,
    letter_html,
    jobs,
    job,
    retry_all,
    retry,
    discard,
    audit_log,
    settings,
    reports,
]
