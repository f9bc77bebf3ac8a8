"""One's own account: profile, picture, data, history, end."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response

from dodeca.commons.accounts import flows, pictures
from dodeca.commons.accounts.actor import NotActive, Owner, acting, may_manage
from dodeca.commons.accounts.service import audit, deletion, export, people
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import AccountView, AuditView
from dodeca.kernel import clock
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromQuery,
    Slice,
    delete,
    get,
    patch,
    put,
)
from dodeca.kernel.limits import Rate


class Changes(ClosedRequest):
    """What to change. An empty `email` removes the address."""

    name: Annotated[str, msgspec.Meta(max_length=254)] | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] | None = None


class DeletionView(msgspec.Struct):
    """When the account will be gone; signing in with `restore` until then keeps it."""

    user_id: str
    deletion_due_at: str


@get("/me", access=Access.MEMBER)
def me(session: DbRead, call: Calling) -> AccountView:
    """One's own account."""
    view = AccountView.of_acting(session, call.member().account_id)
    if view is None:
        raise NotActive()
    return view


@patch("/me", access=Access.MEMBER)
def change_me(session: DbWrite, account: Owner, call: Calling, data: AnyBody[Changes]) -> AccountView:
    """Change name or mail address."""
    people.change(session, account, Origin.of(call), name=data.name, email=data.email)
    return AccountView.of(session, account)


@delete("/me", access=Access.MEMBER, status=200)
def delete_me(session: DbWrite, account: Owner, call: Calling) -> DeletionView:
    """Ask for deletion. The account sleeps at once and is gone after the grace period."""
    days = flows.authenticator_of(call.platform).settings.grace_days
    due = deletion.request(session, account, days=days, origin=Origin.of(call))
    return DeletionView(account.id, clock.rfc3339(due))


@put("/me/avatar", access=Access.MEMBER, request_max_body_size=pictures.MOST_BYTES + 10_000)
async def set_avatar(call: Calling) -> AccountView:
    """Set one's picture: an image as the body, or the file `avatar` of a multipart form."""
    may_manage(call)
    key = await pictures.store_upload(call)
    return await call.platform.db.awrite(lambda session: _with_picture(session, call, key))


@delete("/me/avatar", access=Access.MEMBER, status=200)
def remove_avatar(session: DbWrite, account: Owner) -> AccountView:
    """Remove one's picture."""
    pictures.set_picture(session, account, None)
    return AccountView.of(session, account)


def _with_picture(session: DbWrite, call: Calling, key: str) -> AccountView:
    account = acting(session, call)
    pictures.set_picture(session, account, key)
    return AccountView.of(session, account)


@get("/export", access=Access.MEMBER, rate=Rate(20, 3600), media_type="application/zip")
async def export_me(call: Calling) -> Response[bytes]:
    """A ZIP of all that the platform holds of the caller."""
    may_manage(call)
    return await export_answer(call)


async def export_answer(call: Calling) -> Response[bytes]:
    """The export as a download. Reading all products takes a while, so it runs beside the event loop."""
    platform, account_id, origin = call.platform, call.member().account_id, Origin.of(call)
    packed = await asyncio.to_thread(platform.db.read, lambda session: export.zipped(session, account_id, platform))
    await platform.db.awrite(lambda session: audit.record(session, account_id, "account.exported", origin))
    name = f"dodeca-{call.member().username}-{clock.now():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(packed, media_type="application/zip", headers=headers)


@get("/audit", access=Access.MEMBER)
def history(
    session: DbRead, account: Owner, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> Slice[AuditView]:
    """What was done with one's account, newest first."""
    found = audit.entries_of(session, account, limit=limit, cursor=cursor)
    return Slice([AuditView.of(entry) for entry in found.items], found.next_cursor)


routes = [me, change_me, delete_me, set_avatar, remove_avatar, export_me, history]
