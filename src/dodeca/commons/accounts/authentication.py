"""From credentials to the one who calls: cookies, bearer tokens and API keys, in whatever header clients put them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import structlog
from litestar.connection import ASGIConnection
from sqlalchemy import Update, bindparam, select, update

from dodeca.commons.accounts.guard import Guard
from dodeca.commons.accounts.models import Account, AccountRole, AccountSession, ApiKey
from dodeca.commons.accounts.oidc import OidcSignIn
from dodeca.commons.accounts.principals import PrincipalCache
from dodeca.commons.accounts.service import keys
from dodeca.commons.accounts.settings import AccountSettings
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Unauthenticated, Unavailable
from dodeca.kernel.http import Principal

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
TOUCHED_EVERY = timedelta(hours=1)
"""How exact the last use of a session is kept: each note costs a commit."""
LONGEST_CREDENTIAL = 4096
_COOKIE = b"dodeca_session="

_account_columns = (
    Account.id,
    Account.username,
    Account.suspended_at,
    Account.deletion_due_at,
    Account.deleted_at,
)
_session_columns = (AccountSession.id, AccountSession.expires_at, AccountSession.last_used_at)
_joined_session = select(*_account_columns, *_session_columns).join(
    AccountSession, AccountSession.account_id == Account.id
)
_by_cookie = Prepared(_joined_session.where(AccountSession.digest == bindparam("digest")))
_by_token = Prepared(_joined_session.where(AccountSession.id == bindparam("token_id"), AccountSession.kind == "token"))
_by_key = Prepared(
    select(*_account_columns, ApiKey.id, ApiKey.expires_at, ApiKey.last_used_at, ApiKey.scopes, ApiKey.permissions)
    .join(ApiKey, ApiKey.account_id == Account.id)
    .where(ApiKey.digest == bindparam("digest"))
)
_roles = Prepared(select(AccountRole.role).where(AccountRole.account_id == bindparam("account_id")))

Via = Literal["session", "token", "key"]
Resolver = Callable[[ReadSession, str], Principal | None]


class _Found(NamedTuple):
    """What the database says about a credential."""

    principal: Principal
    expires_at: datetime | None
    last_used_at: datetime | None


class AccountAuthenticator:
    """The platform's authenticator. `identify` costs a dictionary look-up for credentials seen within 15 seconds."""

    def __init__(self, platform: Platform) -> None:
        self.settings = platform.config.group(AccountSettings)
        self.vault = Vault(platform.keyring)
        self.guard = Guard(platform.limits, self.settings)
        self.oidc = OidcSignIn(platform.settings.oidc, self.vault)
        self.principals = PrincipalCache(platform.invalidation)
        self._platform = platform
        # A replica may not know yet who has just signed in, or still know who was signed out.
        replica = bool(platform.settings.database_replica_url)
        self._read = platform.db.awrite if replica else platform.db.aread
        self._resolvers: dict[str, Resolver] = {}

    def accept(self, prefix: str, resolver: Resolver) -> None:
        """Let a product's own bearer tokens in: those that begin with `prefix` are resolved by it.

        `resolver(session, token)` gives the principal, or None for a wrong token. It is asked at most every 15 s."""
        self._resolvers[prefix] = resolver

    async def identify(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
        """The caller; None without credentials, or with a cookie whose session is over. Raises Unauthenticated."""
        cookie: bytes | None = None
        for name, value in connection.scope["headers"]:
            if name in (b"authorization", b"x-api-key"):
                return self.principals.get(value) or await self._look_up(value, bare=name == b"x-api-key")
            if name == b"cookie" and _COOKIE in value:
                cookie = next((c for c in value.replace(b" ", b"").split(b";") if c.startswith(_COOKIE)), cookie)
        if cookie is None:
            return None
        return self.principals.get(cookie) or await self._look_up_cookie(cookie)

    async def by_authorization(self, header: str) -> Principal:
        """The caller by the value of an Authorization header alone. Raises Unauthenticated."""
        raw = header.encode("latin-1", "replace")
        return self.principals.get(raw) or await self._look_up(raw, bare=False)

    async def by_cookie(self, secret: str) -> Principal | None:
        """The caller by the secret of a session's cookie alone; None where the session is over."""
        cookie = _COOKIE + secret.encode("latin-1", "replace")
        return self.principals.get(cookie) or await self._look_up_cookie(cookie)

    # Browsers

    async def _look_up_cookie(self, cookie: bytes) -> Principal | None:
        token = cookie[len(_COOKIE) :]
        if not 20 <= len(token) <= 100:
            return None
        mark = self.principals.mark()
        digest = self.vault.sessions.digest(token.decode("latin-1"))
        found = await self._read(lambda session: _found(session, _by_cookie.first(session, digest=digest), "session"))
        if found is None:
            return None
        await self._slide(found)
        self._keep(cookie, found, mark)
        return found.principal

    async def _slide(self, found: _Found) -> None:
        """A browser in use stays signed in. That the database cannot note it now must not keep anybody from reading."""
        if found.last_used_at is None or clock.now() - found.last_used_at < TOUCHED_EVERY:
            return
        change = (
            update(AccountSession)
            .where(AccountSession.id == found.principal.credential)
            .values(last_used_at=clock.now(), expires_at=clock.ahead(days=self.settings.session_days))
        )
        await self._note(lambda session: run(session, change))

    async def _note(self, unit: Callable[[WriteSession], None]) -> None:
        try:
            await self._platform.db.awrite(unit)
        except Unavailable as error:
            log.warning("accounts.use_not_noted", error=str(error))

    # Programs

    async def _look_up(self, raw: bytes, *, bare: bool) -> Principal:
        """Resolve an Authorization or X-Api-Key header. Raises Unauthenticated."""
        if len(raw) > LONGEST_CREDENTIAL:
            raise Unauthenticated("These credentials are too long.")
        key_id, secret = ("", raw.decode("latin-1").strip()) if bare else credential(raw.decode("latin-1"))
        mark = self.principals.mark()
        own = next((r for prefix, r in self._resolvers.items() if secret.startswith(prefix)), None)
        if own is not None:
            principal = await self._read(lambda session: own(session, secret))
            found = _Found(principal, None, None) if principal is not None else None
        elif not key_id and secret.count(".") == 2 and secret.startswith("eyJ"):
            found = await self._by_bearer_token(secret)
        else:
            found = await self._by_key(key_id, secret)
        if found is None:
            raise Unauthenticated("These credentials are not valid.")
        self._keep(raw, found, mark)
        return found.principal

    async def _by_bearer_token(self, token: str) -> _Found | None:
        verified = self.vault.tokens.verify(token)
        return await self._read(
            lambda session: _found(session, _by_token.first(session, token_id=verified.token_id), "token")
        )

    async def _by_key(self, key_id: str, secret: str) -> _Found | None:
        digests = self.vault.keys.candidates(secret)

        def unit(session: ReadSession) -> _Found | None:
            rows = (_by_key.first(session, digest=digest) for digest in digests)
            return _found(session, next((row for row in rows if row is not None), None), "key")

        found = await self._read(unit)
        if found is None or (key_id and found.principal.credential != key_id):
            return None
        if keys.is_stale(found.last_used_at):
            await self._note(lambda session: keys.touch(session, found.principal.credential))
        return found

    def _keep(self, raw: bytes, found: _Found, mark: int) -> None:
        expires = found.expires_at.timestamp() if found.expires_at is not None else float("inf")
        self.principals.put(raw, found.principal, mark, expires_at=expires)


def _found(session: ReadSession, row: tuple[Any, ...] | None, via: Via) -> _Found | None:
    """The principal of a row of one of the statements above; None unless credential and account are good now."""
    if row is None:
        return None
    account_id, username, suspended, due, deleted, credential_id, expires_at, last_used_at, *rest = row
    if suspended or due or deleted or (expires_at is not None and expires_at <= clock.now()):
        return None
    roles = frozenset({"member", *(role for (role,) in _roles.rows(session, account_id=account_id))})
    scopes = frozenset(rest[0]) if rest and rest[0] else None
    principal = Principal(
        account_id=account_id,
        username=username,
        roles=roles,
        scopes=scopes,
        via=via,
        credential=credential_id,
        permissions=rest[1] if rest else "read_write",
    )
    return _Found(principal, expires_at, last_used_at)


def run(session: WriteSession, change: Update) -> None:
    """Send a statement whose answer nobody needs."""
    session.execute(change)


def credential(header: str) -> tuple[str, str]:
    """The key's id (may be empty) and the secret of an Authorization header. Raises Unauthenticated.

    `Bearer SECRET`, `SECRET`, `Basic base64(ID:SECRET)`; some clients forget the base64 and send `Basic ID:SECRET`."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if not value:
        return "", scheme
    if scheme.lower() in ("bearer", "token", "apikey", "api-key"):
        return "", value
    if scheme.lower() == "basic":
        return _basic(value)
    raise Unauthenticated("Authorization must be Bearer, Basic or an API key.")


def _basic(value: str) -> tuple[str, str]:
    if ":" not in value:
        try:
            value = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Unauthenticated("Basic credentials must be base64 of id:secret.") from error
    key_id, _, secret = value.partition(":")
    if not secret:
        raise Unauthenticated("Basic credentials must be base64 of id:secret.")
    return key_id, secret
