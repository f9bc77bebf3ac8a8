"""Who acts and who looks, and what a request may claim about that."""

from __future__ import annotations

import hmac
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from dodeca.commons.accounts.public import account_by_id, account_by_name, maybe_acting
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Call, InUnit
from dodeca.kernel.limits import network
from dodeca.products.news.service.members import Viewer, viewer_of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def viewing(session: ReadSession, call: Call) -> Viewer:
    """Whoever looks, a visitor included."""
    account = maybe_acting(session, call)
    moderates = call.principal is not None and call.principal.is_moderator
    return viewer_of(session, account, is_moderator=moderates)


Looking = Annotated[Viewer, InUnit(viewing)]


def address_hash(call: Call) -> str | None:
    """A keyed hash of the caller's address, if it is a public one: enough to see that two votes share it."""
    if not _is_global(call.address):
        return None
    key = call.platform.keyring.key("news-address")
    return hmac.digest(key, network(call.address).encode(), "sha256").hex()[:32]


@lru_cache(maxsize=8_192)
def _is_global(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def check_id(session: ReadSession, call: Call, given: object) -> None:
    """The id in a request is the caller's own. Raises Forbidden for another's, NotFound for nobody's."""
    if str(given) == call.member().account_id:
        return
    if account_by_id(session, str(given)) is None:
        raise NotFound("User not found.")
    raise Forbidden("You can act for yourself only.")


def check_name(session: ReadSession, call: Call, given: str) -> None:
    """The same for a username."""
    if given.lower() == call.member().username.lower():
        return
    if account_by_name(session, given) is None:
        raise NotFound("User not found.")
    raise Forbidden("You can act for yourself only.")


def require(message: str, **values: object) -> None:
    """Raise Invalid with the endpoint's own sentence when a value is missing, naming the first such field."""
    for name, value in values.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            raise Invalid(message, field=name)


def number(value: int | str | None) -> int:
    """An id from a request; what cannot be one is 0, which no item has."""
    if isinstance(value, int):
        return value
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0


def feed_token(platform: Platform, account_id: str) -> str:
    """The secret in the address of a member's own feed."""
    return hmac.digest(platform.keyring.key("news-feed"), account_id.encode(), "sha256").hex()[:32]
