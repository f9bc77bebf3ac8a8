"""What pages and API of the administration share: reading the queue, the mailbox, the settings and open reports.

What changes accounts lies in `commons.accounts.service`, which also writes the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from litestar.params import QueryParameter
from sqlalchemy import Select, delete, func, select

from dodeca.commons.accounts.models import Account, AuditEntry
from dodeca.commons.accounts.service import audit, people
from dodeca.kernel import health
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.kernel.http import Slice, page_of
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.jobs.runner import retry_dead
from dodeca.kernel.mail import SentMail
from dodeca.kernel.manifest import OpenReport
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import SettingsGroup, table

STATES = ("queued", "running", "dead")
WithState = Annotated[str, QueryParameter(name="state")]
"""The parameter `state`, whose own name Litestar keeps for itself."""
RETRIED_AT_ONCE = 100
REPORTS_A_PRODUCT = 50
HIDDEN_IN_PAYLOADS = frozenset({"text", "html", "body", "token", "password", "secret", "code"})
"""Parts of payloads that may hold a way into somebody's account (the link of a reset mail, say) or a private text."""


# Jobs


class QueueHolds(Conflict):
    """The job is not in the state that this needs: it ran, or is running, meanwhile."""


def jobs(
    session: ReadSession, *, state: str = "", name: str = "", limit: int | None = None, cursor: str | None = None
) -> Slice[QueuedJob]:
    """Jobs of one state and kind; dead ones newest first, the others in the order in which they are due."""
    statement: Select[QueuedJob] = select(QueuedJob)
    if state:
        statement = statement.where(QueuedJob.state == state)
    if name:
        statement = statement.where(QueuedJob.name == name)
    order = [QueuedJob.run_at, QueuedJob.id]
    return page_of(session, statement, order=order, limit=limit, cursor=cursor, descending=state == "dead")


def kinds_of_jobs(session: ReadSession) -> Sequence[str]:
    """The names that occur in the queue."""
    return session.scalars(select(QueuedJob.name).group_by(QueuedJob.name).order_by(QueuedJob.name).limit(200)).all()


def job(session: ReadSession, job_id: str) -> QueuedJob:
    """One job. Raises NotFound: a job that is done has no row."""
    row = session.get(QueuedJob, job_id)
    if row is None:
        raise NotFound("There is no such job. A job that is done is removed.")
    return row


def redacted_payload(raw: bytes) -> Any:
    """A job's payload for admins, without what could open an account or is private."""
    try:
        return _redacted(msgspec.json.decode(raw))
    except msgspec.DecodeError:
        return f"{len(raw)} bytes that are no JSON"


def shown_payload(raw: bytes) -> str:
    """The same as indented text."""
    return msgspec.json.format(msgspec.json.encode(redacted_payload(raw)).decode(), indent=2)


def _redacted(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _redacted(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner, name) for inner in value]
    hidden = isinstance(value, str) and name.lower() in HIDDEN_IN_PAYLOADS
    return f"… ({len(value)} characters)" if hidden else value


def retry(session: WriteSession, job_id: str) -> QueuedJob:
    """Let a dead job run again, with all its attempts. Raises NotFound, QueueHolds."""
    row = job(session, job_id)
    if not retry_dead(session, job_id):
        raise QueueHolds("Only a dead job can be retried: this one is still in the queue.")
    return row


def retry_all(session: WriteSession, name: str = "") -> int:
    """Let a batch of dead jobs (of one kind) run again; gives how many."""
    dead = select(QueuedJob.id).where(QueuedJob.state == "dead").order_by(QueuedJob.run_at, QueuedJob.id)
    found = session.scalars((dead.where(QueuedJob.name == name) if name else dead).limit(RETRIED_AT_ONCE)).all()
    return sum(retry_dead(session, job_id) for job_id in found)


def discard(session: WriteSession, job_id: str) -> None:
    """Remove a dead job for good. Raises NotFound, QueueHolds."""
    job(session, job_id)
    dead = delete(QueuedJob).where(QueuedJob.id == job_id, QueuedJob.state == "dead")
    if not getattr(session.execute(dead), "rowcount", 0):
        raise QueueHolds("Only a dead job can be discarded: this one is still in the queue.")


