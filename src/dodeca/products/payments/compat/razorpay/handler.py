"""Razorpay's API: signs in, finds the call, runs it in its unit of work, answers in its shapes.

Two doors lead here, and answer alike: the routes below, and the lane (`lane.py`), which spares the framework.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from dodeca.commons.accounts import public as accounts
from dodeca.kernel import errors
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import Access, Page, Principal, idempotency
from dodeca.kernel.http import Call as RequestCall
from dodeca.kernel.http.answers import as_response
from dodeca.products.payments import idempotent
from dodeca.products.payments.compat.razorpay import calls
from dodeca.products.payments.compat.razorpay.requests import Context, body_of, nested
from dodeca.products.payments.framing import framed
from dodeca.products.payments.models import Order, Subscription
from dodeca.products.payments.service import documents, inputs, orders
from dodeca.products.payments.service.desk import Desk, till_of
from dodeca.products.payments.service.keys import KEY_RATE, mode_of
from dodeca.products.payments.service.orders import OrderRequest

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
KEY_HEADERS = (
    "idempotency-key",
    "x-refund-idempotency",
    "x-payout-idempotency",
    "x-transfer-idempotency",
)
HEADERS: Mapping[str, str] = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Of every answer."""
HEADERS_OF: Mapping[int, Mapping[str, str]] = {
    401: {**HEADERS, "www-authenticate": 'Basic realm="Razorpay"'},
    429: {**HEADERS, "retry-after": str(KEY_RATE.seconds)},
}
"""Of those that carry more."""
AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, through whichever door it came. `path` follows `/payments`; `headers` has lower-case names."""

    platform: Platform
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str


class _Caller(NamedTuple):
    """Who calls. `public`: by the id of a key alone. `secret`: that of the key, where it was shown."""

    principal: Principal
    public: bool = False
    secret: str | None = None


async def answer(asked: Asked) -> tuple[int, bytes]:
    """Answer one call; every error in Razorpay's shape."""
    try:
        return await _answer(asked)
    except errors.DodecaError as error:
        return refused(error)
    except Exception:  # SDKs read every answer as Razorpay's: the platform's own error page would be a puzzle to them
        log.exception("payments.razorpay_failed")
        return 500, _error("SERVER_ERROR", "We are facing some trouble completing your request.", None)


def headers_of(status: int) -> Mapping[str, str]:
    """The headers of an answer."""
    return HEADERS_OF.get(status, HEADERS)


async def _answer(asked: Asked) -> tuple[int, bytes]:
    platform = asked.platform
    path = "/" + asked.path.strip("/")
    path = path.removeprefix("/v1").removeprefix("/v2") or "/"
    call, parameters = calls.find(asked.method, path)
    query = nested(parse_qsl(asked.query, keep_blank_values=True)) if asked.query else {}
    body = body_of(asked.body, asked.headers.get("content-type", ""))
    caller = await _sign_in(platform, asked.headers, body, query, allows_public=call.public)
    principal = caller.principal
    platform.limits.hit("payments", principal.credential or principal.account_id, KEY_RATE)
    context = Context(
        platform=platform,
        account_id=principal.account_id,
        mode=mode_of(principal.credential),
        body=body,
        query=query,
        key_id=principal.credential if principal.via == "key" else None,
        secret=caller.secret,
        address=asked.address,
        public=caller.public,
        account=asked.headers.get("x-razorpay-account"),
    )
    if call.kind == "read":
        return 200, await platform.db.aread(lambda session: _result(session, context, call, parameters))
    route = f"razorpay {asked.method} {path}"
    key = next((found for name in KEY_HEADERS if (found := asked.headers.get(name)) is not None), None)
    if call.kind == "flow":
        work = partial(_flow, context, call, parameters)
        return await idempotent.once(platform, principal.account_id, route, key, asked.body, work, refused)

    def unit(session: WriteSession) -> tuple[int, bytes]:
        def write() -> tuple[int, bytes]:
            return 200, _result(session, context, call, parameters)

        if key is None:
            return write()
        status, content, _ = idempotency.once(
            session, caller=principal.account_id, route=route, key=key, body=asked.body, work=write
        )
        return status, content

    return await platform.db.awrite(unit)


