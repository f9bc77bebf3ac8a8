"""Keeping members from staying too long, where they asked for it: a guard of the pages that one gets lost in."""

from __future__ import annotations

from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from dodeca.kernel.http import Call
from dodeca.products.news.service import members


async def not_too_long(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Count the visit of a member who wants it counted. Raises KeptAway. Runs after the route's own guard."""
    call: Call = cast(dict[str, Any], connection.scope)["dodeca.call"]
    if call.principal is None or call.principal.via != "session":
        return
    account_id, db = call.principal.account_id, call.platform.db
    if await db.aread(lambda session: members.wants_limits(session, account_id)):
        await db.awrite(lambda session: members.visit(session, account_id))
