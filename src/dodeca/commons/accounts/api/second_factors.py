"""Authenticator app, recovery codes, passkeys, sign-in providers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner, may_manage
from dodeca.commons.accounts.authentication import AccountAuthenticator
from dodeca.commons.accounts.service import identities, passkeys, totp
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import IdentityView, PasskeyView, SignedInView
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    JSONBody,
    delete,
    get,
    patch,
    post,
)


class Code(ClosedRequest):
    """A code of the authenticator app, or a recovery code."""

    code: Annotated[str, msgspec.Meta(max_length=40)]


class SetupView(msgspec.Struct):
    """What the authenticator app is given: the secret in base32, or the otpauth: address."""

    secret: str
    uri: str


class RecoveryCodes(msgspec.Struct):
    """Ten codes, in this answer only."""

    recovery_codes: list[str]


class TotpView(msgspec.Struct):
    """Whether signing in asks for a code, and how many recovery codes are left."""

    on: bool
    recovery_codes_left: int


class CeremonyView(msgspec.Struct):
    """The first half of a passkey's ceremony: for `navigator.credentials`. `ticket` comes back with the answer."""

    options: msgspec.Raw
    ticket: str


class PasskeyAnswer(ClosedRequest):
    """The browser's answer, as PublicKeyCredential.toJSON() gives it."""

    credential: dict[str, Any]
    ticket: Annotated[str, msgspec.Meta(max_length=2000)]
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    restore: bool = False


class NewName(ClosedRequest):
    """Another name."""

    name: Annotated[str, msgspec.Meta(max_length=100)]


class Passkeys(msgspec.Struct):
    """All passkeys of the account."""

    items: list[PasskeyView]


class Identities(msgspec.Struct):
    """The connected providers, and the names of all that can be."""

    items: list[IdentityView]
    providers: list[str]


def _auth(call: Call) -> AccountAuthenticator:
    return flows.authenticator_of(call.platform)


def site_of(call: Call) -> passkeys.Site:
    """The relying party of a request. Raises NoPasskeysHere."""
    return passkeys.Site.of(call.platform.public_url, call.request.headers.get("host", ""))


# Authenticator app


@get("/totp", access=Access.MEMBER)
def totp_state(session: DbRead, account: Owner) -> TotpView:
    """Whether an authenticator app is on."""
    return TotpView(totp.is_on(session, account), totp.recovery_codes_left(session, account))


@post("/totp", access=Access.MEMBER)
def begin_totp(session: DbWrite, account: Owner, call: Calling) -> SetupView:
    """Make a secret for an authenticator app. It counts after the first code."""
    setup = totp.begin(session, account, _auth(call).vault, "Dodeca")
    return SetupView(setup.secret, setup.uri)


@post("/totp/confirm", access=Access.MEMBER, status=200)
def confirm_totp(session: DbWrite, account: Owner, call: Calling, data: AnyBody[Code]) -> RecoveryCodes:
    """Turn the app on with its first code."""
    _auth(call).guard.code(account.id)
    return RecoveryCodes(totp.confirm(session, account, data.code, _auth(call).vault, Origin.of(call)))


@post("/totp/disable", access=Access.MEMBER, status=204)
def disable_totp(session: DbWrite, account: Owner, call: Calling, data: AnyBody[Code]) -> None:
    """Turn the app off, with a code."""
    _auth(call).guard.code(account.id)
    totp.turn_off(session, account, data.code, _auth(call).vault, Origin.of(call))


@post("/recovery-codes", access=Access.MEMBER)
def renew_recovery_codes(session: DbWrite, account: Owner, call: Calling, data: AnyBody[Code]) -> RecoveryCodes:
    """Ten new recovery codes in place of the old ones, with a code of the app."""
    _auth(call).guard.code(account.id)
    return RecoveryCodes(totp.renewed_with(session, account, data.code, _auth(call).vault, Origin.of(call)))


# Passkeys


@get("/passkeys", access=Access.MEMBER)
def list_passkeys(session: DbRead, account: Owner) -> Passkeys:
    """The account's passkeys."""
    return Passkeys([PasskeyView.of(row) for row in passkeys.passkeys_of(session, account)])


@post("/passkeys/options", access=Access.MEMBER, status=200)
def passkey_options(session: DbRead, account: Owner, call: Calling) -> CeremonyView:
    """What navigator.credentials.create needs."""
    ceremony = passkeys.begin_adding(session, account, site_of(call), _auth(call).vault)
    return CeremonyView(msgspec.Raw(ceremony.options.encode()), ceremony.ticket)


@post("/passkeys", access=Access.MEMBER)
async def add_passkey(call: Calling, data: JSONBody[PasskeyAnswer]) -> PasskeyView:
    """Keep a passkey that the browser has made."""
    may_manage(call)
    passkey = await flows.add_passkey(
        call.platform,
        Origin.of(call),
        call.member(),
        data.credential,
        data.ticket,
        site_of(call),
        name=data.name,
    )
    return PasskeyView.of(passkey)


@patch("/passkeys/{passkey_id:str}", access=Access.MEMBER)
def rename_passkey(session: DbWrite, account: Owner, passkey_id: FromPath[str], data: AnyBody[NewName]) -> PasskeyView:
    """Give a passkey another name."""
    return PasskeyView.of(passkeys.rename(session, account, passkey_id, data.name))


@delete("/passkeys/{passkey_id:str}", access=Access.MEMBER)
def remove_passkey(session: DbWrite, account: Owner, call: Calling, passkey_id: FromPath[str]) -> None:
    """Forget a passkey."""
    passkeys.remove(session, account, passkey_id, Origin.of(call))


@post("/login/passkey/options", access=Access.PUBLIC, status=200)
def passkey_login_options(call: Calling) -> CeremonyView:
    """What navigator.credentials.get needs."""
    ceremony = passkeys.begin_signing_in(site_of(call), _auth(call).vault)
    return CeremonyView(msgspec.Raw(ceremony.options.encode()), ceremony.ticket)


@post("/login/passkey", access=Access.PUBLIC, status=200)
async def passkey_login(call: Calling, data: JSONBody[PasskeyAnswer]) -> SignedInView:
    """Sign in with a passkey."""
    signed_in = await flows.login_with_passkey(
        call.platform,
        Origin.of(call),
        data.credential,
        data.ticket,
        site_of(call),
        restore=data.restore,
    )
    return SignedInView.of(signed_in)


# Sign-in providers


@get("/providers", access=Access.MEMBER)
def list_identities(session: DbRead, account: Owner, call: Calling) -> Identities:
    """The connected sign-in providers."""
    rows = identities.identities_of(session, account)
    return Identities([IdentityView.of(row) for row in rows], list(_auth(call).oidc.providers))


@delete("/providers/{identity_id:str}", access=Access.MEMBER)
def unlink_identity(session: DbWrite, account: Owner, call: Calling, identity_id: FromPath[str]) -> None:
    """Disconnect a provider."""
    identities.unlink(session, account, identity_id, Origin.of(call))


routes = [
    totp_state,
    begin_totp,
    confirm_totp,
    disable_totp,
    renew_recovery_codes,
    list_passkeys,
    passkey_options,
    add_passkey,
    rename_passkey,
    remove_passkey,
    passkey_login_options,
    passkey_login,
    list_identities,
    unlink_identity,
]
