"""Who acts, for handlers: the account's row in their unit of work.

def book(session: DbWrite, account: Actor, …): ...
"""

from __future__ import annotations

from typing import Annotated

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service.scopes import ACCOUNTS
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden, Unauthenticated
from dodeca.kernel.http import Call, InUnit


class NotActive(Unauthenticated):
    """The account has gone, or sleeps, since its credentials were looked up."""

    def __init__(self) -> None:
        super().__init__("This account is not active.")


def maybe_acting(session: ReadSession, call: Call) -> Account | None:
    """The caller's account, or None for a visitor. Raises Unauthenticated when it has gone since it was looked up."""
    if call.principal is None:
        return None
    account = session.get(Account, call.principal.account_id)
    if account is None or not account.is_active:
        raise NotActive()
    return account


def acting(session: ReadSession, call: Call) -> Account:
    """The caller's account. Raises Unauthenticated."""
    account = maybe_acting(session, call)
    if account is None:
        raise Unauthenticated()
    return account


def owning(session: ReadSession, call: Call) -> Account:
    """The caller's account, to manage the account itself: a key made for a product cannot make itself others."""
    may_manage(call)
    return acting(session, call)


def may_manage(call: Call) -> None:
    """Raise Forbidden for an API key without the scope `accounts`, Unauthenticated for a visitor."""
    principal = call.member()
    if principal.via == "key" and ACCOUNTS not in (principal.scopes or ()):
        raise Forbidden("An API key needs the scope accounts for this.")


Actor = Annotated[Account, InUnit(acting)]
MaybeActor = Annotated[Account | None, InUnit(maybe_acting)]
Owner = Annotated[Account, InUnit(owning)]
