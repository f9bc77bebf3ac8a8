"""Signing in and up through OpenID Connect providers, and connecting them to an account."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.datastructures import Cookie

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.oidc import Journey, ProviderRefused
from dodeca.commons.accounts.pages.browser import auth, ending, enter, local_path, next_step
from dodeca.commons.accounts.pages.signing import Next, Required, show_login
from dodeca.commons.accounts.service import identities, people
from dodeca.commons.accounts.service.identities import Claims
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, Forbidden, Unavailable
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbWrite,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)

JOURNEY_COOKIE = "dodeca_oidc"
SIGN_UP_SECONDS = 1800
LINK_SECONDS = 3600


class SignUpForm(ClosedRequest):
    """The name that a person who comes from a provider chooses here."""

    ticket: Annotated[str, msgspec.Meta(max_length=4000)]
    username: Required
    next: Next = "/"


def link_ticket(call: Call, account: Account) -> str:
    """Allows the person's own page to start connecting a provider; a foreign page has no such ticket.

    A form would not do: the browser refuses to follow its answer to another site (form-action of our policy)."""
    session_id = call.member().credential
    return auth(call).vault.tickets.sign(["link", account.id, session_id], seconds=LINK_SECONDS)


@get("/login/oidc/{provider:str}", access=Access.PUBLIC)
async def start(call: Calling, provider: FromPath[str]) -> Redirect:
    """Go to the provider."""
    query = call.request.query_params
    link_to = _link_to(call, query["link"]) if query.get("link") else None
    try:
        url, journey = await auth(call).oidc.start(
            provider, _redirect_uri(call, provider), next_path=local_path(query.get("next") or "/"), link_to=link_to
        )
    except (Unavailable, ProviderRefused) as error:
        return Redirect("/account/security" if link_to else "/login", toast=error.message, kind="error")
    return Redirect(url, cookies=[_cookie(call, journey)])


def _link_to(call: Call, ticket: str) -> str:
    principal = call.member()
    try:
        value = auth(call).vault.tickets.read(ticket)
    except (BadSignature, Expired) as error:
        raise Forbidden("Open your account's security page and try again.") from error
    if value != ["link", principal.account_id, principal.credential]:
        raise Forbidden("Open your account's security page and try again.")
    return principal.account_id


def _redirect_uri(call: Call, provider: str) -> str:
    return call.platform.url(f"/login/oidc/{provider}/callback")


def _cookie(call: Call, value: str) -> Cookie:
    return call.platform.cookie(JOURNEY_COOKIE, value, max_age=600 if value else 0)


@get("/login/oidc/{provider:str}/callback", access=Access.PUBLIC)
async def callback(call: Calling, provider: FromPath[str]) -> Page | Redirect:
    """Come back from the provider."""
    query = call.request.query_params
    linking = False
    try:
        journey = auth(call).oidc.journey(
            call.request.cookies.get(JOURNEY_COOKIE, ""), provider, query.get("state") or ""
        )
        linking = journey.link_to is not None
        if query.get("error") or not query.get("code"):
            raise ProviderRefused("The sign-in was called off.")
        claims = await auth(call).oidc.claims(journey, query["code"], _redirect_uri(call, provider), query.get("iss"))
        answer = await _arrive(call, journey, claims)
    except (ProviderRefused, Unavailable, Conflict) as error:
        to = "/account/security" if linking else "/login"
        return Redirect(to, toast=error.message, kind="error", cookies=[_cookie(call, "")])
    if isinstance(answer, Redirect):
        answer.cookies.append(_cookie(call, ""))
    return answer


async def _arrive(call: Call, journey: Journey, claims: Claims) -> Page | Redirect:
    if journey.link_to is not None:
        return await _link(call, journey.link_to, claims)

    def known(session: WriteSession) -> flows.Proven | None:
        account = identities.account_of(session, claims)
        if account is None:
            return None
        identities.used(session, claims)
        return flows.proof_of(session, account, claims.provider)

    proven = await call.platform.db.awrite(known)
    if proven is not None:
        return await next_step(call, proven, journey.next)
    flows.check_open(call.platform)
    return await call.platform.db.aread(lambda session: _sign_up_page(session, call, claims, journey.next))


async def _link(call: Call, account_id: str, claims: Claims) -> Redirect:
    principal = call.member()
    if principal.account_id != account_id:
        raise ProviderRefused("You have signed in as somebody else meanwhile. Try again.")

    def unit(session: WriteSession) -> None:
        account = people.account_by_id(session, account_id)
        if account is not None:
            identities.link(session, account, claims, Origin.of(call))

    await call.platform.db.awrite(unit)
    title = auth(call).oidc.provider(claims.provider).title
    return Redirect("/account/security", toast=f"You can sign in with {title} now.")


def _sign_up_page(session: ReadSession, call: Call, claims: Claims, next_path: str) -> Page:
    value = ["oidc-sign-up", *(getattr(claims, name) for name in Claims.__slots__)]
    ticket = auth(call).vault.tickets.sign(value, seconds=SIGN_UP_SECONDS)
    wish = identities.proposed_username(session, claims)
    return _welcome(session, call, claims, ticket, next_path, FormState(typed={"username": [wish]}))


def _welcome(session: ReadSession, call: Call, claims: Claims, ticket: str, next_path: str, state: FormState) -> Page:
    holder = people.account_by_email(session, claims.email) if claims.email and claims.email_verified else None
    return Page(
        "accounts/provider_sign_up.html",
        form=state.form,
        ticket=ticket,
        next=next_path,
        title_of_provider=auth(call).oidc.provider(claims.provider).title,
        email=claims.email,
        has_account=holder is not None,
    )


def show_sign_up(session: ReadSession, call: Call, state: FormState) -> Page:
    """The choice of a name again, with what is wrong."""
    ticket = state.values.get("ticket", "")
    try:
        claims = _claims(call, ticket)
    except DodecaError:
        return show_login(session, call, FormState(message="This took too long. Try again.", status=state.status))
    return _welcome(session, call, claims, ticket, local_path(state.values.get("next", "/")), state)


def _claims(call: Call, ticket: str) -> Claims:
    value = auth(call).vault.tickets.read(ticket)
    if not isinstance(value, list) or value[:1] != ["oidc-sign-up"]:
        raise BadSignature("This form is not valid.")
    return Claims(*value[1:])


@post("/login/oidc/sign-up", access=Access.PUBLIC, status=200, form=show_sign_up)
async def sign_up(call: Calling, data: AnyBody[SignUpForm]) -> Redirect:
    """Make an account for a person whom the provider vouches for."""
    flows.check_open(call.platform)
    claims, origin = _claims(call, data.ticket), Origin.of(call)
    auth(call).guard.sign_up(origin)

    def unit(session: WriteSession) -> flows.SignedIn:
        account = identities.sign_up(session, claims, data.username, origin)
        ending(call)(session, account)
        return flows.SignedIn(account, flows.start(session, account, auth(call), origin, browser=True), is_new=True)

    signed_in = await call.platform.db.awrite(unit)
    return enter(call, signed_in, data.next, f"Welcome, {signed_in.account.name}.")


@post("/account/providers/{identity_id:str}/removal", access=Access.MEMBER, status=200)
def unlink(session: DbWrite, account: Owner, call: Calling, identity_id: FromPath[str]) -> Redirect:
    """Disconnect a provider."""
    try:
        identities.unlink(session, account, identity_id, Origin.of(call))
    except Conflict as error:
        return Redirect("/account/security", toast=error.message, kind="error")
    return Redirect("/account/security", toast="The provider is disconnected.")


routes = [start, callback, sign_up, unlink]
