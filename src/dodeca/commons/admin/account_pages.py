"""Accounts for staff: find one, give and take roles, suspend, sign out."""

from __future__ import annotations

from dodeca.commons.accounts.actor import Actor
from dodeca.commons.accounts.service import audit, people, roles, sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import avatar_url
from dodeca.commons.admin import service
from dodeca.commons.admin.pages import following
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
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)


class RoleForm(ClosedRequest):
    """A role to give."""

    role: str


@get("/admin/accounts", access=Access.ADMIN)
def accounts(
    session: DbRead, q: FromQuery[str] = "", role: FromQuery[str] = "", cursor: FromQuery[str | None] = None
) -> Page:
    """Find accounts by part of a name or address, and by role."""
    role = role if role in roles.GRANTABLE else ""
    found = people.search(session, q, role=role, cursor=cursor)
    return Page(
        "admin/accounts.html",
        rows=[(account, sorted(roles.roles_of(session, account.id) - {"member"})) for account in found.items],
        next_href=following("/admin/accounts", found.next_cursor, q=q, role=role),
        q=q,
        role=role,
        all_roles=roles.GRANTABLE,
    )


def show_account(session: ReadSession, call: Call, state: FormState) -> Page:
    """One account with all that staff may know and do."""
    account = service.account_for_staff(session, str(call.request.path_params["account_id"]))
    held = roles.roles_of(session, account.id)
    return Page(
        "admin/account.html",
        account=account,
        picture=avatar_url(account),
        roles=sorted(held - {"member"}),
        grantable=[role for role in roles.GRANTABLE if role not in held],
        sessions=sessions.live(session, account),
        lines=service.log_lines(session, audit.entries_of(session, account, limit=10).items),
        is_self=call.member().account_id == account.id,
        message=state.message or next(iter(state.errors.values()), ""),
    )


@get("/admin/accounts/{account_id:str}", access=Access.ADMIN)
def account_page(session: DbRead, call: Calling, account_id: FromPath[str]) -> Page:
    """One account."""
    return show_account(session, call, FormState())


@post("/admin/accounts/{account_id:str}/roles", access=Access.ADMIN, status=200, form=show_account)
def grant_role(
    session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str], data: AnyBody[RoleForm]
) -> Redirect:
    """Give a role."""
    account = service.account_for_staff(session, account_id)
    roles.grant(session, staff, account, data.role, Origin.of(call))
    return Redirect(f"/admin/accounts/{account.id}", toast=f"@{account.username} has the role {data.role} now.")


@post(
    "/admin/accounts/{account_id:str}/roles/{role:str}/revocation", access=Access.ADMIN, status=200, form=show_account
)
def revoke_role(
    session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str], role: FromPath[str]
) -> Redirect:
    """Take a role."""
    account = service.account_for_staff(session, account_id)
    roles.revoke(session, staff, account, role, Origin.of(call))
    to = "/" if account.id == staff.id and role == "admin" else f"/admin/accounts/{account.id}"
    return Redirect(to, toast=f"@{account.username} no longer has the role {role}.")


@post("/admin/accounts/{account_id:str}/suspension", access=Access.ADMIN, status=200, form=show_account)
def suspend(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> Redirect:
    """Keep an account from acting."""
    account = service.account_for_staff(session, account_id)
    if account.id == staff.id:
        raise Conflict("You cannot suspend yourself.")
    people.suspend(session, staff, account, Origin.of(call))
    return Redirect(f"/admin/accounts/{account.id}", toast=f"@{account.username} is suspended.", kind="warning")


@post("/admin/accounts/{account_id:str}/suspension/end", access=Access.ADMIN, status=200, form=show_account)
def reinstate(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> Redirect:
    """End a suspension."""
    account = service.account_for_staff(session, account_id)
    people.reinstate(session, staff, account, Origin.of(call))
    return Redirect(f"/admin/accounts/{account.id}", toast=f"@{account.username} may act again.")


@post("/admin/accounts/{account_id:str}/sessions/end", access=Access.ADMIN, status=200, form=show_account)
def end_sessions(session: DbWrite, staff: Actor, call: Calling, account_id: FromPath[str]) -> Redirect:
    """Sign an account out everywhere (an admin's own session of now excepted)."""
    account = service.account_for_staff(session, account_id)
    keep = call.member().credential if account.id == staff.id else None
    sessions.end_all(session, account, keep=keep)
    audit.record(session, account.id, "session.ended", Origin.of(call), actor_id=staff.id, all=True)
    return Redirect(f"/admin/accounts/{account.id}", toast=f"@{account.username} is signed out everywhere.")


routes = [accounts, account_page, grant_role, revoke_role, suspend, reinstate, end_sessions]
