"""Invitations: making, taking back, using."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.http import Access, Call, Calling, DbRead, DbWrite, FromPath, delete, get, post
from dodeca.products.news.models import Invitation
from dodeca.products.news.service import inviting


class InvitationView(msgspec.Struct):
    """An invitation that nobody has used yet; `url` is for the person whom it lets in."""

    code: str
    url: str
    created_at: datetime


class InvitationsView(msgspec.Struct):
    """One's open invitations."""

    invitations: list[InvitationView]


def _view(call: Call, row: Invitation) -> InvitationView:
    return InvitationView(row.code, url_of(call, row.code), row.created_at)


def url_of(call: Call, code: str) -> str:
    """The address that an invitation is given on as."""
    return f"{call.platform.public_url}/news/invitation?code={code}"


@post("/invitations", access=Access.MEMBER)
def invite(session: DbWrite, call: Calling, account: Actor) -> InvitationView:
    """Invite somebody."""
    return _view(call, inviting.invite(session, account.id))


@get("/invitations", access=Access.MEMBER)
def list_invitations(session: DbRead, call: Calling, account: Actor) -> InvitationsView:
    """One's open invitations."""
    return InvitationsView([_view(call, row) for row in inviting.open_ones(session, account.id)])


@delete("/invitations/{code:str}", access=Access.MEMBER)
def revoke(session: DbWrite, account: Actor, code: FromPath[str]) -> None:
    """Take one back."""
    inviting.revoke(session, account.id, code)


@post("/invitations/{code:str}/accept", access=Access.MEMBER, status=204)
def accept(session: DbWrite, account: Actor, code: FromPath[str]) -> None:
    """Become a member."""
    inviting.accept(session, account.id, code)


routes = [invite, list_invitations, revoke, accept]
