"""Who may call a route, and who is calling."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec
from litestar.connection import ASGIConnection

from dodeca.kernel.errors import Forbidden, Unauthenticated


class Access(StrEnum):
    """What a route asks of its caller. Every route declares one; the contract tests read it."""

    PUBLIC = "public"
    """Anybody. The caller is still known when signed in."""
    MEMBER = "member"
    """Somebody who is signed in."""
    MODERATOR = "moderator"
    MERCHANT = "merchant"
    ADMIN = "admin"


STAFF = frozenset({Access.MODERATOR, Access.ADMIN})


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as far as the credentials tell; no row of a table, so it can be kept for a while.

    `scopes` limits an API key to some products; None means no limit. `permissions` limits it to reading or to writing.
    `credential` is the id of the session or key.
    """

    account_id: str
    username: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    via: Literal["session", "token", "key"] = "session"
    credential: str = ""
    permissions: Literal["read", "write", "read_write"] = "read_write"

    @property
    def is_admin(self) -> bool:
        """Whether the role admin is held."""
        return "admin" in self.roles

    @property
    def is_moderator(self) -> bool:
        """Moderators and admins."""
        return "moderator" in self.roles or "admin" in self.roles


class Authenticator(Protocol):
    """Finds out who is calling. `commons.accounts` provides it; the kernel only asks."""

    async def identify(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
        """The caller; None when no credentials are given. Raises Unauthenticated when wrong ones are."""
        ...

    async def by_authorization(self, header: str) -> Principal:
        """The caller by the value of an Authorization header alone, for lanes. Raises Unauthenticated."""
        ...

    async def by_cookie(self, secret: str) -> Principal | None:
        """The caller by the secret of a session's cookie alone, for lanes; None where the session is over."""
        ...


def check_access(access: Access, principal: Principal | None, product: str | None) -> None:
    """Raise Unauthenticated or Forbidden unless the caller may call a route of `product` that asks for `access`."""
    if principal is not None and principal.scopes is not None and product is not None and access != Access.PUBLIC:
        allowed = any(scope == product or scope.startswith(product + "-") for scope in principal.scopes)
        if not allowed:
            raise Forbidden(f"This key has no scope for {product}.")
    if access == Access.PUBLIC:
        return
    if principal is None:
        raise Unauthenticated()
    if access in STAFF and product is None and principal.scopes is not None:
        raise Forbidden("A key for some products only cannot run the platform.")
    if access == Access.MEMBER or access.value in principal.roles or principal.is_admin:
        return
    raise Forbidden(f"This needs the role {access.value}.")


def check_permissions(principal: Principal | None, *, writes: bool) -> None:
    """Raise Forbidden where a key that may only read is to write, or the other way round."""
    if principal is not None and principal.permissions not in ("read_write", "write" if writes else "read"):
        raise Forbidden(f"This key may only {principal.permissions}.")