def _result(session: ReadSession, context: Context, call: calls.Call, parameters: tuple[str, ...]) -> bytes:
    """What a call of one unit of work answers. What it wrote is stored first: a refusal comes before the answer."""
    context.till(session)
    result = call.handler(session, context, *parameters)
    if session.writes and session.has_changes:
        session.flush()
    return msgspec.json.encode(result)


async def _flow(context: Context, call: calls.Call, parameters: tuple[str, ...]) -> tuple[int, bytes]:
    """What a call that opens its own units of work answers."""
    return 200, msgspec.json.encode(await call.handler(context, *parameters))


async def _sign_in(
    platform: Platform, headers: Mapping[str, str], body: dict[str, Any], query: dict[str, Any], *, allows_public: bool
) -> _Caller:
    """The caller by id and secret, or by the id alone where a payer's browser may call. Raises Unauthenticated."""
    header = headers.get("authorization", "")
    key_id = str(body.pop("key_id", "") or query.get("key_id") or "") if allows_public else ""
    shown = None
    if header[:6].lower() == "basic ":
        name, _, secret = _basic(header[6:].strip())
        shown = secret or None
        if not secret and allows_public:
            key_id, header = name, ""
    if header:
        principal = await platform.authenticator.by_authorization(header)
        scopes = principal.scopes
        if scopes is None or any(s == "payments" or s.startswith("payments-") for s in scopes):
            return _Caller(principal, secret=shown if principal.via == "key" else None)
        raise errors.Unauthenticated("The api key provided is invalid")
    if key_id:
        key = await platform.db.aread(lambda session: accounts.key_by_id(session, key_id, scope="payments"))
        if key is not None:
            return _Caller(Principal(account_id=key.account_id, username="", via="key", credential=key.id), public=True)
    raise errors.Unauthenticated("Please provide your api key for authentication purposes.")


def _basic(value: str) -> tuple[str, str, str]:
    if ":" not in value:
        try:
            value = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise errors.Unauthenticated("The api key provided is invalid") from error
    return value.partition(":")


def refused(error: errors.DodecaError) -> tuple[int, bytes]:
    """Status and body of an expected refusal."""
    if isinstance(error, errors.Unauthenticated):
        return 401, _error("BAD_REQUEST_ERROR", error.message, None)
    if isinstance(error, errors.TooMany):
        return 429, _error("BAD_REQUEST_ERROR", "Request failed: too many requests.", None)
    if isinstance(error, errors.Upstream):
        return 502, _error("GATEWAY_ERROR", error.message, error.field, error.details)
    if isinstance(error, errors.Unavailable):
        return 503, _error("SERVER_ERROR", error.message, None)
    if isinstance(error, errors.TooLarge):
        return 413, _error("BAD_REQUEST_ERROR", error.message, None)
    in_flight = isinstance(error, errors.Conflict) and "being worked on" in error.message
    return 409 if in_flight else 400, _error("BAD_REQUEST_ERROR", error.message, error.field, error.details)


def _error(code: str, text: str, field: str | None, details: dict[str, Any] | None = None) -> bytes:
    more = details or {}
    metadata = {name: more[name] for name in ("payment_id", "order_id") if more.get(name)}
    return msgspec.json.encode(
        {
            "error": {
                "code": code,
                "description": text,
                "field": field,
                "source": more.get("source", "business"),
                "step": more.get("step", "payment_initiation"),
                "reason": more.get(
                    "reason", "input_validation_failed" if code == "BAD_REQUEST_ERROR" else "server_error"
                ),
                "metadata": metadata,
            }
        }
    )


async def _asked(request: AnyRequest) -> Asked:
    """A request as the framework gives it. Raises TooLarge, Invalid for a body that does not come whole."""
    platform: Platform = request.app.state.platform
    try:
        body = await request.body()
    except HTTPException as error:  # too large, too slow, cut short: said by the framework in its own shape
        kind = errors.TooLarge if error.status_code == 413 else errors.Invalid
        raise kind(error.detail or "The request's body could not be read.") from error
    return Asked(
        platform=platform,
        method=request.method,
        path=request.scope["path"].split("/payments/", 1)[-1],
        query=request.scope["query_string"].decode("latin-1"),
        headers=request.headers,
        body=body,
        address=platform.proxies.client_address(request.scope),
    )


