"""Where somebody is signed in: browsers by cookie, programs by bearer token; both can be seen and ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select

from dodeca.commons.accounts.models import Account, AccountSession
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock, crypto, ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound

MOST_SESSIONS = 100
"""Browsers and tokens of one account, each: a script that signs in for every request must not fill the table."""


def start_browser(session: WriteSession, account: Account, vault: Vault, origin: Origin, *, days: int) -> str:
    """Sign a browser in; gives the cookie's value, which is stored nowhere."""
    token = crypto.random_token()
    _add(session, account, "browser", vault.sessions.digest(token), origin, "", days)
    return token


def issue_token(
    session: WriteSession, account: Account, vault: Vault, origin: Origin = NOWHERE, *, days: float, label: str = ""
) -> str:
    """A bearer token (JWT) that acts for `account` until it expires or its session is ended."""
    row = _add(session, account, "token", None, origin, label, days)
    return vault.tokens.issue(account.id, seconds=days * 86_400, token_id=row.id)


def _add(
    session: WriteSession, account: Account, kind: str, digest: bytes | None, origin: Origin, label: str, days: float
) -> AccountSession:
    now = clock.now()
    row = AccountSession(
        id=ids.new_id(),
        account_id=account.id,
        kind=kind,
        digest=digest,
        label=label,
        address=origin.address,
        user_agent=origin.user_agent,
        created_at=now,
        last_used_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    oldest = (
        select(AccountSession.id)
        .where(AccountSession.account_id == account.id, AccountSession.kind == kind)
        .order_by(AccountSession.last_used_at.desc(), AccountSession.id.desc())
        .offset(MOST_SESSIONS)
        .limit(MOST_SESSIONS)
    )
    surplus = session.scalars(oldest).all()
    if surplus:
        session.execute(delete(AccountSession).where(AccountSession.id.in_(surplus)))
        forget_principal(session, account.id)
    return row


def live(session: ReadSession, account: Account) -> Sequence[AccountSession]:
    """The sessions of an account that are good now, the latest used first."""
    statement = (
        select(AccountSession)
        .where(AccountSession.account_id == account.id, AccountSession.expires_at > clock.now())
        .order_by(AccountSession.last_used_at.desc(), AccountSession.id.desc())
    )
    return session.scalars(statement).all()


def end(session: WriteSession, account: Account, session_id: str, origin: Origin = NOWHERE) -> None:
    """Sign one of the account's own sessions out. Raises NotFound."""
    mine = select(AccountSession).where(AccountSession.id == session_id, AccountSession.account_id == account.id)
    row = session.scalar(mine)
    if row is None:
        raise NotFound("There is no such session.")
    session.delete(row)
    audit.record(session, account.id, "session.ended", origin, session_id=session_id)
    forget_principal(session, account.id)


def end_all(session: WriteSession, account: Account, *, keep: str | None = None) -> None:
    """Sign out everywhere, except the session `keep`."""
    gone = delete(AccountSession).where(AccountSession.account_id == account.id)
    session.execute(gone.where(AccountSession.id != keep) if keep else gone)
    forget_principal(session, account.id)


def rotate(session: WriteSession, account: Account, session_id: str, vault: Vault) -> str | None:
    """Give a browser's session a new cookie value, after what it may do has changed; None if it is no browser's."""
    row = session.get(AccountSession, session_id)
    if row is None or row.kind != "browser" or row.account_id != account.id:
        return None
    token = crypto.random_token()
    row.digest = vault.sessions.digest(token)
    forget_principal(session, account.id)
    return token


def knows_network(session: ReadSession, account_id: str, origin: Origin) -> bool:
    """Whether the account is or was lately signed in from the address that asks."""
    known = select(AccountSession.id).where(
        AccountSession.account_id == account_id, AccountSession.address == origin.address
    )
    return session.scalar(known.limit(1)) is not None


def forget_expired(session: WriteSession) -> None:
    """Remove a batch of sessions that are over."""
    over = select(AccountSession.id).where(AccountSession.expires_at < clock.now()).limit(100)
    session.execute(delete(AccountSession).where(AccountSession.id.in_(over.scalar_subquery())))


def drop(session: WriteSession, account_id: str, session_id: str) -> None:
    """End a session whose holder signs out or in again; nothing happens if it is over."""
    mine = delete(AccountSession).where(AccountSession.id == session_id, AccountSession.account_id == account_id)
    session.execute(mine)
    forget_principal(session, account_id)
