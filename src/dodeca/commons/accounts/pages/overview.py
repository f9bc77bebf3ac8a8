"""One's own account: profile, picture, sessions, keys, history, data, end."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response

from dodeca.commons.accounts import flows, pictures
from dodeca.commons.accounts.actor import Owner, acting, may_manage, owning
from dodeca.commons.accounts.api.credentials import product_names
from dodeca.commons.accounts.api.me import export_answer
from dodeca.commons.accounts.models import Account, AccountSession
from dodeca.commons.accounts.pages.browser import auth, session_cookie
from dodeca.commons.accounts.service import audit, deletion, keys, people, roles, sessions, verification
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import avatar_url
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, DodecaError
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.limits import Rate

Line = Annotated[str, msgspec.Meta(max_length=254)]


class ProfileForm(ClosedRequest):
    """Name and mail address."""

    name: Line = ""
    email: Line = ""


class KeyForm(ClosedRequest):
    """A new API key."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: list[Annotated[str, msgspec.Meta(max_length=60)]] = msgspec.field(default_factory=list)
    permissions: str = "read_write"
    days: Annotated[int, msgspec.Meta(ge=1, le=keys.LONGEST_DAYS)] | None = None


class DeletionForm(ClosedRequest):
    """The password again, where there is one, and the name typed to be sure."""

    username: Line = ""
    current_password: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


# Profile


def show_overview(session: ReadSession, call: Call, state: FormState) -> Page:
    """Name, address, picture."""
    account = owning(session, call)
    return Page(
        "accounts/overview.html",
        form=state.form,
        account=account,
        avatar_url=avatar_url(account),
        roles=sorted(roles.roles_of(session, account.id) - {"member"}),
    )


@get("/account", access=Access.MEMBER)
def overview(session: DbRead, call: Calling) -> Page:
    """One's own account."""
    return show_overview(session, call, FormState())


@post("/account", access=Access.MEMBER, status=200, form=show_overview)
def change_profile(session: DbWrite, account: Owner, call: Calling, data: AnyBody[ProfileForm]) -> Redirect:
    """Change name and address."""
    before = (account.email, account.pending_email)
    name = data.name if data.name != account.name else None
    email = data.email if data.email != (account.email or "") else None
    people.change(session, account, Origin.of(call), name=name, email=email)
    mailed = email and (account.email, account.pending_email) != before
    toast = "Saved. We have sent a link to the new address." if mailed else "Saved."
    return Redirect("/account", toast=toast)


@post(
    "/account/avatar",
    access=Access.MEMBER,
    status=200,
    form=show_overview,
    request_max_body_size=pictures.MOST_BYTES + 10_000,
)
async def change_picture(call: Calling) -> Redirect:
    """Set one's picture."""
    may_manage(call)
    key = await pictures.store_upload(call)
    await call.platform.db.awrite(lambda session: pictures.set_picture(session, acting(session, call), key))
    return Redirect("/account", toast="Your picture is changed.")


@post("/account/avatar/removal", access=Access.MEMBER, status=200)
def remove_picture(session: DbWrite, account: Owner) -> Redirect:
    """Remove one's picture."""
    pictures.set_picture(session, account, None)
    return Redirect("/account", toast="Your picture is removed.")


@post("/account/verification", access=Access.MEMBER, status=200)
def send_verification(session: DbWrite, account: Owner, call: Calling) -> Redirect:
    """Send the link that proves the address again."""
    try:
        verification.ask_again(session, account, lambda address: auth(call).guard.mail(address, Origin.of(call)))
    except DodecaError as error:
        return Redirect("/account", toast=error.message, kind="error")
    return Redirect("/account", toast="The link is on its way.")


# Sessions


@get("/account/sessions", access=Access.MEMBER)
def sessions_page(session: DbRead, account: Owner, call: Calling) -> Page:
    """Where one is signed in."""
    current = call.member().credential
    rows = [(row, _program(row), row.id == current) for row in sessions.live(session, account)]
    return Page("accounts/sessions.html", account=account, rows=rows)


def _program(row: AccountSession) -> str:
    """What a person calls the program that signed in."""
    from ua_parser import parse  # its patterns take a while to load: only when somebody looks

    if row.label:
        return row.label
    found = parse(row.user_agent) if row.user_agent else None
    browser = found.user_agent.family if found is not None and found.user_agent is not None else ""
    system = found.os.family if found is not None and found.os is not None else ""
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or row.user_agent.partition(" ")[0][:60] or "A program"


@post("/account/sessions/others/end", access=Access.MEMBER, status=200)
def end_others(session: DbWrite, account: Owner, call: Calling) -> Redirect:
    """Sign out everywhere else."""
    sessions.end_all(session, account, keep=call.member().credential)
    audit.record(session, account.id, "session.ended", Origin.of(call), all=True)
    return Redirect("/account/sessions", toast="You are signed out everywhere else.")


