"""Signing up and signing in: passwords are hashed between two units of work, never inside one.

Pages, the API and the products' own endpoints call these; each opens the units of work it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.authentication import AccountAuthenticator
from dodeca.commons.accounts.models import Account, Passkey, Totp
from dodeca.commons.accounts.service import audit, deletion, passkeys, passwords, people, reset, sessions, text, totp
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, TooMany, Unauthenticated
from dodeca.kernel.http import Principal

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

Also = Callable[[WriteSession, Account], None]
"""What shall happen in the same unit of work as a sign-in."""
TICKET_SECONDS = 600
"""How long the second step of a sign-in may take."""


class WrongCredentials(Unauthenticated):
    """The name or the password is wrong; the answer does not tell which."""

    def __init__(self, message: str = "The name or the password is wrong.") -> None:
        super().__init__(message)


class CodeNeeded(Unauthenticated):
    """The password is right; the code of the authenticator app is missing."""

    def __init__(self) -> None:
        super().__init__("Enter the code of your authenticator app.", field="otp")
        self.details["otp_required"] = True


class WaitingForDeletion(Forbidden):
    """The credentials are right, and the account is about to be deleted unless the person keeps it."""

    def __init__(self, due: datetime) -> None:
        super().__init__("This account is going to be deleted. Sign in with restore to keep it.")
        self.details["deletion_due_at"] = clock.rfc3339(due)


class WrongPassword(Forbidden):
    """The person is signed in, and the password that they typed again is wrong."""

    def __init__(self) -> None:
        super().__init__("This is not your present password.", field="current_password")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in now, with the bearer token, or for a browser the value of its cookie."""

    account: Account
    token: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Proven:
    """Somebody has proven a first factor. `state` changes with the password, which then makes this void."""

    account_id: str
    state: str
    method: str
    needs_code: bool
    deletion_due_at: datetime | None

    def ticket(self, authenticator: AccountAuthenticator) -> str:
        """A signed form of it for the second step of a form."""
        return authenticator.vault.tickets.sign([self.account_id, self.state, self.method], seconds=TICKET_SECONDS)


def authenticator_of(platform: Platform) -> AccountAuthenticator:
    """The authenticator of a composed platform."""
    authenticator = platform.authenticator
    if not isinstance(authenticator, AccountAuthenticator):
        raise TypeError("The platform was composed without accounts.")
    return authenticator


# Signing up


async def register(
    platform: Platform,
    origin: Origin,
    *,
    password: str,
    username: str | None = None,
    email: str | None = None,
    name: str | None = None,
    browser: bool = False,
    also: Also | None = None,
) -> SignedIn:
    """Make an account and sign it in. Without `username` one is made from name or address.

    Raises Invalid, WeakPassword, UsernameTaken, EmailTaken, TooMany, Forbidden where registration is closed."""
    authenticator = authenticator_of(platform)
    check_open(platform)
    if username is not None:
        text.username(username)
    address = text.email(email) if email else None
    password_hash = await authenticator.vault.check_and_hash(password, username or "", address or "", name or "")
    authenticator.guard.sign_up(origin)

    def unit(session: WriteSession) -> SignedIn:
        chosen = username or people.free_username(session, name or (address or "").partition("@")[0])
        account = people.create(session, chosen, password_hash=password_hash, email=address, name=name, origin=origin)
        if also is not None:
            also(session, account)
        return SignedIn(account, start(session, account, authenticator, origin, browser=browser), is_new=True)

    return await platform.db.awrite(unit)


def check_open(platform: Platform) -> None:
    """Raise Forbidden where only admins make accounts."""
    if not platform.settings.open_registration:
        raise Forbidden("New accounts are made by the admins of this site.")


def start(
    session: WriteSession, account: Account, authenticator: AccountAuthenticator, origin: Origin, *, browser: bool
) -> str:
    """Begin a session: the cookie's value for a browser, else a bearer token."""
    vault, settings = authenticator.vault, authenticator.settings
    if browser:
        return sessions.start_browser(session, account, vault, origin, days=settings.session_days)
    return sessions.issue_token(session, account, vault, origin, days=settings.token_days)


# Signing in


async def login(
    platform: Platform,
    origin: Origin,
    *,
    login: str,
    password: str,
    otp: str | None = None,
    restore: bool = False,
    browser: bool = False,
) -> SignedIn:
    """Sign in with username or mail address, password, and the code where the account asks for one.

    Raises WrongCredentials, CodeNeeded, WaitingForDeletion, TooMany, Forbidden for a suspended account."""
    proven = await prove_password(platform, origin, login=login, password=password)
    return await finish(platform, origin, proven, otp=otp, restore=restore, browser=browser)


