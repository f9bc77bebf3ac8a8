"""What must always be true of accounts, and no constraint can say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select

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
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.manifest import Invariant

LATE = timedelta(days=2)
"""How late a deletion may be before somebody should look."""


def deleted_accounts_hold_nothing(session: ReadSession) -> Sequence[str]:
    """No credential, role or name is left of a deleted account."""
    deleted = select(Account.id).where(Account.deleted_at.is_not(None))
    found: set[str] = set()
    for table in (AccountSession, ApiKey, Totp, RecoveryCode, Passkey, Identity, AccountRole):
        found.update(session.scalars(select(table.account_id).where(table.account_id.in_(deleted))))
    named = or_(Account.email.is_not(None), Account.password_hash.is_not(None), Account.avatar.is_not(None))
    found.update(session.scalars(deleted.where(named)))
    return sorted(found)


def deletions_are_carried_out(session: ReadSession) -> Sequence[str]:
    """Nobody waits for a deletion more than two days beyond its time."""
    over = Account.deletion_due_at < clock.now() - LATE
    return session.scalars(select(Account.id).where(over, Account.deleted_at.is_(None))).all()


def names_and_keys_agree(session: ReadSession) -> Sequence[str]:
    """What is compared is the lower-case form of what is shown."""
    rows = session.execute(select(Account.id, Account.username, Account.username_key, Account.email, Account.email_key))
    return [
        account_id
        for account_id, username, username_key, email, email_key in rows
        if username.lower() != username_key or (email or "").lower() != (email_key or "")
    ]


def everybody_can_sign_in(session: ReadSession) -> Sequence[str]:
    """Every account has a password, a passkey or a provider, or an address for a reset. Imported authors without a way
    in have a name only, and never had a session."""
    way_in = or_(
        Account.password_hash.is_not(None),
        Account.email.is_not(None),
        Account.id.in_(select(Passkey.account_id)),
        Account.id.in_(select(Identity.account_id)),
    )
    used = Account.id.in_(select(AccountSession.account_id).where(AccountSession.kind == "browser"))
    return session.scalars(select(Account.id).where(Account.deleted_at.is_(None), ~way_in, used)).all()


def recovery_codes_belong_to_an_app(session: ReadSession) -> Sequence[str]:
    """Recovery codes exist only beside an authenticator app that is on."""
    on = select(Totp.account_id).where(Totp.confirmed_at.is_not(None))
    return session.scalars(select(RecoveryCode.account_id).where(RecoveryCode.account_id.not_in(on)).distinct()).all()


invariants: dict[str, Invariant] = {
    function.__name__: function
    for function in (
        deleted_accounts_hold_nothing,
        deletions_are_carried_out,
        names_and_keys_agree,
        everybody_can_sign_in,
        recovery_codes_belong_to_an_app,
    )
}
