"""Signing in, up and out."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.pages.browser import (
    auth,
    ending,
    enter,
    local_path,
    next_step,
    session_cookie,
)
from dodeca.commons.accounts.service import sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Unauthenticated
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

Line = Annotated[str, msgspec.Meta(max_length=254)]
Required = Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Next = Annotated[str, msgspec.Meta(max_length=2000)]


class LoginForm(ClosedRequest):
    """Name or address, and password."""

    username: Required
    password: Secret
    next: Next = "/"


class SecondStepForm(ClosedRequest):
    """The code, and whether to keep an account that is to be deleted."""

    ticket: Annotated[str, msgspec.Meta(max_length=2000)]
    otp: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    restore: bool = False
    next: Next = "/"


class RegisterForm(ClosedRequest):
    """A new account."""

    username: Required
    password: Secret
    email: Line | None = None
    name: Line | None = None
    next: Next = "/"


def show_login(session: ReadSession, call: Call, state: FormState) -> Page:
    """The sign-in page."""
    return Page(
        "accounts/login.html",
        form=state.form,
        next=_next_of(call, state),
        providers=list(auth(call).oidc.providers.values()),
        can_register=call.platform.settings.open_registration,
    )


def _next_of(call: Call, state: FormState) -> str:
    return local_path(state.values.get("next") or call.request.query_params.get("next") or "/")


@get("/login", access=Access.PUBLIC, name="login")
def login_page(session: DbRead, call: Calling) -> Page | Redirect:
    """Sign in."""
    if call.principal is not None:
        return Redirect(_next_of(call, FormState()))
    return show_login(session, call, FormState())


@post("/login", access=Access.PUBLIC, status=200, form=show_login)
async def login(call: Calling, data: AnyBody[LoginForm]) -> Page | Redirect:
    """Sign in with a password."""
    proven = await flows.prove_password(call.platform, Origin.of(call), login=data.username, password=data.password)
    return await next_step(call, proven, local_path(data.next))


def show_second_step(session: ReadSession, call: Call, state: FormState) -> Page:
    """The second step again, with what is wrong; or the first, when it has taken too long."""
    ticket = state.values.get("ticket", "")
    try:
        proven = flows.read_ticket(session, auth(call), ticket)
    except (BadSignature, Expired, Unauthenticated):
        late = FormState(message="This took too long. Sign in again.", status=state.status)
        return show_login(session, call, late)
    return Page(
        "accounts/second_step.html",
        form=state.form,
        ticket=ticket,
        needs_code=proven.needs_code,
        due=proven.deletion_due_at,
        next=_next_of(call, state),
    )


@post("/login/code", access=Access.PUBLIC, status=200, form=show_second_step)
async def second_step(call: Calling, data: AnyBody[SecondStepForm]) -> Redirect:
    """Sign in with the code, or take back a deletion."""
    proven = await call.platform.db.aread(lambda session: flows.read_ticket(session, auth(call), data.ticket))
    signed_in = await flows.finish(
        call.platform,
        Origin.of(call),
        proven,
        otp=data.otp,
        restore=data.restore,
        browser=True,
        also=ending(call),
    )
    toast = "Welcome back: your account stays." if proven.deletion_due_at is not None else ""
    return enter(call, signed_in, data.next, toast)


def show_register(session: ReadSession, call: Call, state: FormState) -> Page:
    """The sign-up page."""
    return Page(
        "accounts/register.html",
        form=state.form,
        next=_next_of(call, state),
        providers=list(auth(call).oidc.providers.values()),
        can_register=call.platform.settings.open_registration,
    )


@get("/register", access=Access.PUBLIC)
def register_page(session: DbRead, call: Calling) -> Page | Redirect:
    """Sign up."""
    if call.principal is not None:
        return Redirect(_next_of(call, FormState()))
    return show_register(session, call, FormState())


@post("/register", access=Access.PUBLIC, status=200, form=show_register)
async def register(call: Calling, data: AnyBody[RegisterForm]) -> Redirect:
    """Make an account."""
    signed_in = await flows.register(
        call.platform,
        Origin.of(call),
        username=data.username,
        password=data.password,
        email=data.email,
        name=data.name,
        browser=True,
        also=ending(call),
    )
    toast = f"Welcome, {signed_in.account.name}."
    if data.email:
        toast += " We have sent you a link to confirm your address."
    return enter(call, signed_in, data.next, toast)


@post("/logout", access=Access.PUBLIC, status=200)
def logout(session: DbWrite, call: Calling) -> Redirect:
    """Sign this browser out."""
    if call.principal is not None and call.principal.via == "session":
        sessions.drop(session, call.principal.account_id, call.principal.credential)
    return Redirect("/", toast="You are signed out.", kind="info", cookies=[session_cookie(call, "")])


routes = [login_page, login, second_step, register_page, register, logout]
