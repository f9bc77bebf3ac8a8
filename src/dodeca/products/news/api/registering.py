"""Signing up: the shared account of all products."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import public as accounts
from dodeca.kernel.errors import Conflict
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, post
from dodeca.products.news.acting import require
from dodeca.products.news.service import inviting, members

Short = Annotated[str, msgspec.Meta(max_length=254)]
Secret = Annotated[str, msgspec.Meta(max_length=1024)]


class Registration(ClosedRequest):
    """A new account."""

    username: Short | None = None
    password: Secret | None = None
    email: Short | None = None
    invitation: Short | None = None
    """The code of an invitation, where news takes new members by invitation only."""


class UserView(msgspec.Struct, kw_only=True):
    """A new member."""

    user_id: str
    username: str
    email: str | None
    posts: list[str] = []
    comments: list[str] = []


class Registered(msgspec.Struct):
    """The answer to a registration. `token` is for the Authorization header."""

    message: str
    user: UserView
    token: str


async def _register(call: Calling, data: Registration) -> Registered:
    assert data.username is not None
    assert data.password is not None
    code = data.invitation
    await call.platform.db.aread(lambda session: inviting.find(session, code) if code else members.check_open(session))
    try:
        signed_in = await accounts.register(
            call.platform,
            accounts.Origin.of(call),
            username=data.username,
            password=data.password,
            email=data.email or None,
        )
    except accounts.UsernameTaken as error:
        raise Conflict("Username already exists.", field="username") from error
    account = signed_in.account
    if code:
        await call.platform.db.awrite(lambda session: inviting.accept(session, account.id, code))
    user = UserView(user_id=account.id, username=account.username, email=account.email)
    return Registered("Registration successful.", user, signed_in.token)


@post("/register", access=Access.PUBLIC)
async def register(call: Calling, data: AnyBody[Registration]) -> Registered:
    """Sign up; a mail address is optional."""
    require("All fields are required.", username=data.username, password=data.password)
    return await _register(call, data)


@post("/users/register", access=Access.PUBLIC)
async def register_user(call: Calling, data: AnyBody[Registration]) -> Registered:
    """Sign up with a mail address."""
    require("All fields are required.", username=data.username, password=data.password, email=data.email)
    return await _register(call, data)


routes = [register, register_user]
