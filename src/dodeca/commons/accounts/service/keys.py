"""API keys: a program's access in its owner's name, limited to some products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update

from dodeca.commons.accounts.models import Account, ApiKey
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit, scopes, text
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound

MOST_KEYS = 100
LONGEST_DAYS = 3660
PERMISSIONS = ("read", "write", "read_write")
_TOUCHED_EVERY = timedelta(hours=1)


class NotSealed(Forbidden):
    """The secret of this key is known to its holder only: it was made for scopes that do not need it here."""


def create(
    session: WriteSession,
    account: Account,
    name: str,
    wanted: Sequence[str],
    vault: Vault,
    *,
    products: Iterable[str] = (),
    permissions: str = "read_write",
    days: int | None = None,
    origin: Origin = NOWHERE,
    style: scopes.Scope | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; gives it and its secret, which is shown once. Without scopes it opens every product.

    `style` overrides how id and secret look. Raises Invalid, Conflict when there are too many."""
    names = scopes.usable(wanted, products)
    if permissions not in PERMISSIONS:
        raise Invalid(f"permissions must be one of {', '.join(PERMISSIONS)}.", field="permissions")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"A key is good for 1 to {LONGEST_DAYS} days.", field="days")
    title = text.line(name, "name")
    count = session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.account_id == account.id)) or 0
    if count >= MOST_KEYS:
        raise Conflict(f"You have {MOST_KEYS} keys. Revoke one first.")
    style = style or scopes.style_of(names)
    key_id, secret = style.new_key_id(), style.new_secret()
    key = ApiKey(
        id=key_id,
        account_id=account.id,
        name=title,
        scopes=names,
        permissions=permissions,
        digest=vault.keys.digest(secret),
        hint=secret[-4:],
        sealed=vault.key_box.seal(secret.encode(), key_id) if style.sealed else None,
        created_at=clock.now(),
        expires_at=clock.ahead(days=days) if days else None,
    )
    with claiming(session, ApiKey, otherwise=Conflict("Try again.")):
        session.add(key)
    audit.record(session, account.id, "key.created", origin, key=key_id, scopes=names)
    return key, secret


def keys_of(session: ReadSession, account: Account) -> Sequence[ApiKey]:
    """The account's keys, newest first."""
    mine = select(ApiKey).where(ApiKey.account_id == account.id)
    return session.scalars(mine.order_by(ApiKey.created_at.desc(), ApiKey.id)).all()


def revoke(session: WriteSession, account: Account, key_id: str, origin: Origin = NOWHERE) -> None:
    """End one of the account's own keys at once. Raises NotFound."""
    key = session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.account_id == account.id))
    if key is None:
        raise NotFound("There is no such key.")
    session.delete(key)
    audit.record(session, account.id, "key.revoked", origin, key=key_id)
    forget_principal(session, account.id)


def verify(session: ReadSession, secret: str, vault: Vault, *, scope: str | None = None) -> ApiKey | None:
    """The key of a secret, if it is good now and opens `scope`; its account can act."""
    if not 8 <= len(secret) <= 200:
        return None
    key = session.scalar(select(ApiKey).where(ApiKey.digest.in_(vault.keys.candidates(secret))))
    return key if key is not None and _is_good(session, key, scope) else None


def by_id(session: ReadSession, key_id: str, *, scope: str | None = None) -> ApiKey | None:
    """The key of a public id, if it is good now and opens `scope`; its account can act."""
    key = session.get(ApiKey, key_id)
    return key if key is not None and _is_good(session, key, scope) else None


def _is_good(session: ReadSession, key: ApiKey, scope: str | None) -> bool:
    if key.expires_at is not None and key.expires_at <= clock.now():
        return False
    if scope is not None and not key.allows(scope):
        return False
    account = session.get(Account, key.account_id)
    return account is not None and account.is_active


def with_scope(session: ReadSession, account: Account, scope: str) -> Sequence[ApiKey]:
    """The account's good keys that name `scope` (or a part of it) and whose secret is kept: for computed signatures."""
    now = clock.now()
    mine = select(ApiKey).where(
        ApiKey.account_id == account.id,
        ApiKey.sealed.is_not(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    return [key for key in session.scalars(mine) if key.scopes and key.allows(scope)]


def open_secret(key: ApiKey, vault: Vault) -> str:
    """The secret of a key whose protocol must compute with it. Raises NotSealed."""
    if key.sealed is None:
        raise NotSealed("The secret of this key is not kept. Make a new one for this product.")
    return vault.key_box.open(key.sealed, key.id).decode()


def touch(session: WriteSession, key_id: str) -> None:
    """Note that a key is in use."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=clock.now()))


def is_stale(last_used_at: datetime | None) -> bool:
    """Whether the note of the last use is old enough to be renewed."""
    return last_used_at is None or clock.now() - last_used_at > _TOUCHED_EVERY


def forget_expired(session: WriteSession) -> None:
    """Remove a batch of keys that were over a month ago."""
    over = select(ApiKey.id).where(ApiKey.expires_at < clock.ago(days=30)).limit(100)
    session.execute(delete(ApiKey).where(ApiKey.id.in_(over.scalar_subquery())))
