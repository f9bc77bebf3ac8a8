"""Who acts, for handlers: the till of the caller's own merchant, in the mode of the key that was shown."""

from __future__ import annotations

from typing import Annotated

from dodeca.commons.accounts.public import Account, acting, maybe_acting
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Call, InUnit
from dodeca.products.payments.service.desk import Desk, till_of
from dodeca.products.payments.service.keys import mode_of


def desk_of(session: ReadSession, call: Call) -> Desk:
    """The caller's till. A unit that writes makes the merchant; one that reads sees an empty one."""
    return till_of(session, acting(session, call).id, mode_of(call.member().credential))


async def flow_desk(call: Call) -> Desk:
    """The same for a handler that opens its own units of work."""
    return await call.platform.db.awrite(lambda session: desk_of(session, call))


def own_account(session: ReadSession, call: Call, user_id: str) -> Account:
    """The caller's account, named by id, username or `me`. Raises NotFound for anybody else's."""
    account = acting(session, call)
    if user_id not in ("me", account.id, account.username):
        raise NotFound("User not found")
    return account


Till = Annotated[Desk, InUnit(desk_of)]
__all__ = ["Till", "desk_of", "flow_desk", "maybe_acting", "own_account"]
