"""What the command line and demo data do with accounts, without a request: each opens its own unit of work."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import passwords, people, roles, sessions
from dodeca.commons.accounts.service.origin import NOWHERE
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import NotFound

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def create_admin(platform: Platform, name: str, password: str | None = None) -> str | None:
    """Make the account if needed and give it the role admin; gives the password where one was made up.

    A given password replaces that of an existing account. Raises Invalid, WeakPassword."""
    exists = platform.db.read(lambda session: people.account_by_name(session, name) is not None)
    made_up = secrets.token_urlsafe(15) if password is None and not exists else None
    chosen = password or made_up
    password_hash = _hashed(platform, name, chosen) if chosen else None

    def unit(session: WriteSession) -> None:
        account = people.account_by_name(session, name)
        if account is None:
            account = people.create(session, name, password_hash=password_hash, reserved_too=True)
        elif password_hash is not None:
            passwords.set_password(session, account, password_hash, NOWHERE, keep=None, action="password.reset")
        roles.grant(session, None, account, "admin")

    platform.db.write(unit)
    return made_up


def create_account(
    platform: Platform, username: str, password: str, *, name: str | None = None, email: str | None = None
) -> Account:
    """Make an account with a proven address, as demo data and installers do. Raises Invalid, UsernameTaken."""
    password_hash = vault_of(platform).passwords.hash(password)
    return platform.db.write(
        lambda session: people.create(
            session,
            username,
            password_hash=password_hash,
            name=name,
            email=email,
            email_verified=True,
            reserved_too=True,
        )
    )


def issue_token(platform: Platform, name: str, days: float) -> str:
    """A bearer token for an account. Raises NotFound."""
    vault = vault_of(platform)

    def unit(session: WriteSession) -> str:
        account = people.account_by_name(session, name)
        if account is None:
            raise NotFound(f"There is no account {name}.")
        return sessions.issue_token(session, account, vault, days=days, label="dodeca admin token")

    return platform.db.write(unit)


def _hashed(platform: Platform, name: str, password: str) -> str:
    passwords.check_strength(password, name)
    return vault_of(platform).passwords.hash(password)
