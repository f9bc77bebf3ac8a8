"""Accounts: one for all products. Products use `dodeca.commons.accounts.public`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dodeca.commons.accounts import api, audit_triggers, jobs, pages, pictures
from dodeca.commons.accounts.actor import Actor, MaybeActor, Owner
from dodeca.commons.accounts.authentication import AccountAuthenticator
from dodeca.commons.accounts.invariants import invariants
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service.export import own_files
from dodeca.commons.accounts.settings import AccountSettings
from dodeca.commons.accounts.views import avatar_url
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Access, Call
from dodeca.kernel.manifest import Manifest
from dodeca.kernel.web.shell import ShellAccount

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

__all__ = ["Access", "Account", "Actor", "MaybeActor", "Owner", "audit_triggers", "manifest"]

manifest = Manifest(
    name="accounts",
    title="Accounts",
    icon="user",
    folder=Path(__file__).parent,
    api=api.routes,
    root=[*pages.routes, *pictures.routes],
    settings=AccountSettings,
    jobs=jobs.jobs,
    invariants=invariants,
    account_export=own_files,
)


def authenticator(platform: Platform) -> AccountAuthenticator:
    """Who finds out who is calling on `platform`."""
    return AccountAuthenticator(platform)


def shell_account(platform: Platform) -> Callable[[ReadSession, Call], tuple[ShellAccount | None, int]]:
    """Who tells the header about the signed-in person, and how many notifications are unread."""

    def show(session: ReadSession, call: Call) -> tuple[ShellAccount | None, int]:
        if call.principal is None:
            return None, 0
        account = session.get(Account, call.principal.account_id)
        if account is None:
            return None, 0
        count = platform.hooks.extra.get("unread") if platform.hooks is not None else None
        unread = int(count(session, account.id)) if count is not None else 0
        return ShellAccount(account.name, account.username, avatar_url(account), call.principal.is_admin), unread

    return show
