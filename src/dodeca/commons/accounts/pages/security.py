"""Password, authenticator app and recovery codes."""

from __future__ import annotations

from typing import Annotated

import msgspec
import segno

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner, may_manage, owning
from dodeca.commons.accounts.pages.browser import auth, session_cookie
from dodeca.commons.accounts.pages.providers import link_ticket
from dodeca.commons.accounts.pages.signing import Secret
from dodeca.commons.accounts.service import identities, passkeys, totp
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Conflict
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    Page,
    Redirect,
    get,
    post,
)

ISSUER = "Dodeca"


class PasswordForm(ClosedRequest):
    """The present and the new password."""

    new_password: Secret
    current_password: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


class CodeForm(ClosedRequest):
    """A code of the authenticator app, or a recovery code."""

    otp: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


def show_security(session: ReadSession, call: Call, state: FormState) -> Page:
    """All ways to sign in."""
    account = owning(session, call)
    try:
        site, no_passkeys = passkeys.Site.of(call.platform.public_url, call.request.headers.get("host", "")), ""
    except passkeys.NoPasskeysHere as error:
        site, no_passkeys = None, error.message
    return Page(
        "accounts/security.html",
        form=state.form,
        account=account,
        totp_on=totp.is_on(session, account),
        codes_left=totp.recovery_codes_left(session, account),
        passkeys=passkeys.passkeys_of(session, account),
        passkeys_work=site is not None,
        no_passkeys=no_passkeys,
        identities=identities.identities_of(session, account),
        providers=list(auth(call).oidc.providers.values()),
        link_ticket=link_ticket(call, account),
    )


@get("/account/security", access=Access.MEMBER)
def security(session: DbRead, call: Calling) -> Page:
    """How one signs in."""
    return show_security(session, call, FormState())


def show_password(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form for a new password."""
    return Page("accounts/password.html", form=state.form, account=owning(session, call))


@get("/account/password", access=Access.MEMBER)
def password_page(session: DbRead, call: Calling) -> Page:
    """Change the password."""
    return show_password(session, call, FormState())


@post("/account/password", access=Access.MEMBER, status=200, form=show_password)
async def change_password(call: Calling, data: AnyBody[PasswordForm]) -> Redirect:
    """Set a new password; the browser gets a new cookie, all others are signed out."""
    may_manage(call)
    token = await flows.change_password(
        call.platform,
        Origin.of(call),
        call.member(),
        current_password=data.current_password,
        new_password=data.new_password,
    )
    cookies = [session_cookie(call, token)] if token else []
    return Redirect("/account/security", toast="Your password is changed.", cookies=cookies)


# Authenticator app


def show_totp(session: ReadSession, call: Call, state: FormState) -> Page:
    """The QR code for the authenticator app, and the form for its first code."""
    account = owning(session, call)
    setup = totp.pending(session, account, auth(call).vault, ISSUER)
    if setup is None:
        raise Conflict("Begin on the security page.")
    picture = segno.make(setup.uri, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff")
    return Page("accounts/totp.html", form=state.form, account=account, secret=_grouped(setup.secret), picture=picture)


def _grouped(secret: str) -> str:
    """In groups of four, to be typed."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


@post("/account/totp", access=Access.MEMBER, status=200)
def begin_totp(session: DbWrite, account: Owner, call: Calling) -> Redirect:
    """Make a secret for the app."""
    totp.begin(session, account, auth(call).vault, ISSUER)
    return Redirect("/account/totp")


@get("/account/totp", access=Access.MEMBER)
def totp_page(session: DbRead, account: Owner, call: Calling) -> Page | Redirect:
    """Scan the code."""
    if totp.pending(session, account, auth(call).vault, ISSUER) is None:
        return Redirect("/account/security")
    return show_totp(session, call, FormState())


@post("/account/totp/confirmation", access=Access.MEMBER, status=200, form=show_totp)
def confirm_totp(session: DbWrite, account: Owner, call: Calling, data: AnyBody[CodeForm]) -> Page:
    """Turn the app on; the recovery codes are on this page only."""
    auth(call).guard.code(account.id)
    codes = totp.confirm(session, account, data.otp, auth(call).vault, Origin.of(call))
    return Page("accounts/recovery_codes.html", account=account, codes=codes)


@post("/account/totp/removal", access=Access.MEMBER, status=200, form=show_security)
def turn_totp_off(session: DbWrite, account: Owner, call: Calling, data: AnyBody[CodeForm]) -> Redirect:
    """Turn the app off."""
    auth(call).guard.code(account.id)
    totp.turn_off(session, account, data.otp, auth(call).vault, Origin.of(call))
    return Redirect("/account/security", toast="The authenticator app is off.", kind="warning")


@post("/account/recovery-codes", access=Access.MEMBER, status=200, form=show_security)
def renew_codes(session: DbWrite, account: Owner, call: Calling, data: AnyBody[CodeForm]) -> Page:
    """New recovery codes, on this page only."""
    auth(call).guard.code(account.id)
    codes = totp.renewed_with(session, account, data.otp, auth(call).vault, Origin.of(call))
    return Page("accounts/recovery_codes.html", account=account, codes=codes)


routes = [
    security,
    password_page,
    change_password,
    begin_totp,
    totp_page,
    confirm_totp,
    turn_totp_off,
    renew_codes,
]
