"""Signing up and in, passwords, proof of mail addresses."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner, may_manage
from dodeca.commons.accounts.service import reset, sessions, verification
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import SignedInView
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, DbWrite, post

Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Short = Annotated[str, msgspec.Meta(max_length=254)]


class Registration(ClosedRequest):
    """A new account."""

    username: Short
    password: Secret
    email: Short | None = None
    name: Short | None = None


class Login(ClosedRequest):
    """Credentials. `otp` is the code of the authenticator app or a recovery code; `restore` calls off a deletion."""

    password: Secret
    username: Short | None = None
    email: Short | None = None
    otp: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    restore: bool = False


class PasswordChange(ClosedRequest):
    """A new password. `current_password` is needed where there is one."""

    new_password: Secret
    current_password: Secret | None = None


class ResetRequest(ClosedRequest):
    """Whom to send the link."""

    email: Short


class ResetConfirmation(ClosedRequest):
    """The token of the link, and the new password."""

    token: Annotated[str, msgspec.Meta(max_length=2000)]
    password: Secret


class Token(ClosedRequest):
    """The token of a mailed link."""

    token: Annotated[str, msgspec.Meta(max_length=2000)]


class Message(msgspec.Struct):
    """What happened, in words."""

    message: str


@post("/register", access=Access.PUBLIC)
async def register(call: Calling, data: AnyBody[Registration]) -> SignedInView:
    """Make an account."""
    signed_in = await flows.register(
        call.platform,
        Origin.of(call),
        username=data.username,
        password=data.password,
        email=data.email,
        name=data.name,
    )
    return SignedInView.of(signed_in)


@post("/login", access=Access.PUBLIC, status=200)
async def login(call: Calling, data: AnyBody[Login]) -> SignedInView:
    """Sign in."""
    name = data.username or data.email
    if not name:
        raise Invalid("Give username or email.", field="username")
    signed_in = await flows.login(
        call.platform, Origin.of(call), login=name, password=data.password, otp=data.otp, restore=data.restore
    )
    return SignedInView.of(signed_in)


@post("/logout", access=Access.MEMBER, status=204)
def logout(session: DbWrite, account: Owner, call: Calling) -> None:
    """End the session or token that asks."""
    sessions.end(session, account, call.member().credential, Origin.of(call))


@post("/password", access=Access.MEMBER, status=204)
async def change_password(call: Calling, data: AnyBody[PasswordChange]) -> None:
    """Set a new password and sign out everywhere else."""
    may_manage(call)
    await flows.change_password(
        call.platform,
        Origin.of(call),
        call.member(),
        current_password=data.current_password,
        new_password=data.new_password,
    )


@post("/password/reset", access=Access.PUBLIC, status=202)
async def request_reset(call: Calling, data: AnyBody[ResetRequest]) -> Message:
    """Send a link to set a new password. The answer is the same whether or not there is such an account."""
    flows.authenticator_of(call.platform).guard.mail(data.email, Origin.of(call))
    await call.platform.db.awrite(lambda session: reset.request(session, data.email, Origin.of(call)))
    return Message("If there is an account with this address, a link is on its way to it.")


@post("/password/reset/confirm", access=Access.PUBLIC, status=200)
async def confirm_reset(call: Calling, data: AnyBody[ResetConfirmation]) -> SignedInView:
    """Set a new password with the token of the link; proves the mail address too."""
    signed_in = await flows.reset_password(call.platform, Origin.of(call), token=data.token, password=data.password)
    return SignedInView.of(signed_in)


@post("/email/verification", access=Access.MEMBER, status=202)
def send_verification(session: DbWrite, account: Owner, call: Calling) -> Message:
    """Send the link that proves one's mail address again."""
    guard = flows.authenticator_of(call.platform).guard
    verification.ask_again(session, account, lambda address: guard.mail(address, Origin.of(call)))
    return Message("The link is on its way.")


@post("/email/verify", access=Access.PUBLIC, status=200)
def verify_email(session: DbWrite, call: Calling, data: AnyBody[Token]) -> Message:
    """Prove a mail address with the token of the link."""
    vault = flows.authenticator_of(call.platform).vault
    account = verification.verify(session, data.token, vault, Origin.of(call))
    return Message(f"{account.email} is confirmed.")


routes = [
    register,
    login,
    logout,
    change_password,
    request_reset,
    confirm_reset,
    send_verification,
    verify_email,
]
