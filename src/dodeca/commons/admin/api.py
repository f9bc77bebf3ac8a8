"""`/api/admin`: the administration for programs. Mail and the test clock are in `commons.shell.service_pages`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from dodeca.commons.accounts.actor import Actor
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import audit, people, roles, sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.admin import service
from dodeca.commons.admin.service import WithState
from dodeca.kernel import health
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    post,
    put,
)
from dodeca.kernel.jobs import QueuedJob


class AdminAccount(msgspec.Struct):
    """An account as staff sees it."""

    user_id: str
    username: str
    name: str
    email: str | None
    email_verified: bool
    roles: list[str]
    created_at: datetime
    suspended_at: datetime | None
    deletion_due_at: datetime | None

    @classmethod
    def of(cls, session: ReadSession, row: Account) -> AdminAccount:
        """The view of a row."""
        return cls(
            row.id,
            row.username,
            row.name,
            row.email,
            row.email_verified_at is not None,
            sorted(roles.roles_of(session, row.id)),
            row.created_at,
            row.suspended_at,
            row.deletion_due_at,
        )


class AdminAccounts(msgspec.Struct):
    """Newest first."""

    accounts: list[AdminAccount]
    next_cursor: str | None


class JobView(msgspec.Struct):
    """A job in the queue. `payload` lacks what could open an account."""

    job_id: str
    name: str
    state: str
    run_at: datetime
    attempts: int
    last_error: str | None
    created_at: datetime
    payload: Any

    @classmethod
    def of(cls, row: QueuedJob) -> JobView:
        """The view of a row."""
        payload = service.redacted_payload(row.payload)
        return cls(row.id, row.name, row.state, row.run_at, row.attempts, row.last_error, row.created_at, payload)


class JobList(msgspec.Struct):
    """Dead ones newest first, the others in the order in which they are due. `queue` counts all."""

    jobs: list[JobView]
    queue: health.Queue
    next_cursor: str | None


class RetryRequest(ClosedRequest):
    """Which kind of dead jobs to retry; all when empty."""

    name: str = ""


class Retried(msgspec.Struct):
    """How many jobs run again: at most 100 a call."""

    retried: int


class AuditView(msgspec.Struct):
    """One entry of the audit log. `account` and `actor` are usernames, empty where the account is gone."""

    entry_id: str
    action: str
    at: datetime
    account_id: str
    account: str
    actor_id: str | None
    actor: str
    address: str
    details: dict[str, Any]


class AuditList(msgspec.Struct):
    """Newest first."""

    entries: list[AuditView]
    next_cursor: str | None


class SettingList(msgspec.Struct):
    """All settings, in order of declaration."""

    settings: list[service.SettingInForce]


class HealthReport(msgspec.Struct):
    """What `dodeca doctor` finds, and the figures of the overview."""

    ok: bool
    checks: list[health.Check]
    queue: health.Queue
    disk: health.Disk
    versions: dict[str, str]


class ReportList(msgspec.Struct):
    """Open reports by product."""

    products: list[service.ProductReports]


# Accounts


@get("/accounts", access=Access.ADMIN)
def list_accounts(
    session: DbRead,
    q: FromQuery[str] = "",
    role: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> AdminAccounts:
    """Find accounts by part of a name or address, and by role."""
    if role and role not in roles.GRANTABLE:
        raise Invalid(f"There is no such role. Choose one of {', '.join(roles.GRANTABLE)}.", field="role")
    found = people.search(session, q, role=role, limit=limit, cursor=cursor)
    return AdminAccounts([AdminAccount.of(session, row) for row in found.items], found.next_cursor)


@get("/accounts/{account_id:str}", access=Access.ADMIN)
def read_account(session: DbRead, account_id: FromPath[str]) -> AdminAccount:
    """One account."""
    return AdminAccount.of(session, service.account_for_staff(session, account_id))


@put("/accounts/{account_id:str}/roles/{role:str}", access=Access.ADMIN)
def grant_role(
    session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str], role: FromPath[str]
) -> AdminAccount:
    """Give a role. Repeating it changes nothing."""
    account = service.account_for_staff(session, account_id)
    roles.grant(session, staff, account, role, Origin.of(call))
    return AdminAccount.of(session, account)


@delete("/accounts/{account_id:str}/roles/{role:str}", access=Access.ADMIN)
def revoke_role(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str], role: FromPath[str]) -> None:
    """Take a role. 409 for the last admin."""
    roles.revoke(session, staff, service.account_for_staff(session, account_id), role, Origin.of(call))


@put("/accounts/{account_id:str}/suspension", access=Access.ADMIN)
def suspend(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> AdminAccount:
    """Keep an account from acting. 409 for oneself and for the last admin."""
    account = service.account_for_staff(session, account_id)
    if account.id == staff.id:
        raise Conflict("You cannot suspend yourself.")
    if account.suspended_at is None:
        people.suspend(session, staff, account, Origin.of(call))
    return AdminAccount.of(session, account)


@delete("/accounts/{account_id:str}/suspension", access=Access.ADMIN)
def reinstate(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> None:
    """End a suspension. 404 when there is none."""
    people.reinstate(session, staff, service.account_for_staff(session, account_id), Origin.of(call))


@delete("/accounts/{account_id:str}/sessions", access=Access.ADMIN)
def end_sessions(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> None:
    """Sign an account out everywhere; the session of the call itself stays."""
    account = service.account_for_staff(session, account_id)
    keep = call.member().credential if account.id == staff.id else None
    sessions.end_all(session, account, keep=keep)
    audit.record(session, account.id, "session.ended", Origin.of(call), actor_id=staff.id, all=True)


# Jobs


@get("/jobs", access=Access.ADMIN)
def list_jobs(
    session: DbRead,
    which: WithState = "",
    name: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> JobList:
    """The queue and the dead letters."""
    if which and which not in service.STATES:
        raise Invalid(f"state is one of {', '.join(service.STATES)}.", field="state")
    found = service.jobs(session, state=which, name=name, limit=limit, cursor=cursor)
    return JobList([JobView.of(row) for row in found.items], health.queue(session), found.next_cursor)


@get("/jobs/{job_id:str}", access=Access.ADMIN)
def read_job(session: DbRead, job_id: FromPath[str]) -> JobView:
    """One job. 404 once it is done."""
    return JobView.of(service.job(session, job_id))


@post("/jobs/retry", access=Access.ADMIN, status=200)
def retry_jobs(session: DbWrite, data: JSONBody[RetryRequest]) -> Retried:
    """Let a batch of dead jobs run again."""
    return Retried(service.retry_all(session, data.name))


@post("/jobs/{job_id:str}/retry", access=Access.ADMIN, status=200)
def retry_job(session: DbWrite, job_id: FromPath[str]) -> JobView:
    """Let a dead job run again. 409 for one that is not dead."""
    return JobView.of(service.retry(session, job_id))


@delete("/jobs/{job_id:str}", access=Access.ADMIN)
def discard_job(session: DbWrite, job_id: FromPath[str]) -> None:
    """Remove a dead job. 409 for one that is not dead."""
    service.discard(session, job_id)


# The rest


@get("/audit", access=Access.ADMIN)
def list_audit(
    session: DbRead,
    action: FromQuery[str] = "",
    account: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> AuditList:
    """The audit log. `account` is a username or an id."""
    found = service.log(session, action=action, account=account, limit=limit, cursor=cursor)
    entries = [
        AuditView(
            entry_id=line.entry.id,
            action=line.entry.action,
            at=line.entry.at,
            account_id=line.entry.account_id,
            account=line.account,
            actor_id=line.entry.actor_id,
            actor=line.actor,
            address=line.entry.address,
            details=line.entry.details,
        )
        for line in found.items
    ]
    return AuditList(entries, found.next_cursor)


@get("/settings", access=Access.ADMIN)
def list_settings(call: Calling) -> SettingList:
    """The settings in force. Secrets are not shown."""
    return SettingList(service.settings_in_force(call.platform))


@get("/health", access=Access.ADMIN)
async def read_health(call: Calling) -> HealthReport:
    """All checks of `dodeca doctor`, the queue, the disk, versions."""
    platform = call.platform
    checks = await asyncio.to_thread(lambda: list(health.examine(platform)))
    return HealthReport(
        ok=not any(check.problems for check in checks),
        checks=checks,
        queue=await platform.db.aread(health.queue),
        disk=await asyncio.to_thread(health.disk, platform),
        versions=await asyncio.to_thread(health.versions, platform),
    )


@get("/reports", access=Access.ADMIN)
def list_reports(session: DbRead, call: Calling) -> ReportList:
    """What people reported and nobody has decided."""
    return ReportList(service.open_reports(session, call.platform))


routes = [
    list_accounts,
    read_account,
    grant_role,
    revoke_role,
    suspend,
    reinstate,
    end_sessions,
    list_jobs,
    read_job,
    retry_jobs,
    retry_job,
    discard_job,
    list_audit,
    list_settings,
    read_health,
    list_reports,
]
