"""Passkeys in the browser: the script fetches options, asks the device, and sends a plain form."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner, may_manage
from dodeca.commons.accounts.api.second_factors import CeremonyView, site_of
from dodeca.commons.accounts.pages.browser import auth, local_path, next_step
from dodeca.commons.accounts.pages.security import show_security
from dodeca.commons.accounts.pages.signing import Line, Next, show_login
from dodeca.commons.accounts.service import passkeys
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.errors import Conflict
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    Page,
    Redirect,
    post,
)

Answer = Annotated[str, msgspec.Meta(max_length=20_000)]
Ticket = Annotated[str, msgspec.Meta(max_length=2000)]


class SignInForm(ClosedRequest):
    """The device's answer (JSON)."""

    credential: Answer
    ticket: Ticket
    next: Next = "/"


class NewPasskeyForm(ClosedRequest):
    """The device's answer (JSON), and a name for the passkey."""

    credential: Answer
    ticket: Ticket
    name: Line = ""


class NameForm(ClosedRequest):
    """Another name for a passkey."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


@post("/login/passkey/options", access=Access.PUBLIC, status=200)
def sign_in_options(call: Calling) -> CeremonyView:
    """What navigator.credentials.get needs."""
    ceremony = passkeys.begin_signing_in(site_of(call), auth(call).vault)
    return CeremonyView(msgspec.Raw(ceremony.options.encode()), ceremony.ticket)


@post("/login/passkey", access=Access.PUBLIC, status=200, form=show_login)
async def sign_in(call: Calling, data: AnyBody[SignInForm]) -> Page | Redirect:
    """Sign in with a passkey."""
    proven = await flows.prove_passkey(
        call.platform, Origin.of(call), passkeys.parsed(data.credential), data.ticket, site_of(call)
    )
    return await next_step(call, proven, local_path(data.next))


@post("/account/passkeys/options", access=Access.MEMBER, status=200)
def new_options(session: DbRead, account: Owner, call: Calling) -> CeremonyView:
    """What navigator.credentials.create needs."""
    ceremony = passkeys.begin_adding(session, account, site_of(call), auth(call).vault)
    return CeremonyView(msgspec.Raw(ceremony.options.encode()), ceremony.ticket)


@post("/account/passkeys", access=Access.MEMBER, status=200, form=show_security)
async def add(call: Calling, data: AnyBody[NewPasskeyForm]) -> Redirect:
    """Keep a new passkey."""
    may_manage(call)
    await flows.add_passkey(
        call.platform,
        Origin.of(call),
        call.member(),
        passkeys.parsed(data.credential),
        data.ticket,
        site_of(call),
        name=data.name,
    )
    return Redirect("/account/security", toast="The passkey is added.")


@post("/account/passkeys/{passkey_id:str}/name", access=Access.MEMBER, status=200, form=show_security)
def rename(session: DbWrite, account: Owner, passkey_id: FromPath[str], data: AnyBody[NameForm]) -> Redirect:
    """Give a passkey another name."""
    passkeys.rename(session, account, passkey_id, data.name)
    return Redirect("/account/security", toast="Saved.")


@post("/account/passkeys/{passkey_id:str}/removal", access=Access.MEMBER, status=200)
def remove(session: DbWrite, account: Owner, call: Calling, passkey_id: FromPath[str]) -> Redirect:
    """Forget a passkey."""
    try:
        passkeys.remove(session, account, passkey_id, Origin.of(call))
    except Conflict as error:
        return Redirect("/account/security", toast=error.message, kind="error")
    return Redirect("/account/security", toast="The passkey is removed.")


routes = [sign_in_options, sign_in, new_options, add, rename, remove]