async def answer_route(request: AnyRequest) -> Response[bytes]:
    """Any call."""
    try:
        status, body = await answer(await _asked(request))
    except errors.DodecaError as error:
        status, body = refused(error)
    return Response(body, status_code=status, media_type="application/json", headers=headers_of(status))


async def embedded(request: AnyRequest) -> Response[bytes]:
    """The options of a checkout as a form, from `checkout.js` or a shop's own page: on to the hosted checkout.

    Without an order one is made, of the amount that the shop's page says, to be captured by the shop."""
    try:
        address = await _embedded(await _asked(request))
    except errors.DodecaError as error:
        status, body = refused(error)
        if "text/html" in request.headers.get("accept", ""):  # a payer looks at it
            return await _refused_page(request, status, error)
        return Response(body, status_code=status, media_type="application/json", headers=headers_of(status))
    return Response(b"", status_code=303, headers={"location": address, "cache-control": "no-store"})


async def _refused_page(request: AnyRequest, status: int, error: errors.DodecaError) -> Response[Any]:
    """Why there is no checkout, as a page. Without `WWW-Authenticate`: a browser would ask the payer for a password."""
    platform: Platform = request.app.state.platform
    page = Page("payments/refused.html", status=status, headers=framed(), reason=error.message)
    call = RequestCall(request, platform, None, "payments")
    return await platform.db.aread(lambda session: as_response(page, call, status, session))


async def _embedded(asked: Asked) -> str:
    platform = asked.platform
    body = body_of(asked.body, asked.headers.get("content-type", ""))
    body.setdefault("key_id", body.pop("key", ""))
    principal = (await _sign_in(platform, asked.headers, body, {}, allows_public=True)).principal
    platform.limits.hit("payments", principal.credential, KEY_RATE)
    mode = mode_of(principal.credential)
    given = body.get("prefill")
    prefill = given if isinstance(given, dict) else {}
    carry = {name: str(prefill[name]) for name in ("email", "contact", "name", "method") if prefill.get(name)}
    carry |= {name: str(body[name]) for name in ("embedded", "callback_url") if body.get(name)}
    path = await platform.db.awrite(
        lambda session: checkout_path(session, till_of(session, principal.account_id, mode), body)
    )
    return f"{path}?{urlencode({'key': principal.credential, **carry})}"


def checkout_path(session: WriteSession, desk: Desk, body: dict[str, Any]) -> str:
    """The page that pays a subscription, an order, or an order made for this. Raises Invalid, NotFound."""
    wanted = inputs.text_of(body.get("subscription_id"), "subscription_id", 40)
    if wanted is not None:
        return f"/payments/s/{desk.find(session, Subscription, wanted).code}"
    order_id = inputs.text_of(body.get("order_id"), "order_id", 40)
    if order_id is not None:
        return f"/payments/checkout/{desk.find(session, Order, order_id).id}"
    currency = str(body.get("currency") or "INR")
    request = OrderRequest(
        amount=inputs.amount_of(body.get("amount"), currency),
        currency=currency,
        description=inputs.text_of(body.get("description"), "description", 2048),
        notes=inputs.notes_of(body.get("notes")),
    )
    return f"/payments/checkout/{orders.create(session, desk, request).id}"


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_handler = HTTPRouteHandler(
    ["/v1/{path:path}", "/v2/{path:path}", "/methods"],
    http_method=list(METHODS),  # type: ignore[arg-type]
    status_code=200,
    access=Access.PUBLIC,
    include_in_schema=False,
)(answer_route)
_documents_handler = HTTPRouteHandler(
    ["/v1/documents"],
    http_method=["POST"],
    status_code=200,
    access=Access.PUBLIC,
    include_in_schema=False,
    request_max_body_size=documents.MOST_BYTES + 100_000,
)(answer_route)
_embedded_handler = HTTPRouteHandler(
    "/v1/checkout/embedded", http_method=["POST"], status_code=200, access=Access.PUBLIC, include_in_schema=False
)(embedded)
routes = [_handler, _documents_handler, _embedded_handler]
