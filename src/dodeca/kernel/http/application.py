"""Litestar, with a shorter way from its routing table to our handlers.

Litestar takes a request through layers that no route of ours has a use for: two exception middlewares, a wrapper of
`send`, response caches, dependency groups, hooks. Together they take longer than reading a row does. A `PlannedHandler`
without middleware is therefore called from here, with the same parts: Litestar finds the route, makes the Request,
reads and checks the parameters, and the route's exception handlers word what goes wrong. All else goes Litestar's way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from litestar import Litestar, Router
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException, HTTPException, SerializationException
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.routes import BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import Empty
from litestar.utils import normalize_path
from litestar.utils.scope.state import ScopeState

from dodeca.kernel.http.answers import JsonAnswer
from dodeca.kernel.http.bridge import ANSWER
from dodeca.kernel.http.metrics import count_answer
from dodeca.kernel.http.routes import PlannedHandler

_PLAIN_HOST = re.compile(rb"[0-9A-Za-z.:\[\]-]*")


class GrowingMap(Router):
    """A router whose map of handlers grows with its routes: Litestar makes it anew for each handler that is registered,
    which takes a quarter of a start with hundreds of them."""

    _mapped: Sequence[BaseRoute] = ()
    _map: dict[str, Any]

    @property
    def route_handler_method_map(self) -> dict[str, Any]:
        """By path and method, as Litestar's."""
        known = len(self._mapped)
        if not known or self.routes[:known] != self._mapped:  # a route was replaced by one of more methods
            self._map, known = {}, 0
        for route in self.routes[known:]:
            at_path = self._map.setdefault(route.path, {})
            if isinstance(route, HTTPRoute):
                at_path |= {method: handler for handler in route.route_handlers for method in handler.http_methods}
            else:
                at_path["websocket" if isinstance(route, WebSocketRoute) else "asgi"] = route.route_handler
        self._mapped = list(self.routes)
        return self._map


class Application(GrowingMap, Litestar):
    """See the module's text."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Without those for pydantic and attrs, whose models we have none of: they load eight megabytes."""
        return [*plugins, MsgspecDIPlugin()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        found = self._planned(scope) if scope["type"] == "http" else None
        if found is None:
            await super().__call__(scope, receive, send)
            return
        handler, parameters = found
        sending = _Sending(send, handler.opt.get("product"))
        try:
            await self._answer(handler, parameters, scope, receive, sending)
        except Exception as error:
            if sending.started:
                raise
            await _answer_error(handler, error, scope, receive, sending)
        finally:
            if scope["method"] not in ("GET", "HEAD") and (form := ScopeState.from_scope(scope).form) is not Empty:
                await FormMultiDict.from_form_data(form).close()

    def _planned(self, scope: Any) -> tuple[PlannedHandler, Any] | None:
        """The handler that is to be called, with Litestar's model of its parameters; the scope then says so."""
        if not all(_PLAIN_HOST.fullmatch(value) for name, value in scope["headers"] if name == b"host"):
            return None
        try:
            app, handler, path, values, template = self.asgi_router.handle_routing(
                path=normalize_path(scope["path"]), method=scope["method"]
            )
        except HTTPException:  # Litestar routes once more, and words it
            return None
        route = getattr(app, "__self__", None)
        if not isinstance(route, HTTPRoute) or not isinstance(handler, PlannedHandler):  # middleware stands before it
            return None
        scope["app"] = scope["litestar_app"] = self
        scope.setdefault("state", {})
        scope["path"], scope["path_params"], scope["path_template"] = path, values, template
        scope["route_handler"] = handler
        return handler, route.route_handler_map[scope["method"]][1]

    async def _answer(self, handler: PlannedHandler, parameters: Any, scope: Any, receive: Any, send: _Sending) -> None:
        request = handler.resolve_request_class()(scope, receive, cast(Any, send))
        await handler.authorize_connection(request)
        values: dict[str, Any] = {"request": request}
        if handler.has_parameters:
            try:
                given = await parameters.to_kwargs(connection=request)
            except SerializationException as error:
                raise ClientException(str(error)) from error
            values = handler.signature_model.parse_values_from_connection_kwargs(connection=request, kwargs=given)
        answer = await handler.fn(**values)
        if isinstance(answer, JsonAnswer):
            send.note(answer.status_code)
            await answer.send(scope, send.send, scope.get("extensions", {}).get(ANSWER))
        else:
            response: Any = await handler.to_response(app=self, data=answer, request=request)
            await response(scope, receive, send)


class _Sending:
    """`send`, which notes that an answer has begun and counts it."""

    __slots__ = ("product", "send", "started")

    def __init__(self, send: Any, product: str | None) -> None:
        self.send = send
        self.product = product
        self.started = False

    def note(self, status: int) -> None:
        self.started = True
        count_answer(self.product, status)

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.note(message["status"])
        await self.send(message)


async def _answer_error(handler: PlannedHandler, error: Exception, scope: Any, receive: Any, send: _Sending) -> None:
    handlers = handler.resolve_exception_handlers()
    word = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
    if word is None:
        raise error
    request = handler.resolve_request_class()(scope, receive, cast(Any, send))
    response = word(request, error)
    answer = response.to_asgi_response(app=None, request=request, type_encoders=handler.resolve_type_encoders())
    await cast(Any, answer)(scope, receive, send)
