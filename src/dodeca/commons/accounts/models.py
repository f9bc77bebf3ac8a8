"""Tables of accounts: who somebody is, how they prove it, what they may do, and what was done with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import MEDIA, Model

ROLES = ("member", "moderator", "merchant", "admin")


class Account(Model):
    """One person, club or company, for all products.

    The name is unique regardless of case (`username_key`, unique), and so is the mail address where there is one
    (`email_key`, unique), verified or not: a first, unproven claim holds it until whoever reads that mailbox resets
    the password. `email_verified_at` is set only while there is an address (check). `pending_email` replaces `email`
    once it is proven. `password_hash` is null for people who sign in with a passkey or a provider only.

    With `deletion_due_at` the account sleeps, and can be woken up until then. After it the row stays, empty, with
    `deleted_at`, because what products must keep (an order, a ledger) still refers to it."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    username: Mapped[str]
    username_key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str | None]
    email_key: Mapped[str | None] = mapped_column(unique=True)
    email_verified_at: Mapped[datetime | None]
    pending_email: Mapped[str | None]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    avatar: Mapped[str | None] = mapped_column(info=MEDIA)
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    suspended_at: Mapped[datetime | None]
    deletion_due_at: Mapped[datetime | None] = mapped_column(index=True)
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("email IS NOT NULL OR email_verified_at IS NULL", name="verified_has_email"),
        CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="email_key"),
        CheckConstraint("deleted_at IS NULL OR password_hash IS NULL", name="deleted_is_empty"),
    )

    @property
    def is_active(self) -> bool:
        """Whether the account can act: not suspended, not deleted, not waiting to be."""
        return self.suspended_at is None and self.deletion_due_at is None and self.deleted_at is None

    @property
    def verified_email(self) -> str | None:
        """The address, once the person has proven that it is theirs."""
        return self.email if self.email_verified_at is not None else None


class AccountRole(Model):
    """One role of one account. Each at most once (primary key); everybody is a member without a row.

    The last admin cannot lose the role (`service.roles`). Changes are in the audit log."""

    __tablename__ = "account_roles"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[str | None]
    granted_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("role IN ('moderator', 'merchant', 'admin')", name="role"),
        Index("ix_account_roles_role", "role"),
    )


class AccountSession(Model):
    """One place where somebody is signed in: a browser (`digest` of its cookie) or a bearer token (its id is `id`).

    A row is what makes the credential good: deleting it signs out. The cookie itself is stored nowhere. A browser's
    `expires_at` moves with use, a token's does not. An account has at most 100 of each kind; the longest unused go."""

    __tablename__ = "account_sessions"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    kind: Mapped[str]
    digest: Mapped[bytes | None] = mapped_column(unique=True)
    label: Mapped[str]
    address: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("kind IN ('browser', 'token')", name="kind"),
        CheckConstraint("(kind = 'browser') = (digest IS NOT NULL)", name="digest"),
        Index("ix_account_sessions_account_id_kind_last_used_at", "account_id", "kind", "last_used_at"),
    )


class ApiKey(Model):
    """A program's access in its owner's name. `id` is public; the secret is stored as `digest` (unique).

    `scopes` names the products it opens (all where it is empty); `permissions` says whether it may read, write or
    both. `sealed` holds the secret encrypted, only for scopes whose protocol must compute with it."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    scopes: Mapped[list[str]]
    permissions: Mapped[str] = mapped_column(default="read_write")
    digest: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str]
    sealed: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("permissions IN ('read', 'write', 'read_write')", name="permissions"),)

    def allows(self, scope: str) -> bool:
        """Whether the key opens `scope`: all, the very one, or a part of that product (`shortener-timed`)."""
        return not self.scopes or any(own == scope or own.startswith(scope + "-") for own in self.scopes)


class Totp(Model):
    """The authenticator app of an account: at most one (primary key), in force once `confirmed_at` is set.

    `last_step` is the time step of the newest code that was used; only later ones are taken, so none works twice."""

    __tablename__ = "account_totp"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(default=0)


class RecoveryCode(Model):
    """A code that replaces the authenticator app once: using it deletes the row. Stored as a keyed hash."""

    __tablename__ = "account_recovery_codes"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)


class Passkey(Model):
    """A WebAuthn credential. The authenticator's id of it is unique across accounts (`credential_id`, unique).

    `sign_count` never goes down, unless the authenticator does not count (stays 0)."""

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[str]
    transports: Mapped[list[str]]
    synced: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime | None]


class Identity(Model):
    """An account at an OpenID Connect provider that signs in here.

    One person there is at most one account here (`issuer`, `subject` unique). `email` is what the provider said."""

    __tablename__ = "account_identities"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    provider: Mapped[str]
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_account_identities_issuer_subject", "issuer", "subject", unique=True),)


class AuditEntry(Model):
    """One thing that was done with an account, by whom (`actor_id`, the account itself or a member of staff).

    Append-only: triggers refuse every change, and removal before 400 days (`audit_log_triggers`). No secrets and no
    names in `details`, because the entry outlives the account."""

    __tablename__ = "audit_log"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str]
    actor_id: Mapped[str | None]
    action: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    address: Mapped[str]
    details: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_audit_log_account_id_at", "account_id", "at", "id"),)
