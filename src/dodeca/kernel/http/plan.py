"""How a handler runs: read off its signature once, then followed for each request.

A handler is a plain function of a Session and its inputs. The plan finds out who calls, checks access, origin and
limits, opens the unit of work on the right thread, resolves what the handler asks for inside it, repeats it where the
database says so, and turns what it returns into an answer.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from litestar import Request, Response
from litestar._signature import SignatureModel
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import BaseRouteHandler
from litestar.types import Empty
from litestar.utils.signature import ParsedSignature

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Forbidden, Invalid, Unauthenticated
from dodeca.kernel.http import idempotency, problems, security
from dodeca.kernel.http.access import Access, check_access, check_permissions
from dodeca.kernel.http.answers import as_response
from dodeca.kernel.http.context import BodyParameter, Call, CallParameter, InUnit, SessionParameter
from dodeca.kernel.http.pages import FormState, Page
from dodeca.kernel.limits import Rate
from dodeca.kernel.web.forms import message_for_people

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")
FormPage = Callable[[ReadSession, Call, FormState], Page]


class Plan:
    """One handler's plan."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        access: Access,
        status: int,
        rate: Rate | None,
        idempotent: bool,
        form: FormPage | None,
    ) -> None:
        self.function = function
        self.access = access
        self.status = status
        self.rate = rate
        self.idempotent = idempotent
        self.form = form
        self.parsed: ParsedSignature | None = None
        self.model: type[SignatureModel] | None = None
        self.is_async = inspect.iscoroutinefunction(function)
        self.session_name = ""
        self.writes = False
        self.call_names: list[str] = []
        self.resolvers: dict[str, InUnit] = {}
        self.body_name = ""
        self.body_type: Any = None
        self.takes_forms = False
        self.signature, self.annotations = self._read_signature()
        if self.status == 200 and self.annotations["return"] is type(None):
            self.status = 204  # what an answer without content is sent with
        if self.is_async and (self.session_name or self.resolvers):
            raise TypeError(f"{function.__qualname__}: an async handler opens its own units of work.")
        if self.idempotent and not self.writes:
            raise TypeError(f"{function.__qualname__}: only a handler that writes can be idempotent.")

    def _read_signature(self) -> tuple[inspect.Signature, dict[str, Any]]:
        """Keep what is ours; leave to Litestar the rest, and the request."""
        hints = get_type_hints(self.function, include_extras=True)
        signature = inspect.signature(self.function)
        passed = []
        for name, parameter in signature.parameters.items():
            if not self._is_ours(name, hints.get(name)):
                passed.append(parameter.replace(annotation=hints.get(name, parameter.annotation)))
        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=AnyRequest)
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in passed if p.name != "request"]
        self.wants_request = len(keyword) != len(passed)
        self.has_parameters = bool(keyword)
        returns = hints.get("return", Any)
        if returns is Page or not _is_data(returns):
            returns = Response[Any]
        annotations = {p.name: p.annotation for p in keyword} | {"request": AnyRequest, "return": returns}
        return signature.replace(parameters=[request, *keyword], return_annotation=returns), annotations

    def _is_ours(self, name: str, hint: Any) -> bool:
        for mark in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            if isinstance(mark, SessionParameter):
                self.session_name, self.writes = name, mark.writes
            elif isinstance(mark, CallParameter):
                self.call_names.append(name)
            elif isinstance(mark, InUnit):
                self.resolvers[name] = mark
            elif isinstance(mark, BodyParameter):
                self.body_name, self.body_type, self.takes_forms = name, get_args(hint)[0], mark.forms
            else:
                continue
            return True
        return False

    async def run(self, request: AnyRequest, values: dict[str, Any]) -> Any:
        """Answer one request."""
        call: Call = cast(dict[str, Any], request.scope)["dodeca.call"]
        try:
            if self.body_name:
                values[self.body_name] = await read_body(request, self.body_type, forms=self.takes_forms)
            return await self._answer(call, values)
        except DodecaError as error:
            if self.form is None:
                raise
            return await self._show_form_again(call, error)

    async def admit(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """The route's guard: who calls, may they, from our own page, within their limits. Runs before anything of the
        request is read, so that a stranger learns nothing from how a body is refused."""
        request = cast(AnyRequest, connection)
        platform = request.app.state.platform
        product: str | None = request.route_handler.opt.get("product")
        try:
            principal = await platform.authenticator.identify(request)
        except Unauthenticated:  # guessing credentials counts like any visit
            platform.limit(Call(request, platform, None, product), None)
            raise
        call = Call(request, platform, principal, product)
        cast(dict[str, Any], request.scope)["dodeca.call"] = call  # also for the page of an error
        check_access(self.access, principal, product)
        writes = request.method not in security.SAFE_METHODS
        check_permissions(principal, writes=writes)
        if writes and (principal.via == "session" if principal is not None else self.form is not None):
            await security.check_csrf(request, platform.own_hosts, platform.csrf_token(request))
        platform.limit(call, self.rate)

    async def _answer(self, call: Call, values: dict[str, Any]) -> Any:
        if self.wants_request:
            values["request"] = call.request
        for name in self.call_names:
            values[name] = call
        if self.is_async:
            result = await self.function(**values)
            if isinstance(result, Page):
                return await call.platform.db.aread(lambda session: as_response(result, call, self.status, session))
            return as_response(result, call, self.status, None)
        if self.writes:
            body = await call.request.body() if self.idempotent else b""
            return await call.platform.db.awrite(lambda session: self._write(session, call, values, body))
        if not self.session_name and not self.resolvers:
            result = self.function(**values)
            if not isinstance(result, Page):
                return as_response(result, call, self.status, None)
            return await call.platform.db.aread(lambda session: as_response(result, call, self.status, session))
        return await call.platform.db.aread(lambda session: self._in_unit(session, call, values))

    def _in_unit(self, session: ReadSession, call: Call, values: dict[str, Any]) -> Response[Any]:
        given = dict(values)
        for name, mark in self.resolvers.items():
            given[name] = mark.resolve(session, call)
        if self.session_name:
            given[self.session_name] = session
        return as_response(self.function(**given), call, self.status, session)

    def _write(self, session: WriteSession, call: Call, values: dict[str, Any], body: bytes) -> Response[Any]:
        key = call.request.headers.get("idempotency-key") if self.idempotent else None
        if key is None:
            return self._in_unit(session, call, values)

        made: list[Response[Any]] = []

        def work() -> tuple[int, bytes]:
            response = self._in_unit(session, call, values)
            made.append(response)
            content = response.content
            return response.status_code or self.status, content if isinstance(content, bytes) else b""

        status, content, repeated = idempotency.once(
            session,
            caller=call.principal.account_id if call.principal else call.address,
            route=f"{call.request.method} {call.request.url.path}",
            key=key,
            body=body,
            work=work,
        )
        if not repeated:
            return made[-1]  # with all its headers
        return Response(
            content, status_code=status, media_type="application/json", headers={"Idempotent-Replayed": "true"}
        )

    async def _show_form_again(self, call: Call, error: DodecaError) -> Response[Any]:
        """The form with what was typed and what is wrong, under the error's status."""
        if isinstance(error, Forbidden) or self.form is None:
            raise error
        typed: dict[str, list[str]] = {}
        for name, value in (await call.request.form()).multi_items():
            if isinstance(value, str):
                typed.setdefault(name, []).append(value)
        state = FormState.refused(typed, error, problems.status_of(error))
        show = self.form

        def unit(session: ReadSession) -> Response[Any]:
            page = show(session, call, state)
            page.status = state.status
            page.headers |= problems.error_headers(state.status, error)
            return as_response(page, call, self.status, session)

        return await call.platform.db.aread(unit)


def _is_data(hint: Any) -> bool:
    """Whether OpenAPI can describe the return type: pages, redirects and unions with them cannot be."""
    kinds = (get_origin(hint), hint, *get_args(hint))
    return not any(isinstance(k, type) and k.__module__.endswith("http.pages") for k in kinds)


async def read_body(request: AnyRequest, kind: type[T], *, forms: bool = True) -> T:
    """Read a body of JSON, or of a form where `forms`, and convert it to `kind`. Raises Invalid naming the field."""
    if forms and _header(request, b"content-type").partition(b";")[0].strip().lower() in _FORMS:
        form = await request.form()
        raw: Any = _from_form([(k, v) for k, v in form.multi_items() if k != security.CSRF_FIELD], kind)
        strict = False
    else:
        body = await read_whole(request)
        strict = True
        try:
            raw = msgspec.json.decode(body) if body else {}
        except msgspec.DecodeError as error:
            raise ClientException(detail=str(error)) from error
    return converted(raw, kind, strict=strict)


def _header(request: AnyRequest, wanted: bytes) -> bytes:
    for name, value in request.scope["headers"]:
        if name == wanted:
            return value
    return b""


async def read_whole(request: AnyRequest) -> bytes:
    """The body, as `request.body()` reads it, without making objects of all headers for the sake of one number.

    Raises RequestEntityTooLarge."""
    if request._body is not Empty:
        return request._body
    most = request.route_handler.resolve_request_max_body_size() or math.inf
    announced = _header(request, b"content-length")
    if announced.isdigit() and (len(announced) > 15 or int(announced) > most):  # before the client sends it
        raise RequestEntityTooLarge
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        event: Any = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientException(detail="The client went away.")
        parts.append(event["body"])
        size += len(event["body"])
        if size > most:
            raise RequestEntityTooLarge
        more = event.get("more_body", False)
    body = request._body = b"".join(parts)
    return body


def converted(raw: Any, kind: type[T], *, strict: bool = True) -> T:
    """Convert plain data to `kind`. Raises Invalid naming the field."""
    try:
        return msgspec.convert(raw, kind, strict=strict)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.strip("`.") or _quoted(text)
        if not strict and field:  # a person filled it in: the field shows the message beside it
            raise Invalid(message_for_people(text), field=field.partition("[")[0]) from error
        raise Invalid(f"{field}: {text}." if field else text + ".", field=field or None) from error


def _quoted(text: str) -> str:
    """The field that msgspec names in "Object missing required field `x`"."""
    parts = text.split("`")
    return parts[1] if len(parts) == 3 else ""


def _from_form(pairs: Sequence[tuple[str, Any]], kind: Any) -> dict[str, Any]:
    """An empty control of a form means that nothing was given, where the field is optional; a field of a list type
    takes all values of its name."""
    fields = msgspec.structs.fields(kind) if _is_struct(kind) else ()
    optional = {field.encode_name for field in fields if not field.required}
    lists = {field.encode_name for field in fields if _is_list(field.type)}
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif value != "" or name not in optional:
            values[name] = value
    return values


def _is_list(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Annotated or origin in (Union, UnionType):
        return any(_is_list(part) for part in get_args(hint))
    return hint is list or origin is list


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
