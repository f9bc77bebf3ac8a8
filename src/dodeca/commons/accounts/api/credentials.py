"""API keys and sessions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.actor import Owner
from dodeca.commons.accounts.service import keys, sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.views import KeyView, SessionView
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    delete,
    get,
    post,
)
from dodeca.kernel.platform import Platform


class NewKey(ClosedRequest):
    """A key to be made. No scopes: it opens every product. `days`: how long it is good."""

    name: Annotated[str, msgspec.Meta(max_length=200)] = "API key"
    scopes: list[Annotated[str, msgspec.Meta(max_length=60)]] = msgspec.field(default_factory=list)
    permissions: str = "read_write"
    days: int | None = None


class Keys(msgspec.Struct):
    """All keys of the account."""

    items: list[KeyView]


class Sessions(msgspec.Struct):
    """All sessions of the account that are good now."""

    items: list[SessionView]


def product_names(platform: Platform) -> list[str]:
    """What keys can be limited to."""
    return [manifest.name for manifest in platform.manifests if manifest.tagline]


@post("/keys", access=Access.MEMBER)
def create_key(session: DbWrite, account: Owner, call: Calling, data: AnyBody[NewKey]) -> KeyView:
    """Make an API key. Its secret is in this answer only."""
    key, secret = keys.create(
        session,
        account,
        data.name,
        data.scopes,
        flows.authenticator_of(call.platform).vault,
        products=product_names(call.platform),
        permissions=data.permissions,
        days=data.days,
        origin=Origin.of(call),
    )
    return KeyView.of(key, secret)


@get("/keys", access=Access.MEMBER)
def list_keys(session: DbRead, account: Owner) -> Keys:
    """The account's keys, newest first."""
    return Keys([KeyView.of(key) for key in keys.keys_of(session, account)])


@delete("/keys/{key_id:str}", access=Access.MEMBER)
def revoke_key(session: DbWrite, account: Owner, call: Calling, key_id: FromPath[str]) -> None:
    """End a key at once."""
    keys.revoke(session, account, key_id, Origin.of(call))


@get("/sessions", access=Access.MEMBER)
def list_sessions(session: DbRead, account: Owner, call: Calling) -> Sessions:
    """Where the account is signed in, the latest used first."""
    current = call.member().credential
    return Sessions([SessionView.of(row, current) for row in sessions.live(session, account)])


@delete("/sessions", access=Access.MEMBER)
def end_other_sessions(session: DbWrite, account: Owner, call: Calling) -> None:
    """Sign out everywhere else."""
    sessions.end_all(session, account, keep=call.member().credential)


@delete("/sessions/{session_id:str}", access=Access.MEMBER)
def end_session(session: DbWrite, account: Owner, call: Calling, session_id: FromPath[str]) -> None:
    """Sign one browser or token out."""
    sessions.end(session, account, session_id, Origin.of(call))


routes = [create_key, list_keys, revoke_key, list_sessions, end_other_sessions, end_session]
