"""What programs are told about accounts: structs that leave, no table object does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, exists, select

from dodeca.commons.accounts.flows import SignedIn
from dodeca.commons.accounts.models import (
    Account,
    AccountRole,
    AccountSession,
    ApiKey,
    AuditEntry,
    Identity,
    Passkey,
    Totp,
)
from dodeca.commons.accounts.service import audit
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import Prepared, ReadSession

_own = Prepared(
    select(
        Account.username,
        Account.name,
        Account.email,
        Account.email_verified_at.is_not(None),
        Account.pending_email,
        Account.avatar,
        Account.password_hash.is_not(None),
        Account.created_at,
        and_(Account.suspended_at.is_(None), Account.deletion_due_at.is_(None), Account.deleted_at.is_(None)),
        exists().where(Totp.account_id == Account.id, Totp.confirmed_at.is_not(None)),
        AccountRole.role,
    )
    .outerjoin(AccountRole, AccountRole.account_id == Account.id)
    .where(Account.id == bindparam("account_id"))
)
"""All that `AccountView` tells, a row for each role: what programs ask for most often should cost one statement."""


class SignedInView(msgspec.Struct):
    """Who has just signed in or up; `token` goes into `Authorization: Bearer …`."""

    user_id: str
    username: str
    email: str | None
    name: str
    token: str

    @classmethod
    def of(cls, signed_in: SignedIn) -> SignedInView:
        """The view."""
        account = signed_in.account
        return cls(account.id, account.username, account.email, account.name, signed_in.token)


class AccountView(msgspec.Struct):
    """One's own account."""

    user_id: str
    username: str
    name: str
    email: str | None
    email_verified: bool
    pending_email: str | None
    avatar_url: str | None
    roles: list[str]
    has_password: bool
    totp: bool
    created_at: str

    @classmethod
    def of(cls, session: ReadSession, account: Account) -> AccountView:
        """The view."""
        return cls._made(account.id, _own.rows(session, account_id=account.id))

    @classmethod
    def of_acting(cls, session: ReadSession, account_id: str) -> AccountView | None:
        """The view of an account that may act, as all that the unit of work reads; None where it has gone or sleeps."""
        rows = _own.rows_alone(session, account_id=account_id)
        return cls._made(account_id, rows) if rows and rows[0][8] else None

    @classmethod
    def _made(cls, account_id: str, rows: list[tuple[Any, ...]]) -> AccountView:
        username, name, email, verified, pending, avatar, password, created_at, _may_act, totp, _role = rows[0]
        return cls(
            user_id=account_id,
            username=username,
            name=name,
            email=email,
            email_verified=verified,
            pending_email=pending,
            avatar_url=_avatar_url(account_id, avatar),
            roles=sorted(["member", *(row[-1] for row in rows if row[-1] is not None)]),
            has_password=password,
            totp=totp,
            created_at=rfc3339(created_at),
        )


def avatar_url(account: Account) -> str | None:
    """Where the picture of an account is served; None without one. The path changes with the picture."""
    return _avatar_url(account.id, account.avatar)


def _avatar_url(account_id: str, avatar: str | None) -> str | None:
    return f"/avatars/{account_id}/{avatar[:16]}.webp" if avatar else None


class SessionView(msgspec.Struct):
    """One place where the account is signed in."""

    session_id: str
    kind: str
    label: str
    address: str
    user_agent: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool

    @classmethod
    def of(cls, row: AccountSession, current: str) -> SessionView:
        """The view; `current` is the id of the session that asks."""
        return cls(
            session_id=row.id,
            kind=row.kind,
            label=row.label,
            address=row.address,
            user_agent=row.user_agent,
            created_at=rfc3339(row.created_at),
            last_used_at=rfc3339(row.last_used_at),
            expires_at=rfc3339(row.expires_at),
            current=row.id == current,
        )


class KeyView(msgspec.Struct, omit_defaults=True):
    """An API key. `key_secret` is there in the answer to its making only; `hint` is its end."""

    key_id: str
    name: str
    scopes: list[str]
    permissions: str
    hint: str
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    key_secret: str | None = None

    @classmethod
    def of(cls, key: ApiKey, secret: str | None = None) -> KeyView:
        """The view."""
        return cls(
            key_id=key.id,
            name=key.name,
            scopes=key.scopes,
            permissions=key.permissions,
            hint=key.hint,
            created_at=rfc3339(key.created_at),
            last_used_at=_time(key.last_used_at),
            expires_at=_time(key.expires_at),
            key_secret=secret,
        )


class AuditView(msgspec.Struct):
    """One thing that was done with the account."""

    id: str
    action: str
    text: str
    at: str
    address: str
    by_yourself: bool
    details: dict[str, object]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditView:
        """The view."""
        return cls(
            id=entry.id,
            action=entry.action,
            text=audit.TEXTS.get(entry.action, entry.action),
            at=rfc3339(entry.at),
            address=entry.address,
            by_yourself=entry.actor_id == entry.account_id,
            details=entry.details,
        )


class PasskeyView(msgspec.Struct):
    """One passkey."""

    passkey_id: str
    name: str
    synced: bool
    created_at: str
    last_used_at: str | None

    @classmethod
    def of(cls, row: Passkey) -> PasskeyView:
        """The view."""
        return cls(row.id, row.name, row.synced, rfc3339(row.created_at), _time(row.last_used_at))


class IdentityView(msgspec.Struct):
    """One provider account that signs in here."""

    identity_id: str
    provider: str
    email: str | None
    created_at: str
    last_used_at: str | None

    @classmethod
    def of(cls, row: Identity) -> IdentityView:
        """The view."""
        return cls(row.id, row.provider, row.email, rfc3339(row.created_at), _time(row.last_used_at))


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment is not None else None
