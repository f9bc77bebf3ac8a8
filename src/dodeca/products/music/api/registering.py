"""Signing up, what is known of a member, and a member's choices."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import public as accounts
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, DbRead, DbWrite, FromPath, get, patch, post
from dodeca.products.music.acting import Looking, account_named, own_account
from dodeca.products.music.service import members

Short = Annotated[str, msgspec.Meta(max_length=254)]
Secret = Annotated[str, msgspec.Meta(max_length=1024)]


class Registration(ClosedRequest):
    """A new account."""

    username: Short | None = None
    password: Secret | None = None
    email: Short | None = None


class Registered(msgspec.Struct):
    """The answer to a registration. `token` is for the Authorization header."""

    message: str
    user_id: str
    username: str
    token: str


class MemberView(msgspec.Struct, kw_only=True):
    """A member. The choices are there for the member alone."""

    user_id: str
    username: str
    name: str
    is_friend: bool
    history_visibility: str | None = None
    explicit: bool | None = None
    max_bit_rate: int | None = None
    listen_count: int | None = None


class Choices(ClosedRequest):
    """What shall be different. `max_bit_rate` in kbit/s, 0 for as it is."""

    history_visibility: Short | None = None
    explicit: bool | None = None
    max_bit_rate: int | None = None


@post("/users", access=Access.PUBLIC)
async def register(call: Calling, data: AnyBody[Registration]) -> Registered:
    """Sign up."""
    for field in ("username", "password", "email"):
        if not getattr(data, field):
            raise Invalid(f"{field} is missing.", field=field)
    try:
        signed_in = await accounts.register(
            call.platform,
            accounts.Origin.of(call),
            username=data.username or "",
            password=data.password or "",
            email=data.email,
        )
    except accounts.UsernameTaken as error:
        raise Conflict("Username already exists", field="username") from error
    account = signed_in.account
    return Registered("User created successfully", account.id, account.username, signed_in.token)


@get("/users/{user:str}", access=Access.PUBLIC)
def read_member(session: DbRead, viewer: Looking, user: FromPath[str]) -> MemberView:
    """A member."""
    account = account_named(session, user)
    friends = members.friends(session, viewer.account_id) if viewer.account_id else frozenset()
    view = MemberView(
        user_id=account.id,
        username=account.username,
        name=account.name or account.username,
        is_friend=account.id in friends,
    )
    row = members.choices(session, account.id)
    if members.history_visible(session, viewer, account.id):
        view.listen_count = row.listen_count
    if viewer.account_id == account.id:
        view.history_visibility, view.explicit = row.history_visibility, row.explicit
        view.max_bit_rate = row.max_bit_rate
    return view


@patch("/users/{user:str}/settings", access=Access.MEMBER)
def change_settings(
    session: DbWrite, call: Calling, viewer: Looking, user: FromPath[str], data: AnyBody[Choices]
) -> MemberView:
    """Change one's own choices."""
    account = own_account(session, call, user)
    changes = {name: value for name in Choices.__struct_fields__ if (value := getattr(data, name)) is not None}
    row = members.change(session, account.id, changes)
    return MemberView(
        user_id=account.id,
        username=account.username,
        name=account.name or account.username,
        is_friend=False,
        history_visibility=row.history_visibility,
        explicit=row.explicit,
        max_bit_rate=row.max_bit_rate,
        listen_count=row.listen_count,
    )


routes = [register, read_member, change_settings]
