"""What a handler can be given, and how it asks for it: by the annotation of a parameter.

    def create(session: DbWrite, account: Actor, data: JSONBody[Request]) -> View: ...

`DbRead` and `DbWrite` decide how the unit of work runs. Any `Annotated[X, InUnit(resolver)]` is resolved inside the
unit, with its Session; `Calling` gives the call itself. All other parameters are Litestar's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Unauthenticated
from dodeca.kernel.http.access import Principal

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


@dataclass(slots=True)
class Call:
    """One request: who calls, from where, on which platform."""

    request: Request[Any, Any, Any]
    platform: Platform
    principal: Principal | None
    product: str | None

    @property
    def address(self) -> str:
        """The caller's address; X-Forwarded-For counts only from trusted proxies."""
        return self.platform.proxies.client_address(self.request.scope)

    def member(self) -> Principal:
        """The caller, who must be signed in. Raises Unauthenticated."""
        if self.principal is None:
            raise Unauthenticated()
        return self.principal


@dataclass(frozen=True)
class InUnit:
    """Marks a parameter that `resolve` finds inside the unit of work."""

    resolve: Callable[[ReadSession, Call], object]


@dataclass(frozen=True)
class SessionParameter:
    """Marks the parameter that receives the unit's Session."""

    writes: bool


@dataclass(frozen=True)
class CallParameter:
    """Marks the parameter that receives the Call."""


@dataclass(frozen=True)
class BodyParameter:
    """Marks a body that is converted to the annotated type. It comes as JSON, or also as a form where `forms`."""

    forms: bool = True


DbRead = Annotated[ReadSession, SessionParameter(writes=False)]
DbWrite = Annotated[WriteSession, SessionParameter(writes=True)]
Calling = Annotated[Call, CallParameter()]
