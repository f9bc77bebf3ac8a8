"""Passwords for apps, sealed because MD5 schemes compute with their text; they open music only."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from dodeca.commons.accounts.public import Account, account_by_id, forget_principal
from dodeca.kernel import clock
from dodeca.kernel.crypto import Box, TokenDigests
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.models import AppPassword
from dodeca.products.music.service.tags import storable

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

MOST = 50
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are taken for one another: people type these on televisions and in cars."""
LENGTH = 16
USE_NOTED_SECONDS = 3600
OPENED = 20_000
"""Opened passwords that a process has at hand."""


def _box(platform: Platform) -> Box:
    return Box(platform.keyring, "music.app-password")


def _digests(platform: Platform) -> TokenDigests:
    return TokenDigests(platform.keyring, "music.app-password")


def create(session: WriteSession, platform: Platform, account: Account, name: str) -> tuple[AppPassword, str]:
    """Make a password for an app; gives it and its text, which is shown once. Raises Invalid, Conflict."""
    tidy = " ".join(storable(name).split())
    if not 1 <= len(tidy) <= 100:
        raise Invalid("Name the app in 1 to 100 characters.", field="name")
    count = session.scalar(select(func.count()).select_from(AppPassword).where(AppPassword.user_id == account.id))
    if (count or 0) >= MOST:
        raise Conflict(f"There are at most {MOST} app passwords. Remove one first.")
    password = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    row = AppPassword(
        user_id=account.id,
        name=tidy,
        sealed=_box(platform).seal_text(password, account.id),
        digest=_digests(platform).digest(password),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    forget_principal(session, account.id)
    return row, password


def mine(session: ReadSession, account_id: str) -> Sequence[AppPassword]:
    """Somebody's app passwords, the newest first."""
    return session.scalars(
        select(AppPassword).where(AppPassword.user_id == account_id).order_by(AppPassword.id.desc())
    ).all()


def remove(session: WriteSession, account_id: str, number: int) -> None:
    """Take a password away: apps that use it are refused from now on. Raises NotFound."""
    own = (AppPassword.id == number) & (AppPassword.user_id == account_id)
    if session.scalar(delete(AppPassword).where(own).returning(AppPassword.id)) is None:
        raise NotFound("There is no such app password.")
    forget_principal(session, account_id)


opener: Final = OfPlatform(lambda platform: lru_cache(OPENED)(_box(platform).open_text))
"""Opens sealed passwords of accounts: `open(sealed, account_id)`. What was opened lately is at hand: apps sign in with
every request."""


def by_secret(session: ReadSession, platform: Platform, password: str) -> tuple[AppPassword, Account] | None:
    """The password of this text and its account, where there is one that is active."""
    digests = _digests(platform).candidates(password)
    row = session.scalar(select(AppPassword).where(AppPassword.digest.in_(digests)))
    account = account_by_id(session, row.user_id) if row is not None else None
    return (row, account) if row is not None and account is not None and account.is_active else None


def use_is_due(used_at: datetime | None) -> bool:
    """Whether the use of a password is to be noted: once an hour is enough."""
    return use_due_at(used_at) < clock.timestamp()


def use_due_at(used_at: datetime | None) -> float:
    """From when on the use of a password is to be noted again, in seconds since the Unix epoch."""
    return 0.0 if used_at is None else used_at.timestamp() + USE_NOTED_SECONDS


def note_use(session: WriteSession, number: int, client: str) -> None:
    """Note that an app uses its password, see `use_is_due`."""
    row = session.get(AppPassword, number)
    if row is None:
        return
    if use_is_due(row.used_at) or row.used_by != client[:100]:
        row.used_at, row.used_by = clock.now(), storable(client)[:100]
        session.flush()
        forget_principal(session, row.user_id)
