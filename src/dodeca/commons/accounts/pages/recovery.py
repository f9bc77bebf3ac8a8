"""The ways back in by mail: a new password, and proof of an address."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.pages.browser import auth, ending, enter, session_cookie
from dodeca.commons.accounts.pages.signing import Required, Secret
from dodeca.commons.accounts.service import reset, verification
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession
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

Token = Annotated[str, msgspec.Meta(max_length=2000)]


class ResetForm(ClosedRequest):
    """Whom to send the link."""

    email: Required


class NewPasswordForm(ClosedRequest):
    """The new password, with the token of the link."""

    token: Token
    password: Secret


class VerifyForm(ClosedRequest):
    """The token of the link."""

    token: Token


def show_reset(session: ReadSession, call: Call, state: FormState) -> Page:
    """The page that asks for the address."""
    return Page("accounts/reset.html", form=state.form, sent_to="")


@get("/reset", access=Access.PUBLIC)
def reset_page(session: DbRead, call: Calling) -> Page:
    """Ask for a new password."""
    return show_reset(session, call, FormState())


@post("/reset", access=Access.PUBLIC, status=200, form=show_reset)
async def request_reset(call: Calling, data: AnyBody[ResetForm]) -> Page:
    """Send the link. The page is the same whether or not there is such an account."""
    auth(call).guard.mail(data.email, Origin.of(call))
    await call.platform.db.awrite(lambda session: reset.request(session, data.email, Origin.of(call)))
    return Page("accounts/reset.html", form=FormState().form, sent_to=data.email.strip())


def show_new_password(session: ReadSession, call: Call, state: FormState) -> Page:
    """The page behind the link: a form while the link is good."""
    token = state.values.get("token") or call.request.query_params.get("token") or ""
    try:
        account = reset.holder(session, token, auth(call).vault)
    except (BadSignature, Expired) as error:
        return Page("accounts/reset_confirm.html", form=state.form, token="", username="", problem=error.message)
    return Page("accounts/reset_confirm.html", form=state.form, token=token, username=account.username, problem="")


@get("/reset/confirm", access=Access.PUBLIC)
def new_password_page(session: DbRead, call: Calling) -> Page:
    """Choose a new password."""
    return show_new_password(session, call, FormState())


@post("/reset/confirm", access=Access.PUBLIC, status=200, form=show_new_password)
async def set_new_password(call: Calling, data: AnyBody[NewPasswordForm]) -> Redirect:
    """Set the new password and sign in, or go to sign in where a code is asked for as well."""
    try:
        signed_in = await flows.reset_password(
            call.platform, Origin.of(call), token=data.token, password=data.password, browser=True, also=ending(call)
        )
    except (flows.CodeNeeded, flows.WaitingForDeletion):
        return Redirect(
            "/login", toast="Your new password is set. Sign in with it.", cookies=[session_cookie(call, "")]
        )
    return enter(call, signed_in, "/account", "Your new password is set.")


def show_verify(session: ReadSession, call: Call, state: FormState) -> Page:
    """The page behind the link of a verification."""
    token = state.values.get("token") or call.request.query_params.get("token") or ""
    return Page("accounts/verify.html", form=state.form, token=token, confirmed="")


@get("/verify", access=Access.PUBLIC)
def verify_page(session: DbRead, call: Calling) -> Page:
    """Confirm an address. A button does it, because mail scanners open links by themselves."""
    return show_verify(session, call, FormState())


@post("/verify", access=Access.PUBLIC, status=200, form=show_verify)
def verify(session: DbWrite, call: Calling, data: AnyBody[VerifyForm]) -> Page:
    """Confirm the address."""
    account = verification.verify(session, data.token, auth(call).vault, Origin.of(call))
    return Page("accounts/verify.html", form=FormState().form, token="", confirmed=account.email)


routes = [reset_page, request_reset, new_password_page, set_new_password, verify_page, verify]
