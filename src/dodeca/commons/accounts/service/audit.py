"""The audit log: what was done with accounts, by whom, from where. It only grows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select

from dodeca.commons.accounts.audit_triggers import KEPT_DAYS
from dodeca.commons.accounts.models import Account, AuditEntry
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import Slice, page_of

TEXTS = {
    "account.registered": "Account created",
    "account.changed": "Profile changed",
    "account.deletion_requested": "Deletion requested",
    "account.restored": "Deletion called off",
    "account.deleted": "Account deleted",
    "account.suspended": "Account suspended",
    "account.reinstated": "Account reinstated",
    "account.exported": "Data exported",
    "signin.succeeded": "Signed in",
    "signin.blocked": "Sign-in blocked after too many attempts",
    "session.ended": "Signed out elsewhere",
    "password.changed": "Password changed",
    "password.reset_requested": "Password reset requested",
    "password.reset": "Password reset by mail",
    "email.changed": "Mail address changed",
    "email.verified": "Mail address verified",
    "key.created": "API key created",
    "key.revoked": "API key revoked",
    "totp.enabled": "Authenticator app turned on",
    "totp.disabled": "Authenticator app turned off",
    "recovery.renewed": "New recovery codes",
    "recovery.used": "Recovery code used",
    "passkey.added": "Passkey added",
    "passkey.removed": "Passkey removed",
    "identity.linked": "Sign-in provider connected",
    "identity.unlinked": "Sign-in provider disconnected",
    "role.granted": "Role granted",
    "role.revoked": "Role revoked",
}
"""Every action and how a person reads it. Products may record their own, named `product.verb`."""


def record(
    session: WriteSession,
    account_id: str,
    action: str,
    origin: Origin = NOWHERE,
    *,
    actor_id: str | None = None,
    **details: Any,
) -> None:
    """Add an entry in the caller's unit of work. Without `actor_id` the account itself acted.

    `details` holds ids and words of ours, never secrets or what people typed."""
    entry = AuditEntry(
        account_id=account_id,
        actor_id=actor_id or account_id,
        action=action,
        address=origin.address,
        details=details,
        at=clock.now(),
    )
    session.add(entry)


def entries_of(
    session: ReadSession, account: Account, *, limit: int | None = None, cursor: str | None = None
) -> Slice[AuditEntry]:
    """What was done with one account, newest first."""
    statement = select(AuditEntry).where(AuditEntry.account_id == account.id)
    return page_of(session, statement, order=[AuditEntry.at, AuditEntry.id], limit=limit, cursor=cursor)


def entries(
    session: ReadSession,
    *,
    action: str = "",
    account_id: str = "",
    before: datetime | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[AuditEntry]:
    """The log of all accounts, newest first, for admins."""
    statement: Select[AuditEntry] = select(AuditEntry)
    if action:
        statement = statement.where(AuditEntry.action == action)
    if account_id:
        statement = statement.where(AuditEntry.account_id == account_id)
    if before is not None:
        statement = statement.where(AuditEntry.at < before)
    return page_of(session, statement, order=[AuditEntry.at, AuditEntry.id], limit=limit, cursor=cursor)


def forget_old(session: WriteSession) -> None:
    """Remove a batch of entries whose time of keeping is over."""
    old = select(AuditEntry.id).where(AuditEntry.at < clock.ago(days=KEPT_DAYS + 1)).order_by(AuditEntry.at).limit(100)
    session.execute(delete(AuditEntry).where(AuditEntry.id.in_(old.scalar_subquery())))
