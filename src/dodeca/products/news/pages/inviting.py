"""Invitations and the tree that they make, and the shelf: pages about who one is here, and what one brought along."""

from __future__ import annotations

from urllib.parse import quote

from dodeca.commons.accounts.public import Actor
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
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.news.api.inviting import url_of
from dodeca.products.news.api.shelving import bring_along
from dodeca.products.news.models import Member
from dodeca.products.news.pages.surroundings import HOME, Line, page
from dodeca.products.news.service import inviting, shelf
from dodeca.products.news.service.rules import current

SHELF_SHOWN = 200


class CodeForm(ClosedRequest):
    """Which invitation."""

    code: Line = ""


@get("/invitations", access=Access.MEMBER)
def invitations(session: DbRead, call: Calling, account: Actor) -> Page:
    """One's invitations."""
    return page(
        session,
        call,
        "invitations.html",
        tab="",
        open_ones=[(row, url_of(call, row.code)) for row in inviting.open_ones(session, account.id)],
        invited=inviting.invited_by(session, account.id),
        may_invite=inviting.can_invite(session, account.id),
        most=inviting.MOST_OPEN,
        signup=current(session).signup,
    )


@post("/invitations", access=Access.MEMBER, status=200)
def invite(session: DbWrite, account: Actor) -> Redirect:
    """Make one."""
    inviting.invite(session, account.id)
    return Redirect("/news/invitations", toast="Send the link to the person whom you invite.")


@post("/invitations/revoke", access=Access.MEMBER, status=200)
def revoke(session: DbWrite, account: Actor, data: AnyBody[CodeForm]) -> Redirect:
    """Take one back."""
    inviting.revoke(session, account.id, data.code)
    return Redirect("/news/invitations", toast="Revoked.")


@get("/invitation", access=Access.PUBLIC)
def invitation(session: DbRead, call: Calling, code: FromQuery[str] = "") -> Page:
    """What an invited person sees first."""
    found, inviter = inviting.find(session, code)
    here = quote(f"/news/invitation?code={found.code}", safe="/")
    is_member = call.principal is not None and session.get(Member, call.principal.account_id) is not None
    return page(
        session, call, "invitation.html", tab="", code=found.code, inviter=inviter, come_back=here, is_member=is_member
    )


@post("/invitation", access=Access.MEMBER, status=200)
def accept(session: DbWrite, account: Actor, data: AnyBody[CodeForm]) -> Redirect:
    """Become a member."""
    inviting.accept(session, account.id, data.code)
    return Redirect(HOME, toast="Welcome. You can vote, comment and post now.")


@get("/tree", access=Access.PUBLIC)
def tree(session: DbRead, call: Calling) -> Page:
    """Who let whom in."""
    return page(session, call, "tree.html", tab="lists", branches=inviting.tree(session), most=inviting.MOST_IN_TREE)


def show_shelf(session: ReadSession, call: Call, state: FormState) -> Page:
    """What one brought along from elsewhere, and what was wrong with what was sent."""
    entries = shelf.of(session, call.member().account_id, limit=SHELF_SHOWN + 1)
    return page(
        session,
        call,
        "shelf.html",
        tab="",
        form=state.form,
        entries=entries[:SHELF_SHOWN],
        is_cut=len(entries) > SHELF_SHOWN,
        shown=SHELF_SHOWN,
    )


@get("/shelf", access=Access.MEMBER)
def own_shelf(session: DbRead, call: Calling) -> Page:
    """One's shelf: one's own only."""
    return show_shelf(session, call, FormState())


@post(
    "/shelf",
    access=Access.MEMBER,
    status=200,
    form=show_shelf,
    request_max_body_size=shelf.MAX_ZIP + 100_000,
)
async def add_to_shelf(call: Calling) -> Redirect:
    """Bring something along."""
    answer = await bring_along(call)
    came = answer.imported.items + answer.imported.favorites
    return Redirect("/news/shelf", toast=f"{came:,} came onto your shelf; {answer.skipped:,} were left out.")


routes = [invitations, invite, revoke, invitation, accept, tree, own_shelf, add_to_shelf]
