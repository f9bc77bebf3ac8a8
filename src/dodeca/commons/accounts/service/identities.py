"""Accounts at sign-in providers (OpenID Connect) and the accounts here that they open.

Nothing is ever connected because two mail addresses look alike: a person connects a provider while signed in here, or
makes a new account with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.models import Account, Identity, Passkey
from dodeca.commons.accounts.service import audit, people, text
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound


class IdentityInUse(Conflict):
    """The provider's account is connected to another account here."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider's verified ID token says about a person. `subject` is unique at `issuer` and never reused."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    preferred_username: str | None = None


def account_of(session: ReadSession, claims: Claims) -> Account | None:
    """The account that the person at the provider opens, if there is one."""
    row = _row(session, claims)
    return people.account_by_id(session, row.account_id) if row is not None else None


def _row(session: ReadSession, claims: Claims) -> Identity | None:
    same = (Identity.issuer == claims.issuer, Identity.subject == claims.subject)
    return session.scalar(select(Identity).where(*same))


def used(session: WriteSession, claims: Claims) -> None:
    """Note that somebody signed in with it."""
    row = _row(session, claims)
    if row is not None:
        row.last_used_at, row.email = clock.now(), _usable_email(claims)


def link(session: WriteSession, account: Account, claims: Claims, origin: Origin = NOWHERE) -> Identity:
    """Connect a provider's account; repeating it changes nothing. Raises IdentityInUse."""
    known = _row(session, claims)
    if known is not None:
        if known.account_id != account.id:
            raise IdentityInUse("This is connected to another account here. Sign in with it, or disconnect it there.")
        return known
    identity = Identity(
        id=ids.new_id(),
        account_id=account.id,
        provider=claims.provider,
        issuer=claims.issuer,
        subject=claims.subject,
        email=_usable_email(claims),
        created_at=clock.now(),
    )
    with claiming(session, Identity, otherwise=IdentityInUse("This was just connected to another account.")):
        session.add(identity)
    audit.record(session, account.id, "identity.linked", origin, provider=claims.provider)
    letters.tell(session, account, "security_changed", what=f"Sign-in with {claims.provider} was connected")
    return identity


def sign_up(
    session: WriteSession, claims: Claims, username: str, origin: Origin = NOWHERE, *, name: str | None = None
) -> Account:
    """Make an account for a person whom a provider vouches for. Raises Invalid, UsernameTaken, EmailTaken."""
    address = _usable_email(claims)
    account = people.create(
        session,
        username,
        password_hash=None,
        email=address,
        name=name or _usable_name(claims),
        email_verified=claims.email_verified,
        origin=origin,
    )
    link(session, account, claims, origin)
    return account


def proposed_username(session: ReadSession, claims: Claims) -> str:
    """A free name to begin with."""
    wish = claims.preferred_username or claims.name or (claims.email or "").partition("@")[0]
    return people.free_username(session, wish.partition("@")[0])


def _usable_email(claims: Claims) -> str | None:
    try:
        return text.email(claims.email) if claims.email else None
    except Invalid:
        return None


def _usable_name(claims: Claims) -> str | None:
    try:
        return text.line(claims.name, "name") if claims.name else None
    except Invalid:
        return None


def identities_of(session: ReadSession, account: Account) -> Sequence[Identity]:
    """The providers that are connected, in order of connection."""
    mine = select(Identity).where(Identity.account_id == account.id)
    return session.scalars(mine.order_by(Identity.created_at, Identity.id)).all()


def unlink(session: WriteSession, account: Account, identity_id: str, origin: Origin = NOWHERE) -> None:
    """Disconnect a provider. Raises NotFound, Conflict if it is the only way in."""
    mine = select(Identity).where(Identity.id == identity_id, Identity.account_id == account.id)
    identity = session.scalar(mine)
    if identity is None:
        raise NotFound("There is no such connection.")
    if not other_ways_in(session, account, without=identity):
        raise Conflict("This is your only way to sign in. Set a password first.")
    session.delete(identity)
    audit.record(session, account.id, "identity.unlinked", origin, provider=identity.provider)
    letters.tell(session, account, "security_changed", what=f"Sign-in with {identity.provider} was disconnected")


def other_ways_in(session: WriteSession, account: Account, *, without: Passkey | Identity) -> bool:
    """Whether the person can still sign in without this passkey or provider."""
    if account.password_hash is not None:
        return True
    # The account's row is locked, so that two removals at once do not each count on what the other removes.
    session.execute(select(Account.id).where(Account.id == account.id).with_for_update())
    passkeys = (
        select(func.count()).select_from(Passkey).where(Passkey.account_id == account.id, Passkey.id != without.id)
    )
    identities = (
        select(func.count()).select_from(Identity).where(Identity.account_id == account.id, Identity.id != without.id)
    )
    return bool((session.scalar(passkeys) or 0) + (session.scalar(identities) or 0))
