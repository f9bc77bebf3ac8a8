"""Deleting an account: it sleeps for a while, can be taken back by signing in, and is then gone from every product."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.models import (
    Account,
    AccountRole,
    AccountSession,
    ApiKey,
    Identity,
    Passkey,
    RecoveryCode,
    Totp,
)
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit, roles, sessions
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict

NAME_OF_DELETED = "Deleted account"


def request(session: WriteSession, account: Account, *, days: float, origin: Origin = NOWHERE) -> datetime:
    """Put the account to sleep for `days`, after which it is deleted; gives that time. Raises LastAdmin, Conflict."""
    if account.deletion_due_at is not None:
        raise Conflict("The deletion is under way already.")
    roles.keep_an_admin(session, without=account)
    due_at = account.deletion_due_at = clock.now() + timedelta(days=days)
    sessions.end_all(session, account)
    audit.record(session, account.id, "account.deletion_requested", origin)
    letters.tell(session, account, "deletion_requested", due=f"{due_at:%d %B %Y}")
    forget_principal(session, account.id)
    return due_at


def call_off(session: WriteSession, account: Account, origin: Origin = NOWHERE) -> None:
    """Wake the account up again."""
    account.deletion_due_at = None
    audit.record(session, account.id, "account.restored", origin)
    forget_principal(session, account.id)


def due(session: ReadSession, *, limit: int = 100) -> list[str]:
    """The accounts whose time is over."""
    over = select(Account.id).where(Account.deletion_due_at <= clock.now(), Account.deleted_at.is_(None))
    return list(session.scalars(over.order_by(Account.deletion_due_at).limit(limit)))


def carry_out(session: WriteSession, account_id: str, products: Iterable[Callable[..., None]]) -> bool:
    """Delete an account that is due: every product first, then what accounts hold. The empty row stays.

    `products` are the manifests' `account_delete`. Gives whether there was something to do."""
    account = session.get_locked(Account, account_id)
    if account is None or account.deleted_at is not None:
        return False
    if account.deletion_due_at is None or account.deletion_due_at > clock.now():
        return False  # called off meanwhile
    for delete_in_product in products:
        delete_in_product(session, account_id)
    if account.email_verified_at is not None and account.email is not None:
        letters.tell_stranger(session, account.email, "deleted")
    for table in (AccountSession, ApiKey, Totp, RecoveryCode, Passkey, Identity, AccountRole):
        session.execute(delete(table).where(table.account_id == account_id))
    _empty(account)
    audit.record(session, account_id, "account.deleted", actor_id=account_id)
    forget_principal(session, account_id)
    return True


def _empty(account: Account) -> None:
    """Remove what tells who it was. The id is random, so it tells nothing."""
    account.username = account.username_key = f"deleted-{account.id}"
    account.name = NAME_OF_DELETED
    account.email = account.email_key = account.email_verified_at = account.pending_email = None
    account.password_hash = account.password_changed_at = account.avatar = None
    account.deleted_at = clock.now()