async def prove_password(platform: Platform, origin: Origin, *, login: str, password: str) -> Proven:
    """Check the first factor. Takes equally long whether or not there is such an account. Raises WrongCredentials."""
    authenticator = authenticator_of(platform)
    await _admit(platform, authenticator, origin, login)
    account, known = await platform.db.aread(lambda session: _candidate(session, login, origin))
    if account is not None and not known:
        authenticator.guard.attempt_from_everywhere(account.id)
    passwords = authenticator.vault.passwords
    stored = account.password_hash if account is not None else None
    if not await passwords.verify_async(stored, password) or account is None or stored is None:
        raise WrongCredentials()
    authenticator.guard.succeeded(login, origin)
    if passwords.needs_rehash(stored):
        account = await _rehash(platform, account, await passwords.hash_async(password))
    return await platform.db.aread(lambda session: proof_of(session, account, "password"))


async def _admit(platform: Platform, authenticator: AccountAuthenticator, origin: Origin, login: str) -> None:
    try:
        authenticator.guard.attempt(login, origin)
    except TooMany:
        if authenticator.guard.is_first_block(login):
            account, _ = await platform.db.aread(lambda session: _candidate(session, login, origin))
            if account is not None:  # names that are made up cost no write
                await platform.db.awrite(lambda session: _note_block(session, login, origin))
        raise


def _note_block(session: WriteSession, login: str, origin: Origin) -> None:
    account = people.account_by_login(session, login)
    if account is not None:
        audit.record(session, account.id, "signin.blocked", origin)


def _candidate(session: ReadSession, login: str, origin: Origin) -> tuple[Account | None, bool]:
    account = people.account_by_login(session, login)
    return account, account is not None and sessions.knows_network(session, account.id, origin)


async def _rehash(platform: Platform, account: Account, password_hash: str) -> Account:
    """Store the hash with today's parameters, unless the password was changed meanwhile."""

    def unit(session: WriteSession) -> Account:
        row = session.get(Account, account.id)
        if row is None or row.password_hash != account.password_hash:
            raise WrongCredentials()
        row.password_hash = password_hash
        return row

    return await platform.db.awrite(unit)


def proof_of(session: ReadSession, account: Account, method: str) -> Proven:
    """What a right first factor proves. A passkey needs no code: it is two factors by itself."""
    has_app = session.get(Totp, account.id)
    needs_code = method != "passkey" and has_app is not None and has_app.confirmed_at is not None
    return Proven(account.id, _state(account), method, needs_code, account.deletion_due_at)


def _state(account: Account) -> str:
    return letters.fingerprint(account)


def read_ticket(session: ReadSession, authenticator: AccountAuthenticator, ticket: str) -> Proven:
    """The first step of a sign-in again. Raises BadSignature, Expired, WrongCredentials."""
    account_id, state, method = authenticator.vault.tickets.read(ticket)
    account = people.account_by_id(session, account_id)
    if account is None or _state(account) != state:
        raise WrongCredentials("Sign in again: the password was changed meanwhile.")
    return proof_of(session, account, method)


async def finish(
    platform: Platform,
    origin: Origin,
    proven: Proven,
    *,
    otp: str | None = None,
    restore: bool = False,
    browser: bool = False,
    also: Also | None = None,
) -> SignedIn:
    """Check the second factor where there is one, and begin the session. `also` runs in the same unit of work."""
    authenticator = authenticator_of(platform)
    if proven.needs_code:
        if not otp or not otp.strip():
            raise CodeNeeded()
        authenticator.guard.code(proven.account_id)

    def unit(session: WriteSession) -> SignedIn:
        account = people.account_by_id(session, proven.account_id)
        if account is None or _state(account) != proven.state:
            raise WrongCredentials()
        if proven.needs_code:
            totp.use_code(session, account, otp or "", authenticator.vault, origin)
        if account.suspended_at is not None:
            raise Forbidden("This account is suspended.")
        if account.deletion_due_at is not None:
            if not restore:
                raise WaitingForDeletion(account.deletion_due_at)
            deletion.call_off(session, account, origin)
        if also is not None:
            also(session, account)
        audit.record(session, account.id, "signin.succeeded", origin, method=proven.method)
        return SignedIn(account, start(session, account, authenticator, origin, browser=browser))

    signed_in = await platform.db.awrite(unit)
    if proven.needs_code:
        authenticator.guard.code_accepted(proven.account_id)
    return signed_in


