"""What products may use of accounts.

For handlers: `Actor`, `MaybeActor` (the caller's row) and `Owner`. For a product's own registration and login
endpoints: `register`, `login` (await them in an async handler; they open their own units of work). For protocols that
bring their own credentials: `check_password`, `verify_key`, `key_by_id`, `open_secret`, and `accept_tokens`.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dodeca.commons.accounts.actor import Actor, MaybeActor, Owner, acting, maybe_acting
from dodeca.commons.accounts.authentication import Resolver
from dodeca.commons.accounts.events import EmailProven
from dodeca.commons.accounts.flows import (
    CodeNeeded,
    SignedIn,
    WaitingForDeletion,
    WrongCredentials,
    authenticator_of,
    login,
    prove_password,
    register,
)
from dodeca.commons.accounts.models import Account, ApiKey, Totp
from dodeca.commons.accounts.principals import PRINCIPALS, forget_principal
from dodeca.commons.accounts.service import audit, keys, people, sessions
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.service.people import (
    EmailTaken,
    UsernameTaken,
    account_by_email,
    account_by_id,
    account_by_login,
    account_by_name,
    accounts_by_ids,
    free_username,
)
from dodeca.commons.accounts.service.roles import holders, roles_of
from dodeca.commons.accounts.service.scopes import HEX, Scope, declare_scope
from dodeca.commons.accounts.vault import vault_of
from dodeca.commons.accounts.views import avatar_url
from dodeca.kernel.db import ReadSession, WriteSession

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

__all__ = [
    "HEX",
    "PRINCIPALS",
    "Account",
    "Actor",
    "ApiKey",
    "CodeNeeded",
    "EmailProven",
    "EmailTaken",
    "MaybeActor",
    "Origin",
    "Owner",
    "Scope",
    "SignedIn",
    "UsernameTaken",
    "WaitingForDeletion",
    "WrongCredentials",
    "accept_tokens",
    "account_by_email",
    "account_by_id",
    "account_by_login",
    "account_by_name",
    "accounts_by_ids",
    "acting",
    "avatar_url",
    "check_password",
    "create_key",
    "create_many_without_login",
    "create_without_login",
    "declare_scope",
    "forget_principal",
    "free_username",
    "has_second_factor",
    "holders",
    "issue_token",
    "key_by_id",
    "keys_with_scope",
    "login",
    "maybe_acting",
    "open_secret",
    "record",
    "register",
    "rename",
    "roles_of",
    "verify_key",
]

record = audit.record


def rename(session: WriteSession, account: Account, name: str, origin: Origin = NOWHERE) -> None:
    """Change the name that others see; an empty one makes it the username. Raises Invalid."""
    people.change(session, account, origin, name=name)


def has_second_factor(session: ReadSession, account: Account) -> bool:
    """Whether signing in with the password asks for a code too."""
    app = session.get(Totp, account.id)
    return app is not None and app.confirmed_at is not None


def verify_key(session: ReadSession, platform: Platform, secret: str, *, scope: str | None = None) -> ApiKey | None:
    """The key of a secret, if it is good now and opens `scope`."""
    return keys.verify(session, secret, vault_of(platform), scope=scope)


def key_by_id(session: ReadSession, key_id: str, *, scope: str | None = None) -> ApiKey | None:
    """The key of a public id, if it is good now and opens `scope`. Its secret is still to be proven."""
    return keys.by_id(session, key_id, scope=scope)


def keys_with_scope(session: ReadSession, account: Account, scope: str) -> Sequence[ApiKey]:
    """The account's good keys of `scope` whose secret is kept."""
    return keys.with_scope(session, account, scope)


def open_secret(platform: Platform, key: ApiKey) -> str:
    """The secret of a key of a sealed scope. Raises NotSealed."""
    return keys.open_secret(key, vault_of(platform))


def create_key(
    session: WriteSession,
    platform: Platform,
    account: Account,
    name: str,
    scopes: Sequence[str],
    *,
    permissions: str = "read_write",
    days: int | None = None,
    style: Scope | None = None,
    products: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key in a product's own way (`style`); gives it and its secret."""
    return keys.create(
        session,
        account,
        name,
        scopes,
        vault_of(platform),
        products=[*products, *(m.name for m in platform.manifests if m.tagline)],
        permissions=permissions,
        days=days,
        style=style,
    )


def issue_token(
    session: WriteSession,
    platform: Platform,
    account: Account,
    origin: Origin = NOWHERE,
    *,
    days: float | None = None,
    label: str = "",
) -> str:
    """A bearer token that acts for `account`; it stands in the list of the account's sessions."""
    authenticator = authenticator_of(platform)
    good_for = authenticator.settings.token_days if days is None else days
    return sessions.issue_token(session, account, authenticator.vault, origin, days=good_for, label=label)


def create_without_login(session: WriteSession, wish: str, *, name: str | None = None) -> Account:
    """An account that nobody can sign in to, for authors of imported content, under a name near to `wish`."""
    return people.create(session, people.free_username(session, wish), password_hash=None, name=name)


def create_many_without_login(
    session: WriteSession, wishes: Sequence[str], since: Mapping[str, datetime] | None = None
) -> dict[str, str]:
    """The same for many, in one statement where the names allow it: wish → account id. `since` says of some how long
    they have been there."""
    return people.create_many(session, wishes, since)


def accept_tokens(platform: Platform, prefix: str, resolver: Resolver) -> None:
    """Let a product's own bearer tokens in on all routes; call it in the manifest's `prepare`.

    `resolver(session, token)` is asked for tokens that begin with `prefix`, and gives the principal or None. A product
    that ends a token calls `forget_principal(session, account_id)`."""
    authenticator_of(platform).accept(prefix, resolver)


class _RightPasswords:
    """Passwords that were right a moment ago, for protocols that send them with every request.

    Only keyed hashes are kept, with the account's password hash, so that a change of password ends them."""

    MOST = 10_000

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, str] = {}
        self._lock = threading.Lock()

    def digest(self, stored: str, password: str) -> bytes:
        """What is remembered."""
        return hmac.digest(self._key, f"{stored}\0{password}".encode("utf-8", "surrogatepass"), "sha256")

    def knows(self, account: Account, password: str) -> bool:
        """Whether this very password was right for the present hash."""
        stored = account.password_hash
        return stored is not None and self._known.get(self.digest(stored, password)) == account.id

    def add(self, account: Account, password: str) -> None:
        """Remember a right password."""
        if account.password_hash is None:
            return
        with self._lock:
            while len(self._known) >= self.MOST:
                del self._known[next(iter(self._known))]
            self._known[self.digest(account.password_hash, password)] = account.id


_right_passwords = _RightPasswords()


async def check_password(platform: Platform, origin: Origin, *, login: str, password: str) -> Account:
    """The account of a username and password, for protocols that send them each time: repetitions are quick.

    Raises WrongCredentials, TooMany, WaitingForDeletion; CodeNeeded for accounts with an authenticator app, whose owner
    uses an API key there instead."""
    account = await platform.db.aread(lambda session: account_by_login(session, login))
    if account is None or not account.is_active or not _right_passwords.knows(account, password):
        proven = await prove_password(platform, origin, login=login, password=password)
        if proven.deletion_due_at is not None:
            raise WaitingForDeletion(proven.deletion_due_at)
        if proven.needs_code:
            raise CodeNeeded()
        account = await platform.db.aread(lambda session: account_by_id(session, proven.account_id))
        if account is None or not account.is_active:
            raise WrongCredentials()
        _right_passwords.add(account, password)
    return account