@post("/account/sessions/{session_id:str}/end", access=Access.MEMBER, status=200)
def end_session(session: DbWrite, account: Owner, call: Calling, session_id: FromPath[str]) -> Redirect:
    """Sign one browser or program out."""
    sessions.end(session, account, session_id, Origin.of(call))
    if session_id == call.member().credential:
        return Redirect("/", toast="You are signed out.", cookies=[session_cookie(call, "")])
    return Redirect("/account/sessions", toast="Signed out there.")


# API keys


def show_keys(session: ReadSession, call: Call, state: FormState) -> Page:
    """All keys, and the form for a new one."""
    return _keys_page(session, call, owning(session, call), state)


def _keys_page(session: ReadSession, call: Call, account: Account, state: FormState, **new: object) -> Page:
    products = [(manifest.name, manifest.title) for manifest in call.platform.manifests if manifest.tagline]
    return Page(
        "accounts/keys.html",
        form=state.form,
        account=account,
        keys=keys.keys_of(session, account),
        scopes=[*products, ("accounts", "This account: other keys, sessions, password")],
        new=new,
    )


@get("/account/keys", access=Access.MEMBER)
def keys_page(session: DbRead, call: Calling) -> Page:
    """The API keys."""
    return show_keys(session, call, FormState())


@post("/account/keys", access=Access.MEMBER, status=200, form=show_keys)
def create_key(session: DbWrite, account: Owner, call: Calling, data: AnyBody[KeyForm]) -> Page:
    """Make a key; its secret is on this page only, so there is no redirect."""
    key, secret = keys.create(
        session,
        account,
        data.name,
        data.scopes,
        auth(call).vault,
        products=product_names(call.platform),
        permissions=data.permissions,
        days=data.days,
        origin=Origin.of(call),
    )
    session.flush()
    return _keys_page(session, call, account, FormState(), key=key, secret=secret)


@post("/account/keys/{key_id:str}/revocation", access=Access.MEMBER, status=200)
def revoke_key(session: DbWrite, account: Owner, call: Calling, key_id: FromPath[str]) -> Redirect:
    """End a key."""
    keys.revoke(session, account, key_id, Origin.of(call))
    return Redirect("/account/keys", toast="The key is revoked.")


# History


@get("/account/history", access=Access.MEMBER)
def history(session: DbRead, account: Owner, cursor: FromQuery[str | None] = None) -> Page:
    """What was done with the account."""
    found = audit.entries_of(session, account, cursor=cursor)
    items: list[dict[str, Any]] = [
        {
            "text": audit.TEXTS.get(entry.action, entry.action),
            "time": entry.at,
            "detail": ("by staff" if entry.actor_id != account.id else "") or entry.address,
        }
        for entry in found.items
    ]
    return Page("accounts/history.html", account=account, items=items, next_cursor=found.next_cursor)


# Data and end


@get("/account/export", access=Access.MEMBER)
def export_page(session: DbRead, account: Owner) -> Page:
    """What an export holds."""
    return Page("accounts/export.html", account=account)


@get("/account/export.zip", access=Access.MEMBER, rate=Rate(20, 3600))
async def export_zip(call: Calling) -> Response[bytes]:
    """All that the platform holds of the person."""
    may_manage(call)
    return await export_answer(call)


def show_deletion(session: ReadSession, call: Call, state: FormState) -> Page:
    """What deletion means, and the form."""
    days = auth(call).settings.grace_days
    return Page("accounts/delete.html", form=state.form, account=owning(session, call), days=days)


@get("/account/delete", access=Access.MEMBER)
def deletion_page(session: DbRead, call: Calling) -> Page:
    """Delete the account."""
    return show_deletion(session, call, FormState())


@post("/account/delete", access=Access.MEMBER, status=200, form=show_deletion)
async def delete_account(call: Calling, data: AnyBody[DeletionForm]) -> Redirect:
    """Put the account to sleep until it is deleted."""
    may_manage(call)
    origin, settings = Origin.of(call), auth(call).settings
    account = await call.platform.db.aread(lambda session: acting(session, call))
    if data.username.strip().lower() != account.username_key:
        raise Conflict("Type your username to be sure.", field="username")
    await flows.check_password_again(call.platform, origin, account, data.current_password)

    def unit(session: WriteSession) -> str:
        due = deletion.request(session, acting(session, call), days=settings.grace_days, origin=origin)
        return f"{due.day} {due:%B %Y}"

    due = await call.platform.db.awrite(unit)
    toast = f"Your account will be deleted on {due}. Until then, sign in to keep it."
    return Redirect("/", toast=toast, kind="warning", cookies=[session_cookie(call, "")])


routes = [
    overview,
    change_profile,
    change_picture,
    remove_picture,
    send_verification,
    sessions_page,
    end_others,
    end_session,
    keys_page,
    create_key,
    revoke_key,
    history,
    export_page,
    export_zip,
    deletion_page,
    delete_account,
]