# Mail


def mailbox(
    session: ReadSession, to: str = "", *, limit: int | None = None, cursor: str | None = None
) -> Slice[SentMail]:
    """Mail of the embedded mailbox, newest first; to addresses that contain `to`."""
    statement: Select[SentMail] = select(SentMail)
    if to.strip():
        part = to.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        statement = statement.where(func.lower(SentMail.to).like(f"%{part}%", escape="\\"))
    return page_of(session, statement, order=[SentMail.sent_at, SentMail.id], limit=limit, cursor=cursor)


def letter(session: ReadSession, mail_id: str) -> SentMail:
    """One mail. Raises NotFound."""
    row = session.get(SentMail, mail_id)
    if row is None:
        raise NotFound("There is no such mail. It is kept for 30 days.")
    return row


# Audit log


class LogLine(msgspec.Struct):
    """An entry of the audit log with the names of whom it concerns, where their accounts are still there."""

    entry: AuditEntry
    text: str
    account: str
    actor: str


def log(
    session: ReadSession, *, action: str = "", account: str = "", limit: int | None = None, cursor: str | None = None
) -> Slice[LogLine]:
    """The audit log, newest first. `account` is a username or an id. Raises NotFound for an unknown username."""
    account_id = _account_id(session, account.strip()) if account.strip() else ""
    found = audit.entries(session, action=action, account_id=account_id, limit=limit, cursor=cursor)
    return Slice(log_lines(session, found.items), found.next_cursor)


def _account_id(session: ReadSession, account: str) -> str:
    known = people.account_by_name(session, account) or people.account_by_id(session, account.lower())
    if known is not None:
        return known.id
    if len(account) == 26 and account.isalnum():
        return account.lower()  # the id of an account that is gone
    raise NotFound(f"There is no account {account[:40]}.", field="account")


def log_lines(session: ReadSession, entries: Iterable[AuditEntry]) -> list[LogLine]:
    """Entries with names."""
    rows = list(entries)
    ids = {row.account_id for row in rows} | {row.actor_id for row in rows if row.actor_id}
    names = {key: row.username for key, row in people.accounts_by_ids(session, list(ids)).items()}
    return [
        LogLine(
            row,
            audit.TEXTS.get(row.action, row.action),
            names.get(row.account_id, ""),
            names.get(row.actor_id or "", "command line" if row.actor_id == "command" else ""),
        )
        for row in rows
    ]


# Settings


class SettingInForce(msgspec.Struct):
    """One setting as it is now. The value of a secret is never shown, only whether there is one."""

    name: str
    variable: str
    value: str
    source: str
    default: str
    help: str
    secret: bool


def settings_in_force(platform: Platform) -> list[SettingInForce]:
    """The settings of the platform and of every product that is installed."""
    return [row for group in health.groups(platform) for row in _of_group(platform, group)]


def _of_group(platform: Platform, group: type[SettingsGroup]) -> Iterable[SettingInForce]:
    values = platform.config.group(group)
    for row in table(group):
        value = getattr(values, row.name.rpartition(".")[2])
        source = platform.config.source(group, row.name.rpartition(".")[2])
        shown = ("set, not shown" if value else "") if row.secret else _as_text(value)
        yield SettingInForce(row.name, row.variable, shown, source, _as_text(row.default), row.help, row.secret)


def _as_text(value: object) -> str:
    return {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)


# Reports


class ProductReports(msgspec.Struct):
    """What people reported in one product and nobody has decided yet."""

    name: str
    title: str
    reports: list[OpenReport]


def open_reports(session: ReadSession, platform: Platform) -> list[ProductReports]:
    """The open reports of every product that takes some, newest first."""
    return [
        ProductReports(m.name, m.title, list(m.reports(session, REPORTS_A_PRODUCT)))
        for m in platform.manifests
        if m.reports is not None
    ]


def account_for_staff(session: ReadSession, account_id: str) -> Account:
    """The account of this id. Raises NotFound, also for one that was deleted."""
    account = people.account_by_id(session, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account