async def login_with_passkey(
    platform: Platform,
    origin: Origin,
    answer: dict[str, Any],
    ticket: str,
    site: passkeys.Site,
    *,
    restore: bool = False,
    browser: bool = False,
) -> SignedIn:
    """Sign in with a passkey. Raises PasskeyRefused, Invalid, WaitingForDeletion."""
    proven = await prove_passkey(platform, origin, answer, ticket, site)
    return await finish(platform, origin, proven, restore=restore, browser=browser)


async def prove_passkey(
    platform: Platform, origin: Origin, answer: dict[str, Any], ticket: str, site: passkeys.Site
) -> Proven:
    """Check a passkey's answer. Raises PasskeyRefused, Invalid, TooMany."""
    authenticator = authenticator_of(platform)
    authenticator.guard.passkey(origin)
    challenge = passkeys.challenge_of(ticket, "", authenticator.vault)
    authenticator.guard.challenge(challenge)

    def unit(session: WriteSession) -> Proven:
        return proof_of(session, passkeys.sign_in(session, answer, challenge, site), "passkey")

    return await platform.db.awrite(unit)


async def add_passkey(
    platform: Platform,
    origin: Origin,
    who: Principal,
    answer: dict[str, Any],
    ticket: str,
    site: passkeys.Site,
    *,
    name: str = "",
) -> Passkey:
    """Keep a passkey that the browser has made for the person who is signed in. Raises Invalid, Conflict."""
    authenticator = authenticator_of(platform)
    challenge = passkeys.challenge_of(ticket, who.account_id, authenticator.vault)
    authenticator.guard.challenge(challenge)
    return await platform.db.awrite(
        lambda session: passkeys.add(session, _active(session, who), answer, challenge, site, name=name, origin=origin)
    )


# Changing the password


async def change_password(
    platform: Platform, origin: Origin, who: Principal, *, current_password: str | None, new_password: str
) -> str | None:
    """Set a new password, sign out everywhere else, and renew the cookie of the session that asks: gives its value.

    Raises WrongPassword, WeakPassword, TooMany."""
    authenticator = authenticator_of(platform)
    account = await platform.db.aread(lambda session: _active(session, who))
    await check_password_again(platform, origin, account, current_password)
    about = (account.username, account.email or "", account.name)
    try:
        password_hash = await authenticator.vault.check_and_hash(new_password, *about)
    except Invalid as error:
        error.field = "new_password"
        raise

    def unit(session: WriteSession) -> str | None:
        row = _active(session, who)
        if row.password_hash != account.password_hash:
            raise WrongPassword()
        passwords.set_password(session, row, password_hash, origin, keep=who.credential, action="password.changed")
        letters.tell(session, row, "password_changed")
        return sessions.rotate(session, row, who.credential, authenticator.vault)

    return await platform.db.awrite(unit)


async def check_password_again(platform: Platform, origin: Origin, account: Account, password: str | None) -> None:
    """Before something that cannot be undone: the person at the screen knows the password, where there is one.

    Raises WrongPassword, TooMany."""
    if account.password_hash is None:
        return
    authenticator = authenticator_of(platform)
    authenticator.guard.attempt(account.username, origin)
    if not await authenticator.vault.passwords.verify_async(account.password_hash, password or ""):
        raise WrongPassword()
    authenticator.guard.succeeded(account.username, origin)


def _active(session: ReadSession, who: Principal) -> Account:
    account = people.account_by_id(session, who.account_id)
    if account is None or not account.is_active:
        raise Unauthenticated()
    return account


async def reset_password(
    platform: Platform,
    origin: Origin,
    *,
    token: str,
    password: str,
    browser: bool = False,
    also: Also | None = None,
) -> SignedIn:
    """Set a new password with a mailed link, and sign in unless the account asks for a code or sleeps.

    Raises BadSignature, Expired, WeakPassword, CodeNeeded."""
    authenticator = authenticator_of(platform)
    vault = authenticator.vault
    account = await platform.db.aread(lambda session: reset.holder(session, token, vault))
    password_hash = await vault.check_and_hash(password, account.username, account.email or "", account.name)

    def unit(session: WriteSession) -> Proven:
        row = reset.complete(session, token, password_hash, vault, origin)
        session.flush()
        return proof_of(session, row, "reset")

    proven = await platform.db.awrite(unit)
    return await finish(platform, origin, proven, browser=browser, also=also)
