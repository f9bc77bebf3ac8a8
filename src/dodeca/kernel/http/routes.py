"""The decorators that make a function a route.

    @post("/rooms/{room_id:str}/bookings", access=Access.MEMBER, idempotent=True)
    def create_booking(session: DbWrite, account: Actor, room_id: FromPath[str], data: JSONBody[BookingRequest]) -> ...

They are Litestar's handlers around a `Plan`. `access` has no default: a route without it does not exist. `rate` is an
extra limit for this route; `idempotent` honours Idempotency-Key; `form` shows a page's form again when the input is
refused. Extra keywords go to Litestar (and to `opt`, where the contract tests read them).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, cast

from litestar._signature import SignatureModel
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.utils.signature import ParsedSignature

from dodeca.kernel.http.access import Access
from dodeca.kernel.http.openapi import described
from dodeca.kernel.http.plan import AnyRequest, FormPage, Plan
from dodeca.kernel.limits import Rate

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
AsyncGuard = Callable[[ASGIConnection[Any, Any, Any, Any], HTTPRouteHandler], Awaitable[None]]
Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


class PlannedHandler(HTTPRouteHandler):
    """Litestar copies a handler for each application and reads the copy's signature anew, which makes half of the
    time that composing takes. No layer above ours adds to a signature, so it is read once."""

    @property
    def parsed_fn_signature(self) -> ParsedSignature:
        """What the handler takes and gives."""
        plan: Plan = self.opt["plan"]
        if plan.parsed is None:
            plan.parsed = super().parsed_fn_signature
        return plan.parsed

    @property
    def signature_model(self) -> type[SignatureModel]:
        """What checks a request against the signature."""
        plan: Plan = self.opt["plan"]
        if plan.model is None:
            plan.model = super().signature_model
        return plan.model

    @property
    def has_parameters(self) -> bool:
        """Whether it takes anything of the request but the request."""
        plan: Plan = self.opt["plan"]
        return plan.has_parameters

    async def authorize_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Ask all guards. The base copies the handler for each of them at each request, a tenth of a small one."""
        for guard in self.resolve_guards():
            await cast(AsyncGuard, guard)(connection, self)


def route(
    method: Method | Sequence[Method],
    path: str | list[str],
    *,
    access: Access,
    status: int,
    rate: Rate | None = None,
    idempotent: bool = False,
    form: FormPage | None = None,
    **options: Any,
) -> Decorator:
    """See the module's text. `status` is that of a plain success."""

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        plan = Plan(function, access=access, status=status, rate=rate, idempotent=idempotent, form=form)

        async def handler(**values: Any) -> Any:
            request: AnyRequest = values.pop("request")
            return await plan.run(request, values)

        handler.__name__ = function.__name__
        handler.__qualname__ = function.__qualname__
        handler.__module__ = function.__module__
        handler.__doc__ = function.__doc__
        handler.__annotations__ = plan.annotations
        handler.__signature__ = plan.signature  # type: ignore[attr-defined]
        return PlannedHandler(
            path,
            http_method=method,
            status_code=plan.status,
            access=access,
            plan=plan,
            guards=[plan.admit, *options.pop("guards", ())],
            idempotent=idempotent,
            **described(options, access, plan.annotations["return"], body=plan.body_type, forms=plan.takes_forms),
        )(handler)

    return decorate


def get(path: str | list[str], *, access: Access, **options: Any) -> Decorator:
    """Read. HEAD is answered too."""
    return route(["GET", "HEAD"], path, access=access, status=options.pop("status", 200), **options)


def post(path: str | list[str], *, access: Access, **options: Any) -> Decorator:
    """Create (201) or act; pass `status=200` for the latter."""
    return route("POST", path, access=access, status=options.pop("status", 201), **options)


def put(path: str | list[str], *, access: Access, **options: Any) -> Decorator:
    """Replace."""
    return route("PUT", path, access=access, status=options.pop("status", 200), **options)


def patch(path: str | list[str], *, access: Access, **options: Any) -> Decorator:
    """Change some fields."""
    return route("PATCH", path, access=access, status=options.pop("status", 200), **options)


def delete(path: str | list[str], *, access: Access, **options: Any) -> Decorator:
    """Remove."""
    return route("DELETE", path, access=access, status=options.pop("status", 204), **options)
