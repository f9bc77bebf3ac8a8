"""Who signs in through a protocol of apps: with an app password, the account's own, or a key of the platform."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from dodeca.commons.accounts.public import (
    Account,
    CodeNeeded,
    Origin,
    WaitingForDeletion,
    WrongCredentials,
    account_by_id,
    account_by_login,
    check_password,
    roles_of,
    verify_key,
)
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, TooMany, Unauthenticated
from dodeca.kernel.http import Call
from dodeca.kernel.limits import Rate, network
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.at_hand import at_hand
from dodeca.products.music.models import AppPassword
from dodeca.products.music.service import app_passwords
from dodeca.products.music.service.viewers import PRODUCT, Viewer

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

WRONG_TRIES: Final = Rate(10, 60)
"""Wrong sign-ins of an address for one name."""
_LATER: Final = "Too many wrong sign-ins. Wait a minute."
_MOST_BLOCKED: Final = 10_000


class Identity(msgspec.Struct, frozen=True):
    """Who is signed in. `note_password` is the app password whose use is to be noted."""

    account_id: str
    username: str
    viewer: Viewer
    note_password: int | None = None
    permissions: str = "read_write"

    def check(self, *, writes: bool) -> None:
        """Raises Forbidden where a key may only read, or only write."""
        if self.permissions not in ("read_write", "write" if writes else "read"):
            raise Forbidden(f"This key may only {self.permissions}.")


class NoAppPassword(Unauthenticated):
    """A scheme that computes with a password needs an app password, and the account has none."""


def identity_of(session: ReadSession, account: Account, used: AppPassword | None = None) -> Identity:
    """An account that has proven itself."""
    roles = roles_of(session, account.id)
    due = used is not None and app_passwords.use_is_due(used.used_at)
    viewer = Viewer(account.id, bool({"admin", "moderator"} & roles), "admin" in roles)
    return Identity(account.id, account.username, viewer, used.id if used is not None and due else None)


async def with_password(call: Call, name: str, password: str) -> Identity:
    """Sign in with a name and an app password, or the account's own. Raises Unauthenticated, TooMany."""
    platform = call.platform
    wrong = guesses(platform)
    wrong.refuse(call, name)

    def look_up(session: ReadSession) -> Identity | None:
        found = app_passwords.by_secret(session, platform, password)
        account = account_by_login(session, name)
        if found is None or account is None or found[1].id != account.id:
            return None
        return identity_of(session, account, found[0])

    identity = await platform.db.aread(look_up)
    if identity is not None:
        return identity
    try:
        account = await check_password(platform, Origin.of(call), login=name, password=password)
    except (CodeNeeded, WaitingForDeletion) as error:
        raise Unauthenticated("Use an app password: the account's own is not enough.") from error
    except WrongCredentials:
        wrong.count(call, name)
        raise
    return await platform.db.aread(lambda session: identity_of(session, account))


async def with_token(call: Call, name: str, token: str, salt: str) -> Identity:
    """Sign in with MD5 of an app password and a salt. Raises NoAppPassword, WrongCredentials, TooMany."""
    platform = call.platform
    wrong = guesses(platform)
    wrong.refuse(call, name)

    def look_up(session: ReadSession) -> Identity | None:
        return by_token(session, platform, _key(session, name), token, salt)

    identity = await platform.db.aread(look_up)
    if identity is None:
        wrong.count(call, name)
        raise WrongCredentials("Wrong username or password.")
    return identity


def by_token(session: ReadSession, platform: Platform, name: str, token: str, salt: str) -> Identity | None:
    """Whose token it is, under a name as it is stored. Raises NoAppPassword."""
    hand = at_hand(platform)
    listener = hand.named(name) or hand.read_named(session, name)
    if listener is None:
        return None
    if not listener.secrets:
        raise NoAppPassword("Token authentication needs an app password. Make one and use it as your password.")
    used = listener.secret_of(token.lower(), salt)
    if used is None:
        return None
    return Identity(listener.account_id, listener.username, listener.viewer, used.number if used.use_is_due else None)


def _key(session: ReadSession, login: str) -> str:
    """How a username is stored; that of a mail address' account, or of no account."""
    name = login.strip().lower()
    if name.isascii() and name.isprintable() and "@" not in name:
        return name
    account = account_by_login(session, login)
    return account.username.lower() if account is not None else ""


async def with_key(call: Call, key: str) -> Identity:
    """Sign in with an app password alone, or a platform key of the scope music. Raises WrongCredentials, TooMany."""
    platform = call.platform
    wrong = guesses(platform)
    wrong.refuse(call, "")

    def look_up(session: ReadSession) -> Identity | None:
        found = app_passwords.by_secret(session, platform, key)
        if found is not None:
            return identity_of(session, found[1], found[0])
        known = verify_key(session, platform, key, scope=PRODUCT)
        account = account_by_id(session, known.account_id) if known is not None else None
        if known is None or account is None or not account.is_active:
            return None
        return msgspec.structs.replace(identity_of(session, account), permissions=known.permissions)

    identity = await platform.db.aread(look_up)
    if identity is None:
        wrong.count(call, "")
        raise WrongCredentials("This key is not valid.")
    return identity


async def note_use(call: Call, identity: Identity, client: str) -> None:
    """Note that an app password is used, where that was not done within the hour."""
    number = identity.note_password
    if number is not None:

        def unit(session: WriteSession) -> None:
            app_passwords.note_use(session, number, client)

        await call.platform.db.awrite(unit)


class Guesses:
    """Wrong sign-ins: counted for all processes, and refused in this one while there were too many."""

    def __init__(self) -> None:
        self._blocked: OrderedDict[str, float] = OrderedDict()
        self._names: dict[str, float] = {}

    def are_refused(self, name: str) -> bool:
        """Whether somebody, from whatever address, may not try this name for a while."""
        return bool(self._names) and self._names.get(name.casefold()[:200], 0.0) > clock.timestamp()

    def refuse(self, call: Call, name: str) -> None:
        """Raises TooMany while an address may not try this name."""
        wait = self._blocked.get(self._key(call, name), 0.0) - clock.timestamp()
        if wait > 0:
            raise TooMany(_LATER, retry_after=wait)

    def count(self, call: Call, name: str) -> None:
        """Count a wrong sign-in. Raises TooMany for the first one too many."""
        key = self._key(call, name)
        try:
            call.platform.limits.hit("music.sign_in", key, WRONG_TRIES, message=_LATER)
        except TooMany as error:
            until = clock.timestamp() + error.retry_after
            self._blocked[key] = self._names[name.casefold()[:200]] = until
            while len(self._blocked) > _MOST_BLOCKED:
                self._blocked.popitem(last=False)
            if len(self._names) > _MOST_BLOCKED:
                self._names = {one: end for one, end in self._names.items() if end > clock.timestamp()}
            raise

    def _key(self, call: Call, name: str) -> str:
        return f"{network(call.address)} {name.casefold()[:200]}"


guesses: Final = OfPlatform(lambda _platform: Guesses())
"""The wrong sign-ins that this process knows of."""
