"""Who acts and who looks, and what a request may claim about that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from dodeca.commons.accounts.public import Account, account_by_id, account_by_name, maybe_acting
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Call, InUnit
from dodeca.products.music.service.viewers import VISITOR, Viewer


def viewer_of(account: Account | None, call: Call) -> Viewer:
    """The viewer that a caller is."""
    if account is None or call.principal is None:
        return VISITOR
    return Viewer(account.id, call.principal.is_moderator, call.principal.is_admin)


def viewing(session: ReadSession, call: Call) -> Viewer:
    """Whoever looks, a visitor included."""
    return viewer_of(maybe_acting(session, call), call)


Looking = Annotated[Viewer, InUnit(viewing)]


def account_named(session: ReadSession, user: str, message: str = "User not found") -> Account:
    """The account of an id or username in a path. Raises NotFound with the endpoint's own words."""
    found = account_by_id(session, user) or account_by_name(session, user)
    if found is None or not found.is_active:
        raise NotFound(message)
    return found


def own_account(session: ReadSession, call: Call, user: str, message: str = "User not found") -> Account:
    """The same, which has to be the caller's. Raises Unauthenticated, NotFound, Forbidden."""
    principal = call.member()
    account = account_named(session, user, message)
    if account.id != principal.account_id:
        raise Forbidden("You can act for yourself only.")
    return account


def number(value: object, field: str | None = None) -> int:
    """An id from a request: a natural number, as number or text. What cannot be one is 0, which nothing has."""
    if isinstance(value, bool):
        return 0
    text = str(value).strip() if isinstance(value, (int, str)) else ""
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    if not found and field is not None and not text:
        raise Invalid(f"{field} is missing.", field=field)
    return found


def moment(value: datetime, field: str) -> datetime:
    """A moment of a request, in UTC. Raises Invalid for one without zone, or beyond what can be reckoned with."""
    if value.tzinfo is None:
        raise Invalid(f"{field} needs a time zone, such as 2031-05-01T20:00:00Z.", field=field)
    if not 1 < value.year < 9999:
        raise Invalid(f"{field} lies too far away.", field=field)
    return value.astimezone(UTC)


def maybe_moment(value: datetime | None, field: str) -> datetime | None:
    """The same, where there may be none."""
    return None if value is None else moment(value, field)
